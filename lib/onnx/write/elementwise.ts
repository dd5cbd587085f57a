/**
 * Elementwise primitives, as nodes. Operands that repeat along axes stay as they are: operators of ONNX broadcast.
 *
 * @module
 */

import { castScalar, type DType, isFloat } from "../../base/dtype.ts";
import type { BinaryName, CompareName, ElementwiseName, UnaryName } from "../../base/primitives.ts";
import type { ProgramNode } from "../../compiler/program.ts";
import { bitsToFloat, floatToBits } from "./bits.ts";
import { atan2, expm1, log1p, sigmoid } from "./functions.ts";
import type { WriteRule, WriteRules } from "./rule.ts";
import { carrierOf, type GraphWriter, type Value } from "./writer.ts";

/** The bit that says whether an int32 is negative. */
const highest = -(2 ** 31);

/** Integers of 32 bits without sign, in the order of those with sign; and back. */
export function inOrder(name: string, dtype: DType, to: GraphWriter): string {
  return dtype === "uint32" ? to.op("BitwiseXor", [name, to.scalar("int32", highest)]) : name;
}

/** Names of the operands, and what is needed to write on them. */
interface Call {
  readonly to: GraphWriter;
  /** The dtype of the operands. */
  readonly dtype: DType;
  readonly node: ProgramNode;
}

/** A rule from a function of names; sizes of 1 where elements repeat in all operands. */
function elementwise(
  write: (call: Call, ...names: string[]) => string,
): (node: ProgramNode, inputs: readonly Value[], to: GraphWriter) => Value {
  return (node, inputs, to) => {
    const dtype = inputs[inputs.length - 1].dtype;
    return {
      name: write({ to, dtype, node }, ...inputs.map(({ name }) => name)),
      dtype: node.dtype,
      shape: node.shape,
      stored: node.shape.map((_, axis) => Math.max(...inputs.map(({ stored }) => stored[axis]))),
    };
  };
}

/** One operator for all dtypes. */
const plain = (operator: string, attributes = {}) =>
  elementwise(({ to }, ...names) => to.op(operator, names, attributes));

/** A choice between two, of any dtype. */
export function choose(
  condition: string,
  yes: string,
  no: string,
  dtype: DType,
  to: GraphWriter,
): string {
  if (dtype !== "bool") return to.op("Where", [condition, yes, no]);
  const [both, neither] = [
    to.op("And", [condition, yes]),
    to.op("And", [to.op("Not", [condition]), no]),
  ];
  return to.op("Or", [both, neither]);
}

const unaryRules: WriteRules<UnaryName> = {
  neg: elementwise(({ to, dtype }, x) =>
    dtype === "uint32" ? to.op("Sub", [to.scalar("int32", 0), x]) : to.op("Neg", [x])
  ),
  abs: elementwise(({ to, dtype }, x) => dtype === "uint32" ? x : to.op("Abs", [x])),
  sign: elementwise(({ to, dtype }, x) => {
    if (dtype === "uint32") {
      return to.cast(to.op("Not", [to.op("Equal", [x, to.scalar("int32", 0)])]), "int32");
    }
    const sign = to.op("Sign", [x]);
    if (!isFloat(dtype)) return sign;
    // NaN, and zeros with their signs, are their own.
    const own = to.op("Or", [
      to.op("IsNaN", [x]),
      to.op("Equal", [x, to.scalar(carrierOf(dtype), 0)]),
    ]);
    return to.op("Where", [own, x, sign]);
  }),
  floor: plain("Floor"),
  ceil: plain("Ceil"),
  round: plain("Round"),
  exp: plain("Exp"),
  expm1: elementwise(({ to, dtype }, x) => expm1(x, carrierOf(dtype), to)),
  log: plain("Log"),
  log1p: elementwise(({ to, dtype }, x) => log1p(x, carrierOf(dtype), to)),
  sqrt: plain("Sqrt"),
  rsqrt: elementwise(({ to }, x) => to.op("Reciprocal", [to.op("Sqrt", [x])])),
  sin: plain("Sin"),
  cos: plain("Cos"),
  atan: plain("Atan"),
  tanh: plain("Tanh"),
  sigmoid: elementwise(({ to, dtype }, x) => sigmoid(x, carrierOf(dtype), to)),
  erf: plain("Erf"),
};

/** The same operator on numbers, another on bool. */
const orLogical = (operator: string, logical: string) =>
  elementwise(({ to, dtype }, a, b) => to.op(dtype === "bool" ? logical : operator, [a, b]));

/** Extremes, in the order of what the bits mean. */
const extreme = (operator: string, logical: string) =>
  elementwise(({ to, dtype }, a, b) => {
    if (dtype === "bool") return to.op(logical, [a, b]);
    const found = to.op(operator, [inOrder(a, dtype, to), inOrder(b, dtype, to)]);
    return inOrder(found, dtype, to);
  });

/** A divisor without zeros, and where those are. */
function divisor(b: string, to: GraphWriter): { safe: string; isZero: string } {
  const isZero = to.op("Equal", [b, to.scalar("int32", 0)]);
  return { isZero, safe: to.op("Where", [isZero, to.scalar("int32", 1), b]) };
}

/** The integers that the bits mean, in float64, which holds all of them. */
function meant(x: string, dtype: DType, to: GraphWriter): string {
  return to.cast(dtype === "uint32" ? to.cast(x, "uint32") : x, "float64");
}

/** The carrier of integers in float64 that are in the dtype's range. */
function carried(x: string, dtype: DType, to: GraphWriter): string {
  return dtype === "uint32" ? to.cast(to.cast(x, "uint32"), "int32") : to.cast(x, "int32");
}

/** a / b in float64, cut off: exact, as quotients of 32 bits are further from integers than it rounds. */
function quotient(a: string, b: string, dtype: DType, to: GraphWriter): string {
  const { safe, isZero } = divisor(b, to);
  const ratio = to.op("Div", [meant(a, dtype, to), meant(safe, dtype, to)]);
  if (dtype === "uint32") {
    return to.op("Where", [
      isZero,
      to.scalar("int32", 0),
      carried(to.op("Floor", [ratio]), dtype, to),
    ]);
  }
  const cut = to.op("Mul", [to.op("Sign", [ratio]), to.op("Floor", [to.op("Abs", [ratio])])]);
  // −2³¹ / −1 wraps.
  const inRange = to.op("Where", [
    to.op("Equal", [cut, to.scalar("float64", 2 ** 31)]),
    to.scalar("float64", highest),
    cut,
  ]);
  return to.op("Where", [isZero, to.scalar("int32", 0), carried(inRange, dtype, to)]);
}

const remainder = elementwise(({ to, dtype }, a, b) => {
  if (isFloat(dtype)) return to.op("Mod", [a, b], { fmod: 1 });
  const { safe, isZero } = divisor(b, to);
  const back = to.op("Mul", [quotient(a, b, dtype, to), safe]);
  return to.op("Where", [isZero, to.scalar("int32", 0), to.op("Sub", [a, back])]);
});

/** The count of a shift, without sign. */
function shiftCount(count: string, to: GraphWriter): string {
  return to.cast(to.op("BitwiseAnd", [count, to.scalar("int32", 31)]), "uint32");
}

const shiftLeft = elementwise(({ to }, x, count) => {
  const bits = [to.cast(x, "uint32"), shiftCount(count, to)];
  return to.cast(to.op("BitShift", bits, { direction: "LEFT" }), "int32");
});

const shiftRight = elementwise(({ to, dtype }, x, count) => {
  // A negative number is shifted as the other bits, which are 0 at the top.
  const mask = dtype === "uint32" ? null : to.op("Where", [
    to.op("Less", [x, to.scalar("int32", 0)]),
    to.scalar("int32", -1),
    to.scalar("int32", 0),
  ]);
  const turned = mask === null ? x : to.op("BitwiseXor", [x, mask]);
  const bits = [to.cast(turned, "uint32"), shiftCount(count, to)];
  const shifted = to.cast(to.op("BitShift", bits, { direction: "RIGHT" }), "int32");
  return mask === null ? shifted : to.op("BitwiseXor", [shifted, mask]);
});

const binaryRules: WriteRules<BinaryName> = {
  add: orLogical("Add", "Or"),
  sub: plain("Sub"),
  mul: orLogical("Mul", "And"),
  div: plain("Div"),
  quotient: elementwise(({ to, dtype }, a, b) => quotient(a, b, dtype, to)),
  remainder,
  pow: plain("Pow"),
  atan2: elementwise(({ to, dtype }, y, x) => atan2(y, x, carrierOf(dtype), to)),
  maximum: extreme("Max", "Or"),
  minimum: extreme("Min", "And"),
  bitAnd: orLogical("BitwiseAnd", "And"),
  bitOr: orLogical("BitwiseOr", "Or"),
  bitXor: orLogical("BitwiseXor", "Xor"),
  shiftLeft,
  shiftRight,
};

/** A comparison by order; false is before true. */
const ordered = (operator: string, logical: string) =>
  elementwise(({ to, dtype }, a, b) =>
    dtype === "bool"
      ? to.op(logical, [to.op("Not", [a]), b])
      : to.op(operator, [inOrder(a, dtype, to), inOrder(b, dtype, to)])
  );

const compareRules: WriteRules<CompareName> = {
  equal: plain("Equal"),
  less: ordered("Less", "And"),
  lessEqual: ordered("LessOrEqual", "Or"),
};

/** A float cut off toward zero and held within the range; NaN gives 0. */
function toInteger(x: string, from: DType, dtype: DType, to: GraphWriter): string {
  const type = carrierOf(from);
  const [low, high] = dtype === "int32" ? [highest, 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  const number = to.op("Where", [to.op("IsNaN", [x]), to.scalar(type, 0), x]);
  // In float64 both ends are exact.
  const double = from === "float64" ? number : to.cast(number, "float64");
  const bounds = [to.scalar("float64", low), to.scalar("float64", high)];
  return carried(to.op("Clip", [double, ...bounds]), dtype, to);
}

const cast: WriteRule<"cast"> = elementwise(({ to, dtype: from, node }, x) => {
  const dtype = node.dtype;
  if (dtype === from) return x;
  if (dtype === "bool") {
    const zero = to.scalar(carrierOf(from), 0);
    return from === "bool" ? x : to.op("Not", [to.op("Equal", [x, zero])]);
  }
  if (isFloat(from) && !isFloat(dtype)) return toInteger(x, from, dtype, to);
  if (from === "uint32" && isFloat(dtype)) return to.cast(to.cast(x, "uint32"), dtype);
  return from === "uint32" || (from === "int32" && dtype === "uint32")
    ? x
    : to.cast(x, carrierOf(dtype));
});

/** Elementwise primitives, and the leaves that need no operand. */
export const elementwiseRules: WriteRules<ElementwiseName> = {
  ...unaryRules,
  ...binaryRules,
  ...compareRules,
  select: elementwise(({ to, dtype }, condition, a, b) => choose(condition, a, b, dtype, to)),
  cast,
  bitcast: elementwise(({ to, dtype, node }, x) => {
    if (dtype === "float32") return node.dtype === "float32" ? x : floatToBits(x, to);
    return node.dtype === "float32" ? bitsToFloat(x, to) : x;
  }),
  full: ({ params: { shape, dtype, value } }, _, to) => {
    const stored = shape.map(() => 1);
    const element = castScalar(value, dtype);
    const bits = dtype === "uint32" ? element | 0 : element;
    return { name: to.constant(carrierOf(dtype), [bits], stored), dtype, shape, stored };
  },
  iota: ({ params: { shape, dtype, axis } }, _, to) => {
    const stored = shape.map((n, i) => i === axis ? n : 1);
    const list = Array.from({ length: shape[axis] }, (_, i) => i);
    return { name: to.constant(carrierOf(dtype), list, stored), dtype, shape, stored };
  },
};
