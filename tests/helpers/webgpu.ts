/**
 * WebGPU for tests: it needs an adapter, of which one in software will do.
 *
 * @module
 */

import {
  createWebgpuBackend,
  type WebgpuBackend,
  type WebgpuBackendOptions,
} from "../../backends/webgpu/mod.ts";

/** Where tests put the shaders that they generate, for `wgsl_tint_test.ts`, which runs after them in the same process. */
export const shaderFolder = `${
  Deno.env.get("TMPDIR") ?? Deno.env.get("TEMP") ?? "/tmp"
}/tangents-wgsl-${Deno.pid}`;

const seen = new Set<string>();

/** Adds a shader to those of this test file, one line of JSON each. */
function keepShader(source: string): void {
  if (seen.has(source)) return;
  if (seen.size === 0) Deno.mkdirSync(shaderFolder, { recursive: true });
  seen.add(source);
  Deno.writeTextFileSync(`${shaderFolder}/${fileName}`, `${JSON.stringify(source)}\n`, {
    append: true,
  });
}

const fileName = `${crypto.randomUUID()}.jsonl`;

/** A backend whose shaders are kept for another compiler. */
export async function newWebgpuBackend(options: WebgpuBackendOptions = {}): Promise<WebgpuBackend> {
  return await createWebgpuBackend({ onShader: keepShader, ...options });
}

/**
 * The backend, or null where this machine has no adapter, after saying so. Where `CI` is set there must be one, and it is an
 * error if there is none.
 */
export async function webgpuBackend(): Promise<WebgpuBackend | null> {
  try {
    return await newWebgpuBackend();
  } catch (error) {
    if (Deno.env.get("CI")) throw error;
    console.warn(`Left out: the tests of WebGPU. ${error}`);
    return null;
  }
}
