/**
 * Comparisons and logic; results are bool.
 *
 * @module
 */

import { isFloat, promote } from "../../base/dtype.ts";
import { ArgumentError, DTypeError } from "../../base/errors.ts";
import type { BinaryName } from "../../base/primitives.ts";
import { apply } from "../apply.ts";
import type { Tensor, TensorLike } from "../tensor.ts";
import { applyBinary, broadcastPair, cast, checkTensor, toFloat } from "./arithmetic.ts";
import { abs } from "./functions.ts";
import { all } from "./reductions.ts";

/**
 * a = b, elementwise, with broadcasting. NaN equals nothing.
 *
 * @example
 * ```ts
 * import { equal, tensor } from "@tangents/ntk";
 * console.log(await equal(tensor([1, 2]), 2).toArray()); // [false, true]
 * ```
 */
export function equal(a: TensorLike, b: TensorLike): Tensor {
  return applyBinary("equal", a, b, "equal");
}

/** a ≠ b, elementwise, with broadcasting. NaN differs from everything. */
export function notEqual(a: TensorLike, b: TensorLike): Tensor {
  return not(applyBinary("equal", a, b, "notEqual"));
}

/** a < b, elementwise, with broadcasting. */
export function less(a: TensorLike, b: TensorLike): Tensor {
  return applyBinary("less", a, b, "less");
}

/** a ≤ b, elementwise, with broadcasting. */
export function lessEqual(a: TensorLike, b: TensorLike): Tensor {
  return applyBinary("lessEqual", a, b, "lessEqual");
}

/** a > b, elementwise, with broadcasting. */
export function greater(a: TensorLike, b: TensorLike): Tensor {
  const [left, right] = broadcastPair(a, b, "greater");
  return apply("less", {}, right, left);
}

/** a ≥ b, elementwise, with broadcasting. */
export function greaterEqual(a: TensorLike, b: TensorLike): Tensor {
  const [left, right] = broadcastPair(a, b, "greaterEqual");
  return apply("lessEqual", {}, right, left);
}

function logical(name: BinaryName, a: TensorLike, b: TensorLike, where: string): Tensor {
  const [left, right] = broadcastPair(a, b, where);
  return apply(name, {}, cast(left, "bool"), cast(right, "bool"));
}

function not(x: Tensor): Tensor {
  return apply("equal", {}, x, apply("full", { shape: x.shape, dtype: x.dtype, value: 0 }));
}

/** Both are nonzero. */
export function logicalAnd(a: TensorLike, b: TensorLike): Tensor {
  return logical("bitAnd", a, b, "logicalAnd");
}

/** At least one is nonzero. */
export function logicalOr(a: TensorLike, b: TensorLike): Tensor {
  return logical("bitOr", a, b, "logicalOr");
}

/** Exactly one is nonzero. */
export function logicalXor(a: TensorLike, b: TensorLike): Tensor {
  return logical("bitXor", a, b, "logicalXor");
}

/** Is zero. */
export function logicalNot(x: Tensor): Tensor {
  return not(checkTensor(x, "logicalNot"));
}

/** Is not a number. */
export function isNaN(x: Tensor): Tensor {
  return not(apply("equal", {}, checkTensor(x, "isNaN"), x));
}

/** Is neither infinite nor NaN. */
export function isFinite(x: Tensor): Tensor {
  checkTensor(x, "isFinite");
  const infinity = apply("full", {
    shape: x.shape,
    dtype: isFloat(x.dtype) ? x.dtype : "float32",
    value: Infinity,
  });
  return apply("less", {}, abs(toFloat(x)), infinity);
}

/** Tolerances of `isclose` and `allclose`; the defaults are PyTorch's. */
export interface CloseOptions {
  /** Relative to |b|. 1e-5 by default. */
  rtol?: number;
  /** Absolute. 1e-8 by default. */
  atol?: number;
  /** Whether NaN is close to NaN. */
  equalNan?: boolean;
}

/**
 * |a − b| ≤ atol + rtol·|b|, elementwise, as `torch.isclose` defines it: equal infinities are close. Throws a `DTypeError`
 * unless the dtypes agree.
 *
 * @example
 * ```ts
 * import { isclose, tensor } from "@tangents/ntk";
 * console.log(await isclose(tensor([1, 2]), tensor([1.000001, 2.1])).toArray()); // [true, false]
 * ```
 */
export function isclose(a: Tensor, b: TensorLike, options: CloseOptions = {}): Tensor {
  const { rtol = 1e-5, atol = 1e-8, equalNan = false } = options;
  for (const [name, value] of Object.entries({ rtol, atol })) {
    if (typeof value === "number" && value >= 0) continue;
    throw new ArgumentError(`isclose: ${name} must be a number of at least 0, got ${value}`);
  }
  checkTensor(a, "isclose");
  if (typeof b !== "number" && checkTensor(b, "isclose").dtype !== a.dtype) {
    throw new DTypeError(
      `isclose: dtypes ${a.dtype} and ${b.dtype} differ; cast one to ${promote(a.dtype, b.dtype)}`,
    );
  }
  const [left, right] = broadcastPair(a, b, "isclose");
  const same = apply("equal", {}, left, right);
  // Differences of 32-bit integers are exact in float64.
  const [x, y] = [left, right].map((side) => isFloat(side.dtype) ? side : cast(side, "float64"));
  const difference = abs(x.sub(y));
  const within = logicalAnd(
    lessEqual(difference, abs(y).mul(rtol).add(atol)),
    isFinite(y),
  );
  const close = logicalOr(same, within);
  return equalNan ? logicalOr(close, logicalAnd(isNaN(x), isNaN(y))) : close;
}

/**
 * Whether all elements are close, as `torch.allclose`: |a − b| ≤ atol + rtol·|b| with rtol 1e-5 and atol 1e-8 by default.
 *
 * @example
 * ```ts
 * import { allclose, tensor } from "@tangents/ntk";
 * console.log(await allclose(tensor([1, 2]), tensor([1, 2.00001]))); // true
 * ```
 */
export async function allclose(
  a: Tensor,
  b: TensorLike,
  options: CloseOptions = {},
): Promise<boolean> {
  const result = all(isclose(a, b, options));
  return (await result.data())[0] === 1;
}
