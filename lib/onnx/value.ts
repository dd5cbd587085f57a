/**
 * What flows between nodes: tensors, and constants beside them.
 *
 * @module
 */

import type { DType } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Constant } from "./constant.ts";
import { OnnxError } from "./error.ts";
import type { ElementType } from "./types.ts";

/** A value of the graph. */
export class Value {
  /** The element type by the file, which is finer than the tensor's dtype. */
  readonly type: ElementType;
  /** The elements, where they are known. */
  readonly constant: Constant | null;
  /** The elements of a list of values; null for a tensor. */
  readonly elements: readonly Value[] | null;
  readonly #tensor: Tensor | null;

  private constructor(
    type: ElementType,
    constant: Constant | null,
    tensor: Tensor | null,
    elements: readonly Value[] | null = null,
  ) {
    this.type = type;
    this.constant = constant;
    this.elements = elements;
    this.#tensor = tensor;
  }

  /** A value that is known. */
  static ofConstant(constant: Constant): Value {
    return new Value(constant.type, constant, null);
  }

  /** A tensor, with the element type that the file gives it. */
  static ofTensor(tensor: Tensor, type: ElementType): Value {
    return new Value(type, null, tensor);
  }

  /** A list of values: a sequence of ONNX. */
  static ofSequence(elements: readonly Value[]): Value {
    return new Value(elements[0]?.type ?? "float32", null, null, elements);
  }

  /** Whether the elements are known: those of a tensor, or of all tensors of a list. */
  get known(): boolean {
    return this.constant !== null || (this.elements?.every((value) => value.known) ?? false);
  }

  /** The value as a tensor. Throws an `OnnxError` for a list. */
  get tensor(): Tensor {
    return this.#tensor ?? this.#one.tensor;
  }

  /** The sizes along the axes. Throws an `OnnxError` for a list. */
  get shape(): Shape {
    return this.#tensor?.shape ?? this.#one.shape;
  }

  /** The dtype of the tensor. Throws an `OnnxError` for a list. */
  get dtype(): DType {
    return this.#tensor?.dtype ?? this.#one.dtype;
  }

  get #one(): Constant {
    if (this.constant !== null) return this.constant;
    throw new OnnxError(
      `a sequence of ${this.elements!.length} tensors stands where one is needed`,
    );
  }
}

/** A result of an operator: a tensor whose type follows from the inputs, a constant, or a value with a type of its own. */
export type Result = Tensor | Constant | Value;
