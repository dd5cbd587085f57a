/** Re-association: networks of contractions and identities keep their value and cost less. */

import { assert, assertEquals } from "@std/assert";
import { range, sizeOf } from "../lib/base/shape.ts";
import { reassociate } from "../lib/compiler/contractions.ts";
import { lower } from "../lib/compiler/lower.ts";
import { countLowered, countOperations, printProgram } from "../lib/compiler/print.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { differs, firstDifference, runReference } from "./helpers/compare_compiled.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { uniform } from "./helpers/conformance_data.ts";

/** The identity as `eye` builds it. */
function eye(b: ProgramBuilder, n: number, dtype: "float32" | "float64"): number {
  const index = (axis: number) => b.add("iota", { shape: [n, n], dtype: "int32", axis });
  return b.add("cast", { dtype }, b.add("equal", {}, index(0), index(1)));
}

/** A random tree of contractions, products, sums, identities and shape operations. */
function randomNetwork(
  seed: number,
): { program: ReturnType<ProgramBuilder["build"]>; inputs: Float64Array[] } {
  const random = uniform(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const b = new ProgramBuilder();
  const inputs: Float64Array[] = [];
  const input = (shape: readonly number[]): number => {
    inputs.push(Float64Array.from({ length: sizeOf(shape) }, () => pick(5) - 2));
    return b.input(shape, "float64");
  };
  const sizes = [1, 2, 3, 4, 6];
  const leaf = (): number => {
    if (random() < 0.35) return eye(b, sizes[1 + pick(4)], "float64");
    return input(range(1 + pick(3)).map(() => sizes[pick(5)]));
  };
  const made: number[] = [leaf(), leaf()];
  for (let i = 0; i < 3 + pick(8); i++) {
    const x = random() < 0.8 ? made[made.length - 1] : made[pick(made.length)];
    const { shape } = b.type(x);
    const total = sizeOf(shape);
    switch (pick(6)) {
      case 0:
      case 1: {
        // Contract one or two axes with an operand made to fit.
        const axes = range(shape.length).filter(() => random() < 0.5).slice(0, 2);
        const fitting = axes.length === 1 && random() < 0.5 && shape[axes[0]] > 1
          ? eye(b, shape[axes[0]], "float64")
          : input([...axes.map((a) => shape[a]), ...(random() < 0.6 ? [sizes[pick(5)]] : [])]);
        const batched = axes.length > 0 && random() < 0.3;
        made.push(b.add(
          "dotGeneral",
          {
            lhsBatch: batched ? [axes[0]] : [],
            rhsBatch: batched ? [0] : [],
            lhsContract: batched ? axes.slice(1) : axes,
            rhsContract: range(axes.length).slice(batched ? 1 : 0),
          },
          x,
          fitting,
        ));
        break;
      }
      case 2:
        made.push(b.add("permute", { permutation: range(shape.length).reverse() }, x));
        break;
      case 3: {
        const next = random() < 0.5
          ? [total]
          : shape.flatMap((n) => n === 6 ? [2, 3] : n === 4 ? [2, 2] : [n, 1]);
        made.push(b.add("reshape", { shape: next }, x));
        break;
      }
      case 4: {
        const narrow = shape.map((n) => random() < 0.5 ? 1 : n);
        made.push(b.add("mul", {}, x, b.add("broadcast", { shape }, input(narrow))));
        break;
      }
      default:
        made.push(
          random() < 0.6
            ? b.add("reduceSum", { axes: range(shape.length).filter(() => random() < 0.4) }, x)
            : b.add("neg", {}, x),
        );
    }
    const last = b.type(made[made.length - 1]).shape;
    if (sizeOf(last) > 3000 || last.length > 8) made.pop();
  }
  const outputs = [made[made.length - 1], ...made.filter(() => random() < 0.15)];
  return { program: b.build(...outputs), inputs };
}

Deno.test("every order of a random network gives what the reference backend gives", () => {
  const failures: string[] = [];
  let reordered = 0;
  for (let seed = 0; seed < 1500; seed++) {
    const { program, inputs } = randomNetwork(seed);
    const expected = runReference(program, inputs);
    const forced = reassociate(program, {}, Infinity);
    if (printProgram(forced) !== printProgram(program)) reordered++;
    const difference = firstDifference(expected, runReference(forced, inputs)) ??
      differs(expected, lower(simplify(program)), inputs);
    if (difference !== null) failures.push(`seed ${seed}: ${difference}`);
  }
  assertEquals(failures, []);
  assert(reordered > 500, `only ${reordered} programs had a network`);
});

Deno.test("the last layer's Jacobians are never built: the kernel is a small product times the identity", () => {
  const [n, m, o, p] = [20, 5, 10, 21632];
  const b = new ProgramBuilder();
  const none = { lhsBatch: [], rhsBatch: [], lhsContract: [], rhsContract: [] };
  // J[n, o, a·p] = δ[o, a]·h[n, p], as vmap(jacrev) of a Linear layer gives it.
  const jacobian = (h: number, count: number): number => {
    const outer = b.add("dotGeneral", none, eye(b, o, "float32"), h);
    const moved = b.add("permute", { permutation: [2, 0, 1, 3] }, outer);
    return b.add("reshape", { shape: [count, o, o * p] }, moved);
  };
  const kernel = b.add(
    "dotGeneral",
    { ...none, lhsContract: [2], rhsContract: [2] },
    jacobian(b.input([n, p], "float32"), n),
    jacobian(b.input([m, p], "float32"), m),
  );
  const program = b.build(b.add("permute", { permutation: [0, 2, 1, 3] }, kernel));
  assertEquals(countOperations(program).contractions > 4.3e9, true);
  const lowered = lower(simplify(program));
  const count = countLowered(lowered);
  assertEquals(count.contractions, 2 * n * m * p);
  assertEquals(lowered.kernels.length, 2);
  assert(lowered.arenaBytes < 1024);
});

Deno.test("per-sample filter gradients are contracted in the cheapest order", () => {
  // g[n, w, d] and patches x[n, k, d]: with few positions the Gram order wins, with many the Jacobian order.
  const flops = (d: number, k: number): number => {
    const b = new ProgramBuilder();
    const [n, w] = [8, 16];
    const jacobian = (): number =>
      b.add(
        "dotGeneral",
        {
          lhsBatch: [0],
          rhsBatch: [0],
          lhsContract: [2],
          rhsContract: [2],
        },
        b.input([n, w, d], "float32"),
        b.input([n, k, d], "float32"),
      );
    const both = b.add(
      "dotGeneral",
      {
        lhsBatch: [],
        rhsBatch: [],
        lhsContract: [1, 2],
        rhsContract: [1, 2],
      },
      jacobian(),
      jacobian(),
    );
    const program = b.build(both);
    return countOperations(simplify(program)).contractions / countOperations(program).contractions;
  };
  assertEquals(flops(400, 9), 1);
  assert(flops(2, 4000) < 0.25);
});

Deno.test("a product of broadcasts that is summed is a matrix product", () => {
  const b = new ProgramBuilder();
  const wide = (shape: number[]) =>
    b.add("broadcast", { shape: [40, 50, 60] }, b.input(shape, "float32"));
  const product = b.add("mul", {}, wide([40, 1, 60]), wide([1, 50, 60]));
  const lowered = lower(simplify(b.build(b.add("reduceSum", { axes: [2] }, product))));
  assertEquals(lowered.kernels.map((k) => k.kind), ["contract"]);
});

Deno.test("the trace of a product with identities counts their size", () => {
  const b = new ProgramBuilder();
  const h = b.input([7], "float64");
  const outer = () =>
    b.add(
      "dotGeneral",
      { lhsBatch: [], rhsBatch: [], lhsContract: [], rhsContract: [] },
      eye(b, 5, "float64"),
      h,
    );
  const trace = b.add(
    "dotGeneral",
    { lhsBatch: [], rhsBatch: [], lhsContract: [0, 1, 2], rhsContract: [0, 1, 2] },
    outer(),
    outer(),
  );
  const program = b.build(trace);
  const inputs = [Float64Array.of(1, 2, 3, 4, 5, 6, 7)];
  const simplified = simplify(program);
  assertEquals(simplified.nodes.some((node) => node.primitive === "iota"), false);
  assertEquals(Array.from(runReference(simplified, inputs)[0]), [5 * 140]);
});
