/** Kernels in parts (by parameter, by output of a tree) and of examples with themselves. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  concat,
  empiricalNtk,
  NtkMismatchError,
  slice,
  type Tensor,
  tensor,
  treeMap,
} from "../mod.ts";
import { buildProgram } from "../lib/compiler/build.ts";
import { countOperations } from "../lib/compiler/print.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { treeLeaves } from "../lib/core/tree.ts";
import { functionalCall } from "../lib/nn/mod.ts";
import { kernelBy, methodNames, type NtkMethod } from "../lib/ntk/methods.ts";
import { type KernelProblem, kernelProblem, kernelProblems } from "../lib/ntk/problem.ts";
import { requestOf } from "../lib/ntk/results.ts";
import { explicitKernels } from "./helpers/explicit_kernel.ts";
import { assertNear, goldenNames, loadGolden } from "./helpers/golden.ts";
import { network, neuralTangents } from "./helpers/neural_tangents.ts";
import { smallNetworks, uniform } from "./helpers/small_networks.ts";

const computes = ["full", "trace", "diagonal"] as const;

const asTensor = ({ data, shape }: { data: number[]; shape: number[] }): Tensor =>
  tensor(Float64Array.from(data), { shape });

for (const name of ["parameters in nested trees and arrays", "attention", "tied weights"]) {
  Deno.test(`shares of single parameters: ${name}`, async () => {
    const { f, params, x1, x2 } = smallNetworks[name];
    const all = treeLeaves(params).map((_, i, { length }) =>
      Array.from({ length }, (_, k) => k === i)
    );
    const expected = all.map((only) => explicitKernels(f, params, x1, x2, only));
    // Central differences are off by a part of the largest derivatives.
    const scale = Math.max(...explicitKernels(f, params, x1, x2).full.data.map(Math.abs));
    for (const method of methodNames) {
      for (const compute of computes) {
        const options = { method, compute, perParameter: true, check: true } as const;
        const shares = Object.values(await empiricalNtk(f, params, x1, x2, options));
        assertEquals(shares.length, expected.length);
        for (const [i, share] of shares.entries()) {
          const { shape, data } = expected[i][compute];
          assertEquals(share.shape, shape);
          const found = await share.data();
          data.forEach((value, k) => {
            assert(Math.abs(found[k] - value) <= 1e-9 * scale, `${i}: ${found[k]}, ${value}`);
          });
        }
      }
    }
  });
}

Deno.test("shares have the names that parameters are chosen by", async () => {
  const { f, params, x1 } = smallNetworks["parameters in nested trees and arrays"];
  const shares = await empiricalNtk(f, params, x1, null, { perParameter: true });
  assertEquals(Object.keys(shares), [
    "layers.0.w",
    "layers.0.b",
    "layers.1.w",
    "layers.1.b",
    "head.0",
    "head.1.shift",
  ]);
  const chosen = await empiricalNtk(f, params, x1, null, {
    perParameter: true,
    parameters: /^head/,
  });
  assertEquals(Object.keys(chosen), ["head.0", "head.1.shift"]);
  assertEquals(await chosen["head.0"].data(), await shares["head.0"].data());
});

Deno.test("shares of the golden networks add up to the golden kernels", async () => {
  for (const name of goldenNames) {
    const { net, x1, x2, ntk } = await loadGolden(name, "float64");
    const f = (p: Record<string, Tensor>, x: Tensor): Tensor =>
      functionalCall(net, p, x.unsqueeze(0)).squeeze(0);
    const params = net.namedParameters();
    const shares = await empiricalNtk(f, params, x1, x2, { perParameter: true });
    assertEquals(Object.keys(shares), Object.keys(params));
    await assertNear(Object.values(shares).reduce((sum, x) => sum.add(x)), ntk, 1e-12);
  }
});

function contractionsOf(kernels: unknown): number {
  return countOperations(simplify(buildProgram(treeLeaves(kernels)).program)).contractions;
}

/** A convolutional network with a hidden layer. */
const layered = {
  f: smallNetworks["convolutions with pooling"].f,
  params: {
    conv1: { weight: uniform(8, 3, 3, 3), bias: uniform(8) },
    conv2: { weight: uniform(12, 8, 2, 2) },
    fc: uniform(5, 108),
  },
  x1: uniform(8, 3, 14, 14),
  x2: uniform(8, 3, 14, 14),
};

/** The kernel of a problem by one method, lazy. */
const kernelOf = (problem: KernelProblem, method: NtkMethod): Tensor =>
  kernelBy(problem, problem.params.map(() => method));

Deno.test("Jacobian contraction by parameter costs what the whole does", () => {
  const { f, params, x1, x2 } = layered;
  const all = kernelProblems(f, params, x1, x2);
  const kernels = (perParameter: boolean): unknown => {
    const { problems, assemble } = requestOf(all, { perParameter });
    return assemble(problems.map((problem) => kernelOf(problem, "jacobian-contraction")));
  };
  const [whole, shares] = [false, true].map((each) => contractionsOf(kernels(each)));
  assert(shares <= 1.01 * whole, `${shares} operations, ${whole} for the whole`);
});

Deno.test("examples with themselves cost less than with others", () => {
  const { f, params, x1, x2 } = layered;
  const least = {
    "jacobian-contraction": 0.6,
    "ntk-vector-products": 0.75,
    "structured-derivatives": 0.6,
  };
  for (const method of methodNames) {
    for (const compute of computes) {
      const count = (b: Tensor): number =>
        contractionsOf(
          kernelOf(kernelProblem(f, params, x1, b, undefined, { compute }), method),
        );
      const part = count(x1) / count(x2);
      assert(part <= least[method], `${method}, ${compute}: ${part}`);
    }
  }
});

/** Throws unless a kernel [N, N, …] is its mirror image to the last bit. */
function assertSymmetric(kernel: Tensor, permutation: number[], what: string): void {
  assertEquals(kernel.permute(permutation).dataSync(), kernel.dataSync(), what);
}

Deno.test("kernels of examples with themselves are symmetric to the last bit", async () => {
  const nets = Object.entries(smallNetworks).map(([name, { f, params, x1 }]) => {
    const cast = <T>(tree: T): T => treeMap((x) => x.isFloat ? x.to("float32") : x, tree);
    const single = (p: unknown, x: unknown): Tensor => f(p, x).to("float32").flatten();
    return { name, f: single, params: cast(params), x: cast(x1) };
  });
  const wide = { name: "wide", f: layered.f, params: layered.params, x: layered.x1 };
  for (const { name, f, params, x } of [...nets, wide]) {
    for (const method of methodNames) {
      const options = (compute: (typeof computes)[number]) => ({ method, compute });
      const what = `${name}, ${method}`;
      const full = await empiricalNtk(f, params, x, null, options("full"));
      assertSymmetric(full, [1, 0, 3, 2], what);
      const trace = await empiricalNtk(f, params, x, null, options("trace"));
      assertSymmetric(trace, [1, 0], what);
      const diagonal = await empiricalNtk(f, params, x, null, options("diagonal"));
      assertSymmetric(diagonal, [1, 0, 2], what);
    }
  }
});

Deno.test("the golden kernels of examples with themselves are symmetric and as by others", async () => {
  for (const name of goldenNames) {
    const golden = await loadGolden(name, "float32");
    const { net } = golden;
    const x1 = slice(golden.x1, [0, 5]);
    const f = (p: Record<string, Tensor>, x: Tensor): Tensor =>
      functionalCall(net, p, x.unsqueeze(0)).squeeze(0);
    // Equal examples in another tensor: nothing is shared between the two sides.
    const copy = tensor(await x1.data(), { shape: x1.shape, dtype: x1.dtype });
    const params = net.namedParameters();
    for (const method of methodNames) {
      const own = await empiricalNtk(f, params, x1, x1, { method });
      assertSymmetric(own, [1, 0, 3, 2], `${name}, ${method}`);
      const cross = await empiricalNtk(f, params, x1, copy, { method });
      await assertNear(own, cross, 1e-6);
    }
  }
});

Deno.test("mixed axes of examples with themselves are symmetric to the last bit", async () => {
  const { params, x1 } = neuralTangents;
  for (const method of methodNames) {
    const options = { method, traceAxes: 0, diagonalAxes: 2 } as const;
    const kernel = await empiricalNtk(network, params, x1, null, options);
    assertSymmetric(kernel, [1, 0, 3, 2, 4], method);
  }
});

Deno.test("a kernel of any number of examples with themselves", async () => {
  const { f, params } = smallNetworks["a perceptron"];
  for (const n of [1, 2, 3, 4, 5, 9]) {
    const x = uniform(n, 3);
    const { full } = explicitKernels(f, params, x, x);
    for (const method of methodNames) {
      await assertNear(await empiricalNtk(f, params, x, null, { method }), asTensor(full), 1e-9);
    }
  }
});

/** The perceptron with a tree of two outputs, of unlike shapes. */
const branched = {
  f: (p: { w: Tensor; b: Tensor; v: Tensor }, x: Tensor): { a: Tensor; rest: [Tensor] } => {
    const y = smallNetworks["a matrix as output"].f({ w: p.w, b: p.b }, x).flatten();
    return { a: slice(y, [0, 2]), rest: [slice(y, [2, 6]).reshape([2, 2]).mul(p.v)] };
  },
  params: { w: uniform(2, 3), b: uniform(2, 1), v: uniform(2, 2) },
  x1: uniform(3, 4),
  x2: uniform(2, 4),
};

Deno.test("a tree of outputs gives a tree of kernels, with the blocks between them on request", async () => {
  const { f, params, x1, x2 } = branched;
  const joined = ((p: typeof params, x: Tensor): Tensor => {
    const { a, rest: [b] } = f(p, x);
    return concat([a, b.flatten()]);
  }) as never;
  const { full, trace } = explicitKernels(joined, params, x1, x2);
  const whole = asTensor(full);
  const block = (i: [number, number], j: [number, number], shape: number[]): Tensor =>
    slice(whole, null, null, i, j).reshape([3, 2, ...shape]);
  const [a, b]: [number, number][] = [[0, 2], [2, 6]];
  const aa = block(a, a, [2, 2]);
  const bb = block(b, b, [2, 2, 2, 2]);
  for (const method of methodNames) {
    const own = await empiricalNtk(f, params, x1, x2, { method, check: true });
    await assertNear(own.a, aa, 1e-9);
    await assertNear(own.rest[0], bb, 1e-9);
    const traces = await empiricalNtk(f, params, x1, x2, { method, compute: "trace" });
    await assertNear(traces.a.add(traces.rest[0]), asTensor(trace), 1e-9);
    const last = await empiricalNtk(f, params, x1, x2, { method, diagonalAxes: -1 });
    assertEquals([last.a.shape, last.rest[0].shape], [[3, 2, 2], [3, 2, 2, 2, 2]]);
    const cross = await empiricalNtk(f, params, x1, x2, { method, crossOutputs: true });
    await assertNear(cross.a.a, aa, 1e-9);
    await assertNear(cross.a.rest[0], block(a, b, [2, 2, 2]), 1e-9);
    await assertNear(cross.rest[0].a, block(b, a, [2, 2, 2]), 1e-9);
    await assertNear(cross.rest[0].rest[0], bb, 1e-9);
    const shares = await empiricalNtk(f, params, x1, x2, {
      method,
      perParameter: true,
      crossOutputs: true,
    });
    assertEquals(Object.keys(shares), ["w", "b", "v"]);
    const sum = Object.values(shares).map((x) => x.rest[0].a).reduce((p, q) => p.add(q));
    await assertNear(sum, cross.rest[0].a, 1e-14);
    assert((await shares.v.a.rest[0].data()).every((x) => x === 0));
  }
  const same = await empiricalNtk(f, params, x1, null, { crossOutputs: true });
  const turned = same.rest[0].a.permute([1, 0, 4, 2, 3]);
  assertEquals(await turned.data(), await same.a.rest[0].data());
});

Deno.test("a check covers every part", async () => {
  // The second output is another function at each call.
  let calls = 0;
  const f = (w: Tensor, x: Tensor): Tensor[] => [w.mul(x), w.mul(x).mul(++calls)];
  await assertRejects(
    () => empiricalNtk(f, uniform(2), uniform(2, 2), null, { check: true }),
    NtkMismatchError,
  );
});
