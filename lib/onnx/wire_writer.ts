/**
 * Protocol buffers' wire format, from messages to bytes.
 *
 * @module
 */

/** Shorter values are copied together; longer ones stay views of where they are until all is joined. */
const longest = 1024;

const utf8 = new TextEncoder();

/** How many bytes a varint of that value takes. */
export function varintLength(value: number): number {
  let count = 1;
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) count++;
  return count;
}

/** The bytes of a whole number of at least 0, padded to that many bytes. */
export function varintBytes(value: number, least = 1): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(Math.max(least, varintLength(value)));
  let rest = value;
  for (let i = 0; i < result.length; i++) {
    result[i] = rest % 128 | (i < result.length - 1 ? 128 : 0);
    rest = Math.floor(rest / 128);
  }
  return result;
}

/** Collects the bytes of a message. */
export class WireWriter {
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];
  #buffer = new Uint8Array(64);
  #used = 0;
  #flushed = 0;

  /** How many bytes there are. */
  get length(): number {
    return this.#flushed + this.#used;
  }

  #reserve(count: number): number {
    const start = this.#used;
    if (start + count > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(2 * this.#buffer.length, start + count));
      larger.set(this.#buffer.subarray(0, start));
      this.#buffer = larger;
    }
    this.#used += count;
    return start;
  }

  #flush(): void {
    if (this.#used === 0) return;
    this.#parts.push(this.#buffer.subarray(0, this.#used));
    this.#flushed += this.#used;
    [this.#buffer, this.#used] = [new Uint8Array(64), 0];
  }

  #append(bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length <= longest) {
      const start = this.#reserve(bytes.length);
      this.#buffer.set(bytes, start);
      return;
    }
    this.#flush();
    this.#parts.push(bytes);
    this.#flushed += bytes.length;
  }

  /** The number of a field and how its value is written. */
  key(number: number, wireType: number): void {
    this.varint(number * 8 + wireType);
  }

  /** A whole number; a negative one as 64 bits in two's complement. */
  varint(value: number): void {
    if (value >= 0) return this.#append(varintBytes(value));
    const bits = BigInt.asUintN(64, BigInt(value));
    const bytes = new Uint8Array(10);
    for (let i = 0; i < 10; i++) {
      bytes[i] = Number(bits >> BigInt(7 * i) & 127n) | (i < 9 ? 128 : 0);
    }
    this.#append(bytes);
  }

  /** A float32. */
  float(value: number): void {
    const start = this.#reserve(4);
    new DataView(this.#buffer.buffer).setFloat32(start, value, true);
  }

  /** A float64. */
  double(value: number): void {
    const start = this.#reserve(8);
    new DataView(this.#buffer.buffer).setFloat64(start, value, true);
  }

  /** Bytes, with their length before them. */
  bytes(value: Uint8Array<ArrayBuffer>): void {
    this.varint(value.length);
    this.#append(value);
  }

  /** A string, with its length before it. */
  text(value: string): void {
    this.bytes(utf8.encode(value));
  }

  /** What a function writes, with its length before it. */
  nested(write: (writer: WireWriter) => void): void {
    const inner = new WireWriter();
    write(inner);
    inner.#flush();
    this.varint(inner.length);
    for (const part of inner.#parts) this.#append(part);
  }

  /** All of it. */
  finish(): Uint8Array<ArrayBuffer> {
    this.#flush();
    const result = new Uint8Array(this.#flushed);
    let at = 0;
    for (const part of this.#parts) {
      result.set(part, at);
      at += part.length;
    }
    return result;
  }
}
