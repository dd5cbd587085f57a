/** Initial values: PyTorch's default distributions, the same for the same seed. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import {
  BatchNorm2d,
  Bilinear,
  Conv2d,
  ConvTranspose2d,
  Embedding,
  LayerNorm,
  Linear,
  manualSeed,
  MultiheadAttention,
  nextKey,
} from "../lib/nn/mod.ts";
import { ArgumentError, DTypeError, type Tensor } from "../mod.ts";

/** Throws unless the numbers look uniform over ±bound: Kolmogorov's distance at a level of about 1 in 10 million. */
async function assertUniform(x: Tensor, bound: number): Promise<void> {
  const data = Float64Array.from(await x.data()).sort();
  const n = data.length;
  let distance = 0;
  for (const [i, value] of data.entries()) {
    assert(Math.abs(value) <= bound * (1 + 1e-6), `${value} is outside ±${bound}`);
    const share = (value / bound + 1) / 2;
    distance = Math.max(distance, Math.abs(share - i / n), Math.abs(share - (i + 1) / n));
  }
  assert(distance * Math.sqrt(n) < 2.9, `distance ${distance} over ${n} numbers`);
}

Deno.test("linear and convolutional layers start uniform within 1 / sqrt(fan-in)", async () => {
  const linear = new Linear(50, 400);
  await assertUniform(linear.weight, 1 / Math.sqrt(50));
  await assertUniform(linear.bias!, 1 / Math.sqrt(50));
  const conv = new Conv2d(8, 64, [3, 5], { groups: 2 });
  await assertUniform(conv.weight, 1 / Math.sqrt(4 * 15));
  await assertUniform(conv.bias!, 1 / Math.sqrt(4 * 15));
  const transposed = new ConvTranspose2d(8, 64, 3, { groups: 2 });
  await assertUniform(transposed.weight, 1 / Math.sqrt(32 * 9));
  await assertUniform(new Bilinear(20, 30, 40).weight, 1 / Math.sqrt(20));
});

Deno.test("attention starts uniform after Glorot, its biases 0", async () => {
  const layer = new MultiheadAttention(32, 4);
  await assertUniform(layer.inProjWeight, Math.sqrt(6 / 128));
  await assertUniform(layer.outProj.weight, 1 / Math.sqrt(32));
  for (const bias of [layer.inProjBias!, layer.outProj.bias!]) {
    assertEquals(await bias.abs().max().item(), 0);
  }
});

Deno.test("embeddings start normal", async () => {
  const x = new Embedding(100, 200, { dtype: "float64" }).weight;
  assert(Math.abs(await x.mean().item()) < 5 / Math.sqrt(20000));
  assert(Math.abs(await x.var().item() - 1) < 5 * Math.sqrt(2 / 20000));
  const kurtosis = await x.pow(4).mean().item();
  assert(Math.abs(kurtosis - 3) < 5 * Math.sqrt(96 / 20000), `fourth moment ${kurtosis}`);
});

Deno.test("normalizations start as the identity", async () => {
  const { weight, bias } = new LayerNorm(3);
  assertEquals([await weight!.toArray(), await bias!.toArray()], [[1, 1, 1], [0, 0, 0]]);
  const { runningMean, runningVar } = new BatchNorm2d(2);
  assertEquals([await runningMean!.toArray(), await runningVar!.toArray()], [[0, 0], [1, 1]]);
});

Deno.test("a seed gives the same values, whatever was made before", async () => {
  const of = (layer: Linear): Promise<unknown> => layer.weight.toArray();
  manualSeed(3);
  const [a, b] = [new Linear(3, 2), new Linear(3, 2)];
  manualSeed(3);
  const c = new Linear(3, 2);
  assertEquals(await of(a), await of(c));
  assertNotEquals(await of(a), await of(b));
  const own = await of(new Linear(3, 2, { seed: 5 }));
  new Linear(7, 7);
  assertEquals(await of(new Linear(3, 2, { seed: 5 })), own);
  assertNotEquals(await of(new Linear(3, 2, { seed: 2 ** 33 + 5 })), own);
  manualSeed(5);
  assertEquals(await of(new Linear(3, 2)), own);
});

Deno.test("a layer with a seed of its own takes nothing from the common generator", async () => {
  manualSeed(1);
  const expected = await nextKey().toArray();
  manualSeed(1);
  new MultiheadAttention(4, 2, { seed: 9 });
  new Linear(4, 2, { seed: 9 });
  assertEquals(await nextKey().toArray(), expected);
});

Deno.test("weight and bias of one layer differ", async () => {
  const layer = new Linear(1, 8, { seed: 1 });
  assertNotEquals(await layer.weight.flatten().toArray(), await layer.bias!.toArray());
});

Deno.test("dtypes and seeds are checked", () => {
  assertEquals(new Linear(2, 2, { dtype: "float64" }).weight.dtype, "float64");
  const dtype = "int32" as "float32";
  assertThrows(() => new Linear(2, 2, { dtype }), DTypeError, "int32");
  assertThrows(() => new Linear(2, 2, { seed: -1 }), ArgumentError, "-1");
  assertThrows(() => manualSeed(0.5), ArgumentError, "0.5");
});
