/**
 * Reductions and running sums.
 *
 * @module
 */

import { allocate, type TypedArray } from "../../lib/base/dtype.ts";
import type { ReductionName } from "../../lib/base/primitives.ts";
import { contiguousStrides, range, sizeOf } from "../../lib/base/shape.ts";
import { offsetsOf, pick } from "./offsets.ts";
import { multiplication, type Operand, type Rules } from "./rule.ts";

/** Offsets of the results' first elements, and of the reduced elements from there. */
function splitOffsets(
  x: Operand,
  axes: readonly number[],
): { outer: Int32Array; inner: Int32Array } {
  const strides = contiguousStrides(x.shape);
  const kept = range(x.shape.length).filter((axis) => !axes.includes(axis));
  return {
    outer: offsetsOf(pick(x.shape, kept), pick(strides, kept)),
    inner: offsetsOf(pick(x.shape, axes), pick(strides, axes)),
  };
}

/** Folds the elements over the axes. Integers are wrapped after each step, floats rounded at the end. */
function fold(
  x: Operand,
  axes: readonly number[],
  initial: number,
  combine: (accumulated: number, element: number) => number,
): TypedArray {
  const { outer, inner } = splitOffsets(x, axes);
  const wrap = x.dtype === "int32"
    ? (value: number) => value | 0
    : x.dtype === "uint32"
    ? (value: number) => value >>> 0
    : (value: number) => value;
  const out = allocate(x.dtype, outer.length);
  outer.forEach((offset, i) => {
    let accumulated = initial;
    for (const step of inner) accumulated = wrap(combine(accumulated, x.data[offset + step]));
    out[i] = accumulated;
  });
  return out;
}

/** The extreme elements; no axis is empty, and Math.max and Math.min let NaN win. */
function extremes(
  x: Operand,
  axes: readonly number[],
  better: (a: number, b: number) => number,
): TypedArray {
  const { outer, inner } = splitOffsets(x, axes);
  const out = allocate(x.dtype, outer.length);
  outer.forEach((offset, i) => {
    let best = x.data[offset];
    for (const step of inner) best = better(best, x.data[offset + step]);
    out[i] = best;
  });
  return out;
}

/** The first index along the axis of an element that no other beats; the first NaN beats all. */
function firstBest(
  x: Operand,
  axis: number,
  beats: (a: number, b: number) => boolean,
): TypedArray {
  const { outer, inner } = splitOffsets(x, [axis]);
  const out = new Int32Array(outer.length);
  outer.forEach((offset, i) => {
    let best = 0;
    for (let j = 1; j < inner.length; j++) {
      const current = x.data[offset + inner[best]];
      const candidate = x.data[offset + inner[j]];
      if (Number.isNaN(current)) break;
      if (Number.isNaN(candidate) || beats(candidate, current)) best = j;
    }
    out[i] = best;
  });
  return out;
}

/** Reductions, and cumsum. */
export const reduceRules: Rules<ReductionName> = {
  reduceSum: ({ params }, [x]) => fold(x, params.axes, 0, (sum, element) => sum + element),
  reduceProd: ({ params }, [x]) => fold(x, params.axes, 1, multiplication(x.dtype)),
  reduceMax: ({ params }, [x]) => extremes(x, params.axes, Math.max),
  reduceMin: ({ params }, [x]) => extremes(x, params.axes, Math.min),
  argmax: ({ params }, [x]) => firstBest(x, params.axis, (a, b) => a > b),
  argmin: ({ params }, [x]) => firstBest(x, params.axis, (a, b) => a < b),
  cumsum: ({ params: { axis, reverse } }, [x]) => {
    const { outer, inner } = splitOffsets(x, [axis]);
    const order = reverse ? inner.toReversed() : inner;
    const out = allocate(x.dtype, sizeOf(x.shape));
    for (const offset of outer) {
      let sum = 0;
      for (const step of order) {
        sum += x.data[offset + step];
        out[offset + step] = sum;
      }
    }
    return out;
  },
};
