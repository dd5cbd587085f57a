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

/** A folder that every shader is written to, so that other compilers can be tried on them. */
const dump = Deno.env.get("TANGENTS_WGSL_DUMP");

/** Writes a shader to the folder, under a name made of its text. */
async function dumpShader(source: string): Promise<void> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(source));
  const name = [...new Uint8Array(digest.slice(0, 8))].map((byte) =>
    byte.toString(16).padStart(2, "0")
  ).join("");
  await Deno.mkdir(dump!, { recursive: true });
  await Deno.writeTextFile(`${dump}/${name}.wgsl`, source);
}

/** A backend whose shaders are written to the folder that TANGENTS_WGSL_DUMP names, if it is set. */
export async function newWebgpuBackend(options: WebgpuBackendOptions = {}): Promise<WebgpuBackend> {
  return await createWebgpuBackend({
    ...(dump ? { onShader: dumpShader } : {}),
    ...options,
  });
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
