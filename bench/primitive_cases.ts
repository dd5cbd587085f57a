/**
 * The primitives that are measured, each here and in its peers' words.
 *
 * @module
 */

import type { OnnxGraph } from "./peers/onnxruntime.ts";
import type { Tfjs, TfTensor } from "./peers/tfjs.ts";
import type { Tensor } from "../mod.ts";
import { convolutionCases } from "./primitive_cases_convolution.ts";
import { elementwiseCases } from "./primitive_cases_elementwise.ts";
import { productCases } from "./primitive_cases_product.ts";

/** A primitive in TensorFlow.js, whose images are [N, height, width, channels]. */
export interface TfjsCase {
  /** The inputs in its layout. */
  readonly prepare?: (tf: Tfjs, inputs: readonly TfTensor[]) => readonly TfTensor[];
  /** What is timed. */
  readonly run: (tf: Tfjs, inputs: readonly TfTensor[]) => TfTensor;
  /** The result in our layout. */
  readonly finish?: (tf: Tfjs, result: TfTensor) => TfTensor;
}

/** A primitive. */
export interface PrimitiveCase {
  readonly name: string;
  readonly group: "matrix products" | "convolutions" | "elementwise, reductions";
  /** Floating point operations, a multiply and an add being two; or bytes that must be read and written. */
  readonly work: { readonly operations: number } | { readonly bytes: number };
  /** Shapes of the inputs, which are filled with normally distributed numbers. */
  readonly inputs: readonly (readonly number[])[];
  readonly tangents: (...inputs: Tensor[]) => Tensor;
  /** Absent where onnxruntime has no such operator. */
  readonly onnx?: OnnxGraph;
  /** Absent where its WebAssembly backend has no such kernel. */
  readonly tfjs?: TfjsCase;
}

/** All of them. */
export const primitiveCases: readonly PrimitiveCase[] = [
  ...productCases,
  ...convolutionCases,
  ...elementwiseCases,
];
