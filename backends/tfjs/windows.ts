/**
 * Sliding windows over the trailing axes.
 *
 * @module
 */

import { range, type Shape, sizeOf } from "../../lib/base/shape.ts";
import { concatenate, padAlong, sliceAlong, spreadAlong, takeAlong } from "./movement.ts";
import type { TensorInfo } from "./load.ts";
import type { WindowParams } from "../../lib/base/primitives.ts";
import type { Operations } from "./operations.ts";
import type { Rules } from "./rule.ts";

/** All index vectors into a kernel, the last axis fastest. */
function taps(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (list, size) => list.flatMap((tap) => range(size).map((k) => [...tap, k])),
    [[]],
  );
}

/** What one element of the kernel sees along an axis, at every position. */
function seenAlong(
  x: TensorInfo,
  axis: number,
  start: number,
  places: number,
  step: number,
  on: Operations,
): TensorInfo {
  return step === 1
    ? sliceAlong(x, axis, start, places, on)
    : takeAlong(x, axis, Int32Array.from(range(places), (p) => start + p * step), on);
}

/** The patches of a tensor [L…, S…], as [L…, K…, P…]: one element of the kernel after the other. */
export function patchesOf(
  x: TensorInfo,
  shape: Shape,
  { kernel, strides, dilation }: WindowParams,
  on: Operations,
): TensorInfo {
  if (sizeOf(shape) === 0) return on.empty(shape, x.dtype);
  const leading = x.shape.length - kernel.length;
  const places = shape.slice(leading + kernel.length);
  const outer = sizeOf(shape.slice(0, leading));
  // The last axis first: rows are cut out once for all elements of the kernel above each other.
  const seen = kernel.reduceRight<TensorInfo[]>(
    (parts, size, d) =>
      range(size).flatMap((k) =>
        parts.map((part) => seenAlong(part, d + 1, k * dilation[d], places[d], strides[d], on))
      ),
    [on.reshape(x, [outer, ...x.shape.slice(leading)])],
  );
  const rows = seen.map((part) => on.reshape(part, [outer, 1, sizeOf(places)]));
  return on.reshape(concatenate(rows, 1, on), shape);
}

/** patches and patchesTranspose. */
export const windowRules: Rules<"patches" | "patchesTranspose"> = {
  patches: ({ shape, params }, [x], on) => patchesOf(on.dense(x), shape, params, on),
  patchesTranspose: ({ shape, params }, [y], on) => {
    const { kernel, strides, dilation, sizes } = params;
    const dense = on.dense(y);
    if (sizeOf(shape) === 0) return on.empty(shape, dense.dtype);
    const leading = shape.length - kernel.length;
    const places = dense.shape.slice(leading + kernel.length);
    if (sizeOf(dense.shape) === 0) return on.fill(shape, y.dtype, 0);
    const outer = sizeOf(shape.slice(0, leading));
    const rows = on.reshape(dense, [outer, sizeOf(kernel), sizeOf(places)]);
    let sum: TensorInfo | null = null;
    taps(kernel).forEach((tap, t) => {
      const seen = on.reshape(sliceAlong(rows, 1, t, 1, on), [outer, ...places]);
      const put = tap.reduce((current, k, d) => {
        const spread = spreadAlong(current, d + 1, strides[d] - 1, 0, on);
        const low = k * dilation[d];
        return padAlong(spread, d + 1, [low, sizes[d] - low - spread.shape[d + 1]], 0, on);
      }, seen);
      sum = sum === null ? put : on.binary("Add", sum, put);
    });
    return on.reshape(sum!, shape);
  },
};
