/**
 * onnxruntime-web as a backend: programs are written as ONNX models, which its kernels run, by threads on the processor.
 *
 * Nothing is fetched before `createOnnxruntimeBackend` is called.
 *
 * @module
 */

import type { DType, TypedArray } from "../../lib/base/dtype.ts";
import { ArgumentError, BackendError } from "../../lib/base/errors.ts";
import type {
  Backend,
  DeviceBuffer,
  Executable,
  MemoryReport,
} from "../../lib/compiler/backend.ts";
import type { Program, ProgramNode } from "../../lib/compiler/program.ts";
import { simplify } from "../../lib/compiler/simplify.ts";
import { sizeOf } from "../../lib/base/shape.ts";
import { checkElements } from "../elements.ts";
import { BufferPool, OnnxruntimeBuffer } from "./buffer.ts";
import { OnnxruntimeExecutable } from "./executable.ts";
import { loadOnnxruntime, onnxruntimeVersion } from "./load.ts";
import { Sessions } from "./sessions.ts";

/** Settings of an onnxruntime backend. */
export interface OnnxruntimeBackendOptions {
  /** How many threads compute. What the first backend of a process says holds for all of them. */
  readonly threads?: number;
}

/** A backend on onnxruntime's kernels. */
export interface OnnxruntimeBackend extends Backend {
  /** Waits until everything that was enqueued is computed. Rejects with the first error of it. */
  synchronize(): Promise<void>;
}

const noFloat64 = (): BackendError =>
  new BackendError(
    'onnxruntime: there are no kernels in float64 for much of what networks need; compute in float32, or with the backend "wasm"',
  );

class Onnxruntime implements OnnxruntimeBackend {
  readonly name = "onnxruntime";
  readonly description = `onnxruntime-web ${onnxruntimeVersion} on WebAssembly`;
  readonly dtypes: readonly DType[] = ["float32", "int32", "uint32", "bool"];
  readonly #sessions: Sessions;
  readonly #pool = new BufferPool();

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  compile(program: Program): Executable {
    if (program.nodes.some(({ dtype }) => dtype === "float64")) throw noFloat64();
    return new OnnxruntimeExecutable(this.#sessions, this, simplify(program));
  }

  upload(data: TypedArray, dtype: DType): DeviceBuffer {
    if (dtype === "float64") throw noFloat64();
    checkElements(data, dtype, "onnxruntime");
    return this.#pool.create(this, dtype, data.length, Promise.resolve(data.slice()));
  }

  async read(buffer: DeviceBuffer): Promise<TypedArray> {
    const data = await this.own(buffer).data;
    await this.#pool.turn();
    return data.slice();
  }

  async synchronize(): Promise<void> {
    await this.#sessions.settle();
    await this.#pool.turn();
  }

  memory(): MemoryReport {
    return this.#pool.memory();
  }

  /** A buffer of a node's elements. */
  make({ shape, dtype }: ProgramNode, data: Promise<TypedArray>): DeviceBuffer {
    data.catch(() => {});
    return this.#pool.create(this, dtype, sizeOf(shape), data);
  }

  /** The buffer as one of this backend's. */
  own(buffer: DeviceBuffer): OnnxruntimeBuffer {
    if (buffer instanceof OnnxruntimeBuffer && buffer.backend === this) return buffer;
    throw new BackendError(
      `onnxruntime: a buffer of the ${buffer.backend.name} backend was given; read it there and upload it here`,
    );
  }
}

let started = false;

/**
 * onnxruntime-web as a backend. The package is fetched at the first call.
 *
 * It computes in float32, int32, uint32 and bool, on the processor. Its errors come when results are read, and name the
 * operation.
 *
 * @example
 * ```ts ignore
 * import { setBackend, tensor } from "@tangents/ntk";
 * import { createOnnxruntimeBackend } from "@tangents/ntk/backends";
 * await setBackend(await createOnnxruntimeBackend());
 * console.log(await tensor([1, 2]).sum().item()); // 3
 * ```
 *
 * @throws ArgumentError when `threads` is no positive integer.
 * @throws BackendError when the package cannot be loaded.
 */
export async function createOnnxruntimeBackend(
  options: OnnxruntimeBackendOptions = {},
): Promise<OnnxruntimeBackend> {
  const { threads } = options;
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1)) {
    throw new ArgumentError(
      `createOnnxruntimeBackend: threads is ${threads}; expected a positive integer`,
    );
  }
  const ort = await loadOnnxruntime();
  if (!started) {
    started = true;
    if (threads !== undefined) ort.env.wasm.numThreads = threads;
  }
  return new Onnxruntime(new Sessions(ort));
}
