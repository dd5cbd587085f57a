/**
 * The kernel as an operator: its products with vectors, without the kernel.
 *
 * @module
 */

import type { Tensor } from "../core/tensor.ts";
import { flattenTree, leavesLike } from "../core/tree.ts";
import { jvp } from "../transforms/jvp.ts";
import { vjp } from "../transforms/vjp.ts";
import { vmap } from "../transforms/vmap.ts";
import { checkLike } from "../transforms/walk.ts";
import { checkPlace } from "./options.ts";
import { checkNetwork, type NetworkFunction, type ParameterChoice } from "./problem.ts";

/** Options of `ntkVectorProduct`. */
export interface NtkVectorProductOptions {
  /** Which parameters the kernel sums over, by name (path in the tree); all floating point ones by default. */
  parameters?: ParameterChoice;
}

/**
 * The full kernel Θ(x1, x2) as an operator on vectors: a function v ↦ Θ(x1, x2)·v, in the time of one vjp over x2 and one
 * jvp over x1, and without the kernel. For linear solvers and eigenvalues of kernels that are too large to hold.
 *
 * `f(params, x)` is the network for one example, with an output of shape O… (or a tree of such). v has the shape of the
 * outputs for all of **x2**, [M, O…]; the product has that of the outputs for all of **x1**, [N, O…]. Without x2 both are x1.
 * As `nt.empirical_ntk_vp_fn`. The product is lazy, as every tensor.
 *
 * Throws a `ShapeError`, `TreeError` or `DTypeError` for arguments that do not fit, or a vector unlike the outputs, and an
 * `ArgumentError` for parameters that are not there.
 *
 * @example
 * ```ts
 * import { empiricalNtk, ntkVectorProduct, ones, type Tensor, tensor } from "@tangents/ntk";
 * const f = (w: Tensor, x: Tensor) => w.matmul(x).tanh();
 * const [w, x1, x2] = [tensor([[1, 2], [3, 4]]), tensor([[0.1, 0.2]]), tensor([[0.3, 0], [1, 1]])];
 * const product = ntkVectorProduct(f, w, x1, x2)(ones([2, 2]));
 * const kernel = await empiricalNtk(f, w, x1, x2);
 * console.log(await product.sub(kernel.sum([1, 3])).abs().max().item() < 1e-6); // true
 * ```
 */
export function ntkVectorProduct<Params, X, Out = Tensor>(
  f: NetworkFunction<Params, X, Out>,
  params: Params,
  x1: X,
  x2?: X | null,
  options: NtkVectorProductOptions = {},
): (v: Out) => Out {
  const where = "ntkVectorProduct";
  checkPlace(x2, options, ["parameters"], where);
  const second = x2 ?? x1;
  const { withChosen, chosen } = checkNetwork(f, params, x1, second, options.parameters, where);
  const outputsOn = (x: X) => (values: readonly Tensor[]): Out =>
    vmap(f as (params: Params, x: X) => Out, [null, 0])(withChosen(values), x);
  const [outputs, pull] = vjp(outputsOn(second), chosen);
  const { leaves, structure } = flattenTree(outputs, where);
  return (v) => {
    leavesLike(v, structure, `${where}: vector`)
      .forEach((x, i) => checkLike(x, leaves[i], `${where}: vector, like the outputs for x2`));
    const [cotangents] = pull(v);
    return jvp(outputsOn(x1), [chosen], [cotangents])[1];
  };
}
