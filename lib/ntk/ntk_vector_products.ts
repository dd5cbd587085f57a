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
import type { NtkCompute } from "./compute.ts";
import { innerProduct } from "./inner_product.ts";
import type { KernelProblem } from "./problem.ts";

/**
 * The kernel by NTK-vector products: Θ(x1, x2)·e = J(x2)·(J(x1)ᵀ·e) for each basis vector e of the outputs, in time
 * N²·O·[FP] and without any contraction over the parameters. Result: [N, M, O, O], [N, M, O] or [N, M].
 *
 * For the trace and the diagonal each product is computed at its own output only, back to where outputs mix: all of what
 * a softmax at the end mixes is needed.
 */
export function ntkVectorProducts(
  { f, params, x1, x2, outputSize, dtype }: KernelProblem,
  compute: NtkCompute,
): Tensor {
  const pair = (a: unknown, b: unknown): Tensor => {
    const [, pull] = vjp((p: readonly Tensor[]) => f(p, a), params);
    const row = (basisVector: Tensor): Tensor => {
      const [cotangents] = pull(basisVector);
      const [, product] = jvp((p: readonly Tensor[]) => f(p, b), [params], [cotangents]);
      return compute === "full" ? product : innerProduct(product, basisVector);
    };
    const rows = vmap(row)(eye(outputSize, outputSize, { dtype }));
    return compute === "trace" ? rows.sum(0) : rows;
  };
  return vmap<[unknown, unknown], Tensor>(vmap<[unknown, unknown], Tensor>(pair, [null, 0]), [
    0,
    null,
  ])(x1, x2);
}
