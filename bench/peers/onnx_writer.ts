/**
 * Just enough of ONNX's protobuf format to write small models for onnxruntime.
 *
 * Field numbers follow https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 *
 * @module
 */

/** Attributes of a node: whole numbers, lists of them, or numbers given as `{ float }`. */
export type OnnxAttribute = number | readonly number[] | { readonly float: number };

/** A node of a model. */
export interface OnnxNode {
  /** The operator's name. */
  readonly op: string;
  /** Names of its inputs. */
  readonly inputs: readonly string[];
  /** Name of its output. */
  readonly output: string;
  /** Its attributes. */
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  /** The domain of the operator; ONNX's own by default. */
  readonly domain?: string;
}

/** A constant of a model. */
export interface OnnxTensor {
  /** Its name. */
  readonly name: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** Its elements: int64 for a BigInt64Array, else float32. */
  readonly data: Float32Array | BigInt64Array;
}

/** A model: constants, nodes, and the names of the results with their rank. */
export interface OnnxModel {
  readonly constants: readonly OnnxTensor[];
  readonly nodes: readonly OnnxNode[];
  readonly outputs: readonly { readonly name: string; readonly rank: number }[];
}

const varint = 0, bytes = 2, fixed32 = 5;
const float32Type = 1, int64Type = 7;

/** A protobuf message in the making. */
class Message {
  readonly #parts: Uint8Array[] = [];

  #varint(value: number): void {
    const list: number[] = [];
    while (value > 127) {
      list.push(value % 128 + 128);
      value = Math.floor(value / 128);
    }
    list.push(value);
    this.#parts.push(Uint8Array.from(list));
  }

  /** A whole number that is not negative. */
  integer(field: number, value: number): this {
    this.#varint(field * 8 + varint);
    this.#varint(value);
    return this;
  }

  /** A 32-bit floating point number. */
  float(field: number, value: number): this {
    this.#varint(field * 8 + fixed32);
    this.#parts.push(new Uint8Array(Float32Array.of(value).buffer));
    return this;
  }

  /** Bytes, a text or a message. */
  add(field: number, value: Uint8Array | string | Message): this {
    const data = typeof value === "string"
      ? new TextEncoder().encode(value)
      : value instanceof Message
      ? value.finish()
      : value;
    this.#varint(field * 8 + bytes);
    this.#varint(data.length);
    this.#parts.push(data);
    return this;
  }

  /** All of it as bytes. */
  finish(): Uint8Array {
    const result = new Uint8Array(this.#parts.reduce((n, part) => n + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      result.set(part, at);
      at += part.length;
    }
    return result;
  }
}

function attribute(name: string, value: OnnxAttribute): Message {
  const message = new Message().add(1, name);
  if (typeof value === "number") return message.integer(3, value).integer(20, 2);
  if ("float" in value) return message.float(2, value.float).integer(20, 1);
  for (const item of value) message.integer(8, item);
  return message.integer(20, 7);
}

function node({ op, inputs, output, attributes = {}, domain }: OnnxNode): Message {
  const message = new Message();
  for (const input of inputs) message.add(1, input);
  message.add(2, output).add(3, output).add(4, op);
  for (const [name, value] of Object.entries(attributes)) message.add(5, attribute(name, value));
  return domain === undefined ? message : message.add(7, domain);
}

function tensor({ name, shape, data }: OnnxTensor): Message {
  const message = new Message();
  for (const size of shape) message.integer(1, size);
  return message.integer(2, data instanceof BigInt64Array ? int64Type : float32Type).add(8, name)
    .add(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function output(name: string, rank: number): Message {
  const shape = new Message();
  for (let axis = 0; axis < rank; axis++) shape.add(1, new Message().add(2, `${name}_${axis}`));
  const type = new Message().add(1, new Message().integer(1, float32Type).add(2, shape));
  return new Message().add(1, name).add(2, type);
}

/** The model as a file: opset 17 and onnxruntime's own operators. */
export function writeOnnx({ constants, nodes, outputs }: OnnxModel): Uint8Array {
  const graph = new Message();
  for (const item of nodes) graph.add(1, node(item));
  graph.add(2, "benchmark");
  for (const item of constants) graph.add(5, tensor(item));
  for (const { name, rank } of outputs) graph.add(12, output(name, rank));
  return new Message()
    .integer(1, 8)
    .add(7, graph)
    .add(8, new Message().add(1, "").integer(2, 17))
    .add(8, new Message().add(1, "com.microsoft").integer(2, 1))
    .finish();
}
