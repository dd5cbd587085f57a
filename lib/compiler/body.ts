/**
 * Loop bodies: the instructions that compute one element of a node, down to what is stored.
 *
 * @module
 */

import type { PrimitiveParams } from "../base/primitives.ts";
import { contiguousStrides, sizeOf } from "../base/shape.ts";
import type { Instruction, ReduceOp, View } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import type { ProgramNode } from "./program.ts";
import {
  composeMaps,
  composeView,
  constantRow,
  extendMap,
  type IndexMap,
  isDense,
  type LoopSplit,
  mapThroughReshape,
} from "./view.ts";

/** Stands for the reduced value while the epilogue is built. */
export type Draft = Instruction | { readonly op: "reduced" };

/** A reduction that the kernel at hand computes, found while its epilogue was built. */
export interface PendingReduction {
  /** The node: a reduction, or a contraction that is computed by loops. */
  readonly id: number;
  /** How the node is read by the outer loops. */
  readonly map: IndexMap;
}

/**
 * Collects instructions for loops of the given sizes. `build` returns −1 where a loop has to be split first, which
 * `split` tells; the caller starts again with the finer loops.
 */
export class BodyBuilder {
  /** The instructions so far. */
  readonly instructions: Draft[] = [];
  /** The loop that has to be split. */
  split: LoopSplit | null = null;
  /** The reduction that the kernel computes, if the body contains one. */
  reduction: PendingReduction | null = null;
  private readonly known = new Map<IndexMap, Map<number, number>>();
  private readonly rank: number;
  private readonly points: number;

  /**
   * @param lowering the program's state
   * @param sizes sizes of the loops
   * @param takesReduction whether a reduction may be computed in the same kernel
   * @param splittable loops from here on cannot be split (argmax needs a single one)
   */
  constructor(
    private readonly lowering: Lowering,
    private readonly sizes: readonly number[],
    private readonly takesReduction: boolean,
    private readonly splittable: number = sizes.length,
  ) {
    this.rank = sizes.length;
    this.points = sizeOf(sizes);
  }

  /** The instruction that computes the node's element at the map's index, or −1 (see `split`). */
  build(id: number, map: IndexMap): number {
    let known = this.known.get(map);
    if (known === undefined) this.known.set(map, known = new Map());
    const found = known.get(id);
    if (found !== undefined) return found;
    const index = this.compute(id, map);
    if (index >= 0) known.set(id, index);
    return index;
  }

  private compute(id: number, map: IndexMap): number {
    const { lowering } = this;
    const node = lowering.node(id);
    const place = lowering.places[id];
    if (place !== null) {
      return this.load(node, { buffer: place.buffer, ...composeView(place, map, this.rank) });
    }
    switch (lowering.roles[id]) {
      case "leaf":
        return this.leaf(node, map);
      case "structural":
        return this.structural(id, node, map);
      case "elementwise":
        return node.primitive === "gather" ? this.gather(node, map) : this.elementwise(node, map);
      case "product":
        return this.product(id, map);
      case "reduction": {
        const empty = emptyReduction(lowering, id);
        if (empty !== null) return this.add({ op: "constant", dtype: node.dtype, value: empty });
        if (
          lowering.specs[id] !== null && contractionMaps(lowering, id, map, [], this.sizes) === null
        ) {
          return this.stored(id, map);
        }
        // Each element of the reduction is computed once, or the loops would repeat its work.
        if (this.takesReduction && this.reduction === null && this.points <= sizeOf(node.shape)) {
          this.reduction = { id, map };
          return this.instructions.push({ op: "reduced" }) - 1;
        }
        return this.stored(id, map);
      }
      case "anchor":
        return this.stored(id, map);
    }
  }

  private stored(id: number, map: IndexMap): number {
    const place = this.lowering.materialize(id);
    return this.load(this.lowering.node(id), {
      buffer: place.buffer,
      ...composeView(place, map, this.rank),
    });
  }

  private load(node: ProgramNode, view: View): number {
    return this.add({ op: "load", dtype: node.dtype, view });
  }

  private leaf(node: ProgramNode, map: IndexMap): number {
    if (node.primitive === "full") {
      const { value } = node.params as PrimitiveParams["full"];
      return this.add({ op: "constant", dtype: node.dtype, value });
    }
    const row = map[(node.params as PrimitiveParams["iota"]).axis];
    return this.add({ op: "index", dtype: node.dtype, offset: row.offset, strides: row.coefs });
  }

  private elementwise(node: ProgramNode, map: IndexMap): number {
    const args: number[] = [];
    for (const input of node.inputs) {
      const arg = this.build(input, map);
      if (arg < 0) return -1;
      args.push(arg);
    }
    return this.add(
      { op: node.primitive, dtype: node.dtype, args } as Extract<
        Instruction,
        { readonly args: readonly number[] }
      >,
    );
  }

  private structural(id: number, node: ProgramNode, map: IndexMap): number {
    const { lowering } = this;
    const input = node.inputs[0];
    const inputShape = lowering.node(input).shape;
    if (node.primitive !== "reshape") {
      // What is read several times is computed once, unless that is as cheap as reading it.
      const repeats = node.primitive === "patches" ||
        node.primitive === "broadcast" && sizeOf(node.shape) > sizeOf(inputShape);
      if (repeats && !lowering.isCheap(input)) lowering.materializeBase(input);
      return this.build(input, this.through(id, node, map));
    }
    const place = lowering.places[input];
    if (place !== null && isDense(place, inputShape)) {
      const linear = { ...place, strides: contiguousStrides(node.shape) };
      return this.load(node, {
        buffer: place.buffer,
        ...composeView(linear, map, this.rank),
      });
    }
    const rows = mapThroughReshape(map, inputShape, node.shape, this.sizes);
    if (rows === null) return this.stored(id, map);
    if (Array.isArray(rows)) return this.build(input, rows as IndexMap);
    const split = rows as LoopSplit;
    if (split.loop >= this.splittable) return this.stored(id, map);
    this.split = split;
    return -1;
  }

  private throughMaps = new Map<IndexMap, Map<number, IndexMap>>();

  /** The operand's map; the same object for the same arguments, by which equal subexpressions are found. */
  private through(id: number, node: ProgramNode, map: IndexMap): IndexMap {
    let known = this.throughMaps.get(map);
    if (known === undefined) this.throughMaps.set(map, known = new Map());
    let result = known.get(id);
    if (result === undefined) {
      result = this.lowering.through(node, map, this.rank);
      known.set(id, result);
    }
    return result;
  }

  /** A contraction that sums over nothing. */
  private product(id: number, map: IndexMap): number {
    const node = this.lowering.node(id);
    const operands = contractionMaps(this.lowering, id, map, [], this.sizes);
    if (!Array.isArray(operands)) {
      if (operands === null || operands.loop >= this.splittable) return this.stored(id, map);
      this.split = operands;
      return -1;
    }
    const args: number[] = [];
    for (const operand of operands) {
      const shape = this.lowering.node(operand.id).shape;
      if (!this.lowering.isCheap(operand.id) && sizeOf(shape) < sizeOf(node.shape)) {
        this.lowering.materializeBase(operand.id);
      }
      const arg = this.build(operand.id, operand.map);
      if (arg < 0) return -1;
      args.push(arg);
    }
    return this.add({ op: "mul", dtype: node.dtype, args });
  }

  private gather(node: ProgramNode, map: IndexMap): number {
    const { batchDims } = node.params as PrimitiveParams["gather"];
    const [source, index] = node.inputs;
    const place = this.lowering.viewOf(source);
    const indexMap = map.slice(0, batchDims + 1);
    const arg = this.build(index, indexMap);
    if (arg < 0) return -1;
    const sourceMap = map.map((row, a) => a === batchDims ? constantRow(0, this.rank) : row);
    return this.add({
      op: "loadIndexed",
      dtype: node.dtype,
      view: { buffer: place.buffer, ...composeView(place, sourceMap, this.rank) },
      index: arg,
      indexStride: place.strides[batchDims],
      indexSize: this.lowering.node(source).shape[batchDims],
    });
  }

  /** The index of the instruction, which is reused if it stands there already. */
  add(instruction: Instruction): number {
    const index = this.instructions.findIndex((known) => sameInstruction(known, instruction));
    return index >= 0 ? index : this.instructions.push(instruction) - 1;
  }
}

/** The value of a reduction over nothing, or null if there is something to reduce. */
export function emptyReduction(lowering: Lowering, id: number): number | null {
  const node = lowering.node(id);
  if (node.primitive !== "reduceSum" && node.primitive !== "reduceProd") return null;
  const { axes } = node.params as PrimitiveParams["reduceSum"];
  const { shape } = lowering.node(node.inputs[0]);
  if (axes.every((axis) => shape[axis] !== 0)) return null;
  return node.primitive === "reduceSum" ? 0 : 1;
}

/** Maps of a contraction's operands, given the map of its result and rows for its summed dimensions. */
export function contractionMaps(
  lowering: Lowering,
  id: number,
  map: IndexMap,
  summed: IndexMap,
  sizes: readonly number[],
): { id: number; map: IndexMap }[] | LoopSplit | null {
  const spec = lowering.specs[id]!;
  const outerSizes = spec.sizes.slice(0, spec.outerRank);
  const outer = mapThroughReshape(map, outerSizes, lowering.node(id).shape, sizes);
  if (outer === null || !Array.isArray(outer)) return outer as LoopSplit | null;
  const rows = [
    ...outer as IndexMap,
    ...spec.k.map((_, i) => summed[i] ?? constantRow(0, sizes.length)),
  ];
  return [spec.a, spec.b].map((operand) => ({
    id: operand.id,
    map: composeMaps(operand.map, rows, sizes.length),
  }));
}

/** What a reduction combines, its operator, and the sizes of what it sums over. */
export interface ReductionShape {
  /** The operator. */
  readonly op: ReduceOp;
  /** Sizes of the reduced dimensions. */
  readonly sizes: readonly number[];
}

/** The operator and the reduced sizes of a reduction, or of a contraction by loops. */
export function reductionShape(lowering: Lowering, id: number): ReductionShape {
  const node = lowering.node(id);
  const spec = lowering.specs[id];
  if (spec !== null) return { op: "sum", sizes: spec.k.map((d) => spec.sizes[d]) };
  const { shape } = lowering.node(node.inputs[0]);
  return { op: reduceOps[node.primitive]!, sizes: reducedAxes(node).map((axis) => shape[axis]) };
}

const reduceOps: { readonly [name: string]: ReduceOp } = {
  reduceSum: "sum",
  reduceProd: "prod",
  reduceMax: "max",
  reduceMin: "min",
  argmax: "argmax",
  argmin: "argmin",
};

function reducedAxes(node: ProgramNode): readonly number[] {
  return node.primitive === "argmax" || node.primitive === "argmin"
    ? [(node.params as PrimitiveParams["argmax"]).axis]
    : (node.params as PrimitiveParams["reduceSum"]).axes;
}

/**
 * Builds what a pending reduction combines, in loops that are the outer ones followed by the reduced ones. Returns
 * false where a loop has to be split (see the builder).
 */
export function buildReduced(
  lowering: Lowering,
  builder: BodyBuilder,
  pending: PendingReduction,
  summed: IndexMap,
  sizes: readonly number[],
): boolean {
  const { id } = pending;
  const node = lowering.node(id);
  const outer = extendMap(pending.map, sizes.length - (pending.map[0]?.coefs.length ?? 0));
  if (lowering.specs[id] !== null) {
    const operands = contractionMaps(lowering, id, outer, summed, sizes);
    if (!Array.isArray(operands)) {
      builder.split = operands;
      return false;
    }
    const args: number[] = [];
    for (const operand of operands) {
      const repeats = sizeOf(lowering.node(operand.id).shape) < sizeOf(sizes);
      if (repeats && !lowering.isCheap(operand.id)) lowering.materializeBase(operand.id);
      const arg = builder.build(operand.id, operand.map);
      if (arg < 0) return false;
      args.push(arg);
    }
    builder.instructions.push({ op: "mul", dtype: node.dtype, args });
    return true;
  }
  const axes = reducedAxes(node);
  let next = 0;
  let reduced = 0;
  const map = lowering.node(node.inputs[0]).shape.map((_, axis) =>
    axes.includes(axis) ? summed[reduced++] : outer[next++]
  );
  const value = builder.build(node.inputs[0], map);
  if (value < 0) return false;
  moveToEnd(builder.instructions as Instruction[], value);
  return true;
}

/** Makes the instruction the last one, by adding one that repeats it if others follow. */
function moveToEnd(instructions: Instruction[], value: number): void {
  if (value === instructions.length - 1) return;
  instructions.push(instructions[value]);
}

function sameInstruction(a: Draft, b: Instruction): boolean {
  if (a.op === "reduced" || a.op !== b.op || a.dtype !== b.dtype) return false;
  switch (a.op) {
    case "load":
      return sameView(a.view, (b as typeof a).view);
    case "loadIndexed": {
      const other = b as typeof a;
      return a.index === other.index && a.indexStride === other.indexStride &&
        a.indexSize === other.indexSize && sameView(a.view, other.view);
    }
    case "constant":
      return Object.is(a.value, (b as typeof a).value);
    case "index":
      return a.offset === (b as typeof a).offset &&
        sameList(a.strides, (b as typeof a).strides);
    default:
      return sameList(a.args, (b as typeof a).args);
  }
}

function sameView(a: View, b: View): boolean {
  return a.buffer === b.buffer && a.offset === b.offset && sameList(a.strides, b.strides);
}

function sameList(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
