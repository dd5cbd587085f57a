/**
 * The neural tangent kernels of the golden networks on WebGPU, by every method, against PyTorch's in float64; and random
 * numbers against the CPU's.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { methodNames } from "../lib/ntk/methods.ts";
import { empiricalNtk, random, setBackend, type Tensor } from "../mod.ts";
import { assertNear, goldenNames, loadGolden, single } from "./helpers/golden.ts";
import { webgpuBackend } from "./helpers/webgpu.ts";

const backend = await webgpuBackend();
const ignore = backend === null;

/** Of the largest entry. */
const tolerance = 2e-6;

for (const name of goldenNames) {
  for (const method of methodNames) {
    Deno.test({ name: `webgpu: ${name}: empiricalNtk by ${method}`, ignore }, async () => {
      const { net, x1, x2, ntk } = await loadGolden(name, "float32");
      // A software adapter computes a few of the tutorial's examples in the time that there is.
      const [n, m] = name === "tutorial-cnn" ? [4, 2] : [x1.shape[0], x2.shape[0]];
      let kernel: Tensor;
      await setBackend(backend!);
      try {
        const examples = [x1.slice([0, n]), x2.slice([0, m])] as const;
        kernel = await empiricalNtk(single(net), net.namedParameters(), ...examples, { method });
        await kernel.data();
      } finally {
        await setBackend("wasm");
      }
      assertEquals(kernel.shape.slice(0, 2), [n, m]);
      await assertNear(kernel, ntk.slice([0, n], [0, m]), tolerance);
    });
  }
}

Deno.test({ name: "webgpu: random numbers are the CPU's, bit for bit", ignore }, async () => {
  const draw = async (): Promise<Uint32Array> => {
    const data = await random.uniform(random.randomKey(7), [1000]).data();
    return new Uint32Array(data.slice().buffer);
  };
  const expected = await draw();
  await setBackend(backend!);
  try {
    const got = await draw();
    assert(new Set(got).size > 900);
    assertEquals(got, expected);
  } finally {
    await setBackend("wasm");
  }
});
