/**
 * Calls of TensorFlow.js's kernels, and the data that they make: counted, checked, and taken back.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import { sizeOf } from "../../lib/base/shape.ts";
import type {
  KernelInputs,
  StartedTfjs,
  TensorInfo,
  TfjsArray,
  TfjsDType,
  TfjsKind,
} from "./load.ts";
import { storedBytes } from "./storage.ts";

/** The most bytes of one tensor in WebAssembly, where sizes are signed. */
const wasmTensor = 2 ** 31 - 1;
/** The most bytes of a WebAssembly memory, less what the kernels themselves need. */
const wasmMemory = 2 ** 32 - 2 ** 27;

/** Kernels of one started backend. */
export class Kernels {
  /** Which backend it is. */
  readonly kind: TfjsKind;
  /** The most bytes that one tensor may take. */
  readonly largest: number;
  /** Bytes of all data that is alive. */
  used = 0;
  /** The most that was alive at once. */
  peak = 0;
  readonly #tfjs: StartedTfjs;
  readonly #sizes = new WeakMap<object, number>();
  /** What was made since the innermost `scope` began. */
  #made: TensorInfo[] = [];

  constructor(kind: TfjsKind, tfjs: StartedTfjs) {
    this.kind = kind;
    this.#tfjs = tfjs;
    const limits = tfjs.backend.device?.limits;
    this.largest = limits === undefined
      ? wasmTensor
      : Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  }

  /** The backend of TensorFlow.js. */
  get backend(): StartedTfjs["backend"] {
    return this.#tfjs.backend;
  }

  /**
   * Runs a kernel with one result, which lives until the scope ends.
   *
   * @throws BackendError when there is no such kernel, or the result is too large.
   */
  call(
    name: string,
    inputs: KernelInputs,
    attrs: Readonly<Record<string, unknown>> = {},
  ): TensorInfo {
    return this.callAll(name, inputs, attrs)[0];
  }

  /** The same for a kernel with several results. */
  callAll(
    name: string,
    inputs: KernelInputs,
    attrs: Readonly<Record<string, unknown>>,
  ): TensorInfo[] {
    const kernel = this.#tfjs.kernel(name);
    if (kernel === undefined) {
      throw new BackendError(`tfjs-${this.kind}: there is no kernel ${name} in this version`);
    }
    return [kernel({ inputs, backend: this.backend, attrs })].flat().map((x) => this.#adopt(x));
  }

  /** New data of host elements, which are copied on WebAssembly and must stay as they are on WebGPU. */
  upload(data: TfjsArray, shape: readonly number[], dtype: TfjsDType): TensorInfo {
    this.checkSize(shape, dtype);
    this.reserve(sizeOf(shape) * storedBytes(dtype));
    return this.#adopt({ dataId: this.backend.write(data, shape, dtype), shape, dtype });
  }

  /** The same data in another shape. */
  reshape(x: TensorInfo, shape: readonly number[]): TensorInfo {
    return this.#alias({ ...x, shape });
  }

  /** Another name for the same data. */
  share(x: TensorInfo): TensorInfo {
    return this.#alias({ ...x });
  }

  /** Calls a function and takes back all that was made in it beside its result. */
  scope<T extends TensorInfo | null>(f: () => T): T {
    const outer = this.#made;
    this.#made = [];
    let kept: T | null = null;
    try {
      return kept = f();
    } finally {
      for (const x of this.#made) if (x !== kept) this.release(x);
      this.#made = outer;
      if (kept !== null) this.#made.push(kept);
    }
  }

  /**
   * Calls a function with a part of a tensor's memory as a tensor, which is gone afterwards: WebAssembly only.
   *
   * @param at Where the part starts, in elements of four bytes.
   */
  withPart<T>(x: TensorInfo, at: number, shape: readonly number[], f: (part: TensorInfo) => T): T {
    const { dataIdMap, wasm, makeOutput } = this.backend;
    const address = dataIdMap!.get(x.dataId).memoryOffset + 4 * at;
    const part = makeOutput!.call(this.backend, shape, x.dtype, address);
    try {
      return f(part);
    } finally {
      // Forgotten rather than disposed of, which would free the memory.
      wasm!.tfjs.disposeData(dataIdMap!.get(part.dataId).id);
      dataIdMap!.delete(part.dataId);
    }
  }

  /** Takes a tensor out of the scope: its owner releases it. */
  keep(x: TensorInfo): TensorInfo {
    const at = this.#made.lastIndexOf(x);
    if (at >= 0) this.#made.splice(at, 1);
    return x;
  }

  /** Takes back one use of a tensor's data. */
  release(x: TensorInfo): void {
    if (!this.backend.disposeData(x.dataId)) return;
    this.used -= this.#sizes.get(x.dataId) ?? 0;
    this.#sizes.delete(x.dataId);
  }

  /** Throws unless a tensor of the shape fits where kernels run. */
  checkSize(shape: readonly number[], dtype: TfjsDType): void {
    const bytes = sizeOf(shape) * storedBytes(dtype);
    if (bytes <= this.largest) return;
    throw new BackendError(
      `tfjs-${this.kind}: a ${dtype} tensor of shape [${
        shape.join(", ")
      }] takes ${bytes} bytes, and one tensor may have ` +
        `${this.largest} here; compute fewer examples at once`,
    );
  }

  /**
   * Throws unless there is memory for so many bytes more. WebAssembly's allocator fails in silence, and kernels would
   * write over whatever is there.
   */
  reserve(bytes: number): void {
    if (this.kind === "wasm" && this.used + bytes > wasmMemory) throw this.#exhausted(bytes);
  }

  #exhausted(bytes: number): BackendError {
    return new BackendError(
      `tfjs-wasm: no memory for ${bytes} bytes more (${this.used} are in use); compute fewer examples at once, or ` +
        "dispose of tensors",
    );
  }

  #alias(x: TensorInfo): TensorInfo {
    this.backend.incRef(x.dataId);
    this.#made.push(x);
    return x;
  }

  /** Counts a kernel's result. Kernels may return their input's data, with one use more. */
  #adopt(x: TensorInfo): TensorInfo {
    this.#made.push(x);
    if (!this.#sizes.has(x.dataId)) {
      const bytes = sizeOf(x.shape) * storedBytes(x.dtype);
      this.#sizes.set(x.dataId, bytes);
      this.used += bytes;
      this.peak = Math.max(this.peak, this.used);
      this.checkSize(x.shape, x.dtype);
      if (bytes > 0 && this.backend.dataIdMap?.get(x.dataId).memoryOffset === 0) {
        throw this.#exhausted(bytes);
      }
    }
    return x;
  }
}
