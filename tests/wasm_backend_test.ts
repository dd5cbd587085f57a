import { assert, assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import { referenceBackend } from "../backends/reference/mod.ts";
import { createWasmBackend, type WasmBackend } from "../backends/wasm/mod.ts";
import type { TypedArray } from "../lib/base/dtype.ts";
import { ArgumentError, BackendError } from "../lib/base/errors.ts";
import type { DeviceBuffer } from "../lib/compiler/backend.ts";
import type { Program } from "../lib/compiler/program.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { conformanceCases } from "./helpers/conformance_cases.ts";
import { runConformance } from "./helpers/conformance_run.ts";

const product = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };

/** Numbers between −1 and 1, the same in every run. */
function numbers(length: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** tanh(x · w + b) and the sum of each of its rows. */
function layerProgram(rows: number, inner: number, columns: number): Program {
  const builder = new ProgramBuilder();
  const x = builder.input([rows, inner], "float32");
  const w = builder.input([inner, columns], "float32");
  const b = builder.input([1, columns], "float32");
  const bias = builder.add("broadcast", { shape: [rows, columns] }, b);
  const y = builder.add(
    "tanh",
    {},
    builder.add("add", {}, builder.add("dotGeneral", product, x, w), bias),
  );
  return builder.build(y, builder.add("reduceSum", { axes: [1] }, y));
}

/** What `layerProgram` computes, by plain loops in float64. */
function layer(
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  b: ArrayLike<number>,
  [rows, inner, columns]: readonly number[],
): [Float64Array, Float64Array] {
  const y = new Float64Array(rows * columns);
  const sums = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = b[j];
      for (let k = 0; k < inner; k++) sum += x[i * inner + k] * w[k * columns + j];
      y[i * columns + j] = Math.tanh(sum);
      sums[i] += y[i * columns + j];
    }
  }
  return [y, sums];
}

function assertNear(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  assertEquals(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]);
    assert(error <= tolerance, `element ${i} is ${actual[i]}, expected ${expected[i]}`);
  }
}

function run(
  backend: WasmBackend,
  program: Program,
  inputs: readonly Float32Array[],
): TypedArray[] {
  const buffers = inputs.map((data) => backend.upload(data, "float32"));
  const outputs = backend.compile(program).run(buffers);
  const results = outputs.map((output) => backend.readSync(output));
  for (const buffer of [...buffers, ...outputs]) buffer.dispose();
  return results;
}

/** A program with a long chain of kernels of several kinds, large enough to be shared among threads. */
function largeProgram(): { program: Program; inputs: Float32Array[] } {
  const builder = new ProgramBuilder();
  const [size, channels] = [24, 16];
  const image = builder.input([4, 3, size, size], "float32");
  const filter = builder.input([channels, 3, 3, 3], "float32");
  const second = builder.input([channels, channels, 3, 3], "float32");
  const conv = (x: number, w: number) =>
    builder.add(
      "conv",
      {
        strides: [1, 1],
        padding: [[1, 1], [1, 1]],
        lhsDilation: [1, 1],
        rhsDilation: [1, 1],
        groups: 1,
      },
      x,
      w,
    );
  let y = builder.add("tanh", {}, conv(image, filter));
  for (let i = 0; i < 3; i++) y = builder.add("sigmoid", {}, conv(y, second));
  const flat = builder.add("reshape", { shape: [4 * channels, size * size] }, y);
  const gram = builder.add("dotGeneral", { ...product, rhsContract: [1] }, flat, flat);
  const sorted = builder.add("argsort", { descending: false }, gram);
  const sums = builder.add("cumsum", { axis: 1, reverse: false }, flat);
  return {
    program: builder.build(gram, sorted, sums, builder.add("reduceSum", { axes: [0] }, flat)),
    inputs: [
      numbers(4 * 3 * size * size, 1),
      numbers(channels * 27, 2),
      numbers(channels * channels * 9, 3).map((value) => value / 4),
    ],
  };
}

for (const threads of [1, 2]) {
  for (const shape of [[1, 1, 1], [3, 5, 7], [64, 100, 130]]) {
    Deno.test(`a layer of ${shape} on ${threads} threads agrees with plain loops`, () => {
      const backend = createWasmBackend({ threads, shareAbove: 0 });
      backend.startThreads();
      const [rows, inner, columns] = shape;
      const [x, w, b] = [
        numbers(rows * inner, 1),
        numbers(inner * columns, 2),
        numbers(columns, 3),
      ];
      const [y, sums] = run(backend, layerProgram(rows, inner, columns), [x, w, b]);
      const [expectedY, expectedSums] = layer(x, w, b, shape);
      assertNear(y, expectedY, 5e-6);
      assertNear(sums, expectedSums, 5e-6 * Math.sqrt(columns));
      backend.stopThreads();
    });
  }
}

Deno.test("results are equal bit for bit on any number of threads", () => {
  const { program, inputs } = largeProgram();
  const expected = run(createWasmBackend({ threads: 1 }), program, inputs);
  for (const threads of [2, 4, 5]) {
    for (const shareAbove of [0, 60e3]) {
      const backend = createWasmBackend({ threads, shareAbove });
      assertEquals(backend.threads, threads);
      backend.startThreads();
      for (let repeat = 0; repeat < 5; repeat++) {
        assertEquals(run(backend, program, inputs), expected);
      }
      backend.stopThreads();
    }
  }
});

Deno.test("strict and relaxed kernels agree to rounding", () => {
  const shape = [60, 500, 70] as const;
  const [x, w, b] = [numbers(30_000, 4), numbers(35_000, 5), numbers(70, 6)];
  const small = w.map((value) => value / 20);
  const strict = createWasmBackend({ threads: 1, relaxed: false });
  assertEquals(strict.relaxed, false);
  const [fromStrict] = run(strict, layerProgram(...shape), [x, small, b]);
  const relaxed = createWasmBackend({ threads: 1 });
  const [fromRelaxed] = run(relaxed, layerProgram(...shape), [x, small, b]);
  const [expected] = layer(x, small, b, shape);
  assertNear(fromStrict, expected, 1e-6);
  assertNear(fromRelaxed, expected, 1e-6);
  assertNear(fromRelaxed, fromStrict, 1e-6);
});

Deno.test(
  "the conformance cases hold when everything is shared among three threads",
  async () => {
    const backend = createWasmBackend({ threads: 3, shareAbove: 0 });
    backend.startThreads();
    // Every fifth: all of them run on the default backend elsewhere.
    const cases = [...conformanceCases()].filter((_, i) => i % 5 === 0);
    assertGreater(cases.length, 1000);
    assertEquals(await runConformance(backend, cases), []);
    backend.stopThreads();
  },
);

Deno.test("all dtypes come back as they were uploaded, in memory of their own", async () => {
  const backend = createWasmBackend({ threads: 2 });
  const arrays = [
    ["float32", Float32Array.of(1.5, -0, NaN, Infinity)],
    ["float64", Float64Array.of(Math.PI, 1e300, -0)],
    ["int32", Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0)],
    ["uint32", Uint32Array.of(2 ** 32 - 1, 0)],
    ["bool", Uint8Array.of(1, 0, 1, 1, 0)],
    ["float32", new Float32Array(0)],
  ] as const;
  for (const [dtype, data] of arrays) {
    const buffer = backend.upload(data, dtype);
    assertEquals([buffer.dtype, buffer.length], [dtype, data.length]);
    const copy = await backend.read(buffer);
    assertEquals(copy, data);
    assert(copy.buffer instanceof ArrayBuffer);
    const again = backend.readSync(buffer);
    again.fill(1);
    assertEquals(await backend.read(buffer), data);
    buffer.dispose();
    buffer.dispose();
  }
  assertEquals(backend.memory().used, 0);
});

Deno.test("outputs that are inputs or repeat are buffers of their own", () => {
  const backend = createWasmBackend({ threads: 1 });
  const builder = new ProgramBuilder();
  const x = builder.input([3], "float32");
  const y = builder.add("neg", {}, x);
  const executable = backend.compile(builder.build(x, y, y, x));
  const input = backend.upload(Float32Array.of(1, 2, 3), "float32");
  const outputs = executable.run([input]);
  outputs[1].dispose();
  input.dispose();
  // Takes the freed memory and writes over it.
  const other = [1, 2].map(() => backend.upload(Float32Array.of(9, 9, 9), "float32"));
  const read = (buffer: DeviceBuffer) => [...backend.readSync(buffer)];
  assertEquals(read(outputs[0]), [1, 2, 3]);
  assertEquals(read(outputs[2]), [-1, -2, -3]);
  assertEquals(read(outputs[3]), [1, 2, 3]);
  for (const buffer of [outputs[0], outputs[2], outputs[3], ...other]) buffer.dispose();
});

Deno.test("memory is back at its level after many runs, and peak counts intermediate results", () => {
  const backend = createWasmBackend({ threads: 1 });
  const { program, inputs } = largeProgram();
  const buffers = inputs.map((data) => backend.upload(data, "float32"));
  const executable = backend.compile(program);
  const runOnce = () => executable.run(buffers).forEach((output) => output.dispose());
  runOnce();
  const first = backend.memory();
  assertGreater(executable.scratchBytes!, 0);
  assert(first.peak >= first.used + executable.scratchBytes!);
  for (let i = 0; i < 200; i++) runOnce();
  assertEquals(backend.memory(), first);
});

Deno.test(
  "what is too large for the memory is an error that says how much was wanted",
  async () => {
    const backend = createWasmBackend({ threads: 2, maximumMemory: 8 * 2 ** 20 });
    const small = backend.upload(numbers(1000, 1), "float32");
    const error = assertThrows(
      () => backend.upload(new Float32Array(4_000_000), "float32"),
      BackendError,
      "out of memory: 16000000 bytes wanted",
    );
    assert(error.message.includes("dispose"));

    // An output that does not fit: nothing of the run stays behind.
    const builder = new ProgramBuilder();
    const x = builder.input([1000], "float32");
    const column = builder.add("reshape", { shape: [1, 1000] }, x);
    const rows = builder.add("broadcast", { shape: [5000, 1000] }, column);
    const negative = builder.add("neg", {}, x);
    const executable = backend.compile(builder.build(negative, builder.add("exp", {}, rows)));
    const before = backend.memory().used;
    assertThrows(
      () => executable.run([small]),
      BackendError,
      "out of memory: 20000000 bytes wanted",
    );
    assertEquals(backend.memory().used, before);
    assertEquals(await backend.read(small), numbers(1000, 1));
  },
);

Deno.test("wrong inputs are errors that say what was expected", async () => {
  const backend = createWasmBackend({ threads: 1 });
  const builder = new ProgramBuilder();
  const x = builder.input([2], "float32");
  const executable = backend.compile(builder.build(builder.add("neg", {}, x)));
  const buffer = (data: TypedArray, dtype: "float32" | "int32") => backend.upload(data, dtype);
  assertThrows(() => executable.run([]), BackendError, "takes 1 inputs, and 0 were given");
  assertThrows(
    () => executable.run([buffer(new Float32Array(3), "float32")]),
    BackendError,
    "input 0 has 3 float32 elements; expected 2 of float32",
  );
  assertThrows(
    () => executable.run([buffer(new Int32Array(2), "int32")]),
    BackendError,
    "2 int32 elements; expected 2 of float32",
  );
  const foreign = referenceBackend.upload(new Float32Array(2), "float32");
  assertThrows(() => executable.run([foreign]), BackendError, "another backend (reference)");
  assertThrows(() => backend.readSync(foreign), BackendError, "another backend (reference)");
  const sibling = createWasmBackend({ threads: 1 }).upload(new Float32Array(2), "float32");
  assertThrows(() => executable.run([sibling]), BackendError, "another backend (wasm)");
  const gone = buffer(new Float32Array(2), "float32");
  gone.dispose();
  assertThrows(() => executable.run([gone]), BackendError, "after it was disposed");
  await assertRejects(() => backend.read(gone), BackendError, "after it was disposed");
  assertThrows(
    () => backend.upload(new Float64Array(2), "float32"),
    BackendError,
    "float32 elements come in a Float32Array, got a Float64Array",
  );
});

Deno.test("wrong options are errors that name them", () => {
  assertThrows(() => createWasmBackend({ threads: 0 }), ArgumentError, "threads is 0");
  assertThrows(() => createWasmBackend({ threads: 1.5 }), ArgumentError, "threads is 1.5");
  assertThrows(
    () => createWasmBackend({ maximumMemory: -1 }),
    ArgumentError,
    "maximumMemory is -1",
  );
  assertThrows(() => createWasmBackend({ shareAbove: NaN }), ArgumentError, "shareAbove is NaN");
  assertThrows(
    () => createWasmBackend({ relaxed: "yes" as "auto" }),
    ArgumentError,
    "relaxed is yes",
  );
});

/** Runs a script that imports the backend in a process of its own; fails when it does not end in time. */
async function runScript(source: string, flags: readonly string[] = []): Promise<string> {
  const imports = `
    import { createWasmBackend } from "${new URL("../backends/wasm/mod.ts", import.meta.url)}";
    import { ProgramBuilder } from "${new URL(
    "./helpers/conformance_builder.ts",
    import.meta.url,
  )}";`;
  const directory = await Deno.makeTempDir();
  try {
    const file = `${directory}/script.ts`;
    await Deno.writeTextFile(file, imports + source);
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", ...flags, file],
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(60_000),
    });
    const { success, stdout, stderr, signal } = await child.output();
    const errors = new TextDecoder().decode(stderr);
    assert(success, signal === null ? errors : `the script was still running: ${errors}`);
    assertEquals(errors, "");
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const productScript = `
  const builder = new ProgramBuilder();
  const a = builder.input([512, 512], "float32");
  const program = builder.build(builder.add("dotGeneral",
    { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] }, a, a));
  const data = new Float32Array(512 * 512).fill(0.5);
`;

Deno.test("a script that uses threads needs no permission and ends by itself", async () => {
  const output = await runScript(`${productScript}
    const backend = createWasmBackend({ threads: 3 });
    backend.startThreads();
    const x = backend.upload(data, "float32");
    const executable = backend.compile(program);
    let result;
    for (let i = 0; i < 20; i++) result = executable.run([x])[0];
    console.log((await backend.read(result))[7]);
  `);
  assertEquals(output, "128\n");
});

Deno.test("buffers and executables that are dropped are given back by the garbage collector", async () => {
  const output = await runScript(
    `${productScript}
    const backend = createWasmBackend({ threads: 2, shareAbove: 0 });
    backend.startThreads();
    const settle = async () => {
      for (let i = 0; i < 20; i++) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 5));
        if (backend.memory().used === 0) break;
      }
    };
    // A function of its own, so that no variable of the script holds on to the last buffers.
    const compute = async () => {
      const x = backend.upload(data, "float32");
      const [y] = backend.compile(program).run([x]);
      await backend.read(y);
    };
    for (let i = 0; i < 10; i++) await compute();
    const before = backend.memory().used;
    await settle();
    console.log(before > 1e6, backend.memory().used);
    const x = backend.upload(data, "float32");
    console.log((await backend.read(backend.compile(program).run([x])[0]))[7]);
  `,
    ["--v8-flags=--expose-gc"],
  );
  assertEquals(output, "true 0\n128\n");
});

Deno.test("a loop that disposes of nothing stays far below the memory that it asks for", async () => {
  const output = await runScript(`
    const backend = createWasmBackend({ threads: 1 });
    const data = new Float32Array(1e6);
    for (let i = 0; i < 400; i++) await backend.read(backend.upload(data, "float32"));
    console.log(backend.memory().peak < 800e6);
  `);
  assertEquals(output, "true\n");
});
