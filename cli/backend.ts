/**
 * What computes.
 *
 * @module
 */

import { chooseBackend, setBackend } from "../backends/registry.ts";
import type { Settings } from "./options.ts";

/** Starts the backend that the call asks for, and says in words what it is; for "auto" also why it was taken. */
export async function startBackend({ backend: name, dtype }: Settings): Promise<string> {
  const ready = await setBackend(name);
  const { backend, reason } = await chooseBackend(undefined, dtype);
  if (backend !== ready) await setBackend(backend);
  const { description = backend.name } = backend;
  return name === "auto" ? `${description} (auto: ${reason})` : description;
}
