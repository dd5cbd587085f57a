/**
 * The error of this folder.
 *
 * @module
 */

import { TangentsError } from "../base/errors.ts";

/** Where in the file something is wrong, and what caused it. */
export interface OnnxErrorOptions extends ErrorOptions {
  /** The byte of the file where the message begins that is wrong. */
  readonly offset?: number;
}

/**
 * An ONNX file is malformed, contradicts itself, or asks for what is not supported. The message names the node, tensor or
 * value, and the place in the file where that is known.
 *
 * @example
 * ```ts
 * import { loadOnnx, OnnxError } from "@tangents/ntk/onnx";
 * import { assertRejects } from "@std/assert";
 * await assertRejects(() => loadOnnx(new Uint8Array([1, 2, 3])), OnnxError, "at byte");
 * ```
 */
export class OnnxError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "OnnxError";
  /** The byte of the file where the message begins that is wrong; null where there is no such place. */
  readonly offset: number | null;

  /** An error with this message, which is followed by the place in the file. */
  constructor(message: string, options: OnnxErrorOptions = {}) {
    const { offset } = options;
    super(offset === undefined ? message : `${message} (at byte ${offset} of the file)`, options);
    this.offset = offset ?? null;
  }
}
