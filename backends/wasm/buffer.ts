/**
 * Tensors' elements in a backend's memory.
 *
 * @module
 */

import type { DType } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { Backend, DeviceBuffer } from "../../lib/compiler/backend.ts";
import { storageBytes } from "../../lib/compiler/kernel.ts";
import type { Heap } from "./heap.ts";

/** Elements in a WebAssembly memory; bool takes 32 bits, 0 or 1. */
export class WasmBuffer implements DeviceBuffer {
  readonly backend: Backend;
  readonly dtype: DType;
  readonly length: number;
  readonly #pool: BufferPool;
  readonly #address: number;
  /** See `makeBallast`. */
  #ballast: ArrayBuffer | null;
  #disposed = false;

  /** Made by `BufferPool.create`. */
  constructor(
    backend: Backend,
    pool: BufferPool,
    dtype: DType,
    length: number,
    address: number,
    ballast: ArrayBuffer | null,
  ) {
    this.backend = backend;
    this.dtype = dtype;
    this.length = length;
    this.#pool = pool;
    this.#address = address;
    this.#ballast = ballast;
  }

  /**
   * Where the elements start, in bytes.
   *
   * @throws BackendError when the buffer was disposed.
   */
  get address(): number {
    if (this.#disposed) {
      throw new BackendError(
        `wasm: a buffer of ${this.length} ${this.dtype} elements is used after it was disposed`,
      );
    }
    return this.#address;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    // What remains is empty: the engine takes the ballast's size back at once.
    this.#ballast?.transferToFixedLength(0);
    this.#ballast = null;
    this.#pool.release(this, this.#address);
  }
}

/** Buffers are given ballast when this many bytes were allocated since the last that was. */
const ballastBytes = 2 ** 18;
/**
 * Ballast is this many times the size of what it stands for, up to the limit after it. The engine collects when some 64 MB
 * were allocated; a loop of small programs would hold that much more than it needs.
 */
const ballastFactor = 4;
/** Most bytes of ballast that are more than what it stands for. */
const mostAdded = 2 ** 28;
/** Bytes of buffers that were made and not disposed, after which collected ones should be given a chance to go. */
const turnBytes = 2 ** 24;

/**
 * An array buffer of a size that is never touched, so that it takes addresses but no memory; null where the engine
 * cannot.
 *
 * The engine's garbage collector sees only the small object that stands for a large piece of our memory, and would
 * wait until we run out. Holding ballast makes it collect as if the memory were its own, and more. A
 * resizable buffer has pages of its own, while others may be carved from a pool that has to be cleared.
 */
function makeBallast(bytes: number): ArrayBuffer | null {
  if (typeof ArrayBuffer.prototype.transferToFixedLength !== "function") return null;
  try {
    return new ArrayBuffer(bytes, { maxByteLength: bytes });
  } catch {
    return null;
  }
}

/** Makes buffers, and takes back the memory of those that are disposed or collected. */
export class BufferPool {
  readonly #heap: Heap;
  readonly #registry: FinalizationRegistry<number>;
  #withoutBallast = 0;
  #sinceTurn = 0;

  constructor(heap: Heap) {
    this.#heap = heap;
    this.#registry = new FinalizationRegistry((address) => heap.free(address));
  }

  /**
   * A new buffer with any content.
   *
   * @throws BackendError when memory is exhausted.
   */
  create(backend: Backend, dtype: DType, length: number): WasmBuffer {
    const bytes = length * storageBytes(dtype);
    const address = this.#heap.allocate(bytes);
    this.#sinceTurn += bytes;
    this.#withoutBallast += bytes;
    let ballast: ArrayBuffer | null = null;
    if (this.#withoutBallast >= ballastBytes) {
      const more = Math.min((ballastFactor - 1) * this.#withoutBallast, mostAdded);
      ballast = makeBallast(this.#withoutBallast + more);
      this.#withoutBallast = 0;
    }
    const buffer = new WasmBuffer(backend, this, dtype, length, address, ballast);
    this.#registry.register(buffer, address, buffer);
    return buffer;
  }

  /** Takes back the memory of a buffer. */
  release(buffer: WasmBuffer, address: number): void {
    this.#registry.unregister(buffer);
    this.#sinceTurn = Math.max(0, this.#sinceTurn - buffer.length * storageBytes(buffer.dtype));
    this.#heap.free(address);
  }

  /**
   * Lets the event loop turn if much was allocated: the engine reports collected buffers only between its tasks, and
   * a program that awaits nothing but our promises would never let it.
   */
  async turn(): Promise<void> {
    if (this.#sinceTurn < turnBytes) return;
    this.#sinceTurn = 0;
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}
