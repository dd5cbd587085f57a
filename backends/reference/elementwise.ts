/**
 * Elementwise primitives.
 *
 * Functions compute in float64; storing the result in the node's typed array rounds to float32, or wraps to 32 bits.
 *
 * @module
 */

import {
  allocate,
  castScalar,
  type DType,
  dtypes,
  isFloat,
  type TypedArray,
} from "../../lib/base/dtype.ts";
import type {
  BinaryName,
  CompareName,
  ElementwiseName,
  UnaryName,
} from "../../lib/base/primitives.ts";
import { contiguousStrides, sizeOf } from "../../lib/base/shape.ts";
import type { ProgramNode } from "../../lib/compiler/program.ts";
import { erf } from "./erf.ts";
import { offsetsOf } from "./offsets.ts";
import { type Operand, type Rules, unsupported } from "./rule.ts";

const floats: readonly DType[] = ["float32", "float64"];
const integers: readonly DType[] = ["int32", "uint32"];
const numbers: readonly DType[] = [...floats, ...integers];
const bitTypes: readonly DType[] = [...integers, "bool"];

/** A rule that applies a function to each element of operands of the given dtypes. */
function unary(
  f: (x: number) => number,
  allowed: readonly DType[] = floats,
): (node: ProgramNode, inputs: readonly Operand[]) => TypedArray {
  return (node, [x]) => {
    if (!allowed.includes(x.dtype)) throw unsupported(node, x.dtype);
    const out = allocate(node.dtype, x.data.length);
    for (let i = 0; i < out.length; i++) out[i] = f(x.data[i]);
    return out;
  };
}

/** The same for two operands. */
function binary(
  f: (a: number, b: number, dtype: DType) => number,
  allowed: readonly DType[] = dtypes,
): (node: ProgramNode, inputs: readonly Operand[]) => TypedArray {
  return (node, [a, b]) => {
    if (!allowed.includes(a.dtype)) throw unsupported(node, a.dtype);
    const out = allocate(node.dtype, a.data.length);
    for (let i = 0; i < out.length; i++) out[i] = f(a.data[i], b.data[i], a.dtype);
    return out;
  };
}

/** The nearest integer; a tie goes to the even one. */
function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  const distance = x - below; // Exact; NaN for infinities.
  if (!(distance > 0)) return x;
  const up = distance > 0.5 || (distance === 0.5 && below % 2 !== 0);
  const rounded = up ? below + 1 : below;
  return rounded === 0 && x < 0 ? -0 : rounded;
}

/** 1 / (1 + exp(−x)), written so that neither side overflows. */
function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

/** pow of IEEE 754: unlike `Math.pow`, 1 to any power is 1, and −1 to an infinite one too. */
function power(base: number, exponent: number): number {
  if (base === 1) return 1;
  if (base === -1 && Math.abs(exponent) === Infinity) return 1;
  return Math.pow(base, exponent);
}

/** 32-bit integers wrap as they are stored, except that a product has to be exact before. */
function product(a: number, b: number, dtype: DType): number {
  return isFloat(dtype) ? a * b : Math.imul(a, b);
}

const unaryRules: Rules<UnaryName> = {
  neg: unary((x) => -x, numbers),
  abs: unary(Math.abs, numbers),
  sign: unary(Math.sign, numbers),
  floor: unary(Math.floor),
  ceil: unary(Math.ceil),
  round: unary(roundHalfToEven),
  exp: unary(Math.exp),
  expm1: unary(Math.expm1),
  log: unary(Math.log),
  log1p: unary(Math.log1p),
  sqrt: unary(Math.sqrt),
  rsqrt: unary((x) => 1 / Math.sqrt(x)),
  sin: unary(Math.sin),
  cos: unary(Math.cos),
  atan: unary(Math.atan),
  tanh: unary(Math.tanh),
  sigmoid: unary(sigmoid),
  erf: unary(erf),
};

const binaryRules: Rules<BinaryName> = {
  add: binary((a, b, dtype) => dtype === "bool" ? a | b : a + b),
  sub: binary((a, b) => a - b, numbers),
  mul: binary(product),
  div: binary((a, b) => a / b, floats),
  quotient: binary((a, b) => b === 0 ? 0 : Math.trunc(a / b), integers),
  remainder: binary((a, b, dtype) => b === 0 && !isFloat(dtype) ? 0 : a % b, numbers),
  pow: binary(power, floats),
  atan2: binary(Math.atan2, floats),
  maximum: binary((a, b) => Math.max(a, b)),
  minimum: binary((a, b) => Math.min(a, b)),
  bitAnd: binary((a, b) => a & b, bitTypes),
  bitOr: binary((a, b) => a | b, bitTypes),
  bitXor: binary((a, b) => a ^ b, bitTypes),
  shiftLeft: binary((a, b) => a << b, integers),
  shiftRight: binary((a, b, dtype) => dtype === "uint32" ? a >>> b : a >> b, integers),
};

const compareRules: Rules<CompareName> = {
  equal: binary((a, b) => a === b ? 1 : 0),
  less: binary((a, b) => a < b ? 1 : 0),
  lessEqual: binary((a, b) => a <= b ? 1 : 0),
};

/** Elementwise primitives, and the leaves that need no operand. */
export const elementwiseRules: Rules<ElementwiseName> = {
  ...unaryRules,
  ...binaryRules,
  ...compareRules,
  select: (node, [condition, a, b]) => {
    const out = allocate(node.dtype, a.data.length);
    for (let i = 0; i < out.length; i++) out[i] = condition.data[i] !== 0 ? a.data[i] : b.data[i];
    return out;
  },
  cast: ({ params }, [x]) => {
    const out = allocate(params.dtype, x.data.length);
    // Storing wraps integers to the other 32-bit type; only floats saturate.
    const convert = isFloat(x.dtype) || params.dtype === "bool"
      ? (value: number) => castScalar(value, params.dtype)
      : (value: number) => value;
    for (let i = 0; i < out.length; i++) out[i] = convert(x.data[i]);
    return out;
  },
  bitcast: (node, [x]) => {
    if (x.data.BYTES_PER_ELEMENT !== 4) throw unsupported(node, x.dtype);
    const out = allocate(node.params.dtype, x.data.length);
    if (out.BYTES_PER_ELEMENT !== 4) throw unsupported(node, node.params.dtype);
    const bytes = new Uint8Array(x.data.buffer, x.data.byteOffset, x.data.byteLength);
    new Uint8Array(out.buffer).set(bytes);
    return out;
  },
  full: ({ params: { shape, dtype, value } }) =>
    allocate(dtype, sizeOf(shape)).fill(castScalar(value, dtype)),
  iota: (node) => {
    const { shape, dtype, axis } = node.params;
    if (dtype === "bool") throw unsupported(node, dtype);
    const strides = contiguousStrides(shape).map((_, d) => d === axis ? 1 : 0);
    const out = allocate(dtype, sizeOf(shape));
    out.set(offsetsOf(shape, strides));
    return out;
  },
};
