/**
 * Primitives that move elements and compute nothing.
 *
 * All of them but permute act on one axis after another, so each axis is brought between two others: [outer, axis, inner].
 *
 * @module
 */

import { castScalar } from "../../lib/base/dtype.ts";
import type { MovementName } from "../../lib/base/primitives.ts";
import { range, sameShape, type Shape, sizeOf } from "../../lib/base/shape.ts";
import type { TensorInfo } from "./load.ts";
import type { Operations } from "./operations.ts";
import type { Rule, Rules } from "./rule.ts";
import type { Value } from "./value.ts";

/** A view along one axis: the axes before it, itself, and those behind it. */
function around(shape: Shape, axis: number): [outer: number, size: number, inner: number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis], sizeOf(shape.slice(axis + 1))];
}

/** The elements at some indices along an axis, whose new size is given by how many there are. */
export function takeAlong(
  x: TensorInfo,
  axis: number,
  indices: Int32Array,
  on: Operations,
): TensorInfo {
  const shape = x.shape.with(axis, indices.length);
  if (sizeOf(shape) === 0) return on.empty(shape, x.dtype);
  const rows = on.reshape(x, around(x.shape, axis));
  const at = on.kernels.upload(indices, [indices.length], "int32");
  const taken = on.kernels.call("GatherV2", { x: rows, indices: at }, { axis: 1, batchDims: 0 });
  return on.reshape(taken, shape);
}

/** The elements from `start` on, `count` of them, along an axis. */
export function sliceAlong(
  x: TensorInfo,
  axis: number,
  start: number,
  count: number,
  on: Operations,
): TensorInfo {
  const shape = x.shape.with(axis, count);
  if (sameShape(shape, x.shape)) return x;
  if (sizeOf(shape) === 0) return on.empty(shape, x.dtype);
  const [outer, size, inner] = around(x.shape, axis);
  // As a matrix, so that each copy is as long as it can be.
  const rows = on.reshape(x, [outer, size * inner]);
  const attrs = { begin: [0, start * inner], size: [outer, count * inner] };
  return on.reshape(on.kernels.call("Slice", { x: rows }, attrs), shape);
}

/** `value` before and behind the elements along an axis. */
export function padAlong(
  x: TensorInfo,
  axis: number,
  [low, high]: readonly [number, number],
  value: number,
  on: Operations,
): TensorInfo {
  if (low === 0 && high === 0) return x;
  const shape = x.shape.with(axis, x.shape[axis] + low + high);
  if (sizeOf(shape) === 0) return on.empty(shape, x.dtype);
  if (sizeOf(x.shape) === 0) return on.fill(shape, x.dtype, value);
  const [outer, size, inner] = around(x.shape, axis);
  const rows = on.reshape(x, [outer, size * inner]);
  const paddings = [[0, 0], [low * inner, high * inner]];
  const padded = on.kernels.call("PadV2", { x: rows }, { paddings, constantValue: value });
  return on.reshape(padded, shape);
}

/** `count` times the value between neighbours along an axis. */
export function spreadAlong(
  x: TensorInfo,
  axis: number,
  count: number,
  value: number,
  on: Operations,
): TensorInfo {
  const size = x.shape[axis];
  if (count === 0 || size < 2) return x;
  const apart = on.reshape(x, x.shape.toSpliced(axis + 1, 0, 1));
  const padded = padAlong(apart, axis + 1, [0, count], value, on);
  const joined = on.reshape(padded, x.shape.with(axis, size * (count + 1)));
  return sliceAlong(joined, axis, 0, size * (count + 1) - count, on);
}

/** Reversed along an axis. */
export function flipAlong(x: TensorInfo, axis: number, on: Operations): TensorInfo {
  const n = x.shape[axis];
  if (n < 2) return x;
  return takeAlong(x, axis, Int32Array.from(range(n), (i) => n - 1 - i), on);
}

/** Joined along an axis. */
export function concatenate(
  parts: readonly TensorInfo[],
  axis: number,
  on: Operations,
): TensorInfo {
  const size = parts.reduce((sum, { shape }) => sum + shape[axis], 0);
  const shape = parts[0].shape.with(axis, size);
  if (sizeOf(shape) === 0) return on.empty(shape, parts[0].dtype);
  const rows = parts.filter(({ shape }) => sizeOf(shape) > 0).map((x) => {
    const [outer, n, inner] = around(x.shape, axis);
    return on.reshape(x, [outer, n * inner]);
  });
  const joined = rows.length === 1 ? rows[0] : on.kernels.call("Concat", rows, { axis: 1 });
  return on.reshape(joined, shape);
}

/** The same elements, which are moved for no one. */
const same: Rule<"alias" | "stopGradient" | "customDerivative"> = ({ shape }, [x]) => ({
  ...x,
  shape,
});

/** Elements start, start + step, … along each axis. */
const slice: Rule<"slice"> = ({ shape, params: { start, step } }, [x], on) => {
  if (sizeOf(shape) === 0) return on.empty(shape, on.tensorOf(x).dtype);
  let current = on.tensorOf(x);
  shape.forEach((count, axis) => {
    // Where elements repeat, any of them will do, and one is enough.
    if (current.shape[axis] === 1 && x.stored[axis] === 1) return;
    current = step[axis] === 1 || count === 1
      ? sliceAlong(current, axis, start[axis], count, on)
      : takeAlong(
        current,
        axis,
        Int32Array.from(range(count), (i) => start[axis] + i * step[axis]),
        on,
      );
  });
  return current;
};

/** The axes of a value's elements that are permuted also where they repeat. */
const permute: Rule<"permute"> = ({ params: { permutation } }, [x], on) =>
  on.transpose(on.tensorOf(x), permutation);

/** Changes of shape, and identities. */
export const movementRules: Rules<MovementName> = {
  reshape: ({ shape }, [x], on) => {
    const { constant } = x;
    if (constant !== undefined) return { ...x, shape, stored: shape.map(() => 1) };
    return on.reshape(on.dense(x), shape);
  },
  permute,
  broadcast: ({ shape }, [x]): Value => ({ ...x, shape }),
  slice,
  pad: ({ shape, dtype, params: { low, high, interior, value } }, [x], on) => {
    if (sizeOf(shape) === 0) return on.empty(shape, on.tensorOf(x).dtype);
    const cast = castScalar(value, dtype);
    const stored = on.typeOf(dtype) === "int32" ? cast | 0 : cast;
    return shape.reduce((current, _, axis) => {
      const spread = spreadAlong(current, axis, interior[axis], stored, on);
      return padAlong(spread, axis, [low[axis], high[axis]], stored, on);
    }, on.dense(x));
  },
  flip: ({ params: { axes } }, [x], on) =>
    axes.reduce((current, axis) => flipAlong(current, axis, on), on.tensorOf(x)),
  concat: ({ params: { axis } }, inputs, on) =>
    concatenate(inputs.map((x) => on.dense(x)), axis, on),
  alias: same,
  stopGradient: same,
  customDerivative: same,
};
