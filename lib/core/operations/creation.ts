/**
 * Making tensors.
 *
 * @module
 */

import {
  allocate,
  checkDType,
  checkScalar,
  type DType,
  dtypeOf,
  type TypedArray,
} from "../../base/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../base/errors.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { Tensor } from "../tensor.ts";

/** Numbers or booleans, nested as the axes are. */
export type NestedNumbers = number | boolean | readonly NestedNumbers[];

/** Options of the functions that make tensors. */
export interface CreationOptions {
  /** Type of the elements. */
  dtype?: DType;
}

/** Options of `tensor`. */
export interface TensorOptions extends CreationOptions {
  /** Shape of a flat list of elements. */
  shape?: Shape;
}

/** A tensor that holds the elements; they are not copied. */
export function fromHost(data: TypedArray, shape: Shape, dtype: DType): Tensor {
  return new Tensor([...shape], dtype, null, data);
}

function shapeOfNested(data: NestedNumbers): number[] {
  const shape: number[] = [];
  for (let level = data; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  return shape;
}

function flattenNested(
  data: NestedNumbers,
  shape: Shape,
  depth: number,
  out: (number | boolean)[],
): void {
  if (depth === shape.length) {
    if (typeof data === "number" || typeof data === "boolean") {
      out.push(data);
      return;
    }
    throw new ArgumentError(
      Array.isArray(data)
        ? `tensor: the arrays are nested unevenly below depth ${depth}`
        : `tensor: expected numbers or booleans, got ${data === null ? "null" : typeof data}`,
    );
  }
  if (!Array.isArray(data) || data.length !== shape[depth]) {
    throw new ShapeError(
      `tensor: the arrays do not form a box: at depth ${depth} expected ${
        shape[depth]
      } entries, got ${Array.isArray(data) ? data.length : String(data)}`,
    );
  }
  for (const entry of data) flattenNested(entry, shape, depth + 1, out);
}

/**
 * A tensor from a number, nested arrays, or a typed array, which are copied.
 *
 * Numbers become float32 by default and booleans bool; a typed array keeps its type (`Uint8Array` holds bool: give
 * another dtype to read it as numbers). `shape` folds a flat list. Throws a `ShapeError` for uneven nesting or a shape of
 * another size, a `DTypeError` for an unknown dtype, an `ArgumentError` for anything that is not a number or a boolean.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * const a = tensor([[1, 2], [3, 4]]);
 * const b = tensor(new Float64Array(6), { shape: [2, 3] });
 * console.log(a.dtype, a.shape, b.dtype, b.shape); // float32 [2, 2] float64 [2, 3]
 * ```
 */
export function tensor(data: NestedNumbers | TypedArray, options: TensorOptions = {}): Tensor {
  if (options.dtype !== undefined) checkDType(options.dtype, "tensor");
  if (ArrayBuffer.isView(data)) return fromTypedArray(data, options);
  const nested = data as NestedNumbers;
  const own = shapeOfNested(nested);
  const values: (number | boolean)[] = [];
  flattenNested(nested, own, 0, values);
  const shape = options.shape ?? own;
  checkElements(values.length, shape);
  const boolean = values.length > 0 && values.every((v) => typeof v === "boolean");
  const dtype = options.dtype ?? (boolean ? "bool" : "float32");
  const elements = allocate(dtype, values.length);
  for (let i = 0; i < values.length; i++) {
    elements[i] = checkScalar(Number(values[i]), dtype, "tensor");
  }
  return fromHost(elements, shape, dtype);
}

function checkElements(count: number, shape: Shape): void {
  checkShape(shape, "tensor: shape");
  if (sizeOf(shape) !== count) {
    throw new ShapeError(
      `tensor: ${count} elements do not fill shape ${formatShape(shape)} of ${sizeOf(shape)}`,
    );
  }
}

function fromTypedArray(data: TypedArray, options: TensorOptions): Tensor {
  const shape = options.shape ?? [data.length];
  checkElements(data.length, shape);
  const own = dtypeOf(data);
  const dtype = options.dtype ?? own;
  if (dtype === null) {
    throw new DTypeError(
      `tensor: ${
        (data as object).constructor.name
      } has no dtype here; give one with { dtype }, or convert it`,
    );
  }
  if (dtype === own && dtype !== "bool") return fromHost(data.slice(), shape, dtype);
  const elements = allocate(dtype, data.length);
  for (let i = 0; i < data.length; i++) elements[i] = checkScalar(Number(data[i]), dtype, "tensor");
  return fromHost(elements, shape, dtype);
}

/**
 * Every element is the value. float32 by default; bool for a boolean.
 *
 * @example
 * ```ts
 * import { full } from "@tangents/ntk";
 * console.log(await full([2], 7).toArray()); // [7, 7]
 * ```
 */
export function full(
  shape: Shape,
  value: number | boolean,
  options: CreationOptions = {},
): Tensor {
  const dtype = options.dtype ?? (typeof value === "boolean" ? "bool" : "float32");
  checkShape(shape, "full");
  checkDType(dtype, "full");
  if (typeof value !== "number" && typeof value !== "boolean") {
    throw new ArgumentError(`full: expected a number, got ${String(value)}`);
  }
  return apply("full", {
    shape: [...shape],
    dtype,
    value: checkScalar(Number(value), dtype, "full"),
  });
}

/** Zeros of a shape; float32 by default. */
export function zeros(shape: Shape, options: CreationOptions = {}): Tensor {
  return full(shape, 0, options);
}

/** Ones of a shape; float32 by default. */
export function ones(shape: Shape, options: CreationOptions = {}): Tensor {
  return full(shape, 1, options);
}

/** Zeros of a tensor's shape and dtype. */
export function zerosLike(x: Tensor): Tensor {
  return full(x.shape, 0, { dtype: x.dtype });
}

/** Ones of a tensor's shape and dtype. */
export function onesLike(x: Tensor): Tensor {
  return full(x.shape, 1, { dtype: x.dtype });
}

/**
 * Numbers from start (0 by default) up to, not including, stop, in steps of 1 or `step`. int32 where all are integers,
 * float32 otherwise. Throws an `ArgumentError` for a step of 0 or numbers that are not finite.
 *
 * @example
 * ```ts
 * import { arange } from "@tangents/ntk";
 * console.log(await arange(3).toArray(), await arange(1, 2, 0.5).toArray()); // [0, 1, 2] [1, 1.5]
 * ```
 */
export function arange(
  start: number,
  stop?: number,
  step: number = 1,
  options: CreationOptions = {},
): Tensor {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  if (![from, to, step].every(Number.isFinite) || step === 0) {
    throw new ArgumentError(
      `arange: expected finite numbers and a step that is not 0, got ${from}, ${to}, ${step}`,
    );
  }
  const integers = [from, to, step].every(Number.isInteger);
  const dtype = options.dtype ?? (integers ? "int32" : "float32");
  const count = Math.max(0, Math.ceil((to - from) / step));
  return ramp(count, from, step, checkDType(dtype, "arange"));
}

/** from + i·step for each i, by the host in float64: exact to the last digit in every dtype. */
function ramp(count: number, from: number, step: number, dtype: DType): Tensor {
  if (from === 0 && step === 1 && dtype !== "bool") {
    return apply("iota", { shape: [count], dtype, axis: 0 });
  }
  const elements = allocate(dtype, count);
  for (let i = 0; i < count; i++) elements[i] = checkScalar(from + i * step, dtype, "arange");
  return fromHost(elements, [count], dtype);
}

/**
 * `count` numbers from start to stop, both included, at equal distances; float32 by default.
 *
 * @example
 * ```ts
 * import { linspace } from "@tangents/ntk";
 * console.log(await linspace(0, 1, 5).toArray()); // [0, 0.25, 0.5, 0.75, 1]
 * ```
 */
export function linspace(
  start: number,
  stop: number,
  count: number,
  options: CreationOptions = {},
): Tensor {
  if (!Number.isFinite(start) || !Number.isFinite(stop)) {
    throw new ArgumentError(`linspace: expected finite ends, got ${start} and ${stop}`);
  }
  if (!Number.isInteger(count) || count < 0) {
    throw new ArgumentError(`linspace: expected a count that is an integer ≥ 0, got ${count}`);
  }
  const dtype = checkDType(options.dtype ?? "float32", "linspace");
  const elements = allocate(dtype, count);
  for (let i = 0; i < count; i++) {
    const fraction = count === 1 ? 0 : i / (count - 1);
    // Counting from the nearer end makes the ends exact.
    const value = fraction < 0.5
      ? start + fraction * (stop - start)
      : stop - (1 - fraction) * (stop - start);
    elements[i] = checkScalar(value, dtype, "linspace");
  }
  return fromHost(elements, [count], dtype);
}

/**
 * The identity matrix of n rows and m columns (n by default); float32 by default.
 *
 * It is a comparison of index ramps, not data: products with it are recognized and never multiplied out.
 *
 * @example
 * ```ts
 * import { eye } from "@tangents/ntk";
 * console.log(await eye(2).toArray()); // [[1, 0], [0, 1]]
 * ```
 */
export function eye(n: number, m: number = n, options: CreationOptions = {}): Tensor {
  checkShape([n, m], "eye");
  const dtype = checkDType(options.dtype ?? "float32", "eye");
  const rows = apply("iota", { shape: [n, m], dtype: "int32", axis: 0 });
  const columns = apply("iota", { shape: [n, m], dtype: "int32", axis: 1 });
  const mask = apply("equal", {}, rows, columns);
  return dtype === "bool" ? mask : apply("cast", { dtype }, mask);
}
