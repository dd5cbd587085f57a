/**
 * Speed of the WebAssembly backend's matrix products on one thread, beside the machine's ceiling:
 * independent multiply-adds that stay in registers. Run: `deno run -A bench/gemm_report.ts [--strict] [--float64] [FILTER]`.
 */
import {
  axis,
  axisSize,
  dense,
  type MatrixView,
  prepare,
  type Product,
  randomNumbers,
  transposed,
} from "../tests/wasm_gemm_harness.ts";
import type { GemmKernel } from "../backends/wasm/gemm.ts";
import { arithmeticCeiling } from "./ceiling.ts";

const flags = new Set(Deno.args.filter((argument) => argument.startsWith("--")));
const filter = Deno.args.find((argument) => !argument.startsWith("--")) ?? "";
const dtype = flags.has("--float64") ? "float64" : "float32";
const relaxed = !flags.has("--strict");

/** Billions of operations a second of multiply-adds without memory. */
function ceiling(): number {
  const { amount, run } = arithmeticCeiling(dtype, relaxed);
  return amount / 1e9 / bestSeconds(run);
}

/** The shortest of many runs, in seconds. */
function bestSeconds(body: () => void): number {
  let best = Infinity;
  const start = performance.now();
  for (let round = 0; round < 5 || performance.now() - start < 400; round++) {
    const from = performance.now();
    body();
    best = Math.min(best, performance.now() - from);
  }
  return best / 1000;
}

/** Patches of padded images as a matrix (channels · kernel², positions), one for each image when `separate`. */
function patches(images: number, channels: number, out: number, separate: boolean): MatrixView {
  const side = out + 2;
  const pitch = channels * side * side;
  return {
    length: images * pitch,
    batch: separate ? axis(images, pitch) : axis(1, 0),
    rows: { dims: [channels, 3, 3], strides: [side * side, side, 1] },
    columns: separate
      ? { dims: [out, out], strides: [side, 1] }
      : { dims: [images, out, out], strides: [pitch, side, 1] },
  };
}

/** Exchanges rows and columns. */
function flip({ rows, columns, ...rest }: MatrixView): MatrixView {
  return { ...rest, rows: columns, columns: rows };
}

/** Images [images, channels, positions] as a matrix (channels, images · positions). */
function channelsFirst(images: number, channels: number, positions: number): MatrixView {
  return {
    length: images * channels * positions,
    batch: axis(1, 0),
    rows: axis(channels, positions),
    columns: { dims: [images, positions], strides: [channels * positions, 1] },
  };
}

const products: Record<string, Omit<Product, "dtype">> = {
  "1024³": { a: dense(1, 1024, 1024), b: dense(1, 1024, 1024), c: dense(1, 1024, 1024) },
  "1024³, A transposed": {
    a: transposed(1, 1024, 1024),
    b: dense(1, 1024, 1024),
    c: dense(1, 1024, 1024),
  },
  "1024³, B transposed": {
    a: dense(1, 1024, 1024),
    b: transposed(1, 1024, 1024),
    c: dense(1, 1024, 1024),
  },
  "1024³, C transposed": {
    a: dense(1, 1024, 1024),
    b: dense(1, 1024, 1024),
    c: transposed(1, 1024, 1024),
  },
  "1024 × 1024 × 16": { a: dense(1, 1024, 16), b: dense(1, 16, 1024), c: dense(1, 1024, 1024) },
  "1000 × 999 × 1001": { a: dense(1, 1000, 1001), b: dense(1, 1001, 999), c: dense(1, 1000, 999) },
  "64 × 128³": { a: dense(64, 128, 128), b: dense(64, 128, 128), c: dense(64, 128, 128) },
  "64 × 128³, B transposed": {
    a: dense(64, 128, 128),
    b: transposed(64, 128, 128),
    c: dense(64, 128, 128),
  },
  "convolution 32→32, 28², 3×3, 25 images": {
    a: dense(1, 32, 288),
    b: patches(25, 32, 28, false),
    c: channelsFirst(25, 32, 784),
  },
  "convolution 32→32, 26², 3×3, 25 images": {
    a: dense(1, 32, 288),
    b: patches(25, 32, 26, false),
    c: channelsFirst(25, 32, 676),
  },
  "convolution 3→32, 30², 3×3, 25 images": {
    a: dense(1, 32, 27),
    b: patches(25, 3, 30, false),
    c: channelsFirst(25, 32, 900),
  },
  "filter gradients, 25 × (288 × 320), 28²": {
    a: patches(25, 32, 28, true),
    b: { ...flip(dense(1, 320, 784)), batch: axis(25, 0) },
    c: dense(25, 288, 320),
  },
  "filter gradients, 25 × (288 × 320), 26²": {
    a: patches(25, 32, 26, true),
    b: flip(dense(25, 320, 676)),
    c: dense(25, 288, 320),
  },
  "kernel 200 × 50, k = 9216, by rows": {
    a: dense(1, 200, 9216),
    b: transposed(1, 9216, 50),
    c: dense(1, 200, 50),
  },
  "kernel 1000 × 1000, k = 2000, by rows": {
    a: dense(1, 1000, 2000),
    b: transposed(1, 2000, 1000),
    c: dense(1, 1000, 1000),
  },
  "10 × 10, k = 21632": {
    a: dense(1, 10, 21632),
    b: transposed(1, 21632, 10),
    c: dense(1, 10, 10),
  },
  "100 × 10 × 21632, linear layer": {
    a: dense(1, 100, 21632),
    b: transposed(1, 21632, 10),
    c: dense(1, 100, 10),
  },
  "10 × 21632 × 100, its transpose": {
    a: transposed(1, 100, 10),
    b: dense(1, 10, 21632),
    c: dense(1, 100, 21632),
  },
  "matrix-vector 4096²": { a: dense(1, 4096, 4096), b: dense(1, 4096, 1), c: dense(1, 4096, 1) },
  "vector-matrix 4096²": { a: dense(1, 1, 4096), b: dense(1, 4096, 4096), c: dense(1, 1, 4096) },
  "dot product 2^20": { a: dense(1, 1, 1 << 20), b: dense(1, 1 << 20, 1), c: dense(1, 1, 1) },
  "outer product 2048²": { a: dense(1, 2048, 1), b: dense(1, 1, 2048), c: dense(1, 2048, 2048) },
  "1024 × 8³": { a: dense(1024, 8, 8), b: dense(1024, 8, 8), c: dense(1024, 8, 8) },
  "4096 × 3³": { a: dense(4096, 3, 3), b: dense(4096, 3, 3), c: dense(4096, 3, 3) },
  "depthwise 512 × (1 × 9 × 784)": {
    a: dense(512, 1, 9),
    b: patches(512, 1, 28, true),
    c: dense(512, 1, 784),
  },
  "depthwise 512 × (1 × 9 × 676)": {
    a: dense(512, 1, 9),
    b: patches(512, 1, 26, true),
    c: dense(512, 1, 676),
  },
};

/** How a product is computed, in a few words. */
function describe(plan: GemmKernel["plan"]): string {
  if (plan.kind === "tiny") return `tiny${plan.swap ? " swapped" : ""}, ${plan.tasks} tasks`;
  if (!("tasks" in plan)) return plan.kind;
  const { kind, swap, tasks, directA, directB, wholeB, packA, packB, depthSplits } = plan;
  const right = directB ? "direct" : `${packB}${wholeB ? ", whole" : ""}`;
  return `${kind}${swap ? " swapped" : ""}, ${tasks} tasks, A ${
    directA ? "direct" : packA
  }, B ${right}${depthSplits > 1 ? `, ${depthSplits} sums` : ""}`;
}

const limit = ceiling();
console.log(`${dtype}, ${relaxed ? "relaxed" : "strict"}: ceiling ${limit.toFixed(1)} GFLOP/s`);
for (const [name, product] of Object.entries(products)) {
  if (!name.includes(filter)) continue;
  const prepared = prepare({ ...product, dtype, relaxed });
  const random = randomNumbers(1);
  for (const array of [prepared.a, prepared.b]) {
    for (let i = 0; i < array.length; i++) array[i] = random();
  }
  const { a, b, c } = product;
  const operations = 2 * axisSize(c.batch) * axisSize(c.rows) * axisSize(c.columns) *
    axisSize(a.columns);
  const from = performance.now();
  prepared.run();
  const cold = (performance.now() - from) / 1000;
  const seconds = bestSeconds(() => prepared.run());
  const rate = operations / seconds / 1e9;
  const bytes = (a.length + b.length + c.length) * (dtype === "float32" ? 4 : 8);
  console.log(
    `${name.padEnd(44)} ${rate.toFixed(1).padStart(6)} GFLOP/s ${
      (100 * rate / limit).toFixed(0).padStart(3)
    } %  cold ${(operations / cold / 1e9).toFixed(1).padStart(5)}  ${
      (bytes / seconds / 1e9).toFixed(1).padStart(5)
    } GB/s  ${(seconds * 1000).toFixed(3).padStart(8)} ms  ${describe(prepared.kernel.plan)}`,
  );
}
