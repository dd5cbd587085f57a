/**
 * onnxruntime-web itself: fetched and started when it is asked for, and not before.
 *
 * @module
 */

import { importPackage } from "../npm_package.ts";

/** The version of `onnxruntime-web`. */
export const onnxruntimeVersion = "1.30.0";

/** Elements as onnxruntime takes and gives them. */
export type OrtArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

/** What is used of a tensor. */
export interface OrtTensor {
  /** The elements. */
  readonly data: OrtArray;
}

/** What is used of a session: a model made ready to run. */
export interface OrtSession {
  /** Runs it on named inputs; gives named outputs. */
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
  /** Frees it. */
  release(): Promise<void>;
}

/** What is used of the package. */
export interface Ort {
  readonly env: {
    readonly wasm: { numThreads?: number };
    logLevel?: string;
  };
  readonly Tensor: new (type: string, data: OrtArray, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<OrtSession>;
  };
}

/**
 * The package.
 *
 * @throws BackendError when it cannot be loaded.
 */
export function loadOnnxruntime(): Promise<Ort> {
  return importPackage("onnxruntime", "onnxruntime-web", onnxruntimeVersion);
}
