/**
 * How WebAssembly's binary format writes numbers, names and value types.
 */

/** A type of values on WebAssembly's stack. */
export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

/** Codes of the value types. */
export const typeCodes: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};

/** Appends an unsigned number below 2^32 in LEB128. */
export function pushUnsigned(bytes: number[], value: number): void {
  while (value >= 0x80) {
    bytes.push((value & 0x7f) | 0x80);
    value = Math.floor(value / 128);
  }
  bytes.push(value);
}

/** Appends a signed 32-bit number in LEB128. */
export function pushSigned(bytes: number[], value: number): void {
  for (;;) {
    const byte = value & 0x7f;
    value >>= 7;
    if ((value === 0 && (byte & 0x40) === 0) || (value === -1 && (byte & 0x40) !== 0)) {
      bytes.push(byte);
      return;
    }
    bytes.push(byte | 0x80);
  }
}

/** Appends a signed 64-bit number in LEB128. */
export function pushSigned64(bytes: number[], value: bigint): void {
  for (;;) {
    const byte = Number(value & 0x7fn);
    value >>= 7n;
    if ((value === 0n && (byte & 0x40) === 0) || (value === -1n && (byte & 0x40) !== 0)) {
      bytes.push(byte);
      return;
    }
    bytes.push(byte | 0x80);
  }
}

/** Appends many bytes: a spread of a long array would overflow the stack. */
export function pushAll(bytes: number[], more: ArrayLike<number>): void {
  for (let i = 0; i < more.length; i++) bytes.push(more[i]);
}

const textEncoder = new TextEncoder();

/** Appends a string as its length and its UTF-8 bytes. */
export function pushName(bytes: number[], name: string): void {
  const encoded = textEncoder.encode(name);
  pushUnsigned(bytes, encoded.length);
  pushAll(bytes, encoded);
}

/** An unsigned number in LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  pushUnsigned(bytes, value);
  return bytes;
}
