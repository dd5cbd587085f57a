/**
 * Errors of networks.
 *
 * @module
 */

import { TangentsError } from "../base/errors.ts";

/** A dictionary of tensors does not fit a module: what is missing, unknown or of another shape is listed, all at once. */
export class StateDictError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "StateDictError";
  /** Names that the module has and the dictionary lacks. */
  readonly missing: readonly string[];
  /** Names that the dictionary has and the module lacks. */
  readonly unexpected: readonly string[];
  /** Names whose tensor has another shape than the module's. */
  readonly mismatched: readonly string[];

  /** @internal */
  constructor(
    message: string,
    missing: readonly string[],
    unexpected: readonly string[],
    mismatched: readonly string[],
  ) {
    super(message);
    this.missing = missing;
    this.unexpected = unexpected;
    this.mismatched = mismatched;
  }
}
