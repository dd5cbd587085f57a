/**
 * Primitives that read or write at computed places.
 *
 * @module
 */

import { type Shape, sizeOf } from "../../lib/base/shape.ts";
import { onHost } from "./host.ts";
import type { TensorInfo } from "./load.ts";
import type { Operations } from "./operations.ts";
import type { Rules } from "./rule.ts";

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
  if (batches === 1) return on.reshape(clamped, [count]);
  const first = Int32Array.from({ length: batches }, (_, b) => b * size);
  const firsts = on.kernels.upload(first, [batches, 1], "int32");
  return on.reshape(on.binary("Add", clamped, firsts), [batches * count]);
}

/** Sizes of the batches together, and of a row. */
function sizes(shape: Shape, batchDims: number): { batches: number; row: number } {
  return { batches: sizeOf(shape.slice(0, batchDims)), row: sizeOf(shape.slice(batchDims + 1)) };
}

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
  // TopK is not stable, and knows no NaN.
  argsort: onHost,
};
