/**
 * The activations that recurrent networks name.
 *
 * @module
 */

import { elu, leakyRelu, softsign } from "../../core/operations/activations.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { OperatorContext } from "../operator.ts";
import { hardSigmoid, softplus, thresholdedRelu } from "./activations.ts";

/** An activation, and the defaults of the numbers that it takes. */
interface Named {
  readonly f: (x: Tensor, alpha: number, beta: number) => Tensor;
  readonly alpha?: number;
  readonly beta?: number;
}

const known: Readonly<Record<string, Named>> = {
  affine: { f: (x, alpha, beta) => x.mul(alpha).add(beta), alpha: 1, beta: 0 },
  elu: { f: elu, alpha: 1 },
  hardsigmoid: { f: hardSigmoid, alpha: 0.2, beta: 0.5 },
  leakyrelu: { f: leakyRelu, alpha: 0.01 },
  relu: { f: (x) => x.relu() },
  scaledtanh: { f: (x, alpha, beta) => x.mul(beta).tanh().mul(alpha), alpha: 1, beta: 1 },
  sigmoid: { f: (x) => x.sigmoid() },
  softplus: { f: softplus },
  softsign: { f: softsign },
  tanh: { f: (x) => x.tanh() },
  thresholdedrelu: { f: thresholdedRelu, alpha: 1 },
};

/** The attributes that choose activations. */
export interface ActivationValues {
  readonly activation_alpha: readonly number[];
  readonly activation_beta: readonly number[];
  readonly activations: readonly string[] | undefined;
}

/** The activations of one direction; numbers for them are used up in order by those that take some. */
export function resolveActivations(
  context: OperatorContext,
  values: ActivationValues,
  initial: readonly string[],
  direction: number,
): ((x: Tensor) => Tensor)[] {
  const count = initial.length;
  const given = values.activations ?? [...initial, ...initial];
  if (given.length < (direction + 1) * count) {
    context.fail(`${given.length} activations, expected ${count} for each direction`);
  }
  const [alphas, betas] = [[...values.activation_alpha], [...values.activation_beta]];
  const all = given.map((name) => {
    const found = Object.hasOwn(known, name.toLowerCase())
      ? known[name.toLowerCase()]
      : context.fail(`activation ${JSON.stringify(name)} is unknown`);
    const alpha = found.alpha === undefined ? 0 : alphas.shift() ?? found.alpha;
    const beta = found.beta === undefined ? 0 : betas.shift() ?? found.beta;
    return (x: Tensor) => found.f(x, alpha, beta);
  });
  return all.slice(direction * count, (direction + 1) * count);
}
