/**
 * What a loaded model came from.
 *
 * @module
 */

import type { Shape } from "../base/shape.ts";
import type { OnnxSource, ReadExternal } from "./source.ts";
import type { ElementType } from "./types.ts";

/** Where a model was loaded from, and which of its stored tensors are parameters. */
export interface Origin {
  /** The file. */
  readonly source: OnnxSource;
  /** How files with weights beside it are read, where the caller said so. */
  readonly readExternal: ReadExternal | undefined;
  /** How many bytes the file had. */
  readonly size: number;
  /** The parameters as the file stores them. */
  readonly parameters: ReadonlyMap<string, { readonly type: ElementType; readonly shape: Shape }>;
}

/** The origins of models that are in use. */
export const origins: WeakMap<object, Origin> = new WeakMap();
