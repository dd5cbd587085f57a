/**
 * Computing a whole tree at once.
 *
 * @module
 */

import { currentBackend } from "../../backends/registry.ts";
import { realizeSync } from "./realize.ts";
import { flattenTree } from "./tree.ts";

/**
 * Computes every tensor of a tree in one program, so that what they share is computed once, and returns the tree. From
 * then on they are data: what is built on them does not compute them again.
 *
 * @example
 * ```ts
 * import { ones, realize } from "@tangents/ntk";
 * const { w } = await realize({ w: ones([2]).add(1) });
 * console.log(await w.toArray()); // [2, 2]
 * ```
 */
export async function realize<T>(tree: T): Promise<T> {
  realizeSync(flattenTree(tree, "realize").leaves);
  await currentBackend().reclaim?.();
  return tree;
}
