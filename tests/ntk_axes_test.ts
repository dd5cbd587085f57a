/** Kernels traced over some output axes and diagonal in others: against neural-tangents, and against the full kernel. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  ArgumentError,
  AxisError,
  empiricalNtk,
  type NtkReport,
  stack,
  type Tensor,
  tensor,
} from "../mod.ts";
import { functionalCall } from "../lib/nn/mod.ts";
import { buildProgram } from "../lib/compiler/build.ts";
import { lower } from "../lib/compiler/lower.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { methodNames, methods } from "../lib/ntk/methods.ts";
import { kernelProblem } from "../lib/ntk/problem.ts";
import { assertNear, goldenNames, loadGolden } from "./helpers/golden.ts";
import { network, neuralTangents } from "./helpers/neural_tangents.ts";
import { smallNetworks, uniform } from "./helpers/small_networks.ts";

const { params, x1, x2, kernels } = neuralTangents;

for (const method of methodNames) {
  for (const { traceAxes, diagonalAxes, kernel } of kernels) {
    const name = `traceAxes [${traceAxes}], diagonalAxes [${diagonalAxes}]`;
    Deno.test(`as neural-tangents: ${name}, ${method}`, async () => {
      const options = { method, traceAxes, diagonalAxes } as const;
      const mean = await empiricalNtk(network, params, x1, x2, { ...options, normalize: "mean" });
      await assertNear(mean, kernel, 1e-14);
      // Without a word about it, traces are sums.
      const outputs = [2, 3, 2];
      const count = traceAxes.reduce((n, axis) => n * outputs.at(axis)!, 1);
      const sum = await empiricalNtk(network, params, x1, x2, options);
      await assertNear(sum, kernel.mul(count), 1e-14);
    });
  }
}

Deno.test("the golden kernels by axes are sums and selections of the full ones", async () => {
  for (const name of goldenNames) {
    const { net, x1, x2, ntk } = await loadGolden(name, "float64");
    // Each output beside its double: entries of the kernel times 1, 2, 2 and 4.
    const f = (p: Record<string, Tensor>, x: Tensor): Tensor => {
      const y = functionalCall(net, p, x.unsqueeze(0)).squeeze(0);
      return stack([y, y.mul(2)], 1);
    };
    const [n, m, o] = ntk.shape;
    const entries = await ntk.data();
    const diagonal = Array.from({ length: n * m * o }, (_, i) => entries[i * o + i % o]);
    const blocks = Float64Array.from(diagonal.flatMap((k) => [k, 2 * k, 2 * k, 4 * k]));
    const params = net.namedParameters();
    for (const method of methodNames) {
      const traced = await empiricalNtk(f, params, x1, x2, { method, traceAxes: -1 });
      await assertNear(traced, ntk.mul(5), 1e-12);
      const own = await empiricalNtk(f, params, x1, x2, { method, diagonalAxes: [0] });
      await assertNear(own, tensor(blocks, { shape: [n, m, o, 2, 2] }), 1e-12);
    }
  }
});

Deno.test("axes for all outputs are what compute names", async () => {
  const { f, params, x1, x2 } = smallNetworks["a matrix as output"];
  for (const method of methodNames) {
    for (
      const [compute, options] of [
        ["trace", { traceAxes: [0, 1] }],
        ["diagonal", { diagonalAxes: [-2, -1] }],
      ] as const
    ) {
      const named = await empiricalNtk(f, params, x1, x2, { method, compute });
      const byAxes = await empiricalNtk(f, params, x1, x2, { method, ...options });
      assertEquals(byAxes.shape, named.shape);
      assertEquals(await byAxes.data(), await named.data());
    }
    const full = await empiricalNtk(f, params, x1, x2, { method });
    const pairs = await empiricalNtk(f, params, x1, x2, { method, traceAxes: [] });
    assertEquals(pairs.shape, [3, 2, 2, 2, 3, 3]);
    assertEquals(await pairs.permute([0, 1, 2, 4, 3, 5]).data(), await full.data());
  }
});

Deno.test("a mean over all outputs is the trace divided by their number", async () => {
  const { f, params, x1 } = smallNetworks["a perceptron"];
  const trace = await empiricalNtk(f, params, x1, null, { compute: "trace" });
  const mean = await empiricalNtk(f, params, x1, null, { compute: "trace", normalize: "mean" });
  assertEquals(await mean.data(), await trace.div(2).data());
});

Deno.test("the report and the check know of axes", async () => {
  for (const method of methodNames) {
    const reports: NtkReport[] = [];
    const kernel = await empiricalNtk(network, params, x1, null, {
      method,
      traceAxes: 0,
      diagonalAxes: 2,
      normalize: "mean",
      check: true,
      onReport: (report) => void reports.push(report),
    });
    assertEquals(kernel.shape, [2, 2, 3, 3, 2]);
    const [{ compute, axes, normalize, check }] = reports;
    assertEquals({ compute, axes, normalize }, {
      compute: "axes",
      axes: ["trace", "full", "diagonal"],
      normalize: "mean",
    });
    assert(check !== undefined && check.largestDifference < 1e-13);
  }
});

Deno.test("kernels by axes never hold the full kernel", () => {
  const many = {
    f: ({ w, v }: { w: Tensor; v: Tensor }, x: Tensor): Tensor => v.matmul(w.matmul(x).tanh()),
    params: { w: uniform(4, 3), v: uniform(16, 4) },
    x1: uniform(12, 3, 12),
    x2: uniform(12, 3, 12),
  };
  const outputs = 16 * 12;
  for (const method of methodNames) {
    for (const options of [{ traceAxes: 0 }, { diagonalAxes: 1 }, { traceAxes: 1 }]) {
      const problem = kernelProblem(many.f, many.params, many.x1, many.x2, undefined, options);
      const program = simplify(buildProgram([methods[method](problem)]).program);
      const largest = Math.max(...lower(program).buffers.map(({ length }) => length));
      const full = 12 * 12 * outputs ** 2;
      assert(largest < full / 4, `${method}, ${JSON.stringify(options)}: ${largest} of ${full}`);
    }
  }
});

Deno.test("axes that are not there are refused", async () => {
  const refused = async (
    options: Record<string, unknown>,
    type: typeof ArgumentError | typeof AxisError,
    message: string,
  ): Promise<void> => {
    await assertRejects(() => empiricalNtk(network, params, x1, x2, options), type, message);
  };
  await refused({ traceAxes: 3 }, AxisError, "traceAxes, axes of one example's output: axis 3");
  await refused({ diagonalAxes: [-4] }, AxisError, "diagonalAxes, axes of one example's output");
  await refused({ traceAxes: [0, -3] }, AxisError, "name an axis twice");
  await refused(
    { traceAxes: [0, 1], diagonalAxes: 1 },
    ArgumentError,
    "axes [1] of the output are in traceAxes and in diagonalAxes",
  );
  await refused({ traceAxes: "0" }, ArgumentError, "traceAxes must be an axis or an array");
  await refused({ diagonalAxes: [0.5] }, ArgumentError, "diagonalAxes must be an axis or an array");
  await refused(
    { compute: "full", traceAxes: 0 },
    ArgumentError,
    "compute says it for all output axes, traceAxes axis by axis; give one of the two",
  );
  await refused({ normalize: "max" }, ArgumentError, "normalize must be sum or mean, got max");
});
