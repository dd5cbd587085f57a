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
  /** Returns the memory at once; the buffer must not be used afterwards. Calling it again does nothing. */
  dispose(): void;
}

/** A program made ready to run. */
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
  /** Short name: "wasm", "reference". */
  readonly name: string;
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
   * Takes back the memory of buffers that were dropped without `dispose`, where it can and where there is much of it. What
   * computes without reading waits for it, so that long runs hold their memory.
   */
  reclaim?(): Promise<void>;
  /** What it holds. */
  memory(): MemoryReport;
}
