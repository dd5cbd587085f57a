/**
 * The element types of ONNX, and what stands for them here.
 *
 * @module
 */

import { allocate, type DType, type TypedArray } from "../base/dtype.ts";
import type { SmallFloat } from "./small_floats.ts";

/** An element type of ONNX that can be read. */
export type ElementType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | SmallFloat
  | "int2"
  | "uint2"
  | "int4"
  | "uint4"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "bool";

/** What real numbers are computed in: as the file says (fewer bits become 32), or all in float64. */
export type Precision = "file" | "float64";

const byCode: readonly (ElementType | string)[] = [
  "undefined",
  "float32",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "string",
  "bool",
  "float16",
  "float64",
  "uint32",
  "uint64",
  "complex64",
  "complex128",
  "bfloat16",
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
  "uint4",
  "int4",
  "float4e2m1",
  "float8e8m0",
  "uint2",
  "int2",
];

const dtypeOfType: Record<ElementType, DType> = {
  float32: "float32",
  float64: "float64",
  float16: "float32",
  bfloat16: "float32",
  float8e4m3fn: "float32",
  float8e4m3fnuz: "float32",
  float8e5m2: "float32",
  float8e5m2fnuz: "float32",
  float8e8m0: "float32",
  float4e2m1: "float32",
  int2: "int32",
  uint2: "int32",
  int4: "int32",
  uint4: "int32",
  int8: "int32",
  uint8: "int32",
  int16: "int32",
  uint16: "int32",
  int32: "int32",
  uint32: "uint32",
  int64: "int32",
  uint64: "uint32",
  bool: "bool",
};

/** The name of an element type's code in a file, whether it can be read or not. */
export function typeName(code: number): string {
  return byCode[code] ?? `type ${code}`;
}

/** The element type of a code in a file; null where it cannot be read. */
export function typeOfCode(code: number): ElementType | null {
  const name = typeName(code);
  return Object.hasOwn(dtypeOfType, name) ? name as ElementType : null;
}

/** Whether the type is of real numbers. */
export function isReal(type: ElementType): boolean {
  return type.startsWith("float") || type === "bfloat16";
}

/** The dtype of the tensors that stand for the type. */
export function dtypeFor(type: ElementType, precision: Precision): DType {
  return isReal(type) && precision === "float64" ? "float64" : dtypeOfType[type];
}

/** A zeroed array for elements of the type as they are stored here: 64-bit integers as float64, exact up to 2⁵³. */
export function allocateFor(type: ElementType, length: number, precision: Precision): TypedArray {
  if (type === "int64" || type === "uint64") return new Float64Array(length);
  return allocate(dtypeFor(type, precision), length);
}
