/**
 * Buffers that own something of their backend: memory, a piece of a device, a tensor of a library. They give it back once, when
 * they are disposed of or collected.
 *
 * @module
 */

import type { DType } from "../lib/base/dtype.ts";
import { BackendError } from "../lib/base/errors.ts";
import type { Backend, DeviceBuffer } from "../lib/compiler/backend.ts";
import { MemoryPressure } from "./memory_pressure.ts";

/** A buffer that holds something until it is disposed of. */
export abstract class OwnedBuffer<Held> implements DeviceBuffer {
  readonly backend: Backend;
  readonly dtype: DType;
  readonly length: number;
  readonly #owner: BufferOwner<Held>;
  readonly #held: Held;
  readonly #bytes: number;
  /** See `MemoryPressure`. */
  #ballast: ArrayBuffer | null;
  #disposed = false;

  /**
   * `held` must not refer to the buffer, or that would never be collected, nor to what the engine collects itself, which would
   * stay until the buffer's end is noticed. `bytes` is the size of what it stands for.
   */
  constructor(
    backend: Backend,
    owner: BufferOwner<Held>,
    dtype: DType,
    length: number,
    held: Held,
    bytes: number,
  ) {
    this.backend = backend;
    this.dtype = dtype;
    this.length = length;
    this.#owner = owner;
    this.#held = held;
    this.#bytes = bytes;
    this.#ballast = owner.register(this, held, bytes);
  }

  /**
   * What it holds.
   *
   * @throws BackendError when it was disposed of.
   */
  protected get held(): Held {
    if (this.#disposed) this.refuse();
    return this.#held;
  }

  /** Throws, as it was disposed of. */
  protected refuse(): never {
    throw new BackendError(
      `${this.backend.name}: a buffer of ${this.length} ${this.dtype} elements is used after it was disposed`,
    );
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const ballast = this.#ballast;
    this.#ballast = null;
    this.#owner.release(this, this.#held, this.#bytes, ballast);
  }
}

/** Takes back what buffers hold. */
export class BufferOwner<Held> {
  readonly #free: (held: Held) => void;
  readonly #registry: FinalizationRegistry<Held>;
  readonly #pressure = new MemoryPressure();

  /** `free` is called once for what each buffer holds. */
  constructor(free: (held: Held) => void) {
    this.#free = free;
    this.#registry = new FinalizationRegistry(free);
  }

  /** Called by a buffer that is being made; returns ballast for it to hold, or null. */
  register(buffer: OwnedBuffer<Held>, held: Held, bytes: number): ArrayBuffer | null {
    this.#registry.register(buffer, held, buffer);
    return this.#pressure.allocated(bytes);
  }

  /** Called by a buffer that is disposed of; hands its ballast back. */
  release(
    buffer: OwnedBuffer<Held>,
    held: Held,
    bytes: number,
    ballast: ArrayBuffer | null,
  ): void {
    this.#registry.unregister(buffer);
    this.#pressure.disposed(bytes, ballast);
    this.#free(held);
  }

  /** Gives what collected buffers hold a chance to come back. */
  turn(): Promise<void> {
    return this.#pressure.turn();
  }
}
