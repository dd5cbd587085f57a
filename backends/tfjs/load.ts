/**
 * TensorFlow.js itself: fetched and started when it is asked for, and not before.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import { importPackage, specifierOf } from "../npm_package.ts";

/** The version of `@tensorflow/tfjs-core` and of its backends. */
export const tfjsVersion = "4.22.0";

/** Which of its backends computes. */
export type TfjsKind = "wasm" | "webgpu";

/** Its element types, of those that it has. */
export type TfjsDType = "float32" | "int32" | "bool";

/** What it stores elements in. */
export type TfjsArray = Float32Array | Int32Array | Uint8Array;

/** A tensor as kernels take and give it: data, which several may share, and how it is seen. */
export interface TensorInfo {
  /** The data's identity. */
  readonly dataId: object;
  /** Sizes along the axes. */
  readonly shape: readonly number[];
  /** Type of the elements. */
  readonly dtype: TfjsDType;
}

/** The inputs of a kernel: by name, or a list for those that take any number. */
export type KernelInputs = Readonly<Record<string, TensorInfo>> | readonly TensorInfo[];

/** What is used of a backend of TensorFlow.js. */
export interface KernelBackend {
  /** Stores elements under a new identity, of which there is one use. */
  write(values: TfjsArray | null, shape: readonly number[], dtype: TfjsDType): object;
  /** The elements, when they are there. */
  read(dataId: object): Promise<TfjsArray>;
  /** Takes back one use of the data; true when that was the last, and the memory is free. */
  disposeData(dataId: object): boolean;
  /** Adds a use of the data. */
  incRef(dataId: object): void;
  /** How many data it stores. */
  numDataIds(): number;
  /** The elements where they are: WebAssembly only. Valid until memory grows. */
  typedArrayFromHeap?(x: TensorInfo): TfjsArray;
  /** Registers memory as a tensor: WebAssembly only. */
  makeOutput?(shape: readonly number[], dtype: TfjsDType, address: number): TensorInfo;
  /** Where data is: WebAssembly only. */
  readonly dataIdMap?: {
    get(dataId: object): { readonly id: number; readonly memoryOffset: number };
    delete(dataId: object): void;
  };
  /** What the compiled code is told of: WebAssembly only. */
  readonly wasm?: { readonly tfjs: { disposeData(id: number): void } };
  /** The device: WebGPU only. */
  readonly device?: GpuDevice;
  /** Sends off what was recorded: WebGPU only. */
  submitQueue?(): void;
  /** Makes sure that there is something to send: WebGPU only. */
  ensureCommandEncoderReady?(): void;
  /** Ends the pass that is being recorded: WebGPU only. */
  endComputePassEncoder?(): void;
}

/** What is used of a `GPUDevice`. */
export interface GpuDevice {
  readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number };
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  pushErrorScope(filter: "validation" | "out-of-memory" | "internal"): void;
  popErrorScope(): Promise<{ readonly message: string } | null>;
}

/** A kernel as it is registered. */
interface KernelConfig {
  readonly kernelFunc: (call: {
    readonly inputs: KernelInputs;
    readonly backend: KernelBackend;
    readonly attrs: Readonly<Record<string, unknown>>;
  }) => TensorInfo | TensorInfo[];
}

/** What is used of `@tensorflow/tfjs-core`. */
interface Core {
  getKernel(name: string, backend: string): KernelConfig | undefined;
  setBackend(name: string): Promise<boolean>;
  getBackend(): string;
  backend(): KernelBackend;
  env(): { set(flag: string, value: boolean): void };
}

/** What is used of `@tensorflow/tfjs-backend-wasm`. */
interface WasmPackage {
  setWasmPaths(folder: string): void;
  setThreadsCount(threads: number): void;
}

/** A started backend and its kernels. */
export interface StartedTfjs {
  /** The backend that kernels run on. */
  readonly backend: KernelBackend;
  /** The kernel of a name; undefined if this backend has none. */
  kernel(name: string): KernelConfig["kernelFunc"] | undefined;
}

/** Runs it with the console's warnings held back: TensorFlow.js advises other packages as it starts. */
async function quietly<T>(f: () => Promise<T>): Promise<T> {
  const { warn } = console;
  console.warn = () => {};
  try {
    return await f();
  } finally {
    console.warn = warn;
  }
}

async function start(kind: TfjsKind, threads: number | undefined): Promise<StartedTfjs> {
  const core = await importPackage<Core>("tfjs", "@tensorflow/tfjs-core", tfjsVersion);
  const name = `@tensorflow/tfjs-backend-${kind}`;
  const before = core.getBackend();
  if (kind === "wasm") {
    const wasm = await importPackage<WasmPackage>("tfjs", name, tfjsVersion);
    if ("Deno" in globalThis) {
      const folder = new URL(".", import.meta.resolve(specifierOf(name, tfjsVersion)));
      wasm.setWasmPaths(decodeURIComponent(folder.pathname));
    }
    if (threads !== undefined) wasm.setThreadsCount(threads);
  } else {
    await importPackage("tfjs", name, tfjsVersion);
    // Small tensors would be computed by its JavaScript kernels, which differ in rounding and in their limits.
    core.env().set("WEBGPU_CPU_FORWARD", false);
  }
  if (!await core.setBackend(kind)) {
    throw new BackendError(
      `tfjs: the ${kind} backend of TensorFlow.js does not start` +
        (kind === "webgpu" ? "; it needs navigator.gpu with an adapter" : ""),
    );
  }
  const backend = core.backend();
  // Kernels are called directly. Whoever else uses TensorFlow.js in this process keeps the backend that was chosen.
  if (before !== "" && before !== undefined) await core.setBackend(before);
  return { backend, kernel: (kernel) => core.getKernel(kernel, kind)?.kernelFunc };
}

const started = new Map<TfjsKind, Promise<StartedTfjs>>();

/**
 * TensorFlow.js on one of its backends, started once in a process, as its kernels are bound to one memory.
 *
 * @throws BackendError when a package cannot be loaded, or the backend does not start.
 */
export function startTfjs(kind: TfjsKind, threads?: number): Promise<StartedTfjs> {
  let promise = started.get(kind);
  if (promise === undefined) {
    promise = quietly(() => start(kind, threads));
    started.set(kind, promise);
    // What failed for want of a network may be tried again.
    promise.catch(() => started.delete(kind));
  }
  return promise;
}
