/**
 * What is bundled for a page that checks backends in a browser: the conformance suite, and shaders.
 *
 * @module
 */

import { createWasmBackend } from "../../backends/wasm/mod.ts";
import { createWebgpuBackend } from "../../backends/webgpu/mod.ts";
import type { Backend } from "../../lib/compiler/backend.ts";
import { conformanceGroups } from "./conformance_cases.ts";
import { runConformance } from "./conformance_run.ts";

/** What was run, and what failed. */
export interface SuiteResult {
  /** Cases that were run. */
  readonly cases: number;
  /** Which backend ran them. */
  readonly description: string;
  /** What failed, in words. */
  readonly failures: readonly string[];
}

/** Cases that wait for the device at the same time. */
const lanes = 16;

async function runSuite(backend: Backend, part: number, parts: number): Promise<SuiteResult> {
  const all = [...conformanceGroups().values()].flat().filter((_, i) => i % parts === part);
  const shares = Array.from({ length: lanes }, (_, i) => all.filter((_, j) => j % lanes === i));
  const results = await Promise.all(shares.map((cases) => runConformance(backend, cases)));
  return {
    cases: all.length,
    description: backend.description ?? backend.name,
    failures: results.flat().map(({ name, message }) => `${name}: ${message}`),
  };
}

/** What the page calls. */
const suite = {
  /** Runs one of so many parts of the conformance suite. */
  async conformance(kind: "wasm" | "threads" | "webgpu", part: number, parts: number) {
    if (kind === "webgpu") return await runSuite(await createWebgpuBackend(), part, parts);
    // With `shareAbove` 0 every program runs on all threads.
    const backend = createWasmBackend({ threads: kind === "wasm" ? 1 : 2, shareAbove: 0 });
    if (kind === "threads") backend.startThreads();
    const result = await runSuite(backend, part, parts);
    backend.stopThreads();
    return result;
  },
  /** Compiles shaders, and gives what the compiler has to say against each that it refuses. */
  async compile(sources: readonly string[]): Promise<string[]> {
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter!.requestDevice();
    const messages = await Promise.all(sources.map(async (code) => {
      device.pushErrorScope("validation");
      const module = device.createShaderModule({ code });
      await device.popErrorScope();
      const errors = (await module.getCompilationInfo()).messages.filter(({ type }) =>
        type === "error"
      );
      return errors.map(({ message, lineNum }) => `line ${lineNum}: ${message}\n${code}`);
    }));
    device.destroy();
    return messages.flat();
  },
};

/** The type of what the page calls. */
export type BrowserSuite = typeof suite;

(globalThis as { suite?: BrowserSuite }).suite = suite;
