/**
 * Which backend computes.
 *
 * @module
 */

import { ArgumentError, BackendError } from "../lib/base/errors.ts";
import type { Backend } from "../lib/compiler/backend.ts";
import { referenceBackend } from "./reference/mod.ts";
import { defaultWasmBackend } from "./wasm/mod.ts";

/** Names of the backends that come with the package. */
export type BackendName = "wasm" | "reference" | "tfjs-wasm" | "tfjs-webgpu" | "onnxruntime";

/** How each is had: at once, or by a promise where it must be loaded or asked for first. */
const makers: Record<BackendName, () => Backend | Promise<Backend>> = {
  wasm: defaultWasmBackend,
  reference: () => referenceBackend,
  "tfjs-wasm": () => tfjs("wasm"),
  "tfjs-webgpu": () => tfjs("webgpu"),
  onnxruntime,
};

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
/** What was asked for last and is not there yet. */
let awaited: Promise<Backend> | null = null;
let awaitedName = "";

/** The backend of a name; a promise where it must be loaded first. It is started on first use. */
function find(name: BackendName): Backend | Promise<Backend> {
  const known = made.get(name);
  if (known !== undefined) return known;
  if (!Object.hasOwn(makers, name)) {
    throw new ArgumentError(
      `setBackend: no backend ${JSON.stringify(name)}; there are ${backendNames.join(", ")}`,
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
    current = found;
    return Promise.resolve(found);
  }
  awaited = found;
  awaitedName = String(backend);
  return found.then((ready) => {
    // Another may have been chosen in the meantime.
    if (awaited === found) [current, awaited] = [ready, null];
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
