/**
 * Affine index maps: how the elements of a node are reached from the loops of a kernel.
 *
 * A map has one row for each axis of a node: the index along that axis is `offset + Σ coefs[d]·i[d]` over the loops d.
 * Shape operations transform the rows, so a chain of them costs nothing; what remains at a buffer is a strided view.
 *
 * @module
 */

import type { PrimitiveParams, WindowParams } from "../base/primitives.ts";
import { contiguousStrides, invertPermutation, type Shape } from "../base/shape.ts";

/** The index along one axis: `offset + Σ coefs[d]·i[d]`. */
export interface IndexRow {
  /** The index where all loops stand at zero. */
  readonly offset: number;
  /** Change of the index for a step of each loop. */
  readonly coefs: readonly number[];
}

/** One row for each axis of a node. */
export type IndexMap = readonly IndexRow[];

/** Where a node's elements lie: one stride for each axis of the node. */
export interface Place {
  /** The buffer's index. */
  readonly buffer: number;
  /** First element. */
  readonly offset: number;
  /** Distance of neighbours along each axis, in elements. */
  readonly strides: readonly number[];
}

/** Tells that a map exists once loop `loop` is split in two, the inner of size `inner`. */
export interface LoopSplit {
  /** Index of the loop to split. */
  readonly loop: number;
  /** Size of the inner part. */
  readonly inner: number;
}

/** A row that is constant. */
export function constantRow(offset: number, rank: number): IndexRow {
  return { offset, coefs: new Array<number>(rank).fill(0) };
}

/** A row that is the index of one loop. */
export function unitRow(loop: number, rank: number): IndexRow {
  const coefs = new Array<number>(rank).fill(0);
  coefs[loop] = 1;
  return { offset: 0, coefs };
}

/** `scale·row + shift`. */
function scaledRow(row: IndexRow, scale: number, shift: number): IndexRow {
  return { offset: row.offset * scale + shift, coefs: row.coefs.map((c) => c * scale + 0) };
}

/** Σ weights[i]·rows[i]. */
function combinedRow(
  rows: readonly IndexRow[],
  weights: readonly number[],
  rank: number,
): IndexRow {
  const coefs = new Array<number>(rank).fill(0);
  let offset = 0;
  for (let i = 0; i < rows.length; i++) {
    offset += rows[i].offset * weights[i];
    for (let d = 0; d < rank; d++) coefs[d] += rows[i].coefs[d] * weights[i];
  }
  return { offset, coefs };
}

/** The operand's map of a permute, given the result's. */
export function mapThroughPermute(map: IndexMap, permutation: readonly number[]): IndexMap {
  return invertPermutation(permutation).map((i) => map[i]);
}

/** The operand's map of a broadcast from `shape`, given the result's. */
export function mapThroughBroadcast(
  map: IndexMap,
  shape: Shape,
  result: Shape,
  rank: number,
): IndexMap {
  return map.map((row, a) => shape[a] === 1 && result[a] !== 1 ? constantRow(0, rank) : row);
}

/** The operand's map of a slice, given the result's. */
export function mapThroughSlice(map: IndexMap, params: PrimitiveParams["slice"]): IndexMap {
  return map.map((row, a) =>
    params.start[a] === 0 && params.step[a] === 1
      ? row
      : scaledRow(row, params.step[a], params.start[a])
  );
}

/** The operand's map of a flip, given the result's. */
export function mapThroughFlip(map: IndexMap, axes: readonly number[], shape: Shape): IndexMap {
  return map.map((row, a) => axes.includes(a) ? scaledRow(row, -1, shape[a] - 1) : row);
}

/** The operand's map of patches, given the result's. */
export function mapThroughPatches(map: IndexMap, params: WindowParams, rank: number): IndexMap {
  const windows = params.kernel.length;
  const leading = map.length - 2 * windows;
  return [
    ...map.slice(0, leading),
    ...params.kernel.map((_, i) =>
      combinedRow(
        [map[leading + i], map[leading + windows + i]],
        [params.dilation[i], params.strides[i]],
        rank,
      )
    ),
  ];
}

/**
 * The operand's map of a reshape, given the result's: merged axes are sums, split axes are digits. Returns a
 * `LoopSplit` where a loop runs across several digits, and null where no affine map exists.
 *
 * @param map the result's map
 * @param from the operand's shape
 * @param to the result's shape
 * @param sizes the loops' sizes
 */
export function mapThroughReshape(
  map: IndexMap,
  from: Shape,
  to: Shape,
  sizes: readonly number[],
): IndexMap | LoopSplit | null {
  const rank = sizes.length;
  const rows = new Array<IndexRow>(from.length);
  let i = 0;
  let j = 0;
  while (i < from.length || j < to.length) {
    // The next group of axes on both sides with the same number of elements.
    const i0 = i;
    const j0 = j;
    let a = i < from.length ? from[i++] : 1;
    let b = j < to.length ? to[j++] : 1;
    while (a !== b) {
      if (a < b) {
        if (i >= from.length) return null;
        a *= from[i++];
      } else {
        if (j >= to.length) return null;
        b *= to[j++];
      }
    }
    const inner: number[] = [];
    for (let k = i0; k < i; k++) {
      if (from[k] !== 1) inner.push(k);
      else rows[k] = constantRow(0, rank);
    }
    const outer: number[] = [];
    for (let k = j0; k < j; k++) if (to[k] !== 1) outer.push(k);
    if (inner.length === 0) continue;
    if (inner.length === 1 && outer.length === 1) {
      rows[inner[0]] = map[outer[0]];
      continue;
    }
    const weights = contiguousStrides(outer.map((k) => to[k]));
    const linear = combinedRow(outer.map((k) => map[k]), weights, rank);
    if (inner.length === 1) {
      rows[inner[0]] = linear;
      continue;
    }
    const digits = digitRows(linear, inner.map((k) => from[k]), sizes);
    if (digits === null || !Array.isArray(digits)) return digits as LoopSplit | null;
    inner.forEach((k, n) => rows[k] = digits[n]);
  }
  return rows;
}

/** Splits a linear index into mixed-radix digits, each an affine row, if no carry can happen. */
function digitRows(
  linear: IndexRow,
  radices: readonly number[],
  sizes: readonly number[],
): IndexRow[] | LoopSplit | null {
  const rank = sizes.length;
  const strides = contiguousStrides(radices);
  let lowest = linear.offset;
  for (let d = 0; d < rank; d++) {
    if (linear.coefs[d] < 0) lowest += linear.coefs[d] * (sizes[d] - 1);
  }
  if (lowest < 0) return null;
  const offsets = new Array<number>(radices.length);
  const highest = new Array<number>(radices.length);
  const coefs = radices.map(() => new Array<number>(rank).fill(0));
  for (let k = 0; k < radices.length; k++) {
    offsets[k] = Math.floor(lowest / strides[k]) % radices[k];
    highest[k] = offsets[k];
  }
  for (let d = 0; d < rank; d++) {
    const step = Math.abs(linear.coefs[d]);
    if (step === 0 || sizes[d] === 1) continue;
    const backward = linear.coefs[d] < 0;
    // A step may move several digits at once, as along a diagonal.
    let rest = step;
    for (let k = 0; k < radices.length; k++) {
      const digit = Math.floor(rest / strides[k]);
      rest -= digit * strides[k];
      if (digit === 0) continue;
      const moved = digit * (sizes[d] - 1);
      if (moved >= radices[k]) {
        // The loop carries into the next digit: it must be split where the digit is full.
        const inner = radices[k] / digit;
        if (
          digit * strides[k] !== step || !Number.isInteger(inner) || sizes[d] % inner !== 0 ||
          inner === sizes[d] || inner === 1
        ) return null;
        return { loop: d, inner };
      }
      highest[k] += moved;
      coefs[k][d] = backward ? -digit : digit;
      if (backward) offsets[k] += moved;
    }
  }
  for (let k = 0; k < radices.length; k++) if (highest[k] >= radices[k]) return null;
  return radices.map((_, k) => ({ offset: offsets[k], coefs: coefs[k] }));
}

/** Rows over `inner`'s loops, given rows over the axes that `inner` describes. */
export function composeMaps(outer: IndexMap, inner: IndexMap, rank: number): IndexMap {
  return outer.map((row) => {
    const composed = combinedRow(inner, row.coefs, rank);
    return { offset: composed.offset + row.offset, coefs: composed.coefs };
  });
}

/** The map of a node whose axes are the loops themselves; axes of size 1 have none. */
export function identityMap(shape: Shape): { map: IndexMap; sizes: number[] } {
  const sizes: number[] = [];
  const loops = shape.map((n) => n === 1 ? -1 : sizes.push(n) - 1);
  return {
    sizes,
    map: loops.map((d) => d < 0 ? constantRow(0, sizes.length) : unitRow(d, sizes.length)),
  };
}

/** The map after loop `split.loop` was split in two. */
export function splitMap(map: IndexMap, split: LoopSplit): IndexMap {
  return map.map((row) => ({ offset: row.offset, coefs: splitList(row.coefs, split) }));
}

/** Coefficients or strides after loop `split.loop` was split in two. */
function splitList(coefs: readonly number[], split: LoopSplit): number[] {
  const c = coefs[split.loop];
  return [...coefs.slice(0, split.loop), c * split.inner, c, ...coefs.slice(split.loop + 1)];
}

/** The sizes of the loops after one was split in two. */
export function splitSizes(sizes: readonly number[], split: LoopSplit): number[] {
  const { loop, inner } = split;
  return [...sizes.slice(0, loop), sizes[loop] / inner, inner, ...sizes.slice(loop + 1)];
}

/** The map with constant rows appended for `count` more loops. */
export function extendMap(map: IndexMap, count: number): IndexMap {
  const zeros = new Array<number>(count).fill(0);
  return map.map((row) => ({ offset: row.offset, coefs: [...row.coefs, ...zeros] }));
}

/** Offset and strides over the loops of a place that is read through a map. */
export function composeView(
  place: Place,
  map: IndexMap,
  rank: number,
): { offset: number; strides: number[] } {
  let offset = place.offset;
  const strides = new Array<number>(rank).fill(0);
  for (let a = 0; a < map.length; a++) {
    const stride = place.strides[a];
    const row = map[a];
    offset += row.offset * stride;
    for (let d = 0; d < rank; d++) {
      const c = row.coefs[d];
      if (c !== 0) strides[d] += c * stride;
    }
  }
  return { offset, strides };
}

/** Whether a place holds its elements in row-major order without gaps (axes of size 1 do not matter). */
export function isDense(place: Place, shape: Shape): boolean {
  let stride = 1;
  for (let a = shape.length - 1; a >= 0; a--) {
    if (shape[a] !== 1 && place.strides[a] !== stride) return false;
    stride *= shape[a];
  }
  return true;
}
