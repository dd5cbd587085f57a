/** Rates of the machine: what they decide, and where they are kept. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import { referenceBackend } from "../backends/reference/mod.ts";
import { estimateSeconds, type Rates } from "../lib/compiler/estimate.ts";
import { lower } from "../lib/compiler/lower.ts";
import { kernelProblem } from "../lib/ntk/problem.ts";
import { planKernel } from "../lib/ntk/plan.ts";
import { calibrate, ratesOf, usualRatesOf } from "../lib/ntk/rates.ts";
import { readRates, writeRates } from "../lib/ntk/rates_file.ts";
import { conv2d, type Tensor } from "../mod.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { uniform } from "./helpers/small_networks.ts";

const rates: Rates = {
  product: 1e9,
  thinProduct: 1e8,
  convolution: 4e9,
  bytes: 1e12,
  functions: 1e6,
  kernels: 1e12,
};

function productSeconds(m: number, n: number, k: number, given: Rates): number {
  const builder = new ProgramBuilder();
  const a = builder.input([m, k], "float32");
  const b = builder.input([k, n], "float32");
  const params = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
  return estimateSeconds(lower(builder.build(builder.add("dotGeneral", params, a, b))), given);
}

Deno.test("estimates: products by their shorter side, loops by bytes and functions", () => {
  assertAlmostEquals(productSeconds(64, 64, 500, rates), 2 * 64 * 64 * 500 / 1e9, 1e-9);
  assertAlmostEquals(productSeconds(8, 64, 500, rates), 2 * 8 * 64 * 500 / 1e8, 1e-9);
  assertAlmostEquals(productSeconds(2, 64, 500, rates), 2 * 2 * 64 * 500 / 1e8, 1e-9);
  // Of eight and thirty-two rows, sixteen lie in the middle.
  assertAlmostEquals(
    productSeconds(64, 16, 500, rates),
    2 * 16 * 64 * 500 / Math.sqrt(1e8 * 1e9),
    1e-9,
  );
  // One row is read as fast as memory allows.
  const slowMemory = { ...rates, bytes: 1e4 };
  assertAlmostEquals(productSeconds(1, 64, 500, slowMemory), 4 * (64 * 500 + 564) / 1e4, 1e-6);
  const builder = new ProgramBuilder();
  const x = builder.input([1000], "float32");
  const y = lower(builder.build(builder.add("tanh", {}, x)));
  assertAlmostEquals(estimateSeconds(y, rates), 1000 / 1e6, 1e-7);
  assertAlmostEquals(estimateSeconds(y, { ...rates, functions: 1e15, bytes: 8e3 }), 1, 1e-7);
  assertAlmostEquals(estimateSeconds(y, { ...rates, functions: 1e15, kernels: 2 }), 0.5, 1e-7);
});

Deno.test("estimates: convolutions of three by three have a rate of their own", () => {
  const program = (window: number) => {
    const builder = new ProgramBuilder();
    const x = builder.input([2, 16, 20, 20], "float32");
    const filter = builder.input([16, 16, window, window], "float32");
    const params = {
      strides: [1, 1],
      padding: [[0, 0], [0, 0]] as [number, number][],
      lhsDilation: [1, 1],
      rhsDilation: [1, 1],
      groups: 1,
    };
    return lower(builder.build(builder.add("conv", params, x, filter)));
  };
  const operations = (window: number) => 2 * 2 * 16 * 16 * window ** 2 * (21 - window) ** 2;
  assertAlmostEquals(estimateSeconds(program(3), rates), operations(3) / 4e9, 1e-6);
  const slower = estimateSeconds(program(5), rates);
  assert(slower > operations(5) / 1e9 && slower < operations(5) / 1e8);
});

Deno.test("what is slow on a machine decides between methods that are close", () => {
  const f = (p: Record<string, Tensor>, x: Tensor): Tensor => {
    const y = conv2d(x.unsqueeze(0), p.first, null, { padding: 1 }).tanh();
    return conv2d(y, p.second, null, { padding: 1 }).flatten();
  };
  const params = {
    first: uniform(8, 1, 3, 3).to("float32"),
    second: uniform(1, 8, 3, 3).to("float32"),
  };
  const x = (n: number): Tensor => uniform(n, 1, 12, 12).to("float32");
  const problem = kernelProblem(f, params, x(2), x(2));
  const usual = usualRatesOf("float32");
  const methodWith = (changed: Partial<Rates>): string =>
    planKernel(problem, "auto", { ...usual, ...changed }).method;
  const found = new Set([
    methodWith({ bytes: usual.bytes * 1000 }),
    methodWith({
      product: usual.product * 1000,
      convolution: usual.convolution * 1000,
      thinProduct: usual.thinProduct * 1000,
    }),
  ]);
  assertEquals(found.size, 2, [...found].join());
  // The same rates, the same choice.
  assertEquals(methodWith({}), methodWith({}));
});

Deno.test("rates are kept in a file, and a damaged file is none", async () => {
  const folder = await Deno.makeTempDir();
  const before = Deno.env.get("TANGENTS_CACHE");
  try {
    Deno.env.set("TANGENTS_CACHE", `${folder}/made/when/needed`);
    assertEquals(readRates("machine"), null);
    writeRates("machine", rates);
    writeRates("another", { ...rates, product: 2e9 });
    assertEquals(readRates("machine"), rates);
    assertEquals(readRates("another")?.product, 2e9);
    const path = `${folder}/made/when/needed/rates.json`;
    for (const text of ["{", "[]", "null", '{"machine": {"product": 1}}']) {
      await Deno.writeTextFile(path, text);
      assertEquals(readRates("machine"), null, text);
    }
    await Deno.writeTextFile(path, JSON.stringify({ machine: { ...rates, bytes: -1 } }));
    assertEquals(readRates("machine"), null);
    writeRates("machine", rates);
    assertEquals(readRates("machine"), rates);
    Deno.env.set("TANGENTS_CACHE", "");
    assertEquals(readRates("machine"), null);
    // A folder that cannot be made: what cannot be kept is no error.
    Deno.env.set("TANGENTS_CACHE", `${path}/below/a/file`);
    writeRates("machine", rates);
    assertEquals(readRates("machine"), null);
  } finally {
    if (before === undefined) Deno.env.delete("TANGENTS_CACHE");
    else Deno.env.set("TANGENTS_CACHE", before);
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a backend is measured once, by whatever it is", async () => {
  const before = Deno.env.get("TANGENTS_CACHE");
  Deno.env.set("TANGENTS_CACHE", "");
  try {
    const backend = createWasmBackend({ threads: 1 });
    assertEquals(ratesOf(backend, "float32"), usualRatesOf("float32"));
    const own = await calibrate(backend, "float32");
    assert(Object.values(own).every((rate) => rate > 0 && Number.isFinite(rate)));
    assert(own.product !== usualRatesOf("float32").product);
    assertEquals(ratesOf(backend, "float32"), own);
    assert(await calibrate(backend, "float32") === own);
    // Others have rates of their own.
    assertEquals(ratesOf(backend, "float64"), usualRatesOf("float64"));
    assertEquals(ratesOf(referenceBackend, "float32"), usualRatesOf("float32"));
  } finally {
    if (before === undefined) Deno.env.delete("TANGENTS_CACHE");
    else Deno.env.set("TANGENTS_CACHE", before);
  }
});
