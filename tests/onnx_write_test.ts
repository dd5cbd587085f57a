/** Functions as ONNX files: read again, and run by onnxruntime, they give what they give here. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  ArgumentError,
  einsum,
  grad,
  hessian,
  jacrev,
  jvp,
  ones,
  random,
  type Tensor,
  tensor,
  TraceError,
  treeLeaves,
  treeMap,
  vjp,
  vmap,
} from "../mod.ts";
import { Linear, ReLU, Sequential } from "../lib/nn/mod.ts";
import { flattenTree, leafPaths } from "../lib/core/tree.ts";
import { modelTable } from "../lib/onnx/messages.ts";
import { loadOnnx, toOnnx } from "../lib/onnx/mod.ts";
import { decodeMessage, WireReader } from "../lib/onnx/wire.ts";
import { goldenNames, loadGolden, relativeError, single } from "./helpers/golden.ts";
import { onnxruntime, runOnnx } from "./helpers/onnxruntime.ts";

const ort = await onnxruntime();

type Params = Record<string, Tensor>;

/** Near, or equal where there are no real numbers. */
async function assertClose(actual: Tensor, expected: Tensor, what: string): Promise<void> {
  assertEquals([actual.shape, actual.dtype], [expected.shape, expected.dtype], what);
  if (!expected.isFloat) return assertEquals(await actual.data(), await expected.data(), what);
  const error = await relativeError(actual, expected);
  assert(error <= 2e-6 || Number.isNaN(error), `${what}: error ${error}`);
}

/** Writes a function, and compares what the file gives, here and in onnxruntime, with what the function gives. */
async function check<Args extends readonly unknown[]>(
  f: (...args: Args) => unknown,
  args: Args,
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await toOnnx(f, args, { inputs: args.map((_, i) => `in${i}`), output: "out" });
  const given = Object.fromEntries(args.flatMap((arg, i) => {
    const { leaves, structure } = flattenTree(arg, "args");
    return leafPaths(structure, `in${i}`).map((name, k) => [name, leaves[k]]);
  }));
  const { leaves, structure } = flattenTree(f(...args), "result");
  const names = leafPaths(structure, "out");
  const model = await loadOnnx<unknown, unknown>(file, { exampleAxis: null, parameters: [] });
  assertEquals(model.inputs.map(({ name }) => name), Object.keys(given));
  assertEquals(model.outputs.map(({ name }) => name), names);
  const result = model.fn({}, given);
  const results = names.length === 1 ? { [names[0]]: result } : result;
  const inOrt = ort === null ? null : await runOnnx(ort, file, given);
  for (const [i, name] of names.entries()) {
    await assertClose((results as Params)[name], leaves[i], `${name}, read again`);
    if (inOrt !== null) await assertClose(inOrt[name], leaves[i], `${name} in onnxruntime`);
  }
  return file;
}

const key = random.randomKey(5);
const normal = (...shape: number[]): Tensor =>
  random.normal(random.foldIn(key, shape.length), shape);

for (const name of goldenNames) {
  Deno.test(`${name}: outputs, a vector-Jacobian and a Jacobian-vector product`, async () => {
    const { net, x1 } = await loadGolden(name, "float32");
    const params = net.namedParameters() as Params;
    const f = vmap(single(net), [null, 0]);
    await check(f, [params, x1]);
    const cotangent = normal(...f(params, x1).shape);
    await check((p: Params, x: Tensor, c: Tensor) => vjp((q: Params) => f(q, x), p)[1](c), [
      params,
      x1,
      cotangent,
    ]);
    const tangents = treeMap((w) => w.mul(0.5).add(0.1), params);
    await check(
      (p: Params, t: Params) => jvp((q: Params) => f(q, x1), [p], [t]),
      [params, tangents],
    );
  });
}

Deno.test("the tutorial's kernel of a small network, by Jacobian contraction", async () => {
  const { net, x1, x2 } = await loadGolden("digits-cnn", "float32");
  const params = net.namedParameters() as Params;
  const f = single(net);
  const kernel = (a: Tensor, b: Tensor): Tensor => {
    const [ja, jb] = [a, b].map((x) =>
      treeLeaves(vmap(jacrev((p: Params, e: Tensor) => f(p, e)), [null, 0])(params, x))
    );
    return ja.map((j, i) => einsum("naf,mbf->nmab", j.flatten(2), jb[i].flatten(2)))
      .reduce((sum, term) => sum.add(term));
  };
  const file = await check(kernel, [x1, x2]);
  const named = await toOnnx(kernel, [x1, x2], { weights: params });
  const stored = decodeMessage(new WireReader(named), modelTable).graph!.initializer
    .map((entry) => entry.name);
  for (const name of Object.keys(params)) {
    if (name !== "12.bias") assert(stored.includes(name), name);
  }
  assert(file.length > 0);
});

Deno.test("second derivatives, control flow by values beside the arguments, an argument that is not used", async () => {
  const f = (x: Tensor): Tensor => x.sin().mul(x.exp()).div(x.square().add(1)).sum();
  await check(hessian(f), [normal(5)]);
  await check((x: Tensor, _: Tensor) => grad(f)(x), [normal(4), ones([2])]);
  await check((x: Tensor) => ({ same: x, twice: [x, x.mul(2)] }), [normal(2, 3)]);
  await check(() => ones([2]), []);
});

Deno.test("random numbers, bits, sorts, gathers and sums that meet", async () => {
  await check(
    (k: Tensor) => ({
      uniform: random.uniform(k, [101]),
      normal: random.normal(k, [7, 3]),
      permutation: random.permutation(k, 17),
    }),
    [random.randomKey(11)],
  );
  const index = tensor([2, 0, 2, 5, 1], { dtype: "int32" });
  await check((x: Tensor) => grad((y: Tensor) => y.take(index).square().sum())(x), [normal(6)]);
  await check((x: Tensor) => x.argsort().add(x.argmax().mul(100)), [normal(9)]);
});

Deno.test("float64 is written as it is", async () => {
  const w = tensor([[1, 2], [3, 4]], { dtype: "float64" });
  const x = tensor([0.1, 0.2], { dtype: "float64" });
  await check((y: Tensor) => w.matmul(y).tanh().sum().exp(), [x]);
});

Deno.test("parameters that were never drawn are drawn once and stored under their names", async () => {
  const net = new Sequential(new Linear(3, 4), new ReLU(), new Linear(4, 2));
  const weights = net.namedParameters();
  const file = await toOnnx((x: Tensor) => net.forward(x), [ones([5, 3])], { weights });
  const { fn, params } = await loadOnnx(file, { exampleAxis: null });
  assertEquals(Object.keys(params).sort(), Object.keys(weights).sort());
  for (const [name, w] of Object.entries(params)) {
    await assertClose(w, weights[name] as Tensor, name);
  }
  await assertClose(fn(params, ones([5, 3])), net.forward(ones([5, 3])), "output");
});

Deno.test("what cannot be written is refused", async () => {
  const x = ones([2]);
  await assertRejects(
    () => toOnnx((y: Tensor) => y.itemSync() > 0 ? y : y.neg(), [ones([])]),
    TraceError,
    "toOnnx",
  );
  await assertRejects(() => toOnnx((y: Tensor) => y, x as never), ArgumentError, "an array");
  await assertRejects(
    () => toOnnx((a: Tensor, b: Tensor) => a.add(b), [x, x], { inputs: ["a", "a"] }),
    ArgumentError,
    'called "a"',
  );
  await assertRejects(
    () => toOnnx((a: Tensor) => a, [x], { inputs: [] }),
    ArgumentError,
    "0 names",
  );
  await assertRejects(
    () => toOnnx((a: Tensor) => a, [x], { output: "" }),
    ArgumentError,
    "no name",
  );
});
