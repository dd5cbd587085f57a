/** Matrix products of rows that masks made zero, which the WebAssembly backend computes without the zeros. */
import { assert, assertEquals } from "@std/assert";
import { ModuleBuilder } from "../backends/wasm/assembler.ts";
import { emitContract } from "../backends/wasm/contract.ts";
import { GemmCache } from "../backends/wasm/gemm.ts";
import { soleWriters } from "../backends/wasm/masks.ts";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import { referenceBackend } from "../backends/reference/mod.ts";
import type { ContractKernel } from "../lib/compiler/kernel.ts";
import { lower } from "../lib/compiler/lower.ts";
import type { Program } from "../lib/compiler/program.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { runProgram } from "./helpers/conformance_run.ts";
import {
  dense,
  prepare,
  randomNumbers,
  referenceProduct,
  transposed,
} from "./wasm_gemm_harness.ts";

/** Sizes of a product, and the rows of a group. */
const products = [
  { m: 64, n: 256, k: 600, group: 8 },
  { m: 80, n: 517, k: 330, group: 10 },
  { m: 400, n: 100, k: 2600, group: 5 },
  { m: 77, n: 301, k: 703, group: 7 },
  { m: 90, n: 400, k: 258, group: 3 },
  { m: 100, n: 128, k: 1025, group: 100 },
];

for (const dtype of ["float32", "float64"] as const) {
  Deno.test(`masked products in ${dtype} are those of plain loops, however they are cut`, () => {
    products.forEach(({ m, n, k, group }, index) => {
      for (const b of [dense(1, k, n), transposed(1, k, n)]) {
        const product = {
          dtype,
          a: dense(1, m, k),
          b,
          c: dense(1, m, n),
          relaxed: index % 3 !== 2,
          zeroGroup: group,
        };
        const prepared = prepare(product);
        assertEquals(prepared.kernel.plan.kind, "masked");
        const random = randomNumbers(index + 1);
        for (const array of [prepared.a, prepared.b]) {
          for (let i = 0; i < array.length; i++) array[i] = random();
        }
        for (let first = 0; first < m; first += group) {
          // One mask leaves everything, one leaves nothing.
          const kept = first === 0 ? -2 : first === group ? 2 : 0;
          for (let i = 0; i < k; i++) {
            if (random() >= kept) continue;
            for (let row = first; row < first + group; row++) prepared.a[row * k + i] = 0;
          }
        }
        const { value, magnitude } = referenceProduct(product, prepared.a, prepared.b, prepared.c);
        prepared.c.fill(NaN);
        prepared.run();
        const epsilon = dtype === "float32" ? 2 ** -24 : 2 ** -53;
        value.forEach((expected, i) => {
          const error = Math.abs(prepared.c[i] - expected);
          assert(
            error <= 8 * epsilon * magnitude[i],
            `${m} x ${n} x ${k}, groups of ${group}: element ${i} is ${
              prepared.c[i]
            }, not ${expected}`,
          );
        });
        const once = prepared.c.slice();
        prepared.c.fill(NaN);
        prepared.run(1, true);
        assertEquals(once.every((x, i) => Object.is(x, prepared.c[i])), true);
      }
    });
  });
}

interface Masked {
  /** Whether outputs are the outer axis of the cotangents. */
  readonly outputsFirst?: boolean;
  /** Whether the cotangents are the right operand. */
  readonly right?: boolean;
  /** Whether each output has a mask of its own. */
  readonly ownMasks?: boolean;
  /** What is cut out of the cotangents' axes. */
  readonly cut?: { readonly start: number[]; readonly limit: number[] };
}

const [examples, outputs, units, columns] = [6, 9, 512, 640];
const shapeOf = (outputsFirst: boolean, outputs: number) =>
  outputsFirst ? [outputs, examples, units] : [examples, outputs, units];

/** Cotangents behind a ReLU, times weights. */
function cotangents({ outputsFirst = false, right, ownMasks, cut }: Masked): Program {
  const builder = new ProgramBuilder();
  const shape = shapeOf(outputsFirst, outputs);
  const ofMask = shapeOf(outputsFirst, ownMasks ? outputs : 1);
  const zeros = (shape: readonly number[]) =>
    builder.add("full", { shape, value: 0, dtype: "float32" });
  const before = builder.input(shape, "float32");
  const hidden = builder.input(ofMask, "float32");
  const weights = builder.input([units, columns], "float32");
  let off = builder.add("lessEqual", {}, hidden, zeros(ofMask));
  if (!ownMasks) off = builder.add("broadcast", { shape }, off);
  let masked = builder.add("select", {}, off, zeros(shape), before);
  const whole = masked;
  if (cut !== undefined) masked = builder.add("slice", { ...cut, step: [1, 1, 1] }, masked);
  const [sides, contract] = right ? [[weights, masked], [0, 2]] : [[masked, weights], [2, 0]];
  const product = builder.add(
    "dotGeneral",
    { lhsBatch: [], rhsBatch: [], lhsContract: [contract[0]], rhsContract: [contract[1]] },
    ...sides,
  );
  // The cotangents stand in memory as a whole: cuts are views.
  return builder.build(
    right ? builder.add("permute", { permutation: [1, 2, 0] }, product) : product,
    whole,
  );
}

/** How the only product of a program is computed. */
function planOf(program: Program): string {
  const lowered = lower(program);
  const kernels = lowered.kernels.filter((kernel): kernel is ContractKernel =>
    kernel.kind === "contract"
  );
  assertEquals(kernels.length, 1);
  const writers = soleWriters(lowered);
  return emitContract(new ModuleBuilder(), kernels[0], true, new GemmCache(), writers).gemm.plan
    .kind;
}

const cases: readonly (readonly [name: string, masked: Masked, kind: string])[] = [
  ["outputs of each example share a mask", {}, "masked"],
  ["examples are the inner axis", { outputsFirst: true }, "masked"],
  ["cotangents are the right operand", { right: true }, "masked"],
  ["some examples are cut out", { cut: { start: [2, 0, 0], limit: [6, 9, 512] } }, "masked"],
  ["some units are cut out", { cut: { start: [0, 0, 16], limit: [6, 9, 400] } }, "masked"],
  ["every output has its own mask", { ownMasks: true }, "outer"],
  ["some outputs are cut out", { cut: { start: [0, 1, 0], limit: [6, 9, 512] } }, "outer"],
];

for (const [name, masked, kind] of cases) {
  Deno.test(`products of cotangents behind a ReLU: ${name}`, async () => {
    const program = cotangents(masked);
    assertEquals(planOf(program), kind);
    const random = randomNumbers(3);
    const numbers = (length: number) => Float32Array.from({ length }, random);
    const ofMask = masked.ownMasks ? outputs : 1;
    const inputs = [examples * outputs * units, examples * ofMask * units, units * columns].map(
      (length) => ({ data: numbers(length), dtype: "float32" as const }),
    );
    const [expected] = await runProgram(referenceBackend, program, inputs);
    const largest = Math.max(...[...expected.data].map(Math.abs));
    for (const threads of [1, 2]) {
      const backend = createWasmBackend({ threads, shareAbove: 0 });
      backend.startThreads();
      const [ours] = await runProgram(backend, program, inputs);
      backend.stopThreads();
      expected.data.forEach((value, i) => {
        const error = Math.abs(ours.data[i] - value) / largest;
        assert(error < 1e-6, `element ${i}: ${ours.data[i]}, expected ${value}`);
      });
    }
  });
}

Deno.test("products of cotangents behind a ReLU: weights of units that are off need not be finite", async () => {
  const hidden = new Float32Array(examples * units).fill(1);
  const weights = new Float32Array(units * columns).fill(1);
  const off = 7;
  for (let i = 0; i < examples; i++) hidden[i * units + off] = -1;
  weights.fill(Infinity, off * columns, (off + 1) * columns);
  const data = [new Float32Array(examples * outputs * units).fill(1), hidden, weights];
  const inputs = data.map((data) => ({ data, dtype: "float32" as const }));
  const [ours] = await runProgram(createWasmBackend({ threads: 1 }), cotangents({}), inputs);
  assert(ours.data.every((value) => value === units - 1));
});
