/**
 * How long a lowered program would take, from rates of a machine.
 *
 * @module
 */

import { sizeOf } from "../base/shape.ts";
import type { ContractKernel, Kernel, LoopKernel, LoweredProgram } from "./kernel.ts";
import { storageBytes } from "./kernel.ts";
import { viewsOf } from "./plan.ts";

/** What a machine does in a second. */
export interface Rates {
  /** Operations of matrix products with long sides; a multiply and an add are two. */
  readonly product: number;
  /** The same where the shorter side has eight rows. */
  readonly thinProduct: number;
  /** Operations of 3 × 3 convolutions with stride 1, counted as if multiplied directly. */
  readonly convolution: number;
  /** Bytes that a loop reads and writes, in memory beyond the caches. */
  readonly bytes: number;
  /** Values of functions such as tanh. */
  readonly functions: number;
  /** Kernels that have nothing to do: what starting one takes. */
  readonly kernels: number;
}

/** Rows up to which a product is thin: between those and four times as many, rates are in between. */
const thinRows = 8;
const wideRows = 4 * thinRows;

const functions: ReadonlySet<string> = new Set([
  "exp",
  "expm1",
  "log",
  "log1p",
  "sin",
  "cos",
  "atan",
  "atan2",
  "tanh",
  "sigmoid",
  "erf",
  "pow",
]);

/** Whether the window of a convolution is 3 × 3, on images or on the filter's side. */
function hasWindow({ n, k, m }: ContractKernel): boolean {
  const isWindow = (dims: readonly number[]): boolean =>
    dims.length > 2 && dims.at(-1) === 3 && dims.at(-2) === 3;
  return (k.length === 3 && isWindow(k)) || (k.length === 2 && (isWindow(n) || isWindow(m)));
}

function contractSeconds(kernel: ContractKernel, rates: Rates): number {
  const [batch, m, n, k] = [kernel.batch, kernel.m, kernel.n, kernel.k].map(sizeOf);
  const operations = 2 * batch * m * n * k;
  const moved = storageBytes(kernel.dtype) * batch * (m * k + k * n + m * n);
  const short = Math.min(m, n);
  const share = Math.min(
    1,
    Math.max(0, Math.log(short / thinRows) / Math.log(wideRows / thinRows)),
  );
  const rate = hasWindow(kernel) && short >= thinRows
    ? rates.convolution
    : rates.thinProduct * (rates.product / rates.thinProduct) ** share;
  // Below the thin side, reading takes the time.
  return Math.max(operations / rate, moved / rates.bytes);
}

function loopSeconds(kernel: LoopKernel, rates: Rates): number {
  const points = sizeOf(kernel.dims);
  const { reads } = viewsOf(kernel);
  // What a view repeats along a dimension is read once.
  const read = reads.reduce(
    (sum, { strides }) =>
      sum + kernel.dims.reduce((n, size, d) => strides[d] === 0 ? n : n * size, 1),
    0,
  );
  const written = sizeOf(kernel.dims.slice(0, kernel.outerRank));
  const called = kernel.body.filter(({ op }) => functions.has(op)).length * points +
    kernel.epilogue.filter(({ op }) => functions.has(op)).length * written;
  const moved = storageBytes(kernel.dtype) * (read + written);
  return moved / rates.bytes + called / rates.functions;
}

function kernelSeconds(kernel: Kernel, rates: Rates): number {
  switch (kernel.kind) {
    case "contract":
      return contractSeconds(kernel, rates);
    case "loop":
      return loopSeconds(kernel, rates);
    case "randomBits":
      return kernel.rows * kernel.length / rates.functions;
    case "argsort":
      return sizeOf(kernel.dims) * 4 / rates.functions;
    case "scan":
    case "scatterAdd":
      return sizeOf(kernel.dims) / rates.functions;
  }
}

/** The seconds that a lowered program is expected to take. */
export function estimateSeconds({ kernels }: LoweredProgram, rates: Rates): number {
  return kernels.reduce(
    (sum, kernel) => sum + 1 / rates.kernels + kernelSeconds(kernel, rates),
    0,
  );
}
