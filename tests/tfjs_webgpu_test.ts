/**
 * TensorFlow.js as a backend, on WebGPU: of the conformance suite every case of most groups and some of the largest, golden
 * kernels, memory, errors of the device.
 *
 * Written for a software adapter, where reading a result takes milliseconds: the tutorial's kernel and the suite's large cases
 * are left out. With `TFJS_ALL` set everything runs, in some three minutes.
 *
 * Where the packages or an adapter cannot be had, these tests say so and are ignored.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { GpuErrors } from "../backends/tfjs/gpu_errors.ts";
import { startTfjs } from "../backends/tfjs/load.ts";
import { methodNames } from "../lib/ntk/methods.ts";
import { BackendError, empiricalNtk, setBackend, tensor } from "../mod.ts";
import { testDraws, testGoldenKernels } from "./helpers/backend_tests.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { conformanceGroups } from "./helpers/conformance_cases.ts";
import {
  assertNoFailures,
  type ConformanceCase,
  runConformance,
  type Tolerance,
} from "./helpers/conformance_run.ts";
import { goldenNames, loadGolden, single } from "./helpers/golden.ts";
import { assertAtMost, tfjsBackend } from "./helpers/tfjs.ts";

const tfjs = await tfjsBackend("webgpu");
const ignore = tfjs === null;
const all = Deno.env.get("TFJS_ALL") !== undefined;

/** Of a group with more cases than this, so many are run, spread over it. */
const mostCases = all ? Infinity : 48;

const either = (ulp: number, absolute: number): Tolerance => ({ kind: "either", ulp, absolute });

/** Functions are what TensorFlow.js's formulas and the device's functions make of them. Measured on Mesa's lavapipe. */
const tolerances: Readonly<Record<string, Tolerance>> = {
  exp: either(128, 2e-38),
  expm1: either(128, 4e-7),
  log: either(4, 1e-7),
  log1p: either(4, 2e-7),
  tanh: either(4, 2e-7),
  sigmoid: either(16, 1e-7),
  erf: either(4, 5e-7),
  atan: either(4, 4e-6),
  atan2: either(4, 4e-6),
  pow: either(32, 0),
};

/** Cases with values for which WGSL lets a device give anything, and lavapipe does. */
const undefinedInWgsl: readonly string[] = [
  "sin: float32 sweep and special values",
  "sin: float32 huge arguments",
  "cos: float32 sweep and special values",
  "cos: float32 huge arguments",
  "log: float32 sweep and special values",
  "pow: float32 special values",
  "atan2: float32 special values",
];

/** What is refused by design: there is no exact kernel, and a GPU cannot be read without waiting. */
const refused: readonly { readonly cases: RegExp; readonly why: string }[] = [
  { cases: /^remainder: float32/, why: "the remainder of floats that were computed on the device" },
  { cases: /^cast: float32 to u?int32/, why: "floats that were computed there as integers" },
  { cases: /^bitcast: float32 to u?int32/, why: "the bits of floats that were computed there" },
];

const groups = conformanceGroups();

function chosen(cases: readonly ConformanceCase[]): ConformanceCase[] {
  const able = cases.filter(({ program, name }) =>
    program.nodes.every(({ dtype }) => tfjs!.dtypes.includes(dtype)) &&
    !undefinedInWgsl.includes(name)
  );
  const step = Math.max(1, able.length / mostCases);
  return able.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step))
    .map((entry) => ({ ...entry, tolerance: tolerances[entry.group] ?? entry.tolerance }));
}

for (const [group, cases] of groups) {
  if (group === "large" && !all) continue;
  Deno.test({ name: `conformance: tfjs webgpu: ${group}`, ignore }, async () => {
    const some = chosen(cases);
    assert(some.length > 0);
    const failures = await runConformance(tfjs!, some);
    const unexpected = failures.filter(({ name, message }) =>
      !message.startsWith("threw BackendError") || !refused.some((row) => row.cases.test(name))
    );
    assertNoFailures(unexpected, some.length);
  });
}

Deno.test("what is listed are cases", () => {
  const names = [...groups.values()].flat().map(({ name }) => name);
  assertEquals(undefinedInWgsl.filter((name) => !names.includes(name)), []);
  assertEquals(refused.filter(({ cases }) => !names.some((name) => cases.test(name))), []);
});

testGoldenKernels(
  "tfjs webgpu",
  tfjs,
  goldenNames.filter((name) => name !== "tutorial-cnn" || all),
);
testDraws("tfjs webgpu", "tfjs-webgpu", ignore);

Deno.test(
  { name: "tfjs webgpu: a kernel that is disposed of leaves nothing behind", ignore },
  async () => {
    const { backend: kernels } = await startTfjs("webgpu");
    const { net, x1, x2 } = await loadGolden("digits-mlp", "float32");
    const params = net.namedParameters();
    for (const method of methodNames) {
      const kernelOnce = async (): Promise<[number, number]> => {
        const kernel = await empiricalNtk(single(net), params, x1, x2, { method, backend: tfjs! });
        await kernel.data();
        kernel.dispose();
        return [tfjs!.memory().used, kernels.numDataIds()];
      };
      // The first moves parameters and examples to the device.
      const held = await kernelOnce();
      for (let i = 0; i < 3; i++) assertAtMost(await kernelOnce(), held, method);
    }
  },
);

Deno.test(
  { name: "tfjs webgpu: integers that float32 cannot hold are refused", ignore },
  async () => {
    await setBackend("tfjs-webgpu");
    try {
      const x = tensor([3, -1, 2]).mul(2);
      assertEquals(await x.argsort().mul(2 ** 20).data(), Int32Array.of(2 ** 20, 2 ** 21, 0));
      await assertRejects(() => x.argsort().mul(2 ** 24).data(), BackendError, "beyond 2^24");
      await assertRejects(() => x.to("int32").data(), BackendError, "beyond 2^24");
      // On the host there is no such limit.
      assertEquals(
        await tensor([3, 2], { dtype: "int32" }).mul(2 ** 24).add(1).data(),
        Int32Array.of(50331649, 33554433),
      );
    } finally {
      await setBackend("wasm");
    }
  },
);

Deno.test(
  { name: "tfjs webgpu: a tensor beyond the binding limit is refused", ignore },
  async () => {
    const { backend: { device } } = await startTfjs("webgpu");
    const side = Math.ceil(Math.sqrt(device!.limits.maxStorageBufferBindingSize / 4)) + 1;
    const builder = new ProgramBuilder();
    const column = builder.input([side, 1], "float32");
    const row = builder.input([1, side], "float32");
    const product = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
    const program = builder.build(builder.add("dotGeneral", product, column, row));
    assertThrows(() => tfjs!.compile(program), BackendError, "fewer examples");
  },
);

Deno.test(
  { name: "tfjs webgpu: what a device refuses is an error that names the program", ignore },
  async () => {
    const { backend } = await startTfjs("webgpu");
    const errors = new GpuErrors(backend);
    const device = backend.device as unknown as {
      createBuffer(options: { size: number; usage: number }): unknown;
    };
    const fail = () =>
      errors.watch(
        () => "3 operations: exp",
        () => device.createBuffer({ size: 16, usage: 0xffff }),
      );
    await assertRejects(
      () => errors.check(fail().verdict),
      BackendError,
      "3 operations: exp",
    );
    // It was reported; another is by whoever waits for all.
    await errors.settle();
    fail();
    await assertRejects(() => errors.settle(), BackendError, "3 operations: exp");
    await errors.settle();
    assertEquals(await errors.watch(() => "", () => 1).verdict, null);
  },
);

Deno.test({ name: "tfjs webgpu: after its device was lost, errors say so", ignore }, async () => {
  const script = `
    import { setBackend, tensor } from ${
    JSON.stringify(new URL("../mod.ts", import.meta.url).href)
  };
    import { startTfjs } from ${
    JSON.stringify(new URL("../backends/tfjs/load.ts", import.meta.url).href)
  };
    await setBackend("tfjs-webgpu");
    const x = tensor([1, 2, 3]).exp();
    await x.data();
    const { backend } = await startTfjs("webgpu");
    const y = x.add(1);
    backend.device.destroy();
    await backend.device.lost;
    for (const read of [() => y.data(), () => x.data(), () => tensor([1]).exp().data()]) {
      console.log(await read().then(() => "no error", ({ name, message }) => name + ": " + message));
    }
    await setBackend("wasm");
    console.log(String(await tensor([1, 2]).add(1).data()));
  `;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", "--ext=ts", script],
    stderr: "inherit",
  }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  assertEquals(lines.length, 4);
  for (const line of lines.slice(0, 3)) assertMatch(line, /^BackendError: .*lost/);
  assertEquals(lines[3], "2,3");
});
