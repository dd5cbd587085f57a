/** Loading ONNX files: encodings, functions, control flow, batches, weights in other files, and files that are off. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { jacrev, type Tensor, tensor, vmap } from "../mod.ts";
import { decodeTensor } from "../lib/onnx/tensors.ts";
import { loadOnnx, OnnxError, type OnnxModel, type OnnxOptions } from "../lib/onnx/mod.ts";
import { type ModelMessage, modelTable } from "../lib/onnx/messages.ts";
import { decodeMessage, encodeMessage, WireReader } from "../lib/onnx/wire.ts";
import { assertNear } from "./helpers/golden.ts";

const folder = new URL("./data/onnx/", import.meta.url);
const expected = JSON.parse(await Deno.readTextFile(new URL("expected.json", folder)));

interface Stored {
  shape: number[];
  data: number[];
}

const toTensor = ({ data, shape }: Stored): Tensor => tensor(Float32Array.from(data), { shape });

const load = (name: string, options?: OnnxOptions): Promise<OnnxModel<unknown, unknown>> =>
  loadOnnx<unknown, unknown>(new URL(`${name}.onnx`, folder), options);

/** Compares a model's outputs, one example at a time, with onnxruntime's for the whole batch. */
async function compare(name: string, options?: OnnxOptions): Promise<void> {
  const { fn, params } = await load(name, options);
  const { inputs, outputs } = expected[name] as Record<string, Record<string, Stored>>;
  const given = Object.entries(inputs).map(([key, value]) => [key, toTensor(value)] as const);
  const x = given.length === 1 ? given[0][1] : Object.fromEntries(given);
  const result = vmap(fn as (p: typeof params, x: unknown) => unknown, [null, 0])(params, x);
  const names = Object.keys(outputs);
  for (const key of names) {
    const value = names.length === 1 ? result : (result as Record<string, Tensor>)[key];
    await assertNear(value as Tensor, toTensor(outputs[key]), 1e-6);
  }
}

Deno.test("every encoding of a tensor gives its elements", async () => {
  const bytes = await Deno.readFile(new URL("encodings.onnx", folder));
  const { graph } = decodeMessage(new WireReader(bytes), modelTable);
  const options = { precision: "file", external: () => new Uint8Array() } as const;
  const kinds = Object.entries(expected.encodings as Record<string, number[]>);
  assertEquals(kinds.length, 15);
  for (const [kind, values] of kinds) {
    for (const encoding of ["field", "raw"]) {
      const message = graph!.initializer.find(({ name }) => name === `${kind}.${encoding}`)!;
      const { data, shape } = decodeTensor(message, options);
      assertEquals([shape, [...data]], [[2, 3], values], `${kind} by ${encoding}`);
    }
  }
  const shapeOf = (name: string): readonly number[] =>
    decodeTensor(graph!.initializer.find((message) => message.name === name)!, options).shape;
  assertEquals([shapeOf("scalar"), shapeOf("empty")], [[], [0, 4]]);
});

Deno.test("a sparse tensor is the dense one", async () => {
  const { fn, params } = await load("encodings", {
    inputs: [],
    outputs: ["sparse"],
    exampleAxis: null,
    parameters: [],
  });
  assertEquals(await (fn(params, {}) as Tensor).toArray(), [[0, 1.5, 0], [0, 0, -2]]);
});

Deno.test("functions of the model are put in, with their attributes", () => compare("functions"));

Deno.test("a branch is chosen by a shape; several inputs are an object", async () => {
  await compare("condition");
  const { params } = await load("condition");
  assertEquals(Object.keys(params), ["w"]);
});

Deno.test("a batch size in the file's shapes is taken out", () => compare("batch"));

Deno.test("a batch size is taken out wherever it stands", async () => {
  await compare("attention");
  await compare("states");
});

Deno.test("weights in another file", async () => {
  await compare("external");
  const bytes = await Deno.readFile(new URL("external.onnx", folder));
  await assertRejects(() => loadOnnx(bytes), OnnxError, 'keeps weights in "external.bin"');
  const { params } = await loadOnnx(bytes, {
    readExternal: (location) => Deno.readFile(new URL(location, folder)),
  });
  assertEquals(params.w.shape, [3, 2]);
});

/** The file with one string in place of another of the same length. */
function replaced(bytes: Uint8Array, from: string, to: string): Uint8Array<ArrayBuffer> {
  const [old, fresh] = [from, to].map((text) => new TextEncoder().encode(text));
  assertEquals(old.length, fresh.length);
  const result = Uint8Array.from(bytes);
  let found = 0;
  for (let i = 0; i + old.length <= bytes.length; i++) {
    if (!old.every((byte, k) => byte === bytes[i + k])) continue;
    result.set(fresh, i);
    found++;
  }
  assert(found > 0);
  return result;
}

Deno.test("weights are read from the model's folder only", async () => {
  const bytes = await Deno.readFile(new URL("external.onnx", folder));
  const root = await Deno.makeTempDir();
  const models = `${root}/models`;
  await Deno.mkdir(models);
  await Deno.writeFile(`${root}/weights.bin`, new Uint8Array(64));
  for (const location of ["../ernal.bin", "/xternal.bin", "a/../../b.bin", "..\\ternal.bin"]) {
    const path = `${models}/model.onnx`;
    const changed = replaced(bytes, "external.bin", location.padEnd(12, "x").slice(0, 12));
    await Deno.writeFile(path, changed);
    await assertRejects(() => loadOnnx(path), OnnxError, "only files in the model's own folder");
  }
  await Deno.writeFile(`${models}/model.onnx`, bytes);
  await Deno.symlink(`${root}/weights.bin`, `${models}/external.bin`);
  await assertRejects(() => loadOnnx(`${models}/model.onnx`), OnnxError, "a link out of");
  await Deno.remove(root, { recursive: true });
});

Deno.test("parameters by name, pattern and test", async () => {
  const url = new URL("./golden/digits-cnn/model.onnx", import.meta.url);
  const names = async (parameters: OnnxOptions["parameters"]): Promise<string[]> =>
    Object.keys((await loadOnnx(url, { parameters })).params);
  assertEquals(await names(["12.bias", "1.running_mean"]), ["1.running_mean", "12.bias"]);
  assertEquals(await names(/running_var$/), ["1.running_var", "5.running_var"]);
  assertEquals(await names((name) => name.startsWith("12.")), ["12.weight", "12.bias"]);
  await assertRejects(() => loadOnnx(url, { parameters: ["nope"] }), Error, "named nope");
});

Deno.test("any value can be an input or an output", async () => {
  const url = new URL("./golden/digits-mlp/model.onnx", import.meta.url);
  const whole = await loadOnnx(url);
  const [hidden] = ["/2/Relu_output_0"];
  const head = await loadOnnx(url, { outputs: [hidden] });
  const tail = await loadOnnx(url, { inputs: [hidden] });
  assertEquals(Object.keys(head.params), ["1.weight", "1.bias"]);
  assertEquals(Object.keys(tail.params), ["3.weight", "3.bias", "5.weight", "5.bias"]);
  const x = tensor(Float32Array.from({ length: 64 }, (_, i) => i / 64), { shape: [1, 8, 8] });
  const split = tail.fn(tail.params, head.fn(head.params, x));
  assertEquals(await split.toArray(), await whole.fn(whole.params, x).toArray());
});

Deno.test("every operator that lacks is listed at once", async () => {
  const bytes = await Deno.readFile(
    new URL("./golden/transformer/model.onnx", import.meta.url),
  );
  const changed = replaced(replaced(bytes, "Softmax", "Hardmix"), "ReduceMean", "ReduceNone");
  const error = await assertRejects(() => loadOnnx(changed), OnnxError);
  assertStringIncludes(error.message, "2 nodes are not supported");
  assertStringIncludes(error.message, '"/Hardmix" (Hardmix), ai.onnx version 17: no such operator');
  assertStringIncludes(error.message, "ReduceNone");
});

Deno.test("an example of another shape or type is refused", async () => {
  const { fn, params } = await loadOnnx(
    new URL("./golden/digits-mlp/model.onnx", import.meta.url),
  );
  const call = (x: Tensor): Promise<void> => Promise.resolve().then(() => void fn(params, x));
  const zeros = (shape: number[]): Tensor =>
    tensor(new Float32Array(shape.reduce((a, b) => a * b)), { shape });
  await assertRejects(() => call(zeros([2, 1, 8, 8])), OnnxError, "without the axis of examples");
  await assertRejects(() => call(zeros([1, 8, 9])), OnnxError, "an example has shape [1, 8, 8]");
  await assertRejects(() => call(zeros([1, 8, 8]).to("int32")), OnnxError, "takes float32");
});

Deno.test("weights that a loop carries are parameters, with derivatives", async () => {
  const info = (name: string, dims: readonly number[], elemType = 1) => ({
    name,
    type: { tensorType: { elemType, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
  });
  const carried = { rawData: new Uint8Array(Float32Array.of(0.5, -1, 2, 0.25).buffer) };
  const inner = [
    { opType: "MatMul", input: ["h", "v"], output: ["p"] },
    { opType: "Tanh", input: ["p"], output: ["k"] },
    { opType: "Identity", input: ["v"], output: ["u"] },
  ];
  const states = [info("h", [1, 2]), info("v", [2, 2])];
  const results = [info("k", [1, 2]), info("u", [2, 2])];
  const loop = {
    node: [...inner, { opType: "Identity", input: ["c"], output: ["d"] }],
    input: [info("i", [], 7), info("c", [], 9), ...states],
    output: [info("d", [], 9), ...results],
  };
  const scan = {
    node: [...inner, { opType: "Identity", input: ["e"], output: ["f"] }],
    input: [...states, info("e", [])],
    output: [...results, info("f", [])],
  };
  const three = [
    { name: "n", dims: [], dataType: 7, int64Data: [3] },
    { name: "s", dims: [3], dataType: 1, floatData: [0, 0, 0] },
    { name: "w", dims: [2, 2], dataType: 1, ...carried },
  ];
  const nodes = [
    {
      opType: "Loop",
      input: ["n", "", "x", "w"],
      output: ["y", ""],
      attribute: [{ name: "body", g: loop, type: 5 }],
    },
    {
      opType: "Scan",
      input: ["x", "w", "s"],
      output: ["y", "", ""],
      attribute: [{ name: "body", g: scan, type: 5 }, { name: "num_scan_inputs", i: 1, type: 2 }],
    },
  ];
  for (const node of nodes) {
    const file = encodeMessage<ModelMessage>({
      irVersion: 10,
      graph: {
        name: "g",
        node: [node],
        initializer: three,
        input: [info("x", [1, 2])],
        output: [info("y", [1, 2])],
      },
      opsetImport: [{ domain: "", version: 21 }],
    }, modelTable);
    const { fn, params } = await loadOnnx(file);
    assertEquals(Object.keys(params), ["w"]);
    const x = tensor([1, 0.5]);
    const plain = (w: Tensor): Tensor => {
      let h = x;
      for (let i = 0; i < 3; i++) h = h.matmul(w).tanh();
      return h;
    };
    await assertNear(fn(params, x), plain(params.w), 1e-6);
    const derivative = jacrev((w: Tensor) => fn({ w }, x))(params.w);
    await assertNear(derivative, jacrev(plain)(params.w), 1e-6);
  }
});
