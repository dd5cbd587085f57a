/**
 * Primitives that read or write at computed places.
 *
 * @module
 */

import { allocate } from "../../lib/base/dtype.ts";
import { sizeOf } from "../../lib/base/shape.ts";
import { allocateSums, roundSums, type Rules } from "./rule.ts";

/** The index, moved into [0, size). */
function clamp(index: number, size: number): number {
  return Math.max(0, Math.min(index, size - 1));
}

/** gather, scatterAdd and argsort. */
export const indexingRules: Rules<"gather" | "scatterAdd" | "argsort"> = {
  gather: ({ shape, dtype, params: { batchDims } }, [x, index]) => {
    const size = x.shape[batchDims];
    const count = index.shape[batchDims];
    const row = sizeOf(x.shape.slice(batchDims + 1));
    const out = allocate(dtype, sizeOf(shape));
    index.data.forEach((target: number, i: number) => {
      const batch = Math.floor(i / count);
      const from = (batch * size + clamp(target, size)) * row;
      out.set(x.data.subarray(from, from + row), i * row);
    });
    return out;
  },
  scatterAdd: ({ shape, dtype, params: { batchDims, size } }, [index, updates]) => {
    const count = index.shape[batchDims];
    const row = sizeOf(updates.shape.slice(batchDims + 1));
    const sums = allocateSums(dtype, sizeOf(shape));
    index.data.forEach((target: number, i: number) => {
      const batch = Math.floor(i / count);
      const to = (batch * size + clamp(target, size)) * row;
      for (let r = 0; r < row; r++) sums[to + r] += updates.data[i * row + r];
    });
    return roundSums(sums, dtype);
  },
  argsort: ({ params: { descending } }, [x]) => {
    const length = x.shape[x.shape.length - 1];
    const out = new Int32Array(x.data.length);
    for (let first = 0; first < out.length; first += length) {
      const row = x.data.subarray(first, first + length);
      // The engine's sort is stable; NaN comes last in either direction.
      const order = Array.from(row, (_, i) => i).sort((i, j) => {
        const a = row[i];
        const b = row[j];
        if (Number.isNaN(a) || Number.isNaN(b)) {
          return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
        }
        return a === b ? 0 : (a < b) === descending ? 1 : -1;
      });
      out.set(order, first);
    }
    return out;
  },
};
