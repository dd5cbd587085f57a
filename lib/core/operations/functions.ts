/**
 * Functions of one operand, elementwise.
 *
 * @module
 */

import { isFloat } from "../../base/dtype.ts";
import type { UnaryName } from "../../base/primitives.ts";
import { apply } from "../apply.ts";
import type { Tensor, TensorLike } from "../tensor.ts";
import { checkTensor, maximum, minimum, toFloat, where } from "./arithmetic.ts";
import { checkNumber } from "./checks.ts";

/** A primitive on a float, or on an integer counted as float32. */
function float(name: UnaryName, x: Tensor): Tensor {
  return apply(name, {}, toFloat(checkTensor(x, name)));
}

/** A primitive that leaves integers what they are. */
function keepIntegers(name: UnaryName, x: Tensor): Tensor {
  return isFloat(checkTensor(x, name).dtype) ? apply(name, {}, x) : x;
}

/** A primitive for signed numbers; bool counts as int32. */
function signed(name: UnaryName, x: Tensor): Tensor {
  checkTensor(x, name);
  return apply(name, {}, x.dtype === "bool" ? x.to("int32") : x);
}

/**
 * −x. Keeps integers.
 *
 * @example
 * ```ts
 * import { neg, tensor } from "@tangents/ntk";
 * console.log(await neg(tensor([1, -2])).toArray()); // [-1, 2]
 * ```
 */
export function neg(x: Tensor): Tensor {
  return signed("neg", x);
}

/**
 * |x|. Keeps integers.
 *
 * @example
 * ```ts
 * import { abs, tensor } from "@tangents/ntk";
 * console.log(await abs(tensor([1, -2])).toArray()); // [1, 2]
 * ```
 */
export function abs(x: Tensor): Tensor {
  return signed("abs", x);
}

/**
 * −1, 0 or 1; NaN stays NaN. Keeps integers.
 *
 * @example
 * ```ts
 * import { sign, tensor } from "@tangents/ntk";
 * console.log(await sign(tensor([3, 0, -2])).toArray()); // [1, 0, -1]
 * ```
 */
export function sign(x: Tensor): Tensor {
  return signed("sign", x);
}

/**
 * The largest integer that is at most x. Keeps integers.
 *
 * @example
 * ```ts
 * import { floor, tensor } from "@tangents/ntk";
 * console.log(await floor(tensor([1.5, -1.5])).toArray()); // [1, -2]
 * ```
 */
export function floor(x: Tensor): Tensor {
  return keepIntegers("floor", x);
}

/**
 * The smallest integer that is at least x. Keeps integers.
 *
 * @example
 * ```ts
 * import { ceil, tensor } from "@tangents/ntk";
 * console.log(await ceil(tensor([1.5, -1.5])).toArray()); // [2, -1]
 * ```
 */
export function ceil(x: Tensor): Tensor {
  return keepIntegers("ceil", x);
}

/**
 * The nearest integer, ties to even. Keeps integers.
 *
 * @example
 * ```ts
 * import { round, tensor } from "@tangents/ntk";
 * console.log(await round(tensor([0.5, 1.5])).toArray()); // [0, 2]
 * ```
 */
export function round(x: Tensor): Tensor {
  return keepIntegers("round", x);
}

/**
 * eˣ. Integers give float32, as in every function below.
 *
 * @example
 * ```ts
 * import { exp, tensor } from "@tangents/ntk";
 * console.log(await exp(tensor([0, 1])).toArray()); // [1, 2.718…]
 * ```
 */
export function exp(x: Tensor): Tensor {
  return float("exp", x);
}

/**
 * eˣ − 1, accurate near 0.
 *
 * @example
 * ```ts
 * import { expm1, tensor } from "@tangents/ntk";
 * console.log(await expm1(tensor([0, 1])).toArray()); // [0, 1.718…]
 * ```
 */
export function expm1(x: Tensor): Tensor {
  return float("expm1", x);
}

/**
 * The natural logarithm; NaN below 0.
 *
 * @example
 * ```ts
 * import { log, tensor } from "@tangents/ntk";
 * console.log(await log(tensor([1, 10])).toArray()); // [0, 2.302…]
 * ```
 */
export function log(x: Tensor): Tensor {
  return float("log", x);
}

/**
 * log(1 + x), accurate near 0.
 *
 * @example
 * ```ts
 * import { log1p, tensor } from "@tangents/ntk";
 * console.log(await log1p(tensor([0, 1])).toArray()); // [0, 0.693…]
 * ```
 */
export function log1p(x: Tensor): Tensor {
  return float("log1p", x);
}

/**
 * The square root; NaN below 0.
 *
 * @example
 * ```ts
 * import { sqrt, tensor } from "@tangents/ntk";
 * console.log(await sqrt(tensor([4, 9])).toArray()); // [2, 3]
 * ```
 */
export function sqrt(x: Tensor): Tensor {
  return float("sqrt", x);
}

/**
 * 1 / sqrt(x).
 *
 * @example
 * ```ts
 * import { rsqrt, tensor } from "@tangents/ntk";
 * console.log(await rsqrt(tensor([4, 16])).toArray()); // [0.5, 0.25]
 * ```
 */
export function rsqrt(x: Tensor): Tensor {
  return float("rsqrt", x);
}

/**
 * The sine of an angle in radians.
 *
 * @example
 * ```ts
 * import { sin, tensor } from "@tangents/ntk";
 * console.log(await sin(tensor([0, 1])).toArray()); // [0, 0.841…]
 * ```
 */
export function sin(x: Tensor): Tensor {
  return float("sin", x);
}

/**
 * The cosine of an angle in radians.
 *
 * @example
 * ```ts
 * import { cos, tensor } from "@tangents/ntk";
 * console.log(await cos(tensor([0, 1])).toArray()); // [1, 0.540…]
 * ```
 */
export function cos(x: Tensor): Tensor {
  return float("cos", x);
}

/**
 * The inverse tangent, in radians.
 *
 * @example
 * ```ts
 * import { atan, tensor } from "@tangents/ntk";
 * console.log(await atan(tensor([0, 1])).toArray()); // [0, 0.785…]
 * ```
 */
export function atan(x: Tensor): Tensor {
  return float("atan", x);
}

/**
 * The hyperbolic tangent.
 *
 * @example
 * ```ts
 * import { tanh, tensor } from "@tangents/ntk";
 * console.log(await tanh(tensor([0, 1])).toArray()); // [0, 0.761…]
 * ```
 */
export function tanh(x: Tensor): Tensor {
  return float("tanh", x);
}

/**
 * 1 / (1 + e⁻ˣ).
 *
 * @example
 * ```ts
 * import { sigmoid, tensor } from "@tangents/ntk";
 * console.log(await sigmoid(tensor([0, 1])).toArray()); // [0.5, 0.731…]
 * ```
 */
export function sigmoid(x: Tensor): Tensor {
  return float("sigmoid", x);
}

/**
 * The error function, 2/√π ∫₀ˣ e^(−t²) dt.
 *
 * @example
 * ```ts
 * import { erf, tensor } from "@tangents/ntk";
 * console.log(await erf(tensor([0, 1])).toArray()); // [0, 0.842…]
 * ```
 */
export function erf(x: Tensor): Tensor {
  return float("erf", x);
}

/**
 * x rounded toward zero. Keeps integers.
 *
 * @example
 * ```ts
 * import { tensor, trunc } from "@tangents/ntk";
 * console.log(await trunc(tensor([1.5, -1.5])).toArray()); // [1, -1]
 * ```
 */
export function trunc(x: Tensor): Tensor {
  checkTensor(x, "trunc");
  if (!isFloat(x.dtype)) return x;
  return apply("select", {}, x.less(0), ceil(x), floor(x));
}

/**
 * x². Keeps integers.
 *
 * @example
 * ```ts
 * import { square, tensor } from "@tangents/ntk";
 * console.log(await square(tensor([1, -2])).toArray()); // [1, 4]
 * ```
 */
export function square(x: Tensor): Tensor {
  return checkTensor(x, "square").mul(x);
}

/**
 * 1 / x.
 *
 * @example
 * ```ts
 * import { reciprocal, tensor } from "@tangents/ntk";
 * console.log(await reciprocal(tensor([2, 4])).toArray()); // [0.5, 0.25]
 * ```
 */
export function reciprocal(x: Tensor): Tensor {
  const y = toFloat(checkTensor(x, "reciprocal"));
  return apply("div", {}, apply("full", { shape: y.shape, dtype: y.dtype, value: 1 }), y);
}

/**
 * The logarithm to base 2.
 *
 * @example
 * ```ts
 * import { log2, tensor } from "@tangents/ntk";
 * console.log(await log2(tensor([1, 8])).toArray()); // [0, 3]
 * ```
 */
export function log2(x: Tensor): Tensor {
  return float("log", checkTensor(x, "log2")).mul(Math.LOG2E);
}

/**
 * The tangent of an angle in radians.
 *
 * @example
 * ```ts
 * import { tan, tensor } from "@tangents/ntk";
 * console.log(await tan(tensor([0, 1])).toArray()); // [0, 1.557…]
 * ```
 */
export function tan(x: Tensor): Tensor {
  return sin(x).div(cos(x));
}

/**
 * The inverse sine, in radians; NaN outside [−1, 1].
 *
 * @example
 * ```ts
 * import { asin, tensor } from "@tangents/ntk";
 * console.log(await asin(tensor([0, 1])).toArray()); // [0, 1.570…]
 * ```
 */
export function asin(x: Tensor): Tensor {
  const y = toFloat(checkTensor(x, "asin"));
  return y.atan2(y.neg().add(1).mul(y.add(1)).sqrt());
}

/**
 * The inverse cosine, in radians; NaN outside [−1, 1].
 *
 * @example
 * ```ts
 * import { acos, tensor } from "@tangents/ntk";
 * console.log(await acos(tensor([0, 1])).toArray()); // [1.570…, 0]
 * ```
 */
export function acos(x: Tensor): Tensor {
  const y = toFloat(checkTensor(x, "acos"));
  return y.neg().add(1).mul(y.add(1)).sqrt().atan2(y);
}

/**
 * The hyperbolic sine.
 *
 * @example
 * ```ts
 * import { sinh, tensor } from "@tangents/ntk";
 * console.log(await sinh(tensor([0, 1])).toArray()); // [0, 1.175…]
 * ```
 */
export function sinh(x: Tensor): Tensor {
  const y = toFloat(checkTensor(x, "sinh"));
  const size = abs(y);
  const small = size.less(1);
  // Near 0, with m = eˣ − 1, (m + m / (m + 1)) / 2 loses no digits; elsewhere halving inside the exponent delays overflow.
  const m = expm1(where(small, y, 0));
  const near = m.add(m.div(m.add(1))).mul(0.5);
  const far = exp(size.sub(Math.LN2)).sub(exp(size.neg().sub(Math.LN2))).mul(sign(y));
  return where(small, near, far);
}

/**
 * The hyperbolic cosine.
 *
 * @example
 * ```ts
 * import { cosh, tensor } from "@tangents/ntk";
 * console.log(await cosh(tensor([0, 1])).toArray()); // [1, 1.543…]
 * ```
 */
export function cosh(x: Tensor): Tensor {
  const y = abs(toFloat(checkTensor(x, "cosh")));
  return exp(y.sub(Math.LN2)).add(exp(y.neg().sub(Math.LN2)));
}

/** x where it is beyond a limit given as a number: the limit. A tensor as the limit takes part in the derivative. */
function limit(
  x: Tensor,
  value: TensorLike | null,
  isBeyond: (limit: number) => Tensor,
  extremum: (x: Tensor, limit: Tensor) => Tensor,
  what: string,
): Tensor {
  if (value === null) return x;
  if (typeof value !== "number") return extremum(x, checkTensor(value, what));
  return where(isBeyond(checkNumber(value, what)), value, x);
}

/**
 * x limited to the range from low to high; null is no limit. NaN stays. The derivative is 1 inside the range and 0
 * elsewhere; where limits are tensors, x and the limit share it at an end of the range. As PyTorch's clamp. Throws an
 * `ArgumentError` for a limit that is NaN.
 *
 * @example
 * ```ts
 * import { clip, tensor } from "@tangents/ntk";
 * console.log(await clip(tensor([-2, 0, 2]), -1, 1).toArray()); // [-1, 0, 1]
 * ```
 */
export function clip(x: Tensor, low: TensorLike | null, high: TensorLike | null): Tensor {
  checkTensor(x, "clip");
  const above = limit(x, low, (n) => x.lessEqual(n), maximum, "clip: low");
  return limit(above, high, (n) => above.greaterEqual(n), minimum, "clip: high");
}
