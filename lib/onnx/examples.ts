/**
 * From one example to the batch that a file computes, and back.
 *
 * @module
 */

import { isFloat } from "../base/dtype.ts";
import { ArgumentError } from "../base/errors.ts";
import { formatShape, normalizeAxis, type Shape } from "../base/shape.ts";
import { zeros } from "../core/operations/creation.ts";
import { Tensor } from "../core/tensor.ts";
import { OnnxError } from "./error.ts";
import type { ValueInfoMessage } from "./messages.ts";
import { dtypeFor, type ElementType, type Precision, typeName, typeOfCode } from "./types.ts";
import { Value } from "./value.ts";

/** A size along an axis: a number, the name of one that is not fixed, or null where the file says nothing. */
export type OnnxSize = number | string | null;

/** Where examples stand in every input and output: along an axis, or nowhere (null). */
export type ExampleAxis = number | null | Readonly<Record<string, number | null>>;

/** An input or output of a graph as its file declares it. */
export interface Declared {
  /** The name. */
  readonly name: string;
  /** The element type; null where the file does not say. */
  readonly type: ElementType | null;
  /** The sizes; null where the file does not say how many axes there are. */
  readonly shape: readonly OnnxSize[] | null;
}

/** Elements of more than this are no shape that a file can mean. */
const most = 2 ** 40;

/** What a file says about an input or output. Throws an `OnnxError` for one that is no tensor. */
export function declared(info: ValueInfoMessage): Declared {
  const { name, type, offset } = info;
  if (type === null) return { name, type: null, shape: null };
  const { tensorType } = type;
  if (tensorType === null) {
    throw new OnnxError(`${JSON.stringify(name)} is no tensor, but a sequence, a map or the like`, {
      offset,
    });
  }
  const elements = tensorType.elemType === 0 ? null : typeOfCode(tensorType.elemType);
  if (elements === null && tensorType.elemType !== 0) {
    throw new OnnxError(
      `${JSON.stringify(name)} holds ${
        typeName(tensorType.elemType)
      }, which cannot be computed with`,
      { offset },
    );
  }
  // A size below 0 is how some exporters write one that is not fixed.
  const shape = tensorType.shape?.dim.map(({ dimValue, dimParam }) =>
    dimValue !== null && dimValue >= 0 ? dimValue : dimParam === "" ? null : dimParam
  );
  const fixed = shape?.filter((size) => typeof size === "number") ?? [];
  if (fixed.reduce((n, size) => n * size, 1) > most) {
    throw new OnnxError(
      `${JSON.stringify(name)} has shape [${shape!.map((n) => n ?? "?").join(", ")}]`,
      {
        offset,
      },
    );
  }
  return { name, type: elements, shape: shape ?? null };
}

/** The axis of a value along which examples stand, by the option; null where there is none. */
export function exampleAxisOf(option: ExampleAxis | undefined, name: string): number | null {
  if (option === undefined) return 0;
  if (typeof option === "number" || option === null) return option;
  return Object.hasOwn(option, name) ? option[name] : 0;
}

/** An input of a network of one example. */
export class Input {
  /** What the file declares. */
  readonly declared: Declared;
  /** The axis of examples. */
  readonly #axis: number | null;
  readonly #precision: Precision;

  /** An input with examples along an axis. */
  constructor(info: Declared, axis: number | null, precision: Precision) {
    const { shape, name } = info;
    this.declared = info;
    this.#precision = precision;
    this.#axis = axis === null || shape === null
      ? axis
      : normalizeAxis(axis, shape.length, `loadOnnx: exampleAxis of input ${JSON.stringify(name)}`);
  }

  /** The element type; real numbers where the file does not say. */
  get type(): ElementType {
    return this.declared.type ?? "float32";
  }

  /** The shape of one example; null where the file does not say how many axes there are. */
  get exampleShape(): readonly OnnxSize[] | null {
    return this.declared.shape?.filter((_, i) => i !== this.#axis) ?? null;
  }

  /** The batch size that the exporter wrote down; 1 where it did not. */
  get batchSize(): number {
    if (this.#axis === null) return 1;
    const size = this.declared.shape?.[this.#axis];
    return typeof size === "number" && size > 0 ? size : 1;
  }

  /** Zeros in place of an example, where the file fixes its shape; else null. */
  placeholder(): Tensor | null {
    const shape = this.exampleShape;
    if (shape === null || shape.some((n) => typeof n !== "number")) return null;
    return zeros(shape as Shape, { dtype: dtypeFor(this.type, this.#precision) });
  }

  /** An example as a batch of one. Throws an `OnnxError` for one of another shape or type. */
  batch(given: unknown): Value {
    const where = `input ${JSON.stringify(this.declared.name)}`;
    if (!(given instanceof Tensor)) {
      throw new ArgumentError(`${where}: expected a Tensor, got ${typeof given}`);
    }
    const shape = this.exampleShape;
    const fits = shape === null ||
      (given.rank === shape.length &&
        shape.every((n, i) => typeof n !== "number" || n === given.shape[i]));
    if (!fits) {
      throw new OnnxError(
        `${where}: an example has shape [${shape.map((n) => n ?? "?").join(", ")}], got ${
          formatShape(given.shape)
        }; fn takes one example, without the axis of examples`,
      );
    }
    const dtype = dtypeFor(this.type, this.#precision);
    if (isFloat(dtype) !== isFloat(given.dtype)) {
      throw new OnnxError(`${where}: takes ${this.type}, got ${given.dtype}; use to("${dtype}")`);
    }
    const batched = this.#axis === null ? given : given.unsqueeze(this.#axis);
    return Value.ofTensor(batched, this.type);
  }

  /** Zeros in place of a whole batch of examples of a shape. */
  wholeBatch(example: Value, size: number): Value {
    const shape = example.shape.map((n, i) => i === this.#axis && this.batchSize > 1 ? size : n);
    return Value.ofTensor(zeros(shape, { dtype: example.dtype }), this.type);
  }
}

/** An output without its axis of examples. Throws an `OnnxError` where it has none. */
export function unbatch(value: Value, name: string, axis: number | null): Tensor {
  const { tensor } = value;
  if (axis === null) return tensor;
  const at = axis < 0 ? axis + tensor.rank : axis;
  if (tensor.shape[at] === 1) return tensor.squeeze(at);
  throw new OnnxError(
    `output ${JSON.stringify(name)} has shape ${
      formatShape(tensor.shape)
    } for a batch of one example: axis ${axis} is not that of examples; give exampleAxis, with null for values without one`,
  );
}
