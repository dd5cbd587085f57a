/**
 * Networks from ONNX files, as functions of their weights.
 *
 * ```ts
 * import { loadOnnx } from "@tangents/ntk/onnx";
 *
 * const url = new URL("../../tests/golden/digits-cnn/model.onnx", import.meta.url);
 * const { params, inputs } = await loadOnnx(url);
 * console.log(Object.keys(params).length, inputs[0].shape); // 13 [1, 8, 8]
 * ```
 *
 * @module
 */

export { TangentsError } from "../base/errors.ts";
export type { Shape } from "../base/shape.ts";
export type { Tensor } from "../core/tensor.ts";
export { OnnxError, type OnnxErrorOptions } from "./error.ts";
export type { ExampleAxis, OnnxSize } from "./examples.ts";
export {
  loadOnnx,
  type OnnxModel,
  type OnnxOptions,
  type OnnxStoredTensor,
  type OnnxValueInfo,
} from "./load.ts";
export type { OnnxParameterChoice } from "./parameters.ts";
export { saveOnnx, type SaveOnnxOptions } from "./save.ts";
export type { OnnxSource, ReadExternal } from "./source.ts";
export { toOnnx, type ToOnnxOptions } from "./to_onnx.ts";
export type { SmallFloat } from "./small_floats.ts";
export type { ElementType } from "./types.ts";
