/**
 * What the machine could do at most in WebAssembly on one thread: multiply-adds that stay in registers, and copies.
 *
 * @module
 */

import { type Local, ModuleBuilder } from "../backends/wasm/assembler.ts";
import { emitMultiplyAdd, numericOf } from "../backends/wasm/gemm_numeric.ts";

/** Independent chains of multiply-adds: enough to hide their latency, few enough for sixteen registers. */
const chains = 12;
const unrolled = 4;

/** Work to time. */
export interface Ceiling {
  /** Operations, or bytes read and written, of one run. */
  readonly amount: number;
  /** Does it. */
  readonly run: () => void;
}

/** Twelve chains of multiply-adds without memory. */
export function arithmeticCeiling(
  dtype: "float32" | "float64" = "float32",
  relaxed = true,
): Ceiling {
  const numeric = numericOf(dtype, relaxed);
  const module = new ModuleBuilder();
  const turns = 20_000;
  module.addFunction("chains", ["f32"], ["f32"], (f) => {
    const sums = f.locals("v128", chains);
    const [a, b] = f.locals("v128", 2);
    const count = f.local("i32");
    f.get(f.parameter(0)).op("f32x4.splat").tee(a).set(b);
    sums.forEach((sum, i) => f.f32x4Splat(i).set(sum));
    f.loop((again) => {
      for (let u = 0; u < unrolled; u++) {
        sums.forEach((sum: Local) => emitMultiplyAdd(f, numeric, a, b, sum));
      }
      f.get(count).i32(1).op("i32.add").tee(count).i32(turns).op("i32.lt_u").brIf(again);
    });
    f.get(sums[0]);
    for (const sum of sums.slice(1)) f.get(sum).op("f32x4.add");
    f.lane("f32x4.extract_lane", 0);
  }, { export: true });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()), {});
  const run = instance.exports.chains as (x: number) => number;
  // Some calls first, so that the engine's optimizing compiler has seen it.
  for (let i = 0; i < 50; i++) run(0.5);
  return { amount: 2 * numeric.lanes * chains * unrolled * turns, run: () => void run(0.5) };
}

/** A copy of so many bytes; reading and writing are both counted. */
export function copyCeiling(bytes: number): Ceiling {
  const from = new Uint8Array(bytes).fill(1);
  const to = new Uint8Array(bytes);
  return { amount: 2 * bytes, run: () => to.set(from) };
}
