/**
 * Input data for conformance cases: the same numbers on every run.
 *
 * @module
 */

import { allocate, type DType, isFloat, type TypedArray } from "../../lib/base/dtype.ts";

/** The values as a typed array of the dtype. */
export function typedArray(values: ArrayLike<number>, dtype: DType): TypedArray {
  const array = allocate(dtype, values.length);
  array.set(values);
  return array;
}

/** A small generator of uniform numbers in [0, 1): Mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A number that depends on the whole text. */
export function hash(text: string): number {
  let state = 2166136261;
  for (let i = 0; i < text.length; i++) {
    state = Math.imul(state ^ text.charCodeAt(i), 16777619);
  }
  return state >>> 0;
}

/** Fills an input of some dtype and length. */
export type Fill = (dtype: DType, length: number, seed: number) => TypedArray;

/** Fills with a function of the dtype and a source of uniform numbers. */
function fill(draw: (dtype: DType, random: () => number) => number): Fill {
  return (dtype, length, seed) => {
    const random = uniform(seed);
    const array = allocate(dtype, length);
    for (let i = 0; i < length; i++) array[i] = draw(dtype, random);
    return array;
  };
}

/** Floats in (−3, 3), integers of any size, either bool. */
export const ordinary: Fill = fill((dtype, random) => {
  switch (dtype) {
    case "bool":
      return random() < 0.5 ? 1 : 0;
    case "int32":
      return Math.floor((random() - 0.5) * 4294967296);
    case "uint32":
      return Math.floor(random() * 4294967296);
    default:
      return (random() - 0.5) * 6;
  }
});

/** Floats in (0.5, 2); integers from 1 to 9. */
export const positive: Fill = fill((dtype, random) =>
  isFloat(dtype) ? 0.5 + 1.5 * random() : dtype === "bool" ? 1 : 1 + Math.floor(random() * 9)
);

/** Few different values, so that many are equal. */
export const tied: Fill = fill((dtype, random) => {
  const value = Math.floor(random() * 5);
  return dtype === "bool" ? value % 2 : dtype === "uint32" ? value * 858993459 : value - 2;
});

/** Few different values, and NaN among them. */
export const tiedWithNaN: Fill = fill((dtype, random) => {
  const value = Math.floor(random() * 6) - 2;
  return dtype === "bool"
    ? value & 1
    : dtype === "uint32"
    ? value + 2
    : value < 3
    ? value
    : isFloat(dtype)
    ? NaN
    : 0;
});

/** int32 indices of which some are below 0 and some at or above the size. */
export function indicesAround(size: number): Fill {
  return fill((_, random) => Math.floor(random() * (size + 4)) - 2);
}

const specialFloats = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  3,
  100.25,
  -7.75,
  1e-3,
  1e10,
  -1e10,
  1e30,
  -1e30,
  1e-30,
  2147483648,
  -2147483648,
  4294967296,
  16777217,
  1e-40,
  -1e-45,
  3.4028234663852886e38,
  Infinity,
  -Infinity,
  NaN,
];
const specialInt32 = [
  0,
  1,
  -1,
  2,
  -2,
  3,
  7,
  -7,
  31,
  32,
  33,
  65536,
  -65537,
  2147483647,
  -2147483648,
  -2147483647,
];
const specialUint32 = [
  0,
  1,
  2,
  3,
  7,
  31,
  32,
  33,
  65536,
  2147483647,
  2147483648,
  4294967294,
  4294967295,
];

/** Values at which operations behave in their own way. */
export function specialValues(dtype: DType): readonly number[] {
  switch (dtype) {
    case "bool":
      return [0, 1];
    case "int32":
      return specialInt32;
    case "uint32":
      return specialUint32;
    case "float32":
      return specialFloats;
    case "float64":
      return [...specialFloats, 1e300, -1e300, 1e-300, 5e-324, 9007199254740993, Number.MAX_VALUE];
  }
}

/** All pairs of the special values, as two lists. */
export function specialPairs(dtype: DType): { a: TypedArray; b: TypedArray } {
  const values = specialValues(dtype);
  return {
    a: typedArray(values.flatMap((a) => values.map(() => a)), dtype),
    b: typedArray(values.flatMap(() => values), dtype),
  };
}

/**
 * Floats of both signs whose sizes spread evenly over the exponents from 2^low to 2^high, then the special values.
 * The length is not a multiple of any vector width.
 */
export function sweep(dtype: DType, low: number, high: number, count = 1201): TypedArray {
  const random = uniform(hash(`sweep ${dtype} ${low} ${high}`));
  const values = Array.from({ length: count }, (_, i) => {
    const exponent = low + (high - low) * (i / (count - 1));
    return 2 ** exponent * (1 + 0.1 * random()) * (random() < 0.5 ? -1 : 1);
  });
  return typedArray([...values, ...specialValues(dtype)], dtype);
}
