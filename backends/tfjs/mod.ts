/**
 * TensorFlow.js as a backend: programs run node by node on the kernels of its WebAssembly or WebGPU backend.
 *
 * Nothing is fetched before `createTfjsBackend` is called.
 *
 * @module
 */

import type { DType, TypedArray } from "../../lib/base/dtype.ts";
import { ArgumentError } from "../../lib/base/errors.ts";
import type {
  Backend,
  DeviceBuffer,
  Executable,
  MemoryReport,
} from "../../lib/compiler/backend.ts";
import type { Program } from "../../lib/compiler/program.ts";
import { simplify } from "../../lib/compiler/simplify.ts";
import { checkElements } from "../elements.ts";
import { BufferPool } from "./buffer.ts";
import { ownBuffer, TfjsExecutable } from "./executable.ts";
import { Kernels } from "./kernels.ts";
import { GpuErrors } from "./gpu_errors.ts";
import { startTfjs, type TfjsKind, tfjsVersion } from "./load.ts";
import { Operations } from "./operations.ts";
import { fromStorage, noFloat64 } from "./storage.ts";

/** Settings of a TensorFlow.js backend. */
export interface TfjsBackendOptions {
  /** Which of its backends computes. */
  readonly backend: "wasm" | "webgpu";
  /**
   * How many threads compute, with `"wasm"` in a page that is cross-origin isolated; elsewhere it is 1 whatever is asked for.
   * What the first backend of a process says holds for all of them.
   */
  readonly threads?: number;
}

/** A backend on TensorFlow.js's kernels. */
export interface TfjsBackend extends Backend {
  /** Which of its backends computes. */
  readonly kind: "wasm" | "webgpu";
}

class Tfjs implements TfjsBackend {
  readonly name: string;
  readonly kind: TfjsKind;
  readonly dtypes: readonly DType[] = ["float32", "int32", "uint32", "bool"];
  readonly readSync?: (buffer: DeviceBuffer) => TypedArray;
  readonly #on: Operations;
  readonly #pool: BufferPool;
  readonly #errors: GpuErrors;

  constructor(kernels: Kernels) {
    this.kind = kernels.kind;
    this.name = `tfjs-${this.kind}`;
    this.#on = new Operations(kernels);
    this.#errors = new GpuErrors(kernels.backend);
    this.#pool = new BufferPool(kernels, this.#errors);
    if (this.#on.readable) this.readSync = (buffer) => this.#readNow(buffer);
  }

  compile(program: Program): Executable {
    return new TfjsExecutable(this, this.#on, this.#pool, simplify(program));
  }

  upload(data: TypedArray, dtype: DType): DeviceBuffer {
    if (dtype === "float64") throw noFloat64();
    checkElements(data, dtype, "upload");
    const shape = [data.length];
    const { kernels } = this.#on;
    const value = { shape, dtype, stored: shape };
    if (!this.#on.readable) {
      kernels.checkSize(shape, this.#on.typeOf(dtype));
      return this.#pool.create(this, { ...value, tensor: null, host: data.slice() });
    }
    const tensor = kernels.keep(this.#on.upload(data, shape, dtype));
    return this.#pool.create(this, { ...value, tensor, host: null });
  }

  async read(buffer: DeviceBuffer): Promise<TypedArray> {
    const elements = this.#on.readable ? this.#readNow(buffer) : await this.#readLater(buffer);
    await this.#pool.turn();
    return elements;
  }

  async synchronize(): Promise<void> {
    await this.#errors.settle();
    await this.#pool.turn();
  }

  get description(): string {
    return `TensorFlow.js ${tfjsVersion} on ${this.kind === "wasm" ? "WebAssembly" : "WebGPU"}`;
  }

  memory(): MemoryReport {
    const { used, peak } = this.#on.kernels;
    return { used, peak };
  }

  /** The elements, when they have been computed and copied. */
  async #readLater(buffer: DeviceBuffer): Promise<TypedArray> {
    const { value: { tensor, host, dtype }, verdict } = ownBuffer(this, buffer);
    if (host !== null) return host.slice();
    this.#errors.checkDevice();
    const reading = this.#on.kernels.backend.read(tensor!.dataId);
    // A failure has its reason in the verdict, if there is one.
    const data = await reading.catch(() => null);
    await this.#errors.check(verdict);
    if (data === null) throw this.#errors.lostError();
    return fromStorage(data.slice(), dtype, this.kind);
  }

  /** The elements, where memory can be read without waiting. */
  #readNow(buffer: DeviceBuffer): TypedArray {
    return this.#on.hostOf(ownBuffer(this, buffer).value)!.slice();
  }
}

const backends = new Map<TfjsKind, Promise<TfjsBackend>>();

/**
 * TensorFlow.js as a backend. The packages `@tensorflow/tfjs-core` and `@tensorflow/tfjs-backend-wasm` or
 * `@tensorflow/tfjs-backend-webgpu` are fetched at the first call, and TensorFlow.js is started once in a process: further calls
 * give the same backend.
 *
 * It computes in float32, int32, uint32 and bool. Tensors that are too large for a GPU's limits are refused, and so is what
 * has no exact kernel there.
 *
 * @example
 * ```ts ignore
 * import { setBackend, tensor } from "@tangents/ntk";
 * import { createTfjsBackend } from "@tangents/ntk/backends";
 * await setBackend(await createTfjsBackend({ backend: "wasm" }));
 * console.log(await tensor([1, 2]).sum().item()); // 3
 * ```
 *
 * @throws ArgumentError when an option is not what it should be.
 * @throws BackendError when a package cannot be loaded, or TensorFlow.js does not start.
 */
export function createTfjsBackend(options: TfjsBackendOptions): Promise<TfjsBackend> {
  const { backend: kind, threads } = options;
  if (kind !== "wasm" && kind !== "webgpu") {
    throw new ArgumentError(
      `createTfjsBackend: backend is ${JSON.stringify(kind)}; expected "wasm" or "webgpu"`,
    );
  }
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads >= 1)) {
    throw new ArgumentError(
      `createTfjsBackend: threads is ${threads}; expected a positive integer`,
    );
  }
  let backend = backends.get(kind);
  if (backend === undefined) {
    backend = startTfjs(kind, threads).then((tfjs) => new Tfjs(new Kernels(kind, tfjs)));
    backends.set(kind, backend);
    backend.catch(() => backends.delete(kind));
  }
  return backend;
}
