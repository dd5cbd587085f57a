/**
 * The interface that every backend implements.
 *
 * @module
 */

import type { DType, TypedArray } from "../base/dtype.ts";
import type { Program } from "./program.ts";

/** Elements that live where a backend computes, row-major and dense. */
export interface DeviceBuffer {
  /** The backend that owns the buffer. */
  readonly backend: Backend;
  /** The dtype of its elements. */
  readonly dtype: DType;
  /** The number of its elements. */
  readonly length: number;
  /** Whether its elements are gone, with the device that held them. */
  readonly lost?: boolean;
  /** Returns the memory at once; the buffer must not be used afterwards. Calling it again does nothing. */
  dispose(): void;
}

/** A program made ready to run. Where a backend computes asynchronously, running only enqueues; reading waits. */
export interface Executable {
  /** Runs on the inputs, in the program's order, and returns new buffers for the outputs; inputs stay as they are. */
  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[];
  /** Peak bytes of intermediate buffers of one run, where the backend knows. */
  readonly scratchBytes?: number;
}

/** Memory that a backend holds, in bytes. */
export interface MemoryReport {
  /** In use by buffers that are alive. */
  readonly used: number;
  /** The most that was in use at once, intermediate results included. */
  readonly peak: number;
}

/** Executes programs. */
export interface Backend {
  /** Short name: "wasm", "webgpu". */
  readonly name: string;
  /** What it runs on, in words, for reports. */
  readonly description?: string;
  /** The dtypes it can compute in. */
  readonly dtypes: readonly DType[];
  /** Compiles a program; the caller caches the result by the program's key. */
  compile(program: Program): Executable;
  /** Copies host data (bool: bytes 0 or 1) into a new buffer. */
  upload(data: TypedArray, dtype: DType): DeviceBuffer;
  /** Copies a buffer to the host. */
  read(buffer: DeviceBuffer): Promise<TypedArray>;
  /** The same without waiting, where the backend can. */
  readSync?(buffer: DeviceBuffer): TypedArray;
  /**
   * Waits until everything that was enqueued is computed, and takes back the memory of buffers that were dropped without
   * `dispose`, where there is much of it. Rejects with the first error of what was enqueued. What computes without waiting
   * holds its memory.
   */
  synchronize?(): Promise<void>;
  /** What it holds. */
  memory(): MemoryReport;
}
