/**
 * Pooling over windows, as `torch.nn.functional` defines it.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../../base/errors.ts";
import type { WindowParams } from "../../base/primitives.ts";
import { formatShape, range, sizeOf } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { pad, reshape, sum } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { div } from "./arithmetic.ts";
import { checkCounts, checkFloat, checkRank } from "./checks.ts";
import { firstLargest } from "./first_largest.ts";
import { windowCounts } from "./window_counts.ts";

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
  return windowCounts(along, x.dtype);
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
