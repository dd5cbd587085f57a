import { formatShape, sizeOf } from "../base/shape.ts";
import { NpyError } from "./error.ts";
import { parseHeader } from "./header.ts";
import { littleEndian, type NpyArray, type NpyData, type NpyDType, npyTypes } from "./types.ts";

/** How a type code of the file is read: as which dtype, from how many bytes. */
interface Reading {
  dtype: NpyDType;
  bytes: number;
  /** Reads one element where the file's type is not the dtype's own. */
  read?: (view: DataView, offset: number, little: boolean) => number;
}

const readings = new Map<string, Reading>(
  (Object.keys(npyTypes) as NpyDType[]).map((
    dtype,
  ) => [npyTypes[dtype].code, { dtype, bytes: npyTypes[dtype].bytes }]),
);
readings.set("f2", { dtype: "float32", bytes: 2, read: readFloat16 });
readings.set("i8", { dtype: "int32", bytes: 8, read: readInt64 });
readings.set("u8", { dtype: "int32", bytes: 8, read: readUint64 });

/**
 * Parses the bytes of a `.npy` file, versions 1 to 3, either byte order, C or Fortran order.
 *
 * float16 is read as float32; int64 and uint64 are read as int32. Where the bytes are aligned and in this machine's
 * order, `data` is a view of them, not a copy.
 *
 * ```ts
 * import { formatNpy, parseNpy } from "@tangents/ntk/npy";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = formatNpy({ shape: [3], data: new Int32Array([1, 2, 3]) });
 * assertEquals(parseNpy(bytes).data, new Int32Array([1, 2, 3]));
 * ```
 *
 * @throws {NpyError} where the file is malformed, cut off or longer than its shape says, holds another type (complex
 * numbers, text, objects, dates, records), or a 64-bit integer outside the range of int32.
 */
export function parseNpy(bytes: Uint8Array): NpyArray {
  const { descr, fortranOrder, shape, offset } = parseHeader(bytes);
  const reading = /^[<>|=]/.test(descr) ? readings.get(descr.slice(1)) : undefined;
  if (reading === undefined) {
    throw new NpyError(
      `.npy dtype '${descr}' cannot be read; expected bool, int8 to int64, uint8 to uint64, float16, float32 or float64; ` +
        `convert it with numpy's astype`,
    );
  }
  const size = sizeOf(shape);
  const found = bytes.length - offset;
  if (found !== size * reading.bytes) {
    throw new NpyError(
      `.npy file of shape ${formatShape(shape)} and dtype '${descr}' needs ${
        size * reading.bytes
      } bytes of data, found ${found}`,
    );
  }
  const little = descr[0] === "=" || descr[0] === "|" ? littleEndian : descr[0] === "<";
  let data = readElements(bytes, offset, size, reading, little);
  if (reading.dtype === "bool" && data.some((value) => value > 1)) {
    data = (data as Uint8Array).map((value) => value === 0 ? 0 : 1);
  }
  if (fortranOrder && shape.length > 1) data = toRowMajor(data, shape);
  return { dtype: reading.dtype, shape, data };
}

function readElements(
  bytes: Uint8Array,
  offset: number,
  size: number,
  reading: Reading,
  little: boolean,
): NpyData {
  const { bytes: width, dtype, read } = reading;
  const start = bytes.byteOffset + offset;
  if (read !== undefined) {
    const view = new DataView(bytes.buffer, start, size * width);
    const data = npyTypes[dtype].from(new ArrayBuffer(size * npyTypes[dtype].bytes), 0, size);
    for (let i = 0; i < size; i++) data[i] = read(view, i * width, little);
    return data;
  }
  if (little === littleEndian || width === 1) {
    if (start % width === 0) return npyTypes[dtype].from(bytes.buffer, start, size);
    return npyTypes[dtype].from(bytes.slice(offset).buffer, 0, size);
  }
  const swapped = bytes.slice(offset);
  for (let i = 0; i < swapped.length; i += width) swapped.subarray(i, i + width).reverse();
  return npyTypes[dtype].from(swapped.buffer, 0, size);
}

/** Reorders elements whose first axis varies fastest. */
function toRowMajor(data: NpyData, shape: readonly number[]): NpyData {
  const result = data.slice();
  const strides: number[] = [];
  let stride = 1;
  for (const n of shape) {
    strides.push(stride);
    stride *= n;
  }
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let i = 0; i < data.length; i++) {
    result[i] = data[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= shape[axis] * strides[axis];
      index[axis] = 0;
    }
  }
  return result;
}

function readFloat16(view: DataView, offset: number, little: boolean): number {
  const bits = view.getUint16(offset, little);
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function readInt64(view: DataView, offset: number, little: boolean): number {
  return checkRange(view.getBigInt64(offset, little), offset / 8, "int64");
}

function readUint64(view: DataView, offset: number, little: boolean): number {
  return checkRange(view.getBigUint64(offset, little), offset / 8, "uint64");
}

function checkRange(value: bigint, index: number, dtype: string): number {
  if (BigInt.asIntN(32, value) === value) return Number(value);
  throw new NpyError(
    `.npy file of dtype ${dtype} has the value ${value} (element ${index} as stored), outside the range of int32, which ` +
      `it is read as; save it as float64`,
  );
}
