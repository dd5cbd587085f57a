/**
 * Tensors' elements in a backend's memory.
 *
 * @module
 */

import type { DType } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { Backend, DeviceBuffer } from "../../lib/compiler/backend.ts";
import { storageBytes } from "../../lib/compiler/kernel.ts";
import { dropBallast, MemoryPressure } from "../memory_pressure.ts";
import type { Heap } from "./heap.ts";

/** Elements in a WebAssembly memory; bool takes 32 bits, 0 or 1. */
export class WasmBuffer implements DeviceBuffer {
  readonly backend: Backend;
  readonly dtype: DType;
  readonly length: number;
  readonly #pool: BufferPool;
  readonly #address: number;
  /** See `MemoryPressure`. */
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
    dropBallast(this.#ballast);
    this.#ballast = null;
    this.#pool.release(this, this.#address);
  }
}

/** Makes buffers, and takes back the memory of those that are disposed or collected. */
export class BufferPool {
  readonly #heap: Heap;
  readonly #registry: FinalizationRegistry<number>;
  readonly #pressure = new MemoryPressure();

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
    const ballast = this.#pressure.allocated(bytes);
    const buffer = new WasmBuffer(backend, this, dtype, length, address, ballast);
    this.#registry.register(buffer, address, buffer);
    return buffer;
  }

  /** Takes back the memory of a buffer. */
  release(buffer: WasmBuffer, address: number): void {
    this.#registry.unregister(buffer);
    this.#pressure.disposed(buffer.length * storageBytes(buffer.dtype));
    this.#heap.free(address);
  }

  /** Gives the memory of collected buffers a chance to come back. */
  turn(): Promise<void> {
    return this.#pressure.turn();
  }
}
