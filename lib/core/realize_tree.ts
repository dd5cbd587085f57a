/**
 * Computing a whole tree at once.
 *
 * @module
 */

import type { Backend } from "../compiler/backend.ts";
import { realizeAll } from "./realize.ts";
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
  await realizeAll(flattenTree(tree, "realize").leaves);
  return tree;
}

/** The same on a backend of the caller's choice. */
export async function realizeOn<T>(tree: T, backend: Backend): Promise<T> {
  await realizeAll(flattenTree(tree, "realize").leaves, backend);
  return tree;
}
