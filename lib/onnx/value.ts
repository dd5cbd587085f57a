/**
 * What flows between nodes: tensors, and constants beside them.
 *
 * @module
 */

import type { DType } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Constant } from "./constant.ts";
import type { ElementType } from "./types.ts";

/** A value of the graph. */
export class Value {
  /** The element type by the file, which is finer than the tensor's dtype. */
  readonly type: ElementType;
  /** The elements, where they are known. */
  readonly constant: Constant | null;
  readonly #tensor: Tensor | null;

  private constructor(type: ElementType, constant: Constant | null, tensor: Tensor | null) {
    this.type = type;
    this.constant = constant;
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

  /** The value as a tensor. */
  get tensor(): Tensor {
    return this.#tensor ?? this.constant!.tensor;
  }

  /** The sizes along the axes. */
  get shape(): Shape {
    return this.constant?.shape ?? this.#tensor!.shape;
  }

  /** The dtype of the tensor. */
  get dtype(): DType {
    return this.constant?.dtype ?? this.#tensor!.dtype;
  }
}

/** A result of an operator: a tensor whose type follows from the inputs, a constant, or a value with a type of its own. */
export type Result = Tensor | Constant | Value;
