/**
 * TensorFlow.js for tests: its packages come from npm, and WebGPU needs an adapter.
 *
 * @module
 */

import { assert } from "@std/assert";
import { createTfjsBackend, type TfjsBackend } from "../../backends/tfjs/mod.ts";

/**
 * The backend, or null where this machine cannot have it, after saying so. Where `CI` is set everything must be there, and
 * what is missing is an error.
 */
export async function tfjsBackend(backend: "wasm" | "webgpu"): Promise<TfjsBackend | null> {
  try {
    return await createTfjsBackend({ backend });
  } catch (error) {
    if (Deno.env.get("CI")) throw error;
    console.warn(`Left out: the tests of TensorFlow.js on ${backend}. ${error}`);
    return null;
  }
}

/** Throws where more is held than was; less may be, as the engine collects what earlier tests left. */
export function assertAtMost(
  held: readonly number[],
  before: readonly number[],
  message: string,
): void {
  assert(held.every((n, i) => n <= before[i]), `${message}: holds ${held}, before ${before}`);
}
