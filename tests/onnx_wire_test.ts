/** The wire reader, on bytes written by hand. */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { OnnxError } from "../lib/onnx/error.ts";
import { modelTable, tensorTable } from "../lib/onnx/messages.ts";
import {
  bytes,
  decodeMessage,
  doubles,
  float,
  floats,
  int32,
  int64,
  int64s,
  type Message,
  message,
  type MessageTable,
  text,
  texts,
  uint64s,
  WireReader,
} from "../lib/onnx/wire.ts";

interface Sample extends Message {
  readonly whole: number;
  readonly long: number;
  readonly real: number;
  readonly name: string;
  readonly raw: Uint8Array<ArrayBuffer> | null;
  readonly longs: number[];
  readonly unsigned: number[];
  readonly reals: number[];
  readonly doubles: number[];
  readonly names: string[];
  readonly inner: Sample | null;
}

const sample: MessageTable<Sample> = {
  whole: int32(1),
  long: int64(2),
  real: float(3),
  name: text(4),
  raw: bytes(5),
  longs: int64s(6),
  unsigned: uint64s(7),
  reals: floats(8),
  doubles: doubles(9),
  names: texts(10),
  inner: message(11, () => sample),
};

const read = (...list: number[]): Sample =>
  decodeMessage(new WireReader(Uint8Array.from(list)), sample);

/** The key of a field: its number and its wire type. */
const key = (number: number, wire: number): number => number << 3 | wire;
const ones = (n: number): number[] => Array.from({ length: n }, () => 0xff);

Deno.test("an empty message has every field's default", () => {
  assertEquals(read(), {
    offset: 0,
    whole: 0,
    long: 0,
    real: 0,
    name: "",
    raw: null,
    longs: [],
    unsigned: [],
    reals: [],
    doubles: [],
    names: [],
    inner: null,
  });
});

Deno.test("integers of all lengths and signs", () => {
  assertEquals(read(key(1, 0), 0x96, 0x01).whole, 150);
  assertEquals(read(key(1, 0), ...ones(9), 0x01).whole, -1);
  assertEquals(read(key(2, 0), ...ones(9), 0x01).long, -1);
  assertEquals(read(key(2, 0), 0x80, 0x80, 0x80, 0x80, 0x10).long, 2 ** 32);
  assertEquals(read(key(2, 0), ...ones(8), 0x7f).long, 2 ** 63);
  assertEquals(read(key(2, 0), ...Array(9).fill(0x80), 0x01).long, -(2 ** 63));
  assertEquals(read(key(7, 0), ...ones(9), 0x01).unsigned, [2 ** 64]);
});

Deno.test("numbers one by one and packed are the same, and add up", () => {
  const list = [key(6, 0), 1, key(6, 2), 3, 2, 0x80, 0x01, key(6, 0), 3];
  assertEquals(read(...list).longs, [1, 2, 128, 3]);
  const half = [0, 0, 0, 0x3f];
  assertEquals(read(key(8, 2), 8, ...half, ...half, key(8, 5), ...half).reals, [0.5, 0.5, 0.5]);
  const two = [0, 0, 0, 0, 0, 0, 0, 0x40];
  assertEquals(read(key(9, 1), ...two, key(9, 2), 8, ...two).doubles, [2, 2]);
});

Deno.test("the last of several single values counts; unknown fields are skipped", () => {
  const list = [key(4, 2), 1, 97, 0xfa, 0x07, 2, 9, 9, key(4, 2), 2, 98, 99];
  assertEquals(read(...list).name, "bc");
  const skipped = [0xf8, 0x07, 5, 0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8, 0xfd, 0x07, 1, 2, 3, 4];
  assertEquals(read(...skipped, key(1, 0), 7).whole, 7);
});

Deno.test("messages know where they begin, and bytes are views", () => {
  const file = Uint8Array.from([key(1, 0), 1, key(11, 2), 4, key(5, 2), 2, 8, 9]);
  const { inner } = decodeMessage(new WireReader(file), sample);
  assertEquals(inner!.offset, 4);
  assertEquals([...inner!.raw!], [8, 9]);
  assertStrictEquals(inner!.raw!.buffer, file.buffer);
});

Deno.test("what makes no sense is refused with its place", () => {
  const cases: readonly (readonly [readonly number[], string])[] = [
    [[key(1, 0)], "an integer of 1 bytes, but only 0 are left (at byte 1 of the file)"],
    [[key(1, 0), 0x80], "an integer of 1 bytes"],
    [[key(1, 0), ...ones(10), 1], "more than 10 bytes"],
    [[key(3, 5), 0, 0, 0], "a number of 4 bytes, but only 3 are left (at byte 1 of the file)"],
    [[key(4, 2), 5, 97], "a value of 5 bytes, but only 1 are left (at byte 2 of the file)"],
    [[key(4, 2), ...ones(9), 1], "but only 0 are left"],
    [[key(11, 2), 3, key(1, 0), 1], "a message of 3 bytes, but only 2 are left"],
    [[key(11, 2), 1, key(1, 0), 1], "an integer of 1 bytes, but only 0 are left"],
    [[key(8, 2), 3, 0, 0, 0], "a number of 4 bytes, but only 3 are left"],
    [[key(4, 0), 5], "a field came as varint, expected length-delimited (at byte 1 of the file)"],
    [[key(1, 2), 0], "a field came as length-delimited, expected varint"],
    [[key(1, 3), 0], "a field came as group, expected varint"],
    [[0xfb, 0x07], "wire type 3 is none that ONNX uses"],
    [[0xff, 0x07], "wire type 7 is none that ONNX uses"],
    [[0, 0], "a field has the number 0"],
  ];
  for (const [list, message] of cases) assertThrows(() => read(...list), OnnxError, message);
});

Deno.test("nesting is bounded", () => {
  let file: number[] = [];
  const length = (n: number): number[] => n < 128 ? [n] : [n & 127 | 128, n >> 7];
  for (let i = 0; i < 200; i++) file = [key(11, 2), ...length(file.length), ...file];
  assertThrows(() => read(...file), OnnxError, "nested more than 100 deep");
});

Deno.test("random bytes are read or refused", () => {
  let state = 1;
  const byte = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 24;
  let refused = 0;
  for (let i = 0; i < 2000; i++) {
    const file = Uint8Array.from({ length: 1 + byte() % 60 }, byte);
    for (const table of [modelTable, tensorTable]) {
      try {
        decodeMessage(new WireReader(file), table as MessageTable<Message>);
      } catch (error) {
        if (!(error instanceof OnnxError)) throw error;
        refused++;
      }
    }
  }
  assertEquals(refused > 2000, true);
});
