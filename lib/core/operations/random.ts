/**
 * Random numbers from keys: the same key gives the same numbers, on every backend and with any number of threads.
 *
 * Numbers come from the counter-based generator Threefry-2x32 (Salmon et al. 2011). There is no hidden state: make a key
 * from a seed, split it into as many keys as there are draws, and use each once. Uniform numbers, integers and
 * permutations are equal to the last bit everywhere; normal ones go through log, cos and sin and may differ in the last
 * place between backends. What is drawn is computed once and kept.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * const [a, b] = random.splitKey(random.randomKey(0));
 * const x = random.normal(a, [2, 3]);
 * const y = random.uniform(b, [4], { low: -1, high: 1 });
 * console.log(await x.toArray(), await y.toArray());
 * ```
 *
 * @module
 */

import type { DType } from "../../base/dtype.ts";
import { checkInteger } from "../../base/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../base/errors.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { binary, cast, full, iota, reshape, sliceAxis } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { checkTensor } from "./arithmetic.ts";
import { checkCount, checkNumber } from "./checks.ts";
import { fromHost } from "./creation.ts";
import { erfOf, inverseErf } from "./inverse_erf.ts";
import { concat } from "./shapes.ts";

/** Options of draws of floating point numbers. */
export interface DrawOptions {
  /** float32 (the default) or float64. */
  dtype?: DType;
}

/** Options of `uniform`. */
export interface UniformOptions extends DrawOptions {
  /** The least number; 0 by default. */
  low?: number;
  /** The end of the range, which is not in it but for rounding; 1 by default. */
  high?: number;
}

/** Options of `normal`. */
export interface NormalOptions extends DrawOptions {
  /** 0 by default. */
  mean?: number;
  /** The standard deviation; 1 by default. */
  std?: number;
}

/** Options of `truncatedNormal`. */
export interface TruncatedNormalOptions extends NormalOptions {
  /** The lower limit, in standard deviations from the mean; −2 by default. */
  low?: number;
  /** The upper limit, in standard deviations from the mean; 2 by default. */
  high?: number;
}

function checkKey(key: unknown, where: string): Tensor {
  const given = checkTensor(key, `${where}: key`);
  if (given.dtype === "uint32" && given.shape.length === 1 && given.shape[0] === 2) return given;
  throw new ArgumentError(
    `${where}: expected a key (a uint32 tensor of shape [2], from randomKey, splitKey or foldIn), got a ${given.dtype} tensor of shape ${
      formatShape(given.shape)
    }`,
  );
}

function checkFloatDType(dtype: DType, where: string): DType {
  if (dtype === "float32" || dtype === "float64") return dtype;
  throw new DTypeError(`${where}: dtype is ${dtype}; expected float32 or float64`);
}

/** Marks a draw as computed once and kept. */
function keep(x: Tensor): Tensor {
  x.retained = true;
  return x;
}

/** A key from a seed: an integer, of which the low 64 bits count. */
function keyWords(seed: number | bigint): Uint32Array {
  const bits = BigInt.asUintN(64, BigInt(seed));
  return Uint32Array.of(Number(bits >> 32n), Number(bits & 0xffffffffn));
}

/**
 * A key from a seed, of which the low 64 bits count: a uint32 tensor of shape [2]. Throws an `ArgumentError` unless the
 * seed is an integer.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * console.log(await random.randomKey(7).toArray()); // [0, 7]
 * ```
 */
export function randomKey(seed: number | bigint): Tensor {
  if (typeof seed !== "bigint") checkInteger(seed, "randomKey: seed");
  return fromHost(keyWords(seed), [2], "uint32");
}

/** Keys [n, 2] that are the outputs of the generator under the key, changed by each number and a word of its own. */
function deriveKeys(key: Tensor, numbers: Tensor, word: number): Tensor {
  const n = numbers.shape[0];
  const words = full([n, 1], "uint32", word);
  const changes = concat([reshape(numbers, [n, 1]), words], 1);
  const spread = reshape(key, [1, 2]).broadcastTo([n, 2]);
  return apply("randomBits", { length: 2 }, binary("bitXor", spread, changes));
}

/** Keeps the keys of `splitKey` apart from those of `foldIn`, and both from the key itself. */
const splitWord = 0x9e3779b9;
const foldWord = 0x7f4a7c15;

/**
 * New keys, independent of each other and of the key, which should not be used any more. Throws an `ArgumentError` unless
 * n is an integer of at least 1.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * const [a, b, c] = random.splitKey(random.randomKey(0), 3);
 * console.log(a.shape, b.shape, c.shape); // [2] [2] [2]
 * ```
 */
export function splitKey(key: Tensor, n = 2): Tensor[] {
  checkKey(key, "splitKey");
  checkCount(n, 1, "splitKey: n");
  const keys = keep(deriveKeys(key, iota([n], "uint32", 0), splitWord));
  return Array.from({ length: n }, (_, i) => keep(reshape(sliceAxis(keys, 0, i, i + 1), [2])));
}

/**
 * A new key for a key and a number (the index of a layer, a step, an example): other numbers give independent keys. The
 * number may be an int32 or uint32 scalar, such as `vmap` hands out.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * const key = random.randomKey(0);
 * const step3 = random.normal(random.foldIn(key, 3), [2]);
 * console.log(step3.shape); // [2]
 * ```
 */
export function foldIn(key: Tensor, n: number | Tensor): Tensor {
  checkKey(key, "foldIn");
  if (typeof n === "number") {
    if (!Number.isInteger(n) || n < 0 || n > 0xffffffff) {
      throw new ArgumentError(`foldIn: expected an integer from 0 to 2³² − 1, got ${n}`);
    }
    return keep(reshape(deriveKeys(key, full([1], "uint32", n), foldWord), [2]));
  }
  checkTensor(n, "foldIn");
  if (n.shape.length !== 0 || (n.dtype !== "int32" && n.dtype !== "uint32")) {
    throw new ArgumentError(
      `foldIn: expected a number or an integer scalar, got a ${n.dtype} tensor of shape ${
        formatShape(n.shape)
      }`,
    );
  }
  const number = n.dtype === "int32" ? apply("bitcast", { dtype: "uint32" }, n) : n;
  return keep(reshape(deriveKeys(key, reshape(number, [1]), foldWord), [2]));
}

/** Random words in columns: [n, words]. */
function drawWords(key: Tensor, n: number, words: number): Tensor[] {
  const bits = reshape(apply("randomBits", { length: n * words }, key), [n, words]);
  return Array.from(
    { length: words },
    (_, i) => reshape(sliceAxis(bits, 1, i, i + 1), [n]),
  );
}

/** The words without their lowest bits, as floats: exact, as so few bits remain. */
function highBits(words: Tensor, dropped: number, dtype: DType): Tensor {
  const count = full(words.shape, "uint32", dropped);
  return cast(binary("shiftRight", words, count), dtype);
}

/** How many random words a uniform number takes. */
function wordsPerUniform(dtype: DType): number {
  return dtype === "float64" ? 2 : 1;
}

/** Multiples of 2⁻²⁴ (float32) or 2⁻⁵³ (float64) in [0, 1), exactly. */
function unitInterval(words: readonly Tensor[], dtype: DType): Tensor {
  if (dtype === "float32") return highBits(words[0], 8, dtype).mul(2 ** -24);
  const [high, low] = [highBits(words[0], 5, dtype), highBits(words[1], 6, dtype)];
  return high.mul(2 ** 26).add(low).mul(2 ** -53);
}

function drawUnit(key: Tensor, n: number, dtype: DType): Tensor {
  return unitInterval(drawWords(key, n, wordsPerUniform(dtype)), dtype);
}

/**
 * Numbers spread evenly over [low, high), [0, 1) by default: low + u·(high − low) for a multiple u of 2⁻²⁴ (float32) or
 * 2⁻⁵³ (float64).
 *
 * Throws an `ArgumentError` for limits that are not finite or out of order, a `DTypeError` for a dtype that is not a float.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * const x = random.uniform(random.randomKey(0), [2, 2], { low: -1, high: 1 });
 * console.log(await x.toArray());
 * ```
 */
export function uniform(key: Tensor, shape: Shape, options: UniformOptions = {}): Tensor {
  const { low = 0, high = 1, dtype = "float32" } = options;
  checkKey(key, "uniform");
  checkShape(shape, "uniform: shape");
  checkFloatDType(dtype, "uniform");
  if (!Number.isFinite(low) || !Number.isFinite(high) || low > high) {
    throw new ArgumentError(`uniform: expected finite limits with low ≤ high, got ${low}, ${high}`);
  }
  const unit = reshape(drawUnit(key, sizeOf(shape), dtype), shape);
  const scaled = high - low === 1 ? unit : unit.mul(high - low);
  return keep(low === 0 ? scaled : scaled.add(low));
}

/**
 * Pairs of independent standard normal numbers from pairs of uniform ones (Box and Muller 1958). The radius takes a
 * number in (0, 1] with all the bits there are, so that the tails reach 6.7 (float32) or 8.5 (float64) deviations.
 */
function drawNormal(key: Tensor, n: number, dtype: DType): Tensor {
  const pairs = Math.ceil(n / 2);
  const words = drawWords(key, pairs, 2 * wordsPerUniform(dtype));
  const half = words.length / 2;
  const inner = dtype === "float32"
    ? cast(words[0], dtype).add(0.5).mul(2 ** -32)
    : unitInterval(words.slice(0, half), dtype).add(2 ** -54);
  const radius = inner.log().mul(-2).sqrt();
  const angle = unitInterval(words.slice(half), dtype).mul(2 * Math.PI);
  const both = concat([radius.mul(angle.cos()), radius.mul(angle.sin())]);
  return sliceAxis(both, 0, 0, n);
}

/**
 * Normal numbers of a mean and standard deviation, 0 and 1 by default.
 *
 * Throws an `ArgumentError` unless the mean is finite and the deviation is finite and at least 0, a `DTypeError` for a
 * dtype that is not a float.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * const x = random.normal(random.randomKey(0), [1000], { mean: 5, std: 2 });
 * console.log(await x.mean().item()); // about 5
 * ```
 */
export function normal(key: Tensor, shape: Shape, options: NormalOptions = {}): Tensor {
  const { dtype = "float32" } = options;
  checkKey(key, "normal");
  checkShape(shape, "normal: shape");
  checkFloatDType(dtype, "normal");
  const [mean, std] = checkMoments(options, "normal");
  const standard = reshape(drawNormal(key, sizeOf(shape), dtype), shape);
  return keep(scaleAndShift(standard, mean, std));
}

function checkMoments({ mean = 0, std = 1 }: NormalOptions, where: string): [number, number] {
  if (Number.isFinite(mean) && Number.isFinite(std) && std >= 0) return [mean, std];
  throw new ArgumentError(
    `${where}: expected a finite mean and a finite std ≥ 0, got ${mean} and ${std}`,
  );
}

function scaleAndShift(x: Tensor, mean: number, std: number): Tensor {
  const scaled = std === 1 ? x : x.mul(std);
  return mean === 0 ? scaled : scaled.add(mean);
}

/**
 * Normal numbers within limits, which are given in standard deviations from the mean: −2 and 2 by default.
 *
 * Throws an `ArgumentError` unless low < high and both are within ±5, where the method is accurate.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * const x = random.truncatedNormal(random.randomKey(0), [1000], { std: 0.02 });
 * console.log(await x.abs().max().item()); // at most 0.04
 * ```
 */
export function truncatedNormal(
  key: Tensor,
  shape: Shape,
  options: TruncatedNormalOptions = {},
): Tensor {
  const { low = -2, high = 2, dtype = "float32" } = options;
  checkKey(key, "truncatedNormal");
  checkShape(shape, "truncatedNormal: shape");
  checkFloatDType(dtype, "truncatedNormal");
  const [mean, std] = checkMoments(options, "truncatedNormal");
  if (!(low < high) || low < -5 || high > 5) {
    throw new ArgumentError(
      `truncatedNormal: expected limits low < high from -5 to 5, got ${low} and ${high}`,
    );
  }
  const [from, to] = [erfOf(low * Math.SQRT1_2), erfOf(high * Math.SQRT1_2)];
  const unit = reshape(drawUnit(key, sizeOf(shape), dtype), shape);
  const standard = inverseErf(unit.mul(to - from).add(from)).mul(Math.SQRT2);
  // Rounding may step over a limit by one place.
  const limited = standard.maximum(low).minimum(high);
  return keep(scaleAndShift(limited, mean, std));
}

/**
 * Integers from low to high − 1, int32, each equally likely: exactly so to 2⁻⁴⁸ for ranges of up to 65536 integers, and to
 * one part in 2³² / (high − low) for larger ones.
 *
 * Throws an `ArgumentError` unless both are integers with low < high, inside int32.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * const dice = random.randint(random.randomKey(0), [10], 1, 7);
 * console.log(await dice.toArray());
 * ```
 */
export function randint(key: Tensor, shape: Shape, low: number, high: number): Tensor {
  checkKey(key, "randint");
  checkShape(shape, "randint: shape");
  checkInteger(low, "randint: low");
  checkInteger(high, "randint: high");
  if (low >= high || low < -(2 ** 31) || high > 2 ** 31) {
    throw new ArgumentError(
      `randint: expected -2³¹ ≤ low < high ≤ 2³¹, got ${low} and ${high}`,
    );
  }
  const size = sizeOf(shape);
  const span = high - low;
  const word = (value: number): Tensor => full([size], "uint32", value);
  const modulo = (x: Tensor): Tensor => binary("remainder", x, word(span));
  let drawn: Tensor;
  if (span <= 65536) {
    // A number of 64 bits modulo the span, from its halves: no product overflows.
    const [upper, lower] = drawWords(key, size, 2);
    const carried = binary("mul", modulo(upper), word(2 ** 32 % span));
    drawn = modulo(binary("add", modulo(carried), modulo(lower)));
  } else {
    const [bits] = drawWords(key, size, 1);
    drawn = span === 2 ** 32 ? bits : modulo(bits);
  }
  // Sums of int32 wrap, so that ranges wider than int32's positive half come out right.
  const offset = binary(
    "add",
    apply("bitcast", { dtype: "int32" }, drawn),
    full([size], "int32", low),
  );
  return keep(reshape(offset, shape));
}

/**
 * True with probability p: a number, or a tensor that broadcasts to the shape.
 *
 * Throws an `ArgumentError` for a number outside [0, 1], a `ShapeError` for a tensor that does not broadcast.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * const coins = random.bernoulli(random.randomKey(0), 0.5, [10]);
 * console.log(await coins.toArray());
 * ```
 */
export function bernoulli(key: Tensor, p: number | Tensor, shape?: Shape): Tensor {
  checkKey(key, "bernoulli");
  if (typeof p === "number") {
    if (checkNumber(p, "bernoulli: p") < 0 || p > 1) {
      throw new ArgumentError(`bernoulli: p is ${p}; expected a number from 0 to 1`);
    }
    if (p === 1) return full(checkShape(shape ?? [], "bernoulli: shape"), "bool", 1);
  } else checkTensor(p, "bernoulli: p");
  const size = checkShape(shape ?? (typeof p === "number" ? [] : p.shape), "bernoulli: shape");
  const result = reshape(drawUnit(key, sizeOf(size), "float32"), size).less(p);
  if (result.shape.length !== size.length || result.shape.some((n, i) => n !== size[i])) {
    throw new ShapeError(
      `bernoulli: p of shape ${formatShape((p as Tensor).shape)} does not broadcast to shape ${
        formatShape(size)
      }`,
    );
  }
  return keep(result);
}

/**
 * The integers from 0 to n − 1 in random order, int32.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * console.log(await random.permutation(random.randomKey(0), 5).toArray());
 * ```
 */
export function permutation(key: Tensor, n: number): Tensor {
  checkKey(key, "permutation");
  checkCount(n, 0, "permutation: n");
  // Sorting by random words favors an order where words are equal; a second round makes that unlikely for larger n.
  const rounds = n > 1000 ? 2 : 1;
  const words = drawWords(key, n, rounds);
  const [order, ...later] = words.map((w) => apply("argsort", { descending: false }, w));
  return keep(later.reduce((x, next) => apply("gather", { batchDims: 0 }, x, next), order));
}
