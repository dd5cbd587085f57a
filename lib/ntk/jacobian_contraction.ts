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
import type { NtkCompute } from "./compute.ts";
import type { KernelProblem } from "./problem.ts";

/** For each parameter, the Jacobian [examples, outputs, parameter…] in the kernel's dtype. */
function jacobians({ f, params, dtype }: KernelProblem, x: unknown): Tensor[] {
  const list = vmap(jacrev(f), [null, 0])([...params], x) as unknown as Tensor[];
  return list.map((j) => j.dtype === dtype ? j : cast(j, dtype));
}

/** One parameter's term. The parameter's own axes are contracted as they are, so that their structure stays visible. */
function contract(j1: Tensor, j2: Tensor, compute: NtkCompute): Tensor {
  const parameterAxes = range(j1.rank).slice(2);
  const product = (batch: number[], contracted: number[]): Tensor => {
    const params: DotGeneralParams = {
      lhsBatch: batch,
      rhsBatch: batch,
      lhsContract: contracted,
      rhsContract: contracted,
    };
    return apply("dotGeneral", params, j1, j2);
  };
  switch (compute) {
    case "full":
      return product([], parameterAxes).permute([0, 2, 1, 3]);
    case "diagonal":
      return product([1], parameterAxes).permute([1, 2, 0]);
    case "trace":
      return product([], [1, ...parameterAxes]);
  }
}

/**
 * The kernel by Jacobian contraction: time N·O·[FP] for the Jacobians and N²O²P for the product, which keeps what
 * structure the Jacobians show. Result: [N, M, O, O], [N, M, O] or [N, M].
 */
export function jacobianContraction(problem: KernelProblem, compute: NtkCompute): Tensor {
  const j1 = jacobians(problem, problem.x1);
  const j2 = problem.x2 === problem.x1 ? j1 : jacobians(problem, problem.x2);
  return j1.map((j, i) => contract(j, j2[i], compute)).reduce((a, b) => a.add(b));
}
