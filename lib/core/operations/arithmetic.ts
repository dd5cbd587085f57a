/**
 * Arithmetic with NumPy's broadcasting and promotion.
 *
 * @module
 */

import {
  checkDType,
  checkScalar,
  type DType,
  isFloat,
  isInteger,
  promote,
} from "../../base/dtype.ts";
import { ArgumentError, DTypeError } from "../../base/errors.ts";
import type { BinaryName, CompareName } from "../../base/primitives.ts";
import { broadcastShapes, sameShape, type Shape } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { Tensor, type TensorLike } from "../tensor.ts";

/** Throws an `ArgumentError` unless the value is a tensor. */
export function checkTensor(value: unknown, where: string): Tensor {
  if (value instanceof Tensor) return value;
  const given = value === null || value === undefined ? String(value) : typeof value;
  throw new ArgumentError(
    `${where}: expected a Tensor, got ${given}; make one with tensor(...)`,
  );
}

/** The dtype that a number takes part as: that of the other operand, float32 where that is not a float and it has a fraction. */
function scalarDType(value: number, other: DType): DType {
  if (isFloat(other)) return other;
  if (!Number.isInteger(value) || Object.is(value, -0)) return "float32";
  if (other === "bool" || (other === "uint32" && value < 0)) return "int32";
  return other;
}

/** A number as a scalar tensor of the dtype that fits another operand; a tensor as it is. */
export function asTensor(value: TensorLike, like: Tensor, where: string): Tensor {
  if (typeof value === "number") {
    const dtype = scalarDType(value, like.dtype);
    return apply("full", { shape: [], dtype, value: checkScalar(value, dtype, where) });
  }
  return checkTensor(value, where);
}

/** x repeated to the shape by NumPy's rules; the shape is known to fit. */
export function expandTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const padded = [...shape.slice(x.shape.length).map(() => 1), ...x.shape];
  const aligned = sameShape(padded, x.shape) ? x : apply("reshape", { shape: padded }, x);
  return sameShape(padded, shape) ? aligned : apply("broadcast", { shape }, aligned);
}

/** Both operands as tensors of one shape and dtype. */
export function broadcastPair(a: TensorLike, b: TensorLike, where: string): [Tensor, Tensor] {
  if (typeof a === "number" && typeof b === "number") {
    throw new ArgumentError(`${where}: expected at least one Tensor, got two numbers`);
  }
  const left = typeof a === "number" ? asTensor(a, b as Tensor, where) : checkTensor(a, where);
  const right = asTensor(b, left, where);
  const dtype = promote(left.dtype, right.dtype);
  const shape = broadcastShapes(left.shape, right.shape, where);
  return [expandTo(cast(left, dtype), shape), expandTo(cast(right, dtype), shape)];
}

/** Applies a primitive of two operands after broadcasting and promotion. */
export function applyBinary(
  name: BinaryName | CompareName,
  a: TensorLike,
  b: TensorLike,
  where: string,
): Tensor {
  const [left, right] = broadcastPair(a, b, where);
  return apply(name, {}, left, right);
}

/** Like `applyBinary`, with bool operands counted as int32. */
function applyNumeric(name: BinaryName, a: TensorLike, b: TensorLike, where: string): Tensor {
  const [left, right] = broadcastPair(a, b, where);
  if (left.dtype !== "bool") return apply(name, {}, left, right);
  return apply(name, {}, cast(left, "int32"), cast(right, "int32"));
}

/** Like `applyBinary`, with integers and bool counted as float32. */
function applyFloat(name: BinaryName, a: TensorLike, b: TensorLike, where: string): Tensor {
  const [left, right] = broadcastPair(a, b, where);
  return apply(name, {}, toFloat(left), toFloat(right));
}

/** Floats as they are; integers and bool as float32. */
export function toFloat(x: Tensor): Tensor {
  return isFloat(x.dtype) ? x : cast(x, "float32");
}

/**
 * The tensor in another dtype. Floats become integers by truncation, saturating; NaN becomes 0. Throws a `DTypeError`
 * for a dtype that does not exist.
 *
 * @example
 * ```ts
 * import { cast, tensor } from "@tangents/ntk";
 * console.log(await cast(tensor([1.7, -2.2]), "int32").toArray()); // [1, -2]
 * ```
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  checkTensor(x, "cast");
  checkDType(dtype, "cast");
  return x.dtype === dtype ? x : apply("cast", { dtype }, x);
}

/**
 * a + b, with broadcasting and promotion.
 *
 * @example
 * ```ts
 * import { add, tensor } from "@tangents/ntk";
 * console.log(await add(tensor([[1], [2]]), tensor([10, 20])).toArray()); // [[11, 21], [12, 22]]
 * ```
 */
export function add(a: TensorLike, b: TensorLike): Tensor {
  return applyNumeric("add", a, b, "add");
}

/**
 * a − b, with broadcasting and promotion.
 *
 * @example
 * ```ts
 * import { sub, tensor } from "@tangents/ntk";
 * console.log(await sub(10, tensor([1, 2])).toArray()); // [9, 8]
 * ```
 */
export function sub(a: TensorLike, b: TensorLike): Tensor {
  return applyNumeric("sub", a, b, "sub");
}

/**
 * a · b, elementwise, with broadcasting and promotion.
 *
 * @example
 * ```ts
 * import { mul, tensor } from "@tangents/ntk";
 * console.log(await mul(tensor([1, 2]), 3).toArray()); // [3, 6]
 * ```
 */
export function mul(a: TensorLike, b: TensorLike): Tensor {
  return applyNumeric("mul", a, b, "mul");
}

/**
 * a / b, with broadcasting; integers are divided as float32.
 *
 * @example
 * ```ts
 * import { div, tensor } from "@tangents/ntk";
 * console.log(await div(tensor([1, 2]), 4).toArray()); // [0.25, 0.5]
 * ```
 */
export function div(a: TensorLike, b: TensorLike): Tensor {
  return applyFloat("div", a, b, "div");
}

/**
 * ⌊a / b⌋, with broadcasting and promotion. An integer divided by zero gives 0.
 *
 * @example
 * ```ts
 * import { floorDivide, tensor } from "@tangents/ntk";
 * console.log(await floorDivide(tensor([7, -7]), 2).toArray()); // [3, -4]
 * ```
 */
export function floorDivide(a: TensorLike, b: TensorLike): Tensor {
  const [left, right] = broadcastPair(a, b, "floorDivide");
  if (isFloat(left.dtype)) return apply("floor", {}, apply("div", {}, left, right));
  if (!isInteger(left.dtype)) {
    throw new DTypeError("floorDivide: expected numbers, got bool; cast to int32 first");
  }
  const quotient = apply("quotient", {}, left, right);
  if (left.dtype === "uint32") return quotient;
  return apply("sub", {}, quotient, cast(signsDiffer(left, right), "int32"));
}

/** Whether a truncated quotient lies above the floored one: there is a remainder, of the other sign than the divisor. */
function signsDiffer(a: Tensor, b: Tensor): Tensor {
  const zero = apply("full", { shape: a.shape, dtype: a.dtype, value: 0 });
  const rest = apply("remainder", {}, a, b);
  const negative = apply(
    "bitXor",
    {},
    apply("less", {}, rest, zero),
    apply("less", {}, b, zero),
  );
  const isZero = apply("equal", {}, rest, zero);
  const no = apply("full", { shape: a.shape, dtype: "bool", value: 0 });
  return apply("select", {}, isZero, no, negative);
}

/**
 * a − b·⌊a / b⌋: the remainder with the divisor's sign, as in Python. An integer modulo zero gives 0.
 *
 * @example
 * ```ts
 * import { remainder, tensor } from "@tangents/ntk";
 * console.log(await remainder(tensor([7, -7]), 3).toArray()); // [1, 2]
 * ```
 */
export function remainder(a: TensorLike, b: TensorLike): Tensor {
  const [left, right] = broadcastPair(a, b, "remainder");
  if (left.dtype === "bool") {
    throw new DTypeError("remainder: expected numbers, got bool; cast to int32 first");
  }
  const rest = apply("remainder", {}, left, right);
  if (left.dtype === "uint32") return rest;
  return apply("select", {}, signsDiffer(left, right), apply("add", {}, rest, right), rest);
}

/** Integers to the power of a known integer, by squaring. */
function knownPower(x: Tensor, exponent: number): Tensor {
  let result: Tensor | null = null;
  for (let power = x, rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = result === null ? power : apply("mul", {}, result, power);
    if (rest > 1) power = apply("mul", {}, power, power);
  }
  return result ?? apply("full", { shape: x.shape, dtype: x.dtype, value: 1 });
}

/** Integers to the power of integers, by squaring for all bits of the exponent. */
function integerPower(x: Tensor, exponent: Tensor): Tensor {
  const full = (value: number): Tensor => apply("full", { shape: x.shape, dtype: x.dtype, value });
  const [zero, one] = [full(0), full(1)];
  const isSet = (bit: number): Tensor =>
    apply("less", {}, zero, apply("bitAnd", {}, exponent, full(2 ** bit)));
  let result = one;
  for (let bit = 0, power = x; bit < (x.dtype === "uint32" ? 32 : 31); bit++) {
    result = apply("select", {}, isSet(bit), apply("mul", {}, result, power), result);
    power = apply("mul", {}, power, power);
  }
  if (x.dtype === "uint32") return result;
  // With a negative exponent only 1 and −1 have integers as powers; the others are cut to 0. 1/0 is 0, as a quotient by 0.
  const isUnit = apply("equal", {}, apply("abs", {}, x), one);
  const negative = apply("select", {}, isUnit, apply("select", {}, isSet(0), x, one), zero);
  return apply("select", {}, apply("less", {}, exponent, zero), negative, result);
}

/**
 * a to the power of b, with broadcasting. Integers to the power of integers are integers, which wrap around; with
 * exponents of a tensor that are negative, fractions are cut off. Throws an `ArgumentError` for integers to the power of
 * a negative number.
 *
 * @example
 * ```ts
 * import { pow, tensor } from "@tangents/ntk";
 * console.log(await pow(tensor([2, 3]), 2).toArray()); // [4, 9]
 * ```
 */
export function pow(a: TensorLike, b: TensorLike): Tensor {
  // The commonest powers are exact and need no logarithm.
  if (a instanceof Tensor && isFloat(a.dtype)) {
    if (b === 2) return apply("mul", {}, a, a);
    if (b === 1) return a;
    if (b === 0.5) return apply("sqrt", {}, a);
  }
  const [left, right] = broadcastPair(a, b, "pow");
  if (isFloat(left.dtype)) return apply("pow", {}, left, right);
  const base = left.dtype === "bool" ? cast(left, "int32") : left;
  if (typeof b !== "number") return integerPower(base, cast(right, base.dtype));
  if (b >= 0) return knownPower(base, b);
  throw new ArgumentError(
    `pow: integers to the power of ${b} are no integers; cast the tensor to float32 first`,
  );
}

/**
 * The angle of the point (x, y) from the positive x-axis, in radians from −π to π, with broadcasting.
 *
 * @example
 * ```ts
 * import { atan2, tensor } from "@tangents/ntk";
 * console.log(await atan2(tensor([1, -1]), tensor([0, 0])).toArray()); // [1.5707…, -1.5707…]
 * ```
 */
export function atan2(y: TensorLike, x: TensorLike): Tensor {
  return applyFloat("atan2", y, x, "atan2");
}

/**
 * The larger of both, elementwise; NaN if either is. A tie shares the derivative equally, as in PyTorch.
 *
 * @example
 * ```ts
 * import { maximum, tensor } from "@tangents/ntk";
 * console.log(await maximum(tensor([1, 5]), 3).toArray()); // [3, 5]
 * ```
 */
export function maximum(a: TensorLike, b: TensorLike): Tensor {
  return applyNumeric("maximum", a, b, "maximum");
}

/**
 * The smaller of both, elementwise; NaN if either is. A tie shares the derivative equally, as in PyTorch.
 *
 * @example
 * ```ts
 * import { minimum, tensor } from "@tangents/ntk";
 * console.log(await minimum(tensor([1, 5]), 3).toArray()); // [1, 3]
 * ```
 */
export function minimum(a: TensorLike, b: TensorLike): Tensor {
  return applyNumeric("minimum", a, b, "minimum");
}

/**
 * a where the condition holds (is nonzero), else b, with broadcasting among all three.
 *
 * @example
 * ```ts
 * import { tensor, where } from "@tangents/ntk";
 * console.log(await where(tensor([true, false]), tensor([1, 2]), 0).toArray()); // [1, 0]
 * ```
 */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  checkTensor(condition, "where: condition");
  if (typeof a === "number" && typeof b === "number") {
    const dtype = Number.isInteger(a) && Number.isInteger(b) ? "int32" : "float32";
    const scalar = (value: number): Tensor =>
      apply("full", { shape: [], dtype, value: checkScalar(value, dtype, "where") });
    return where(condition, scalar(a), scalar(b));
  }
  const [left, right] = broadcastPair(a, b, "where");
  const shape = broadcastShapes(condition.shape, left.shape, "where");
  return apply(
    "select",
    {},
    expandTo(cast(condition, "bool"), shape),
    expandTo(left, shape),
    expandTo(right, shape),
  );
}
