/**
 * Reductions over axes.
 *
 * @module
 */

import { ArgumentError } from "../../base/errors.ts";
import { formatShape, normalizeAxes, normalizeAxis, range, sizeOf } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import type { Axes, ReductionOptions, Tensor } from "../tensor.ts";
import { checkTensor, toFloat } from "./arithmetic.ts";

type Reduction = "reduceSum" | "reduceProd" | "reduceMax" | "reduceMin";

function reduce(name: Reduction, x: Tensor, axes: readonly number[], keepDims = false): Tensor {
  const result = axes.length === 0 ? x : apply(name, { axes }, x);
  return keepDims ? withKeptAxes(result, x, axes) : result;
}

function withKeptAxes(result: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  return apply(
    "reshape",
    { shape: x.shape.map((n, i) => axes.includes(i) ? 1 : n) },
    result,
  );
}

/** bool counts as int32. */
function counted(x: Tensor): Tensor {
  return x.dtype === "bool" ? x.to("int32") : x;
}

/** The number of elements that each result combines. */
function countOf(x: Tensor, axes: readonly number[]): number {
  return sizeOf(axes.map((a) => x.shape[a]));
}

/**
 * Sum over axes (all by default); bool counts as int32. An empty sum is 0.
 *
 * @example
 * ```ts
 * import { sum, tensor } from "@tangents/ntk";
 * console.log(await sum(tensor([[1, 2], [3, 4]]), 1).toArray()); // [3, 7]
 * ```
 */
export function sum(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  const list = normalizeAxes(axes, checkTensor(x, "sum").rank, "sum");
  return reduce("reduceSum", counted(x), list, options.keepDims);
}

/**
 * Mean over axes (all by default); integers give float32. The mean of nothing is NaN.
 *
 * @example
 * ```ts
 * import { mean, tensor } from "@tangents/ntk";
 * console.log(await mean(tensor([1, 2, 6])).item()); // 3
 * ```
 */
export function mean(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  const list = normalizeAxes(axes, checkTensor(x, "mean").rank, "mean");
  return reduce("reduceSum", toFloat(x), list, options.keepDims).div(countOf(x, list));
}

/**
 * Product over axes (all by default); bool counts as int32. An empty product is 1.
 *
 * @example
 * ```ts
 * import { prod, tensor } from "@tangents/ntk";
 * console.log(await prod(tensor([2, 3, 4])).item()); // 24
 * ```
 */
export function prod(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  const list = normalizeAxes(axes, checkTensor(x, "prod").rank, "prod");
  return reduce("reduceProd", counted(x), list, options.keepDims);
}

/**
 * Largest element over axes (all by default); NaN wins. Ties share the derivative equally, as in `torch.amax`. Throws an
 * `ArgumentError` where there is no element.
 *
 * @example
 * ```ts
 * import { max, tensor } from "@tangents/ntk";
 * console.log(await max(tensor([[1, 5], [3, 2]]), 0).toArray()); // [3, 5]
 * ```
 */
export function max(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  const list = normalizeAxes(axes, checkTensor(x, "max").rank, "max");
  return reduce("reduceMax", x, list, options.keepDims);
}

/**
 * Smallest element over axes (all by default); NaN wins. Ties share the derivative equally, as in `torch.amin`. Throws an
 * `ArgumentError` where there is no element.
 *
 * @example
 * ```ts
 * import { min, tensor } from "@tangents/ntk";
 * console.log(await min(tensor([[1, 5], [3, 2]]), 0).toArray()); // [1, 2]
 * ```
 */
export function min(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  const list = normalizeAxes(axes, checkTensor(x, "min").rank, "min");
  return reduce("reduceMin", x, list, options.keepDims);
}

/**
 * Variance over axes (all by default), divided by n − correction; the correction is 1 by default, as in `torch.var`.
 * Integers give float32.
 *
 * @example
 * ```ts
 * import { tensor, variance } from "@tangents/ntk";
 * console.log(await variance(tensor([1, 2, 3])).item()); // 1
 * ```
 */
export function variance(
  x: Tensor,
  axes?: Axes,
  options: ReductionOptions & { correction?: number } = {},
): Tensor {
  const { correction = 1, keepDims } = options;
  if (!Number.isFinite(correction)) {
    throw new ArgumentError(`var: correction must be a finite number, got ${correction}`);
  }
  const list = normalizeAxes(axes, checkTensor(x, "var").rank, "var");
  const y = toFloat(x);
  const deviation = y.sub(mean(y, list, { keepDims: true }));
  const total = reduce("reduceSum", deviation.mul(deviation), list, keepDims);
  return total.div(Math.max(0, countOf(x, list) - correction));
}

/**
 * log Σ eˣ over axes (all by default), without overflow.
 *
 * @example
 * ```ts
 * import { logsumexp, tensor } from "@tangents/ntk";
 * console.log(await logsumexp(tensor([1000, 1000])).item()); // 1000.693…
 * ```
 */
export function logsumexp(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  const list = normalizeAxes(axes, checkTensor(x, "logsumexp").rank, "logsumexp");
  if (countOf(x, list) === 0) {
    throw new ArgumentError(
      `logsumexp: no elements along axes ${formatShape(list)} of ${formatShape(x.shape)}`,
    );
  }
  const y = toFloat(x);
  const largest = apply("stopGradient", {}, reduce("reduceMax", y, list, true));
  // Where everything is −∞ (or something is +∞), subtracting it would give NaN.
  const shift = largest.isFinite().logicalNot();
  const finite = apply(
    "select",
    {},
    shift,
    apply("full", { shape: largest.shape, dtype: y.dtype, value: 0 }),
    largest,
  );
  const total = reduce("reduceSum", y.sub(finite).exp(), list, true).log().add(finite);
  return options.keepDims ? total : total.reshape(y.shape.filter((_, i) => !list.includes(i)));
}

/** Whether any element is nonzero, over axes (all by default). Of nothing: false. */
export function any(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  const list = normalizeAxes(axes, checkTensor(x, "any").rank, "any");
  const empty = countOf(x, list) === 0;
  if (empty) return sum(x.to("int32"), list, options).to("bool");
  return reduce("reduceMax", x.to("bool"), list, options.keepDims);
}

/** Whether all elements are nonzero, over axes (all by default). Of nothing: true. */
export function all(x: Tensor, axes?: Axes, options: ReductionOptions = {}): Tensor {
  const list = normalizeAxes(axes, checkTensor(x, "all").rank, "all");
  const empty = countOf(x, list) === 0;
  if (empty) return prod(x.to("int32"), list, options).to("bool");
  return reduce("reduceMin", x.to("bool"), list, options.keepDims);
}

function search(
  name: "argmax" | "argmin",
  x: Tensor,
  axis: number | null | undefined,
  options: ReductionOptions,
): Tensor {
  checkTensor(x, name);
  if (axis === null || axis === undefined) {
    const flat = apply(name, { axis: 0 }, apply("reshape", { shape: [x.size] }, x));
    return options.keepDims ? withKeptAxes(flat, x, range(x.rank)) : flat;
  }
  const at = normalizeAxis(axis, x.rank, name);
  const result = apply(name, { axis: at }, x.dtype === "bool" ? x.to("int32") : x);
  return options.keepDims ? withKeptAxes(result, x, [at]) : result;
}

/**
 * Index (int32) of the first largest element along the axis, or in the flattened tensor without one. NaN counts as
 * largest.
 *
 * @example
 * ```ts
 * import { argmax, tensor } from "@tangents/ntk";
 * console.log(await argmax(tensor([[1, 5], [3, 2]]), 1).toArray()); // [1, 0]
 * ```
 */
export function argmax(x: Tensor, axis?: number | null, options: ReductionOptions = {}): Tensor {
  return search("argmax", x, axis, options);
}

/**
 * Index (int32) of the first smallest element along the axis, or in the flattened tensor without one. NaN counts as
 * smallest.
 *
 * @example
 * ```ts
 * import { argmin, tensor } from "@tangents/ntk";
 * console.log(await argmin(tensor([[1, 5], [3, 2]]), 1).toArray()); // [0, 1]
 * ```
 */
export function argmin(x: Tensor, axis?: number | null, options: ReductionOptions = {}): Tensor {
  return search("argmin", x, axis, options);
}

/**
 * Running sums along the axis, the element itself included.
 *
 * @example
 * ```ts
 * import { cumsum, tensor } from "@tangents/ntk";
 * console.log(await cumsum(tensor([1, 2, 3]), 0).toArray()); // [1, 3, 6]
 * ```
 */
export function cumsum(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis(axis, checkTensor(x, "cumsum").rank, "cumsum");
  return apply("cumsum", { axis: at, reverse: false }, counted(x));
}
