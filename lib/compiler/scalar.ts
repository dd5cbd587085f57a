/**
 * Elementwise primitives on single numbers, for folding constants.
 *
 * @module
 */

import { castScalar, type DType, isFloat } from "../base/dtype.ts";
import type { PrimitiveName } from "../base/primitives.ts";

const unary: { readonly [P in PrimitiveName]?: (x: number) => number } = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

const binary: { readonly [P in PrimitiveName]?: (a: number, b: number) => number } = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
};

const comparison: { readonly [P in PrimitiveName]?: (a: number, b: number) => boolean } = {
  equal: (a, b) => a === b,
  less: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
};

/** The primitive's value on constants of the dtype, or null where it is left to the backend. */
export function foldScalar(
  primitive: PrimitiveName,
  args: readonly number[],
  dtype: DType,
): number | null {
  if (primitive in comparison) return Number(comparison[primitive]!(args[0], args[1]));
  if (dtype === "bool") return null;
  const f = args.length === 1 ? unary[primitive] : binary[primitive];
  if (f === undefined) return null;
  const value = (f as (...args: number[]) => number)(...args);
  if (isFloat(dtype)) return castScalar(value, dtype);
  // Integers wrap: fold only what does not.
  return Number.isSafeInteger(value) && castScalar(value, dtype) === value ? value : null;
}
