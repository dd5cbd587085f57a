/**
 * Stored tensors: from every encoding to elements. Little-endian bytes that are aligned stay where they are.
 *
 * @module
 */

import type { TypedArray } from "../base/dtype.ts";
import { Constant } from "./constant.ts";
import { OnnxError } from "./error.ts";
import type { SparseTensorMessage, TensorMessage } from "./messages.ts";
import { type SmallFloat, smallToNumber } from "./small_floats.ts";
import { allocateFor, type ElementType, type Precision, typeName, typeOfCode } from "./types.ts";

/** The bytes of a tensor that lies in another file. */
export type ExternalData = (tensor: TensorMessage) => Uint8Array<ArrayBuffer>;

/** What decoding needs to know. */
export interface TensorOptions {
  /** What real numbers are computed in. */
  readonly precision: Precision;
  /** Gives the bytes of tensors in other files. */
  readonly external: ExternalData;
  /** The memory of a file that nobody else sees, if it may be changed. */
  readonly owned?: ArrayBuffer;
}

/** Elements of more than this are no shape that a file can mean. */
const most = 2 ** 40;

const bits: Record<ElementType, number> = {
  float32: 32,
  float64: 64,
  float16: 16,
  bfloat16: 16,
  float8e4m3fn: 8,
  float8e4m3fnuz: 8,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  float8e8m0: 8,
  float4e2m1: 4,
  int2: 2,
  uint2: 2,
  int4: 4,
  uint4: 4,
  int8: 8,
  uint8: 8,
  int16: 16,
  uint16: 16,
  int32: 32,
  uint32: 32,
  int64: 64,
  uint64: 64,
  bool: 8,
};

/** A float16 from its bits. */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

/** A bfloat16 from its bits: the upper half of a float32. */
function brainToNumber(brain: number): number {
  word.setUint32(0, (brain & 0xffff) << 16 >>> 0);
  return word.getFloat32(0);
}

/** Where bytes are now that were moved. */
const moved = new WeakMap<Uint8Array, Uint8Array<ArrayBuffer>>();

/**
 * The bytes at an address that a typed array of that element size can have. Large ones are moved down to it where their memory is
 * ours: that is faster than a copy, and takes none. They go over their own length and key, which were read.
 */
function aligned(
  bytes: Uint8Array<ArrayBuffer>,
  size: number,
  owned: ArrayBuffer | undefined,
): Uint8Array<ArrayBuffer> {
  const known = moved.get(bytes);
  if (known !== undefined) return known;
  const { buffer, byteOffset, length } = bytes;
  const by = byteOffset % size;
  if (by === 0) return bytes;
  if (buffer !== owned || length < 4096 || by > 3) return bytes.slice();
  new Uint8Array(buffer).copyWithin(byteOffset - by, byteOffset, byteOffset + length);
  const result = new Uint8Array(buffer, byteOffset - by, length);
  moved.set(bytes, result);
  return result;
}

/** Elements one by one, from little-endian bytes. */
function readers(view: DataView): Record<ElementType, (i: number) => number> {
  const nibble = (i: number): number => (view.getUint8(i >> 1) >> (i & 1 ? 4 : 0)) & 15;
  const pair = (i: number): number => (view.getUint8(i >> 2) >> (2 * (i & 3))) & 3;
  const small = (type: SmallFloat) => (i: number): number => smallToNumber(type, view.getUint8(i));
  return {
    float32: (i) => view.getFloat32(4 * i, true),
    float64: (i) => view.getFloat64(8 * i, true),
    float16: (i) => halfToNumber(view.getUint16(2 * i, true)),
    bfloat16: (i) => brainToNumber(view.getUint16(2 * i, true)),
    float8e4m3fn: small("float8e4m3fn"),
    float8e4m3fnuz: small("float8e4m3fnuz"),
    float8e5m2: small("float8e5m2"),
    float8e5m2fnuz: small("float8e5m2fnuz"),
    float8e8m0: small("float8e8m0"),
    float4e2m1: (i) => smallToNumber("float4e2m1", nibble(i)),
    int2: (i) => pair(i) << 30 >> 30,
    uint2: pair,
    int4: (i) => nibble(i) << 28 >> 28,
    uint4: nibble,
    int8: (i) => view.getInt8(i),
    uint8: (i) => view.getUint8(i),
    int16: (i) => view.getInt16(2 * i, true),
    uint16: (i) => view.getUint16(2 * i, true),
    int32: (i) => view.getInt32(4 * i, true),
    uint32: (i) => view.getUint32(4 * i, true),
    int64: (i) => view.getInt32(8 * i + 4, true) * 2 ** 32 + view.getUint32(8 * i, true),
    uint64: (i) => view.getUint32(8 * i + 4, true) * 2 ** 32 + view.getUint32(8 * i, true),
    bool: (i) => view.getUint8(i) === 0 ? 0 : 1,
  };
}

function fromBytes(
  type: ElementType,
  count: number,
  bytes: Uint8Array<ArrayBuffer>,
  { precision, owned }: TensorOptions,
): TypedArray {
  if (type === "float32" && precision === "file") {
    const { buffer, byteOffset } = aligned(bytes, 4, owned);
    return new Float32Array(buffer, byteOffset, count);
  }
  if (type === "float64") {
    const { buffer, byteOffset } = aligned(bytes, 8, owned);
    return new Float64Array(buffer, byteOffset, count);
  }
  if (type === "int32") {
    const { buffer, byteOffset } = aligned(bytes, 4, owned);
    return new Int32Array(buffer, byteOffset, count);
  }
  const now = moved.get(bytes) ?? bytes;
  const read = readers(new DataView(now.buffer, now.byteOffset, now.byteLength))[type];
  const result = allocateFor(type, count, precision);
  for (let i = 0; i < count; i++) result[i] = read(i);
  return result;
}

/** The field that holds elements of the type, and what its numbers mean. */
function fromFields(
  tensor: TensorMessage,
  type: ElementType,
): { values: readonly number[]; meaning: (value: number, i: number) => number; count: number } {
  const { floatData, doubleData, int32Data, int64Data, uint64Data } = tensor;
  const plain = (values: readonly number[], meaning = (value: number) => value) => ({
    values,
    meaning,
    count: values.length,
  });
  switch (type) {
    case "float32":
      return plain(floatData);
    case "float64":
      return plain(doubleData);
    case "int64":
      return plain(int64Data);
    case "uint64":
    case "uint32":
      return plain(uint64Data);
    case "float16":
      return plain(int32Data, (value) => halfToNumber(value & 0xffff));
    case "bfloat16":
      return plain(int32Data, brainToNumber);
    case "bool":
      return plain(int32Data, (value) => value === 0 ? 0 : 1);
    case "int8":
      return plain(int32Data, (value) => value << 24 >> 24);
    case "uint8":
      return plain(int32Data, (value) => value & 0xff);
    case "int16":
      return plain(int32Data, (value) => value << 16 >> 16);
    case "uint16":
      return plain(int32Data, (value) => value & 0xffff);
    case "int32":
      return plain(int32Data);
    case "float8e4m3fn":
    case "float8e4m3fnuz":
    case "float8e5m2":
    case "float8e5m2fnuz":
    case "float8e8m0":
      return plain(int32Data, (value) => smallToNumber(type, value & 0xff));
    case "float4e2m1":
    case "int2":
    case "uint2":
    case "int4":
    case "uint4": {
      const width = bits[type];
      const inOne = 8 / width;
      const meaning = (value: number, i: number): number => {
        const low = (value >> (width * (i % inOne))) & (2 ** width - 1);
        if (type === "float4e2m1") return smallToNumber(type, low);
        return type.startsWith("u") ? low : low << (32 - width) >> (32 - width);
      };
      return { values: int32Data, meaning, count: inOne * int32Data.length };
    }
  }
}

/** What a message about a tensor calls it. */
function nameOf(tensor: TensorMessage): string {
  return tensor.name === "" ? "a tensor" : `tensor ${JSON.stringify(tensor.name)}`;
}

/** The number of elements of a stored shape. Throws an `OnnxError` for one that no tensor can have. */
function countOf(dims: readonly number[], name: string, offset: number): number {
  const count = dims.reduce((n, size) => n * size, 1);
  if (dims.every((n) => Number.isSafeInteger(n) && n >= 0) && count <= most) return count;
  throw new OnnxError(`${name} has shape [${dims.join(", ")}]`, { offset });
}

/**
 * The elements of a stored tensor. Throws an `OnnxError` where their number is not what the shape says, or for a type that
 * cannot be read.
 */
export function decodeTensor(tensor: TensorMessage, options: TensorOptions): Constant {
  const { dims, dataType, offset } = tensor;
  const name = nameOf(tensor);
  const type = typeOfCode(dataType);
  if (type === null) {
    throw new OnnxError(`${name} holds ${typeName(dataType)}, which cannot be read`, { offset });
  }
  const count = countOf(dims, name, offset);
  const bytes = tensor.dataLocation === 1 ? options.external(tensor) : tensor.rawData;
  const mismatch = (given: number, unit: string): never => {
    throw new OnnxError(
      `${name} of ${type} has shape [${dims.join(", ")}], but ${given} ${unit}`,
      { offset },
    );
  };
  let data: TypedArray;
  if (bytes !== null && (bytes.length > 0 || fromFields(tensor, type).count === 0)) {
    if (bytes.length !== Math.ceil(count * bits[type] / 8)) mismatch(bytes.length, "bytes");
    data = fromBytes(type, count, bytes, options);
  } else {
    const { values, meaning, count: given } = fromFields(tensor, type);
    const inOne = given === values.length ? 1 : given / values.length;
    // The last of packed elements may stand for nothing.
    if (given < count || given >= count + inOne) mismatch(given, "elements");
    data = allocateFor(type, count, options.precision);
    for (let i = 0; i < count; i++) data[i] = meaning(values[Math.floor(i / inOne)], i);
  }
  return new Constant(type, [...dims], data, options.precision);
}

/** The elements of a tensor that is stored as its elements other than 0. */
export function decodeSparseTensor(sparse: SparseTensorMessage, options: TensorOptions): Constant {
  const { values, indices, dims, offset } = sparse;
  if (values === null || indices === null) {
    throw new OnnxError("a sparse tensor lacks its values or its indices", { offset });
  }
  const name = `sparse ${nameOf(values)}`;
  const [elements, places] = [decodeTensor(values, options), decodeTensor(indices, options)];
  const size = countOf(dims, name, offset);
  // A dense copy is made, so its size must be in proportion to the file.
  if (size > 2 ** 28) {
    throw new OnnxError(`${name} has shape [${dims.join(", ")}], too large to be made dense`, {
      offset,
    });
  }
  const data = allocateFor(elements.type, size, options.precision);
  const count = elements.data.length;
  const linear = places.shape.length === 1;
  if (places.data.length !== (linear ? count : count * dims.length)) {
    throw new OnnxError(`${name} has ${count} values, but ${places.data.length} indices`, {
      offset,
    });
  }
  for (let i = 0; i < count; i++) {
    const place = linear
      ? places.data[i]
      : dims.reduce((at, n, axis) => at * n + places.data[i * dims.length + axis], 0);
    if (!(place >= 0 && place < size)) {
      throw new OnnxError(`${name}: index ${place} is outside of its shape`, { offset });
    }
    data[place] = elements.data[i];
  }
  return new Constant(elements.type, [...dims], data, options.precision);
}
