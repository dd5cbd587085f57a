/**
 * Values of other types, and values as they are.
 *
 * @module
 */

import { isFloat, isInteger } from "../../base/dtype.ts";
import { apply } from "../../core/apply.ts";
import { fullLike } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { integer, required, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import type { ElementType } from "../types.ts";
import type { Value } from "../value.ts";

const narrow: Partial<Record<ElementType, number>> = {
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

/** A value in another element type. 16-bit floats keep the precision of float32. */
export function castTo(context: OperatorContext, x: Tensor, type: ElementType): Value {
  const dtype = context.dtypeFor(type);
  // Real numbers beyond four bits are moved to their ends.
  if (isFloat(x.dtype) && bitsOf(type) === 4) {
    return context.typed(x.clip(limitOf(type, false), limitOf(type, true)).to(dtype), type);
  }
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
    run: (c, { to }) => castTo(c, c.tensor(0), c.typeOfCode(to)),
  }),
  operator({
    name: "CastLike",
    since: [15, 19, 21, 23, 24, 25],
    inputs: 2,
    attributes: { saturate: integer(1), round_mode: text("up") },
    passes: [0],
    run: (c) => castTo(c, c.tensor(0), c.type(1)),
  }),
  operator({
    name: "Identity",
    since: [1, 13, 14, 16, 19, 21, 23, 24, 25],
    inputs: 1,
    passes: [0],
    run: (c) => c.value(0),
  }),
];
