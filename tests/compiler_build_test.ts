/** Graphs become programs: merged, without dead code, without recursion, and with keys that tell programs apart. */

import { assertEquals, assertNotEquals } from "@std/assert";
import type { DType } from "../lib/base/dtype.ts";
import type { PrimitiveName } from "../lib/base/primitives.ts";
import { buildProgram, type GraphNode } from "../lib/compiler/build.ts";
import { lower } from "../lib/compiler/lower.ts";
import { printLowered, printProgram } from "../lib/compiler/print.ts";
import { simplify } from "../lib/compiler/simplify.ts";

function leaf(shape: readonly number[], dtype: DType = "float32"): GraphNode {
  return { shape, dtype, operation: null, buffer: {} };
}

function op(
  primitive: PrimitiveName,
  inputs: readonly GraphNode[],
  params: object = {},
  shape: readonly number[] = inputs[0].shape,
): GraphNode {
  return {
    shape,
    dtype: inputs[0]?.dtype ?? "float32",
    operation: { primitive, params, inputs },
    buffer: null,
  };
}

Deno.test("equal nodes are merged, leaves by identity", () => {
  const x = leaf([3]);
  const y = leaf([3]);
  const sum = op("add", [op("exp", [x]), op("exp", [x])]);
  const { program, leaves } = buildProgram([op("mul", [sum, op("exp", [y])])]);
  assertEquals(
    printProgram(program),
    [
      "%0 = input : f32[3]",
      "%1 = exp %0 : f32[3]",
      "%2 = add %1 %1 : f32[3]",
      "%3 = input : f32[3]",
      "%4 = exp %3 : f32[3]",
      "%5 = mul %2 %4 : f32[3]",
      "return %5",
    ].join("\n"),
  );
  assertEquals(leaves, [x, y]);
});

Deno.test("identities of transforms vanish, and what only their rules need is left out", () => {
  const x = leaf([2]);
  const held = op("sin", [leaf([2])]);
  const custom = op("customDerivative", [op("alias", [op("stopGradient", [x])]), held], {
    rule: 1,
    output: 0,
  });
  const { program, leaves } = buildProgram([op("neg", [custom])]);
  assertEquals(printProgram(program), "%0 = input : f32[2]\n%1 = neg %0 : f32[2]\nreturn %1");
  assertEquals(leaves.length, 1);
});

Deno.test("a node with a buffer is a leaf, whatever computed it", () => {
  const realized = { ...op("exp", [leaf([2])]), buffer: {} };
  const { program, leaves } = buildProgram([op("neg", [realized]), realized]);
  assertEquals(program.inputs, [0]);
  assertEquals(program.outputs, [1, 0]);
  assertEquals(leaves[0], realized);
});

Deno.test("keys are equal for equal structure and differ by parameters, wiring and special values", () => {
  const full = (value: number) => op("full", [], { shape: [2], dtype: "float32", value }, [2]);
  const key = (...outputs: GraphNode[]) => buildProgram(outputs).program.key;
  assertEquals(key(op("neg", [leaf([2])])), key(op("neg", [leaf([2])])));
  assertNotEquals(key(op("neg", [leaf([2])])), key(op("neg", [leaf([3])])));
  assertNotEquals(key(full(0)), key(full(-0)));
  assertNotEquals(key(full(NaN)), key(full(Infinity)));
  const [x, y] = [leaf([2]), leaf([2])];
  assertNotEquals(key(op("sub", [x, y])), key(op("sub", [x, x])));
  assertNotEquals(key(x, y), key(x, x));
});

Deno.test("a graph of a hundred thousand nodes in a row compiles without recursion", () => {
  let x = leaf([4]);
  for (let i = 0; i < 100_000; i++) x = op(i % 3 === 0 ? "sin" : "tanh", [x]);
  const { program } = buildProgram([x]);
  assertEquals(program.nodes.length, 100_001);
  const lowered = lower(simplify(program));
  assertEquals(lowered.arenaBytes <= 128, true);
});

Deno.test("a small program as text", () => {
  const x = leaf([4, 6]);
  const sum = op("reduceSum", [op("mul", [x, x])], { axes: [1] }, [4]);
  const { program } = buildProgram([op("sqrt", [sum])]);
  assertEquals(
    printLowered(lower(program)),
    [
      "b0: f32[24] input",
      "b1: f32[4] output",
      "k0: b1(1) = loop[4] sum[6] mul(b0(6,1), b0(6,1)) then sqrt(·)",
      "arena: 0 bytes",
      "return b1",
    ].join("\n"),
  );
});
