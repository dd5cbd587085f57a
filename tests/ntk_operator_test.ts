/** Products with the kernel, expanded networks, and the check that examples do not interact. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ArgumentError,
  concat,
  DTypeError,
  einsum,
  empiricalNtk,
  ExamplesInteractError,
  type IndependenceOptions,
  linearizeNetwork,
  ntkVectorProduct,
  ones,
  ShapeError,
  taylorExpand,
  type Tensor,
  tensor,
  TreeError,
  verifyIndependence,
  vmap,
  zeros,
} from "../mod.ts";
import { buildProgram } from "../lib/compiler/build.ts";
import { countOperations } from "../lib/compiler/print.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { BatchNorm1d, functionalCall, Linear, ReLU, Sequential } from "../lib/nn/mod.ts";
import { assertNear, goldenNames, loadGolden } from "./helpers/golden.ts";
import { network, neuralTangents } from "./helpers/neural_tangents.ts";
import { smallNetworks, uniform } from "./helpers/small_networks.ts";

const { params, x1, x2, moved } = neuralTangents;

type Params = Record<string, Tensor>;

Deno.test("a product with the kernel as neural-tangents", async () => {
  const product = ntkVectorProduct(network, params, x1, x2);
  await assertNear(product(neuralTangents.vector), neuralTangents.product, 1e-14);
});

Deno.test("products with the golden kernels", async () => {
  for (const name of goldenNames) {
    const { net, x1, x2, ntk } = await loadGolden(name, "float64");
    const f = (p: Params, x: Tensor): Tensor => functionalCall(net, p, x.unsqueeze(0)).squeeze(0);
    const [, m, o] = ntk.shape;
    const v = uniform(m, o);
    const product = ntkVectorProduct(f, net.namedParameters(), x1, x2)(v);
    await assertNear(product, einsum("nmab,mb->na", ntk, v), 1e-12);
  }
});

Deno.test("products with the kernel of chosen parameters, of trees, of examples with themselves", async () => {
  const { f, params, x1, x2 } = smallNetworks["examples as a tree of two tensors"];
  const v = uniform(2, 2);
  const kernel = await empiricalNtk(f, params, x1, x2, { parameters: ["v"] });
  const product = ntkVectorProduct(f, params, x1, x2, { parameters: ["v"] });
  await assertNear(product(v), einsum("nmab,mb->na", kernel, v), 1e-14);
  const own = ntkVectorProduct(f, params, x1)(uniform(3, 2));
  assertEquals(own.shape, [3, 2]);
  // Two outputs: the blocks between them are part of the kernel.
  const both = (p: unknown, x: unknown): { y: Tensor; z: [Tensor] } => {
    const y = f(p, x);
    return { y, z: [y.sum().exp()] };
  };
  const blocks = await empiricalNtk(both, params, x1, x2, { crossOutputs: true });
  const pair = { y: v, z: [uniform(2)] as [Tensor] };
  const { y, z: [z] } = ntkVectorProduct(both, params, x1, x2)(pair);
  const [toY, toZ] = [blocks.y, blocks.z[0]];
  await assertNear(
    y,
    einsum("nmab,mb->na", toY.y, v).add(einsum("nma,m->na", toY.z[0], pair.z[0])),
    1e-14,
  );
  await assertNear(
    z,
    einsum("nmb,mb->n", toZ.y, v).add(einsum("nm,m->n", toZ.z[0], pair.z[0])),
    1e-14,
  );
});

Deno.test("a product costs as much as one derivative each way, not as the kernel", () => {
  const f = ({ w, v }: { w: Tensor; v: Tensor }, x: Tensor): Tensor => v.matmul(w.matmul(x).tanh());
  const params = { w: uniform(32, 16), v: uniform(8, 32) };
  const x = uniform(64, 16);
  const product = ntkVectorProduct(f, params, x)(uniform(64, 8));
  const { contractions } = countOperations(simplify(buildProgram([product]).program));
  // One pass through the network is 64·(32·16 + 8·32) multiply-adds; forward, back and forward again take at most seven.
  const pass = 2 * 64 * (32 * 16 + 8 * 32);
  assert(contractions <= 7 * pass, `${contractions / pass} passes`);
});

Deno.test("ntkVectorProduct refuses what does not fit", () => {
  const product = ntkVectorProduct(network, params, x1, x2);
  assertThrows(
    () => product(zeros([2, 2, 3, 2], { dtype: "float64" })),
    ShapeError,
    "ntkVectorProduct: vector, like the outputs for x2: expected shape [3, 2, 3, 2], got [2, 2, 3, 2]",
  );
  assertThrows(() => product(zeros([3, 2, 3, 2])), DTypeError, "ntkVectorProduct: vector");
  assertThrows(() => product([x1] as never), TreeError, "ntkVectorProduct: vector");
  assertThrows(
    () => ntkVectorProduct(network, params, x1, uniform(2, 3)),
    ShapeError,
    "ntkVectorProduct: an example of x1",
  );
  assertThrows(
    () => ntkVectorProduct(network, params, x1, x2, { parameters: ["q"] }),
    ArgumentError,
    "ntkVectorProduct: no parameters named q",
  );
  const call = ntkVectorProduct as (...args: unknown[]) => unknown;
  assertThrows(
    () => call(network, params, x1, x2, { method: "auto" }),
    ArgumentError,
    "ntkVectorProduct: no option is called method; there are parameters",
  );
  assertThrows(
    () => call(network, params, x1, { parameters: ["q"] }),
    ArgumentError,
    "ntkVectorProduct: the fourth argument is x2, and options were given",
  );
});

const batched = (p: typeof params, x: Tensor): Tensor => vmap(network, [null, 0])(p, x);

Deno.test("Taylor expansions as neural-tangents", async () => {
  for (const [degree, expected] of neuralTangents.expansions.entries()) {
    await assertNear(taylorExpand(batched, params, degree)(moved, x1), expected, 1e-14);
  }
  await assertNear(linearizeNetwork(batched, params)(moved, x1), neuralTangents.linearized, 1e-14);
});

Deno.test("the kernel of a linearized network is that of the network, wherever it is taken", async () => {
  const kernel = await empiricalNtk(network, params, x1, x2);
  const linear = linearizeNetwork(network, params);
  await assertNear(await empiricalNtk(linear, moved, x1, x2), kernel, 1e-13);
  // To second order it moves: at the point of expansion it is the network's.
  const quadratic = taylorExpand(network, params, 2);
  await assertNear(await empiricalNtk(quadratic, params, x1, x2), kernel, 1e-13);
});

Deno.test("expansions of trees, with integers among the parameters", async () => {
  const { f, params, x1 } = smallNetworks["integers among the parameters"];
  const p = params as { order: Tensor; w: Tensor };
  const tree = (q: typeof p, x: unknown): { y: Tensor } => ({ y: vmap(f, [null, 0])(q, x) });
  const at = await taylorExpand(tree, p, 3)(p, x1).y.data();
  assertEquals(at, await tree(p, x1).y.data());
});

Deno.test("expansions refuse what does not fit", () => {
  const message = "taylorExpand: degree: expected an integer ≥ 0, got -1";
  assertThrows(() => taylorExpand(network, params, -1), ArgumentError, message);
  assertThrows(() => taylorExpand(network, params, 0.5), ArgumentError);
  const expand = taylorExpand(batched, params, 1);
  assertThrows(
    () => expand({ ...params, w: zeros([2]) }, x1),
    ShapeError,
    "taylorExpand: parameters of the expansion: expected shape [4, 3], got [2]",
  );
  assertThrows(
    () => linearizeNetwork(batched, params)({ w: params.w } as never, x1),
    TreeError,
    "linearizeNetwork: parameters of the expansion: expected a tree",
  );
});

Deno.test("the golden networks treat examples one by one", async () => {
  for (const name of goldenNames) {
    const { net, x1 } = await loadGolden(name, "float32");
    const f = (p: Params, x: Tensor): Tensor => functionalCall(net, p, x);
    const error = await verifyIndependence(f, net.namedParameters(), x1);
    assert(error < 1e-5, `${name}: ${error}`);
  }
});

Deno.test("networks that mix examples are found", async () => {
  const net = new Sequential(new Linear(3, 4), new BatchNorm1d(4), new ReLU(), new Linear(4, 2));
  const x = uniform(6, 3).to("float32");
  const f = (p: Params, x: Tensor): Tensor => functionalCall(net, p, x);
  const error = await assertRejects(
    () => verifyIndependence(f, net.namedParameters(), x),
    ExamplesInteractError,
    "the network mixes examples, as BatchNorm does in training mode",
  ) as ExamplesInteractError;
  assert(error.largestDifference > 0.01 && error.example < 6);
  net.eval();
  assert(await verifyIndependence(f, net.namedParameters(), x) < 1e-6);
  const mixing: Record<string, (w: Tensor, x: Tensor) => Tensor> = {
    "a mean over the batch": (w, x) => x.sub(x.mean(0)).mul(w),
    "a sum over the batch": (w, x) => x.mul(w).add(x.sum(0).mul(1e-3)),
    "the neighbour": (w, x) => x.add(concat([x.slice([1, null]), x.slice([0, 1])], 0)).mul(w),
    "a place in the batch": (w, x) => x.mul(w).add(ones(x.shape).cumsum(0)),
  };
  for (const [name, f] of Object.entries(mixing)) {
    await assertRejects(
      () => verifyIndependence(f, uniform(3).to("float32"), x),
      ExamplesInteractError,
      "another in the batch than beside itself alone",
      name,
    );
  }
});

Deno.test("independence of trees, and what is refused", async () => {
  const f = (w: Tensor, { a, b }: { a: Tensor; b: Tensor }): Tensor[] => [a.mul(w), b.add(w)];
  const x = { a: uniform(3, 2), b: uniform(3, 2) };
  assertEquals(await verifyIndependence(f, uniform(2), x), 0);
  const mixed = (w: Tensor, { a, b }: typeof x): Tensor[] => [a.mul(w), b.add(a.sum(0))];
  await assertRejects(() => verifyIndependence(mixed, uniform(2), x), ExamplesInteractError);
  assert(await verifyIndependence(mixed, uniform(2), x, { tolerance: 10 }) > 0);
  await assertRejects(
    () => verifyIndependence(f, uniform(2), x, { tolerance: -1 }),
    ArgumentError,
    "tolerance must be a number of at least 0, got -1",
  );
  await assertRejects(
    () => verifyIndependence((w: Tensor, x: Tensor) => x.mul(w).sum(), uniform(2), uniform(3, 2)),
    ShapeError,
    "expected results for 3 examples along the first axis, got shape []",
  );
  await assertRejects(
    () => verifyIndependence(f, uniform(2), { a: uniform(3, 2), b: uniform(2, 2) }),
    ShapeError,
    "verifyIndependence: x: examples stand along the first axis",
  );
  await assertRejects(
    () => verifyIndependence(f, uniform(2), x, { tolerances: 1 } as IndependenceOptions),
    ArgumentError,
    "verifyIndependence: no option is called tolerances; there are tolerance",
  );
});

Deno.test("NaN and infinities of one example are seen where they reach another", async () => {
  const w = uniform(2);
  for (const value of [NaN, Infinity]) {
    const x = tensor([[1, 2], [value, 3], [4, 5]]).to("float64");
    assertEquals(await verifyIndependence((w: Tensor, x: Tensor) => x.mul(w), w, x), 0);
    await assertRejects(
      () => verifyIndependence((w: Tensor, x: Tensor) => x.sub(x.mean(0)).mul(w), w, x),
      ExamplesInteractError,
    );
  }
});
