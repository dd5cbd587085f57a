/**
 * Values that are known while loading, or as soon as the shapes of the inputs are.
 *
 * @module
 */

import type { DType, TypedArray } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";
import { fromHost } from "../core/operations/creation.ts";
import type { Tensor } from "../core/tensor.ts";
import { OnnxError } from "./error.ts";
import { dtypeFor, type ElementType, type Precision } from "./types.ts";

/** 64-bit integers at the end of their range mean "without limit"; others beyond 32 bits have no place in an int32. */
const unlimited = 2 ** 62;

/** Elements on the host, with the type that the file gives them; a tensor as soon as one is needed. */
export class Constant {
  /** The element type. */
  readonly type: ElementType;
  /** The sizes along the axes. */
  readonly shape: Shape;
  /** The elements; 64-bit integers as float64. */
  readonly data: TypedArray;
  /** What real numbers are computed in. */
  readonly precision: Precision;
  #tensor: Tensor | null = null;
  #onHost: Tensor | null = null;

  /** A constant that holds the elements; they are not copied. */
  constructor(type: ElementType, shape: Shape, data: TypedArray, precision: Precision = "file") {
    this.type = type;
    this.shape = shape;
    this.data = data;
    this.precision = precision;
  }

  /** The dtype of its tensor. */
  get dtype(): DType {
    return dtypeFor(this.type, this.precision);
  }

  /** A tensor for computing while loading: its elements stay on the host. */
  get hostTensor(): Tensor {
    if (this.#onHost === null || this.#onHost.host === null) {
      this.#onHost = fromHost(this.#elements(), this.shape, this.dtype);
    }
    return this.#onHost;
  }

  /** The elements as a tensor. Throws an `OnnxError` where 64-bit integers do not fit into 32 bits. */
  get tensor(): Tensor {
    return this.#tensor ??= fromHost(this.#elements(), this.shape, this.dtype);
  }

  #elements(): TypedArray {
    if (this.type !== "int64" && this.type !== "uint64") return this.data;
    const [low, high] = this.type === "int64" ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
    const result = this.type === "int64"
      ? new Int32Array(this.data.length)
      : new Uint32Array(this.data.length);
    for (let i = 0; i < result.length; i++) {
      const value = this.data[i];
      if ((value < low || value > high) && Math.abs(value) < unlimited) {
        throw new OnnxError(
          `element ${i} of an ${this.type} constant is ${value}; it is computed in 32 bits, from ${low} to ${high}`,
        );
      }
      result[i] = Math.min(Math.max(value, low), high);
    }
    return result;
  }
}

/** Integers as the int64 constant that ONNX makes of shapes and axes. */
export function int64Constant(values: readonly number[], shape: Shape = [values.length]): Constant {
  return new Constant("int64", shape, Float64Array.from(values));
}
