/**
 * sin, cos, atan and atan2 as WGSL.
 *
 * @module
 */

import { cosineCurve, sineCurve } from "../float32_polynomials.ts";
import type { MathSource } from "./math.ts";
import { polynomial } from "./math_exponential.ts";

/** The bits of 2/π after the point, 32 at a time; a word of zeros before them. */
const twoOverPi = [
  "0x0u",
  "0xa2f9836eu",
  "0x4e441529u",
  "0xfc2757d1u",
  "0xf534ddc0u",
  "0xdb629599u",
  "0x3c439041u",
  "0xfe5163abu",
  "0xdebbc561u",
  "0xb7246e3au",
];

/** The functions. */
export const trigonometricSources: Readonly<Record<string, MathSource>> = {
  highProduct: {
    text: `fn highProduct(a: u32, b: u32) -> u32 {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let middle = al * bh + ((al * bl) >> 16u);
  let other = ah * bl + (middle & 0xffffu);
  return ah * bh + (middle >> 16u) + (other >> 16u);
}`,
  },
  // x = quadrant·π/2 + y modulo 2π with |y| ≤ π/4, for finite x: y and the quadrant. Of x·2/π = m·2^e·2/π only the bits
  // from the quadrant's on matter (Payne and Hanek): m times 96 bits of 2/π, from two bits above the point on.
  quarterTurns: {
    needs: ["highProduct"],
    text: `fn quarterTurns(x: f32) -> vec2<f32> {
  let a = abs(x);
  if (a <= 0.78539816) { return vec2<f32>(x, 0.0); }
  let bits = bitcast<u32>(a);
  let m = (bits & 0x007fffffu) | 0x00800000u;
  var table = array<u32, ${twoOverPi.length}>(${twoOverPi.join(", ")});
  let first = u32(i32(bits >> 23u) - 150 - 2 + 32);
  let i = first >> 5u;
  let shift = first & 31u;
  var words = vec3<u32>(table[i], table[i + 1u], table[i + 2u]);
  if (shift != 0u) {
    let next = vec3<u32>(words.y, words.z, table[i + 3u]);
    words = (words << vec3<u32>(shift)) | (next >> vec3<u32>(32u - shift));
  }
  let low = m * words.z;
  let middlePart = m * words.y;
  let middle = middlePart + highProduct(m, words.z);
  let carry = select(0u, 1u, middle < middlePart);
  let high = m * words.x + highProduct(m, words.y) + carry;
  var quadrant = high >> 30u;
  var f0 = (high << 2u) | (middle >> 30u);
  var f1 = (middle << 2u) | (low >> 30u);
  var sign = bitcast<u32>(x) & 0x80000000u;
  if ((f0 & 0x80000000u) != 0u) {
    quadrant = quadrant + 1u;
    f0 = ~f0;
    f1 = 0u - f1;
    if (f1 == 0u) { f0 = f0 + 1u; }
    sign = sign ^ 0x80000000u;
  }
  // The fraction f0:f1 / 2^64 in two parts of 24 bits, times π/2.
  var zeros = countLeadingZeros(f0);
  if (zeros == 32u) {
    f0 = f1;
    f1 = 0u;
    zeros = countLeadingZeros(f0);
    f0 = f0 << min(zeros, 31u);
    zeros = zeros + 32u;
  } else if (zeros > 0u) {
    f0 = (f0 << zeros) | (f1 >> (32u - zeros));
    f1 = f1 << zeros;
  }
  let unit = bitcast<f32>((95u - zeros) << 23u);
  let top = f32(f0 & 0xffffff00u) * unit;
  let rest = f32(((f0 & 0xffu) << 16u) | (f1 >> 16u)) * unit * 1.52587890625e-5;
  let y = top * 1.5707963705062866 + (rest * 1.5707964 - top * 4.371139e-8);
  let turns = select(quadrant, 0u - quadrant, (bitcast<u32>(x) & 0x80000000u) != 0u) & 3u;
  return vec2<f32>(bitcast<f32>(bitcast<u32>(y) ^ sign), f32(turns));
}`,
  },
  sineOrCosine: {
    needs: ["quarterTurns", "nan"],
    text: `fn sineOrCosine(x: f32, turn: u32) -> f32 {
  if ((bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u) { return nan(); }
  let parts = quarterTurns(x);
  let quadrant = u32(parts.y) + turn;
  let y = parts.x;
  let z = y * y;
  let sine = y + z * y * ${polynomial("z", sineCurve)};
  let cosine = (1.0 - z * 0.5) + z * z * ${polynomial("z", cosineCurve)};
  let value = select(sine, cosine, (quadrant & 1u) == 1u);
  return select(value, -value, (quadrant & 2u) != 0u);
}`,
  },
  sine: {
    needs: ["sineOrCosine"],
    text: `fn sine(x: f32) -> f32 {
  if (abs(x) < 1e-4) { return x; }
  return sineOrCosine(x, 0u);
}`,
  },
  cosine: {
    needs: ["sineOrCosine"],
    text: `fn cosine(x: f32) -> f32 { return sineOrCosine(x, 1u); }`,
  },
  // atan(t) for t from 0 on, infinity included.
  arcTangentOf: {
    text: `fn arcTangentOf(a: f32) -> f32 {
  var t = a;
  var base = 0.0;
  var low = 0.0;
  if (a > 2.414213562) {
    t = select(-1.0 / a, 0.0, a > 1e30);
    base = 1.5707963705062866;
    low = -4.371139e-8;
  } else if (a > 0.4142135624) {
    t = (a - 1.0) / (a + 1.0);
    base = 0.7853981852531433;
    low = -2.1855694e-8;
  }
  let z = t * t;
  let p = t * z * ${
      polynomial("z", [-3.33329491539e-1, 1.99777106478e-1, -1.38776856032e-1, 8.05374449538e-2])
    };
  return base + (t + (p + low));
}`,
  },
  arcTangent: {
    needs: ["arcTangentOf", "isNan"],
    text: `fn arcTangent(x: f32) -> f32 {
  if (isNan(x) || abs(x) < 1e-4) { return x; }
  let value = arcTangentOf(abs(x));
  return select(value, -value, x < 0.0);
}`,
  },
  arcTangent2: {
    needs: ["arcTangentOf", "isNan"],
    text: `fn arcTangent2(y: f32, x: f32) -> f32 {
  if (isNan(x)) { return x; }
  if (isNan(y)) { return y; }
  let ay = bitcast<u32>(y) & 0x7fffffffu;
  let ax = bitcast<u32>(x) & 0x7fffffffu;
  // 0/0 stands for the angle 0, and ∞/∞ for π/4.
  var angle = 0.0;
  if (ay == 0x7f800000u) {
    angle = select(1.5707963705062866, 0.7853981852531433, ax == 0x7f800000u);
  } else if (ay != 0u && ax == 0u) {
    angle = 1.5707963705062866;
  } else if (ay != 0u && ax != 0x7f800000u) {
    // Halved where a sum of exponents could overflow; both tiny or both huge make no difference to the quotient.
    let difference = i32(ay >> 23u) - i32(ax >> 23u);
    if (difference > 30) {
      angle = 1.5707963705062866;
    } else {
      let t = bitcast<f32>(ay) / bitcast<f32>(ax);
      angle = select(arcTangentOf(t), t, t < 1e-4);
    }
  }
  if ((bitcast<u32>(x) & 0x80000000u) != 0u) { angle = 3.1415927410125732 - (angle + 8.742278e-8); }
  return bitcast<f32>((bitcast<u32>(angle) & 0x7fffffffu) | (bitcast<u32>(y) & 0x80000000u));
}`,
  },
};
