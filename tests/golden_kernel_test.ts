/**
 * The neural tangent kernels of the golden networks by the functions of the PyTorch tutorial, written by hand with the
 * public transforms, and by `empiricalNtk`, against PyTorch's in float64.
 */
import { methodNames } from "../lib/ntk/methods.ts";
import { einsum, empiricalNtk, eye, jacrev, jvp, type Tensor, vjp, vmap } from "../mod.ts";
import { assertNear, goldenNames, loadGolden, single } from "./helpers/golden.ts";

type Params = Record<string, Tensor>;

const tolerances = { float64: 1e-12, float32: 1e-6 } as const;

type Single = ReturnType<typeof single>;

function kernelByContraction(f: Single, params: Params, x1: Tensor, x2: Tensor): Tensor {
  const [jac1, jac2] = [x1, x2].map((x) =>
    Object.values(vmap(jacrev(f), [null, 0])(params, x)).map((j) => j.flatten(2))
  );
  return jac1
    .map((j, i) => einsum("Naf,Mbf->NMab", j, jac2[i]))
    .reduce((sum, term) => sum.add(term));
}

function kernelByProducts(f: Single, params: Params, x1: Tensor, x2: Tensor): Tensor {
  const entry = (a: Tensor, b: Tensor): Tensor => {
    const ofParams = (x: Tensor) => (p: Params): Tensor => f(p, x);
    const [output, pull] = vjp(ofParams(a), params);
    const product = (cotangent: Tensor): Tensor => {
      const [tangent] = pull(cotangent);
      return jvp(ofParams(b), [params], [tangent])[1];
    };
    return vmap(product)(eye(output.size, output.size, { dtype: output.dtype }));
  };
  return vmap((a: Tensor) => vmap((b: Tensor) => entry(a, b))(x2))(x1);
}

const methods = {
  "Jacobian contraction": kernelByContraction,
  "NTK-vector products": kernelByProducts,
};

for (const name of goldenNames) {
  for (const dtype of ["float64", "float32"] as const) {
    for (const [method, kernel] of Object.entries(methods)) {
      Deno.test(`${name}: ${method} in ${dtype}`, async () => {
        const { net, x1, x2, ntk } = await loadGolden(name, dtype);
        const result = kernel(single(net), net.namedParameters(), x1, x2);
        await assertNear(result, ntk, tolerances[dtype]);
      });
    }
  }
}

for (const name of goldenNames) {
  for (const dtype of ["float64", "float32"] as const) {
    for (const method of methodNames) {
      Deno.test(`${name}: empiricalNtk by ${method} in ${dtype}`, async () => {
        const { net, x1, x2, ntk } = await loadGolden(name, dtype);
        const kernel = await empiricalNtk(single(net), net.namedParameters(), x1, x2, { method });
        await assertNear(kernel, ntk, tolerances[dtype]);
      });
    }
  }
}
