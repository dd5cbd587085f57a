/**
 * What a program costs besides its arithmetic on the WebAssembly backend: dispatch, barriers, compilation, and what a
 * second thread brings.
 *
 * Run with: deno bench -A bench/dispatch_bench.ts
 */

import { createWasmBackend, type WasmBackend } from "../backends/wasm/mod.ts";
import type { Program } from "../lib/compiler/program.ts";
import { ProgramBuilder } from "../tests/helpers/conformance_builder.ts";

/** One elementwise kernel over a few elements. */
function tiny(): Program {
  const builder = new ProgramBuilder();
  const x = builder.input([8], "float32");
  return builder.build(builder.add("tanh", {}, x));
}

/** A hundred kernels, all different, each with little work. */
function manyKernels(): Program {
  const builder = new ProgramBuilder();
  let y = builder.input([256], "float32");
  for (let i = 0; i < 50; i++) {
    const limit = [256 - i];
    y = builder.add("slice", { start: [0], limit, step: [1] }, y);
    y = builder.add("cumsum", { axis: 0, reverse: false }, builder.add("tanh", {}, y));
  }
  return builder.build(y);
}

/** A square matrix product. */
function product(size: number): Program {
  const builder = new ProgramBuilder();
  const x = builder.input([size, size], "float32");
  const params = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
  return builder.build(builder.add("dotGeneral", params, x, x));
}

const single = createWasmBackend({ threads: 1 });
const double = createWasmBackend({ threads: 2 });
double.startThreads();

function bench(name: string, group: string, backend: WasmBackend, program: Program): void {
  const executable = backend.compile(program);
  const { shape } = program.nodes[program.inputs[0]];
  const length = shape.reduce((a, b) => a * b, 1);
  const input = backend.upload(new Float32Array(length).fill(0.5), "float32");
  Deno.bench(`${name}, ${backend.threads} thread(s)`, { group }, () => {
    for (const output of executable.run([input])) output.dispose();
  });
}

for (const backend of [single, double]) {
  bench("one tiny kernel", "dispatch", backend, tiny());
  bench("100 small kernels", "dispatch", backend, manyKernels());
  for (const size of [128, 256, 512, 1024]) {
    bench(`product of ${size}`, `product ${size}`, backend, product(size));
  }
}

const many = manyKernels();
Deno.bench("compile one tiny kernel", { group: "compile" }, () => void single.compile(tiny()));
Deno.bench("compile 100 kernels", { group: "compile" }, () => void single.compile(many));
