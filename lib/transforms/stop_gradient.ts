/**
 * Cutting the derivative.
 *
 * @module
 */

import { apply } from "../core/apply.ts";
import { flattenTree, unflattenTree } from "../core/tree.ts";

/**
 * The same values, whose derivative is zero for every transform. Takes a tree.
 *
 * @example
 * ```ts
 * import { grad, stopGradient, tensor } from "@tangents/ntk";
 * const gradient = grad((x) => x.mul(stopGradient(x)).sum())(tensor([3]));
 * console.log(await gradient.toArray()); // [3]
 * ```
 */
export function stopGradient<T>(tree: T): T {
  const { leaves, structure } = flattenTree(tree, "stopGradient");
  return unflattenTree(structure, leaves.map((x) => apply("stopGradient", {}, x))) as T;
}
