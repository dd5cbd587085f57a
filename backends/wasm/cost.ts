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
  exp: 1.5,
  expm1: 2,
  log: 1.5,
  log1p: 2,
  sin: 2,
  cos: 2,
  atan: 2,
  tanh: 2,
  sigmoid: 2,
  erf: 3,
  pow: 5,
  atan2: 3,
  remainder: 3,
  quotient: 2,
  loadIndexed: 1,
};
/** Nanoseconds for one element of any other instruction. */
const quick = 0.2;
/** Multiply-adds in a nanosecond. */
const multiplyAdds: Readonly<Record<string, number>> = { float32: 15, float64: 7 };

/** Nanoseconds for one pass over a body. */
function bodyCost(body: readonly Instruction[]): number {
  let cost = quick;
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
      return batch * m * n * k / (multiplyAdds[kernel.dtype] ?? 1) + reads * quick;
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
