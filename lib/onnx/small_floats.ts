/**
 * Real numbers of 4 and 8 bits: what their bits mean. They are computed with in float32.
 *
 * @see {@link https://arxiv.org/abs/2209.05433 | Micikevicius et al. 2022} and
 * {@link https://arxiv.org/abs/2206.02915 | Noune et al. 2022} for those of 8 bits
 * @module
 */

/** An element type of real numbers of at most 8 bits. */
export type SmallFloat =
  | "float8e4m3fn"
  | "float8e4m3fnuz"
  | "float8e5m2"
  | "float8e5m2fnuz"
  | "float8e8m0"
  | "float4e2m1";

/** How the bits of a type are shared out. */
export interface SmallFormat {
  /** Bits of the exponent. */
  readonly exponent: number;
  /** Bits of the fraction. */
  readonly fraction: number;
  /** What the exponent counts from. */
  readonly bias: number;
  /** The largest number. */
  readonly largest: number;
  /** Whether there are infinities. */
  readonly infinite: boolean;
  /** Bits that mean "not a number", the sign left out; −1 where all bits are numbers, null for the bits of −0 alone. */
  readonly nan: number | null;
}

const formats: Readonly<Record<Exclude<SmallFloat, "float8e8m0">, SmallFormat>> = {
  float8e4m3fn: {
    exponent: 4,
    fraction: 3,
    bias: 7,
    largest: 448,
    infinite: false,
    nan: 0x7f,
  },
  float8e4m3fnuz: {
    exponent: 4,
    fraction: 3,
    bias: 8,
    largest: 240,
    infinite: false,
    nan: null,
  },
  float8e5m2: { exponent: 5, fraction: 2, bias: 15, largest: 57344, infinite: true, nan: 0x7d },
  float8e5m2fnuz: {
    exponent: 5,
    fraction: 2,
    bias: 16,
    largest: 57344,
    infinite: false,
    nan: null,
  },
  float4e2m1: { exponent: 2, fraction: 1, bias: 1, largest: 6, infinite: false, nan: -1 },
};

/** How the bits of an element type are shared out; null for types that are no small floats with a sign. */
export function smallFormat(type: string): SmallFormat | null {
  return Object.hasOwn(formats, type) ? formats[type as keyof typeof formats] : null;
}

/** The number that some bits of a type mean. */
export function smallToNumber(type: SmallFloat, bits: number): number {
  // Powers of two alone, without a sign.
  if (type === "float8e8m0") return bits === 255 ? NaN : 2 ** (bits - 127);
  const { exponent, fraction, bias, infinite, nan } = formats[type];
  const sign = bits >> (exponent + fraction);
  const size = bits & (2 ** (exponent + fraction) - 1);
  if (nan === null ? sign === 1 && size === 0 : nan >= 0 && size >= nan) return NaN;
  const power = size >> fraction;
  const part = (size & (2 ** fraction - 1)) / 2 ** fraction;
  if (infinite && power === 2 ** exponent - 1) return sign === 1 ? -Infinity : Infinity;
  const value = power === 0 ? part * 2 ** (1 - bias) : (1 + part) * 2 ** (power - bias);
  return sign === 1 ? -value : value;
}
