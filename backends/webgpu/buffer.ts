/**
 * Tensors' elements on a device.
 *
 * @module
 */

import type { DType } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { Backend, DeviceBuffer } from "../../lib/compiler/backend.ts";
import { dropBallast, MemoryPressure } from "../memory_pressure.ts";
import type { Device } from "./device.ts";
import type { Outcome } from "./outcome.ts";
import type { Piece } from "./pool.ts";

/** Elements in a GPU buffer, 4 bytes each; bool is 0 or 1. */
export class WebgpuBuffer implements DeviceBuffer {
  readonly backend: Backend;
  readonly dtype: DType;
  readonly length: number;
  /** The device that holds them. */
  readonly device: Device;
  /** Whether computing them succeeded. */
  outcome: Outcome | null = null;
  readonly #owner: BufferOwner;
  readonly #buffer: GPUBuffer;
  readonly #piece: Piece | null;
  #ballast: ArrayBuffer | null;
  #disposed = false;

  /** Made by `BufferOwner`; without a piece, the buffer is the caller's. */
  constructor(
    backend: Backend,
    owner: BufferOwner,
    device: Device,
    dtype: DType,
    length: number,
    buffer: GPUBuffer,
    piece: Piece | null,
    ballast: ArrayBuffer | null,
  ) {
    this.backend = backend;
    this.dtype = dtype;
    this.length = length;
    this.device = device;
    this.#owner = owner;
    this.#buffer = buffer;
    this.#piece = piece;
    this.#ballast = ballast;
  }

  get lost(): boolean {
    return this.device.lost !== null;
  }

  /**
   * The GPU buffer.
   *
   * @throws BackendError when the elements were disposed of.
   */
  get gpuBuffer(): GPUBuffer {
    if (this.#disposed) {
      throw new BackendError(
        `webgpu: a buffer of ${this.length} ${this.dtype} elements is used after it was disposed`,
      );
    }
    return this.#buffer;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    dropBallast(this.#ballast);
    this.#ballast = null;
    if (this.#piece !== null) this.#owner.release(this, this.#piece);
  }
}

/** What is released when a buffer is collected. */
interface Held {
  readonly device: Device;
  readonly piece: Piece;
}

/** Makes buffers, and returns those that are disposed of or collected to their pool. */
export class BufferOwner {
  readonly #backend: Backend;
  readonly #pressure = new MemoryPressure();
  readonly #registry = new FinalizationRegistry<Held>(({ device, piece }) =>
    device.pool.release(piece)
  );

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /**
   * A new buffer with any content.
   *
   * @throws OutOfMemoryError when there is no memory for it.
   */
  create(device: Device, dtype: DType, length: number, label: string): WebgpuBuffer {
    const piece = device.pool.acquire(4 * length, label);
    const ballast = this.#pressure.allocated(piece.bytes);
    const buffer = new WebgpuBuffer(
      this.#backend,
      this,
      device,
      dtype,
      length,
      piece.buffer,
      piece,
      ballast,
    );
    this.#registry.register(buffer, { device, piece }, buffer);
    return buffer;
  }

  /** A buffer of the caller's. */
  adopt(device: Device, dtype: DType, length: number, gpuBuffer: GPUBuffer): WebgpuBuffer {
    return new WebgpuBuffer(this.#backend, this, device, dtype, length, gpuBuffer, null, null);
  }

  /** Takes back the memory of a buffer. */
  release(buffer: WebgpuBuffer, piece: Piece): void {
    this.#registry.unregister(buffer);
    this.#pressure.disposed(piece.bytes);
    buffer.device.pool.release(piece);
  }

  /** Gives the memory of collected buffers a chance to come back. */
  turn(): Promise<void> {
    return this.#pressure.turn();
  }
}
