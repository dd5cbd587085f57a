/** Element types of a parsed `.npy` file. */
export type NpyDType =
  | "bool"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "float32"
  | "float64";

/** The typed array that holds the elements; `bool` is a `Uint8Array` of 0 and 1. */
export type NpyData =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

/** An array: its elements in row-major order, its shape, and their type. */
export interface NpyArray {
  /** The element type. */
  dtype: NpyDType;
  /** The sizes along the axes; a scalar has none. */
  shape: number[];
  /** The elements in row-major order. */
  data: NpyData;
}

/** For each element type: its code in the file, without the byte order, and its typed array. */
export const npyTypes: Record<NpyDType, {
  code: string;
  bytes: number;
  from: (buffer: ArrayBufferLike, offset: number, length: number) => NpyData;
}> = {
  bool: { code: "b1", bytes: 1, from: (b, o, n) => new Uint8Array(b, o, n) },
  int8: { code: "i1", bytes: 1, from: (b, o, n) => new Int8Array(b, o, n) },
  uint8: { code: "u1", bytes: 1, from: (b, o, n) => new Uint8Array(b, o, n) },
  int16: { code: "i2", bytes: 2, from: (b, o, n) => new Int16Array(b, o, n) },
  uint16: { code: "u2", bytes: 2, from: (b, o, n) => new Uint16Array(b, o, n) },
  int32: { code: "i4", bytes: 4, from: (b, o, n) => new Int32Array(b, o, n) },
  uint32: { code: "u4", bytes: 4, from: (b, o, n) => new Uint32Array(b, o, n) },
  float32: { code: "f4", bytes: 4, from: (b, o, n) => new Float32Array(b, o, n) },
  float64: { code: "f8", bytes: 8, from: (b, o, n) => new Float64Array(b, o, n) },
};

/** Whether this machine stores the low byte first. */
export const littleEndian: boolean = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
