/**
 * The bits of a float32, by arithmetic: no operator of ONNX that is widely there reads them.
 *
 * @module
 */

import { range } from "../../base/shape.ts";
import { isNegative } from "./functions.ts";
import type { GraphWriter } from "./writer.ts";

const int = (value: number, to: GraphWriter): string => to.scalar("int32", value);

/** The bits from one place on, of an int32 that carries bits. */
function highBits(x: string, from: number, to: GraphWriter): string {
  const shift = [to.cast(x, "uint32"), to.scalar("uint32", from)];
  return to.cast(to.op("BitShift", shift, { direction: "RIGHT" }), "int32");
}

/** The float32 that bits mean: every one of them, but any NaN is the same. */
export function bitsToFloat(bits: string, to: GraphWriter): string {
  const exponent = to.op("BitwiseAnd", [highBits(bits, 23, to), int(255, to)]);
  const fraction = to.op("BitwiseAnd", [bits, int(2 ** 23 - 1, to)]);
  const isSmall = to.op("Equal", [exponent, int(0, to)]);
  const leading = to.op("Where", [isSmall, int(0, to), int(2 ** 23, to)]);
  const steps = to.cast(to.op("Add", [fraction, leading]), "float32");
  // What a step is worth for each exponent; products with it are exact.
  const worth = range(256).map((e) => e === 255 ? Infinity : 2 ** (Math.max(e, 1) - 150));
  const size = to.op("Mul", [steps, to.op("Gather", [to.constant("float32", worth), exponent])]);
  const signed = to.op("Where", [
    to.op("Less", [bits, int(0, to)]),
    to.op("Neg", [size]),
    size,
  ]);
  const isNaN = to.op("And", [
    to.op("Equal", [exponent, int(255, to)]),
    to.op("Not", [to.op("Equal", [fraction, int(0, to)])]),
  ]);
  return to.op("Where", [isNaN, to.scalar("float32", NaN), signed]);
}

/** The bits of a float32, as an int32; NaN is 0x7fc00000. */
export function floatToBits(x: string, to: GraphWriter): string {
  const double = (value: number): string => to.scalar("float64", value);
  const isNaN = to.op("IsNaN", [x]);
  const size = to.op("Abs", [to.cast(x, "float64")]);
  const isInfinite = to.op("Equal", [size, double(Infinity)]);
  const isSmall = to.op("Less", [size, double(2 ** -126)]);
  const usual = to.op("Not", [to.op("Or", [isNaN, to.op("Or", [isInfinite, isSmall])])]);
  const normal = to.op("Where", [usual, size, double(1)]);
  // The logarithm finds the exponent or misses it by one, near powers of two.
  const guess = to.op("Floor", [to.op("Mul", [to.op("Log", [normal]), double(Math.LOG2E)])]);
  const powers = to.constant("float64", range(260).map((i) => 2 ** (i - 129)));
  const power = (exponent: string): string =>
    to.op("Gather", [powers, to.cast(to.op("Add", [exponent, double(129)]), "int32")]);
  const over = to.cast(to.op("Less", [normal, power(guess)]), "float64");
  const next = to.op("Add", [guess, double(1)]);
  const under = to.cast(to.op("LessOrEqual", [power(next), normal]), "float64");
  const exponent = to.op("Add", [to.op("Sub", [guess, over]), under]);
  // Between 2²³ and 2²⁴, with the leading bit, which adds to the exponent's field.
  const steps = to.op("Mul", [to.op("Div", [normal, power(exponent)]), double(2 ** 23)]);
  const field = to.op("Mul", [to.op("Add", [exponent, double(126)]), double(2 ** 23)]);
  const usualBits = to.op("Add", [steps, field]);
  const smallBits = to.op("Mul", [to.op("Where", [isSmall, size, double(0)]), double(2 ** 149)]);
  const finite = to.op("Where", [usual, usualBits, smallBits]);
  const infinite = to.op("Where", [isInfinite, double(0x7f800000), finite]);
  const bits = to.cast(to.op("Where", [isNaN, double(0x7fc00000), infinite]), "int32");
  const sign = to.op("Where", [isNegative(x, "float32", to), int(-(2 ** 31), to), int(0, to)]);
  return to.op("BitwiseOr", [bits, to.op("Where", [isNaN, int(0, to), sign])]);
}
