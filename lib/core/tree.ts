/**
 * Trees of tensors: a tensor, an array of trees, or a plain object of trees. Parameters, inputs and outputs are trees.
 *
 * @module
 */

import { TreeError } from "../base/errors.ts";
import { Tensor } from "./tensor.ts";

/** The shape of a tree without its leaves. */
export type TreeStructure =
  | { readonly kind: "leaf" }
  | { readonly kind: "array"; readonly children: readonly TreeStructure[] }
  | {
    readonly kind: "object";
    readonly keys: readonly string[];
    readonly children: readonly TreeStructure[];
  };

/** A tree taken apart. */
export interface FlatTree {
  /** The tensors, depth first, object entries in the order of their keys. */
  readonly leaves: Tensor[];
  /** What puts them together again. */
  readonly structure: TreeStructure;
}

const leaf: TreeStructure = { kind: "leaf" };

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "object") return value.constructor?.name ?? "object";
  return `${typeof value} ${String(value)}`;
}

/** Takes a tree apart. Throws a `TreeError` that names the place of anything that is no tensor, array or plain object. */
export function flattenTree(tree: unknown, where: string): FlatTree {
  const leaves: Tensor[] = [];
  // Deeper than any tree of parameters: only one that holds itself gets here.
  const deepest = 1000;
  let depth = 0;
  const visit = (node: unknown, path: string): TreeStructure => {
    if (node instanceof Tensor) {
      leaves.push(node);
      return leaf;
    }
    if (++depth > deepest) {
      throw new TreeError(
        `${where}: a tree more than ${deepest} levels deep; does it hold itself?`,
      );
    }
    const structure = visitInside(node, path);
    depth--;
    return structure;
  };
  const visitInside = (node: unknown, path: string): TreeStructure => {
    if (Array.isArray(node)) {
      return { kind: "array", children: node.map((child, i) => visit(child, `${path}[${i}]`)) };
    }
    if (isPlainObject(node)) {
      const keys = Object.keys(node);
      const children = keys.map((key) => visit(node[key], `${path}.${key}`));
      return { kind: "object", keys, children };
    }
    throw new TreeError(
      `${where}${path}: expected a Tensor, or arrays and plain objects of them, got ${
        describeValue(node)
      }`,
    );
  };
  const structure = visit(tree, "");
  return { leaves, structure };
}

/** Puts leaves together again. */
export function unflattenTree<T>(structure: TreeStructure, leaves: readonly T[]): unknown {
  let next = 0;
  const build = (node: TreeStructure): unknown => {
    switch (node.kind) {
      case "leaf":
        return leaves[next++];
      case "array":
        return node.children.map(build);
      case "object":
        return Object.fromEntries(node.keys.map((key, i) => [key, build(node.children[i])]));
    }
  };
  return build(structure);
}

/** A structure as text, with `*` for leaves: `{w: *, b: *}`. */
export function formatStructure(structure: TreeStructure): string {
  switch (structure.kind) {
    case "leaf":
      return "*";
    case "array":
      return `[${structure.children.map(formatStructure).join(", ")}]`;
    case "object":
      return `{${
        structure.keys.map((key, i) => `${key}: ${formatStructure(structure.children[i])}`)
          .join(", ")
      }}`;
  }
}

/** The path of each leaf, in order: keys and positions joined by dots; the empty string for a lone tensor. */
export function leafPaths(structure: TreeStructure, prefix = ""): string[] {
  const join = (key: string | number): string => prefix === "" ? `${key}` : `${prefix}.${key}`;
  switch (structure.kind) {
    case "leaf":
      return [prefix];
    case "array":
      return structure.children.flatMap((child, i) => leafPaths(child, join(i)));
    case "object":
      return structure.keys.flatMap((key, i) => leafPaths(structure.children[i], join(key)));
  }
}

/** Whether two trees have the same structure; the order of an object's keys does not matter. */
export function sameStructure(a: TreeStructure, b: TreeStructure): boolean {
  if (a.kind === "leaf" || b.kind === "leaf") return a.kind === b.kind;
  if (a.children.length !== b.children.length) return false;
  if (a.kind === "array" || b.kind === "array") {
    return a.kind === b.kind && a.children.every((child, i) => sameStructure(child, b.children[i]));
  }
  return a.keys.every((key, i) => {
    const j = b.keys.indexOf(key);
    return j >= 0 && sameStructure(a.children[i], b.children[j]);
  });
}

/** Leaves of a tree in the order of a reference structure. Throws a `TreeError` where the structures differ. */
export function leavesLike(tree: unknown, structure: TreeStructure, where: string): Tensor[] {
  const flat = flattenTree(tree, where);
  if (!sameStructure(flat.structure, structure)) {
    throw new TreeError(
      `${where}: expected a tree of the structure ${formatStructure(structure)}, got ${
        formatStructure(flat.structure)
      }`,
    );
  }
  return reorder(flat, structure);
}

/** Leaves in the key order of another, equal structure. */
function reorder(flat: FlatTree, structure: TreeStructure): Tensor[] {
  const result: Tensor[] = [];
  const visit = (tree: unknown, node: TreeStructure): void => {
    if (node.kind === "leaf") result.push(tree as Tensor);
    else if (node.kind === "array") {
      node.children.forEach((child, i) => visit((tree as unknown[])[i], child));
    } else {
      node.keys.forEach((key, i) =>
        visit((tree as Record<string, unknown>)[key], node.children[i])
      );
    }
  };
  visit(unflattenTree(flat.structure, flat.leaves), structure);
  return result;
}

/**
 * All tensors of a tree, depth first.
 *
 * @example
 * ```ts
 * import { treeLeaves, zeros } from "@tangents/ntk";
 * console.log(treeLeaves({ w: zeros([2]), b: [zeros([3])] }).map((x) => x.shape)); // [[2], [3]]
 * ```
 */
export function treeLeaves(tree: unknown): Tensor[] {
  return flattenTree(tree, "treeLeaves").leaves;
}

/**
 * A function applied to every tensor of a tree, or of several trees of one structure. Throws a `TreeError` where the
 * structures differ.
 *
 * @example
 * ```ts
 * import { ones, treeMap } from "@tangents/ntk";
 * const doubled = treeMap((x) => x.mul(2), { w: ones([2]) });
 * console.log(await doubled.w.toArray()); // [2, 2]
 * ```
 */
export function treeMap<T>(
  f: (leaf: Tensor, ...others: Tensor[]) => Tensor,
  tree: T,
  ...others: readonly T[]
): T {
  const { leaves, structure } = flattenTree(tree, "treeMap: tree");
  const rest = others.map((other, i) => leavesLike(other, structure, `treeMap: tree ${i + 2}`));
  const mapped = leaves.map((x, i) => f(x, ...rest.map((list) => list[i])));
  return unflattenTree(structure, mapped) as T;
}
