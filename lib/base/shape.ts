/**
 * Shapes, axes, strides and broadcasting.
 *
 * @module
 */

import { AxisError, ShapeError } from "./errors.ts";

/** The sizes of a tensor along its axes; a scalar has none. */
export type Shape = readonly number[];

/** The number of elements of a shape. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** Whether two shapes (or other lists of numbers) are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, i) => n === b[i]);
}

/** A shape as people write it: `[2, 3]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Throws a `ShapeError` unless every size is an integer of at least zero. */
export function checkShape(shape: Shape, where: string): Shape {
  if (!Array.isArray(shape) || !shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new ShapeError(
      `${where}: expected a shape (an array of integers ≥ 0), got ${
        Array.isArray(shape) ? formatShape(shape) : String(shape)
      }`,
    );
  }
  return shape;
}

/** Row-major strides of a shape, in elements. */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

/** An axis counted from the front; negative axes count from the end. Throws an `AxisError` outside the rank. */
export function normalizeAxis(axis: number, rank: number, where: string): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new AxisError(
      rank === 0
        ? `${where}: axis ${axis} given, but the tensor is a scalar and has no axes`
        : `${where}: axis ${axis} is outside a tensor of rank ${rank}; expected an integer from ${-rank} to ${
          rank - 1
        }`,
    );
  }
  return axis < 0 ? axis + rank : axis;
}

/** Axes counted from the front, sorted, each once; `undefined` or null means all. */
export function normalizeAxes(
  axes: number | readonly number[] | null | undefined,
  rank: number,
  where: string,
): number[] {
  if (axes === undefined || axes === null) return range(rank);
  const list = (typeof axes === "number" ? [axes] : [...axes])
    .map((axis) => normalizeAxis(axis, rank, where));
  if (new Set(list).size !== list.length) {
    throw new AxisError(`${where}: axes ${formatShape(list)} name an axis twice; name each once`);
  }
  return list.sort((a, b) => a - b);
}

/** The shape that both broadcast to by NumPy's rules. Throws a `ShapeError` where they do not fit. */
export function broadcastShapes(a: Shape, b: Shape, where: string): number[] {
  const rank = Math.max(a.length, b.length);
  const result = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const m = a[a.length - rank + i] ?? 1;
    const n = b[b.length - rank + i] ?? 1;
    if (m !== n && m !== 1 && n !== 1) {
      throw new ShapeError(
        `${where}: shapes ${formatShape(a)} and ${
          formatShape(b)
        } do not broadcast: sizes ${m} and ${n} at axis ${
          i - rank
        }; each pair of sizes, aligned from the end, must be equal or contain a 1`,
      );
    }
    result[i] = m === 1 ? n : m;
  }
  return result;
}

/** The inverse of a permutation. */
export function invertPermutation(permutation: readonly number[]): number[] {
  const inverse = new Array<number>(permutation.length);
  permutation.forEach((axis, i) => inverse[axis] = i);
  return inverse;
}

/** The integers from 0 to n − 1. */
export function range(n: number): number[] {
  // Called for most nodes of a graph; Array.from would take a tenth of the time of tracing a kernel.
  const numbers = new Array<number>(n);
  for (let i = 0; i < n; i++) numbers[i] = i;
  return numbers;
}
