/**
 * An ONNX graph in the making.
 *
 * @module
 */

import type { DType, TypedArray } from "../../base/dtype.ts";
import { range, sameShape, type Shape, sizeOf } from "../../base/shape.ts";
import type {
  AttributeMessage,
  GraphMessage,
  NodeMessage,
  TensorMessage,
  ValueInfoMessage,
} from "../messages.ts";
import type { Draft } from "../wire.ts";

/** The element types that are written, with their codes. */
export const typeCodes = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
  uint32: 12,
} as const;

/** An element type in the file. */
export type FileType = keyof typeof typeCodes;

/**
 * What the values of a dtype are computed in. Few operators take uint32, so these are int32 of the same bits: sums and
 * products of both are the same, and where it matters what is meant, the highest bit is turned over.
 */
export const carrierOf = (dtype: DType): FileType => dtype === "uint32" ? "int32" : dtype;

/** A value of the program in the graph. */
export interface Value {
  /** Its name. */
  readonly name: string;
  /** Its dtype. */
  readonly dtype: DType;
  /** Its shape. */
  readonly shape: Shape;
  /** The shape of what has the name: of size 1 along axes whose elements all repeat. */
  readonly stored: Shape;
}

/** An attribute: a whole number, a list of them, text, or a real number in an object. */
export type AttributeValue = number | readonly number[] | string | { readonly float: number };

const encoder = new TextEncoder();

function attribute(name: string, value: AttributeValue): Draft<AttributeMessage> {
  if (typeof value === "number") return { name, i: value, type: 2 };
  if (typeof value === "string") return { name, s: encoder.encode(value), type: 3 };
  return "float" in value ? { name, f: value.float, type: 1 } : { name, ints: [...value], type: 7 };
}

const bytesOf = (array: ArrayBufferView): Uint8Array<ArrayBuffer> =>
  new Uint8Array(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);

/** Elements as a file stores them. */
function arrayOf(type: FileType, values: readonly number[]): ArrayBufferView {
  switch (type) {
    case "float32":
      return Float32Array.from(values);
    case "float64":
      return Float64Array.from(values);
    case "int32":
      return Int32Array.from(values);
    case "uint32":
      return Uint32Array.from(values);
    case "int64":
      return BigInt64Array.from(values, BigInt);
    default:
      return Uint8Array.from(values);
  }
}

function tensorMessage(
  name: string,
  type: FileType,
  shape: Shape,
  data: ArrayBufferView,
): Draft<TensorMessage> {
  return { dims: [...shape], dataType: typeCodes[type], name, rawData: bytesOf(data) };
}

/** Collects nodes and stored tensors. */
export class GraphWriter {
  readonly #nodes: Draft<NodeMessage>[] = [];
  readonly #initializers: Draft<TensorMessage>[] = [];
  readonly #inputs: Draft<ValueInfoMessage>[] = [];
  readonly #outputs: Draft<ValueInfoMessage>[] = [];
  readonly #constants = new Map<string, string>();
  readonly #taken = new Set<string>();
  #prefix = "";

  /** What is computed from now on is named by this. */
  begin(prefix: string): void {
    this.#prefix = prefix;
  }

  /** A name that nothing else has. */
  unique(name: string): string {
    let result = name;
    for (let i = 1; this.#taken.has(result); i++) result = `${name}_${i}`;
    this.#taken.add(result);
    return result;
  }

  /** Adds a node with one output, and gives its name. An input may be left out by an empty name. */
  op(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string {
    return this.ops(opType, input, attributes, 1)[0];
  }

  /** Adds a node with several outputs. */
  ops(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>>,
    count: number,
  ): string[] {
    const name = this.unique(`${this.#prefix}/${opType}`);
    const output = range(count).map((i) => i === 0 ? name : this.unique(`${name}:${i}`));
    this.#nodes.push({
      input: [...input],
      output,
      name,
      opType,
      attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    });
    return output;
  }

  /** Few elements, which a node writes down: what is stored apart are weights. Equal ones are written once. */
  constant(type: FileType, values: readonly number[], shape: Shape = [values.length]): string {
    const text = values.map((value) => Object.is(value, -0) ? "-0" : String(value));
    const key = `${type}[${shape}]${text}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.unique(values.length === 1 ? `${type}:${text}` : `${type}[${shape}]`);
    const t = tensorMessage("", type, shape, arrayOf(type, values));
    this.#nodes.push({
      output: [name],
      name,
      opType: "Constant",
      attribute: [{ name: "value", t, type: 4 }],
    });
    this.#constants.set(key, name);
    return name;
  }

  /** Adds a stored tensor under a name that `unique` gave. */
  store(name: string, type: FileType, shape: Shape, data: TypedArray): void {
    this.#initializers.push(tensorMessage(name, type, shape, data));
  }

  /** A single number, that takes part with any shape. */
  scalar(type: FileType, value: number): string {
    return this.constant(type, [value], []);
  }

  /** Sizes or axes. */
  int64s(values: readonly number[]): string {
    return this.constant("int64", values);
  }

  #info(name: string, type: FileType, shape: Shape): Draft<ValueInfoMessage> {
    const dim = shape.map((dimValue) => ({ dimValue }));
    return { name, type: { tensorType: { elemType: typeCodes[type], shape: { dim } } } };
  }

  /** Declares an input under a name that `unique` gave. */
  input(name: string, type: FileType, shape: Shape): void {
    this.#inputs.push(this.#info(name, type, shape));
  }

  /** Declares an output, which is a value by another name. */
  output(name: string, from: string, type: FileType, shape: Shape): void {
    this.#nodes.push({ input: [from], output: [name], name, opType: "Identity" });
    this.#outputs.push(this.#info(name, type, shape));
  }

  // What many rules need.

  /** The value with all of its elements. */
  dense({ name, shape, stored }: Value): string {
    return sameShape(shape, stored) ? name : this.op("Expand", [name, this.int64s(shape)]);
  }

  /** The same elements in another shape. */
  reshape(name: string, shape: Shape): string {
    return this.op("Reshape", [name, this.int64s(shape)]);
  }

  /** The axes in another order. */
  transpose(name: string, perm: readonly number[]): string {
    return perm.every((axis, i) => axis === i) ? name : this.op("Transpose", [name], { perm });
  }

  /** The elements as another type, by ONNX's rules. */
  cast(name: string, to: FileType): string {
    return this.op("Cast", [name], { to: typeCodes[to] });
  }

  /** Elements from `start` to before `limit` by `step` along some axes. */
  slice(
    name: string,
    axes: readonly number[],
    start: readonly number[],
    limit: readonly number[],
    step: readonly number[] = axes.map(() => 1),
  ): string {
    const lists = [start, limit, axes, step].map((list) => this.int64s(list));
    return this.op("Slice", [name, ...lists]);
  }

  /** A tensor of one value. */
  filled(type: FileType, shape: Shape, value: number): string {
    if (sizeOf(shape) <= 1) return this.constant(type, sizeOf(shape) === 0 ? [] : [value], shape);
    return this.op("Expand", [this.scalar(type, value), this.int64s(shape)]);
  }

  /** The graph. */
  finish(name: string): Draft<GraphMessage> {
    return {
      node: this.#nodes,
      name,
      initializer: this.#initializers,
      input: this.#inputs,
      output: this.#outputs,
    };
  }
}
