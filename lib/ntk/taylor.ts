/**
 * Networks expanded in their parameters.
 *
 * @module
 */

import { sub } from "../core/operations/arithmetic.ts";
import { checkCount } from "../core/operations/checks.ts";
import { flattenTree, leavesLike, treeMap, unflattenTree } from "../core/tree.ts";
import { jvp } from "../transforms/jvp.ts";
import { checkFunction, checkLike } from "../transforms/walk.ts";

/** A network, of one example or of many: its result from its parameters and whatever else it takes. */
export type AnyNetwork<Params, Inputs extends readonly unknown[], Out> = (
  params: Params,
  ...inputs: Inputs
) => Out;

/** Parameters minus those at which a network is expanded. Throws where they are not alike. */
function difference<Params>(moved: Params, params: Params, where: string): Params {
  const { leaves, structure } = flattenTree(params, `${where}: params`);
  const others = leavesLike(moved, structure, `${where}: parameters of the expansion`);
  const moves = leaves.map((leaf, i) => {
    checkLike(others[i], leaf, `${where}: parameters of the expansion`);
    return sub(others[i], leaf);
  });
  return unflattenTree(structure, moves) as Params;
}

/**
 * The Taylor polynomial of a network in its parameters, at the given ones: a function that takes other parameters, and is
 * of them what its name says. As `nt.taylor_expand`. Degree 0 is the network at the given parameters, 1 is
 * `linearizeNetwork`; each degree more costs another nested derivative, without any being stored.
 *
 * Throws a `TreeError`, `ShapeError` or `DTypeError` for parameters unlike the given ones, and an `ArgumentError` for a
 * degree that is no integer of at least 0.
 *
 * @example
 * ```ts
 * import { taylorExpand, tensor } from "@tangents/ntk";
 * const square = taylorExpand((w) => w.exp(), tensor([0]), 2);
 * console.log(await square(tensor([2])).toArray()); // [5], which is 1 + 2 + 2²/2
 * ```
 */
export function taylorExpand<Params, Inputs extends readonly unknown[], Out>(
  f: AnyNetwork<Params, Inputs, Out>,
  params: Params,
  degree: number,
): AnyNetwork<Params, Inputs, Out> {
  checkFunction(f, "taylorExpand");
  checkCount(degree, 0, "taylorExpand: degree");
  return (moved, ...inputs) => {
    const direction = difference(moved, params, "taylorExpand");
    /** The terms of g from its own degree on, g being the derivative of order `order` along the direction. */
    const terms = (g: (params: Params) => Out, order: number): Out => {
      if (order === degree) return g(params);
      const derivative = (p: Params): Out => jvp(g, [p], [direction])[1];
      const rest = terms(derivative, order + 1);
      return treeMap((x, more) => x.add(more.div(order + 1)), g(params), rest);
    };
    return terms((p) => f(p, ...inputs), 0);
  };
}

/**
 * A network made linear in its parameters at the given ones: f(params, x) + J(x)·(moved − params), as `nt.linearize`. Its
 * neural tangent kernel is the network's at `params`, whatever its own parameters are.
 *
 * Throws a `TreeError`, `ShapeError` or `DTypeError` for parameters unlike the given ones.
 *
 * @example
 * ```ts
 * import { linearizeNetwork, type Tensor, tensor } from "@tangents/ntk";
 * const f = (w: Tensor, x: Tensor) => w.mul(x).exp();
 * const linear = linearizeNetwork(f, tensor([0]));
 * console.log(await linear(tensor([2]), tensor([3])).toArray()); // [7], which is 1 + 3·2
 * ```
 */
export function linearizeNetwork<Params, Inputs extends readonly unknown[], Out>(
  f: AnyNetwork<Params, Inputs, Out>,
  params: Params,
): AnyNetwork<Params, Inputs, Out> {
  checkFunction(f, "linearizeNetwork");
  return (moved, ...inputs) => {
    const direction = difference(moved, params, "linearizeNetwork");
    const [value, change] = jvp((p: Params) => f(p, ...inputs), [params], [direction]);
    return treeMap((x, dx) => x.add(dx), value, change);
  };
}
