/**
 * Element types, their typed arrays, and promotion.
 *
 * @module
 */

import { ArgumentError, DTypeError } from "./errors.ts";

/** The type of a tensor's elements. */
export type DType = "float32" | "float64" | "int32" | "uint32" | "bool";

/** The typed array that holds a tensor's elements outside a backend; `bool` is one byte, 0 or 1. */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

/** All element types, in the order of promotion. */
export const dtypes: readonly DType[] = ["bool", "uint32", "int32", "float32", "float64"];

/** Whether the dtype is a floating point type: only these carry derivatives. */
export function isFloat(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64";
}

/** Whether the dtype is `int32` or `uint32`. */
export function isInteger(dtype: DType): boolean {
  return dtype === "int32" || dtype === "uint32";
}

/** Bytes that one element takes in a typed array. */
export function bytesPerElement(dtype: DType): number {
  return dtype === "float64" ? 8 : dtype === "bool" ? 1 : 4;
}

/**
 * The dtype of an operation on two dtypes: the later of both in the order bool, uint32, int32, float32, float64.
 *
 * Mixing `uint32` and `int32` gives `int32`, as there is no int64; integers with `float32` give `float32`, as in
 * PyTorch.
 */
export function promote(a: DType, b: DType): DType {
  return dtypes.indexOf(a) >= dtypes.indexOf(b) ? a : b;
}

/** A zeroed typed array of the dtype. */
export function allocate(dtype: DType, length: number): TypedArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(length);
    case "float64":
      return new Float64Array(length);
    case "int32":
      return new Int32Array(length);
    case "uint32":
      return new Uint32Array(length);
    case "bool":
      return new Uint8Array(length);
  }
}

/** The dtype whose elements a typed array holds, or null where there is none (64-bit integers, 16-bit, …). */
export function dtypeOf(array: ArrayLike<unknown>): DType | null {
  if (array instanceof Float32Array) return "float32";
  if (array instanceof Float64Array) return "float64";
  if (array instanceof Int32Array) return "int32";
  if (array instanceof Uint32Array) return "uint32";
  if (array instanceof Uint8Array) return "bool";
  return null;
}

/** Throws a `DTypeError` unless the value is the name of a dtype. */
export function checkDType(dtype: unknown, where: string): DType {
  if (dtypes.includes(dtype as DType)) return dtype as DType;
  throw new DTypeError(
    `${where}: dtype ${JSON.stringify(dtype) ?? String(dtype)} is not one of ${dtypes.join(", ")}`,
  );
}

/** The value as the dtype stores it: rounded to float32, wrapped to 32 bits, or made 0 or 1. */
export function castScalar(value: number, dtype: DType): number {
  switch (dtype) {
    case "float32":
      return Math.fround(value);
    case "float64":
      return value;
    case "int32":
      return saturate(value, -2147483648, 2147483647);
    case "uint32":
      return saturate(value, 0, 4294967295);
    case "bool":
      return value === 0 ? 0 : 1;
  }
}

/**
 * The value as the dtype stores it, for values that a user gives: throws an `ArgumentError` for NaN and for numbers that
 * an integer dtype cannot hold, where `castScalar` saturates. Fractions are cut off.
 */
export function checkScalar(value: number, dtype: DType, where: string): number {
  const result = castScalar(value, dtype);
  if (!isInteger(dtype) || Math.abs(value - result) < 1) return result;
  const [low, high] = dtype === "int32" ? [-2147483648, 2147483647] : [0, 4294967295];
  throw new ArgumentError(
    `${where}: ${dtype} holds integers from ${low} to ${high}, got ${value}; take float64, or cast a tensor to saturate`,
  );
}

/** Truncates toward zero and clamps to the range, as WebAssembly's saturating conversions do; NaN gives 0. */
function saturate(value: number, low: number, high: number): number {
  if (Number.isNaN(value)) return 0;
  const truncated = Math.trunc(value);
  return (truncated < low ? low : truncated > high ? high : truncated) + 0;
}

/** Throws an `ArgumentError` unless the value is a finite integer. */
export function checkInteger(value: unknown, where: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw new ArgumentError(`${where}: expected an integer, got ${String(value)}`);
}
