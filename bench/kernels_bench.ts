/**
 * The tutorial's kernels by both methods: full, trace, diagonal.
 *
 * Run with: deno task bench --filter tutorial
 */

import { empiricalNtk, type NtkCompute, type NtkMethod, realize } from "../mod.ts";
import { makeProblem } from "./ntk_problems.ts";

const { f, params, x1, x2 } = makeProblem("tutorial");
await realize({ params, x1, x2 });
const methods: readonly NtkMethod[] = ["jacobian-contraction", "ntk-vector-products"];
const computes: readonly NtkCompute[] = ["full", "trace", "diagonal"];

for (const compute of computes) {
  for (const method of methods) {
    Deno.bench(
      {
        name: `tutorial, ${compute}: ${method}`,
        group: `tutorial, ${compute}`,
        baseline: method === methods[0],
        n: 5,
        warmup: 1,
      },
      async () => {
        (await empiricalNtk(f, params, x1, x2, { method, compute })).dispose();
      },
    );
  }
}
