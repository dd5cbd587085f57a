/**
 * Values of a program's nodes.
 *
 * @module
 */

import type { DType, TypedArray } from "../../lib/base/dtype.ts";
import type { Shape } from "../../lib/base/shape.ts";
import type { TensorInfo } from "./load.ts";

/**
 * The value of a node: on the device, on the host, or both.
 *
 * What is stored may be smaller than the value: along axes where `stored` is 1 and `shape` is more, elements repeat. Kernels
 * that compute element by element read it so; for others it is spelled out.
 */
export interface Value {
  /** Sizes along the axes. */
  readonly shape: Shape;
  /** Type of the elements. */
  readonly dtype: DType;
  /** The shape of what is stored. */
  readonly stored: Shape;
  /** The elements where kernels run, of shape `stored`; null while they are on the host alone. */
  tensor: TensorInfo | null;
  /** The elements on the host, in the order of `stored`; null where they are on the device alone. */
  readonly host: TypedArray | null;
  /** No integer's magnitude is larger, where that is known. */
  bound?: number;
  /** The one value of all elements, where it is known. */
  readonly constant?: number;
}
