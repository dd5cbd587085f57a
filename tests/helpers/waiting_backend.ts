/**
 * A backend that can only be read by waiting, as a graphics processor: the WebAssembly backend behind a delay.
 *
 * @module
 */

import { createWasmBackend } from "../../backends/wasm/mod.ts";
import type { DType, TypedArray } from "../../lib/base/dtype.ts";
import type {
  Backend,
  DeviceBuffer,
  Executable,
  MemoryReport,
} from "../../lib/compiler/backend.ts";
import type { Program } from "../../lib/compiler/program.ts";

class WaitingBuffer implements DeviceBuffer {
  readonly backend: Backend;
  readonly inner: DeviceBuffer;
  lost = false;

  constructor(backend: Backend, inner: DeviceBuffer) {
    this.backend = backend;
    this.inner = inner;
  }

  get dtype(): DType {
    return this.inner.dtype;
  }

  get length(): number {
    return this.inner.length;
  }

  dispose(): void {
    this.inner.dispose();
  }
}

/** Computes on one thread of WebAssembly, without float64, and gives nothing back without waiting. */
export class WaitingBackend implements Backend {
  readonly name = "waiting";
  readonly dtypes: readonly DType[] = ["float32", "int32", "uint32", "bool"];
  readonly #wasm = createWasmBackend({ threads: 1 });
  readonly #buffers = new Set<WaitingBuffer>();

  compile(program: Program): Executable {
    const executable = this.#wasm.compile(program);
    return {
      scratchBytes: executable.scratchBytes,
      run: (inputs) =>
        executable.run(inputs.map((x) => (x as WaitingBuffer).inner)).map((x) => this.#wrap(x)),
    };
  }

  upload(data: TypedArray, dtype: DType): DeviceBuffer {
    return this.#wrap(this.#wasm.upload(data, dtype));
  }

  async read(buffer: DeviceBuffer): Promise<TypedArray> {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return this.#wasm.readSync((buffer as WaitingBuffer).inner);
  }

  memory(): MemoryReport {
    return this.#wasm.memory();
  }

  /** Marks everything that it holds as lost, as when a device goes. */
  lose(): void {
    for (const buffer of this.#buffers) buffer.lost = true;
    this.#buffers.clear();
  }

  #wrap(inner: DeviceBuffer): WaitingBuffer {
    const buffer = new WaitingBuffer(this, inner);
    this.#buffers.add(buffer);
    return buffer;
  }
}
