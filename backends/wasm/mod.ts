/**
 * The WebAssembly backend: SIMD kernels generated for the program at hand, on threads that share one memory.
 *
 * @module
 */

import { allocate, type DType, dtypes, type TypedArray } from "../../lib/base/dtype.ts";
import { ArgumentError, BackendError } from "../../lib/base/errors.ts";
import type {
  Backend,
  DeviceBuffer,
  Executable,
  MemoryReport,
} from "../../lib/compiler/backend.ts";
import { lower } from "../../lib/compiler/lower.ts";
import type { Program } from "../../lib/compiler/program.ts";
import { simplify } from "../../lib/compiler/simplify.ts";
import { checkElements } from "../elements.ts";
import { WasmBuffer } from "./buffer.ts";
import { capabilities } from "./capabilities.ts";
import { makeRoom } from "./convolution_chain.ts";
import { Device } from "./device.ts";
import { WasmExecutable } from "./executable.ts";
import type { KernelObserver } from "./profile.ts";

export type { KernelObserver, KernelTime } from "./profile.ts";

/** Settings of a WebAssembly backend. */
export interface WasmBackendOptions {
  /**
   * How many threads compute, the calling one included. By default as many as there are processors. Where memory cannot
   * be shared (a page that is not cross-origin isolated) it is 1 whatever is asked for. Results do not depend on it.
   */
  readonly threads?: number;
  /**
   * Whether multiply-adds may be fused: faster and more accurate, but not bit for bit equal on processors of different
   * kinds. `"auto"`, the default, uses them where the engine can.
   */
  readonly relaxed?: boolean | "auto";
  /** The most bytes of memory it takes; by default 4 GiB, which is also the most that there can be. */
  readonly maximumMemory?: number;
  /**
   * Programs whose work is estimated at fewer nanoseconds than this run on the calling thread alone; 60,000 by default,
   * as waking a thread takes some 10,000. With 0 everything is shared that can be, which is for tests.
   */
  readonly shareAbove?: number;
  /**
   * Called after each program, with the time that each of its kernels took, in the order they ran. What calls it takes a
   * fraction of a microsecond a kernel.
   */
  readonly observer?: KernelObserver;
}

/** The WebAssembly backend's own methods beside those of every backend. */
export interface WasmBackend extends Backend {
  /** Copies a buffer to the host at once. */
  readSync(buffer: DeviceBuffer): TypedArray;
  /** How many threads compute, the calling one included. */
  readonly threads: number;
  /** Whether multiply-adds may be fused. */
  readonly relaxed: boolean;
  /** Starts the threads now instead of with the first program that is worth it. */
  startThreads(): void;
  /** Ends the threads; what runs afterwards runs on the calling thread. */
  stopThreads(): void;
}

/** Most threads by default: beyond it memory is the limit. */
const mostThreads = 16;
/** Work in estimated nanoseconds that is worth waking a thread for. */
export const wakeWork = 60e3;
/** The most memory that 32-bit addresses reach. */
const mostMemory = 2 ** 32;

/** Runs programs in WebAssembly. */
class Wasm implements WasmBackend {
  readonly name = "wasm";
  readonly dtypes: readonly DType[] = dtypes;
  readonly #device: Device;

  constructor(
    threads: number,
    relaxed: boolean,
    shared: boolean,
    maximumMemory: number,
    shareAbove: number,
    observer: KernelObserver | null,
  ) {
    this.#device = new Device(this, threads, relaxed, shared, maximumMemory, shareAbove, observer);
  }

  get threads(): number {
    return this.#device.threads.size;
  }

  get relaxed(): boolean {
    return this.#device.relaxed;
  }

  get description(): string {
    const { threads, relaxed } = this;
    return `WebAssembly, ${threads === 1 ? "1 thread" : `${threads} threads`}${
      relaxed ? "" : ", strict"
    }`;
  }

  startThreads(): void {
    this.#device.threads.start();
  }

  stopThreads(): void {
    this.#device.threads.terminate();
  }

  compile(program: Program): Executable {
    const lowered = makeRoom(lower(simplify(program)), this.relaxed, this.threads);
    return new WasmExecutable(this.#device, lowered);
  }

  upload(data: TypedArray, dtype: DType): DeviceBuffer {
    checkElements(data, dtype, "upload");
    const buffer = this.#device.buffers.create(this, dtype, data.length);
    this.#view(buffer).set(data);
    return buffer;
  }

  async read(buffer: DeviceBuffer): Promise<TypedArray> {
    const elements = this.readSync(buffer);
    await this.synchronize();
    return elements;
  }

  synchronize(): Promise<void> {
    return this.#device.buffers.turn();
  }

  readSync(buffer: DeviceBuffer): TypedArray {
    if (!(buffer instanceof WasmBuffer) || buffer.backend !== this) {
      throw new BackendError(
        `read: the buffer belongs to another backend (${buffer.backend.name}); read it with its own`,
      );
    }
    // Copied, as what is shared with threads cannot be handed to most interfaces of the web.
    const copy = allocate(buffer.dtype, buffer.length);
    copy.set(this.#view(buffer));
    return copy;
  }

  memory(): MemoryReport {
    const { used, peak } = this.#device.heap;
    return { used, peak };
  }

  /** The elements where they are; valid until memory grows. */
  #view(buffer: WasmBuffer): TypedArray {
    const memory = this.#device.memory.buffer;
    const { address, dtype, length } = buffer;
    switch (dtype) {
      case "float32":
        return new Float32Array(memory, address, length);
      case "float64":
        return new Float64Array(memory, address, length);
      case "int32":
      case "bool":
        return new Int32Array(memory, address, length);
      case "uint32":
        return new Uint32Array(memory, address, length);
    }
  }
}

/** Throws an `ArgumentError` unless the value is a positive integer. */
function checkPositive(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new ArgumentError(`createWasmBackend: ${name} is ${value}; expected a positive integer`);
}

/**
 * A new WebAssembly backend with a memory and threads of its own. Threads start with the first program that is large
 * enough to share; they need no permission, and a script that uses them ends by itself.
 *
 * @throws ArgumentError when an option is not what it should be.
 * @throws BackendError when the engine lacks SIMD, or relaxed SIMD where `relaxed` is true.
 */
export function createWasmBackend(options: WasmBackendOptions = {}): WasmBackend {
  const engine = capabilities();
  if (!engine.simd) {
    throw new BackendError(
      "wasm: this engine has no WebAssembly SIMD; use a newer one, or the reference backend",
    );
  }
  const { relaxed = "auto", threads, maximumMemory = mostMemory, shareAbove = wakeWork } = options;
  if (relaxed !== "auto" && typeof relaxed !== "boolean") {
    throw new ArgumentError(
      `createWasmBackend: relaxed is ${relaxed}; expected true, false or "auto"`,
    );
  }
  if (relaxed === true && !engine.relaxedSimd) {
    throw new BackendError(
      'wasm: this engine has no relaxed SIMD; leave the option relaxed at "auto"',
    );
  }
  if (!(shareAbove >= 0)) {
    throw new ArgumentError(
      `createWasmBackend: shareAbove is ${shareAbove}; expected a number of nanoseconds, at least 0`,
    );
  }
  return new Wasm(
    threads === undefined ? Math.min(mostThreads, engine.cores) : checkPositive(threads, "threads"),
    relaxed === "auto" ? engine.relaxedSimd : relaxed,
    engine.sharedMemory,
    Math.min(mostMemory, checkPositive(maximumMemory, "maximumMemory")),
    shareAbove,
    options.observer ?? null,
  );
}

let shared: WasmBackend | undefined;

/** The WebAssembly backend with default settings, made at the first call. */
export function defaultWasmBackend(): WasmBackend {
  return shared ??= createWasmBackend();
}
