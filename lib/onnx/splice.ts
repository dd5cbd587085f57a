/**
 * Changes inside nested messages: only the bytes that are replaced differ, and the lengths of what holds them.
 *
 * @module
 */

import { varintBytes } from "./wire_writer.ts";

/** Bytes of a file that others take the place of. */
export interface Splice {
  /** The first byte that is replaced. */
  readonly start: number;
  /** The first one behind. */
  readonly end: number;
  /** What stands there instead. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the contents of the messages begin that hold it, from the outside, without the whole file. */
  readonly within: readonly number[];
}

/** The length before a message's content: where it stands, and what it is. The byte before it ends the field's key. */
export function lengthBefore(
  file: Uint8Array,
  offset: number,
): { start: number; length: number } {
  let start = offset - 1;
  while (start > 0 && file[start - 1] >= 128) start--;
  let length = 0;
  for (let i = offset - 1; i >= start; i--) length = length * 128 + file[i] % 128;
  return { start, length };
}

/** The file with bytes replaced. The splices do not overlap. */
export function spliceFile(
  file: Uint8Array<ArrayBuffer>,
  splices: readonly Splice[],
): Uint8Array<ArrayBuffer> {
  const growth = new Map<number, number>();
  const depths = new Map<number, readonly number[]>();
  const grow = (within: readonly number[], by: number): void => {
    within.forEach((offset, i) => {
      growth.set(offset, (growth.get(offset) ?? 0) + by);
      depths.set(offset, within.slice(0, i));
    });
  };
  const all: Omit<Splice, "within">[] = [...splices];
  for (const { start, end, bytes, within } of splices) grow(within, bytes.length - (end - start));
  // From the inside: a length that takes more bytes makes what is around it longer.
  for (const [offset, around] of [...depths].sort((a, b) => b[1].length - a[1].length)) {
    const by = growth.get(offset)!;
    if (by === 0) continue;
    const { start, length } = lengthBefore(file, offset);
    const bytes = varintBytes(length + by, offset - start);
    all.push({ start, end: offset, bytes });
    grow(around, bytes.length - (offset - start));
  }
  all.sort((a, b) => a.start - b.start);
  const added = all.reduce((n, { start, end, bytes }) => n + bytes.length - (end - start), 0);
  const result = new Uint8Array(file.length + added);
  let [from, to] = [0, 0];
  for (const { start, end, bytes } of all) {
    result.set(file.subarray(from, start), to);
    to += start - from;
    result.set(bytes, to);
    to += bytes.length;
    from = end;
  }
  result.set(file.subarray(from), to);
  return result;
}
