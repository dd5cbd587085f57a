/** What structured derivatives never make: sizes and operations of the kernel's program. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { countOperations } from "../lib/compiler/print.ts";
import type { Program } from "../lib/compiler/program.ts";
import type { NtkMethod } from "../lib/ntk/methods.ts";
import { kernelProblem } from "../lib/ntk/problem.ts";
import { planStructured } from "../lib/ntk/structured/structured_derivatives.ts";
import { computes } from "../lib/ntk/compute.ts";
import {
  conv1d,
  empiricalNtk,
  scaledDotProductAttention,
  take,
  type Tensor,
  tensor,
  zeros,
} from "../mod.ts";
import { randomSource } from "./helpers/differences.ts";
import { type KernelCase, kernelProgram, largestResult } from "./helpers/kernel_program.ts";

const random = randomSource(5);

function uniform(...shape: number[]): Tensor {
  const size = shape.reduce((n, s) => n * s, 1);
  return tensor(Float32Array.from({ length: size }, () => 2 * random() - 1), { shape });
}

const method = "structured-derivatives";

/** Numbers of pairs of terms, a parameter. */
function pairsOf({ f, params, x1, x2 }: KernelCase): number[] {
  const { parameters } = planStructured(kernelProblem(f, params, x1, x2));
  return parameters.map(({ pairs, unstructured }) => {
    assertEquals(unstructured, null);
    return pairs.length;
  });
}

const tokens = (...shape: number[]): Tensor => {
  const size = shape.reduce((n, s) => n * s, 1);
  return tensor(Int32Array.from({ length: size }, () => Math.floor(random() * 1000)), { shape });
};

Deno.test("an embedding never makes anything of the size of its table", () => {
  const params = { table: uniform(1 << 14, 8) };
  const w = uniform(3, 8);
  const embeddings: Record<string, KernelCase["f"]> = {
    plain: ({ table }, x: Tensor) => w.matmul(take(table, x).tanh().mean(0)),
    "scaled by a number": ({ table }, x: Tensor) => w.matmul(take(table.mul(3), x).mean(0)),
    "with positions from the same table": ({ table }, x: Tensor) =>
      w.matmul(take(table, x).add(table.slice([0, 6])).tanh().mean(0)),
    "a part of the table, turned around": ({ table }, x: Tensor) =>
      w.matmul(take(table.slice([5, null]).flip(1).transpose(), x, 1).mean(1)),
    "used twice": ({ table }, x: Tensor) =>
      w.matmul(take(table, x).mul(take(table, x.add(1))).tanh().mean(0)),
  };
  for (const [name, f] of Object.entries(embeddings)) {
    const network = { f, params, x1: tokens(4, 6), x2: tokens(3, 6) };
    pairsOf(network);
    for (const compute of computes) {
      const largest = largestResult(kernelProgram(network, method, { compute }));
      assert(largest < params.table.size / 10, `${name}, ${compute}: ${largest} elements`);
    }
  }
});

Deno.test("one wide layer: nothing is larger than the layer for all examples and outputs", async () => {
  const width = 1 << 17;
  const network: KernelCase = {
    f: ({ w, b, v }, x) => v.matmul(w.matmul(x).add(b).tanh()),
    params: { w: uniform(width, 3), b: uniform(width), v: uniform(4, width) },
    x1: uniform(3, 3),
    x2: uniform(2, 3),
  };
  for (const compute of computes) {
    const largest = largestResult(kernelProgram(network, method, { compute }));
    assert(largest <= 3 * 4 * width, `${compute}: ${largest} elements`);
  }
  const { f, params, x1, x2 } = network;
  const kernel = await empiricalNtk(
    f,
    params as Record<string, Tensor>,
    x1 as Tensor,
    x2 as Tensor,
    { method },
  );
  const other = await empiricalNtk(
    f,
    params as Record<string, Tensor>,
    x1 as Tensor,
    x2 as Tensor,
    {
      method: "ntk-vector-products",
    },
  );
  const [a, b] = [kernel.dataSync(), other.dataSync()];
  const largest = Math.max(...b.map(Math.abs));
  a.forEach((value, i) => assert(Math.abs(value - b[i]) <= 1e-6 * largest, `${value}, ${b[i]}`));
});

Deno.test("both sets of examples pass through large weights together", async () => {
  const wide: KernelCase["f"] = ({ u, v, w, table }, { a, t }) =>
    w.matmul(v.matmul(u.matmul(a).tanh()).add(take(table, t).sum(0)).tanh());
  const size = 64;
  const params = {
    u: uniform(size, 3),
    v: uniform(size, size),
    w: uniform(2, size),
    table: uniform(1000, size),
  };
  const examples = (n: number, first: "a" | "t") =>
    first === "a" ? { a: uniform(n, 3), t: tokens(n, 4) } : { t: tokens(n, 4), a: uniform(n, 3) };
  // The second names its tensors in another order.
  const few = { f: wide, params, x1: examples(3, "a"), x2: examples(2, "t") };
  const many = { ...few, x1: examples(70, "a"), x2: examples(60, "t") };
  const readers = ({ nodes }: Program): number =>
    nodes.filter(({ primitive, inputs }) =>
      primitive === "dotGeneral" &&
      inputs.some((id) => nodes[id].shape.join() === `${size},${size}`)
    ).length;
  // Forward and backward for both sets, and once for both together.
  assertEquals(readers(kernelProgram(many, method)), 4);
  assertEquals(readers(kernelProgram(few, method)), 2);
  for (const compute of computes) {
    const kernels = await Promise.all(
      [method, "jacobian-contraction"].map((name) =>
        empiricalNtk(wide, params, few.x1, few.x2, { method: name as NtkMethod, compute })
      ),
    );
    const [ours, others] = await Promise.all(kernels.map((kernel) => kernel.data()));
    const largest = Math.max(...[...others].map(Math.abs));
    others.forEach((value, i) => assertAlmostEquals(ours[i] / largest, value / largest, 1e-6));
  }
});

Deno.test("the slices of a fused projection do not meet, and cost what three projections cost", () => {
  const [d, length] = [8, 5];
  const attend = (q: Tensor, k: Tensor, v: Tensor): Tensor =>
    scaledDotProductAttention(q, k, v).mean(0);
  const inputs = { x1: uniform(3, length, d), x2: uniform(2, length, d) };
  const fused: KernelCase = {
    f: ({ w, b }, x: Tensor) => {
      const qkv = x.matmul(w.transpose()).add(b);
      return attend(
        ...[0, 1, 2].map((i) => qkv.slice(null, [i * d, (i + 1) * d])) as [Tensor, Tensor, Tensor],
      );
    },
    params: { w: uniform(3 * d, d), b: uniform(3 * d) },
    ...inputs,
  };
  const sliced: KernelCase = {
    ...fused,
    f: ({ w, b }, x: Tensor) =>
      attend(...[0, 1, 2].map((i) => {
        const rows = [i * d, (i + 1) * d] as const;
        return x.matmul(w.slice(rows).transpose()).add(b.slice(rows));
      }) as [Tensor, Tensor, Tensor]),
  };
  const apart: KernelCase = {
    f: (p, x: Tensor) =>
      attend(
        ...[0, 1, 2].map((i) => x.matmul(p[`w${i}`].transpose()).add(p[`b${i}`])) as [
          Tensor,
          Tensor,
          Tensor,
        ],
      ),
    params: Object.fromEntries(
      [0, 1, 2].flatMap((i) => [[`w${i}`, uniform(d, d)], [`b${i}`, uniform(d)]]),
    ),
    ...inputs,
  };
  // Three slices of one parameter have three pairs of nine; slices of the product are one use.
  assertEquals(pairsOf(sliced), [3, 3]);
  assertEquals(pairsOf(fused), [1, 1]);
  const operations = (network: KernelCase): number =>
    countOperations(kernelProgram(network, method)).contractions;
  assert(operations(sliced) <= operations(apart));
  assert(operations(fused) <= 1.5 * operations(apart));
});

Deno.test("the uses of a recurrent weight are one term, however many steps there are", () => {
  const network = (steps: number, start: (x: Tensor) => Tensor): KernelCase => ({
    f: ({ wx, wh, b, v }, x: Tensor) => {
      let h = start(x);
      for (let t = 0; t < steps; t++) h = wx.matmul(x.slice(t)).add(wh.matmul(h)).add(b).tanh();
      return v.matmul(h);
    },
    params: { wx: uniform(3, 3), wh: uniform(3, 3), b: uniform(3), v: uniform(2, 3) },
    x1: uniform(2, steps, 3),
    x2: uniform(3, steps, 3),
  });
  for (const start of [(x: Tensor) => x.slice(0).tanh(), () => zeros([3])]) {
    for (const steps of [2, 20, 150]) assertEquals(pairsOf(network(steps, start)), [1, 1, 1, 1]);
  }
});

Deno.test("convolutions in groups never multiply across groups", () => {
  const operations = (channels: number, own: number, outputs: number): number => {
    const groups = channels / own;
    const network: KernelCase = {
      f: ({ w }, x: Tensor) => {
        const y = conv1d(x.unsqueeze(0), w, null, { groups }).tanh();
        return outputs === 0 ? y.squeeze(0) : y.reshape([outputs, -1]).square().mean(1);
      },
      params: { w: uniform(channels, own, 3) },
      x1: uniform(3, channels, 8),
      x2: uniform(2, channels, 8),
    };
    assertEquals(pairsOf(network), [1]);
    const { contractions, elementwise } = countOperations(
      kernelProgram(network, method, { compute: "trace" }),
    );
    return contractions + elementwise;
  };
  for (const own of [1, 2]) {
    for (const outputs of [0, 1]) {
      const [few, many] = [operations(8, own, outputs), operations(32, own, outputs)];
      // Linear in the number of groups.
      assert(many <= 4.2 * few, `${own} channels a group, ${outputs}: ${few}, ${many}`);
    }
  }
});
