/**
 * The conformance suite on WebGPU. WGSL has no float64; all other cases are run.
 *
 * @module
 */

import { assertThrows } from "@std/assert";
import { BackendError } from "../mod.ts";
import { conformanceGroups } from "./helpers/conformance_cases.ts";
import { assertNoFailures, runConformance } from "./helpers/conformance_run.ts";
import { webgpuBackend } from "./helpers/webgpu.ts";

const backend = await webgpuBackend();
const ignore = backend === null;

/** Cases that wait for the device at the same time. */
const lanes = 16;

for (const [group, all] of conformanceGroups()) {
  Deno.test({ name: `conformance: webgpu: ${group}`, ignore }, async () => {
    const parts = Array.from({ length: lanes }, (_, i) => all.filter((_, j) => j % lanes === i));
    const results = await Promise.all(parts.map((cases) => runConformance(backend!, cases)));
    const failures = results.flat();
    assertNoFailures(failures, all.length);
  });
}

Deno.test({ name: "webgpu: float64 is refused, with a pointer to the CPU", ignore }, () => {
  for (const cases of conformanceGroups().values()) {
    const double = cases.find(({ program }) => program.nodes.some((x) => x.dtype === "float64"));
    if (double === undefined) continue;
    assertThrows(() => backend!.compile(double.program), BackendError, 'setBackend("wasm")');
  }
  assertThrows(() => backend!.upload(new Float64Array(1), "float64"), BackendError, "float64");
});
