/**
 * New elements in the place of stored ones.
 *
 * @module
 */

import type { TypedArray } from "../base/dtype.ts";
import { ArgumentError } from "../base/errors.ts";
import { encodeNumber, fitsFloat32 } from "./encode.ts";
import type { TensorMessage } from "./messages.ts";
import { lengthBefore, type Splice } from "./splice.ts";
import { decodeTensor } from "./tensors.ts";
import type { ElementType } from "./types.ts";
import { WireReader } from "./wire.ts";
import { WireWriter } from "./wire_writer.ts";

/** The numbers of the fields that hold elements. */
const fieldNumbers: Partial<Record<ElementType, number>> = { float32: 4, float64: 10 };
const int32Field = 5;

const same = (a: number, b: number): boolean =>
  Object.is(a, b) || (Number.isNaN(a) && Number.isNaN(b));

function beyond(name: string, type: ElementType, value: number, i: number): never {
  throw new ArgumentError(
    `saveOnnx: parameter ${
      JSON.stringify(name)
    } is stored as ${type}, which does not hold ${value} (element ${i})`,
  );
}

/** The bits of one element of a small type. */
function bitsOf(name: string, type: ElementType, value: number, i: number): number {
  return encodeNumber(type, value) ?? beyond(name, type, value, i);
}

/** Throws for a finite number that would become infinite. */
function checkFloat32(name: string, type: ElementType, value: number, i: number): void {
  if (!fitsFloat32(value)) beyond(name, type, value, i);
}

/** A tensor that holds nothing but some little-endian bytes. */
function decodeBytes(type: ElementType, count: number, rawData: Uint8Array<ArrayBuffer>) {
  const codes: Partial<Record<ElementType, number>> = {
    float32: 1,
    float16: 10,
    float64: 11,
    bfloat16: 16,
    float8e4m3fn: 17,
    float8e4m3fnuz: 18,
    float8e5m2: 19,
    float8e5m2fnuz: 20,
    float4e2m1: 23,
  };
  const message: TensorMessage = {
    offset: 0,
    dims: [count],
    dataType: codes[type]!,
    floatData: [],
    int32Data: [],
    int64Data: [],
    name: "",
    rawData,
    doubleData: [],
    uint64Data: [],
    externalData: [],
    dataLocation: 0,
  };
  return decodeTensor(message, { precision: "file", external: () => rawData }).data;
}

/** Little-endian bytes with new elements; null where all elements keep their values. */
export function changedElements(
  name: string,
  type: ElementType,
  old: Uint8Array<ArrayBuffer>,
  values: TypedArray,
): Uint8Array<ArrayBuffer> | null {
  const before = decodeBytes(type, values.length, old);
  const result = old.slice();
  const view = new DataView(result.buffer);
  let changed = false;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (same(value, before[i])) continue;
    changed = true;
    if (type === "float32") {
      checkFloat32(name, type, value, i);
      view.setFloat32(4 * i, value, true);
    } else if (type === "float64") view.setFloat64(8 * i, value, true);
    else if (type === "float16" || type === "bfloat16") {
      view.setUint16(2 * i, bitsOf(name, type, value, i), true);
    } else if (type === "float4e2m1") {
      const shift = i % 2 === 0 ? 0 : 4;
      const kept = view.getUint8(i >> 1) & ~(15 << shift);
      view.setUint8(i >> 1, kept | bitsOf(name, type, value, i) << shift);
    } else view.setUint8(i, bitsOf(name, type, value, i));
  }
  return changed ? result : null;
}

/** The elements as the field for their type holds them, packed. */
function packed(name: string, type: ElementType, values: TypedArray): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  writer.key(fieldNumbers[type] ?? int32Field, 2);
  writer.nested((inner) => {
    values.forEach((value, i) => {
      if (type === "float64") return inner.double(value);
      if (type === "float32") {
        checkFloat32(name, type, value, i);
        return inner.float(value);
      }
      if (type !== "float4e2m1") return inner.varint(bitsOf(name, type, value, i));
      // Two in one number.
      if (i % 2 === 1) return;
      const high = i + 1 < values.length ? bitsOf(name, type, values[i + 1], i + 1) : 0;
      inner.varint(bitsOf(name, type, value, i) | high << 4);
    });
  });
  return writer.finish();
}

/** What changes in a tensor's message; nothing where all elements keep their values. */
export function changeOfFields(
  file: Uint8Array<ArrayBuffer>,
  { tensor, within }: { readonly tensor: TensorMessage; readonly within: readonly number[] },
  name: string,
  type: ElementType,
  values: TypedArray,
): Splice[] {
  const { rawData, offset } = tensor;
  if (rawData !== null && rawData.length > 0) {
    const bytes = changedElements(name, type, rawData, values);
    if (bytes === null) return [];
    const start = rawData.byteOffset - file.byteOffset;
    return [{ start, end: start + bytes.length, bytes, within }];
  }
  const options = { precision: "file", external: () => file.subarray(0, 0) } as const;
  const before = decodeTensor(tensor, options).data;
  if (values.every((value, i) => same(value, before[i]))) return [];
  const number = fieldNumbers[type] ?? int32Field;
  const reader = new WireReader(file, offset, offset + lengthBefore(file, offset).length);
  const splices: Splice[] = [];
  const fresh = packed(name, type, values);
  while (reader.position < reader.end) {
    const start = reader.position;
    const key = reader.varint()[0];
    reader.skip(key & 7);
    if (key >>> 3 !== number) continue;
    // The first takes all elements.
    const bytes = splices.length === 0 ? fresh : new Uint8Array();
    splices.push({ start, end: reader.position, bytes, within });
  }
  return splices;
}
