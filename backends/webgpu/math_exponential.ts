/**
 * exp, expm1, log, log1p, tanh and sigmoid as WGSL.
 *
 * @module
 */

import { exponentialCurve, logarithmCurve, tangentCurve } from "../float32_polynomials.ts";
import type { MathSource } from "./math.ts";

/** a[0] + x·(a[1] + x·(a[2] + …)) as an expression. */
export function polynomial(x: string, coefficients: readonly number[]): string {
  return coefficients.map(float).reduceRight((rest, a) => `(${a} + ${x} * ${rest})`);
}

/** A number as a WGSL float. */
export function float(value: number): string {
  const text = String(Math.fround(value));
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** Of (exp(r) − 1 − r) / r² on |r| ≤ ln(2) / 2. */
const curve = polynomial("r", exponentialCurve);

/** Of (log(1 + f) − f + f²/2) / f³. */
const logCurve = polynomial("f", logarithmCurve);

/** The functions. */
export const exponentialSources: Readonly<Record<string, MathSource>> = {
  // value·2^n for a value in [0.5, 4), with subnormal results rounded to the nearest.
  scale: {
    text: `fn scale(value: f32, n: i32) -> f32 {
  let bits = bitcast<u32>(value);
  let exponent = i32(bits >> 23u) + n;
  if (exponent > 0) {
    return bitcast<f32>(select(bits + bitcast<u32>(n << 23u), 0x7f800000u + nothing, exponent >= 255));
  }
  let drop = u32(1 - exponent);
  if (drop > 25u) { return 0.0; }
  let mantissa = (bits & 0x007fffffu) | 0x00800000u;
  let kept = mantissa >> drop;
  let rest = mantissa & ((1u << drop) - 1u);
  let half = 1u << (drop - 1u);
  let up = rest > half || (rest == half && (kept & 1u) == 1u);
  return bitcast<f32>(kept + select(0u, 1u, up) + nothing);
}`,
  },
  // e^(x + more) for finite x between −104.5 and 89, where more is small.
  exponentialOf: {
    needs: ["scale"],
    text: `fn exponentialOf(x: f32, more: f32) -> f32 {
  let n = round(x * 1.4426950408889634);
  let high = x - n * 0.693359375;
  let low = n * -2.12194440054690583e-4;
  let r = high - low;
  let c = ((high - r) - low) + more;
  let p = r * r * ${curve};
  return scale(1.0 + (r + (c + p + c * (r + p))), i32(n));
}`,
  },
  exponential: {
    needs: ["exponentialOf", "infinity", "isNan"],
    text: `fn exponential(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  if (x >= 89.0) { return infinity(); }
  if (x <= -104.5) { return 0.0; }
  return exponentialOf(x, 0.0);
}`,
  },
  exponentialMinusOne: {
    needs: ["infinity", "isNan"],
    text: `fn exponentialMinusOne(x: f32) -> f32 {
  if (isNan(x) || abs(x) < 1.4901161e-8) { return x; }
  if (x >= 89.0) { return infinity(); }
  if (x <= -18.0) { return -1.0; }
  let n = round(x * 1.4426950408889634);
  let high = x - n * 0.693359375;
  let low = n * -2.12194440054690583e-4;
  let r = high - low;
  let c = (high - r) - low;
  let value = r + (r * r * ${curve} + c * (r + 1.0));
  if (n == 0.0) { return value; }
  let power = bitcast<f32>(bitcast<u32>(i32(n) + 126) << 23u);
  let result = power * value + (power - 0.5);
  // Twice it overflows where e^x does.
  if (result >= 1.7014118e38) { return infinity(); }
  return result * 2.0;
}`,
  },
  // Positive x = m·2^k with m from √½ to √2, by its bits: the bits of m, and k.
  split: {
    text: `fn split(x: u32) -> vec2<u32> {
  var bits = x;
  var offset = 0;
  if (bits < 0x00800000u) {
    let shift = countLeadingZeros(bits) - 8u;
    bits = bits << shift;
    offset = i32(shift);
  }
  let moved = bits - 0x3f3504f3u;
  let k = (bitcast<i32>(moved) >> 23u) - offset;
  return vec2<u32>(bits - (moved & 0xff800000u), bitcast<u32>(k));
}`,
  },
  logarithmOf: {
    text: `fn logarithmOf(k: f32, f: f32, correction: f32) -> f32 {
  let half = f * f * 0.5;
  let rest = f * f * f * ${logCurve};
  return k * 0.693359375 + (f - (half - (rest + (k * -2.12194440054690583e-4 + correction))));
}`,
  },
  logarithm: {
    needs: ["logarithmOf", "split", "nan"],
    text: `fn logarithm(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) == 0u) { return bitcast<f32>(0xff800000u + nothing); }
  if (bits == 0x7f800000u) { return x; }
  if (bits > 0x7f800000u) { return nan(); }
  let parts = split(bits);
  return logarithmOf(f32(bitcast<i32>(parts.y)), bitcast<f32>(parts.x) - 1.0, 0.0);
}`,
  },
  logarithmOfOnePlus: {
    needs: ["logarithmOf", "split", "nan", "isNan"],
    text: `fn logarithmOfOnePlus(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (abs(x) < 1.4901161e-8 || bits == 0x7f800000u) { return x; }
  if (isNan(x) || x < -1.0) { return nan(); }
  if (x == -1.0) { return bitcast<f32>(0xff800000u + nothing); }
  let u = 1.0 + x;
  let parts = split(bitcast<u32>(u));
  let k = f32(bitcast<i32>(parts.y));
  if (k == 0.0) { return logarithmOf(0.0, x, 0.0); }
  // What rounding 1 + x lost, relative to it.
  let lost = select(x - (u - 1.0), 1.0 - (u - x), x >= 1.0);
  return logarithmOf(k, bitcast<f32>(parts.x) - 1.0, lost / u);
}`,
  },
  logistic: {
    needs: ["exponential", "isNan"],
    text: `fn logistic(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  let z = exponential(-abs(x));
  if (x < -87.0) { return z; }
  let sum = 1.0 + z;
  let quotient = select(1.0, z, x < 0.0) / sum;
  // What rounding the sum lost, over the sum: 1 / s is near 1.5 − s / 2 on [1, 2].
  let lost = (z - (sum - 1.0)) * (1.5 - sum * 0.5);
  return quotient - lost * quotient;
}`,
  },
  hyperbolicTangent: {
    needs: ["exponentialOf", "isNan"],
    text: `fn hyperbolicTangent(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  let a = abs(x);
  let s = x * x;
  if (a < 0.625) {
    if (a < 1e-4) { return x; }
    return x + x * s * ${polynomial("s", tangentCurve)};
  }
  let e = exponentialOf(min(a + a, 18.2), 0.0);
  let large = 1.0 - 2.0 / (e + 1.0);
  return select(large, -large, x < 0.0);
}`,
  },
};
