/** Simplification: the same numbers, fewer nodes. */

import { assert, assertEquals } from "@std/assert";
import type { PrimitiveName } from "../lib/base/primitives.ts";
import { sizeOf } from "../lib/base/shape.ts";
import { lower } from "../lib/compiler/lower.ts";
import { countOperations } from "../lib/compiler/print.ts";
import type { Program } from "../lib/compiler/program.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { differs, firstDifference, runReference } from "./helpers/compare_compiled.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { uniform } from "./helpers/conformance_data.ts";
import { randomProgram } from "./helpers/random_program.ts";

Deno.test("simplified random programs agree with the reference backend", () => {
  const failures: string[] = [];
  for (let seed = 0; seed < 900; seed++) {
    const { program, inputs } = randomProgram(10_000 + seed, [3, 8, 25][seed % 3]);
    const expected = runReference(program, inputs);
    const simplified = simplify(program);
    const difference = firstDifference(expected, runReference(simplified, inputs)) ??
      differs(expected, lower(simplified), inputs);
    if (difference !== null) failures.push(`seed ${10_000 + seed}: ${difference}`);
  }
  assertEquals(failures, []);
});

function primitives(program: Program): PrimitiveName[] {
  return simplify(program).nodes.map((node) => node.primitive);
}

Deno.test("neutral elements, double negation and identity shapes vanish", () => {
  const b = new ProgramBuilder();
  const x = b.input([2, 3], "float32");
  const full = (value: number) => b.add("full", { shape: [2, 3], dtype: "float32", value });
  let y = b.add("add", {}, x, full(0));
  y = b.add("mul", {}, full(1), y);
  y = b.add("div", {}, y, full(1));
  y = b.add("sub", {}, y, full(0));
  y = b.add("neg", {}, b.add("neg", {}, y));
  y = b.add("cast", { dtype: "float32" }, y);
  y = b.add("reshape", { shape: [3, 2] }, y);
  y = b.add("reshape", { shape: [2, 3] }, y);
  y = b.add("permute", { permutation: [1, 0] }, y);
  y = b.add("permute", { permutation: [1, 0] }, y);
  y = b.add("slice", { start: [0, 0], limit: [2, 3], step: [1, 1] }, y);
  y = b.add("pad", { low: [0, 0], high: [0, 0], interior: [0, 0], value: 0 }, y);
  y = b.add("flip", { axes: [] }, y);
  y = b.add("concat", { axis: 0 }, y);
  y = b.add("reduceSum", { axes: [] }, y);
  const program = simplify(b.build(y));
  assertEquals(program.nodes.length, 1);
  assertEquals(program.outputs, program.inputs);
});

Deno.test("zero times an unknown value stays, zero times an index does not", () => {
  const b = new ProgramBuilder();
  const x = b.input([3], "float32");
  const zero = b.add("full", { shape: [3], dtype: "float32", value: 0 });
  const iota = b.add("iota", { shape: [3], dtype: "float32", axis: 0 });
  assertEquals(primitives(b.build(b.add("mul", {}, x, zero))), ["constant", "full", "mul"]);
  assertEquals(primitives(b.build(b.add("mul", {}, iota, zero))), ["constant", "full"]);
});

Deno.test("the sum of a broadcast is a product with its count", () => {
  const b = new ProgramBuilder();
  const x = b.input([1, 3], "float32");
  const wide = b.add("broadcast", { shape: [5, 3] }, x);
  const program = simplify(b.build(b.add("reduceSum", { axes: [0] }, wide)));
  assertEquals(program.nodes.map((n) => n.primitive), ["constant", "reshape", "full", "mul"]);
  assertEquals(
    Array.from(runReference(program, [Float32Array.of(1, 2, 3)])[0]),
    [5, 10, 15],
  );
});

Deno.test("operations on broadcasts are computed before they are repeated", () => {
  const b = new ProgramBuilder();
  const x = b.input([1, 3], "float32");
  const y = b.input([1, 3], "float32");
  const wide = (v: number) => b.add("broadcast", { shape: [5, 3] }, v);
  const program = simplify(b.build(b.add("exp", {}, b.add("mul", {}, wide(x), wide(y)))));
  assertEquals(
    program.nodes.map((n) => `${n.primitive}[${n.shape}]`),
    ["constant[1,3]", "constant[1,3]", "mul[1,3]", "exp[1,3]", "broadcast[5,3]"],
  );
});

Deno.test("pads beside each other that are added are one concatenation", () => {
  const b = new ProgramBuilder();
  const none = [0, 0];
  const part = (low: number, size: number): number =>
    b.add(
      "pad",
      { low: [0, low], high: [0, 9 - low - size], interior: none, value: 0 },
      b.input([2, size], "float64"),
    );
  const sum = b.add("add", {}, b.add("add", {}, part(5, 3), part(2, 3)), part(0, 1));
  const program = b.build(sum);
  const simplified = simplify(program);
  assertEquals(
    simplified.nodes.map((n) => n.primitive).filter((p) => p !== "constant" && p !== "full"),
    ["concat", "pad"],
  );
  const inputs = program.inputs.map((id, i) =>
    Float64Array.from({ length: program.nodes[id].shape[1] * 2 }, (_, j) => 10 * i + j)
  );
  const expected = runReference(program, inputs);
  assertEquals(firstDifference(expected, runReference(simplified, inputs)), null);
  assertEquals(differs(expected, lower(simplified), inputs), null);
});

Deno.test("windows side by side are put together without a kernel", () => {
  const b = new ProgramBuilder();
  const y = b.input([3, 2, 2, 4, 4], "float64");
  const params = { kernel: [2, 2], strides: [2, 2], dilation: [1, 1], sizes: [8, 8] };
  const x = b.add("neg", {}, b.add("patchesTranspose", params, y));
  const program = b.build(x);
  const lowered = lower(simplify(program));
  assertEquals(lowered.kernels.length, 1);
  const inputs = [Float64Array.from({ length: 3 * 64 }, (_, i) => i)];
  assertEquals(differs(runReference(program, inputs), lowered, inputs), null);
});

Deno.test("a convolution of a dilated input skips the zeros", () => {
  const b = new ProgramBuilder();
  const x = b.input([12, 8, 7, 6], "float64");
  const w = b.input([16, 8, 3, 4], "float64");
  const conv = b.add(
    "conv",
    {
      strides: [1, 1],
      padding: [[1, 2], [2, 1]],
      lhsDilation: [2, 3],
      rhsDilation: [1, 1],
      groups: 1,
    },
    x,
    w,
  );
  const program = b.build(conv);
  const simplified = simplify(program);
  const full = countOperations(program).contractions;
  const split = countOperations(simplified).contractions;
  // A sixth, and a little for phases whose last output is cut off.
  assert(split < full / 5, `${split} of ${full}`);
  const random = uniform(1);
  const inputs = program.inputs.map((id) =>
    Float64Array.from({ length: sizeOf(program.nodes[id].shape) }, () => random() - 0.5)
  );
  const expected = runReference(program, inputs);
  assertEquals(firstDifference(expected, runReference(simplified, inputs)), null);
  assertEquals(differs(expected, lower(simplified), inputs), null);
});
