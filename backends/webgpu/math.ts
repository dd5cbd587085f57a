/**
 * The functions that WGSL lacks or has with too large errors, as WGSL.
 *
 * Built-in functions may be thousands of units in the last place off, may flush small results to zero, and compilers may
 * assume that there is no NaN and no infinity. So functions are polynomials, as in the WebAssembly backend; special values are told
 * by their bits; and what may be subnormal is put together from bits. Errors are below so many units in the last place, measured
 * at half a million arguments each where additions, products and quotients are rounded correctly (lavapipe): exp 1, expm1 1.5,
 * log 1, log1p 2.1, sin and cos 2.5, atan 2, tanh 1.5, sigmoid 2.1, erf 1.5, pow 5, atan2 2.2.
 *
 * @module
 */

import { exponentialSources } from "./math_exponential.ts";
import { powerSources } from "./math_power.ts";
import { trigonometricSources } from "./math_trigonometric.ts";

/** A function: its text, and the functions that it calls. */
export interface MathSource {
  readonly needs?: readonly string[];
  readonly text: string;
}

/** Special values by their bits, maxima, integer divisions, casts and order. */
const basicSources: Readonly<Record<string, MathSource>> = {
  isNan: {
    text: `fn isNan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }`,
  },
  nan: { text: `fn nan() -> f32 { return bitcast<f32>(0x7fc00000u + nothing); }` },
  infinity: { text: `fn infinity() -> f32 { return bitcast<f32>(0x7f800000u + nothing); }` },
  maximum: {
    needs: ["isNan"],
    text: `fn maximum(a: f32, b: f32) -> f32 {
  return select(select(select(b, a, a > b), b, isNan(b)), a, isNan(a));
}`,
  },
  minimum: {
    needs: ["isNan"],
    text: `fn minimum(a: f32, b: f32) -> f32 {
  return select(select(select(b, a, a < b), b, isNan(b)), a, isNan(a));
}`,
  },
  equal: {
    needs: ["isNan"],
    text: `fn equal(a: f32, b: f32) -> bool { return (a == b) && !isNan(a) && !isNan(b); }`,
  },
  less: {
    needs: ["isNan"],
    text: `fn less(a: f32, b: f32) -> bool { return (a < b) && !isNan(a) && !isNan(b); }`,
  },
  lessEqual: {
    needs: ["isNan"],
    text: `fn lessEqual(a: f32, b: f32) -> bool { return (a <= b) && !isNan(a) && !isNan(b); }`,
  },
  signOf: {
    needs: ["isNan"],
    text: `fn signOf(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (isNan(x) || (bits & 0x7fffffffu) == 0u) { return x; }
  return bitcast<f32>((bits & 0x80000000u) | 0x3f800000u);
}`,
  },
  roundUp: {
    text: `fn roundUp(x: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(ceil(x)) | (bitcast<u32>(x) & 0x80000000u));
}`,
  },
  roundDown: {
    text: `fn roundDown(x: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(floor(x)) | (bitcast<u32>(x) & 0x80000000u));
}`,
  },
  roundNearest: {
    text: `fn roundNearest(x: f32) -> f32 {
  return bitcast<f32>(bitcast<u32>(round(x)) | (bitcast<u32>(x) & 0x80000000u));
}`,
  },
  // Below the smallest normal number roots are taken of x·2^46, which bits give.
  rootNormal: {
    text: `fn rootNormal(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (bits == 0u || bits >= 0x00800000u) { return x; }
  return f32(bits) * bitcast<f32>(0x11800000u);
}`,
  },
  squareRoot: {
    needs: ["nan", "rootNormal"],
    text: `fn squareRoot(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if (bits == 0x80000000u || bits == 0u || bits == 0x7f800000u) { return x; }
  if (bits > 0x7f800000u) { return nan(); }
  if (bits < 0x00800000u) { return sqrt(f32(bits) * 0.5) * bitcast<f32>(0x1a800000u); }
  return sqrt(x);
}`,
  },
  reciprocalRoot: {
    needs: ["nan", "infinity", "squareRoot"],
    text: `fn reciprocalRoot(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) == 0u) { return bitcast<f32>((bits & 0x80000000u) | (0x7f800000u + nothing)); }
  if (bits == 0x7f800000u) { return 0.0; }
  return 1.0 / squareRoot(x);
}`,
  },
  quotientSigned: {
    text: `fn quotientSigned(a: i32, b: i32) -> i32 {
  if (b == 0) { return 0; }
  if (b == -1) { return bitcast<i32>(0u - bitcast<u32>(a)); }
  return a / b;
}`,
  },
  quotientUnsigned: {
    text: `fn quotientUnsigned(a: u32, b: u32) -> u32 {
  if (b == 0u) { return 0u; }
  return a / b;
}`,
  },
  remainderSigned: {
    text: `fn remainderSigned(a: i32, b: i32) -> i32 {
  if (b == 0 || b == -1) { return 0; }
  return a - (a / b) * b;
}`,
  },
  remainderUnsigned: {
    text: `fn remainderUnsigned(a: u32, b: u32) -> u32 {
  if (b == 0u) { return 0u; }
  return a % b;
}`,
  },
  toSigned: {
    needs: ["isNan"],
    text: `fn toSigned(x: f32) -> i32 {
  if (isNan(x)) { return 0; }
  if (x >= 2147483648.0) { return 2147483647; }
  if (x <= -2147483648.0) { return bitcast<i32>(0x80000000u); }
  return i32(x);
}`,
  },
  toUnsigned: {
    needs: ["isNan"],
    text: `fn toUnsigned(x: f32) -> u32 {
  if (isNan(x) || x <= 0.0) { return 0u; }
  if (x >= 4294967296.0) { return 0xffffffffu; }
  return u32(x);
}`,
  },
  // Larger floats have larger keys, and NaN the largest; both zeros have the same.
  rankHigh: {
    text: `fn rankHigh(x: u32) -> u32 {
  if ((x & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  let bits = select(x, 0u, x == 0x80000000u);
  return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}`,
  },
  // Smaller floats have larger keys, and NaN the largest.
  rankLow: {
    needs: ["rankHigh"],
    text: `fn rankLow(x: u32) -> u32 {
  if ((x & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  return ~rankHigh(x);
}`,
  },
  // The bits of the float with that key.
  unrank: {
    text: `fn unrank(key: u32, flip: u32) -> u32 {
  if (key == 0xffffffffu) { return 0x7fc00000u; }
  let bits = key ^ flip;
  return select(~bits, bits & 0x7fffffffu, (bits & 0x80000000u) != 0u);
}`,
  },
};

const sources: Readonly<Record<string, MathSource>> = {
  ...basicSources,
  ...exponentialSources,
  ...trigonometricSources,
  ...powerSources,
};

/** The text of functions and of all that they call, callees first. */
export function mathSource(names: Iterable<string>): string {
  const parts: string[] = [];
  const seen = new Set<string>();
  const add = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const { needs = [], text } = sources[name];
    for (const need of needs) add(need);
    parts.push(text);
  };
  for (const name of [...names].sort()) add(name);
  return parts.join("\n");
}
