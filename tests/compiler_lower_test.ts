/** Lowering: random programs give what the reference backend gives, and views cost no kernel. */

import { assert, assertEquals } from "@std/assert";
import type { Kernel } from "../lib/compiler/kernel.ts";
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
    // Used twice and not cheap: stored.
    y = b.add("cumsum", { axis: 0, reverse: false }, b.add("mul", {}, e, b.add("sin", {}, e)));
  }
  const lowered = lower(b.build(y));
  assert(lowered.arenaBytes <= 3 * 256, printLowered(lowered));
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
