/** The golden networks as PyTorch's two exporters write them: outputs and kernels are those of PyTorch in float64. */
import { assert, assertEquals } from "@std/assert";
import { empiricalNtk, vmap } from "../mod.ts";
import { loadOnnx } from "../lib/onnx/mod.ts";
import { assertNear, goldenNames, loadGolden } from "./helpers/golden.ts";

const files = { classic: "model.onnx", "torch.export": "model-torch-export.onnx" } as const;

const methods = ["jacobian-contraction", "ntk-vector-products", "structured-derivatives"] as const;

const urlOf = (name: string, file: string): URL =>
  new URL(`./golden/${name}/${file}`, import.meta.url);

const meta = async (name: string): Promise<{ parameters: string[]; parameterCount: number }> =>
  JSON.parse(await Deno.readTextFile(urlOf(name, "meta.json")));

for (const name of goldenNames) {
  for (const [exporter, file] of Object.entries(files)) {
    Deno.test(`${name} by ${exporter}: parameters, by default`, async () => {
      const { params, stored } = await loadOnnx(urlOf(name, file));
      const { parameters, parameterCount } = await meta(name);
      assertEquals(Object.keys(params).sort(), [...parameters].sort());
      assertEquals(Object.values(params).reduce((n, x) => n + x.size, 0), parameterCount);
      assertEquals(
        stored.filter(({ parameter }) => parameter).map((x) => x.name),
        Object.keys(params),
      );
    });

    Deno.test(`${name} by ${exporter}: outputs of one example at a time, under vmap`, async () => {
      const { fn, params } = await loadOnnx(urlOf(name, file));
      const { x1, f1 } = await loadGolden(name, "float32");
      await assertNear(vmap(fn, [null, 0])(params, x1), f1, 1e-6);
    });

    for (const method of methods) {
      Deno.test(`${name} by ${exporter}: kernel by ${method}`, async () => {
        const { fn, params } = await loadOnnx(urlOf(name, file));
        const { x1, x2, ntk } = await loadGolden(name, "float32");
        await assertNear(await empiricalNtk(fn, params, x1, x2, { method }), ntk, 1e-6);
      });
    }
  }
}

Deno.test("in float64, only constants that the exporter rounded differ from PyTorch", async () => {
  const { x1, f1 } = await loadGolden("digits-cnn", "float64");
  const { fn, params } = await loadOnnx(urlOf("digits-cnn", files.classic), { dtype: "float64" });
  assert(Object.values(params).every((x) => x.dtype === "float64"));
  // The epsilon of batch normalization is an attribute, which files hold as float32.
  await assertNear(vmap(fn, [null, 0])(params, x1), f1, 1e-11);
});
