/**
 * Protocol buffers' wire format, for messages that a table of fields describes.
 *
 * Every length is checked before it is used, fields that the table lacks are skipped, and each message remembers the byte
 * where it begins. Bytes are views of the file. See {@link https://protobuf.dev/programming-guides/encoding/ | Encoding}.
 *
 * @module
 */

import { OnnxError } from "./error.ts";
import { WireWriter } from "./wire_writer.ts";

/** Deeper than any graph of people: what nests deeper was made to exhaust the stack. */
const deepest = 100;

const wireNames = ["varint", "64 bits", "length-delimited", "group", "group", "32 bits"];
const [varintType, fixed64Type, lengthType, fixed32Type] = [0, 1, 2, 5];

const utf8 = new TextDecoder();

/** What every decoded message has. */
export interface Message {
  /** The byte of the file where its content begins. */
  readonly offset: number;
}

/** A message to be written: any of its fields, and of the messages in it. */
export type Draft<T> = T extends Uint8Array ? T
  : T extends readonly (infer U)[] ? readonly Draft<U>[]
  : T extends Message ? { readonly [K in Exclude<keyof T, "offset">]?: Draft<T[K]> }
  : T;

/** How a field of a message is read and written. */
export interface Field<T> {
  /** Its number on the wire. */
  readonly number: number;
  /** Its value where it is absent. */
  readonly initial: () => T;
  /** Reads it once more; returns its value from then on. */
  readonly read: (reader: WireReader, wireType: number, value: T) => T;
  /** Writes its value, with its key. */
  readonly write: (writer: WireWriter, value: Draft<T>) => void;
}

/** A field for every property of a message. */
export type MessageTable<T extends Message> = {
  readonly [K in Exclude<keyof T, "offset">]: Field<T[K]>;
};

/** Reads values from a range of the file. */
export class WireReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  /** How many messages this one is nested in. */
  readonly depth: number;
  /** The next byte to be read. */
  position: number;
  /** The first byte behind the range. */
  readonly end: number;

  /** A reader of a range of bytes. */
  constructor(bytes: Uint8Array<ArrayBuffer>, position = 0, end = bytes.length, depth = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = position;
    this.end = end;
    this.depth = depth;
    if (depth > deepest) this.fail(`messages are nested more than ${deepest} deep`);
  }

  /** Throws an error that names the place. */
  fail(reason: string): never {
    throw new OnnxError(`not a readable ONNX file: ${reason}`, { offset: this.position });
  }

  #take(count: number, what: string): number {
    const start = this.position;
    if (count > this.end - start) {
      this.fail(`${what} of ${count} bytes, but only ${this.end - start} are left`);
    }
    this.position = start + count;
    return start;
  }

  /** A variable-length integer: its low and high 32 bits, unsigned. */
  varint(): [low: number, high: number] {
    let [low, high] = [0, 0];
    for (let i = 0; i < 10; i++) {
      const byte = this.#bytes[this.#take(1, "an integer")];
      const bits = byte & 127;
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) [low, high] = [low | bits << 28, bits >>> 4];
      else if (i < 9) high |= bits << (7 * i - 32);
      else high |= bits << 31;
      if (byte < 128) return [low >>> 0, high >>> 0];
    }
    return this.fail("an integer of more than 10 bytes");
  }

  /** A 64-bit integer; beyond 2⁵³ to the nearest number. */
  int64(): number {
    const [low, high] = this.varint();
    return (high | 0) * 2 ** 32 + low;
  }

  /** An unsigned 64-bit integer; beyond 2⁵³ to the nearest number. */
  uint64(): number {
    const [low, high] = this.varint();
    return high * 2 ** 32 + low;
  }

  /** A 32-bit integer. */
  int32(): number {
    return this.varint()[0] | 0;
  }

  /** A float32. */
  float(): number {
    return this.#view.getFloat32(this.#take(4, "a number"), true);
  }

  /** A float64. */
  double(): number {
    return this.#view.getFloat64(this.#take(8, "a number"), true);
  }

  /** A view of length-delimited bytes. */
  bytes(): Uint8Array<ArrayBuffer> {
    const length = this.uint64();
    const start = this.#take(length, "a value");
    return this.#bytes.subarray(start, start + length);
  }

  /** A reader of a length-delimited message. */
  nested(): WireReader {
    const length = this.uint64();
    const start = this.#take(length, "a message");
    return new WireReader(this.#bytes, start, start + length, this.depth + 1);
  }

  /** Passes over a value. */
  skip(wireType: number): void {
    if (wireType === varintType) this.varint();
    else if (wireType === fixed64Type) this.#take(8, "a value");
    else if (wireType === lengthType) this.bytes();
    else if (wireType === fixed32Type) this.#take(4, "a value");
    else this.fail(`wire type ${wireType} is none that ONNX uses`);
  }

  /** Throws unless a field came in the encoding that its type has. */
  expect(wireType: number, expected: number): void {
    if (wireType === expected) return;
    this.fail(`a field came as ${wireNames[wireType] ?? "?"}, expected ${wireNames[expected]}`);
  }
}

function single<T>(
  number: number,
  initial: T,
  wire: number,
  read: (reader: WireReader) => T,
  write: (writer: WireWriter, value: NonNullable<Draft<T>>) => void,
): Field<T> {
  return {
    number,
    initial: () => initial,
    read: (reader, wireType) => {
      reader.expect(wireType, wire);
      return read(reader);
    },
    write: (writer, value) => {
      if (value === null || value === undefined) return;
      writer.key(number, wire);
      write(writer, value);
    },
  };
}

function repeated<T>(
  number: number,
  read: (reader: WireReader) => T,
  write: (writer: WireWriter, value: Draft<T>) => void,
): Field<T[]> {
  return {
    number,
    initial: () => [],
    read: (reader, wireType, list) => {
      reader.expect(wireType, lengthType);
      list.push(read(reader));
      return list;
    },
    write: (writer, values) => {
      for (const value of values as readonly Draft<T>[]) {
        writer.key(number, lengthType);
        write(writer, value);
      }
    },
  };
}

/** Numbers one by one or packed, as the writer liked; packed here. */
function numbers(
  number: number,
  wire: number,
  read: (reader: WireReader) => number,
  write: (writer: WireWriter, value: number) => void,
): Field<number[]> {
  return {
    number,
    initial: () => [],
    read: (reader, wireType, list) => {
      if (wireType !== lengthType) {
        reader.expect(wireType, wire);
        list.push(read(reader));
        return list;
      }
      const packed = reader.nested();
      while (packed.position < packed.end) list.push(read(packed));
      return list;
    },
    write: (writer, values) => {
      if (values.length === 0) return;
      writer.key(number, lengthType);
      writer.nested((inner) => {
        for (const value of values) write(inner, value);
      });
    },
  };
}

const readText = (reader: WireReader): string => utf8.decode(reader.bytes());
const writeText = (writer: WireWriter, value: string): void => writer.text(value);
const writeVarint = (writer: WireWriter, value: number): void => writer.varint(value);

/** A string; empty where absent. */
export const text = (number: number): Field<string> =>
  single(number, "", lengthType, readText, writeText);
/** A 32-bit integer; 0 where absent. */
export const int32 = (number: number): Field<number> =>
  single(number, 0, varintType, (r) => r.int32(), writeVarint);
/** A 64-bit integer; 0 where absent. */
export const int64 = (number: number): Field<number> =>
  single(number, 0, varintType, (r) => r.int64(), writeVarint);
/** A 64-bit integer; null where absent. */
export const optionalInt64 = (number: number): Field<number | null> =>
  single<number | null>(number, null, varintType, (r) => r.int64(), writeVarint);
/** A float32; 0 where absent. */
export const float = (number: number): Field<number> =>
  single(number, 0, fixed32Type, (r) => r.float(), (w, value) => w.float(value));
/** Bytes; null where absent. */
export const bytes = (number: number): Field<Uint8Array<ArrayBuffer> | null> =>
  single<Uint8Array<ArrayBuffer> | null>(
    number,
    null,
    lengthType,
    (r) => r.bytes(),
    (w, value) => w.bytes(value),
  );
/** A list of strings. */
export const texts = (number: number): Field<string[]> => repeated(number, readText, writeText);
/** A list of 32-bit integers. */
export const int32s = (number: number): Field<number[]> =>
  numbers(number, varintType, (r) => r.int32(), writeVarint);
/** A list of 64-bit integers. */
export const int64s = (number: number): Field<number[]> =>
  numbers(number, varintType, (r) => r.int64(), writeVarint);
/** A list of unsigned 64-bit integers. */
export const uint64s = (number: number): Field<number[]> =>
  numbers(number, varintType, (r) => r.uint64(), writeVarint);
/** A list of float32. */
export const floats = (number: number): Field<number[]> =>
  numbers(number, fixed32Type, (r) => r.float(), (w, value) => w.float(value));
/** A list of float64. */
export const doubles = (number: number): Field<number[]> =>
  numbers(number, fixed64Type, (r) => r.double(), (w, value) => w.double(value));

/** A message; null where absent, the last one where there are several. */
export function message<T extends Message>(
  number: number,
  table: () => MessageTable<T>,
): Field<T | null> {
  return single<T | null>(
    number,
    null,
    lengthType,
    (r) => decodeMessage(r.nested(), table()),
    (w, value) => w.nested((inner) => writeFields(inner, value as Draft<T>, table())),
  );
}

/** A list of messages. */
export function messages<T extends Message>(
  number: number,
  table: () => MessageTable<T>,
): Field<T[]> {
  return repeated(
    number,
    (r) => decodeMessage(r.nested(), table()),
    (w, value) => w.nested((inner) => writeFields(inner, value, table())),
  );
}

type AnyTable = Readonly<Record<string, Field<unknown>>>;

const indexes = new WeakMap<object, Map<number, string>>();

function indexOf(table: AnyTable): Map<number, string> {
  let index = indexes.get(table);
  if (index === undefined) {
    index = new Map(Object.entries(table).map(([name, field]) => [field.number, name]));
    indexes.set(table, index);
  }
  return index;
}

/** Decodes a message. Throws an `OnnxError` that names the place where the bytes make no sense. */
export function decodeMessage<T extends Message>(reader: WireReader, table: MessageTable<T>): T {
  const fields = table as unknown as AnyTable;
  const index = indexOf(fields);
  const result: Record<string, unknown> = { offset: reader.position };
  for (const name in fields) result[name] = fields[name].initial();
  while (reader.position < reader.end) {
    const [low, high] = reader.varint();
    const [number, wireType] = [(low >>> 3) + high * 2 ** 29, low & 7];
    if (number === 0) reader.fail("a field has the number 0");
    const name = index.get(number);
    if (name === undefined) reader.skip(wireType);
    else result[name] = fields[name].read(reader, wireType, result[name]);
  }
  return result as unknown as T;
}

function writeFields<T extends Message>(
  writer: WireWriter,
  message: Draft<T>,
  table: MessageTable<T>,
): void {
  const fields = table as unknown as AnyTable;
  const values = message as Readonly<Record<string, unknown>>;
  for (const name in fields) {
    if (values[name] !== undefined) fields[name].write(writer, values[name]);
  }
}

/** The bytes of a message: the fields that are given, also where they have their defaults. */
export function encodeMessage<T extends Message>(
  message: Draft<T>,
  table: MessageTable<T>,
): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  writeFields(writer, message, table);
  return writer.finish();
}
