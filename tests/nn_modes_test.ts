/** Layers that differ between training and evaluation, and what layers reject. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  BatchNorm1d,
  BatchNorm2d,
  Conv2d,
  ConvTranspose1d,
  Dropout,
  Embedding,
  functionalCall,
  GroupNorm,
  InstanceNorm2d,
  LayerNorm,
  Linear,
  manualSeed,
  MaxPool2d,
  MultiheadAttention,
  PReLU,
  Sequential,
} from "../lib/nn/mod.ts";
import {
  ArgumentError,
  DTypeError,
  grad,
  jacrev,
  ones,
  random,
  realize,
  ShapeError,
  type Tensor,
  tensor,
  TraceError,
  vmap,
  zeros,
} from "../mod.ts";

Deno.test("batch statistics are refused under vmap, in any nesting, with what to do", () => {
  const net = new Sequential(new Linear(3, 2), new BatchNorm1d(2));
  const params = net.namedParameters();
  const single = (p: typeof params, x: Tensor) => functionalCall(net, p, x.unsqueeze(0)).squeeze(0);
  const batch = (x: Tensor) => net.forward(x).sum();
  const message = "BatchNorm1d: the statistics of a batch are not defined inside vmap";
  const x = ones([4, 3]);
  assertThrows(() => vmap(single, [null, 0])(params, x), TraceError, message);
  assertThrows(() => vmap(jacrev(single), [null, 0])(params, x), TraceError, "call eval()");
  assertThrows(() => vmap(batch)(ones([5, 4, 3])), TraceError, message);
  assertThrows(() => vmap(grad(batch))(ones([5, 4, 3])), TraceError, message);
  const untracked = new BatchNorm1d(3, { trackRunningStats: false }).eval();
  assertThrows(() => vmap((y: Tensor) => untracked.forward(y))(ones([5, 4, 3])), TraceError);
  net.eval();
  assertEquals(vmap(jacrev(single), [null, 0])(params, x)["0.weight"].shape, [4, 2, 2, 3]);
});

Deno.test("batch statistics of one example are refused", () => {
  const layer = new BatchNorm2d(3);
  const x = ones([1, 3, 4, 4]);
  assertThrows(() => layer.forward(x), ShapeError, "need at least 2 examples");
  assertEquals(layer.eval().forward(x).shape, [1, 3, 4, 4]);
});

Deno.test("running statistics move under a gradient, too, and have none themselves", async () => {
  const layer = new BatchNorm1d(1, { momentum: 0.5 });
  const loss = (x: Tensor) => layer.forward(x).square().sum();
  grad(loss)(tensor([[1], [3]]));
  await realize(layer.namedBuffers());
  assertEquals(await layer.runningMean!.toArray(), [1]);
  assertEquals(await layer.runningVar!.toArray(), [1.5]);
});

Deno.test("dropout passes in evaluation and keeps the mean in training", async () => {
  const layer = new Dropout(0.25);
  const x = ones([10000]);
  const y = await layer.forward(x).data();
  const kept = y.filter((value) => value !== 0);
  assert(kept.every((value) => value === Math.fround(1 / 0.75)));
  assert(Math.abs(kept.length - 7500) < 5 * Math.sqrt(10000 * 0.25 * 0.75), `kept ${kept.length}`);
  assertEquals(await layer.eval().forward(x).toArray(), await x.toArray());
});

Deno.test("dropout draws anew each time, and the same after the same seed or from the same key", async () => {
  const layer = new Dropout();
  const x = ones([64]);
  manualSeed(1);
  const first = await layer.forward(x).toArray();
  const second = await layer.forward(x).toArray();
  manualSeed(1);
  assertEquals(await layer.forward(x).toArray(), first);
  assert(JSON.stringify(first) !== JSON.stringify(second));
  const key = random.randomKey(4);
  assertEquals(await layer.forward(x, key).toArray(), await layer.forward(x, key).toArray());
});

Deno.test("layers reject sizes and options that cannot be", () => {
  const rejected: (() => unknown)[] = [
    () => new Linear(0, 2),
    () => new Linear(2, 1.5),
    () => new Linear(2, 1, null as unknown as undefined),
    () => new Conv2d(3, 4, 0),
    () => new Conv2d(3, 4, [3, 3, 3]),
    () => new Conv2d(3, 4, 3, { groups: 2 }),
    () => new Conv2d(3, 4, 3, { stride: 0 }),
    () => new Conv2d(3, 4, 3, { padding: -1 }),
    () => new Conv2d(3, 4, 3, { padding: "full" as "same" }),
    () => new Conv2d(3, 4, 3, { padding: "same", stride: 2 }),
    () => new ConvTranspose1d(3, 4, 3, { groups: 2 }),
    () => new ConvTranspose1d(3, 4, 3, { padding: -1 }),
    () => new BatchNorm1d(0),
    () => new BatchNorm1d(2, { momentum: NaN }),
    () => new GroupNorm(3, 4),
    () => new Embedding(0, 3),
    () => new MultiheadAttention(5, 2),
    () => new Dropout(1.5),
    () => new Dropout(NaN),
    () => new PReLU(0),
  ];
  for (const make of rejected) assertThrows(make, ArgumentError);
});

Deno.test("layers reject inputs that do not fit, by their name and sizes", () => {
  const rejected: [() => unknown, string][] = [
    [
      () => new Linear(3, 2).forward(ones([4, 2])),
      "Linear(3, 2): expected an input [..., 3], got [4, 2]",
    ],
    [() => new Conv2d(3, 2, 3).forward(ones([1, 2, 5, 5])), "2 channels"],
    [() => new Conv2d(3, 2, 3).forward(ones([5, 5])), "rank"],
    [() => new BatchNorm2d(3).eval().forward(ones([2, 4, 5, 5])), "[N, 3, ...]"],
    [() => new BatchNorm1d(3).eval().forward(ones([3])), "rank 2 or 3"],
    [() => new GroupNorm(2, 4).forward(ones([2, 6, 3])), "[N, 4, ...]"],
    [() => new InstanceNorm2d(3).forward(ones([2, 4, 5, 5])), "InstanceNorm2d"],
    [() => new LayerNorm([2, 3]).forward(ones([3, 2])), "[2, 3]"],
    [() => new MaxPool2d(4).forward(ones([1, 1, 3, 3])), "no window"],
    [() => {
      const x = zeros([3, 4]);
      return new MultiheadAttention(4, 2).forward(x, x, zeros([3, 5]));
    }, "end in 4"],
  ];
  for (const [run, message] of rejected) assertThrows(run, ShapeError, message);
  assertThrows(() => new Embedding(3, 2).forward(ones([2])), DTypeError, "float32");
});
