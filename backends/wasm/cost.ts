/**
 * Estimates of how long kernels take, to decide what is worth the threads' while.
 *
 * Figures are rough: nanoseconds on one core of a processor of the 2020s, from the kernels' measured speeds. They
 * change only who computes, never what.
 *
 * @module
 */

import { sizeOf } from "../../lib/base/shape.ts";
import type { Instruction, Kernel } from "../../lib/compiler/kernel.ts";

/** Nanoseconds for one element of instructions that take longer than an addition. */
const slow: Readonly<Record<string, number>> = {
  exp: 0.5,
  expm1: 0.8,
  log: 1.3,
  log1p: 1.9,
  sin: 3.3,
  cos: 3.3,
  atan: 3,
  tanh: 1.1,
  sigmoid: 1,
  erf: 1.4,
  pow: 10,
  atan2: 5,
  remainder: 3,
  quotient: 2,
  div: 0.2,
  sqrt: 0.3,
  rsqrt: 0.5,
  loadIndexed: 1,
  load: 0.1,
};
/** Nanoseconds for one element of any other instruction. */
const quick = 0.03;
/** Nanoseconds for storing or reducing one element. */
const stored = 0.1;
/** Multiply-adds in a nanosecond. */
const multiplyAdds: Readonly<Record<string, number>> = { float32: 15, float64: 7 };

/** Nanoseconds for one pass over a body. */
function bodyCost(body: readonly Instruction[]): number {
  let cost = stored;
  for (const { op } of body) cost += slow[op] ?? quick;
  return cost;
}

/** The estimated nanoseconds that a kernel takes on one thread. */
export function kernelCost(kernel: Kernel): number {
  switch (kernel.kind) {
    case "loop": {
      const outer = sizeOf(kernel.dims.slice(0, kernel.outerRank));
      return sizeOf(kernel.dims) * bodyCost(kernel.body) + outer * bodyCost(kernel.epilogue);
    }
    case "contract": {
      const [batch, m, n, k] = [kernel.batch, kernel.m, kernel.n, kernel.k].map(sizeOf);
      const reads = batch * (m * k + k * n + m * n);
      return batch * m * n * k / (multiplyAdds[kernel.dtype] ?? 1) + reads * 0.2;
    }
    case "scan":
      return sizeOf(kernel.dims) * 1.5;
    case "scatterAdd":
      return sizeOf(kernel.dims) * 2;
    case "argsort": {
      const length = kernel.dims.at(-1) ?? 1;
      return sizeOf(kernel.dims) * 4 * (1 + Math.log2(Math.max(1, length)));
    }
    case "randomBits":
      return kernel.rows * kernel.length * 3;
  }
}
