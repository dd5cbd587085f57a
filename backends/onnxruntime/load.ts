/**
 * onnxruntime-web itself: fetched and started when it is asked for, and not before.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";

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

/** The package comes from npm in Deno; elsewhere the bare name is for the page's import map, or the bundler. */
const specifier = "Deno" in globalThis
  ? `npm:onnxruntime-web@${onnxruntimeVersion}`
  : "onnxruntime-web";

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * The package.
 *
 * @throws BackendError when it cannot be loaded.
 */
export async function loadOnnxruntime(): Promise<Ort> {
  // The specifier is computed, so that nobody fetches the package who does not come here.
  const name: string = specifier;
  try {
    return await import(name) as Ort;
  } catch (error) {
    throw new BackendError(
      `onnxruntime: ${name} could not be loaded (${
        messageOf(error)
      }); it is fetched when first asked for, which needs a network, or choose the backend "wasm", which needs none`,
    );
  }
}
