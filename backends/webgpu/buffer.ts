/**
 * Tensors' elements on a device.
 *
 * @module
 */

import type { DType } from "../../lib/base/dtype.ts";
import type { Backend } from "../../lib/compiler/backend.ts";
import { BufferOwner, OwnedBuffer } from "../owned_buffer.ts";
import type { Device } from "./device.ts";
import type { Outcome } from "./outcome.ts";
import type { Piece } from "./pool.ts";

/** What a buffer holds. */
interface Held {
  readonly device: Device;
  readonly gpuBuffer: GPUBuffer;
  /** Where it came from; null for a buffer of the caller's. */
  readonly piece: Piece | null;
}

/** Elements in a GPU buffer, 4 bytes each; bool is 0 or 1. */
export class WebgpuBuffer extends OwnedBuffer<Held> {
  /** The device that holds them. */
  readonly device: Device;
  /** Whether computing them succeeded. */
  outcome: Outcome | null = null;

  /** Made by `BufferPool`. */
  constructor(backend: Backend, pool: BufferPool, dtype: DType, length: number, held: Held) {
    super(backend, pool, dtype, length, held, held.piece?.bytes ?? 0);
    this.device = held.device;
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
    return this.held.gpuBuffer;
  }
}

/** Makes buffers, and returns those that are disposed of or collected to the pool of their device. */
export class BufferPool extends BufferOwner<Held> {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    super(({ device, piece }) => {
      if (piece !== null) device.pool.release(piece);
    });
    this.#backend = backend;
  }

  /**
   * A new buffer with any content.
   *
   * @throws OutOfMemoryError when there is no memory for it.
   */
  create(device: Device, dtype: DType, length: number, label: string): WebgpuBuffer {
    const piece = device.pool.acquire(4 * length, label);
    const held = { device, gpuBuffer: piece.buffer, piece };
    return new WebgpuBuffer(this.#backend, this, dtype, length, held);
  }

  /** A buffer of the caller's. */
  adopt(device: Device, dtype: DType, length: number, gpuBuffer: GPUBuffer): WebgpuBuffer {
    return new WebgpuBuffer(this.#backend, this, dtype, length, { device, gpuBuffer, piece: null });
  }
}
