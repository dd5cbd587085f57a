/**
 * Tensors' elements, as a backend hands them out.
 *
 * @module
 */

import { bytesPerElement } from "../../lib/base/dtype.ts";
import type { Backend } from "../../lib/compiler/backend.ts";
import { BufferOwner, OwnedBuffer } from "../owned_buffer.ts";
import type { GpuErrors, Verdict } from "./gpu_errors.ts";
import type { Kernels } from "./kernels.ts";
import type { TensorInfo } from "./load.ts";
import type { Value } from "./value.ts";

/** What a buffer holds on the device. */
interface Held {
  tensor: TensorInfo | null;
}

/** Elements of TensorFlow.js, or of the host until a kernel needs them. */
export class TfjsBuffer extends OwnedBuffer<Held> {
  /** Whether it was computed without an error, where that is known later. */
  readonly verdict: Verdict | null;
  readonly #errors: GpuErrors;
  #value: Value | null;

  /** Made by `BufferPool.create`; the value is dense and has one axis. */
  constructor(backend: Backend, pool: BufferPool, value: Value, verdict: Verdict | null) {
    const { dtype, shape: [length], tensor } = value;
    super(backend, pool, dtype, length, { tensor }, length * bytesPerElement(dtype));
    this.#value = value;
    this.verdict = verdict;
    this.#errors = pool.errors;
  }

  /**
   * The elements, one after the other; dense.
   *
   * @throws BackendError when the buffer was disposed.
   */
  get value(): Value {
    if (this.#value === null) this.refuse();
    return this.#value;
  }

  /** Whether the device is gone that held them; what is on the host is still there. */
  get lost(): boolean {
    return this.#errors.lost && this.#value !== null && this.#value.host === null;
  }

  /** The elements came to the device: the buffer holds them from now on. */
  moved(tensor: TensorInfo, host: Value["host"]): void {
    this.held.tensor = tensor;
    this.#value = { ...this.value, tensor, host };
  }

  override dispose(): void {
    super.dispose();
    this.#value = null;
  }
}

/** Makes buffers, and takes back what those hold that are disposed or collected. */
export class BufferPool extends BufferOwner<Held> {
  /** What the device says. */
  readonly errors: GpuErrors;

  constructor(kernels: Kernels, errors: GpuErrors) {
    super((held) => {
      if (held.tensor !== null) kernels.release(held.tensor);
      held.tensor = null;
    });
    this.errors = errors;
  }

  /** A buffer of a dense value with one axis, whose tensor it takes over. */
  create(backend: Backend, value: Value, verdict: Verdict | null = null): TfjsBuffer {
    return new TfjsBuffer(backend, this, value, verdict);
  }
}
