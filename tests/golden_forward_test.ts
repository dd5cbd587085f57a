/** The golden networks, defined here and loaded from PyTorch's parameters, give PyTorch's outputs. */
import { functionalCall } from "../lib/nn/mod.ts";
import { vmap } from "../mod.ts";
import { assertNear, goldenNames, loadGolden } from "./helpers/golden.ts";

const tolerances = { float64: 1e-12, float32: 1e-6 } as const;

for (const name of goldenNames) {
  for (const dtype of ["float64", "float32"] as const) {
    Deno.test(`${name}: outputs in ${dtype}`, async () => {
      const { net, x1, f1 } = await loadGolden(name, dtype);
      await assertNear(net.forward(x1), f1, tolerances[dtype]);
    });
  }

  Deno.test(`${name}: outputs of one example at a time, under vmap`, async () => {
    const { net, x1, f1 } = await loadGolden(name, "float64");
    const params = net.namedParameters();
    const single = (p: typeof params, x: typeof x1) =>
      functionalCall(net, p, x.unsqueeze(0)).squeeze(0);
    await assertNear(vmap(single, [null, 0])(params, x1), f1, tolerances.float64);
  });
}
