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

/** Bytes that are being written, in memory that doubles when it is full: an array of numbers would take eight times as much. */
export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;

  /** How many bytes there are. */
  get length(): number {
    return this.#length;
  }

  /** What was written, valid until more is. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written, in memory of its own. */
  copy(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  /** Appends a byte. */
  push(byte: number): this {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length++] = byte;
    return this;
  }

  /** Appends many bytes. */
  append(bytes: ArrayLike<number>): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Appends an unsigned number below 2^32 in LEB128. */
  unsigned(value: number): this {
    while (value >= 0x80) {
      this.push((value & 0x7f) | 0x80);
      value = Math.floor(value / 128);
    }
    return this.push(value);
  }

  /** Appends a signed 32-bit number in LEB128. */
  signed(value: number): this {
    for (;;) {
      const byte = value & 0x7f;
      value >>= 7;
      if ((value === 0 && (byte & 0x40) === 0) || (value === -1 && (byte & 0x40) !== 0)) {
        return this.push(byte);
      }
      this.push(byte | 0x80);
    }
  }

  /** Appends a signed 64-bit number in LEB128. */
  signed64(value: bigint): this {
    for (;;) {
      const byte = Number(value & 0x7fn);
      value >>= 7n;
      if ((value === 0n && (byte & 0x40) === 0) || (value === -1n && (byte & 0x40) !== 0)) {
        return this.push(byte);
      }
      this.push(byte | 0x80);
    }
  }

  /** Appends bytes with their number before them. */
  sized(bytes: ArrayLike<number>): this {
    return this.unsigned(bytes.length).append(bytes);
  }

  /** Appends a string as its length and its UTF-8 bytes. */
  name(name: string): this {
    return this.sized(textEncoder.encode(name));
  }
}

const textEncoder = new TextEncoder();
