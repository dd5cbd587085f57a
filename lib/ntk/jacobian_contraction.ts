/**
 * Method 1: the Jacobians of all examples, contracted over the parameters.
 *
 * @module
 */

import type { DotGeneralParams } from "../base/primitives.ts";
import { range } from "../base/shape.ts";
import { apply } from "../core/apply.ts";
import { cast } from "../core/operations/arithmetic.ts";
import type { Tensor } from "../core/tensor.ts";
import { jacrev } from "../transforms/jacrev.ts";
import { vmap } from "../transforms/vmap.ts";
import type { KernelProblem, VectorFunction } from "./problem.ts";
import { sumInPairs } from "./sum_in_pairs.ts";

/** For each parameter, the Jacobian [examples, traced, diagonal, full, parameter…] in the kernel's dtype. */
function jacobians(
  { params, form, dtype }: KernelProblem,
  f: VectorFunction,
  x: unknown,
): Tensor[] {
  const list = vmap(jacrev(f), [null, 0])([...params], x) as unknown as Tensor[];
  const { traced, diagonal, full } = form;
  return list.map((j, i) =>
    cast(j, dtype).reshape([j.shape[0], traced, diagonal, full, ...params[i].shape])
  );
}

/**
 * One parameter's term [N, M, diagonal, full, full] from Jacobians [examples, traced, diagonal, full, parameter…]. The
 * parameter's own axes are contracted as they are, so that their structure stays visible.
 */
function contract(j1: Tensor, j2: Tensor): Tensor {
  const contracted = [1, ...range(j1.rank).slice(4)];
  const params: DotGeneralParams = {
    lhsBatch: [2],
    rhsBatch: [2],
    lhsContract: contracted,
    rhsContract: contracted,
  };
  return apply("dotGeneral", params, j1, j2).permute([1, 3, 0, 2, 4]);
}

/**
 * The kernel by Jacobian contraction: time N·O·[FP] for the Jacobians and N²O²P for the product (the less of the outputs
 * are wanted in full, the less), which keeps what structure the Jacobians show. Result: [N, M, diagonal, full, full].
 */
export function jacobianContraction(problem: KernelProblem): Tensor {
  const { f, f2, x1, x2, symmetric } = problem;
  const j1 = jacobians(problem, f, x1);
  const j2 = symmetric ? j1 : jacobians(problem, f2, x2);
  return sumInPairs(j1.map((j, i) => contract(j, j2[i])));
}
