/**
 * How elements are stored where kernels run.
 *
 * In WebAssembly integers are int32 (uint32 by their bits) and bools are bytes. The WebGPU kernels are written for floats: they take
 * integers through them, or do not compile for them at all. There everything is stored as float32, which holds integers
 * up to 2²⁴, and what may be larger stays on the host (`placement.ts`).
 *
 * @module
 */

import type { DType, TypedArray } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { TfjsArray, TfjsDType, TfjsKind } from "./load.ts";

/** The error for what TensorFlow.js has no type for. */
export function noFloat64(): BackendError {
  return new BackendError(
    'tfjs: TensorFlow.js has no float64; cast to float32, or compute on the backend "wasm" or "reference"',
  );
}

/** The type that holds our elements. */
export function storageType(dtype: DType, kind: TfjsKind): TfjsDType {
  if (dtype === "float64") throw noFloat64();
  if (kind === "webgpu" || dtype === "float32") return "float32";
  return dtype === "bool" ? "bool" : "int32";
}

/** Host elements as they are stored; the same memory where it can be. */
export function toStorage(data: TypedArray, kind: TfjsKind): TfjsArray {
  if (data instanceof Float64Array) throw noFloat64();
  if (kind === "webgpu") return data instanceof Float32Array ? data : Float32Array.from(data);
  if (data instanceof Uint32Array) return new Int32Array(data.buffer, data.byteOffset, data.length);
  return data;
}

/** Stored elements as the dtype has them; the same memory where it can be. */
export function fromStorage(data: TfjsArray, dtype: DType, kind: TfjsKind): TypedArray {
  if (dtype === "uint32" && kind === "wasm") {
    return new Uint32Array(data.buffer, data.byteOffset, data.length);
  }
  if (kind === "wasm" || dtype === "float32") return data;
  if (dtype === "bool") return Uint8Array.from(data);
  return dtype === "int32" ? Int32Array.from(data) : Uint32Array.from(data);
}

/** Bytes of one stored element. */
export function storedBytes(dtype: TfjsDType): number {
  return dtype === "bool" ? 1 : 4;
}
