/**
 * Tensors' elements, as a backend hands them out: on the host, once they are computed.
 *
 * @module
 */

import { bytesPerElement, type DType, type TypedArray } from "../../lib/base/dtype.ts";
import type { Backend, MemoryReport } from "../../lib/compiler/backend.ts";
import { BufferOwner, OwnedBuffer } from "../owned_buffer.ts";

/** Elements that are there, or will be; held is only that their bytes count. */
export class OnnxruntimeBuffer extends OwnedBuffer<number> {
  #data: Promise<TypedArray> | null;

  /** Made by `BufferPool.create`. */
  constructor(
    backend: Backend,
    pool: BufferPool,
    dtype: DType,
    length: number,
    data: Promise<TypedArray>,
  ) {
    const bytes = length * bytesPerElement(dtype);
    super(backend, pool, dtype, length, bytes, bytes);
    this.#data = data;
  }

  /**
   * The elements, when they are computed; rejects with what went wrong.
   *
   * @throws BackendError when the buffer was disposed.
   */
  get data(): Promise<TypedArray> {
    if (this.#data === null) this.refuse();
    return this.#data;
  }

  override dispose(): void {
    super.dispose();
    this.#data = null;
  }
}

/** Makes buffers, and counts their bytes until they are disposed of or collected. */
export class BufferPool extends BufferOwner<number> {
  #used = 0;
  #peak = 0;

  constructor() {
    super((bytes) => void (this.#used -= bytes));
  }

  /** A buffer of elements that will be there. */
  create(
    backend: Backend,
    dtype: DType,
    length: number,
    data: Promise<TypedArray>,
  ): OnnxruntimeBuffer {
    this.#used += length * bytesPerElement(dtype);
    this.#peak = Math.max(this.#peak, this.#used);
    return new OnnxruntimeBuffer(backend, this, dtype, length, data);
  }

  /** What buffers hold. */
  memory(): MemoryReport {
    return { used: this.#used, peak: this.#peak };
  }
}
