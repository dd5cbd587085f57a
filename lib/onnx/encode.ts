/**
 * Real numbers as the bits that stored tensors hold.
 *
 * @module
 */

import { type SmallFormat, smallFormat } from "./small_floats.ts";
import type { ElementType } from "./types.ts";

const formats: Readonly<Partial<Record<ElementType, SmallFormat>>> = {
  float16: { exponent: 5, fraction: 10, bias: 15, largest: 65504, infinite: true, nan: 0x7e00 },
  bfloat16: {
    exponent: 8,
    fraction: 7,
    bias: 127,
    largest: (2 - 2 ** -7) * 2 ** 127,
    infinite: true,
    nan: 0x7fc0,
  },
};

const word = new DataView(new ArrayBuffer(8));

/** The power of two at or below a number above 0. */
function exponentOf(value: number): number {
  word.setFloat64(0, value);
  return (word.getUint32(0) >>> 20) - 1023;
}

/** The nearest integer; a tie goes to the even one. Exact below 2⁵². */
function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** The bits of the nearest number of a format; null where there is none. */
function toBits(value: number, format: SmallFormat): number | null {
  const { exponent, fraction, bias, largest, infinite, nan } = format;
  const sign = 2 ** (exponent + fraction);
  // One without bits of its own is that of −0.
  if (Number.isNaN(value)) return nan === null ? sign : nan < 0 ? null : nan;
  const size = Math.abs(value);
  const negative = value < 0 || (Object.is(value, -0) && nan !== null) ? sign : 0;
  if (size === Infinity) return infinite ? negative + (2 ** exponent - 1) * 2 ** fraction : null;
  const lowest = 1 - bias;
  const power = size === 0 ? lowest : Math.max(exponentOf(size), lowest);
  const steps = roundToEven(size / 2 ** (power - fraction));
  if (steps * 2 ** (power - fraction) > largest) return null;
  const bits = steps + (power - lowest) * 2 ** fraction;
  // A small number that becomes 0 has no sign where −0 means something else.
  return bits === 0 && nan === null ? 0 : bits + negative;
}

/** Whether elements of the type can be written. */
export function canEncode(type: ElementType): boolean {
  return type === "float32" || type === "float64" || formatOf(type) !== null;
}

function formatOf(type: ElementType): SmallFormat | null {
  return formats[type] ?? smallFormat(type);
}

/** The bits of the nearest number that a type of at most 16 bits holds; null where it is beyond them. */
export function encodeNumber(type: ElementType, value: number): number | null {
  return toBits(value, formatOf(type)!);
}

/** Whether float32 holds the number: only what is finite and rounds to infinity is beyond it. */
export function fitsFloat32(value: number): boolean {
  return !Number.isFinite(value) || Number.isFinite(Math.fround(value));
}
