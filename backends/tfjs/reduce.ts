/**
 * Reductions and running sums.
 *
 * @module
 */

import type { ReductionName } from "../../lib/base/primitives.ts";
import { range, sizeOf } from "../../lib/base/shape.ts";
import type { ProgramNode } from "../../lib/compiler/program.ts";
import { inSignedOrder } from "./elementwise.ts";
import { flipAlong, padAlong } from "./movement.ts";
import type { TensorInfo } from "./load.ts";
import type { Operations } from "./operations.ts";
import type { Rule, Rules } from "./rule.ts";
import type { Value } from "./value.ts";

/** The tensor as a matrix whose rows are reduced. */
function rowsOf(x: TensorInfo, axes: readonly number[], on: Operations): TensorInfo {
  const kept = range(x.shape.length).filter((axis) => !axes.includes(axis));
  const moved = on.transpose(x, [...kept, ...axes]);
  const size = sizeOf(axes.map((axis) => x.shape[axis]));
  return on.reshape(moved, [sizeOf(kept.map((axis) => x.shape[axis])), size]);
}

/** A kernel along rows; what it gives for rows without elements. */
function reduceRows(
  kernel: string,
  rows: TensorInfo,
  empty: number,
  on: Operations,
): TensorInfo {
  const [count, size] = rows.shape;
  if (count === 0) return on.empty([0], rows.dtype);
  if (size === 0) return on.fill([count], rows.dtype, empty);
  if (size === 1) return on.reshape(rows, [count]);
  return on.reduce(kernel, rows);
}

function extremes(kernel: string, bool: string): Rule<"reduceMax" | "reduceMin"> {
  return ({ shape, dtype, params: { axes } }, [x], on) => {
    const rows = rowsOf(inSignedOrder(on.dense(x), dtype, on), axes, on);
    const found = reduceRows(rows.dtype === "bool" ? bool : kernel, rows, 0, on);
    return on.reshape(inSignedOrder(found, dtype, on), shape);
  };
}

/** Whether a tensor in WebAssembly has a NaN. */
function hasNaN(x: TensorInfo, on: Operations): boolean {
  if (x.dtype !== "float32" || !on.readable) return false;
  return on.kernels.backend.typedArrayFromHeap!(x).some(Number.isNaN);
}

/** The first index of the best element of each row. WebAssembly's kernels pass over NaN, which is the best of all. */
function firstBest(kernel: "ArgMax" | "ArgMin"): Rule<"argmax" | "argmin"> {
  return (
    { shape, params: { axis } }: ProgramNode<"argmax" | "argmin">,
    [x]: readonly Value[],
    on,
  ) => {
    if (sizeOf(shape) === 0) return on.empty(shape, "int32");
    const dense = on.dense(x);
    const ordered = dense.dtype === "bool"
      ? on.cast(dense, "int32")
      : inSignedOrder(dense, x.dtype, on);
    const rows = rowsOf(ordered, [axis], on);
    const best = on.firstIndex(kernel, rows);
    if (!hasNaN(rows, on)) return on.reshape(best, shape);
    const isNaN = on.cast(on.isNaN(rows), "int32");
    const first = on.firstIndex("ArgMax", isNaN);
    const some = on.reduce("Max", isNaN);
    return on.reshape(on.select(on.cast(some, "bool"), first, best), shape);
  };
}

/** Rows longer than this are summed in two steps, as kernels add one element after the other. */
const longRow = 256;

/** Sums of rows: of parts of about the square root of their length, then of the parts' sums. */
export function sumRows(rows: TensorInfo, on: Operations): TensorInfo {
  const [count, size] = rows.shape;
  if (rows.dtype !== "float32" || size <= longRow) return reduceRows("Sum", rows, 0, on);
  const part = Math.ceil(Math.sqrt(size));
  const parts = Math.ceil(size / part);
  const padded = padAlong(rows, 1, [0, parts * part - size], 0, on);
  const sums = reduceRows("Sum", on.reshape(padded, [count * parts, part]), 0, on);
  return reduceRows("Sum", on.reshape(sums, [count, parts]), 0, on);
}

/** Reductions, and cumsum. */
export const reduceRules: Rules<ReductionName> = {
  reduceSum: ({ shape, params: { axes } }, [x], on) =>
    on.reshape(sumRows(rowsOf(on.dense(x), axes, on), on), shape),
  reduceProd: ({ shape, params: { axes } }, [x], on) =>
    on.reshape(reduceRows("Prod", rowsOf(on.dense(x), axes, on), 1, on), shape),
  reduceMax: extremes("Max", "Any"),
  reduceMin: extremes("Min", "All"),
  argmax: firstBest("ArgMax"),
  argmin: firstBest("ArgMin"),
  cumsum: ({ shape, params: { axis, reverse } }, [x], on) => {
    const dense = on.dense(x);
    if (sizeOf(shape) === 0) return dense;
    const outer = sizeOf(shape.slice(0, axis));
    const rows = on.reshape(dense, [outer, shape[axis], sizeOf(shape.slice(axis + 1))]);
    const attrs = { axis: 1, exclusive: false, reverse: false };
    const sums = (x: TensorInfo): TensorInfo => on.kernels.call("Cumsum", { x }, attrs);
    // Backwards, WebGPU's kernel is wrong.
    return on.reshape(reverse ? flipAlong(sums(flipAlong(rows, 1, on)), 1, on) : sums(rows), shape);
  },
};
