/**
 * TensorFlow.js as a backend, on WebAssembly: the conformance suite, the golden kernels, and memory.
 *
 * Where its packages cannot be had, these tests say so and are ignored.
 *
 * @module
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { referenceBackend } from "../backends/reference/mod.ts";
import { startTfjs } from "../backends/tfjs/load.ts";
import { createTfjsBackend } from "../backends/tfjs/mod.ts";
import { methodNames } from "../lib/ntk/methods.ts";
import {
  ArgumentError,
  BackendError,
  empiricalNtk,
  realize,
  setBackend,
  tensor,
  treeMap,
} from "../mod.ts";
import {
  type LessExact,
  testConformance,
  testDraws,
  testGoldenKernels,
} from "./helpers/backend_tests.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { runProgram } from "./helpers/conformance_run.ts";
import { goldenNames } from "./helpers/golden.ts";
import { assertLevel, kernelBytes, loop } from "./helpers/memory_level.ts";
import { smallNetworks } from "./helpers/small_networks.ts";
import { assertAtMost, tfjsBackend } from "./helpers/tfjs.ts";

const tfjs = await tfjsBackend("wasm");
const ignore = tfjs === null;

/** Cases that pass with another tolerance, and why. None is left out. */
const lessExact: LessExact = {
  "sigmoid: float32 sweep and special values": {
    why: "the kernel's results below the smallest normal number are 0",
    tolerance: { kind: "scale", factor: 4 },
  },
};

testConformance("tfjs wasm", tfjs, lessExact);
testGoldenKernels("tfjs wasm", tfjs, goldenNames);
testDraws("tfjs wasm", "tfjs-wasm", ignore);

Deno.test(
  { name: "tfjs wasm: a kernel that is disposed of leaves nothing behind", ignore },
  async () => {
    const { backend: kernels } = await startTfjs("wasm");
    for (const name of ["convolutions with pooling", "examples as a tree of two tensors"]) {
      const { f, ...double } = smallNetworks[name];
      const { params, x1, x2 } = await realize(treeMap((x) => x.to("float32"), double));
      for (const method of methodNames) {
        for (const compute of ["full", "trace", "diagonal"] as const) {
          const options = { method, compute, check: true, backend: tfjs! };
          const kernelOnce = async (): Promise<[number, number]> => {
            (await empiricalNtk(f, params, x1, x2, options)).dispose();
            return [tfjs!.memory().used, kernels.numDataIds()];
          };
          // The first moves parameters and examples to the backend.
          const held = await kernelOnce();
          for (let i = 0; i < 3; i++) {
            assertAtMost(await kernelOnce(), held, `${name}, ${method}, ${compute}`);
          }
        }
      }
    }
  },
);

Deno.test(
  { name: "tfjs wasm: 200 kernels, never disposed of, hold their memory", ignore },
  async () => {
    const run = await loop("jacobian-contraction", 200, 64, "drop", "tfjs-wasm");
    assertLevel(run, 200, kernelBytes(64));
  },
);

Deno.test({ name: "tfjs wasm: a node that fails leaves nothing behind", ignore }, async () => {
  const { backend: kernels } = await startTfjs("wasm");
  const builder = new ProgramBuilder();
  const x = builder.input([100], "float32");
  const y = builder.add("exp", {}, builder.add("tanh", {}, x));
  const nowhere = builder.add("placeholder", { shape: [100], dtype: "float32" });
  const program = builder.build(builder.add("add", {}, y, nowhere), y);
  const input = tfjs!.upload(new Float32Array(100), "float32");
  const held = [tfjs!.memory().used, kernels.numDataIds()];
  const executable = tfjs!.compile(program);
  assertThrows(() => executable.run([input]), BackendError, "placeholder");
  assertEquals([tfjs!.memory().used, kernels.numDataIds()], held);
  input.dispose();
});

Deno.test({ name: "tfjs wasm: a tensor that is too large is refused", ignore }, () => {
  const builder = new ProgramBuilder();
  const x = builder.input([2 ** 15, 1], "float32");
  const y = builder.input([1, 2 ** 15], "float32");
  const product = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
  const program = builder.build(builder.add("dotGeneral", product, x, y));
  assertThrows(() => tfjs!.compile(program), BackendError, "fewer examples");
});

Deno.test({ name: "tfjs wasm: float64 is refused", ignore }, async () => {
  await setBackend("tfjs-wasm");
  try {
    const x = tensor([1, 2], { dtype: "float64" });
    await assertRejects(() => x.add(1).data(), BackendError, "no float64");
    const y = tensor([1, 2]).to("float64").add(1);
    await assertRejects(() => y.data(), BackendError, "no float64");
  } finally {
    await setBackend("wasm");
  }
});

Deno.test(
  { name: "tfjs wasm: a buffer of another backend, and one that was disposed of", ignore },
  () => {
    const builder = new ProgramBuilder();
    const x = builder.input([2], "float32");
    const executable = tfjs!.compile(builder.build(builder.add("neg", {}, x)));
    const buffer = tfjs!.upload(Float32Array.of(1, 2), "float32");
    assertThrows(() => executable.run([]), BackendError, "takes 1 inputs");
    const other = tfjs!.upload(Float32Array.of(1, 2, 3), "float32");
    assertThrows(() => executable.run([other]), BackendError, "should be 2 elements");
    other.dispose();
    other.dispose();
    buffer.dispose();
    assertThrows(() => executable.run([buffer]), BackendError, "after it was disposed");
    assertThrows(() => tfjs!.upload(Int32Array.of(1), "float32"), BackendError, "Float32Array");
  },
);

Deno.test({ name: "tfjs wasm: the same data as matrices of two shapes", ignore }, async () => {
  const builder = new ProgramBuilder();
  const [x, y, z] = [[2, 12], [5, 6], [5, 2]].map((shape) => builder.input(shape, "float32"));
  const product = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
  const tall = builder.add("reshape", { shape: [6, 4] }, x);
  const program = builder.build(
    builder.add("dotGeneral", product, y, tall),
    builder.add("dotGeneral", product, z, x),
  );
  const inputs = [24, 30, 10].map((length, i) => ({
    data: Float32Array.from({ length }, (_, j) => (3 * i + j) % 7 - 3),
    dtype: "float32" as const,
  }));
  assertEquals(
    await runProgram(tfjs!, program, inputs),
    await runProgram(referenceBackend, program, inputs),
  );
});

Deno.test("createTfjsBackend: options are checked", () => {
  assertThrows(() => createTfjsBackend({ backend: "cpu" as "wasm" }), ArgumentError, '"cpu"');
  assertThrows(() => createTfjsBackend({ backend: "wasm", threads: 0 }), ArgumentError, "threads");
});
