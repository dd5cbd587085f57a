/**
 * Automatic batching.
 *
 * @module
 */

import { AxisError, ShapeError, TreeError } from "../base/errors.ts";
import { formatShape, normalizeAxis } from "../base/shape.ts";
import { apply, ruleOf } from "../core/apply.ts";
import { moveAxis, repeatAlong } from "../core/primitives/build.ts";
import type { Batched } from "../core/primitives/rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree, type TreeStructure, unflattenTree } from "../core/tree.ts";
import { checkFunction, record, type Step } from "./walk.ts";

/**
 * Which axis of each tensor is mapped: one for a whole tree, null where the tree is the same for all examples, or a tree
 * of axes.
 */
export type AxisTree = number | null | readonly AxisTree[] | { readonly [key: string]: AxisTree };

/** Axes for the leaves of a structure, in order; an axis above a subtree holds for all of it. */
function spreadAxes(axes: AxisTree, structure: TreeStructure, where: string): (number | null)[] {
  if (structure.kind === "leaf" || axes === null || typeof axes === "number") {
    if (axes !== null && typeof axes !== "number") {
      throw new TreeError(`${where}: expected an axis or null for a tensor, got a tree of axes`);
    }
    const count = (node: TreeStructure): number =>
      node.kind === "leaf" ? 1 : node.children.reduce((n, child) => n + count(child), 0);
    return new Array<number | null>(count(structure)).fill(axes);
  }
  if (structure.kind === "array") {
    if (!Array.isArray(axes) || axes.length !== structure.children.length) {
      throw new TreeError(
        `${where}: expected ${structure.children.length} axes for an array, got ${
          JSON.stringify(axes)
        }`,
      );
    }
    return structure.children.flatMap((child, i) => spreadAxes(axes[i], child, `${where}[${i}]`));
  }
  const spread = structure.keys.flatMap((key, i) => {
    if (Array.isArray(axes) || !Object.hasOwn(axes, key)) {
      throw new TreeError(`${where}: no axis given for ${JSON.stringify(key)}`);
    }
    const axis = (axes as { readonly [key: string]: AxisTree })[key];
    return spreadAxes(axis, structure.children[i], `${where}.${key}`);
  });
  const extra = Object.keys(axes).find((key) => !structure.keys.includes(key));
  if (extra === undefined) return spread;
  throw new TreeError(
    `${where}: an axis is given for ${JSON.stringify(extra)}, which is not in the tree; it has ${
      structure.keys.join(", ")
    }`,
  );
}

/** An argument: what the function is called with, the placeholders in it, and the tensors that they stand for. */
interface MappedArgument {
  readonly value: unknown;
  readonly placeholders: readonly Tensor[];
  readonly batched: readonly Batched[];
}

function mapArgument(arg: unknown, axes: AxisTree, where: string): MappedArgument {
  // An argument that is the same for all examples may be anything, not only a tree of tensors.
  if (axes === null) return { value: arg, placeholders: [], batched: [] };
  const { leaves, structure } = flattenTree(arg, where);
  const list = spreadAxes(axes, structure, `${where}: inAxes`);
  const placeholders: Tensor[] = [];
  const batched: Batched[] = [];
  const standIns = leaves.map((tensor, i) => {
    const given = list[i];
    if (given === null) return tensor;
    const axis = normalizeAxis(given, tensor.rank, `${where}: inAxes`);
    const shape = tensor.shape.filter((_, j) => j !== axis);
    const placeholder = apply("placeholder", { shape, dtype: tensor.dtype });
    placeholders.push(placeholder);
    batched.push({ tensor, axis });
    return placeholder;
  });
  return { value: unflattenTree(structure, standIns), placeholders, batched };
}

function commonSize(mapped: readonly Batched[]): number {
  if (mapped.length === 0) {
    throw new AxisError(
      "vmap: inAxes maps no tensor; give at least one argument an axis that is not null",
    );
  }
  const [first] = mapped;
  const size = first.tensor.shape[first.axis];
  for (const { tensor, axis } of mapped) {
    if (tensor.shape[axis] !== size) {
      throw new ShapeError(
        `vmap: the mapped axes must have one size; axis ${first.axis} of ${
          formatShape(first.tensor.shape)
        } has ${size}, axis ${axis} of ${formatShape(tensor.shape)} has ${tensor.shape[axis]}`,
      );
    }
  }
  return size;
}

function placeOutput(
  output: Tensor,
  batched: Batched | undefined,
  outAxis: number | null,
  size: number,
): Tensor {
  if (outAxis === null) {
    if (batched === undefined) return output;
    throw new AxisError(
      "vmap: outAxes is null for an output that depends on a mapped input; give it an axis",
    );
  }
  const at = normalizeAxis(outAxis, output.rank + 1, "vmap: outAxes");
  return batched === undefined
    ? repeatAlong(output, at, size)
    : moveAxis(batched.tensor, batched.axis, at);
}

/**
 * Applies batching rules to recorded steps: `batched` holds what stands for the sources, and then for the result of every
 * step.
 */
export function batchSteps(
  steps: readonly Step[],
  batched: Map<Tensor, Batched>,
  size: number,
): void {
  for (const { output, operation: { primitive, params, inputs } } of steps) {
    const values = inputs.map((x) => batched.get(x)?.tensor ?? x);
    const axes = inputs.map((x) => batched.get(x)?.axis ?? null);
    const result = ruleOf(primitive).batch(values, axes, params, size);
    if (output.retained) result.tensor.retained = true;
    batched.set(output, result);
  }
}

/**
 * A function of one example made a function of many at once, without a loop.
 *
 * `inAxes` says which axis of each argument holds the examples (0 by default; null: the same for all; a tree for a tree),
 * `outAxes` where they stand in the result. The function is called once, on placeholders of one example's shape; what
 * does not depend on a mapped argument is computed once, unbatched. Reading a value inside throws a `TraceError`. May be
 * nested, and mixed with the other transforms in any order.
 *
 * Throws a `ShapeError` where the mapped axes differ in size, an `AxisError` for an axis that is not there, and a
 * `TreeError` for axes unlike the arguments.
 *
 * @example
 * ```ts
 * import { tensor, vmap } from "@tangents/ntk";
 * const rows = vmap((a, b) => a.mul(b).sum(), [0, null])(tensor([[1, 2], [3, 4]]), tensor([10, 1]));
 * console.log(await rows.toArray()); // [12, 34]
 * ```
 */
export function vmap<Args extends readonly Tensor[], Out>(
  f: (...args: Args) => Out,
  inAxes?: number | null | readonly AxisTree[],
  outAxes?: AxisTree,
): (...args: Args) => Out;
/** Batching for a function of trees. */
export function vmap<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  inAxes?: number | null | readonly AxisTree[],
  outAxes?: AxisTree,
): (...args: Args) => Out;
export function vmap(
  f: (...args: never[]) => unknown,
  inAxes: number | null | readonly AxisTree[] = 0,
  outAxes: AxisTree = 0,
): (...args: readonly unknown[]) => unknown {
  checkFunction(f, "vmap");
  return (...args) => {
    if (Array.isArray(inAxes) && inAxes.length !== args.length) {
      throw new TreeError(
        `vmap: inAxes has ${inAxes.length} entries for ${args.length} arguments; give one each`,
      );
    }
    const axesOf = (i: number): AxisTree =>
      Array.isArray(inAxes) ? inAxes[i] : inAxes as number | null;
    const mapped = args.map((arg, i) => mapArgument(arg, axesOf(i), `vmap: argument ${i}`));
    const stands = mapped.flatMap(({ placeholders }) => placeholders);
    const sources = mapped.flatMap(({ batched }) => batched);
    const size = commonSize(sources);
    const recording = record(
      f,
      mapped.map(({ value }) => value),
      stands,
      "vmap",
    );
    const batched = new Map<Tensor, Batched>(stands.map((x, i) => [x, sources[i]]));
    batchSteps(recording.steps, batched, size);
    const axes = spreadAxes(outAxes, recording.outputStructure, "vmap: outAxes");
    const results = recording.outputs.map((x, i) => placeOutput(x, batched.get(x), axes[i], size));
    return unflattenTree(recording.outputStructure, results);
  };
}
