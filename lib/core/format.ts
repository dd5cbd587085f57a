/**
 * Tensors as nested arrays and as text.
 *
 * @module
 */

import { type DType, isFloat, type TypedArray } from "../base/dtype.ts";
import { formatShape, type Shape, sizeOf } from "../base/shape.ts";
import { tryReadTensorSync } from "./realize.ts";
import type { Tensor } from "./tensor.ts";

/** Elements as nested arrays: numbers, or booleans for bool; a single value for a scalar. */
export type NestedArray = number | boolean | NestedArray[];

/** Row-major elements as nested arrays. */
export function nest(data: TypedArray, shape: Shape, dtype: DType): NestedArray {
  const value = (i: number): number | boolean => dtype === "bool" ? data[i] !== 0 : data[i];
  const build = (depth: number, offset: number): NestedArray => {
    if (depth === shape.length) return value(offset);
    const stride = sizeOf(shape.slice(depth + 1));
    return Array.from({ length: shape[depth] }, (_, i) => build(depth + 1, offset + i * stride));
  };
  return build(0, 0);
}

/** How many entries of a longer axis are shown at each end. */
const edge = 3;
/** Tensors of at most this many elements are shown whole. */
const whole = 100;

/** Indices of an axis that are shown; null stands for the ones left out. */
function shown(size: number, abbreviate: boolean): (number | null)[] {
  if (!abbreviate || size <= 2 * edge + 1) return Array.from({ length: size }, (_, i) => i);
  return [0, 1, 2, null, size - 3, size - 2, size - 1];
}

function formatElement(value: number, dtype: DType): string {
  if (dtype === "bool") return value === 0 ? "false" : "true";
  if (!isFloat(dtype)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e7) {
    return `${Object.is(value, -0) ? "-0" : value}.`;
  }
  const digits = dtype === "float64" ? 8 : 5;
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return String(value);
  // Digits before the point that are not shown would look like zeros.
  return size >= 1e-4 && size < 10 ** Math.min(digits, 6)
    ? String(Number(value.toPrecision(digits)))
    : value
      .toExponential(digits - 1);
}

function formatValues(data: TypedArray, shape: Shape, dtype: DType): string {
  const abbreviate = data.length > whole;
  const cells = new Map<number, string>();
  const collect = (depth: number, offset: number): void => {
    if (depth === shape.length) {
      cells.set(offset, formatElement(data[offset], dtype));
      return;
    }
    const stride = sizeOf(shape.slice(depth + 1));
    for (const i of shown(shape[depth], abbreviate)) {
      if (i !== null) collect(depth + 1, offset + i * stride);
    }
  };
  collect(0, 0);
  const width = Math.max(0, ...[...cells.values()].map((text) => text.length));
  const build = (depth: number, offset: number): string => {
    if (depth === shape.length) return cells.get(offset)!.padStart(shape.length === 0 ? 0 : width);
    const stride = sizeOf(shape.slice(depth + 1));
    const parts = shown(shape[depth], abbreviate)
      .map((i) => i === null ? "…" : build(depth + 1, offset + i * stride));
    const last = depth === shape.length - 1;
    const gap = "\n".repeat(Math.max(1, shape.length - 1 - depth)) + " ".repeat(depth + 1);
    return `[${parts.join(last ? ", " : `,${gap}`)}]`;
  };
  return build(0, 0);
}

/** Dtype, shape and values: `Tensor float32 [2] [1., 2.]`. Values that cannot be computed now are said to be missing. */
export function formatTensor(x: Tensor): string {
  const head = `Tensor ${x.dtype} ${formatShape(x.shape)}`;
  const data = tryReadTensorSync(x);
  if (typeof data === "string") return `${head} (${data})`;
  const values = formatValues(data, x.shape, x.dtype);
  return `${head}${values.includes("\n") ? "\n" : " "}${values}`;
}
