/**
 * Pooling.
 *
 * @module
 */

import { isFloat } from "../../base/dtype.ts";
import { range, sizeOf } from "../../base/shape.ts";
import { firstLargest } from "../../core/operations/first_largest.ts";
import { windowCounts } from "../../core/operations/window_counts.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, integer } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import type { Result } from "../value.ts";
import { largestWithPlaces, unpool } from "./pooling_places.ts";
import {
  resolveWindows,
  windowAttributes,
  windowElements,
  type Windows,
  type WindowValues,
} from "./windows.ts";

/** The windows of a pooling; none may lie in the padding alone. */
function poolWindows(
  context: OperatorContext,
  x: Tensor,
  kernel: readonly number[] | undefined,
  values: WindowValues,
  ceilMode: number,
): Windows {
  if (kernel === undefined) return context.fail("attribute kernel_shape is missing");
  const windows = resolveWindows(context, x, kernel, values, ceilMode !== 0);
  const wide = windows.padding.some((pair, i) =>
    pair.some((n) => n > (kernel[i] - 1) * windows.dilation[i])
  );
  if (wide) {
    context.fail(
      `padding [${
        windows.padding.join("; ")
      }] around windows [${kernel}]: some would hold padding alone`,
    );
  }
  return windows;
}

/** How many elements each window counts, over the windows; one number where all agree. */
function divisors(x: Tensor, windows: Windows, includePad: boolean): Tensor | number {
  const { kernel, strides, dilation, padding, counts } = windows;
  const along = counts.map((count, axis) => {
    const [low, high] = padding[axis];
    const size = x.shape[2 + axis];
    const [first, end] = includePad ? [-low, size + high] : [0, size];
    // The number of steps of the window until it reaches a place.
    const until = (place: number): number =>
      Math.min(kernel[axis], Math.max(0, Math.ceil(place / dilation[axis])));
    return range(count).map((p) => {
      const start = p * strides[axis] - low;
      return until(end - start) - until(first - start);
    });
  });
  return windowCounts(along, x.dtype);
}

/** (Σ |x|ᵖ)^(1/p) along axis 2. */
function norm(context: OperatorContext, x: Tensor, p: number): Tensor {
  if (p === 1) return x.abs().sum(2);
  if (p === 2) return x.square().sum(2).sqrt();
  if (p < 1) context.fail(`p is ${p}, expected at least 1`);
  return x.abs().pow(p).sum(2).pow(1 / p);
}

/** A pooling of everything but examples and channels. */
function globalPool(
  name: string,
  since: readonly number[],
  pool: (x: Tensor, p: number, context: OperatorContext) => Tensor,
): Operator {
  return operator({
    name,
    since,
    inputs: 1,
    attributes: { p: integer(2) },
    run: (c, { p }) => {
      const x = c.tensor(0);
      if (x.rank < 3) c.fail(`an input of shape [${x.shape.join(", ")}] has no spatial axes`);
      const [n, channels, ...spatial] = x.shape;
      const pooled = pool(x.reshape([n, channels, sizeOf(spatial)]), p, c);
      return pooled.reshape([n, channels, ...spatial.map(() => 1)]);
    },
  });
}

/** Pooling. */
export const pooling: readonly Operator[] = [
  operator({
    name: "MaxPool",
    since: [1, 8, 10, 11, 12, 22],
    inputs: 1,
    attributes: { ...windowAttributes, ceil_mode: flag(false), storage_order: flag(false) },
    run: (c, { kernel_shape, ceil_mode, storage_order, ...values }): Result | Result[] => {
      const x = c.tensor(0);
      const windows = poolWindows(c, x, kernel_shape, values, ceil_mode);
      if (c.wants(1)) {
        const [largest, places] = largestWithPlaces(x, windows, storage_order !== 0);
        return [largest, c.typed(places, "int64")];
      }
      const lowest = isFloat(x.dtype) ? -Infinity : -(2 ** 31);
      return firstLargest(windowElements(x, windows, lowest), 2);
    },
  }),
  operator({
    name: "AveragePool",
    since: [7, 10, 11, 19, 22],
    inputs: 1,
    attributes: { ...windowAttributes, ceil_mode: flag(false), count_include_pad: flag(false) },
    run: (c, { kernel_shape, ceil_mode, count_include_pad, ...values }) => {
      const x = c.tensor(0);
      const windows = poolWindows(c, x, kernel_shape, values, ceil_mode);
      const totals = windowElements(x, windows, 0).sum(2);
      return totals.div(divisors(x, windows, count_include_pad !== 0));
    },
  }),
  operator({
    name: "LpPool",
    since: [2, 11, 18, 22],
    inputs: 1,
    attributes: { ...windowAttributes, ceil_mode: flag(false), p: integer(2) },
    run: (c, { kernel_shape, ceil_mode, p, ...values }) => {
      const x = c.tensor(0);
      const windows = poolWindows(c, x, kernel_shape, values, ceil_mode);
      return norm(c, windowElements(x, windows, 0), p);
    },
  }),
  globalPool("GlobalAveragePool", [1, 22], (x) => x.mean(2)),
  globalPool("GlobalMaxPool", [1, 22], (x) => firstLargest(x, 2)),
  globalPool("GlobalLpPool", [2, 22], (x, p, context) => norm(context, x, p)),
  operator({
    name: "MaxUnpool",
    since: [9, 11, 22],
    inputs: [2, 3],
    attributes: {
      kernel_shape: windowAttributes.kernel_shape,
      pads: windowAttributes.pads,
      strides: windowAttributes.strides,
    },
    run: (c, { kernel_shape, pads, strides }) => unpool(c, { kernel_shape, pads, strides }),
  }),
];
