/**
 * PyTorch's tutorial "Neural Tangent Kernels", line for line: both methods written by hand with the public transforms, in
 * all of their forms, compared by `allclose`. `empiricalNtk` does the same in one call.
 *
 * Run with: deno run examples/tutorial.ts
 *
 * @module
 */

import {
  allclose,
  einsum,
  eye,
  jacrev,
  jvp,
  random,
  stack,
  type Tensor,
  vjp,
  vmap,
} from "@tangents/ntk";
import { Conv2d, functionalCall, Linear, Module } from "@tangents/ntk/nn";

class CNN extends Module {
  conv1 = new Conv2d(3, 32, 3);
  conv2 = new Conv2d(32, 32, 3);
  conv3 = new Conv2d(32, 32, 3);
  fc = new Linear(21632, 10);

  forward(x: Tensor): Tensor {
    x = this.conv1.forward(x);
    x = x.relu();
    x = this.conv2.forward(x);
    x = x.relu();
    x = this.conv3.forward(x);
    x = x.flatten(1);
    return this.fc.forward(x);
  }
}

const xTrain = random.normal(random.randomKey(0), [20, 3, 32, 32]);
const xTest = random.normal(random.randomKey(1), [5, 3, 32, 32]);

const net = new CNN();
const params = net.namedParameters();
type Params = typeof params;
type Network = (params: Params, x: Tensor) => Tensor;

const fnetSingle: Network = (params, x) => functionalCall(net, params, x.unsqueeze(0)).squeeze(0);

type Compute = "full" | "trace" | "diagonal";

// Method 1: Jacobian contraction.
function empiricalNtkJacobianContraction(
  fnetSingle: Network,
  params: Params,
  x1: Tensor,
  x2: Tensor,
  compute: Compute = "full",
): Tensor {
  const jac1 = Object.values(vmap(jacrev(fnetSingle), [null, 0])(params, x1))
    .map((j) => j.flatten(2));
  const jac2 = Object.values(vmap(jacrev(fnetSingle), [null, 0])(params, x2))
    .map((j) => j.flatten(2));
  const expression = { full: "Naf,Mbf->NMab", trace: "Naf,Maf->NM", diagonal: "Naf,Maf->NMa" };
  return stack(jac1.map((j, i) => einsum(expression[compute], j, jac2[i]))).sum(0);
}

// Method 2: NTK-vector products.
function empiricalNtkNtkVps(
  func: Network,
  params: Params,
  x1: Tensor,
  x2: Tensor,
  compute: Compute = "full",
): Tensor {
  const getNtk = (x1: Tensor, x2: Tensor): Tensor => {
    const [output, vjpFn] = vjp((params: Params) => func(params, x1), params);
    const getNtkSlice = (vec: Tensor): Tensor => {
      const vjps = vjpFn(vec);
      const [, jvps] = jvp((params: Params) => func(params, x2), [params], vjps);
      return jvps;
    };
    const basis = eye(output.size, output.size, { dtype: output.dtype });
    return vmap(getNtkSlice)(basis);
  };
  const result = vmap(vmap(getNtk, [null, 0]), [0, null])(x1, x2);
  const expression = { full: "NMKL->NMKL", trace: "NMKK->NM", diagonal: "NMKK->NMK" };
  return einsum(expression[compute], result);
}

for (const compute of ["full", "trace", "diagonal"] as const) {
  const fromJacobians = empiricalNtkJacobianContraction(fnetSingle, params, xTrain, xTest, compute);
  const fromProducts = empiricalNtkNtkVps(fnetSingle, params, xTrain, xTest, compute);
  const close = await allclose(fromJacobians, fromProducts, { rtol: 1e-4, atol: 1e-4 });
  console.log(compute, fromJacobians.shape, close ? "allclose" : "the methods differ");
  if (!close) Deno.exit(1);
}
