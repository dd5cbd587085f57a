/**
 * Which backend computes.
 *
 * @module
 */

import { ArgumentError } from "../lib/base/errors.ts";
import type { Backend } from "../lib/compiler/backend.ts";
import { referenceBackend } from "./reference/mod.ts";
import { defaultWasmBackend } from "./wasm/mod.ts";

/** Names of the backends that come with the package. */
export type BackendName = "wasm" | "reference";

const factories: Record<BackendName, () => Backend> = {
  wasm: defaultWasmBackend,
  reference: () => referenceBackend,
};

const made = new Map<BackendName, Backend>();
let current: Backend | null = null;

/** The backend of a name; it is started on first use. Throws an `ArgumentError` for an unknown name. */
export function backendByName(name: BackendName): Backend {
  if (!Object.hasOwn(factories, name)) {
    throw new ArgumentError(
      `setBackend: no backend ${JSON.stringify(name)}; there are ${
        Object.keys(factories).join(", ")
      }`,
    );
  }
  let backend = made.get(name);
  if (backend === undefined) made.set(name, backend = factories[name]());
  return backend;
}

/**
 * Chooses the backend for everything that is computed from now on: a name, or a backend of one's own. Tensors that are
 * already computed move when they are next used.
 *
 * @example
 * ```ts
 * import { setBackend, tensor } from "@tangents/ntk";
 * setBackend("reference");
 * console.log(await tensor([1, 2]).sum().item()); // 3
 * setBackend("wasm");
 * ```
 */
export function setBackend(backend: BackendName | Backend): void {
  current = typeof backend === "string" ? backendByName(backend) : backend;
}

/** The backend that computes now; WebAssembly unless another was chosen. */
export function currentBackend(): Backend {
  return current ??= backendByName("wasm");
}
