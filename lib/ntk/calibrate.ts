/**
 * How fast this machine is.
 *
 * @module
 */

import type { Backend } from "../compiler/backend.ts";
import { full } from "../core/primitives/build.ts";
import { matmul } from "../core/operations/contractions.ts";
import { realizeAll } from "../core/realize.ts";
import type { Tensor } from "../core/tensor.ts";

/** Side of the matrices whose product is timed: large enough to be bound by arithmetic, done in milliseconds. */
const side = 384;

const rates = new WeakMap<Backend, Map<Tensor["dtype"], number>>();

/**
 * Floating point operations of a matrix product that a backend does in a second: measured at the first call (some ten
 * milliseconds), then remembered for the backend.
 */
export async function calibrate(dtype: Tensor["dtype"], backend: Backend): Promise<number> {
  let known = rates.get(backend);
  if (known === undefined) rates.set(backend, known = new Map());
  let rate = known.get(dtype);
  if (rate === undefined) known.set(dtype, rate = await measure(dtype, backend));
  return rate;
}

async function measure(dtype: Tensor["dtype"], backend: Backend): Promise<number> {
  const a = full([side, side], dtype, 0.5).add(0);
  await realizeAll([a], backend);
  let seconds = Infinity;
  // The first products are compiled, and wake threads.
  for (let run = 0; run < 6; run++) {
    const product = matmul(a, a);
    const start = performance.now();
    await realizeAll([product], backend);
    seconds = Math.min(seconds, (performance.now() - start) / 1000);
    product.dispose();
  }
  a.dispose();
  return 2 * side ** 3 / seconds;
}
