/**
 * Reading and adding by index, and sorting.
 *
 * Negative indices count from the end. Indices that are known when the function is called (numbers, arrays, tensors made
 * from data) are checked; others are limited to the axis when they are computed.
 *
 * @module
 */

import type { DType } from "../../base/dtype.ts";
import { checkDType } from "../../base/dtype.ts";
import { ArgumentError, ShapeError } from "../../base/errors.ts";
import { broadcastShapes, formatShape, normalizeAxis, type Shape } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { iota, moveAxis, pad, reshape, select, slice, sliceAxis } from "../primitives/build.ts";
import { Tensor } from "../tensor.ts";
import { add, cast, checkTensor, expandTo } from "./arithmetic.ts";
import { checkCount, checkIndex, promoteAll } from "./checks.ts";

/** Throws an `ArgumentError` unless each index is an integer from −size to size − 1. */
function checkRange(indices: Iterable<number>, size: number, where: string): void {
  for (const index of indices) {
    if (Number.isInteger(index) && index >= -size && index < size) continue;
    throw new ArgumentError(
      size === 0
        ? `${where}: index ${index} given, but the axis is empty`
        : `${where}: index ${index} is outside an axis of size ${size}; expected an integer from ${-size} to ${
          size - 1
        }`,
    );
  }
}

/** A one-dimensional tensor of indices that are known. */
function constantIndex(indices: readonly number[]): Tensor {
  return new Tensor([indices.length], "int32", null, Int32Array.from(indices));
}

/** An index with negative entries counted from the end; checked if its values are known. */
function wrapIndex(index: Tensor, size: number, where: string): Tensor {
  const { host } = index;
  if (host !== null && index.operation === null) {
    checkRange(host, size, where);
    if (index.dtype === "int32" && host.every((i) => i >= 0)) return index;
    const wrapped = Int32Array.from(host, (i) => i < 0 ? i + size : i);
    return new Tensor(index.shape, "int32", null, wrapped);
  }
  const signed = checkIndex(index, where);
  return select(signed.less(0), signed.add(size), signed);
}

/** Throws an `ArgumentError` where elements are asked of an empty axis. */
function checkNotEmpty(size: number, index: Tensor, where: string): void {
  if (size > 0 || index.size === 0) return;
  throw new ArgumentError(`${where}: the axis is empty, so no index is inside it`);
}

/**
 * Elements at indices along an axis (the first by default): the axis is replaced by the axes of the index. A number
 * drops the axis. As `numpy.take`.
 *
 * Throws an `ArgumentError` for a known index outside the axis, a `DTypeError` for an index that is not integer.
 *
 * @example
 * ```ts
 * import { take, tensor } from "@tangents/ntk";
 * const x = tensor([[1, 2], [3, 4], [5, 6]]);
 * console.log(await take(x, [2, 0]).toArray()); // [[5, 6], [1, 2]]
 * console.log(await take(x, -1, 1).toArray()); // [2, 4, 6]
 * ```
 */
export function take(x: Tensor, index: Tensor | number | readonly number[], axis = 0): Tensor {
  checkTensor(x, "take");
  const at = normalizeAxis(axis, x.shape.length, "take");
  const size = x.shape[at];
  if (typeof index === "number") {
    checkRange([index], size, "take: index");
    const start = index < 0 ? index + size : index;
    return reshape(sliceAxis(x, at, start, start + 1), x.shape.filter((_, i) => i !== at));
  }
  if (Array.isArray(index)) checkRange(index, size, "take: index");
  const given = Array.isArray(index) ? constantIndex(index) : index as Tensor;
  checkIndex(given, "take: index");
  checkNotEmpty(size, given, "take: index");
  const wrapped = reshape(wrapIndex(given, size, "take: index"), [given.size]);
  const taken = moveAxis(
    apply("gather", { batchDims: 0 }, moveAxis(x, at, 0), wrapped),
    0,
    at,
  );
  return reshape(taken, [...x.shape.slice(0, at), ...given.shape, ...x.shape.slice(at + 1)]);
}

/** x[b…, index[b…, i]] along the last axis, for operands that agree in all the others. */
function gatherLast(x: Tensor, index: Tensor): Tensor {
  return apply("gather", { batchDims: x.shape.length - 1 }, x, index);
}

/** Throws a `ShapeError` unless the index has as many axes as x. */
function checkSameRank(x: Tensor, index: Tensor, where: string): void {
  if (index.shape.length === x.shape.length) return;
  throw new ShapeError(
    `${where}: expected an index of rank ${x.shape.length} for ${formatShape(x.shape)}, got shape ${
      formatShape(index.shape)
    }`,
  );
}

/**
 * For each position of the index, the element of x that stands at the index along the axis and at the same position
 * along the others, which broadcast. As `numpy.take_along_axis`.
 *
 * Throws a `ShapeError` where the ranks differ or the other axes do not broadcast.
 *
 * @example
 * ```ts
 * import { takeAlongAxis, tensor } from "@tangents/ntk";
 * const x = tensor([[10, 20, 30], [40, 50, 60]]);
 * const index = tensor([[2], [0]], { dtype: "int32" });
 * console.log(await takeAlongAxis(x, index, 1).toArray()); // [[30], [40]]
 * ```
 */
export function takeAlongAxis(x: Tensor, index: Tensor, axis: number): Tensor {
  checkTensor(x, "takeAlongAxis");
  checkIndex(index, "takeAlongAxis: index");
  const at = normalizeAxis(axis, x.shape.length, "takeAlongAxis");
  checkSameRank(x, index, "takeAlongAxis");
  const size = x.shape[at];
  checkNotEmpty(size, index, "takeAlongAxis: index");
  const last = x.shape.length - 1;
  const data = moveAxis(x, at, last);
  const places = moveAxis(wrapIndex(index, size, "takeAlongAxis: index"), at, last);
  const batch = broadcastShapes(
    data.shape.slice(0, last),
    places.shape.slice(0, last),
    "takeAlongAxis",
  );
  const result = gatherLast(
    expandTo(data, [...batch, size]),
    expandTo(places, [...batch, places.shape[last]]),
  );
  return moveAxis(result, last, at);
}

/** Throws a `ShapeError` where an index is larger than a tensor along an axis other than `except`. */
function checkWithin(index: Tensor, shape: Shape, except: number, where: string): void {
  const axis = index.shape.findIndex((n, i) => i !== except && n > shape[i]);
  if (axis < 0) return;
  throw new ShapeError(
    `${where}: the index ${formatShape(index.shape)} is larger than ${
      formatShape(shape)
    } at axis ${axis}`,
  );
}

/**
 * `torch.gather`: result[i, j, …] = x[index[i, j, …], j, …] for axis 0, and likewise for the others. The index may be
 * smaller than x along the other axes; nothing broadcasts (see `takeAlongAxis`).
 *
 * Throws a `ShapeError` where the ranks differ or the index is larger than x.
 *
 * @example
 * ```ts
 * import { gather, tensor } from "@tangents/ntk";
 * const index = tensor([[1, 0]], { dtype: "int32" });
 * console.log(await gather(tensor([[1, 2], [3, 4]]), 0, index).toArray()); // [[3, 2]]
 * ```
 */
export function gather(x: Tensor, axis: number, index: Tensor): Tensor {
  checkTensor(x, "gather");
  checkIndex(index, "gather: index");
  const at = normalizeAxis(axis, x.shape.length, "gather");
  checkSameRank(x, index, "gather");
  checkWithin(index, x.shape, at, "gather");
  const limit = x.shape.map((n, i) => i === at ? n : index.shape[i]);
  return takeAlongAxis(slice(x, limit.map(() => 0), limit), index, at);
}

/**
 * `torch.scatter_add`: x with updates[i, j, …] added at x[index[i, j, …], j, …] for axis 0, and likewise for the others.
 * The index may be smaller than x (along the other axes) and than the updates.
 *
 * Throws a `ShapeError` where the ranks differ or the index is too large.
 *
 * @example
 * ```ts
 * import { scatterAdd, tensor, zeros } from "@tangents/ntk";
 * const index = tensor([0, 2, 0], { dtype: "int32" });
 * console.log(await scatterAdd(zeros([3]), 0, index, tensor([1, 2, 3])).toArray()); // [4, 0, 2]
 * ```
 */
export function scatterAdd(x: Tensor, axis: number, index: Tensor, updates: Tensor): Tensor {
  checkTensor(x, "scatterAdd");
  checkIndex(index, "scatterAdd: index");
  checkTensor(updates, "scatterAdd: updates");
  const at = normalizeAxis(axis, x.shape.length, "scatterAdd");
  checkSameRank(x, index, "scatterAdd");
  checkSameRank(x, updates, "scatterAdd: updates");
  checkWithin(index, x.shape, at, "scatterAdd");
  checkWithin(index, updates.shape, -1, "scatterAdd: updates");
  checkNotEmpty(x.shape[at], index, "scatterAdd: index");
  const last = x.shape.length - 1;
  const [base, added] = promoteAll([x, updates]);
  const places = moveAxis(wrapIndex(index, x.shape[at], "scatterAdd: index"), at, last);
  const values = moveAxis(slice(added, index.shape.map(() => 0), index.shape), at, last);
  const sums = moveAxis(
    apply("scatterAdd", { batchDims: last, size: x.shape[at] }, places, values),
    last,
    at,
  );
  const missing = x.shape.map((n, i) => n - sums.shape[i]);
  return add(base, pad(sums, missing.map(() => 0), missing));
}

/**
 * `torch.index_add`: x with the slices of the updates along the axis added at the positions that a one-dimensional index
 * names.
 *
 * Throws a `ShapeError` unless the updates have x's shape, with the index's length along the axis.
 *
 * @example
 * ```ts
 * import { indexAdd, ones, tensor, zeros } from "@tangents/ntk";
 * const index = tensor([1, 1], { dtype: "int32" });
 * console.log(await indexAdd(zeros([2, 2]), 0, index, ones([2, 2])).toArray()); // [[0, 0], [2, 2]]
 * ```
 */
export function indexAdd(x: Tensor, axis: number, index: Tensor, updates: Tensor): Tensor {
  checkTensor(x, "indexAdd");
  checkIndex(index, "indexAdd: index");
  checkTensor(updates, "indexAdd: updates");
  const at = normalizeAxis(axis, x.shape.length, "indexAdd");
  if (index.shape.length !== 1) {
    throw new ShapeError(
      `indexAdd: expected a one-dimensional index, got shape ${formatShape(index.shape)}`,
    );
  }
  const expected = x.shape.map((n, i) => i === at ? index.shape[0] : n);
  if (
    updates.shape.length !== expected.length || updates.shape.some((n, i) => n !== expected[i])
  ) {
    throw new ShapeError(
      `indexAdd: expected updates of shape ${formatShape(expected)}, got ${
        formatShape(updates.shape)
      }`,
    );
  }
  checkNotEmpty(x.shape[at], index, "indexAdd: index");
  const [base, added] = promoteAll([x, updates]);
  const places = wrapIndex(index, x.shape[at], "indexAdd: index");
  const params = { batchDims: 0, size: x.shape[at] };
  return add(base, moveAxis(apply("scatterAdd", params, places, moveAxis(added, at, 0)), 0, at));
}

/** Options of `oneHot`. */
export interface OneHotOptions {
  /** The dtype of the result; float32 by default. */
  dtype?: DType;
}

/**
 * One at the index and zero elsewhere, along a new last axis of the given size. An index outside the range gives zeros
 * only.
 *
 * @example
 * ```ts
 * import { oneHot, tensor } from "@tangents/ntk";
 * const index = tensor([2, 0], { dtype: "int32" });
 * console.log(await oneHot(index, 3).toArray()); // [[0, 0, 1], [1, 0, 0]]
 * ```
 */
export function oneHot(index: Tensor, count: number, options: OneHotOptions = {}): Tensor {
  const { dtype = "float32" } = options;
  const places = checkIndex(index, "oneHot: index");
  checkCount(count, 0, "oneHot: count");
  checkDType(dtype, "oneHot");
  const shape = [...places.shape, count];
  const ramp = iota(shape, "int32", shape.length - 1);
  const spread = expandTo(reshape(places, [...places.shape, 1]), shape);
  return cast(apply("equal", {}, ramp, spread), dtype);
}

/** Options of sorting. */
export interface SortOptions {
  /** From the largest to the smallest. */
  descending?: boolean;
}

/**
 * The indices that sort along an axis (the last by default): int32, stable, NaN last.
 *
 * @example
 * ```ts
 * import { argsort, tensor } from "@tangents/ntk";
 * console.log(await argsort(tensor([30, 10, 20])).toArray()); // [1, 2, 0]
 * ```
 */
export function argsort(x: Tensor, axis = -1, options: SortOptions = {}): Tensor {
  checkTensor(x, "argsort");
  const at = normalizeAxis(axis, x.shape.length, "argsort");
  return moveAxis(order(x, at, options.descending === true), x.shape.length - 1, at);
}

/** The order that sorts along an axis, which is moved to the end. */
function order(x: Tensor, axis: number, descending: boolean): Tensor {
  const data = moveAxis(x, axis, x.shape.length - 1);
  return apply("argsort", { descending }, data);
}

/**
 * Sorted along an axis (the last by default), stably, NaN last.
 *
 * @example
 * ```ts
 * import { sort, tensor } from "@tangents/ntk";
 * console.log(await sort(tensor([3, 1, 2]), 0, { descending: true }).toArray()); // [3, 2, 1]
 * ```
 */
export function sort(x: Tensor, axis = -1, options: SortOptions = {}): Tensor {
  checkTensor(x, "sort");
  const at = normalizeAxis(axis, x.shape.length, "sort");
  const last = x.shape.length - 1;
  const sorted = gatherLast(moveAxis(x, at, last), order(x, at, options.descending === true));
  return moveAxis(sorted, last, at);
}

/**
 * The k largest elements along an axis (the last by default), in descending order, and their int32 indices. NaN counts
 * as smallest; among equal elements the first comes first.
 *
 * Throws an `ArgumentError` where k is more than the axis holds.
 *
 * @example
 * ```ts
 * import { tensor, topK } from "@tangents/ntk";
 * const { values, indices } = topK(tensor([1, 9, 5]), 2);
 * console.log(await values.toArray(), await indices.toArray()); // [9, 5] [1, 2]
 * ```
 */
export function topK(x: Tensor, k: number, axis = -1): { values: Tensor; indices: Tensor } {
  checkTensor(x, "topK");
  const at = normalizeAxis(axis, x.shape.length, "topK");
  if (checkCount(k, 0, "topK: k") > x.shape[at]) {
    throw new ArgumentError(
      `topK: k is ${k}, but axis ${axis} of ${formatShape(x.shape)} has size ${x.shape[at]}`,
    );
  }
  const last = x.shape.length - 1;
  const best = sliceAxis(order(x, at, true), last, 0, k);
  const values = gatherLast(moveAxis(x, at, last), best);
  return { values: moveAxis(values, last, at), indices: moveAxis(best, last, at) };
}
