/**
 * onnxruntime-web as a backend: the conformance suite, the golden kernels, and errors.
 *
 * Where the package cannot be had, these tests say so and are ignored.
 *
 * @module
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createOnnxruntimeBackend } from "../backends/onnxruntime/mod.ts";
import { loadOnnx } from "../lib/onnx/mod.ts";
import type { Program } from "../lib/compiler/program.ts";
import { ArgumentError, BackendError, setBackend, tensor, vmap } from "../mod.ts";
import {
  type LessExact,
  testConformance,
  testDraws,
  testGoldenKernels,
} from "./helpers/backend_tests.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { assertNear, goldenNames, loadGolden } from "./helpers/golden.ts";
import { onnxruntime, runOnnx } from "./helpers/onnxruntime.ts";

const ort = await onnxruntime();
const ignore = ort === null;
const backend = ignore ? null : await createOnnxruntimeBackend({ threads: 2 });

/** Cases that pass with another tolerance, and why. None is left out. */
const lessExact: LessExact = {
  "tanh: float32 sweep and special values": {
    why: "the kernel is up to 5 numbers away near 1, and keeps few digits of the smallest",
    tolerance: { kind: "scale", factor: 8 },
  },
};

testConformance("onnxruntime", backend, lessExact);
testGoldenKernels("onnxruntime", backend, goldenNames);

for (const name of goldenNames) {
  for (const file of ["model.onnx", "model-torch-export.onnx"]) {
    Deno.test({ name: `${name}/${file}: outputs as onnxruntime's`, ignore }, async () => {
      const bytes = await Deno.readFile(new URL(`./golden/${name}/${file}`, import.meta.url));
      const { fn, params, inputs, outputs } = await loadOnnx(bytes);
      const { x1 } = await loadGolden(name, "float32");
      const [input] = inputs;
      const results = await runOnnx(ort!, bytes, { [input.name]: x1 }, {
        [input.name]: input.type!,
      });
      await assertNear(vmap(fn, [null, 0])(params, x1), results[outputs[0].name], 1e-6);
    });
  }
}

testDraws("onnxruntime", "onnxruntime", ignore);

Deno.test({ name: "onnxruntime: results are the same bits with 1 thread", ignore }, async () => {
  // The package takes the number of threads from the first session of a process.
  const script = `
    import { createOnnxruntimeBackend } from "./backends/onnxruntime/mod.ts";
    import { random, setBackend } from "./mod.ts";
    await setBackend(await createOnnxruntimeBackend({ threads: Number(Deno.args[0]) }));
    const [a, b] = [1, 2].map((i) => random.normal(random.randomKey(i), [300, 200]));
    const y = a.matmul(b.transpose(0, 1)).tanh().sum(1);
    console.log((await y.data()).join());
  `;
  const run = async (threads: string): Promise<string> => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", script, threads],
      cwd: new URL("../", import.meta.url),
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  };
  const one = await run("1");
  assertEquals(one.split(",").length, 300);
  assertEquals(await run("2"), one);
});

/** A program of one operation. */
function negation(size: number): Program {
  const builder = new ProgramBuilder();
  return builder.build(builder.add("neg", {}, builder.input([size], "float32")));
}

Deno.test({ name: "onnxruntime: what fails is named when it is read", ignore }, async () => {
  const builder = new ProgramBuilder();
  const x = builder.input([4], "float32");
  const y = builder.add("reshape", { shape: [2, 2] }, builder.add("exp", {}, x));
  const program = builder.build(y);
  // A shape that lies: onnxruntime finds out.
  const nodes: Program["nodes"] = program.nodes.map((node) =>
    node.primitive === "reshape" ? { ...node, params: { shape: [5] }, shape: [5] } : node
  );
  const input = backend!.upload(Float32Array.of(1, 2, 3, 4), "float32");
  const [output] = backend!.compile({ ...program, nodes }).run([input]);
  const after = backend!.compile(negation(4)).run([input]);
  await assertRejects(() => backend!.read(output), BackendError, "reshape");
  assertEquals([...await backend!.read(after[0])], [-1, -2, -3, -4]);
  await assertRejects(() => backend!.synchronize(), BackendError, "reshape");
  await backend!.synchronize();
  for (const buffer of [input, output, ...after]) buffer.dispose();
});

Deno.test({ name: "onnxruntime: buffers and dtypes that are not its own", ignore }, async () => {
  const executable = backend!.compile(negation(2));
  const buffer = backend!.upload(Float32Array.of(1, 2), "float32");
  const used = backend!.memory().used;
  assertThrows(() => executable.run([]), BackendError, "takes 1 inputs");
  const other = backend!.upload(Float32Array.of(1, 2, 3), "float32");
  assertEquals(backend!.memory().used, used + 12);
  assertThrows(() => executable.run([other]), BackendError, "should be 2 elements");
  other.dispose();
  other.dispose();
  assertEquals(backend!.memory().used, used);
  buffer.dispose();
  assertThrows(() => executable.run([buffer]), BackendError, "after it was disposed");
  assertThrows(() => backend!.upload(Int32Array.of(1), "float32"), BackendError, "Float32Array");
  await setBackend(backend!);
  try {
    const x = tensor([1, 2], { dtype: "float64" });
    await assertRejects(() => x.add(1).data(), BackendError, "float64");
  } finally {
    await setBackend("wasm");
  }
});

Deno.test("createOnnxruntimeBackend: options are checked", async () => {
  await assertRejects(() => createOnnxruntimeBackend({ threads: 0 }), ArgumentError, "threads");
});
