/**
 * Tensors' elements, as a backend hands them out.
 *
 * @module
 */

import { bytesPerElement, type DType } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { Backend, DeviceBuffer } from "../../lib/compiler/backend.ts";
import { dropBallast, MemoryPressure } from "../memory_pressure.ts";
import type { GpuErrors, Verdict } from "./gpu_errors.ts";
import type { Kernels } from "./kernels.ts";
import type { TensorInfo } from "./load.ts";
import type { Value } from "./value.ts";

/** What a buffer holds; apart from it, so that it can be released when the buffer was collected. */
interface Held {
  tensor: TensorInfo | null;
}

/** Elements of TensorFlow.js, or of the host until a kernel needs them. */
export class TfjsBuffer implements DeviceBuffer {
  readonly backend: Backend;
  readonly dtype: DType;
  readonly length: number;
  /** Whether it was computed without an error, where that is known later. */
  readonly verdict: Verdict | null;
  readonly #pool: BufferPool;
  readonly #held: Held;
  /** See `MemoryPressure`. */
  #ballast: ArrayBuffer | null;
  #value: Value | null;

  /** Made by `BufferPool.create`. */
  constructor(
    backend: Backend,
    pool: BufferPool,
    value: Value,
    held: Held,
    ballast: ArrayBuffer | null,
    verdict: Verdict | null,
  ) {
    this.verdict = verdict;
    this.backend = backend;
    this.dtype = value.dtype;
    this.length = value.shape[0];
    this.#pool = pool;
    this.#held = held;
    this.#value = value;
    this.#ballast = ballast;
  }

  /**
   * The elements, one after the other; dense.
   *
   * @throws BackendError when the buffer was disposed.
   */
  get value(): Value {
    if (this.#value !== null) return this.#value;
    throw new BackendError(
      `${this.backend.name}: a buffer of ${this.length} ${this.dtype} elements is used after it was disposed`,
    );
  }

  /** Whether the device is gone that held them; what is on the host is still there. */
  get lost(): boolean {
    return this.#pool.errors.lost && this.#value !== null && this.#value.host === null;
  }

  /** The elements came to the device: the buffer holds them from now on. */
  moved(tensor: TensorInfo, host: Value["host"]): void {
    this.#held.tensor = tensor;
    this.#value = { ...this.value, tensor, host };
  }

  dispose(): void {
    if (this.#value === null) return;
    this.#value = null;
    dropBallast(this.#ballast);
    this.#ballast = null;
    this.#pool.release(this, this.#held);
  }
}

/** Makes buffers, and takes back what those hold that are disposed or collected. */
export class BufferPool {
  /** What the device says. */
  readonly errors: GpuErrors;
  readonly #kernels: Kernels;
  readonly #registry: FinalizationRegistry<Held>;
  readonly #pressure = new MemoryPressure();

  constructor(kernels: Kernels, errors: GpuErrors) {
    this.#kernels = kernels;
    this.errors = errors;
    this.#registry = new FinalizationRegistry((held) => this.#free(held));
  }

  /** A buffer of a dense value with one axis, whose tensor it takes over. */
  create(backend: Backend, value: Value, verdict: Verdict | null = null): TfjsBuffer {
    const held: Held = { tensor: value.tensor };
    const ballast = this.#pressure.allocated(value.shape[0] * bytesPerElement(value.dtype));
    const buffer = new TfjsBuffer(backend, this, value, held, ballast, verdict);
    this.#registry.register(buffer, held, buffer);
    return buffer;
  }

  /** Takes back what a buffer holds. */
  release(buffer: TfjsBuffer, held: Held): void {
    this.#registry.unregister(buffer);
    this.#pressure.disposed(buffer.length * bytesPerElement(buffer.dtype));
    this.#free(held);
  }

  /** Gives the memory of collected buffers a chance to come back. */
  turn(): Promise<void> {
    return this.#pressure.turn();
  }

  #free(held: Held): void {
    if (held.tensor !== null) this.#kernels.release(held.tensor);
    held.tensor = null;
  }
}
