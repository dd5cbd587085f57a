/**
 * Which backend computes.
 *
 * @module
 */

import type { DType } from "../lib/base/dtype.ts";
import { ArgumentError, BackendError } from "../lib/base/errors.ts";
import type { Backend } from "../lib/compiler/backend.ts";
import { referenceBackend } from "./reference/mod.ts";
import { defaultWasmBackend } from "./wasm/mod.ts";

/**
 * Names of the backends that come with the package. "auto" is WebGPU where there is a graphics processor, and "wasm" otherwise; a
 * software adapter is used only by "webgpu", where there is nothing else.
 */
export type BackendName =
  | "wasm"
  | "webgpu"
  | "auto"
  | "reference"
  | "tfjs-wasm"
  | "tfjs-webgpu"
  | "onnxruntime";

/** How each is had: at once, or by a promise where it must be loaded or asked for first. */
const makers: Record<BackendName, () => Backend | Promise<Backend>> = {
  wasm: defaultWasmBackend,
  webgpu: () => webgpu("any"),
  auto: graphicsOrWasm,
  reference: () => referenceBackend,
  "tfjs-wasm": () => tfjs("wasm"),
  "tfjs-webgpu": () => tfjs("webgpu"),
  onnxruntime,
};

async function webgpu(adapter: "any" | "hardware"): Promise<Backend> {
  const { createWebgpuBackend } = await import("./webgpu/mod.ts");
  return createWebgpuBackend({ adapter });
}

/** Why "auto" is what it is; empty until it was asked for. */
let automaticReason = "";

async function graphicsOrWasm(): Promise<Backend> {
  try {
    const found = await webgpu("hardware");
    made.set("webgpu", found);
    automaticReason = `there is a graphics processor, ${found.description}`;
    return found;
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    // Of the message, what was found; not what to do about it.
    automaticReason = error.message.split(";")[0].replace(/^webgpu: /, "");
    return defaultWasmBackend();
  }
}

/** TensorFlow.js, whose module nobody else loads. */
async function tfjs(backend: "wasm" | "webgpu"): Promise<Backend> {
  const { createTfjsBackend } = await import("./tfjs/mod.ts");
  return createTfjsBackend({ backend });
}

/** onnxruntime-web, likewise. */
async function onnxruntime(): Promise<Backend> {
  const { createOnnxruntimeBackend } = await import("./onnxruntime/mod.ts");
  return createOnnxruntimeBackend();
}

/** The names of all backends. */
export const backendNames: readonly BackendName[] = Object.keys(makers) as BackendName[];

const made = new Map<BackendName, Backend | Promise<Backend>>();
let current: Backend | null = null;
/** What the current one was chosen by; null for the default. */
let currentWish: BackendName | Backend | null = null;
/** What was asked for last and is not there yet. */
let awaited: Promise<Backend> | null = null;
let awaitedName = "";

/** The backend of a name; a promise where it must be loaded first. It is started on first use. */
function find(name: BackendName): Backend | Promise<Backend> {
  const known = made.get(name);
  if (known !== undefined) return known;
  if (!Object.hasOwn(makers, name)) {
    throw new ArgumentError(
      `no backend is called ${JSON.stringify(name)}; there are ${backendNames.join(", ")}`,
    );
  }
  const found = makers[name]();
  made.set(name, found);
  if (found instanceof Promise) {
    found.then(
      (backend) => made.set(name, backend),
      // Asked for again, it is tried again.
      () => made.delete(name),
    );
  }
  return found;
}

/**
 * The backend of a name, started on first use. Throws an `ArgumentError` for an unknown name, and rejects with a
 * `BackendError` where this machine cannot run it.
 */
export async function backendByName(name: BackendName): Promise<Backend> {
  return await find(name);
}

/**
 * Chooses the backend for everything that is computed from now on: a name, or a backend of one's own. Tensors that are
 * already computed move when they are next used. "wasm", "reference" and backends of one's own compute at once; others must
 * be loaded first, and nothing can be computed until the promise is fulfilled. Where it is rejected, with a `BackendError` that
 * says why, the backend stays what it was. "tfjs-wasm" and "tfjs-webgpu" are TensorFlow.js's, fetched from npm when asked for.
 *
 * Throws an `ArgumentError` for an unknown name.
 *
 * @example
 * ```ts
 * import { setBackend, tensor } from "@tangents/ntk";
 * await setBackend("reference");
 * console.log(await tensor([1, 2]).sum().item()); // 3
 * await setBackend("wasm");
 * ```
 */
export function setBackend(backend: BackendName | Backend): Promise<Backend> {
  const found = typeof backend === "string" ? find(backend) : backend;
  awaited = null;
  if (!(found instanceof Promise)) {
    [current, currentWish] = [found, backend];
    return Promise.resolve(found);
  }
  awaited = found;
  awaitedName = String(backend);
  return found.then((ready) => {
    // Another may have been chosen in the meantime.
    if (awaited === found) [current, currentWish, awaited] = [ready, backend, null];
    return ready;
  }, (error) => {
    if (awaited === found) awaited = null;
    throw error;
  });
}

/** The backend that computes now; WebAssembly unless another was chosen. Throws a `BackendError` while one is loaded. */
export function currentBackend(): Backend {
  if (awaited !== null) {
    throw new BackendError(
      `the backend ${awaitedName} is still being loaded; write await setBackend("${awaitedName}")`,
    );
  }
  return current ??= find("wasm") as Backend;
}

/** A backend, and why it is the one. */
export interface ChosenBackend {
  /** The backend, ready to compute. */
  readonly backend: Backend;
  /** Why, in words. */
  readonly reason: string;
}

/**
 * The backend for something that is computed in a dtype: the one that is wished for, or else the current one. What "auto" found
 * gives way to "wasm" where it lacks the dtype. Throws as `backendByName` and `currentBackend` do.
 */
export async function chooseBackend(
  wish: BackendName | Backend | undefined,
  dtype: DType,
): Promise<ChosenBackend> {
  const backend = wish === undefined
    ? currentBackend()
    : typeof wish === "string"
    ? await backendByName(wish)
    : wish;
  const chosenBy = wish ?? currentWish;
  if (chosenBy !== "auto") {
    return { backend, reason: chosenBy === null ? "the default" : "asked for" };
  }
  return backend.dtypes.includes(dtype) ? { backend, reason: automaticReason } : {
    backend: defaultWasmBackend(),
    reason: `${dtype}, which ${backend.name} does not have`,
  };
}
