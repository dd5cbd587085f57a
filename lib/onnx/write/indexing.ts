/**
 * Primitives that read or write at computed places, as nodes.
 *
 * @module
 */

import { type DType, isFloat } from "../../base/dtype.ts";
import { type Shape, sizeOf } from "../../base/shape.ts";
import { inOrder } from "./elementwise.ts";
import type { WriteRule, WriteRules } from "./rule.ts";
import { carrierOf, type GraphWriter, type Value } from "./writer.ts";

/** Indices within the range, as those of rows of a matrix that has all batches below each other. */
function flatIndices(index: Value, batchDims: number, size: number, to: GraphWriter): string {
  const int = (value: number): string => to.scalar("int32", value);
  const clamped = to.op("Min", [to.op("Max", [to.dense(index), int(0)]), int(size - 1)]);
  if (batchDims === 0) return clamped;
  const batches = sizeOf(index.shape.slice(0, batchDims));
  const count = index.shape[batchDims];
  const firsts = to.constant(
    "int32",
    Array.from({ length: batches }, (_, b) => b * size),
    [batches, 1],
  );
  const rows = to.op("Add", [to.reshape(clamped, [batches, count]), firsts]);
  return to.reshape(rows, [batches * count]);
}

/** Sizes of the batches together, and of a row. */
function sizes(shape: Shape, batchDims: number): { batches: number; row: number } {
  return { batches: sizeOf(shape.slice(0, batchDims)), row: sizeOf(shape.slice(batchDims + 1)) };
}

const gather: WriteRule<"gather"> = ({ shape, params: { batchDims } }, [x, index], to) => {
  const size = x.shape[batchDims];
  const flat = flatIndices(index, batchDims, size, to);
  if (batchDims === 0) return to.op("Gather", [to.dense(x), flat], { axis: 0 });
  const { batches, row } = sizes(x.shape, batchDims);
  const rows = to.reshape(to.dense(x), [batches * size, row]);
  return to.reshape(to.op("Gather", [rows, flat], { axis: 0 }), shape);
};

/** Every element is put by itself: operators that put rows may lose one of two that meet, with several threads. */
const scatterAdd: WriteRule<"scatterAdd"> = (
  { shape, dtype, params: { batchDims, size } },
  [index, updates],
  to,
) => {
  const type = carrierOf(dtype);
  if (sizeOf(updates.shape) === 0) return to.filled(type, shape, 0);
  const { batches, row } = sizes(shape, batchDims);
  const count = sizeOf(index.shape);
  const column = to.reshape(flatIndices(index, batchDims, size, to), [count, 1]);
  const indices = to.op("Expand", [column, to.int64s([count, row])]);
  const zeros = to.filled(type, [batches * size, row], 0);
  const rows = to.reshape(to.dense(updates), [count, row]);
  const sums = to.op("ScatterElements", [zeros, indices, rows], { axis: 0, reduction: "add" });
  return to.reshape(sums, shape);
};

/** The order that sorts the last axis; of equal elements the first comes first. */
function order(x: string, size: number, descending: boolean, to: GraphWriter): string {
  const attributes = { axis: -1, largest: descending ? 1 : 0, sorted: 1 };
  return to.ops("TopK", [x, to.int64s([size])], attributes, 2)[1];
}

/** Numbers in the order of the elements. */
function comparable(x: string, dtype: DType, to: GraphWriter): string {
  return dtype === "bool" ? to.cast(x, "int32") : inOrder(x, dtype, to);
}

const argsort: WriteRule<"argsort"> = ({ params: { descending } }, [x], to) => {
  const size = x.shape[x.shape.length - 1];
  const dense = to.dense(x);
  if (!isFloat(x.dtype)) {
    return to.cast(order(comparable(dense, x.dtype, to), size, descending, to), "int32");
  }
  const isNaN = to.op("IsNaN", [dense]);
  const last = to.scalar(carrierOf(x.dtype), descending ? -Infinity : Infinity);
  const first = order(to.op("Where", [isNaN, last, dense]), size, descending, to);
  // NaN now stands among the infinities: a second, stable order moves it behind them.
  const flags = to.op("GatherElements", [to.cast(isNaN, "int32"), first], { axis: -1 });
  const second = order(flags, size, false, to);
  return to.cast(to.op("GatherElements", [first, second], { axis: -1 }), "int32");
};

/** gather, scatterAdd and argsort. */
export const indexingRules: WriteRules<"gather" | "scatterAdd" | "argsort"> = {
  gather,
  scatterAdd,
  argsort,
};
