/**
 * pow, erf and the remainder as WGSL.
 *
 * @module
 */

import { complementExponent, errorFunctionCurve } from "../float32_polynomials.ts";
import type { MathSource } from "./math.ts";
import { polynomial } from "./math_exponential.ts";

/** The functions. */
export const powerSources: Readonly<Record<string, MathSource>> = {
  // The upper 12 bits of the mantissa: products of two such numbers are exact, whatever is fused.
  upper: {
    text: `fn upper(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u); }`,
  },
  // a·b as a sum, to 36 bits.
  product: {
    needs: ["upper"],
    text: `fn product(a: f32, b: f32) -> vec2<f32> {
  let ah = upper(a);
  let bh = upper(b);
  let high = upper(a * b);
  let low = ((ah * bh - high) + (ah * (b - bh) + (a - ah) * bh)) + (a - ah) * (b - bh);
  return vec2<f32>(high, low);
}`,
  },
  // log of the positive float with those bits, as a sum, to about 34 bits.
  logarithmDouble: {
    needs: ["split", "product", "upper"],
    text: `fn logarithmDouble(bits: u32) -> vec2<f32> {
  let parts = split(bits);
  let k = f32(bitcast<i32>(parts.y));
  let f = bitcast<f32>(parts.x) - 1.0;
  // s = f / (2 + f) in two parts.
  let d = 2.0 + f;
  let dLow = f - (d - 2.0);
  let sHigh = upper(f / d);
  let back = product(sHigh, d);
  let sLow = (((f - back.x) - back.y) - sHigh * dLow) / d;
  let s = sHigh + sLow;
  // log(m) = 2·s + s³·(2/3 + 2/5·s² + …).
  let z = s * s;
  let series = s * z * ${polynomial("z", [2 / 3, 2 / 5, 2 / 7, 2 / 9, 2 / 11, 2 / 13])};
  let rest = 2.0 * sLow + series;
  // k·ln 2: the first part has 9 bits, so its product is exact.
  let whole = k * 0.693359375;
  let first = whole + 2.0 * sHigh;
  // The larger of both comes first.
  let lost = select((2.0 * sHigh - first) + whole, (whole - first) + 2.0 * sHigh, abs(whole) > abs(2.0 * sHigh));
  let tail = (rest + lost) + k * -2.12194440054690583e-4;
  let high = upper(first + tail);
  return vec2<f32>(high, (first - high) + tail);
}`,
  },
  power: {
    needs: ["logarithmDouble", "exponentialOf", "product", "isNan", "nan"],
    text: `fn power(x: f32, y: f32) -> f32 {
  let ax = bitcast<u32>(x) & 0x7fffffffu;
  let ay = bitcast<u32>(y) & 0x7fffffffu;
  if (ay == 0u || bitcast<u32>(x) == 0x3f800000u) { return 1.0; }
  if (isNan(x) || isNan(y)) { return nan(); }
  let negative = (bitcast<u32>(x) & 0x80000000u) != 0u;
  let falling = (bitcast<u32>(y) & 0x80000000u) != 0u;
  if (ax == 0x3f800000u && ay == 0x7f800000u) { return 1.0; }
  // Floats from 2^24 on are even.
  let whole = ay >= 0x4b800000u || trunc(y) == y;
  let odd = ay < 0x4b800000u && trunc(y) == y && (u32(abs(y)) & 1u) == 1u;
  let sign = select(0u, 0x80000000u, negative && odd);
  if (ax == 0u || ax == 0x7f800000u) {
    let grows = (ax == 0x7f800000u) != falling;
    return bitcast<f32>(sign | (select(0u, 0x7f800000u, grows) + nothing));
  }
  if (negative && !whole && ay != 0x7f800000u) { return nan(); }
  let log = logarithmDouble(ax);
  // Beyond 2^30 the result is 0 or infinity, or 1, as it is there.
  let bounded = clamp(y, -1073741824.0, 1073741824.0);
  let exponent = product(log.x, bounded);
  let low = exponent.y + log.y * bounded;
  let sum = exponent.x + low;
  var magnitude = 0.0;
  if (sum >= 89.0) {
    magnitude = bitcast<f32>(0x7f800000u + nothing);
  } else if (sum > -104.5) {
    magnitude = exponentialOf(sum, (exponent.x - sum) + low);
  }
  return bitcast<f32>(bitcast<u32>(magnitude) | sign);
}`,
  },
  errorFunction: {
    needs: ["exponentialOf", "isNan"],
    text: `fn errorFunction(x: f32) -> f32 {
  if (isNan(x)) { return x; }
  let a = min(abs(x), 4.0);
  if (a < 1.0) {
    let z = a * a;
    return x + x * ${polynomial("z", errorFunctionCurve)};
  }
  let large = 1.0 - exponentialOf(${polynomial("a", complementExponent)}, 0.0);
  return select(large, -large, x < 0.0);
}`,
  },
  // Long division of the mantissas, 8 bits at a time.
  remainderFloat: {
    needs: ["nan"],
    text: `fn remainderFloat(x: f32, y: f32) -> f32 {
  let ax = bitcast<u32>(x) & 0x7fffffffu;
  let ay = bitcast<u32>(y) & 0x7fffffffu;
  if (ax >= 0x7f800000u || ay > 0x7f800000u || ay == 0u) { return nan(); }
  if (ax < ay) { return x; }
  var mx = (ax & 0x007fffffu) | 0x00800000u;
  var ex = i32(ax >> 23u);
  if (ex == 0) {
    mx = ax;
    ex = 1;
  }
  var my = (ay & 0x007fffffu) | 0x00800000u;
  var ey = i32(ay >> 23u);
  if (ey == 0) {
    my = ay;
    ey = 1;
  }
  mx = mx % my;
  loop {
    if (ex <= ey || mx == 0u) { break; }
    let step = min(ex - ey, 8);
    mx = (mx << u32(step)) % my;
    ex = ex - step;
  }
  let sign = bitcast<u32>(x) & 0x80000000u;
  if (mx == 0u) { return bitcast<f32>(sign); }
  let shift = min(i32(countLeadingZeros(mx)) - 8, ey - 1);
  mx = mx << u32(shift);
  let exponent = select(0u, u32(ey - shift), mx >= 0x00800000u);
  return bitcast<f32>((sign | (exponent << 23u) | (mx & 0x007fffffu)) + nothing);
}`,
  },
};
