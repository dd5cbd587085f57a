/**
 * The kernels that are measured.
 *
 * @module
 */

import { random, type Tensor } from "../mod.ts";
import { functionalCall, type Module } from "../lib/nn/mod.ts";
import { CNN, MLP } from "../models/mod.ts";

/** Networks and examples by name. */
export type ProblemName = "tutorial" | "mlp";

/** A network for one example, its parameters, and examples. */
export interface NtkProblem {
  readonly f: (params: Record<string, Tensor>, x: Tensor) => Tensor;
  readonly params: Record<string, Tensor>;
  readonly x1: Tensor;
  readonly x2: Tensor;
}

/** A network as a function of one example. */
export function problemOf(
  net: Module & { forward(x: Tensor): Tensor },
  x1: Tensor,
  x2: Tensor,
): NtkProblem {
  return {
    f: (params, x) => functionalCall(net, params, x.unsqueeze(0)).squeeze(0),
    params: net.namedParameters(),
    x1,
    x2,
  };
}

/** The problem of a name: the same numbers every time. */
export function makeProblem(name: ProblemName): NtkProblem {
  const [key1, key2] = random.splitKey(random.randomKey(0));
  switch (name) {
    case "tutorial":
      return problemOf(
        new CNN(),
        random.normal(key1, [20, 3, 32, 32]),
        random.normal(key2, [5, 3, 32, 32]),
      );
    case "mlp":
      return problemOf(
        new MLP([3072, 2048, 2048, 2048, 8]),
        random.normal(key1, [16, 3072]),
        random.normal(key2, [16, 3072]),
      );
  }
}
