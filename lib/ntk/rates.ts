/**
 * How fast this machine is: measured once, kept in a file where that is allowed, and a table otherwise.
 *
 * @module
 */

import type { Backend } from "../compiler/backend.ts";
import type { Rates } from "../compiler/estimate.ts";
import { full } from "../core/primitives/build.ts";
import { conv2d } from "../core/operations/convolution.ts";
import { matmul } from "../core/operations/contractions.ts";
import { realizeAll } from "../core/realize.ts";
import type { Tensor } from "../core/tensor.ts";
import { readRates, writeRates } from "./rates_file.ts";

/** Rates of two threads of a processor of 2022 (AMD Zen 4) in WebAssembly. Their ratios decide, and these vary less. */
export const usualRates: Readonly<Record<"float32" | "float64", Rates>> = {
  float32: {
    product: 9e10,
    thinProduct: 4e10,
    convolution: 1.1e11,
    bytes: 1.8e10,
    functions: 1e9,
    kernels: 5e5,
  },
  float64: {
    product: 4.5e10,
    thinProduct: 2e10,
    convolution: 4e10,
    bytes: 1.8e10,
    functions: 4e8,
    kernels: 5e5,
  },
};

type Float = keyof typeof usualRates;

/** The usual rates of a dtype; float32's where it is not a float. */
export function usualRatesOf(dtype: Tensor["dtype"]): Rates {
  return usualRates[floatOf(dtype)];
}

function floatOf(dtype: Tensor["dtype"]): Float {
  return dtype === "float64" ? dtype : "float32";
}

const measured = new WeakMap<Backend, Map<Float, Promise<Rates>>>();
const known = new WeakMap<Backend, Map<Float, Rates>>();

/** A name for the backend on this machine. */
function nameOf({ name, description = name }: Backend, dtype: Float): string {
  const { hardwareConcurrency = 1, userAgent = "" } = globalThis.navigator ?? {};
  return `${description}; ${dtype}; ${hardwareConcurrency} processors; ${userAgent}`;
}

function keep(backend: Backend, dtype: Float, rates: Rates): void {
  let list = known.get(backend);
  if (list === undefined) known.set(backend, list = new Map());
  list.set(dtype, rates);
}

/** The rates that are known of a backend: measured by this process or an earlier one, or the usual ones. */
export function ratesOf(backend: Backend, dtype: Tensor["dtype"]): Rates {
  const float = floatOf(dtype);
  const own = known.get(backend)?.get(float);
  if (own !== undefined) return own;
  const rates = readRates(nameOf(backend, float)) ?? usualRates[float];
  keep(backend, float, rates);
  return rates;
}

/**
 * Measures a backend's rates at the first call, in about a tenth of a second, unless an earlier process did and could write
 * them to a file; see `ratesOf`.
 */
export function calibrate(backend: Backend, dtype: Tensor["dtype"]): Promise<Rates> {
  const float = floatOf(dtype);
  let list = measured.get(backend);
  if (list === undefined) measured.set(backend, list = new Map());
  let rates = list.get(float);
  if (rates === undefined) list.set(float, rates = findRates(backend, float));
  return rates;
}

async function findRates(backend: Backend, dtype: Float): Promise<Rates> {
  const name = nameOf(backend, dtype);
  let rates = readRates(name);
  if (rates === null) {
    rates = await measure(backend, dtype);
    writeRates(name, rates);
  }
  keep(backend, dtype, rates);
  return rates;
}

async function measure(backend: Backend, dtype: Float): Promise<Rates> {
  const bytes = dtype === "float64" ? 8 : 4;
  const filled = (...shape: number[]): Tensor => full(shape, dtype, 0.5).add(0);
  /** Work in a second, of what is computed from tensors of these shapes. */
  const rateOf = async (
    work: number,
    shapes: readonly number[][],
    compute: (...inputs: Tensor[]) => Tensor,
  ): Promise<number> => {
    const inputs = shapes.map((shape) => filled(...shape));
    await realizeAll(inputs, backend);
    let seconds = Infinity;
    // The first runs are compiled, and wake threads.
    for (let run = 0; run < 5; run++) {
      const result = compute(...inputs);
      const start = performance.now();
      await realizeAll([result], backend);
      seconds = Math.min(seconds, (performance.now() - start) / 1000);
      result.dispose();
    }
    for (const x of inputs) x.dispose();
    // A clock of few digits must not give an infinite rate.
    return work / Math.max(seconds, 1e-7);
  };
  const [side, rows, width, elements] = [384, 8, 1024, 1 << 22];
  const [images, channels, pixels] = [8, 32, 26];
  return {
    product: await rateOf(2 * side ** 3, [[side, side], [side, side]], matmul),
    thinProduct: await rateOf(2 * rows * width ** 2, [[rows, width], [width, width]], matmul),
    convolution: await rateOf(
      2 * images * channels ** 2 * 9 * pixels ** 2,
      [[images, channels, pixels + 2, pixels + 2], [channels, channels, 3, 3]],
      (x, w) => conv2d(x, w),
    ),
    bytes: await rateOf(3 * bytes * elements, [[elements], [elements]], (a, b) => a.add(b)),
    functions: await rateOf(elements / 16, [[elements / 16]], (x) => x.tanh()),
    kernels: usualRates[dtype].kernels,
  };
}
