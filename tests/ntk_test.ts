/** The kernel against its definition: Jacobians of central differences in float64, multiplied in plain loops. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { empiricalNtk, type NtkReport, Tensor, tensor, treeMap } from "../mod.ts";
import { type Compute, explicitKernels } from "./helpers/explicit_kernel.ts";
import { smallNetworks, uniform } from "./helpers/small_networks.ts";

const methods = ["jacobian-contraction", "ntk-vector-products"] as const;
const computes = ["full", "trace", "diagonal"] as const;

/** Throws unless a kernel has the shape and, relative to the largest entry, the values expected. */
function assertKernel(
  kernel: Tensor,
  expected: { shape: readonly number[]; data: ArrayLike<number> },
  tolerance: number,
  what: string,
): void {
  assertEquals([...kernel.shape], [...expected.shape], what);
  const data = kernel.dataSync();
  const largest = Array.from(expected.data).reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  for (let i = 0; i < data.length; i++) {
    const difference = Math.abs(data[i] - expected.data[i]);
    assert(
      difference <= tolerance * largest,
      `${what}: element ${i} is ${data[i]}, expected ${expected.data[i]}`,
    );
  }
}

const single = <T>(tree: T): T => treeMap((x) => x.dtype === "float64" ? x.to("float32") : x, tree);

for (const [name, { f, params, x1, x2 }] of Object.entries(smallNetworks)) {
  Deno.test(`kernel of a network: ${name}`, async () => {
    const cross = explicitKernels(f, params, x1, x2);
    const own = explicitKernels(f, params, x1, x1);
    for (const method of methods) {
      for (const compute of computes) {
        const what = `${method}, ${compute}`;
        const options = { method, compute };
        const kernel = await empiricalNtk(f, params, x1, x2, options);
        assertEquals(kernel.dtype, "float64", what);
        assertKernel(kernel, cross[compute], 1e-9, what);
        for (const missing of [undefined, null]) {
          const symmetric = await empiricalNtk(f, params, x1, missing, options);
          assertKernel(symmetric, own[compute], 1e-9, `${what}, x2 ${missing}`);
        }
      }
    }
  });
}
