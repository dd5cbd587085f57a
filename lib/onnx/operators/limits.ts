/**
 * Bounds on what a file's numbers may ask for, and indices as ONNX counts them.
 *
 * @module
 */

import { formatShape, type Shape, sizeOf } from "../../base/shape.ts";
import { select } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { OperatorContext } from "../operator.ts";

/** No tensor has more elements: a gigabyte of float32. */
const mostElements = 2 ** 28;

/** A shape that a file asks for. Throws an `OnnxError` for one that is none, or of absurd size. */
export function limited(c: OperatorContext, shape: Shape): Shape {
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    c.fail(`${formatShape(shape)} is no shape`);
  }
  if (sizeOf(shape) > mostElements) {
    c.fail(`${formatShape(shape)} has more than ${mostElements} elements`);
  }
  return shape;
}

/**
 * An input of indices into an axis, as int32 from 0 on: negative ones count from the end. Throws an `OnnxError` for one that is known
 * and outside the axis; others are clamped where they are used.
 */
export function indexInput(c: OperatorContext, input: number, size: number): Tensor {
  const { constant } = c.value(input);
  const outside = constant?.data.find((i) => !(i >= -size && i < size));
  if (outside !== undefined) {
    c.fail(`input ${input} holds index ${outside}, which is outside an axis of size ${size}`);
  }
  return fromStart(c.tensor(input).to("int32"), size);
}

/** Indices from 0 on; negative ones count from the end. */
export function fromStart(index: Tensor, size: number): Tensor {
  return select(index.less(0), index.add(size), index);
}
