/**
 * The reference backend against values computed with NumPy, PyTorch and mpmath (tests/data/reference/generate.py).
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { referenceBackend } from "../backends/reference/mod.ts";
import { threefry2x32 } from "../backends/reference/random.ts";
import type { DType } from "../lib/base/dtype.ts";
import { BackendError } from "../lib/base/errors.ts";
import type { PrimitiveName, PrimitiveParams } from "../lib/base/primitives.ts";
import { executedPrimitives, ProgramBuilder } from "./helpers/conformance_builder.ts";
import { firstMismatch, type HostArray, runProgram } from "./helpers/conformance_run.ts";
import { typedArray } from "./helpers/conformance_data.ts";

interface StoredValue {
  readonly shape: number[];
  readonly dtype: DType;
  readonly data: (number | string)[];
}

interface StoredCase<P extends PrimitiveName = PrimitiveName> {
  readonly name: string;
  readonly primitive: P;
  readonly params: PrimitiveParams[P];
  readonly inputs: StoredValue[];
  readonly output: StoredValue;
  readonly ulp: number;
}

const stored: StoredCase[] = JSON.parse(
  Deno.readTextFileSync(new URL("./data/reference/cases.json", import.meta.url)),
);

function load({ data, dtype }: StoredValue): HostArray {
  return { data: typedArray(data.map(Number), dtype), dtype };
}

for (const primitive of executedPrimitives) {
  if (primitive === "randomBits") continue; // Below, with the known answers of Threefry.
  Deno.test(`reference: ${primitive} gives the known values`, async () => {
    const cases = stored.filter((entry) => entry.primitive === primitive);
    assert(cases.length > 0, `no stored case for ${primitive}`);
    for (const { name, params, inputs, output, ulp } of cases) {
      const builder = new ProgramBuilder();
      const operands = inputs.map(({ shape, dtype }) => builder.input(shape, dtype));
      const result = builder.add(primitive, params, ...operands);
      assertEquals(builder.type(result), { shape: output.shape, dtype: output.dtype }, name);
      const [got] = await runProgram(referenceBackend, builder.build(result), inputs.map(load));
      // Where both zeros are equally near, NumPy's choice of the sign is not ours to keep.
      const signedZeros = !/^(maximum|minimum|cumsum|reduce.*)$/.test(primitive);
      const tolerance = ulp > 0
        ? { kind: "ulp" as const, ulp }
        : { kind: "exact" as const, signedZeros };
      const mismatch = firstMismatch(got.data, load(output).data, tolerance);
      assert(mismatch === null, `${name}: ${mismatch}`);
    }
  });
}

Deno.test("reference: Threefry-2x32-20 gives the known answers of Random123", () => {
  const ones = 0xffffffff;
  assertEquals(threefry2x32([0, 0], [0, 0]), [0x6b200159, 0x99ba4efe]);
  assertEquals(threefry2x32([ones, ones], [ones, ones]), [0x1cb996fc, 0xbb002be7]);
  assertEquals(
    threefry2x32([0x13198a2e, 0x03707344], [0x243f6a88, 0x85a308d3]),
    [0xc4923a9c, 0x483df7a0],
  );
});

Deno.test("reference: randomBits draws pairs of words for counters (i, 0), one row a key", async () => {
  const builder = new ProgramBuilder();
  const key = builder.input([2, 2], "uint32");
  const program = builder.build(builder.add("randomBits", { length: 5 }, key));
  const keys = { data: Uint32Array.of(0, 0, 0x13198a2e, 0x03707344), dtype: "uint32" as const };
  const [{ data }] = await runProgram(referenceBackend, program, [keys]);
  assertEquals(data.length, 10);
  assertEquals([...data.slice(0, 2)], [0x6b200159, 0x99ba4efe]);
  const rows = [[0, 0], [0x13198a2e, 0x03707344]] as const;
  rows.forEach((row, r) => {
    const words = [0, 1, 2].flatMap((i) => threefry2x32(row, [i, 0]));
    assertEquals([...data.slice(5 * r, 5 * r + 5)], words.slice(0, 5));
  });
});

Deno.test("reference: memory is counted, and returned by dispose", () => {
  const before = referenceBackend.memory().used;
  const builder = new ProgramBuilder();
  let value = builder.input([100], "float64");
  for (let i = 0; i < 10; i++) value = builder.add("neg", {}, value);
  const executable = referenceBackend.compile(builder.build(value, value));
  const input = referenceBackend.upload(new Float64Array(100).fill(2), "float64");
  const outputs = executable.run([input]);
  assertEquals(referenceBackend.memory().used, before + 3 * 800);
  // The input, and two values of the chain or the last one with two copies.
  assert(referenceBackend.memory().peak >= before + 4 * 800);
  outputs[0].dispose();
  outputs[0].dispose();
  assertEquals([...referenceBackend.readSync!(outputs[1])], new Array(100).fill(2));
  outputs[1].dispose();
  input.dispose();
  assertEquals(referenceBackend.memory().used, before);
});

Deno.test("reference: wrong inputs are named", () => {
  const builder = new ProgramBuilder();
  const x = builder.input([2], "float32");
  const executable = referenceBackend.compile(builder.build(builder.add("neg", {}, x)));
  const upload = (data: Float32Array | Int32Array, dtype: DType) =>
    referenceBackend.upload(data, dtype);
  assertThrows(() => executable.run([]), BackendError, "takes 1 inputs, got 0");
  const short = upload(new Float32Array(1), "float32");
  assertThrows(() => executable.run([short]), BackendError, "2 elements of float32, got 1");
  const integers = upload(new Int32Array(2), "int32");
  assertThrows(() => executable.run([integers]), BackendError, "of int32");
  integers.dispose();
  assertThrows(() => referenceBackend.readSync!(integers), BackendError, "disposed");
  assertThrows(() => upload(new Float32Array(1), "int32"), BackendError, "Int32Array");
  const foreign = { ...short, backend: { ...referenceBackend, name: "other" }, dispose() {} };
  assertThrows(() => executable.run([foreign]), BackendError, "other backend");
});

Deno.test("reference: a primitive on a dtype that it does not take is refused", async () => {
  const builder = new ProgramBuilder();
  const x = builder.input([2], "int32");
  const program = builder.build(builder.add("div", {}, x, x));
  const input = { data: Int32Array.of(1, 2), dtype: "int32" as const };
  await assertRejects(() => runProgram(referenceBackend, program, [input]), BackendError, "div");
});
