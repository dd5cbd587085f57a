/**
 * Pooling to a given size, as `torch.nn.functional` defines it. Sizes that do not fit give a `ShapeError` or an
 * `ArgumentError`.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../../base/errors.ts";
import { formatShape, range } from "../../base/shape.ts";
import { fullLike, iota, repeatAlong, reshape, select, sum } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { checkCount, checkFloat, checkRank } from "./checks.ts";
import { fromHost } from "./creation.ts";
import { firstLargest } from "./first_largest.ts";

/** An output size of adaptive pooling; null along an axis keeps the input's size. */
export type AdaptiveSize = number | readonly (number | null)[];

function resolveSizes(x: Tensor, n: number, size: AdaptiveSize, where: string): number[] {
  checkRank(x, [n + 1, n + 2], `${where}: input`, "[N, channels, spatial axes] or without N");
  const list = typeof size === "number" ? range(n).map(() => size) : size;
  if (!Array.isArray(list) || list.length !== n) {
    throw new ArgumentError(
      `${where}: outputSize must be a number or a list of ${n}, got ${String(size)}`,
    );
  }
  const spatial = x.shape.slice(-n);
  if (spatial.some((extent) => extent === 0)) {
    throw new ShapeError(
      `${where}: input ${formatShape(x.shape)} has an empty spatial axis to pool over`,
    );
  }
  return list.map((m, i) => m === null ? spatial[i] : checkCount(m, 1, `${where}: outputSize`));
}

/**
 * Pools one axis to a size by PyTorch's rule: window i runs from ⌊i·S / O⌋ to ⌈(i + 1)·S / O⌉. `combine` takes the
 * windows [L…, O, K, R…], the axis of K, and how many of each window's K elements count: shorter windows repeat their
 * last element.
 */
function poolAxis(
  x: Tensor,
  axis: number,
  outputs: number,
  combine: (windows: Tensor, axis: number, lengths: readonly number[]) => Tensor,
): Tensor {
  const size = x.shape[axis];
  if (size === outputs) return x;
  if (size % outputs === 0) {
    const length = size / outputs;
    const split = [...x.shape.slice(0, axis), outputs, length, ...x.shape.slice(axis + 1)];
    return combine(reshape(x, split), axis + 1, range(outputs).map(() => length));
  }
  const starts = range(outputs).map((i) => Math.floor(i * size / outputs));
  const lengths = starts.map((start, i) => Math.ceil((i + 1) * size / outputs) - start);
  const longest = Math.max(...lengths);
  const index = starts.flatMap((start, i) =>
    range(longest).map((k) => start + Math.min(k, lengths[i] - 1))
  );
  const taken = x.take(index, axis);
  const shape = [...x.shape.slice(0, axis), outputs, longest, ...x.shape.slice(axis + 1)];
  return combine(reshape(taken, shape), axis + 1, lengths);
}

/** The mean of the elements that count along an axis. */
function meanOfWindows(windows: Tensor, axis: number, lengths: readonly number[]): Tensor {
  const longest = windows.shape[axis];
  if (lengths.every((n) => n === longest)) return sum(windows, [axis]).div(longest);
  const count = fromHost(Int32Array.from(lengths), [lengths.length], "int32");
  const inside = iota([lengths.length, longest], "int32", 1)
    .less(repeatAlong(count, 1, longest));
  const trailing = range(windows.shape.length - axis - 1).map(() => 1);
  const mask = reshape(inside, [lengths.length, longest, ...trailing])
    .broadcastTo(windows.shape);
  const totals = sum(select(mask, windows, fullLike(windows, 0)), [axis]);
  return totals.div(reshape(count, [lengths.length, ...trailing]).to(windows.dtype));
}

function adaptiveAvgPool(n: number, where: string, input: Tensor, size: AdaptiveSize): Tensor {
  let x = checkFloat(input, `${where}: input`);
  const outputs = resolveSizes(x, n, size, where);
  if (outputs.every((m) => m === 1)) {
    return x.mean(range(n).map((i) => -1 - i), { keepDims: true });
  }
  const first = x.shape.length - n;
  // A mean over a box is the mean of means along its axes.
  for (const i of range(n).reverse()) x = poolAxis(x, first + i, outputs[i], meanOfWindows);
  return x;
}

function adaptiveMaxPool(n: number, where: string, input: Tensor, size: AdaptiveSize): Tensor {
  let x = checkFloat(input, `${where}: input`);
  const outputs = resolveSizes(x, n, size, where);
  const first = x.shape.length - n;
  // The first largest of each row, then the first row that has it: the first in row-major order.
  for (const i of range(n).reverse()) x = poolAxis(x, first + i, outputs[i], firstLargest);
  return x;
}

/**
 * Means over windows that divide input [N, C, L] or [C, L] into as many as asked. As
 * `torch.nn.functional.adaptive_avg_pool1d`.
 *
 * @example
 * ```ts
 * import { adaptiveAvgPool1d, tensor } from "@tangents/ntk";
 * console.log(await adaptiveAvgPool1d(tensor([[1, 2, 6]]), 2).toArray()); // [[1.5, 4]]
 * ```
 */
export function adaptiveAvgPool1d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  return adaptiveAvgPool(1, "adaptiveAvgPool1d", input, outputSize);
}

/**
 * Means over windows that divide input [N, C, H, W] or [C, H, W] into as many as asked. As
 * `torch.nn.functional.adaptive_avg_pool2d`.
 *
 * @example
 * ```ts
 * import { adaptiveAvgPool2d, ones } from "@tangents/ntk";
 * console.log(adaptiveAvgPool2d(ones([1, 8, 7, 9]), [3, null]).shape); // [1, 8, 3, 9]
 * ```
 */
export function adaptiveAvgPool2d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  return adaptiveAvgPool(2, "adaptiveAvgPool2d", input, outputSize);
}

/**
 * Means over windows that divide input [N, C, D, H, W] or [C, D, H, W] into as many as asked. As
 * `torch.nn.functional.adaptive_avg_pool3d`.
 *
 * @example
 * ```ts
 * import { adaptiveAvgPool3d, ones } from "@tangents/ntk";
 * console.log(adaptiveAvgPool3d(ones([1, 8, 4, 4, 4]), 1).shape); // [1, 8, 1, 1, 1]
 * ```
 */
export function adaptiveAvgPool3d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  return adaptiveAvgPool(3, "adaptiveAvgPool3d", input, outputSize);
}

/**
 * Largest elements of windows that divide input [N, C, L] or [C, L] into as many as asked. As
 * `torch.nn.functional.adaptive_max_pool1d`.
 *
 * @example
 * ```ts
 * import { adaptiveMaxPool1d, tensor } from "@tangents/ntk";
 * console.log(await adaptiveMaxPool1d(tensor([[1, 2, 6]]), 2).toArray()); // [[2, 6]]
 * ```
 */
export function adaptiveMaxPool1d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  return adaptiveMaxPool(1, "adaptiveMaxPool1d", input, outputSize);
}

/**
 * Largest elements of windows that divide input [N, C, H, W] or [C, H, W] into as many as asked. As
 * `torch.nn.functional.adaptive_max_pool2d`.
 *
 * @example
 * ```ts
 * import { adaptiveMaxPool2d, ones } from "@tangents/ntk";
 * console.log(adaptiveMaxPool2d(ones([1, 8, 7, 9]), [3, 4]).shape); // [1, 8, 3, 4]
 * ```
 */
export function adaptiveMaxPool2d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  return adaptiveMaxPool(2, "adaptiveMaxPool2d", input, outputSize);
}

/**
 * Largest elements of windows that divide input [N, C, D, H, W] or [C, D, H, W] into as many as asked. As
 * `torch.nn.functional.adaptive_max_pool3d`.
 *
 * @example
 * ```ts
 * import { adaptiveMaxPool3d, ones } from "@tangents/ntk";
 * console.log(adaptiveMaxPool3d(ones([1, 8, 4, 4, 4]), 2).shape); // [1, 8, 2, 2, 2]
 * ```
 */
export function adaptiveMaxPool3d(input: Tensor, outputSize: AdaptiveSize): Tensor {
  return adaptiveMaxPool(3, "adaptiveMaxPool3d", input, outputSize);
}
