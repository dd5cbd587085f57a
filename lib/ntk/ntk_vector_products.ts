/**
 * Method 2: products of the kernel with basis vectors, by a vjp followed by a jvp.
 *
 * @module
 */

import { eye } from "../core/operations/creation.ts";
import type { Tensor } from "../core/tensor.ts";
import { jvp } from "../transforms/jvp.ts";
import { vjp } from "../transforms/vjp.ts";
import { vmap } from "../transforms/vmap.ts";
import { innerProduct } from "./inner_product.ts";
import type { KernelProblem } from "./problem.ts";
import { upperStrips } from "./symmetric.ts";

/** The kernel between all pairs of examples, as they are given. */
function allPairs(problem: KernelProblem): Tensor {
  const { f, f2, params, x1, x2, form: { traced, diagonal, full }, dtype } = problem;
  const equal = traced * diagonal;
  /** A basis vector of the outputs that is the product of one of those at equal indices and one of those in full. */
  const basisVector = (u: Tensor, w: Tensor): Tensor =>
    u.reshape([equal, 1]).mul(w.reshape([1, full])).reshape([equal * full]);
  const pair = (a: unknown, b: unknown): Tensor => {
    const [, pull] = vjp((p: readonly Tensor[]) => f(p, a), params);
    const row = (u: Tensor, w: Tensor): Tensor => {
      const e = basisVector(u, w);
      const [cotangents] = pull(e);
      const [, product] = jvp((p: readonly Tensor[]) => f2(p, b), [params], [cotangents]);
      if (equal === 1) return product;
      const at = (other: Tensor): Tensor => innerProduct(product, e, basisVector(u, other));
      return full === 1 ? at(w).reshape([1]) : vmap(at)(eye(full, full, { dtype }));
    };
    const rows = vmap(vmap(row, [null, 0]), [0, null])(
      eye(equal, equal, { dtype }),
      eye(full, full, { dtype }),
    );
    return rows.reshape([traced, diagonal, full, full]).sum(0);
  };
  return vmap<[unknown, unknown], Tensor>(vmap<[unknown, unknown], Tensor>(pair, [null, 0]), [
    0,
    null,
  ])(x1, x2);
}

/**
 * The kernel by NTK-vector products: Θ(x1, x2)·e = J(x2)·(J(x1)ᵀ·e) for each basis vector e of the outputs, in time
 * N²·O·[FP] and without any contraction over the parameters. Result: [N, M, diagonal, full, full].
 *
 * For traces and diagonals each product is computed at its own output only, back to where outputs mix: all of what a
 * softmax at the end mixes is needed. For examples with themselves, pairs below the diagonal are left out.
 */
export function ntkVectorProducts(problem: KernelProblem): Tensor {
  return problem.symmetric && problem.n1 > 1 ? upperStrips(problem, allPairs) : allPairs(problem);
}
