/**
 * Pooling.
 *
 * @module
 */

import { allocate } from "../../base/dtype.ts";
import { range, sizeOf } from "../../base/shape.ts";
import { fromHost } from "../../core/operations/creation.ts";
import { firstLargest } from "../../core/operations/first_largest.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import {
  resolveWindows,
  windowAttributes,
  windowElements,
  type Windows,
  type WindowValues,
} from "./windows.ts";

/** More windows than any network has. */
const mostWindows = 2 ** 28;

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
  if (wide || sizeOf(windows.counts) > mostWindows) {
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
  const table = along.reduce(
    (products, list) => products.flatMap((product) => list.map((n) => product * n)),
    [1],
  );
  if (table.every((n) => n === table[0])) return table[0];
  const data = allocate(x.dtype, table.length);
  data.set(table);
  return fromHost(data, counts, x.dtype);
}

/** Pooling. */
export const pooling: readonly Operator[] = [
  operator({
    name: "MaxPool",
    since: [1, 8, 10, 11, 12, 22],
    inputs: 1,
    attributes: { ...windowAttributes, ceil_mode: flag(false), storage_order: flag(false) },
    run: (c, { kernel_shape, ceil_mode, storage_order: _, ...values }) => {
      if (c.wants(1)) c.fail("the indices of the largest elements are not computed");
      const x = c.tensor(0);
      const windows = poolWindows(c, x, kernel_shape, values, ceil_mode);
      return firstLargest(windowElements(x, windows, -Infinity), 2);
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
    name: "GlobalAveragePool",
    since: [1, 22],
    inputs: 1,
    run: (c) => {
      const x = c.tensor(0);
      return x.mean(range(x.rank).slice(2), { keepDims: true });
    },
  }),
];
