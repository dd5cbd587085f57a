/**
 * Operations that move elements and compute nothing.
 *
 * @module
 */

import { checkScalar, promote } from "../../base/dtype.ts";
import { ArgumentError, AxisError, ShapeError } from "../../base/errors.ts";
import {
  checkShape,
  formatShape,
  normalizeAxes,
  normalizeAxis,
  range,
  type Shape,
  sizeOf,
} from "../../base/shape.ts";
import { apply } from "../apply.ts";
import type { Axes, Tensor } from "../tensor.ts";
import { cast, checkTensor, expandTo } from "./arithmetic.ts";

/**
 * Part of one axis: a single index (the axis leaves the shape), or start, limit and step as in Python's slices, where
 * null is the end in that direction, negative positions count from the end, and a negative step runs backward. Null
 * alone is the whole axis.
 */
export type SliceRange =
  | number
  | null
  | readonly [start: number | null, limit: number | null, step?: number];

/**
 * The same elements in row-major order in another shape; one size may be −1 and is computed. Throws a `ShapeError` where
 * the numbers of elements differ.
 *
 * @example
 * ```ts
 * import { arange, reshape } from "@tangents/ntk";
 * console.log(reshape(arange(6), [2, -1]).shape); // [2, 3]
 * ```
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  checkTensor(x, "reshape");
  const unknown = Array.isArray(shape) ? shape.indexOf(-1) : -1;
  let target = shape;
  if (unknown >= 0) {
    const known = sizeOf(shape.filter((_, i) => i !== unknown));
    if (known === 0 || x.size % known !== 0) {
      throw new ShapeError(
        `reshape: ${x.size} elements of shape ${formatShape(x.shape)} do not fit ${
          formatShape(shape)
        }: the size for −1 is not an integer`,
      );
    }
    target = shape.map((n, i) => i === unknown ? x.size / known : n);
  }
  checkShape(target, "reshape");
  return apply("reshape", { shape: target }, x);
}

/**
 * Axes from start to end (inclusive) joined into one; all of them by default.
 *
 * @example
 * ```ts
 * import { flatten, zeros } from "@tangents/ntk";
 * console.log(flatten(zeros([2, 3, 4]), 1).shape); // [2, 12]
 * ```
 */
export function flatten(x: Tensor, startAxis = 0, endAxis = -1): Tensor {
  checkTensor(x, "flatten");
  if (x.rank === 0) return reshape(x, [1]);
  const start = normalizeAxis(startAxis, x.rank, "flatten");
  const end = normalizeAxis(endAxis, x.rank, "flatten");
  if (start > end) {
    throw new AxisError(`flatten: the start axis ${startAxis} lies after the end axis ${endAxis}`);
  }
  const joined = sizeOf(x.shape.slice(start, end + 1));
  return reshape(x, [...x.shape.slice(0, start), joined, ...x.shape.slice(end + 1)]);
}

/**
 * Without axes of size 1: all of them, or those named. A named axis of another size stays, as in PyTorch.
 *
 * @example
 * ```ts
 * import { squeeze, zeros } from "@tangents/ntk";
 * console.log(squeeze(zeros([1, 3, 1])).shape, squeeze(zeros([1, 3, 1]), 0).shape); // [3] [3, 1]
 * ```
 */
export function squeeze(x: Tensor, axes?: Axes): Tensor {
  const list = normalizeAxes(axes, checkTensor(x, "squeeze").rank, "squeeze");
  return reshape(x, x.shape.filter((n, i) => n !== 1 || !list.includes(i)));
}

/**
 * With an axis of size 1 inserted, so that it stands at the given place of the result.
 *
 * @example
 * ```ts
 * import { unsqueeze, zeros } from "@tangents/ntk";
 * console.log(unsqueeze(zeros([3]), 0).shape, unsqueeze(zeros([3]), -1).shape); // [1, 3] [3, 1]
 * ```
 */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis(axis, checkTensor(x, "unsqueeze").rank + 1, "unsqueeze");
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/**
 * With axes reordered: axis i of the result is axis permutation[i] of x. Without a permutation, axes are reversed.
 *
 * @example
 * ```ts
 * import { permute, zeros } from "@tangents/ntk";
 * console.log(permute(zeros([2, 3, 4]), [2, 0, 1]).shape); // [4, 2, 3]
 * ```
 */
export function permute(x: Tensor, permutation?: readonly number[]): Tensor {
  checkTensor(x, "permute");
  const given = permutation ?? range(x.rank).reverse();
  const order = given.map((axis) => normalizeAxis(axis, x.rank, "permute"));
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new AxisError(
      `permute: expected each of the ${x.rank} axes of ${formatShape(x.shape)} once, got ${
        formatShape(given)
      }`,
    );
  }
  return apply("permute", { permutation: order }, x);
}

/**
 * With two axes exchanged; the last two by default.
 *
 * @example
 * ```ts
 * import { transpose, zeros } from "@tangents/ntk";
 * console.log(transpose(zeros([2, 3])).shape); // [3, 2]
 * ```
 */
export function transpose(x: Tensor, axis0 = -2, axis1 = -1): Tensor {
  const rank = checkTensor(x, "transpose").rank;
  const [a, b] = [axis0, axis1].map((axis) => normalizeAxis(axis, rank, "transpose"));
  return permute(x, range(rank).map((i) => i === a ? b : i === b ? a : i));
}

/** With one axis moved to another place; the rest keep their order. */
export function moveAxis(x: Tensor, from: number, to: number): Tensor {
  const rank = checkTensor(x, "moveAxis").rank;
  const [a, b] = [from, to].map((axis) => normalizeAxis(axis, rank, "moveAxis"));
  const order = range(rank).filter((axis) => axis !== a);
  order.splice(b, 0, a);
  return permute(x, order);
}

/**
 * Repeated along new leading axes and axes of size 1, by NumPy's rules. Takes no memory. Throws a `ShapeError` where the
 * shapes do not fit.
 *
 * @example
 * ```ts
 * import { broadcastTo, tensor } from "@tangents/ntk";
 * console.log(await broadcastTo(tensor([1, 2]), [2, 2]).toArray()); // [[1, 2], [1, 2]]
 * ```
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  checkTensor(x, "broadcastTo");
  checkShape(shape, "broadcastTo");
  const offset = shape.length - x.rank;
  if (offset < 0 || !x.shape.every((n, i) => n === 1 || n === shape[offset + i])) {
    throw new ShapeError(
      `broadcastTo: ${formatShape(x.shape)} does not broadcast to ${
        formatShape(shape)
      }; sizes, aligned from the end, must be equal or 1`,
    );
  }
  return expandTo(x, shape);
}

/** A range of one axis, resolved: first index, count and step. */
interface ResolvedRange {
  readonly first: number;
  readonly count: number;
  readonly step: number;
  readonly drop: boolean;
}

function resolveRange(given: SliceRange, size: number, axis: number): ResolvedRange {
  if (given === null) return { first: 0, count: size, step: 1, drop: false };
  if (typeof given === "number") {
    const first = given < 0 ? given + size : given;
    if (!Number.isInteger(given) || first < 0 || first >= size) {
      throw new ArgumentError(`slice: index ${given} is outside axis ${axis} of size ${size}`);
    }
    return { first, count: 1, step: 1, drop: true };
  }
  const [start, limit, step = 1] = given;
  if (
    !Number.isInteger(step) || step === 0 ||
    [start, limit].some((n) => n !== null && !Number.isInteger(n))
  ) {
    throw new ArgumentError(
      `slice: expected integers (or null) and a step that is not 0 along axis ${axis}, got [${
        given.join(", ")
      }]`,
    );
  }
  // Python's rules: positions outside the axis are moved to its ends.
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const resolve = (n: number | null, missing: number): number =>
    n === null ? missing : Math.min(high, Math.max(low, n < 0 ? n + size : n));
  const first = resolve(start, step > 0 ? low : high);
  const end = resolve(limit, step > 0 ? high : low);
  const count = Math.max(0, Math.ceil((end - first) / step));
  return { first, count, step, drop: false };
}

/**
 * Part of a tensor: one range an axis, from the first axis on; axes that are not named stay whole. A range is an index
 * (the axis leaves), null (the whole axis) or [start, limit, step] with Python's rules.
 *
 * @example
 * ```ts
 * import { arange, slice } from "@tangents/ntk";
 * const x = arange(12).reshape([3, 4]);
 * console.log(await slice(x, 1).toArray()); // [4, 5, 6, 7]
 * console.log(await slice(x, null, [null, null, -2]).toArray()); // [[3, 1], [7, 5], [11, 9]]
 * ```
 */
export function slice(x: Tensor, ...ranges: readonly SliceRange[]): Tensor {
  checkTensor(x, "slice");
  if (ranges.length > x.rank) {
    throw new AxisError(
      `slice: ${ranges.length} ranges given for the ${x.rank} axes of ${formatShape(x.shape)}`,
    );
  }
  const resolved = x.shape.map((size, i) => resolveRange(ranges[i] ?? null, size, i));
  const start = resolved.map(({ first, count, step }, i) =>
    count === 0 ? 0 : step > 0 ? first : x.shape[i] - 1 - first
  );
  const limit = resolved.map(({ count, step }, i) =>
    count === 0 ? 0 : start[i] + (count - 1) * Math.abs(step) + 1
  );
  const backward = range(x.rank).filter((i) => resolved[i].step < 0 && resolved[i].count > 0);
  const forward = backward.length === 0 ? x : apply("flip", { axes: backward }, x);
  const step = resolved.map((r) => Math.abs(r.step));
  const part = apply("slice", { start, limit, step }, forward);
  if (!resolved.some((r) => r.drop)) return part;
  return apply("reshape", { shape: part.shape.filter((_, i) => !resolved[i].drop) }, part);
}

/** Reversed along axes (all by default). */
export function flip(x: Tensor, axes?: Axes): Tensor {
  const list = normalizeAxes(axes, checkTensor(x, "flip").rank, "flip");
  return list.length === 0 ? x : apply("flip", { axes: list }, x);
}

/**
 * With a value (0 by default) added before and after, one pair [before, after] an axis. Throws an `ArgumentError` for
 * negative amounts: use `slice` to cut.
 *
 * @example
 * ```ts
 * import { pad, tensor } from "@tangents/ntk";
 * console.log(await pad(tensor([1, 2]), [[1, 2]]).toArray()); // [0, 1, 2, 0, 0]
 * ```
 */
export function pad(
  x: Tensor,
  padding: readonly (readonly [number, number])[],
  value = 0,
): Tensor {
  checkTensor(x, "pad");
  const amounts = Array.isArray(padding) ? padding.flat() : [];
  if (
    amounts.length !== 2 * x.rank || padding.length !== x.rank ||
    amounts.some((n) => !Number.isInteger(n) || n < 0)
  ) {
    throw new ArgumentError(
      `pad: expected one pair [before, after] of integers ≥ 0 for each of the ${x.rank} axes of ${
        formatShape(x.shape)
      }, got ${JSON.stringify(padding)}`,
    );
  }
  const filler = checkScalar(value, x.dtype, "pad: value");
  const low = padding.map(([before]) => before);
  const high = padding.map(([, after]) => after);
  return apply("pad", { low, high, interior: low.map(() => 0), value: filler }, x);
}

/**
 * Tensors joined along an existing axis; dtypes are promoted. Throws where the other sizes differ.
 *
 * @example
 * ```ts
 * import { concat, tensor } from "@tangents/ntk";
 * console.log(await concat([tensor([1]), tensor([2, 3])]).toArray()); // [1, 2, 3]
 * ```
 */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new ArgumentError("concat: expected an array of at least one tensor");
  }
  tensors.forEach((x, i) => checkTensor(x, `concat: tensor ${i}`));
  const at = normalizeAxis(axis, tensors[0].rank, "concat");
  const dtype = tensors.map((x) => x.dtype).reduce(promote);
  return apply("concat", { axis: at }, ...tensors.map((x) => cast(x, dtype)));
}

/**
 * Tensors of one shape joined along a new axis.
 *
 * @example
 * ```ts
 * import { stack, tensor } from "@tangents/ntk";
 * console.log(await stack([tensor([1, 2]), tensor([3, 4])], 1).toArray()); // [[1, 3], [2, 4]]
 * ```
 */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new ArgumentError("stack: expected an array of at least one tensor");
  }
  const at = normalizeAxis(axis, checkTensor(tensors[0], "stack").rank + 1, "stack");
  return concat(tensors.map((x) => unsqueeze(checkTensor(x, "stack"), at)), at);
}

/**
 * Cut into pieces along an axis: of one size (the last may be smaller), or of the sizes listed, which must add up.
 *
 * @example
 * ```ts
 * import { arange, split } from "@tangents/ntk";
 * console.log(split(arange(5), 2).map((x) => x.shape)); // [[2], [2], [1]]
 * ```
 */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensor[] {
  const at = normalizeAxis(axis, checkTensor(x, "split").rank, "split");
  const total = x.shape[at];
  if (typeof sizes === "number" && !(Number.isInteger(sizes) && sizes > 0)) {
    throw new ArgumentError(`split: expected a size that is an integer > 0, got ${sizes}`);
  }
  const list = typeof sizes === "number"
    ? range(Math.max(1, Math.ceil(total / sizes))).map((i) => Math.min(sizes, total - i * sizes))
    : sizes;
  if (
    list.some((n) => !Number.isInteger(n) || n < 0) || list.reduce((a, b) => a + b, 0) !== total
  ) {
    throw new ArgumentError(
      `split: sizes ${formatShape(list)} do not add up to the size ${total} of axis ${axis}`,
    );
  }
  let start = 0;
  return list.map((n) => {
    const ranges: SliceRange[] = x.shape.map((_, i) => i === at ? [start, start + n] : null);
    start += n;
    return slice(x, ...ranges);
  });
}

/**
 * Repeated as a whole, so many times along each axis, as `torch.Tensor.repeat`; more counts than axes add leading axes.
 *
 * @example
 * ```ts
 * import { repeat, tensor } from "@tangents/ntk";
 * console.log(await repeat(tensor([1, 2]), [2]).toArray()); // [1, 2, 1, 2]
 * ```
 */
export function repeat(x: Tensor, counts: readonly number[]): Tensor {
  checkTensor(x, "repeat");
  if (counts.length < x.rank || counts.some((n) => !Number.isInteger(n) || n < 0)) {
    throw new ArgumentError(
      `repeat: expected an integer ≥ 0 for each of at least ${x.rank} axes, got ${
        formatShape(counts)
      }`,
    );
  }
  const shape = [...counts.slice(x.rank).map(() => 1), ...x.shape];
  const apart = reshape(x, shape.flatMap((n) => [1, n]));
  const repeated = expandTo(apart, shape.flatMap((n, i) => [counts[i], n]));
  return reshape(repeated, shape.map((n, i) => n * counts[i]));
}

/**
 * The diagonal of two axes, which leave the shape; it becomes the last axis. A positive offset lies above the main
 * diagonal.
 *
 * @example
 * ```ts
 * import { arange, diagonal } from "@tangents/ntk";
 * console.log(await diagonal(arange(9).reshape([3, 3])).toArray()); // [0, 4, 8]
 * ```
 */
export function diagonal(x: Tensor, offset = 0, axis0 = 0, axis1 = 1): Tensor {
  const rank = checkTensor(x, "diagonal").rank;
  const [a, b] = [axis0, axis1].map((axis) => normalizeAxis(axis, rank, "diagonal"));
  if (a === b) throw new AxisError(`diagonal: axes ${axis0} and ${axis1} are the same`);
  const others = range(rank).filter((i) => i !== a && i !== b);
  const [rows, columns] = [x.shape[a], x.shape[b]];
  const moved = permute(x, [...others, a, b]);
  const first = offset >= 0 ? offset : -offset * columns;
  const length = Math.max(
    0,
    offset >= 0 ? Math.min(rows, columns - offset) : Math.min(rows + offset, columns),
  );
  // Row-major, the elements of a diagonal stand columns + 1 apart.
  const flat = reshape(moved, [...others.map((i) => x.shape[i]), rows * columns]);
  const limit = length === 0 ? first : first + (length - 1) * (columns + 1) + 1;
  const ranges: SliceRange[] = others.map(() => null);
  return slice(flat, ...ranges, length === 0 ? [0, 0] : [first, limit, columns + 1]);
}
