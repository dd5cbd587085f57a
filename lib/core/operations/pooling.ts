/**
 * Pooling over windows, as `torch.nn.functional` defines it.
 *
 * @module
 */

import { allocate } from "../../base/dtype.ts";
import { ArgumentError, ShapeError } from "../../base/errors.ts";
import type { WindowParams } from "../../base/primitives.ts";
import { formatShape, range, sizeOf } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import {
  fullLike,
  iota,
  pad,
  repeatAlong,
  reshape,
  restoreAxes,
  select,
  sum,
} from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { div } from "./arithmetic.ts";
import { checkCount, checkCounts, checkFloat, checkRank } from "./checks.ts";
import { fromHost } from "./creation.ts";

/** Options of all pooling over sliding windows; a number stands for all spatial axes. */
export interface PoolOptions {
  /** Size of the window. */
  kernelSize: number | readonly number[];
  /** Step of the window; its size by default. */
  stride?: number | readonly number[];
  /** Elements around the input that no window counts (0 in averages); at most half the window. 0 by default. */
  padding?: number | readonly number[];
  /** Whether a last window may reach beyond the padded input, as long as it starts inside. */
  ceilMode?: boolean;
}

/** Options of max pooling. */
export interface MaxPoolOptions extends PoolOptions {
  /** Spacing of the elements of a window; 1 by default. */
  dilation?: number | readonly number[];
}

/** Options of average pooling. */
export interface AvgPoolOptions extends PoolOptions {
  /** Whether the padding counts in the number that sums are divided by; true by default. */
  countIncludePad?: boolean;
  /** Divide by this number instead of counting. */
  divisorOverride?: number;
}

/** A pooling with all its lists written out. */
interface Windows extends WindowParams {
  /** Padding before the input, which also counts as padding after it. */
  readonly padding: readonly number[];
  /** Padding after the input that the windows need. */
  readonly high: readonly number[];
  /** How many windows there are. */
  readonly counts: readonly number[];
}

function resolveWindows(
  x: Tensor,
  n: number,
  options: MaxPoolOptions,
  where: string,
): Windows {
  if (typeof options !== "object" || options === null) {
    throw new ArgumentError(`${where}: expected options with a kernelSize, got ${String(options)}`);
  }
  checkRank(x, [n + 1, n + 2], `${where}: input`, "[N, channels, spatial axes] or without N");
  const kernel = checkCounts(options.kernelSize, n, 1, `${where}: kernelSize`);
  const strides = checkCounts(options.stride ?? kernel, n, 1, `${where}: stride`);
  const padding = checkCounts(options.padding ?? 0, n, 0, `${where}: padding`);
  const dilation = checkCounts(options.dilation ?? 1, n, 1, `${where}: dilation`);
  const sizes = x.shape.slice(-n);
  const extents = kernel.map((k, i) => (k - 1) * dilation[i] + 1);
  const wide = padding.findIndex((p, i) => 2 * p > extents[i]);
  if (wide >= 0) {
    throw new ArgumentError(
      `${where}: padding ${padding[wide]} is more than half the window's extent ${
        extents[wide]
      } at spatial axis ${wide}`,
    );
  }
  const counts = sizes.map((size, i) => {
    const room = size + 2 * padding[i] - extents[i];
    if (!options.ceilMode) return Math.floor(room / strides[i]) + 1;
    const count = Math.ceil(room / strides[i]) + 1;
    // A window that would start behind the input is left out.
    return (count - 1) * strides[i] >= size + padding[i] ? count - 1 : count;
  });
  if (counts.some((count) => count < 1)) {
    throw new ShapeError(
      `${where}: no window of ${formatShape(kernel)} fits into input ${formatShape(x.shape)}`,
    );
  }
  const high = sizes.map((size, i) =>
    Math.max(0, (counts[i] - 1) * strides[i] + extents[i] - size - padding[i])
  );
  return { kernel, strides, dilation, padding, high, counts };
}

/** The windows' elements along one axis: [L…, K, P…]. */
function windowsOf(x: Tensor, windows: Windows, value: number): Tensor {
  const { kernel, strides, dilation, padding, high, counts } = windows;
  const leading = x.shape.slice(0, x.shape.length - kernel.length);
  const none = leading.map(() => 0);
  const padded = pad(x, [...none, ...padding], [...none, ...high], undefined, value);
  const patches = apply("patches", { kernel, strides, dilation }, padded);
  return reshape(patches, [...leading, sizeOf(kernel), ...counts]);
}

/**
 * The largest element along an axis. Its derivative goes to the first of equal elements, as in PyTorch's pooling; that of
 * the primitive would be shared.
 */
function firstLargest(x: Tensor, axis: number): Tensor {
  const place = apply("argmax", { axis }, apply("stopGradient", {}, x));
  const mask = apply(
    "equal",
    {},
    iota(x.shape, "int32", axis),
    restoreAxes(place, [axis], x.shape),
  );
  return sum(select(mask, x, fullLike(x, 0)), [axis]);
}

function maxPool(n: number, where: string, input: Tensor, options: MaxPoolOptions): Tensor {
  const x = checkFloat(input, `${where}: input`);
  const windows = resolveWindows(x, n, options, where);
  return firstLargest(windowsOf(x, windows, -Infinity), x.shape.length - n);
}

/** How many elements each window counts, as a tensor over the windows, or one number if all agree. */
function divisors(x: Tensor, windows: Windows, includePad: boolean): Tensor | number {
  const { kernel, strides, padding, counts } = windows;
  const sizes = x.shape.slice(-kernel.length);
  const along = counts.map((count, i) =>
    range(count).map((p) => {
      const start = p * strides[i] - padding[i];
      const end = Math.min(start + kernel[i], sizes[i] + padding[i]);
      return includePad ? end - start : Math.min(end, sizes[i]) - Math.max(start, 0);
    })
  );
  const table = along.reduce(
    (products, list) => products.flatMap((product) => list.map((n) => product * n)),
    [1],
  );
  if (table.every((n) => n === table[0])) return table[0];
  const data = allocate(x.dtype, table.length);
  data.set(table);
  return fromHost(data, counts, x.dtype);
}

function avgPool(n: number, where: string, input: Tensor, options: AvgPoolOptions): Tensor {
  const x = checkFloat(input, `${where}: input`);
  const windows = resolveWindows(x, n, { ...options, dilation: 1 }, where);
  const { countIncludePad = true, divisorOverride } = options;
  if (divisorOverride === 0) {
    throw new ArgumentError(`${where}: divisorOverride is 0; expected another number`);
  }
  const totals = sum(windowsOf(x, windows, 0), [x.shape.length - n]);
  return div(totals, divisorOverride ?? divisors(x, windows, countIncludePad));
}

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
 * The largest element of each window of input [N, C, L] or [C, L]. The derivative goes to the first of equal elements.
 * As `torch.nn.functional.max_pool1d`.
 *
 * Throws a `ShapeError` where no window fits, an `ArgumentError` for options out of range; so do all functions here.
 *
 * @example
 * ```ts
 * import { maxPool1d, tensor } from "@tangents/ntk";
 * console.log(await maxPool1d(tensor([[1, 5, 2, 3]]), { kernelSize: 2 }).toArray()); // [[5, 3]]
 * ```
 */
export function maxPool1d(input: Tensor, options: MaxPoolOptions): Tensor {
  return maxPool(1, "maxPool1d", input, options);
}

/**
 * The largest element of each window of input [N, C, H, W] or [C, H, W]. The derivative goes to the first of equal
 * elements in row-major order. As `torch.nn.functional.max_pool2d`.
 *
 * @example
 * ```ts
 * import { maxPool2d, ones } from "@tangents/ntk";
 * console.log(maxPool2d(ones([1, 3, 8, 8]), { kernelSize: 3, stride: 2, padding: 1 }).shape); // [1, 3, 4, 4]
 * ```
 */
export function maxPool2d(input: Tensor, options: MaxPoolOptions): Tensor {
  return maxPool(2, "maxPool2d", input, options);
}

/**
 * The largest element of each window of input [N, C, D, H, W] or [C, D, H, W]. As `torch.nn.functional.max_pool3d`.
 *
 * @example
 * ```ts
 * import { maxPool3d, ones } from "@tangents/ntk";
 * console.log(maxPool3d(ones([1, 3, 4, 4, 4]), { kernelSize: 2 }).shape); // [1, 3, 2, 2, 2]
 * ```
 */
export function maxPool3d(input: Tensor, options: MaxPoolOptions): Tensor {
  return maxPool(3, "maxPool3d", input, options);
}

/**
 * The mean of each window of input [N, C, L] or [C, L]. As `torch.nn.functional.avg_pool1d`.
 *
 * @example
 * ```ts
 * import { avgPool1d, tensor } from "@tangents/ntk";
 * console.log(await avgPool1d(tensor([[1, 5, 2, 4]]), { kernelSize: 2 }).toArray()); // [[3, 3]]
 * ```
 */
export function avgPool1d(input: Tensor, options: AvgPoolOptions): Tensor {
  return avgPool(1, "avgPool1d", input, options);
}

/**
 * The mean of each window of input [N, C, H, W] or [C, H, W]. As `torch.nn.functional.avg_pool2d`.
 *
 * @example
 * ```ts
 * import { avgPool2d, ones } from "@tangents/ntk";
 * console.log(avgPool2d(ones([1, 3, 8, 8]), { kernelSize: 2 }).shape); // [1, 3, 4, 4]
 * ```
 */
export function avgPool2d(input: Tensor, options: AvgPoolOptions): Tensor {
  return avgPool(2, "avgPool2d", input, options);
}

/**
 * The mean of each window of input [N, C, D, H, W] or [C, D, H, W]. As `torch.nn.functional.avg_pool3d`.
 *
 * @example
 * ```ts
 * import { avgPool3d, ones } from "@tangents/ntk";
 * console.log(avgPool3d(ones([1, 3, 4, 4, 4]), { kernelSize: 2 }).shape); // [1, 3, 2, 2, 2]
 * ```
 */
export function avgPool3d(input: Tensor, options: AvgPoolOptions): Tensor {
  return avgPool(3, "avgPool3d", input, options);
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
