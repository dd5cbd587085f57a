/**
 * The messages of an ONNX file, as far as they are used here: one interface and one table of fields each.
 *
 * Names and numbers are those of
 * {@link https://github.com/onnx/onnx/blob/main/onnx/onnx.proto | onnx.proto}, in camel case.
 *
 * @module
 */

import {
  bytes,
  doubles,
  float,
  floats,
  int32,
  int32s,
  int64,
  int64s,
  type Message,
  message,
  messages,
  type MessageTable,
  optionalInt64,
  text,
  texts,
  uint64s,
} from "./wire.ts";

/** A key with a value. */
export interface StringEntryMessage extends Message {
  readonly key: string;
  readonly value: string;
}

const stringEntry: MessageTable<StringEntryMessage> = { key: text(1), value: text(2) };

/** A set of operators: a domain at a version. */
export interface OperatorSetMessage extends Message {
  readonly domain: string;
  readonly version: number;
}

const operatorSet: MessageTable<OperatorSetMessage> = { domain: text(1), version: int64(2) };

/** Elements with a shape: in one of the data fields, in `rawData`, or in another file. */
export interface TensorMessage extends Message {
  readonly dims: number[];
  readonly dataType: number;
  readonly floatData: number[];
  readonly int32Data: number[];
  readonly int64Data: number[];
  readonly name: string;
  readonly rawData: Uint8Array<ArrayBuffer> | null;
  readonly doubleData: number[];
  readonly uint64Data: number[];
  readonly externalData: StringEntryMessage[];
  readonly dataLocation: number;
}

const tensor: MessageTable<TensorMessage> = {
  dims: int64s(1),
  dataType: int32(2),
  floatData: floats(4),
  int32Data: int32s(5),
  int64Data: int64s(7),
  name: text(8),
  rawData: bytes(9),
  doubleData: doubles(10),
  uint64Data: uint64s(11),
  externalData: messages(13, () => stringEntry),
  dataLocation: int32(14),
};

/** The elements of a tensor that are not 0, with their places. */
export interface SparseTensorMessage extends Message {
  readonly values: TensorMessage | null;
  readonly indices: TensorMessage | null;
  readonly dims: number[];
}

const sparseTensor: MessageTable<SparseTensorMessage> = {
  values: message(1, () => tensor),
  indices: message(2, () => tensor),
  dims: int64s(3),
};

/** A size along an axis: a number, a name, or neither. */
export interface DimensionMessage extends Message {
  readonly dimValue: number | null;
  readonly dimParam: string;
}

const dimension: MessageTable<DimensionMessage> = { dimValue: optionalInt64(1), dimParam: text(2) };

/** Sizes along all axes. */
export interface ShapeMessage extends Message {
  readonly dim: DimensionMessage[];
}

const shape: MessageTable<ShapeMessage> = { dim: messages(1, () => dimension) };

/** The type of a tensor: its elements, and its shape where it is known. */
export interface TensorTypeMessage extends Message {
  readonly elemType: number;
  readonly shape: ShapeMessage | null;
}

const tensorType: MessageTable<TensorTypeMessage> = {
  elemType: int32(1),
  shape: message(2, () => shape),
};

/** The type of what is inside another type. */
export interface InnerTypeMessage extends Message {
  readonly elemType: TypeMessage | null;
}

const innerType: MessageTable<InnerTypeMessage> = { elemType: message(1, () => type) };

/** The type of a value: a tensor, a list, or a value that may be absent; all are null for other types. */
export interface TypeMessage extends Message {
  readonly tensorType: TensorTypeMessage | null;
  readonly sequenceType: InnerTypeMessage | null;
  readonly optionalType: InnerTypeMessage | null;
}

const type: MessageTable<TypeMessage> = {
  tensorType: message(1, () => tensorType),
  sequenceType: message(4, () => innerType),
  optionalType: message(9, () => innerType),
};

/** An input or output of a graph. */
export interface ValueInfoMessage extends Message {
  readonly name: string;
  readonly type: TypeMessage | null;
}

const valueInfo: MessageTable<ValueInfoMessage> = { name: text(1), type: message(2, () => type) };

/** An attribute of a node; `type` says which field holds it, `refAttrName` names an attribute of the function around. */
export interface AttributeMessage extends Message {
  readonly name: string;
  readonly f: number;
  readonly i: number;
  readonly s: Uint8Array<ArrayBuffer> | null;
  readonly t: TensorMessage | null;
  readonly g: GraphMessage | null;
  readonly floats: number[];
  readonly ints: number[];
  readonly strings: string[];
  readonly type: number;
  readonly refAttrName: string;
  readonly sparseTensor: SparseTensorMessage | null;
}

const attribute: MessageTable<AttributeMessage> = {
  name: text(1),
  f: float(2),
  i: int64(3),
  s: bytes(4),
  t: message(5, () => tensor),
  g: message(6, () => graph),
  floats: floats(7),
  ints: int64s(8),
  strings: texts(9),
  type: int32(20),
  refAttrName: text(21),
  sparseTensor: message(22, () => sparseTensor),
};

/** One application of an operator. */
export interface NodeMessage extends Message {
  readonly input: string[];
  readonly output: string[];
  readonly name: string;
  readonly opType: string;
  readonly attribute: AttributeMessage[];
  readonly domain: string;
  readonly overload: string;
}

const node: MessageTable<NodeMessage> = {
  input: texts(1),
  output: texts(2),
  name: text(3),
  opType: text(4),
  attribute: messages(5, () => attribute),
  domain: text(7),
  overload: text(8),
};

/** Nodes between inputs and outputs, with stored tensors. */
export interface GraphMessage extends Message {
  readonly node: NodeMessage[];
  readonly name: string;
  readonly initializer: TensorMessage[];
  readonly input: ValueInfoMessage[];
  readonly output: ValueInfoMessage[];
  readonly sparseInitializer: SparseTensorMessage[];
}

const graph: MessageTable<GraphMessage> = {
  node: messages(1, () => node),
  name: text(2),
  initializer: messages(5, () => tensor),
  input: messages(11, () => valueInfo),
  output: messages(12, () => valueInfo),
  sparseInitializer: messages(15, () => sparseTensor),
};

/** An operator that the file defines by others. */
export interface FunctionMessage extends Message {
  readonly name: string;
  readonly input: string[];
  readonly output: string[];
  readonly attribute: string[];
  readonly node: NodeMessage[];
  readonly opsetImport: OperatorSetMessage[];
  readonly domain: string;
  readonly attributeProto: AttributeMessage[];
  readonly overload: string;
}

const functionTable: MessageTable<FunctionMessage> = {
  name: text(1),
  input: texts(4),
  output: texts(5),
  attribute: texts(6),
  node: messages(7, () => node),
  opsetImport: messages(9, () => operatorSet),
  domain: text(10),
  attributeProto: messages(11, () => attribute),
  overload: text(13),
};

/** A whole file. */
export interface ModelMessage extends Message {
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly graph: GraphMessage | null;
  readonly opsetImport: OperatorSetMessage[];
  readonly functions: FunctionMessage[];
}

/** The fields of a whole file. */
export const modelTable: MessageTable<ModelMessage> = {
  irVersion: int64(1),
  producerName: text(2),
  producerVersion: text(3),
  graph: message(7, () => graph),
  opsetImport: messages(8, () => operatorSet),
  functions: messages(25, () => functionTable),
};

/** The fields of a tensor, which ONNX's test data hold alone in a file. */
export const tensorTable: MessageTable<TensorMessage> = tensor;
