import { TangentsError } from "../base/errors.ts";

/**
 * A `.npy` file is malformed or holds what cannot be read here, or an array cannot be written as one.
 *
 * ```ts
 * import { NpyError, parseNpy } from "@tangents/ntk/npy";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(() => parseNpy(new Uint8Array(3)), NpyError, "3 bytes");
 * ```
 */
export class NpyError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "NpyError";
}
