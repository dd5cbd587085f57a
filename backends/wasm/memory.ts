/**
 * The one WebAssembly memory of a backend, shared among its threads where that is possible.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";

/** Bytes of a page of WebAssembly memory. */
const pageBytes = 65536;
/** Pages of the largest memory with 32-bit addresses. */
const largestMemory = 65536;
/** Memory grows by at least this part of its size, so that growing stays rare. */
const growthFactor = 0.25;

/** A WebAssembly memory that grows, with views that follow it. */
export class LinearMemory {
  /** The memory that modules import. */
  readonly memory: WebAssembly.Memory;
  /** Whether threads can share it. */
  readonly shared: boolean;
  /** The most pages that it can have. */
  readonly maximumPages: number;
  #buffer: ArrayBufferLike;
  #bytes: Uint8Array;
  #words: Int32Array;

  /**
   * Reserves addresses for `maximumBytes`, or for as much as the system gives; nothing is in use at first.
   *
   * @throws BackendError when not even a small memory can be made.
   */
  constructor(shared: boolean, maximumBytes: number) {
    let maximum = Math.max(1, Math.min(largestMemory, Math.floor(maximumBytes / pageBytes)));
    const initial = Math.min(16, maximum);
    let memory: WebAssembly.Memory | undefined;
    // A system that limits virtual memory may refuse the whole range: settle for less.
    while (memory === undefined) {
      try {
        memory = new WebAssembly.Memory({ initial, maximum, shared });
      } catch (cause) {
        if (maximum <= 1024 || !(cause instanceof RangeError)) {
          throw new BackendError(
            `cannot make a WebAssembly memory of at most ${maximum * pageBytes} bytes`,
            { cause },
          );
        }
        maximum = Math.floor(maximum / 2);
      }
    }
    this.memory = memory;
    this.shared = shared;
    this.maximumPages = maximum;
    this.#buffer = memory.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
    this.#words = new Int32Array(this.#buffer);
  }

  /** All of it as bytes; ask again after anything that may have grown it. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** All of it as 32-bit words; ask again after anything that may have grown it. */
  get words(): Int32Array {
    return this.#words;
  }

  /** The buffer behind the views. */
  get buffer(): ArrayBufferLike {
    return this.#buffer;
  }

  /** Makes all addresses below `end` usable; false when it cannot. */
  grow(end: number): boolean {
    const size = this.#buffer.byteLength / pageBytes;
    const needed = Math.ceil(end / pageBytes);
    if (needed <= size) return true;
    if (needed > this.maximumPages) return false;
    const generous = Math.min(this.maximumPages, Math.ceil(size * (1 + growthFactor)));
    if (!this.#growTo(size, Math.max(needed, generous)) && !this.#growTo(size, needed)) {
      return false;
    }
    this.#buffer = this.memory.buffer;
    this.#bytes = new Uint8Array(this.#buffer);
    this.#words = new Int32Array(this.#buffer);
    return true;
  }

  #growTo(size: number, pages: number): boolean {
    try {
      this.memory.grow(pages - size);
      return true;
    } catch {
      return false;
    }
  }
}
