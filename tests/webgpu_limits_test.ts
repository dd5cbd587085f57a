/**
 * Work that exceeds a device's limits is cut up, or refused with a word about what it was; it is never wrong.
 *
 * @module
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { WebgpuBackend } from "../backends/webgpu/mod.ts";
import type { PrimitiveParams } from "../lib/base/primitives.ts";
import type { Program } from "../lib/compiler/program.ts";
import { BackendError } from "../mod.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { conformanceGroups } from "./helpers/conformance_cases.ts";
import { runConformance } from "./helpers/conformance_run.ts";
import { deviceWithLimits } from "./helpers/fake_gpu.ts";
import { newWebgpuBackend, webgpuBackend } from "./helpers/webgpu.ts";

const ignore = await webgpuBackend() === null;
const groups = conformanceGroups();

/** A backend on a device with lower limits. */
async function limited(
  limits: Parameters<typeof deviceWithLimits>[0],
): Promise<WebgpuBackend> {
  return await newWebgpuBackend({ device: await deviceWithLimits(limits) });
}

/** Runs cases; returns how many were right and how many refused. Throws where one is neither. */
async function rightOrRefused(
  backend: WebgpuBackend,
  names: readonly string[],
  refusal: RegExp,
  every = 1,
): Promise<{ right: number; refused: string[] }> {
  const cases = names.flatMap((name) => groups.get(name)!).filter(({ program }) =>
    program.nodes.every(({ dtype }) => dtype !== "float64")
  ).filter((_, i) => i % every === 0);
  const failures = await runConformance(backend, cases);
  const wrong = failures.filter(({ message }) => !refusal.test(message));
  assertEquals(wrong.slice(0, 5), [], `${wrong.length} of ${cases.length} cases`);
  return { right: cases.length - failures.length, refused: failures.map(({ name }) => name) };
}

const refusedBinding = /^threw BackendError: webgpu: .* (the device binds|than the device binds)/;

Deno.test({ name: "webgpu: bindings above the limit are cut", ignore }, async () => {
  const backend = await limited({ maxStorageBufferBindingSize: 1 << 19 });
  const { refused } = await rightOrRefused(backend, ["large"], refusedBinding);
  // The first maximum of a long row has no parts that could be compared; sorts and scatters have scratch memory of their own.
  const expected = /extremes of|argmax|argmin|sorting|running sums|rows added|random words/;
  assertEquals(refused.filter((name) => !expected.test(name)), []);
});

Deno.test({ name: "webgpu: bindings far above the limit are cut", ignore }, async () => {
  const backend = await limited({ maxStorageBufferBindingSize: 4096 });
  const { right, refused } = await rightOrRefused(
    backend,
    ["composition", "conv", "gather", "scatterAdd"],
    refusedBinding,
    3,
  );
  assert(right > 10 * refused.length, `${right} right, ${refused.length} refused`);
});

/** The sum of n inputs, as one loop. */
function sumOfInputs(n: number, length: number): Program {
  const builder = new ProgramBuilder();
  const inputs = Array.from({ length: n }, () => builder.input([length], "float32"));
  return builder.build(inputs.reduce((sum, x) => builder.add("add", {}, sum, x)));
}

Deno.test({ name: "webgpu: loops over more buffers than can be bound", ignore }, async () => {
  for (const bindings of [3, 4, 8]) {
    const backend = await limited({ maxStorageBuffersPerShaderStage: bindings });
    const n = 23;
    const inputs = Array.from(
      { length: n },
      (_, i) => backend.upload(Float32Array.of(i, 2 * i, 3), "float32"),
    );
    const [sum] = backend.compile(sumOfInputs(n, 3)).run(inputs);
    assertEquals(await backend.read(sum), Float32Array.of(253, 506, 69));
    const { refused } = await rightOrRefused(backend, ["composition"], /never/, 4);
    assertEquals(refused, []);
  }
});

Deno.test({ name: "webgpu: more workgroups than along one axis", ignore }, async () => {
  const backend = await limited({ maxComputeWorkgroupsPerDimension: 60 });
  const { refused } = await rightOrRefused(
    backend,
    ["large"],
    /^threw BackendError: webgpu: .* workgroups and the device has 60² at most/,
  );
  assert(refused.length <= 3, refused.join(", "));
});

Deno.test({ name: "webgpu: a buffer above the limit is refused", ignore }, async () => {
  const backend = await limited({ maxBufferSize: 1 << 16 });
  const builder = new ProgramBuilder();
  const x = builder.input([300], "float32");
  const outer: PrimitiveParams["dotGeneral"] = {
    lhsBatch: [],
    rhsBatch: [],
    lhsContract: [],
    rhsContract: [],
  };
  const program = builder.build(builder.add("dotGeneral", outer, x, x));
  assertThrows(() => backend.compile(program), BackendError, "needs a buffer of 360000 bytes");
  assertThrows(
    () => backend.upload(new Float32Array(1 << 15), "float32"),
    BackendError,
    "largest buffer",
  );
});
