/**
 * A file with the rates of this machine: in the user's cache, read and written only by a Deno process that may do so without
 * being asked. The variable `TANGENTS_CACHE` names another folder, or is empty for none.
 *
 * @module
 */

import type { Rates } from "../compiler/estimate.ts";

/** The part of Deno's interface that is needed. */
interface DenoLike {
  readonly build: { readonly os: string };
  readonly env: { get(name: string): string | undefined };
  readonly permissions: {
    querySync(what: { name: string; path?: string; variable?: string }): { state: string };
  };
  readTextFileSync(path: string): string;
  writeTextFileSync(path: string, text: string): void;
  mkdirSync(path: string, options: { recursive: boolean }): void;
  renameSync(from: string, to: string): void;
}

function deno(): DenoLike | null {
  const { Deno } = globalThis as { Deno?: DenoLike };
  return typeof Deno?.permissions?.querySync === "function" ? Deno : null;
}

function variable(host: DenoLike, name: string): string | undefined {
  const { state } = host.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? host.env.get(name) : undefined;
}

function folderOf(host: DenoLike): string | null {
  const own = variable(host, "TANGENTS_CACHE");
  if (own !== undefined) return own === "" ? null : own;
  const cache = variable(host, "XDG_CACHE_HOME") || variable(host, "LOCALAPPDATA");
  if (cache) return `${cache}/tangents`;
  const home = variable(host, "HOME");
  return home ? `${home}/.cache/tangents` : null;
}

/** The file's path, if this process may do that with it. */
function allowed(host: DenoLike, what: "read" | "write"): string | null {
  const folder = folderOf(host);
  if (folder === null) return null;
  const path = `${folder}/rates.json`;
  const granted = host.permissions.querySync({ name: what, path: folder }).state === "granted";
  return granted ? path : null;
}

function readAll(host: DenoLike): Record<string, unknown> {
  const path = allowed(host, "read");
  if (path === null) return {};
  try {
    const content: unknown = JSON.parse(host.readTextFileSync(path));
    return typeof content === "object" && content !== null ? { ...content } : {};
  } catch {
    // There is none yet, or it was damaged: it is written again.
    return {};
  }
}

const fields: readonly (keyof Rates)[] = [
  "product",
  "thinProduct",
  "convolution",
  "bytes",
  "functions",
  "kernels",
];

function isRates(value: unknown): value is Rates {
  return typeof value === "object" && value !== null &&
    fields.every((field) => {
      const rate = (value as Record<string, unknown>)[field];
      return typeof rate === "number" && Number.isFinite(rate) && rate > 0;
    });
}

/** The rates that an earlier process wrote under a name, or null. */
export function readRates(name: string): Rates | null {
  const host = deno();
  const found = host === null ? null : readAll(host)[name];
  return isRates(found) ? found : null;
}

/** Writes rates for later processes, where that is allowed and works. */
export function writeRates(name: string, rates: Rates): void {
  const host = deno();
  const path = host === null ? null : allowed(host, "write");
  if (host === null || path === null) return;
  try {
    const text = JSON.stringify({ ...readAll(host), [name]: rates }, null, 1);
    host.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    // Replaced as a whole, so that no other process reads half of it.
    const draft = `${path}.${Math.random().toString(36).slice(2)}`;
    host.writeTextFileSync(draft, text + "\n");
    host.renameSync(draft, path);
  } catch {
    // What cannot be kept is measured again.
  }
}
