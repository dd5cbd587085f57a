/** Lowering: random programs give what the reference backend gives, and views cost no kernel. */

import { assert, assertEquals } from "@std/assert";
import type { BufferSpec, Kernel, LoopKernel, View } from "../lib/compiler/kernel.ts";
import { orderKernels } from "../lib/compiler/kernel_order.ts";
import { lower } from "../lib/compiler/lower.ts";
import { printLowered } from "../lib/compiler/print.ts";
import { differs, runReference } from "./helpers/compare_compiled.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { randomProgram } from "./helpers/random_program.ts";

Deno.test("lowered random programs agree with the reference backend", () => {
  const failures: string[] = [];
  for (let seed = 0; seed < 600; seed++) {
    const { program, inputs } = randomProgram(seed, [3, 8, 25][seed % 3]);
    const difference = differs(runReference(program, inputs), lower(program), inputs);
    if (difference !== null) failures.push(`seed ${seed}: ${difference}`);
  }
  assertEquals(failures, []);
});

function kinds(kernels: readonly Kernel[]): string[] {
  return kernels.map((kernel) => kernel.kind);
}

Deno.test("an elementwise chain with its reduction and epilogue is one kernel", () => {
  const b = new ProgramBuilder();
  const x = b.input([8, 16], "float32");
  const y = b.input([8], "float32");
  const body = b.add("exp", {}, b.add("mul", {}, x, x));
  const sum = b.add("reduceSum", { axes: [1] }, body);
  const lowered = lower(b.build(b.add("sqrt", {}, b.add("add", {}, sum, y))));
  assertEquals(kinds(lowered.kernels), ["loop"]);
  assertEquals(lowered.arenaBytes, 0);
});

Deno.test("a value whose uses come together in one body is not stored", () => {
  const b = new ProgramBuilder();
  const x = b.input([8, 16], "float32");
  const y = b.input([8, 16], "float32");
  const zero = b.add("full", { shape: [8, 16], dtype: "float32", value: 0 });
  const relu = (t: number) => b.add("select", {}, b.add("lessEqual", {}, t, zero), zero, t);
  const sum = b.add("add", {}, x, y);
  const out = b.add("mul", {}, relu(b.add("sub", {}, relu(sum), x)), y);
  const program = b.build(out);
  const lowered = lower(program);
  assertEquals(kinds(lowered.kernels), ["loop"], printLowered(lowered));
  assertEquals(lowered.arenaBytes, 0);
  const inputs = [0, 1].map((k) => Float32Array.from({ length: 128 }, (_, i) => Math.sin(i + k)));
  assertEquals(differs(runReference(program, inputs), lowered, inputs), null);
});

Deno.test("a value is stored where one use leaves the body, or is an output", () => {
  for (const asOutput of [false, true]) {
    const b = new ProgramBuilder();
    const x = b.input([8, 16], "float64");
    const y = b.input([8, 16], "float64");
    const t = b.add("exp", {}, b.add("add", {}, x, y));
    const product = b.add("mul", {}, t, b.add("sin", {}, t));
    const other = b.add("reduceSum", { axes: [0] }, t);
    const program = asOutput ? b.build(product, t) : b.build(product, other);
    const lowered = lower(program);
    const loops = lowered.kernels.filter((kernel) =>
      kernel.kind === "loop" && kernel.body.some(({ op }) => op === "exp")
    );
    assertEquals(loops.length, 1, printLowered(lowered));
    const inputs = [0, 1].map((k) => Float64Array.from({ length: 128 }, (_, i) => Math.sin(i + k)));
    assertEquals(differs(runReference(program, inputs), lowered, inputs), null);
  }
});

Deno.test("a normalization stores no centered copy", () => {
  const b = new ProgramBuilder();
  const x = b.input([8, 512], "float64");
  const mean = (t: number) => {
    const sum = b.add("reshape", { shape: [8, 1] }, b.add("reduceSum", { axes: [1] }, t));
    const part = b.add("full", { shape: [8, 1], dtype: "float64", value: 1 / 512 });
    return b.add("mul", {}, sum, part);
  };
  const spread = (t: number) => b.add("broadcast", { shape: [8, 512] }, t);
  const centered = b.add("sub", {}, x, spread(mean(x)));
  const scale = b.add("rsqrt", {}, mean(b.add("mul", {}, centered, centered)));
  const program = b.build(b.add("mul", {}, centered, spread(scale)));
  const lowered = lower(program);
  assertEquals(kinds(lowered.kernels), ["loop", "loop", "loop"], printLowered(lowered));
  assert(lowered.arenaBytes < 8 * 512, printLowered(lowered));
  const inputs = [Float64Array.from({ length: 8 * 512 }, (_, i) => Math.sin(i))];
  assertEquals(differs(runReference(program, inputs), lowered, inputs), null);
});

Deno.test("shape operations between contractions cost nothing", () => {
  const b = new ProgramBuilder();
  const x = b.input([4, 6, 5], "float32");
  const w = b.input([10, 30], "float32");
  // [4, 6, 5] → [6, 4, 5] → [6, 20] read as [6, 2, 10] by 10 columns of a sliced, transposed matrix.
  const t = b.add("permute", { permutation: [1, 0, 2] }, x);
  const flat = b.add("reshape", { shape: [6, 2, 10] }, t);
  const part = b.add("slice", { start: [0, 3], limit: [10, 30], step: [1, 3] }, w);
  const out = b.add(
    "dotGeneral",
    {
      lhsBatch: [],
      rhsBatch: [],
      lhsContract: [2],
      rhsContract: [0],
    },
    flat,
    part,
  );
  const lowered = lower(b.build(out));
  assertEquals(kinds(lowered.kernels), ["contract"], printLowered(lowered));
});

Deno.test("a padded convolution's input is written once, by its producer", () => {
  const b = new ProgramBuilder();
  const x = b.input([2, 3, 8, 8], "float32");
  const w = b.input([4, 3, 3, 3], "float32");
  const relu = b.add("maximum", {}, b.add("neg", {}, x), x);
  const conv = b.add(
    "conv",
    {
      strides: [1, 1],
      padding: [[1, 1], [1, 1]],
      lhsDilation: [1, 1],
      rhsDilation: [1, 1],
      groups: 1,
    },
    b.add("exp", {}, relu),
    w,
  );
  const lowered = lower(b.build(conv));
  assertEquals(kinds(lowered.kernels), ["loop", "loop", "contract"], printLowered(lowered));
  const [fill, write] = lowered.kernels;
  assert(fill.kind === "loop" && write.kind === "loop");
  assertEquals(fill.out.buffer, write.out.buffer);
});

Deno.test("a dying operand's memory is reused in place", () => {
  const b = new ProgramBuilder();
  const x = b.input([64], "float32");
  let y = x;
  for (let i = 0; i < 4; i++) {
    const e = b.add("exp", {}, y);
    // Read in two orders and not cheap: stored.
    const turned = b.add("flip", { axes: [0] }, e);
    y = b.add("cumsum", { axis: 0, reverse: false }, b.add("mul", {}, e, turned));
  }
  const lowered = lower(b.build(y));
  assert(lowered.arenaBytes <= 3 * 256, printLowered(lowered));
});

Deno.test("what an output is computed from, element by element, takes the output's memory", () => {
  const b = new ProgramBuilder();
  const x = b.input([8, 64], "float64");
  const e = b.add("exp", {}, x);
  const sum = b.add("reshape", { shape: [8, 1] }, b.add("reduceSum", { axes: [1] }, e));
  const whole = b.add("broadcast", { shape: [8, 64] }, sum);
  const program = b.build(b.add("div", {}, e, whole));
  const lowered = lower(program);
  assertEquals(kinds(lowered.kernels), ["loop", "loop", "loop"], printLowered(lowered));
  assert(lowered.arenaBytes <= 64, printLowered(lowered));
  const inputs = [Float64Array.from({ length: 512 }, (_, i) => Math.sin(i))];
  assertEquals(differs(runReference(program, inputs), lowered, inputs), null);
});

Deno.test("outputs may be inputs, repeat, or be views", () => {
  const b = new ProgramBuilder();
  const x = b.input([2, 3], "float64");
  const t = b.add("permute", { permutation: [1, 0] }, x);
  const r = b.add("reshape", { shape: [3, 2] }, x);
  const program = b.build(x, t, t, r, x);
  const inputs = [Float64Array.of(1, 2, 3, 4, 5, 6)];
  const lowered = lower(program);
  assertEquals(lowered.kernels.length, 1);
  assertEquals(differs(runReference(program, inputs), lowered, inputs), null);
});

Deno.test("a reduction runs where what it reads was written, and never before it may", () => {
  const view = (buffer: number, strides: readonly number[]): View => ({
    buffer,
    offset: 0,
    strides,
  });
  const loop = (from: number, to: number, reduce: "sum" | null): Kernel => ({
    kind: "loop",
    dims: [4, 16],
    outerRank: reduce === null ? 2 : 1,
    body: [{ op: "load", dtype: "float32", view: view(from, [16, 1]) }],
    reduce,
    epilogue: [],
    out: view(to, reduce === null ? [16, 1] : [1]),
    mode: "set",
    dtype: "float32",
  });
  const buffers = [64, 64, 64, 4, 64].map((length, i): BufferSpec => ({
    dtype: "float32",
    length,
    role: i === 0 ? "input" : "temporary",
  }));
  const order = (kernels: readonly Kernel[]): number[] =>
    orderKernels(kernels, buffers).map((kernel) => kernels.indexOf(kernel));
  const [one, two, other] = [loop(0, 1, null), loop(0, 2, null), loop(2, 4, null)];
  const sum = loop(1, 3, "sum") as LoopKernel;
  assertEquals(order([one, two, other, sum]), [0, 3, 1, 2]);
  // What it reads is written twice; its place is written, or read, by another before.
  assertEquals(order([one, two, one, other, sum]), [0, 1, 0, 4, 3]);
  assertEquals(order([one, loop(2, 3, "sum"), two, sum]), [0, 1, 3, 2]);
  assertEquals(order([one, loop(3, 4, null), two, sum]), [0, 1, 3, 2]);
  // Sums of what lies far apart need all rows.
  const columns = { ...sum, dims: [4, 4], body: [{ ...sum.body[0], view: view(1, [1, 4]) }] };
  assertEquals(order([one, two, other, columns as Kernel]), [0, 1, 2, 3]);
  // Inputs are there from the start, and results that are not small stay where they are.
  assertEquals(order([two, loop(0, 3, "sum")]), [0, 1]);
  assertEquals(order([one, two, loop(1, 4, "sum")]), [0, 1, 2]);
});
