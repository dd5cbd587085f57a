/**
 * Tensors' elements in a backend's memory.
 *
 * @module
 */

import type { DType } from "../../lib/base/dtype.ts";
import type { Backend } from "../../lib/compiler/backend.ts";
import { storageBytes } from "../../lib/compiler/kernel.ts";
import { BufferOwner, OwnedBuffer } from "../owned_buffer.ts";
import type { Heap } from "./heap.ts";

/** Elements in a WebAssembly memory, held by address; bool takes 32 bits, 0 or 1. */
export class WasmBuffer extends OwnedBuffer<number> {
  /**
   * Where the elements start, in bytes.
   *
   * @throws BackendError when the buffer was disposed.
   */
  get address(): number {
    return this.held;
  }
}

/** Makes buffers, and takes back the memory of those that are disposed or collected. */
export class BufferPool extends BufferOwner<number> {
  readonly #heap: Heap;

  constructor(heap: Heap) {
    super((address) => heap.free(address));
    this.#heap = heap;
  }

  /**
   * A new buffer with any content.
   *
   * @throws BackendError when memory is exhausted.
   */
  create(backend: Backend, dtype: DType, length: number): WasmBuffer {
    const bytes = length * storageBytes(dtype);
    return new WasmBuffer(backend, this, dtype, length, this.#heap.allocate(bytes), bytes);
  }
}
