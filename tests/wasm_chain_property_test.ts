/**
 * Random networks of convolutions with sums, masks, and moved or repeated values between them, with images enough for chains on one
 * thread, on two, or on three: the same bits everywhere, and the reference's values.
 *
 * @module
 */

import { assert } from "@std/assert";
import fc from "fast-check";
import { referenceBackend } from "../backends/reference/mod.ts";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import type { Backend } from "../lib/compiler/backend.ts";
import { realizeSync } from "../lib/core/realize.ts";
import {
  concat,
  conv2d,
  layerNorm,
  setBackend,
  softmax,
  stack,
  take,
  type Tensor,
  tensor,
  vjp,
  vmap,
  where,
} from "../mod.ts";
import { firstMismatch } from "./helpers/conformance_run.ts";
import { randomSource } from "./helpers/differences.ts";

/** What a step works with: where its choices come from, fresh numbers in [−1, 1), and an earlier value. */
interface Around {
  readonly below: (n: number) => number;
  readonly fresh: (shape: readonly number[]) => Tensor;
  readonly earlier: Tensor;
}

type Step = (x: Tensor, around: Around) => Tensor;

const filterScale = 0.4;

const convolution: Step = (x, { below, fresh }) => {
  const [, channels, height, width] = x.shape;
  const outputs = [3, 4, 5, 8, 9, 17][below(6)];
  const side = Math.min(height, width) < 4 ? 1 : 3;
  const depthwise = below(6) === 0;
  const filter = fresh(depthwise ? [channels, 1, side, side] : [outputs, channels, side, side]);
  return conv2d(x, filter.mul(filterScale), undefined, {
    padding: below(2) * (side >> 1),
    stride: below(8) === 0 ? 2 : 1,
    groups: depthwise ? channels : 1,
  });
};

const steps: readonly Step[] = [
  convolution,
  convolution,
  convolution,
  convolution,
  (x) => x.relu(),
  (x, { fresh }) => x.tanh().mul(fresh([x.shape[1], 1, 1])),
  (x) => x.sigmoid().mul(x),
  (x) => x.sub(x.mean([2, 3], { keepDims: true })),
  (x, { below }) => x.sub(x.mean(below(4), { keepDims: true })),
  (x, { below }) => x.flip(below(4)),
  (x) => x.pad([[0, 0], [0, 0], [1, 0], [1, 2]]),
  (x) => x.slice(null, null, [0, x.shape[2] - 1], null).relu(),
  (x) => x.shape[1] > 16 ? x.slice(null, [1, 9]) : concat([x.exp().minimum(1), x], 1),
  (x, { earlier }) => `${earlier.shape}` === `${x.shape}` ? x.add(earlier) : x,
  (x, { earlier }) => {
    // Continuous, so that the reference's rounding may fall on the other side.
    const above = x.sub(earlier.mean());
    return where(above.greater(0), above, above.mul(0.2));
  },
  (x, { below }) => softmax(x, [1, 3][below(2)]),
  (x) => layerNorm(x, x.shape.slice(1)),
  (x, { below }) => {
    const [images] = x.shape;
    const index = Array.from({ length: images }, () => below(images));
    return take(x, tensor(index, { dtype: "int32" }), 0);
  },
  (x, { fresh }) => {
    const filter = fresh([4, x.shape[1], 3, 3]).mul(filterScale);
    const [y, pull] = vjp((x: Tensor) => conv2d(x, filter, undefined, { padding: 1 }).relu(), x);
    return vmap((cotangent: Tensor) => pull(cotangent)[0])(stack([y.sin(), y])).sum(0);
  },
];

/** A network of a seed, with some values that are wanted on the way. */
function network(seed: number, length: number): Tensor[] {
  const random = randomSource(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const fresh = (shape: readonly number[]): Tensor => {
    const size = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: size }, () => 2 * random() - 1);
    return tensor(data, { shape: [...shape] });
  };
  const sides = [6, 8, 9, 13];
  let x = fresh([8 + below(18), 1 + below(5), sides[below(4)], sides[below(4)]]);
  let earlier = x;
  const wanted: Tensor[] = [];
  for (let i = 0; i < length && Math.min(x.shape[2], x.shape[3]) > 1; i++) {
    x = steps[below(steps.length)](x, { below, fresh, earlier });
    if (below(3) === 0) earlier = x;
    if (below(4) === 0) wanted.push([x, x.mean(3), x.mean([1, 2, 3]), x.mean(0)][below(4)]);
  }
  return [...wanted, x, earlier.mean(1)];
}

async function run(backend: Backend, seed: number, length: number): Promise<Float32Array[]> {
  setBackend(backend);
  const outputs = network(seed, length);
  realizeSync(outputs);
  return await Promise.all(outputs.map(async (x) => await x.data() as Float32Array));
}

Deno.test("chains: random networks have the same bits on any number of threads, and the reference's values", async () => {
  const backends = [1, 2, 3].map((threads) => createWasmBackend({ threads, shareAbove: 0 }));
  for (const backend of backends) backend.startThreads();
  await fc.assert(
    fc.asyncProperty(fc.nat(1_000_000), fc.integer({ min: 3, max: 9 }), async (seed, length) => {
      const expected = await run(referenceBackend, seed, length);
      const results: Float32Array[][] = [];
      for (const backend of backends) results.push(await run(backend, seed, length));
      for (const [i, want] of expected.entries()) {
        let largest = 1;
        for (const x of want) largest = Math.max(largest, Math.abs(x));
        const far = want.findIndex((x, at) => !(Math.abs(results[0][i][at] - x) <= 1e-4 * largest));
        assert(far < 0, `output ${i} at ${far}: ${results[0][i][far]}, expected ${want[far]}`);
        for (const result of results) {
          const other = firstMismatch(result[i], results[0][i], {
            kind: "exact",
            signedZeros: true,
          });
          assert(other === null, `output ${i} on more threads: ${other}`);
        }
      }
    }),
    { numRuns: 200, seed: 1 },
  );
  for (const backend of backends) backend.stopThreads();
});
