/**
 * Values of other types, and values as they are.
 *
 * @module
 */

import { isInteger } from "../../base/dtype.ts";
import { apply } from "../../core/apply.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { fullLike } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { integer, required, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { type SmallFormat, smallFormat } from "../small_floats.ts";
import type { ElementType } from "../types.ts";
import type { Value } from "../value.ts";

const narrow: Partial<Record<ElementType, number>> = {
  int2: 2,
  uint2: 2,
  int4: 4,
  uint4: 4,
  int8: 8,
  uint8: 8,
  int16: 16,
  uint16: 16,
};

/** How many bits a type of integers has; those of 64 are computed in 32. */
export function bitsOf(type: ElementType): number {
  return narrow[type] ?? 32;
}

/** The smallest number of a type, or the largest. */
export function limitOf(type: ElementType, largest: boolean): number {
  if (type === "bool") return largest ? 1 : 0;
  if (type.startsWith("u")) return largest ? 2 ** bitsOf(type) - 1 : 0;
  if (!type.startsWith("int")) return largest ? Infinity : -Infinity;
  return largest ? 2 ** (bitsOf(type) - 1) - 1 : -(2 ** (bitsOf(type) - 1));
}

/** The low bits of integers, with the sign of the type: what C's conversion keeps. */
export function wrap(x: Tensor, type: ElementType): Tensor {
  const bits = narrow[type];
  if (bits === undefined) return x;
  if (type.startsWith("u")) return apply("bitAnd", {}, x, fullLike(x, 2 ** bits - 1));
  const shift = fullLike(x, 32 - bits);
  return apply("shiftRight", {}, apply("shiftLeft", {}, x, shift), shift);
}

/** 2 to the power of integers from −126 to 127. */
function powerOfTwo(exponent: Tensor): Tensor {
  const bits = apply("shiftLeft", {}, exponent.add(127), fullLike(exponent, 23));
  return apply("bitcast", { dtype: "float32" }, bits);
}

/**
 * x rounded to the nearest number of a small format, ties to even. Beyond the largest it becomes that if `saturate`, else infinity
 * where there is one, or NaN. Derivatives go through as where nothing is rounded.
 */
export function roundToSmall(x: Tensor, format: SmallFormat, saturate: boolean): Tensor {
  const size = apply("stopGradient", {}, x).abs().to("float32");
  const bits = apply("bitcast", { dtype: "int32" }, size);
  const exponent = apply("shiftRight", {}, bits, fullLike(bits, 23)).sub(127);
  const unit = powerOfTwo(exponent.clip(1 - format.bias, 127).sub(format.fraction));
  const rounded = size.div(unit).round().mul(unit);
  const over = rounded.greater(format.largest);
  const beyond = saturate ? format.largest : format.infinite ? Infinity : NaN;
  const bounded = where(over, fullLike(rounded, beyond), rounded);
  // Without NaN among the numbers, it becomes 0.
  const known = format.nan === -1 ? where(size.isNaN(), fullLike(size, 0), bounded) : bounded;
  const result = known.to(x.dtype);
  const signed = where(x.less(0), result.neg(), result);
  return where(over.logicalOr(x.isNaN()), signed, x.add(signed.sub(apply("stopGradient", {}, x))));
}

/** How a cast treats numbers that the type does not have. */
export interface CastOptions {
  /** Whether small floats stay at their largest number. */
  readonly saturate: boolean;
}

/** A value in another element type. 16-bit floats keep the precision of float32. */
export function castTo(
  context: OperatorContext,
  x: Tensor,
  type: ElementType,
  { saturate }: CastOptions = { saturate: true },
): Value {
  const dtype = context.dtypeFor(type);
  const format = smallFormat(type);
  if (format !== null) {
    // There is no infinity to saturate in four bits.
    const rounded = roundToSmall(x.to(dtype), format, saturate || format.nan === -1);
    return context.typed(rounded, type);
  }
  if (type === "float8e8m0") context.fail("numbers are not rounded to powers of two");
  // Between 32-bit integers the bits stay, as in C.
  const cast = isInteger(x.dtype) && isInteger(dtype) && x.dtype !== dtype
    ? apply("bitcast", { dtype }, x)
    : x.to(dtype);
  return context.typed(wrap(cast, type), type);
}

/** Values of other types, and values as they are. */
export const types: readonly Operator[] = [
  operator({
    name: "Cast",
    since: [6, 9, 13, 19, 21, 23, 24, 25, 28],
    inputs: 1,
    attributes: {
      to: required(integer()),
      saturate: integer(1),
      round_mode: text("up"),
    },
    passes: [0],
    run: (c, { to, saturate }) =>
      castTo(c, c.tensor(0), c.typeOfCode(to), { saturate: saturate !== 0 }),
  }),
  operator({
    name: "CastLike",
    since: [15, 19, 21, 23, 24, 25],
    inputs: 2,
    attributes: { saturate: integer(1), round_mode: text("up") },
    passes: [0],
    run: (c, { saturate }) => castTo(c, c.tensor(0), c.type(1), { saturate: saturate !== 0 }),
  }),
  operator({
    name: "Identity",
    since: [1, 13, 14, 16, 19, 21, 23, 24, 25],
    inputs: 1,
    passes: [0],
    run: (c) => c.value(0),
  }),
];
