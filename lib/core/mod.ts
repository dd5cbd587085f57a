/**
 * Tensors and the operations on them.
 *
 * @module
 */

export type { DType, TypedArray } from "../base/dtype.ts";
export * from "../base/errors.ts";
export type { Shape } from "../base/shape.ts";
export { fromDeviceBuffer, toDeviceBuffer } from "./device_buffers.ts";
export type { NestedArray } from "./format.ts";
export { type Axes, type ReductionOptions, Tensor, type TensorLike } from "./tensor.ts";
export { treeLeaves, treeMap } from "./tree.ts";
export {
  add,
  atan2,
  cast,
  div,
  floorDivide,
  maximum,
  minimum,
  mul,
  pow,
  remainder,
  sub,
  where,
} from "./operations/arithmetic.ts";
export * from "./operations/activations.ts";
export * from "./operations/adaptive_pooling.ts";
export * from "./operations/attention.ts";
export * from "./operations/comparison.ts";
export * from "./operations/contractions.ts";
export * from "./operations/convolution.ts";
export * from "./operations/einsum.ts";
export {
  arange,
  type CreationOptions,
  eye,
  full,
  linspace,
  type NestedNumbers,
  ones,
  onesLike,
  tensor,
  type TensorOptions,
  zeros,
  zerosLike,
} from "./operations/creation.ts";
export * from "./operations/functions.ts";
export * from "./operations/indexing.ts";
export * from "./operations/losses.ts";
export * from "./operations/normalization.ts";
export * from "./operations/pooling.ts";
export * as random from "./operations/random.ts";
export * from "./operations/reductions.ts";
export * from "./operations/shapes.ts";
export { realize } from "./realize_tree.ts";
