/**
 * Primitives that read or write at computed places.
 *
 * @module
 */

import { type Shape, sizeOf } from "../../lib/base/shape.ts";
import { isOnHost, onHost } from "./host.ts";
import type { TensorInfo } from "./load.ts";
import type { Operations } from "./operations.ts";
import type { Rule, Rules } from "./rule.ts";

/**
 * Indices clamped into the range, as those of rows of a matrix that has all batches below each other.
 */
function flatIndices(
  index: TensorInfo,
  batches: number,
  count: number,
  size: number,
  on: Operations,
): TensorInfo {
  const scalar = (value: number): TensorInfo => on.fill([1, 1], "int32", value);
  const rows = on.reshape(index, [batches, count]);
  const clamped = on.binary("Minimum", on.binary("Maximum", rows, scalar(0)), scalar(size - 1));
  if (batches === 1) return on.indices(on.reshape(clamped, [count]));
  const first = Int32Array.from({ length: batches }, (_, b) => b * size);
  const firsts = on.upload(first, [batches, 1], "int32");
  return on.indices(on.reshape(on.binary("Add", clamped, firsts), [batches * count]));
}

/** Sizes of the batches together, and of a row. */
function sizes(shape: Shape, batchDims: number): { batches: number; row: number } {
  return { batches: sizeOf(shape.slice(0, batchDims)), row: sizeOf(shape.slice(batchDims + 1)) };
}

/** The order that sorts rows, largest first. Of equal ones the first comes first. */
function orderOf(rows: TensorInfo, on: Operations): TensorInfo {
  const [count, size] = rows.shape;
  if (size === 1) return on.fill([count, 1], "int32", 0);
  return on.topIndices(rows);
}

/** TopK knows no NaN: they are sorted as if smallest, and then moved behind everything else. */
const sortOnDevice: Rule<"argsort"> = ({ shape, params: { descending } }, [x], on) => {
  const dense = on.dense(x);
  if (sizeOf(shape) === 0) return dense;
  const size = shape[shape.length - 1];
  const rows = on.reshape(dense, [sizeOf(shape) / size, size]);
  const keys = descending ? rows : on.unary("Neg", rows);
  if (x.dtype !== "float32") return on.reshape(orderOf(keys, on), shape);
  const nan = on.isNaN(rows);
  const smallest = on.repeat(on.fill([1, 1], "float32", -Infinity), rows.shape);
  const first = orderOf(on.select(nan, smallest, keys), on);
  const last = orderOf(on.unary("Neg", on.pick(nan, first)), on);
  return on.reshape(on.pick(first, last), shape);
};

/** gather, scatterAdd and argsort. */
export const indexingRules: Rules<"gather" | "scatterAdd" | "argsort"> = {
  gather: ({ shape, params: { batchDims } }, [x, index], on) => {
    const dense = on.dense(x);
    if (sizeOf(shape) === 0) return on.empty(shape, dense.dtype);
    const { batches, row } = sizes(x.shape, batchDims);
    const size = x.shape[batchDims];
    const indices = flatIndices(on.dense(index), batches, index.shape[batchDims], size, on);
    const rows = on.reshape(dense, [batches * size, row]);
    return on.reshape(
      on.kernels.call("GatherV2", { x: rows, indices }, { axis: 0, batchDims: 0 }),
      shape,
    );
  },
  scatterAdd: ({ shape, params: { batchDims, size } }, [index, updates], on) => {
    if (sizeOf(shape) === 0) return on.empty(shape, on.dense(updates).dtype);
    if (sizeOf(updates.shape) === 0) return on.fill(shape, updates.dtype, 0);
    const { batches, row } = sizes(shape, batchDims);
    const count = index.shape[batchDims];
    const flat = flatIndices(on.dense(index), batches, count, size, on);
    const inputs = {
      indices: on.reshape(flat, [batches * count, 1]),
      updates: on.reshape(on.dense(updates), [batches * count, row]),
    };
    const sums = on.kernels.call("ScatterNd", inputs, { shape: [batches * size, row] });
    return on.reshape(sums, shape);
  },
  argsort: (node, inputs, on) =>
    isOnHost(inputs, on) ? onHost(node, inputs, on) : sortOnDevice(node, inputs, on),
};
