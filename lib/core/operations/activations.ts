/**
 * The activations of `torch.nn.functional`, with its conventions for derivatives at kinks.
 *
 * Each computes without overflow, and so do its derivatives: what only one branch of a `where` needs never sees the
 * other branch's operands. Integers give float32, except in `relu`, `relu6`, `hardtanh` and `threshold`.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../../base/errors.ts";
import { formatShape, normalizeAxis } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { restoreAxes, sliceAxis } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { checkTensor, where } from "./arithmetic.ts";
import { checkFloat, checkNumber } from "./checks.ts";

/**
 * max(x, 0). NaN passes; the derivative at 0 is 0, as in PyTorch. Keeps integers.
 *
 * @example
 * ```ts
 * import { relu, tensor } from "@tangents/ntk";
 * console.log(await relu(tensor([-1, 0, 2])).toArray()); // [0, 0, 2]
 * ```
 */
export function relu(x: Tensor): Tensor {
  return where(checkTensor(x, "relu").lessEqual(0), 0, x);
}

/**
 * x limited to [0, 6], with derivative 0 at both ends.
 *
 * @example
 * ```ts
 * import { relu6, tensor } from "@tangents/ntk";
 * console.log(await relu6(tensor([-1, 3, 9])).toArray()); // [0, 3, 6]
 * ```
 */
export function relu6(x: Tensor): Tensor {
  return hardtanh(checkTensor(x, "relu6"), 0, 6);
}

/**
 * x limited to [low, high], −1 and 1 by default, with derivative 0 at both ends. Throws an `ArgumentError` where
 * low > high.
 *
 * @example
 * ```ts
 * import { hardtanh, tensor } from "@tangents/ntk";
 * console.log(await hardtanh(tensor([-3, 0.5, 3])).toArray()); // [-1, 0.5, 1]
 * ```
 */
export function hardtanh(x: Tensor, low = -1, high = 1): Tensor {
  checkTensor(x, "hardtanh");
  checkNumber(low, "hardtanh: low");
  checkNumber(high, "hardtanh: high");
  if (low > high) throw new ArgumentError(`hardtanh: low ${low} is above high ${high}`);
  return where(x.lessEqual(low), low, where(x.greaterEqual(high), high, x));
}

/**
 * x where x > 0, else slope · x; the slope is 0.01 by default, and the derivative at 0.
 *
 * @example
 * ```ts
 * import { leakyRelu, tensor } from "@tangents/ntk";
 * console.log(await leakyRelu(tensor([-2, 2]), 0.5).toArray()); // [-1, 2]
 * ```
 */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  const y = checkFloat(x, "leakyRelu");
  return where(y.greater(0), y, y.mul(checkNumber(slope, "leakyRelu: slope")));
}

/**
 * x where x > 0, else weight · x. The weight has one element, or one for each channel (axis 1 of x, axis 0 of a vector).
 * Throws a `ShapeError` for another weight.
 *
 * @example
 * ```ts
 * import { prelu, tensor } from "@tangents/ntk";
 * console.log(await prelu(tensor([[-2, -2]]), tensor([0.5, 0.25])).toArray()); // [[-1, -0.5]]
 * ```
 */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  const y = checkFloat(x, "prelu");
  checkTensor(weight, "prelu: weight");
  const channels = y.shape[1] ?? 1;
  if (weight.size !== 1 && (weight.shape.length !== 1 || weight.shape[0] !== channels)) {
    throw new ShapeError(
      `prelu: expected a weight of one element or of ${channels} (the channels of ${
        formatShape(y.shape)
      }), got shape ${formatShape(weight.shape)}`,
    );
  }
  const shape = y.shape.map((_, axis) => axis === 1 ? weight.size : 1);
  const slopes = weight.size === 1 ? weight.reshape([]) : weight.reshape(shape);
  return where(y.greater(0), y, y.mul(slopes));
}

/** min(x, 0) with the whole derivative at 0: for the branch of a function that ends there. */
function belowZero(x: Tensor): Tensor {
  return where(x.greater(0), 0, x);
}

/**
 * x where x > 0, else alpha · (eˣ − 1); alpha is 1 by default.
 *
 * @example
 * ```ts
 * import { elu, tensor } from "@tangents/ntk";
 * console.log(await elu(tensor([-1, 1])).toArray()); // [-0.632…, 1]
 * ```
 */
export function elu(x: Tensor, alpha = 1): Tensor {
  const y = checkFloat(x, "elu");
  return where(y.greater(0), y, belowZero(y).expm1().mul(checkNumber(alpha, "elu: alpha")));
}

/**
 * `elu` with the two constants that keep activations normalized (Klambauer et al. 2017).
 *
 * @example
 * ```ts
 * import { selu, tensor } from "@tangents/ntk";
 * console.log(await selu(tensor([-1, 1])).toArray()); // [-1.111…, 1.050…]
 * ```
 */
export function selu(x: Tensor): Tensor {
  const alpha = 1.6732632423543772;
  const scale = 1.0507009873554805;
  const y = checkFloat(x, "selu");
  return where(y.greater(0), y.mul(scale), belowZero(y).expm1().mul(alpha * scale));
}

/**
 * x where x > 0, else alpha · (e^(x / alpha) − 1): an `elu` with derivative 1 at 0 for any alpha (1 by default).
 *
 * @example
 * ```ts
 * import { celu, tensor } from "@tangents/ntk";
 * console.log(await celu(tensor([-1, 1]), 2).toArray()); // [-0.786…, 1]
 * ```
 */
export function celu(x: Tensor, alpha = 1): Tensor {
  const y = checkFloat(x, "celu");
  if (checkNumber(alpha, "celu: alpha") === 0) {
    throw new ArgumentError("celu: alpha is 0; expected another number");
  }
  return where(y.greater(0), y, belowZero(y).div(alpha).expm1().mul(alpha));
}

/** Options of `gelu`. */
export interface GeluOptions {
  /** How the normal distribution function is computed: exactly ("none", the default) or by "tanh". */
  approximate?: "none" | "tanh";
}

/**
 * x · Φ(x), where Φ is the normal distribution function: exact, or approximated by tanh.
 *
 * @example
 * ```ts
 * import { gelu, tensor } from "@tangents/ntk";
 * console.log(await gelu(tensor([-1, 0, 1])).toArray()); // [-0.158…, 0, 0.841…]
 * ```
 */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  const { approximate = "none" } = options;
  const y = checkFloat(x, "gelu");
  if (approximate === "none") return y.mul(0.5).mul(y.mul(Math.SQRT1_2).erf().add(1));
  if (approximate !== "tanh") {
    throw new ArgumentError(`gelu: approximate is ${approximate}; expected "none" or "tanh"`);
  }
  const cubed = y.mul(y).mul(y);
  const inner = y.add(cubed.mul(0.044715)).mul(Math.sqrt(2 / Math.PI));
  return y.mul(0.5).mul(inner.tanh().add(1));
}

/**
 * x · sigmoid(x), also called swish.
 *
 * @example
 * ```ts
 * import { silu, tensor } from "@tangents/ntk";
 * console.log(await silu(tensor([-1, 0, 1])).toArray()); // [-0.268…, 0, 0.731…]
 * ```
 */
export function silu(x: Tensor): Tensor {
  const y = checkFloat(x, "silu");
  return y.mul(y.sigmoid());
}

/** log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|), smooth at 0 in every derivative: 0 belongs to one branch as a whole. */
function stableSoftplus(x: Tensor): Tensor {
  const positive = x.greater(0);
  const decaying = where(positive, x.neg(), x);
  return where(positive, x, 0).add(decaying.exp().log1p());
}

/**
 * x · tanh(log(1 + eˣ)).
 *
 * @example
 * ```ts
 * import { mish, tensor } from "@tangents/ntk";
 * console.log(await mish(tensor([-1, 0, 1])).toArray()); // [-0.303…, 0, 0.865…]
 * ```
 */
export function mish(x: Tensor): Tensor {
  const y = checkFloat(x, "mish");
  return y.mul(stableSoftplus(y).tanh());
}

/** Options of `softplus`. */
export interface SoftplusOptions {
  /** Sharpness, not 0; 1 by default. */
  beta?: number;
  /** Above beta · x = threshold the result is x itself; 20 by default. */
  threshold?: number;
}

/**
 * log(1 + e^(beta · x)) / beta.
 *
 * @example
 * ```ts
 * import { softplus, tensor } from "@tangents/ntk";
 * console.log(await softplus(tensor([0, 100])).toArray()); // [0.693…, 100]
 * ```
 */
export function softplus(x: Tensor, options: SoftplusOptions = {}): Tensor {
  const { beta = 1, threshold: limit = 20 } = options;
  const y = checkFloat(x, "softplus");
  checkNumber(limit, "softplus: threshold");
  if (checkNumber(beta, "softplus: beta") === 0) {
    throw new ArgumentError("softplus: beta is 0; expected another number");
  }
  const scaled = y.mul(beta);
  return where(scaled.greater(limit), y, stableSoftplus(scaled).div(beta));
}

/**
 * x / (1 + |x|).
 *
 * @example
 * ```ts
 * import { softsign, tensor } from "@tangents/ntk";
 * console.log(await softsign(tensor([-1, 3])).toArray()); // [-0.5, 0.75]
 * ```
 */
export function softsign(x: Tensor): Tensor {
  const y = checkFloat(x, "softsign");
  return y.div(y.abs().add(1));
}

/**
 * (x + 3) / 6 limited to [0, 1], with derivative 0 at both ends.
 *
 * @example
 * ```ts
 * import { hardsigmoid, tensor } from "@tangents/ntk";
 * console.log(await hardsigmoid(tensor([-4, 0, 4])).toArray()); // [0, 0.5, 1]
 * ```
 */
export function hardsigmoid(x: Tensor): Tensor {
  return relu6(checkFloat(x, "hardsigmoid").add(3)).div(6);
}

/**
 * x · hardsigmoid(x): 0 up to −3 and x from 3 on, with those branches' derivatives at −3 and 3.
 *
 * @example
 * ```ts
 * import { hardswish, tensor } from "@tangents/ntk";
 * console.log(await hardswish(tensor([-4, 1, 4])).toArray()); // [0, 0.666…, 4]
 * ```
 */
export function hardswish(x: Tensor): Tensor {
  const y = checkFloat(x, "hardswish");
  const inside = y.mul(y.add(3)).div(6);
  return where(y.lessEqual(-3), 0, where(y.greaterEqual(3), y, inside));
}

/**
 * log(sigmoid(x)).
 *
 * @example
 * ```ts
 * import { logSigmoid, tensor } from "@tangents/ntk";
 * console.log(await logSigmoid(tensor([-100, 0])).toArray()); // [-100, -0.693…]
 * ```
 */
export function logSigmoid(x: Tensor): Tensor {
  return stableSoftplus(checkFloat(x, "logSigmoid").neg()).neg();
}

/**
 * x − tanh(x).
 *
 * @example
 * ```ts
 * import { tanhshrink, tensor } from "@tangents/ntk";
 * console.log(await tanhshrink(tensor([0, 1])).toArray()); // [0, 0.238…]
 * ```
 */
export function tanhshrink(x: Tensor): Tensor {
  const y = checkFloat(x, "tanhshrink");
  return y.sub(y.tanh());
}

/** Throws an `ArgumentError` unless lambda is a number of at least 0. */
function checkLambda(lambda: number, where: string): number {
  if (checkNumber(lambda, `${where}: lambda`) >= 0) return lambda;
  throw new ArgumentError(`${where}: lambda is ${lambda}; expected a number ≥ 0`);
}

/**
 * x moved toward 0 by lambda (0.5 by default); 0 where |x| ≤ lambda.
 *
 * @example
 * ```ts
 * import { softshrink, tensor } from "@tangents/ntk";
 * console.log(await softshrink(tensor([-2, 0.25, 2])).toArray()); // [-1.5, 0, 1.5]
 * ```
 */
export function softshrink(x: Tensor, lambda = 0.5): Tensor {
  const y = checkFloat(x, "softshrink");
  checkLambda(lambda, "softshrink");
  return where(y.abs().lessEqual(lambda), 0, y.sub(y.sign().mul(lambda)));
}

/**
 * x, or 0 where |x| ≤ lambda (0.5 by default).
 *
 * @example
 * ```ts
 * import { hardshrink, tensor } from "@tangents/ntk";
 * console.log(await hardshrink(tensor([-2, 0.25, 2])).toArray()); // [-2, 0, 2]
 * ```
 */
export function hardshrink(x: Tensor, lambda = 0.5): Tensor {
  const y = checkFloat(x, "hardshrink");
  return where(y.abs().lessEqual(checkLambda(lambda, "hardshrink")), 0, y);
}

/**
 * x where x > limit, else the value.
 *
 * @example
 * ```ts
 * import { tensor, threshold } from "@tangents/ntk";
 * console.log(await threshold(tensor([0.5, 2]), 1, -1).toArray()); // [-1, 2]
 * ```
 */
export function threshold(x: Tensor, limit: number, value: number): Tensor {
  checkTensor(x, "threshold");
  checkNumber(limit, "threshold: limit");
  return where(x.lessEqual(limit), checkNumber(value, "threshold: value"), x);
}

/**
 * The gated linear unit: the first half along the axis times the sigmoid of the second half. Throws a `ShapeError` where
 * the axis has an odd size.
 *
 * @example
 * ```ts
 * import { glu, tensor } from "@tangents/ntk";
 * console.log(await glu(tensor([4, 0])).toArray()); // [2]
 * ```
 */
export function glu(x: Tensor, axis = -1): Tensor {
  const y = checkFloat(x, "glu");
  const at = normalizeAxis(axis, y.shape.length, "glu");
  const size = y.shape[at];
  if (size % 2 !== 0) {
    throw new ShapeError(
      `glu: axis ${axis} of ${formatShape(y.shape)} has size ${size}; expected an even size`,
    );
  }
  return sliceAxis(y, at, 0, size / 2).mul(sliceAxis(y, at, size / 2, size).sigmoid());
}

/** x minus its largest element along the axis, which moves no derivative: a shift changes neither softmax. */
function shifted(x: Tensor, axis: number): Tensor {
  if (x.shape[axis] === 0) return x;
  const largest = apply("stopGradient", {}, apply("reduceMax", { axes: [axis] }, x));
  return x.sub(restoreAxes(largest, [axis], x.shape));
}

/**
 * eˣ along the axis, divided by its sum; computed stably. Throws an `AxisError` for an axis outside the rank.
 *
 * @example
 * ```ts
 * import { softmax, tensor } from "@tangents/ntk";
 * console.log(await softmax(tensor([0, 0, 1000]), 0).toArray()); // [0, 0, 1]
 * ```
 */
export function softmax(x: Tensor, axis: number): Tensor {
  const y = checkFloat(x, "softmax");
  const at = normalizeAxis(axis, y.shape.length, "softmax");
  const powers = shifted(y, at).exp();
  // The sum is at least 1, so its reciprocal loses nothing but a rounding, and one division serves a whole row.
  const scale = apply("reduceSum", { axes: [at] }, powers).reciprocal();
  return powers.mul(restoreAxes(scale, [at], y.shape));
}

/**
 * The logarithm of `softmax`, computed stably.
 *
 * @example
 * ```ts
 * import { logSoftmax, tensor } from "@tangents/ntk";
 * console.log(await logSoftmax(tensor([0, 1000]), 0).toArray()); // [-1000, 0]
 * ```
 */
export function logSoftmax(x: Tensor, axis: number): Tensor {
  const y = checkFloat(x, "logSoftmax");
  const at = normalizeAxis(axis, y.shape.length, "logSoftmax");
  const z = shifted(y, at);
  const total = apply("reduceSum", { axes: [at] }, z.exp()).log();
  return z.sub(restoreAxes(total, [at], y.shape));
}

/**
 * `softmax` of −x.
 *
 * @example
 * ```ts
 * import { softmin, tensor } from "@tangents/ntk";
 * console.log(await softmin(tensor([0, 1000]), 0).toArray()); // [1, 0]
 * ```
 */
export function softmin(x: Tensor, axis: number): Tensor {
  return softmax(checkFloat(x, "softmin").neg(), axis);
}
