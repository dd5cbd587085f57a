/**
 * Random bits, as nodes of integers.
 *
 * @module
 */

import { range, sizeOf } from "../../base/shape.ts";
import type { WriteRules } from "./rule.ts";
import type { GraphWriter } from "./writer.ts";

/** Rotations of Threefry-2x32, four rounds each. */
const rotations = [[13, 15, 26, 6], [17, 29, 16, 24]] as const;
/** What the words of the key are joined with for the third. */
const parity = 0x1bd11bda;

/** The bits of a word turned to the left. */
function rotate(x: string, count: number, to: GraphWriter): string {
  const bits = to.cast(x, "uint32");
  const shift = (direction: string, by: number): string =>
    to.op("BitShift", [bits, to.scalar("uint32", by)], { direction });
  const parts = [shift("LEFT", count), shift("RIGHT", 32 - count)]
    .map((part) => to.cast(part, "int32"));
  return to.op("BitwiseOr", parts);
}

/** Threefry-2x32 with 20 rounds, on int32 that carry the words' bits. */
export const randomRules: WriteRules<"randomBits"> = {
  randomBits: ({ shape, params: { length } }, [key], to) => {
    const batches = sizeOf(key.shape.slice(0, -1));
    const words = to.reshape(to.dense(key), [batches, 2]);
    const [k0, k1] = [0, 1].map((i) => to.slice(words, [1], [i], [i + 1]));
    const add = (a: string, b: string): string => to.op("Add", [a, b]);
    const k2 = to.op("BitwiseXor", [
      to.op("BitwiseXor", [k0, k1]),
      to.scalar("int32", parity),
    ]);
    const keys = [k0, k1, k2];
    const pairs = Math.ceil(length / 2);
    let x0 = add(to.constant("int32", range(pairs), [1, pairs]), k0);
    let x1 = add(to.constant("int32", [0], [1, 1]), k1);
    range(5).forEach((block) => {
      for (const count of rotations[block % 2]) {
        x0 = add(x0, x1);
        x1 = to.op("BitwiseXor", [rotate(x1, count, to), x0]);
      }
      x0 = add(x0, keys[(block + 1) % 3]);
      x1 = add(add(x1, keys[(block + 2) % 3]), to.scalar("int32", block + 1));
    });
    const columns = [x0, x1].map((x) => to.reshape(x, [batches, pairs, 1]));
    const all = to.reshape(to.op("Concat", columns, { axis: 2 }), [batches, 2 * pairs]);
    const wanted = length === 2 * pairs ? all : to.slice(all, [1], [0], [length]);
    return to.reshape(wanted, shape);
  },
};
