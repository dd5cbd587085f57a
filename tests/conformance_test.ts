/**
 * The conformance suite on every backend beside the reference backend, which has tests of its own
 * (tests/reference_test.ts).
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import type { TypedArray } from "../lib/base/dtype.ts";
import type { Backend } from "../lib/compiler/backend.ts";
import { executedPrimitives } from "./helpers/conformance_builder.ts";
import { conformanceGroups } from "./helpers/conformance_cases.ts";
import { assertNoFailures, runConformance, runProgram } from "./helpers/conformance_run.ts";

const backends: readonly { readonly name: string; readonly create: () => Backend }[] = [
  { name: "wasm, 1 thread", create: () => createWasmBackend({ threads: 1 }) },
  { name: "wasm, 2 threads", create: () => createWasmBackend({ threads: 2 }) },
  { name: "wasm, strict", create: () => createWasmBackend({ threads: 1, relaxed: false }) },
];

const groups = conformanceGroups();

Deno.test("conformance: every primitive has cases", () => {
  assertEquals(executedPrimitives.filter((primitive) => !groups.has(primitive)), []);
});

for (const { name, create } of backends) {
  let backend: Backend | null = null;
  for (const [group, cases] of groups) {
    Deno.test(`conformance: ${name}: ${group}`, async () => {
      backend ??= create();
      const failures = await runConformance(backend, cases);
      assertNoFailures(failures, cases.length);
    });
  }
}

/** The bits of an array. */
function bytes({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

Deno.test("conformance: wasm gives the same bits on 1, 2 and 3 threads", async () => {
  const [one, ...more] = [1, 2, 3].map((threads) => createWasmBackend({ threads }));
  for (const { name, program, inputs } of groups.get("large") ?? []) {
    const expected = await runProgram(one, program, inputs);
    for (const backend of more) {
      const results = await runProgram(backend, program, inputs);
      results.forEach(({ data }, i) => {
        const [got, want] = [bytes(data), bytes(expected[i].data)];
        const same = got.length === want.length && got.every((byte, at) => byte === want[at]);
        assert(same, `${name}: output ${i} differs on ${backend.threads} threads`);
      });
    }
  }
  for (const backend of more) backend.stopThreads();
});
