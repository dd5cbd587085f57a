/**
 * Files that went wrong: bytes changed anywhere, and messages whose numbers and names lie.
 *
 * @module
 */

import { type ModelMessage, modelTable } from "../../lib/onnx/messages.ts";
import { decodeMessage, type Draft, encodeMessage, WireReader } from "../../lib/onnx/wire.ts";

/** Whole numbers from 0 up to a limit, the same for the same seed. */
export function randomIntegers(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  };
}

/** Numbers that sizes, axes and counts are not prepared for. */
const strange = [
  0,
  1,
  -1,
  2,
  3,
  7,
  1000,
  -1000,
  65537,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 40,
  2 ** 53,
  2 ** 62,
];

/** A place in a message where a number, a list of numbers, or a string stands. */
interface Slot {
  readonly owner: Record<string, unknown> | unknown[];
  readonly key: string | number;
}

/** Fields that hold weights are left alone: there is little to find in them. */
const skipped = new Set(["offset", "rawData", "floatData", "producerName", "producerVersion"]);

function slotsOf(value: unknown, slots: Slot[]): void {
  if (Array.isArray(value)) {
    value.forEach((item, key) => {
      if (typeof item === "object") slotsOf(item, slots);
      else slots.push({ owner: value, key });
    });
    return;
  }
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
  for (const [key, item] of Object.entries(value)) {
    if (skipped.has(key)) continue;
    if (typeof item === "number" || typeof item === "string") {
      slots.push({ owner: value as Record<string, unknown>, key });
    } else {
      if (Array.isArray(item) && item.length > 0) {
        slots.push({ owner: value as Record<string, unknown>, key });
      }
      slotsOf(item, slots);
    }
  }
}

/** Without what the decoder adds, and without fields that are empty. */
function strip(value: unknown): unknown {
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(strip);
  return Object.fromEntries(
    Object.entries(value).filter(([key, item]) => key !== "offset" && item !== null)
      .map(([key, item]) => [key, strip(item)]),
  );
}

/** Makes files that lie from a good one: some numbers, names or lists of its messages are others. */
export function lyingFiles(
  bytes: Uint8Array<ArrayBuffer>,
): (pick: (limit: number) => number) => Uint8Array<ArrayBuffer> {
  const model = decodeMessage(new WireReader(bytes), modelTable);
  return (pick) => {
    const copy = strip(model);
    const slots: Slot[] = [];
    slotsOf(copy, slots);
    const texts = slots.filter(({ owner, key }) => typeof Reflect.get(owner, key) === "string");
    for (let i = 0; i <= pick(3); i++) {
      const { owner, key } = slots[pick(slots.length)];
      const value: unknown = Reflect.get(owner, key);
      if (typeof value === "number") Reflect.set(owner, key, strange[pick(strange.length)]);
      else if (typeof value === "string") {
        const other = texts[pick(texts.length)];
        Reflect.set(owner, key, pick(4) === 0 ? "" : Reflect.get(other.owner, other.key) ?? "");
      } else if (Array.isArray(value)) {
        const at = pick(value.length);
        if (pick(2) === 0) value.splice(at, 1);
        else value.splice(at, 0, structuredClone(value[pick(value.length)]));
      }
    }
    return encodeMessage(copy as Draft<ModelMessage>, modelTable);
  };
}

/** The file with some of its bytes changed, mostly of what is not weights. */
export function changedFile(
  bytes: Uint8Array<ArrayBuffer>,
  pick: (limit: number) => number,
): Uint8Array<ArrayBuffer> {
  const changed = bytes.slice();
  const where = [
    () => pick(bytes.length),
    () => bytes.length - 1 - pick(Math.min(2000, bytes.length)),
    () => pick(Math.min(6000, bytes.length)),
  ];
  const start = where[pick(3)]();
  for (let i = 0; i <= pick(3); i++) changed[(start + i) % bytes.length] = pick(256);
  return changed;
}
