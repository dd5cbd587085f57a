/**
 * Random numbers: known answers of the generator, exact values on every backend, distributions, and what keys promise.
 *
 * @module
 */

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import { type BackendName, setBackend } from "../backends/registry.ts";
import { ArgumentError, DTypeError, random, type Tensor, tensor } from "../lib/core/mod.ts";
import { vmap } from "../lib/transforms/mod.ts";

const key = (seed: number | bigint): Tensor => random.randomKey(seed);

/** Threefry-2x32 with 20 rounds for the zero key and counter, from the known answers published with Random123. */
const knownWords = [0x6b200159, 0x99ba4efe];

for (const backend of ["reference", "wasm"] as BackendName[]) {
  Deno.test(`${backend}: uniform numbers are the generator's words, cut to 24 or 53 bits`, async () => {
    setBackend(backend);
    const [high, low] = knownWords;
    const single = await random.uniform(key(0), [2]).data();
    assertEquals([...single], [(high >>> 8) / 2 ** 24, (low >>> 8) / 2 ** 24]);
    const double = await random.uniform(key(0), [1], { dtype: "float64" }).data();
    assertEquals([...double], [((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53]);
  });
}

Deno.test("draws are equal to the last bit on each backend", async () => {
  const draw = async (backend: BackendName): Promise<number[][]> => {
    setBackend(backend);
    const [a, b] = random.splitKey(key(12345678901234567890n));
    const draws = [
      random.uniform(a, [1001], { low: -3, high: 5 }),
      random.uniform(b, [1001], { dtype: "float64" }),
      random.randint(a, [1001], -5, 1000),
      random.randint(b, [1001], -(2 ** 31), 2 ** 31),
      random.permutation(a, 1001),
      random.bernoulli(b, 0.3, [1001]),
      random.foldIn(a, 7),
    ];
    const values: number[][] = [];
    for (const x of draws) values.push([...await x.data()]);
    return values;
  };
  assertEquals(await draw("wasm"), await draw("reference"));
});

Deno.test("normal draws agree between backends to a few places of their dtype", async () => {
  for (const [dtype, tolerance] of [["float32", 4e-6], ["float64", 1e-14]] as const) {
    const values: ArrayLike<number>[] = [];
    for (const backend of ["wasm", "reference"] as BackendName[]) {
      setBackend(backend);
      values.push(await random.normal(key(3), [999], { dtype }).data());
    }
    for (let i = 0; i < 999; i++) assertAlmostEquals(values[0][i], values[1][i], tolerance);
  }
});

/** The mean, and the largest gap between the empirical distribution and another (Kolmogorov and Smirnov). */
async function gap(x: Tensor, distribution: (v: number) => number): Promise<number> {
  const sorted = [...await x.data()].sort((a, b) => a - b);
  const n = sorted.length;
  return sorted.reduce((most, v, i) => {
    const p = distribution(v);
    return Math.max(most, Math.abs(p - i / n), Math.abs((i + 1) / n - p));
  }, 0);
}

/** Φ by the trapezoidal rule on the density, which converges faster than any power of the step. */
function normalDistribution(x: number): number {
  const steps = 400;
  const density = (t: number): number => Math.exp(-t * t / 2) / Math.sqrt(2 * Math.PI);
  const width = Math.abs(x) / steps;
  let sum = 0.5 * (density(0) + density(x));
  for (let i = 1; i < steps; i++) sum += density(i * width);
  return 0.5 + Math.sign(x) * sum * width;
}

Deno.test("draws have their distributions", async () => {
  setBackend("wasm");
  const n = 10000;
  // A true sample stays below this gap with probability 0.9999.
  const limit = 2.23 / Math.sqrt(n);
  for (const dtype of ["float32", "float64"] as const) {
    const [a, b, c] = random.splitKey(key(11), 3);
    assert(
      await gap(random.uniform(a, [n], { low: 2, high: 6, dtype }), (v) => (v - 2) / 4) < limit,
    );
    const normal = random.normal(b, [n], { mean: 1, std: 2, dtype });
    assert(await gap(normal, (v) => normalDistribution((v - 1) / 2)) < limit);
    const [from, to] = [normalDistribution(-1), normalDistribution(2)];
    const truncated = random.truncatedNormal(c, [n], { low: -1, high: 2, dtype });
    assert(await gap(truncated, (v) => (normalDistribution(v) - from) / (to - from)) < limit);
    const values = await truncated.data();
    assert(values.every((v) => v >= -1 && v <= 2));
  }
  // The check itself can fail: uniform numbers are not normal ones.
  assert(await gap(random.uniform(key(11), [n]), normalDistribution) > limit);
});

Deno.test("randint reaches every integer about equally often", async () => {
  setBackend("wasm");
  const counts = new Array<number>(7).fill(0);
  for (const v of await random.randint(key(5), [14000], -3, 4).data()) counts[v + 3]++;
  // χ² with 6 degrees of freedom: above 27.9 once in 10000.
  const chi = counts.reduce((sum, n) => sum + (n - 2000) ** 2 / 2000, 0);
  assert(chi < 27.9, `${counts}`);
});

Deno.test("a permutation holds every number once, and depends on the key", async () => {
  setBackend("reference");
  for (const n of [0, 1, 2, 100, 1500]) {
    const order = [...await random.permutation(key(1), n).data()];
    assertEquals(order.toSorted((a, b) => a - b), Array.from({ length: n }, (_, i) => i));
  }
  assertNotEquals(
    [...await random.permutation(key(1), 100).data()],
    [...await random.permutation(key(2), 100).data()],
  );
});

Deno.test("keys: seeds, splits and folds differ from each other", async () => {
  setBackend("reference");
  const keys = [
    key(0),
    key(1),
    key(-1),
    key(2n ** 32n),
    ...random.splitKey(key(0), 5),
    ...random.splitKey(key(1), 5),
    ...[0, 1, 2, 3, 4].map((i) => random.foldIn(key(0), i)),
  ];
  const seen = new Set<string>();
  for (const k of keys) {
    assertEquals([k.dtype, ...k.shape], ["uint32", 2]);
    seen.add((await k.data()).join());
  }
  assertEquals(seen.size, keys.length);
  const again = random.foldIn(key(0), tensor(3, { dtype: "int32" }));
  assertEquals(await again.toArray(), await random.foldIn(key(0), 3).toArray());
});

Deno.test("a draw is made once and kept", async () => {
  setBackend("reference");
  const x = random.normal(key(0), [4]);
  await x.mul(2).data();
  assert(x.buffer !== null);
});

Deno.test("vmap over keys draws what a loop draws", async () => {
  setBackend("reference");
  const numbers = tensor([0, 1, 2], { dtype: "int32" });
  const draws = vmap((n: Tensor) => random.normal(random.foldIn(key(4), n), [5]))(numbers);
  const rows = await draws.toArray();
  for (const i of [0, 1, 2]) {
    const row = await random.normal(random.foldIn(key(4), i), [5]).toArray();
    assertEquals((rows as unknown[])[i], row);
  }
});

Deno.test("wrong arguments are named", () => {
  const k = key(0);
  assertThrows(() => random.randomKey(0.5), ArgumentError, "randomKey: seed");
  assertThrows(() => random.splitKey(tensor([1, 2])), ArgumentError, "splitKey: expected a key");
  assertThrows(() => random.splitKey(k, 0), ArgumentError, "splitKey: n");
  assertThrows(() => random.foldIn(k, -1), ArgumentError, "foldIn");
  assertThrows(() => random.foldIn(k, tensor([1])), ArgumentError, "foldIn");
  assertThrows(() => random.uniform(k, [2], { low: 1, high: 0 }), ArgumentError, "uniform");
  assertThrows(() => random.uniform(k, [2], { dtype: "int32" }), DTypeError, "uniform");
  assertThrows(() => random.normal(k, [2], { std: -1 }), ArgumentError, "std");
  assertThrows(() => random.normal(k, [2], { mean: NaN }), ArgumentError, "mean");
  assertThrows(() => random.truncatedNormal(k, [2], { low: 3, high: 3 }), ArgumentError, "low");
  assertThrows(() => random.randint(k, [2], 3, 3), ArgumentError, "randint");
  assertThrows(() => random.randint(k, [2], 0, 1.5), ArgumentError, "randint: high");
  assertThrows(() => random.bernoulli(k, 2, [1]), ArgumentError, "bernoulli: p");
  assertThrows(() => random.permutation(k, -1), ArgumentError, "permutation: n");
});
