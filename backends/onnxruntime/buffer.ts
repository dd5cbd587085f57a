/**
 * Tensors' elements, as a backend hands them out: on the host, once they are computed.
 *
 * @module
 */

import { bytesPerElement, type DType, type TypedArray } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { Backend, DeviceBuffer, MemoryReport } from "../../lib/compiler/backend.ts";
import { dropBallast, MemoryPressure } from "../memory_pressure.ts";

/** Elements that are there, or will be. */
export class OnnxruntimeBuffer implements DeviceBuffer {
  readonly backend: Backend;
  readonly dtype: DType;
  readonly length: number;
  readonly #pool: BufferPool;
  #ballast: ArrayBuffer | null;
  #data: Promise<TypedArray> | null;

  /** Made by `BufferPool.create`. */
  constructor(
    backend: Backend,
    pool: BufferPool,
    dtype: DType,
    length: number,
    data: Promise<TypedArray>,
    ballast: ArrayBuffer | null,
  ) {
    this.backend = backend;
    this.#pool = pool;
    this.dtype = dtype;
    this.length = length;
    this.#data = data;
    this.#ballast = ballast;
  }

  /**
   * The elements, when they are computed; rejects with what went wrong.
   *
   * @throws BackendError when the buffer was disposed.
   */
  get data(): Promise<TypedArray> {
    if (this.#data !== null) return this.#data;
    throw new BackendError(
      `onnxruntime: a buffer of ${this.length} ${this.dtype} elements is used after it was disposed`,
    );
  }

  dispose(): void {
    if (this.#data === null) return;
    this.#data = null;
    dropBallast(this.#ballast);
    this.#ballast = null;
    this.#pool.release(this);
  }
}

/** Makes buffers, and counts their bytes until they are disposed of or collected. */
export class BufferPool {
  readonly #registry: FinalizationRegistry<number>;
  readonly #pressure = new MemoryPressure();
  #used = 0;
  #peak = 0;

  constructor() {
    this.#registry = new FinalizationRegistry((bytes) => void (this.#used -= bytes));
  }

  /** A buffer of elements that will be there. */
  create(
    backend: Backend,
    dtype: DType,
    length: number,
    data: Promise<TypedArray>,
  ): OnnxruntimeBuffer {
    const bytes = length * bytesPerElement(dtype);
    this.#used += bytes;
    this.#peak = Math.max(this.#peak, this.#used);
    const ballast = this.#pressure.allocated(bytes);
    const buffer = new OnnxruntimeBuffer(backend, this, dtype, length, data, ballast);
    this.#registry.register(buffer, bytes, buffer);
    return buffer;
  }

  /** A buffer was disposed of. */
  release(buffer: OnnxruntimeBuffer): void {
    const bytes = buffer.length * bytesPerElement(buffer.dtype);
    this.#registry.unregister(buffer);
    this.#pressure.disposed(bytes);
    this.#used -= bytes;
  }

  /** Gives the memory of collected buffers a chance to come back. */
  turn(): Promise<void> {
    return this.#pressure.turn();
  }

  /** What buffers hold. */
  memory(): MemoryReport {
    return { used: this.#used, peak: this.#peak };
  }
}
