/**
 * Operations under transforms: vmap against a loop, second derivatives against differences of first ones, derivatives in
 * float32 at extreme operands, and operands without elements.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { setBackend } from "../backends/registry.ts";
import * as t from "../lib/core/mod.ts";
import type { Tensor } from "../lib/core/mod.ts";
import { jvp, vjp, vmap } from "../lib/transforms/mod.ts";

/** Numbers without a pattern, and without ties. */
function numbers(shape: number[], seed = 1): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return t.tensor(Float64Array.from({ length: size }, (_, i) => 2 * Math.sin(seed + i * 12.9898)), {
    shape,
  });
}

const index = t.tensor([2, 0, -1], { dtype: "int32" });
const square = t.tensor([[1, 0], [2, 2]], { dtype: "int32" });

/** Functions of one tensor [4, 6] (the example) and one [6, 5] that do not map over it. */
const functions: Record<string, (x: Tensor, w: Tensor) => Tensor> = {
  matmul: (x, w) => x.matmul(w),
  "matmul of vectors": (x, w) => t.matmul(x.take(0), w),
  einsum: (x, w) => t.einsum("ij,jk,kl,lk->i", x, w, w.transpose(), w),
  "einsum diagonal": (x) => t.einsum("iji,ii->ij", x.reshape([2, 6, 2]), x.slice([0, 2], [0, 2])),
  take: (x) => t.take(x, index, 1),
  takeAlongAxis: (x) => t.takeAlongAxis(x, square.slice(null, [0, 1]), 0),
  scatterAdd: (x) => t.scatterAdd(x, 0, square, x.mul(2)),
  indexAdd: (x) => t.indexAdd(x, 1, index, x.slice(null, [0, 3])),
  sort: (x) => t.sort(x, 0).mul(t.arange(24).to("float64").reshape([4, 6])),
  topK: (x) => t.topK(x, 2).values.square(),
  conv1d: (x, w) => {
    const weight = w.flatten().slice([0, 12]).reshape([2, 2, 3]);
    return t.conv1d(x, weight, null, { groups: 2, padding: 1 });
  },
  conv2d: (x, w) =>
    t.conv2d(x.reshape([1, 4, 6]), w.reshape([3, 1, 2, 5]), null, { padding: [1, 2], stride: 2 }),
  convTranspose2d: (x, w) =>
    t.convTranspose2d(x.reshape([1, 4, 6]), w.reshape([1, 3, 2, 5]), null, {
      stride: 2,
      padding: 1,
    }),
  maxPool2d: (x) =>
    t.maxPool2d(x.reshape([1, 4, 6]), { kernelSize: 3, stride: 2, padding: 1 }).square(),
  avgPool2d: (x) =>
    t.avgPool2d(x.reshape([1, 4, 6]), {
      kernelSize: 3,
      stride: 2,
      padding: 1,
      countIncludePad: false,
    }).square(),
  adaptiveAvgPool2d: (x) => t.adaptiveAvgPool2d(x.reshape([1, 4, 6]), [3, 4]).square(),
  adaptiveMaxPool2d: (x) => t.adaptiveMaxPool2d(x.reshape([1, 4, 6]), [3, 4]).square(),
  layerNorm: (x, w) => t.layerNorm(x, 6, { weight: w.slice(null, 0) }),
  groupNorm: (x) => t.groupNorm(x.reshape([1, 4, 6]), 2),
  rmsNorm: (x) => t.rmsNorm(x, 6),
  softmax: (x) => x.softmax(0).matmul(numbers([6, 2])),
  logSoftmax: (x) => x.logSoftmax(-1),
  gelu: (x) => t.gelu(x),
  mish: (x) => t.mish(x),
  logSigmoid: (x) => t.logSigmoid(x),
  softplus: (x) => t.softplus(x, { beta: 2, threshold: 3 }),
  celu: (x) => t.celu(x, 0.5),
  attention: (x) => t.scaledDotProductAttention(x, x, x, { isCausal: true }),
  crossEntropy: (x) =>
    t.crossEntropy(x, t.tensor([0, 5, 2, 2], { dtype: "int32" }), { labelSmoothing: 0.1 }),
};

async function assertNear(
  actual: Tensor,
  expected: Tensor,
  tolerance: number,
  what: string,
): Promise<void> {
  assertEquals(actual.shape, expected.shape, what);
  const [a, b] = [await actual.data(), await expected.data()];
  const scale = Array.from(b).reduce((most, x) => Math.max(most, Math.abs(x)), 1);
  for (let i = 0; i < b.length; i++) {
    assert(Math.abs(a[i] - b[i]) <= tolerance * scale, `${what}: entry ${i}: ${a[i]} and ${b[i]}`);
  }
}

for (const [name, f] of Object.entries(functions)) {
  Deno.test(`${name}: vmap equals a loop, alone and over its derivative`, async () => {
    setBackend("reference");
    const w = numbers([6, 5], 3);
    const examples = [1, 2, 3].map((seed) => numbers([4, 6], seed));
    const batch = t.stack(examples, 1);
    const gradient = (x: Tensor, v: Tensor): Tensor => {
      const [y, pull] = vjp((a: Tensor, b: Tensor) => f(a, b), x, v);
      const [gx, gv] = pull(y.mul(numbers([...y.shape], 5)));
      return t.concat([gx.flatten(), gv.flatten()]);
    };
    for (const g of [f, gradient]) {
      const loop = t.stack(examples.map((x) => g(x, w)));
      await assertNear(vmap(g, [1, null])(batch, w), loop, 1e-13, `${name}, x mapped`);
      const weights = [1, 2, 3].map((seed) => numbers([6, 5], seed + 4));
      const both = t.stack(examples.map((x, i) => g(x, weights[i])));
      await assertNear(vmap(g, [1, 0])(batch, t.stack(weights)), both, 1e-13, `${name}, both`);
    }
  });

  Deno.test(`${name}: first and second derivatives equal central differences`, async () => {
    setBackend("reference");
    const [x, w] = [numbers([4, 6], 2), numbers([6, 5], 3)];
    const [dx, dw] = [numbers([4, 6], 7), numbers([6, 5], 8)];
    const along = (a: Tensor, b: Tensor): Tensor =>
      jvp((p: Tensor, q: Tensor) => f(p, q), [a, b], [dx, dw])[1];
    const h = 1e-5;
    const difference = (g: (a: Tensor, b: Tensor) => Tensor): Tensor =>
      g(x.add(dx.mul(h)), w.add(dw.mul(h))).sub(g(x.sub(dx.mul(h)), w.sub(dw.mul(h))))
        .div(2 * h);
    await assertNear(along(x, w), difference(f), 1e-7, `${name}, first`);
    const [, second] = jvp(along, [x, w], [dx, dw]);
    await assertNear(second, difference(along), 1e-7, `${name}, second`);
    // The other mode gives the same number: ⟨c, J d⟩ = ⟨Jᵀc, d⟩.
    const [y, pull] = vjp((p: Tensor, q: Tensor) => f(p, q), x, w);
    const c = numbers([...y.shape], 9);
    const [cx, cw] = pull(c);
    const backward = cx.mul(dx).sum().add(cw.mul(dw).sum());
    await assertNear(backward, c.mul(along(x, w)).sum(), 1e-12, `${name}, backward`);
  });
}

Deno.test("activations and their derivatives are finite in float32 at extreme operands", async () => {
  setBackend("reference");
  const extreme = t.tensor([-1e18, -1e6, -1000, -89, -30, 0, 30, 89, 1000, 1e6, 1e18]);
  const smooth = [
    "relu",
    "relu6",
    "hardtanh",
    "leakyRelu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "hardsigmoid",
    "hardswish",
    "logSigmoid",
    "tanhshrink",
    "softshrink",
    "hardshrink",
  ] as const;
  for (const name of smooth) {
    const f = t[name] as (x: Tensor) => Tensor;
    const [y, pull] = vjp(f, extreme);
    const [gradient] = pull(t.onesLike(y));
    const [, second] = jvp((x: Tensor) => vjp(f, x)[1](t.onesLike(x))[0], [extreme], [
      t.onesLike(extreme),
    ]);
    for (const values of [await y.data(), await gradient.data(), await second.data()]) {
      assert(values.every(Number.isFinite), `${name}: ${values}`);
    }
  }
});

Deno.test("max pooling gives its derivative to the first of equal elements", async () => {
  setBackend("reference");
  const x = t.zeros([1, 2, 4]);
  const [y, pull] = vjp((v: Tensor) => t.maxPool2d(v, { kernelSize: 2 }), x);
  const [gradient] = pull(t.ones([...y.shape]));
  assertEquals(await gradient.toArray(), [[[1, 0, 1, 0], [0, 0, 0, 0]]]);
});

Deno.test("softmax moves no derivative through its shift, and rows of one entry are constant", async () => {
  setBackend("reference");
  const [, tangent] = jvp((x: Tensor) => t.softmax(x, 1), [numbers([3, 1])], [numbers([3, 1])]);
  assertEquals(await tangent.toArray(), [[0], [0], [0]]);
});

Deno.test("operands without elements give results without elements, or zeros", async () => {
  setBackend("reference");
  const none = t.zeros([0, 2, 4, 4]);
  const shapes = [
    t.conv2d(none, t.ones([3, 2, 3, 3])),
    t.convTranspose2d(none, t.ones([2, 3, 3, 3])),
    t.maxPool2d(none, { kernelSize: 2 }),
    t.avgPool2d(none, { kernelSize: 2 }),
    t.adaptiveAvgPool2d(none, 3),
    t.groupNorm(none, 1),
    t.softmax(none, 1),
    t.softmax(none, 0),
    t.relu(none),
    t.take(none, [1, 1], 1),
    t.take(t.ones([3, 2]), []),
    t.sort(none, 0),
  ];
  const expected = [
    [0, 3, 2, 2],
    [0, 3, 6, 6],
    [0, 2, 2, 2],
    [0, 2, 2, 2],
    [0, 2, 3, 3],
    [0, 2, 4, 4],
    [0, 2, 4, 4],
    [0, 2, 4, 4],
    [0, 2, 4, 4],
    [0, 2, 4, 4],
    [0, 2],
    [0, 2, 4, 4],
  ];
  for (const [i, x] of shapes.entries()) {
    assertEquals(x.shape, expected[i]);
    assertEquals((await x.data()).length, 0);
  }
  assertEquals(await t.matmul(t.ones([2, 0]), t.ones([0, 2])).toArray(), [[0, 0], [0, 0]]);
  assertEquals(await t.einsum("ij->i", t.ones([2, 0])).toArray(), [0, 0]);
});

Deno.test("integers: products stay integers, averages become floats", async () => {
  setBackend("reference");
  const x = t.tensor([[1, 2], [3, 4]], { dtype: "int32" });
  assertEquals(t.matmul(x, x).dtype, "int32");
  assertEquals(await t.matmul(x, x).toArray(), [[7, 10], [15, 22]]);
  assertEquals(await t.einsum("ii", x).item(), 5);
  assertEquals(t.softmax(x, 0).dtype, "float32");
  assertEquals(await t.relu(t.tensor([-1, 2], { dtype: "int32" })).toArray(), [0, 2]);
  assertEquals(await t.einsum("i,i", x.take(0).to("bool"), x.take(1).to("bool")).item(), 2);
});

Deno.test("dropout keeps a share of the elements and their mean, and is off outside training", async () => {
  setBackend("reference");
  const x = t.ones([4000]);
  const y = t.dropout(x, { p: 0.25, key: t.random.randomKey(1) });
  const values = await y.data();
  const kept = values.filter((v) => v !== 0);
  // Five standard deviations of a binomial draw around 3000.
  assert(Math.abs(kept.length - 3000) < 5 * Math.sqrt(4000 * 0.25 * 0.75));
  assert(kept.every((v) => v === Math.fround(1 / 0.75)));
  assertEquals(t.dropout(x, { training: false }), x);
  assertEquals(await t.dropout(t.ones([2]), { p: 1 }).toArray(), [0, 0]);
});
