/** Saving: new weights in the file, and every other byte as it was. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ArgumentError, DTypeError, ShapeError, type Tensor, tensor, treeMap } from "../mod.ts";
import { encodeNumber } from "../lib/onnx/encode.ts";
import { loadOnnx, OnnxError, saveOnnx } from "../lib/onnx/mod.ts";
import { type ModelMessage, modelTable, type TensorMessage } from "../lib/onnx/messages.ts";
import { smallToNumber } from "../lib/onnx/small_floats.ts";
import { decodeTensor } from "../lib/onnx/tensors.ts";
import { decodeMessage, type Draft, encodeMessage, WireReader } from "../lib/onnx/wire.ts";
import { goldenNames } from "./helpers/golden.ts";

const golden = (name: string, file = "model.onnx"): URL =>
  new URL(`./golden/${name}/${file}`, import.meta.url);
const data = (name: string): URL => new URL(`./data/onnx/${name}`, import.meta.url);

/** Weights that differ from the given ones in every element. */
const moved = (params: Record<string, Tensor>): Record<string, Tensor> =>
  treeMap((w) => w.mul(0.5).add(0.25), params);

async function assertSame(
  actual: Record<string, Tensor>,
  expected: Record<string, Tensor>,
): Promise<void> {
  assertEquals(Object.keys(actual), Object.keys(expected));
  for (const [name, w] of Object.entries(actual)) {
    assertEquals(await w.data(), await expected[name].data(), name);
  }
}

/** The file with the raw bytes of its tensors made 0. */
function withoutWeights(bytes: Uint8Array<ArrayBuffer>, names: readonly string[]): Uint8Array {
  const result = bytes.slice();
  const { graph } = decodeMessage(new WireReader(result), modelTable);
  for (const { name, rawData } of graph!.initializer) {
    if (names.includes(name)) rawData!.fill(0);
  }
  return result;
}

for (const name of goldenNames) {
  for (const file of ["model.onnx", "model-torch-export.onnx"]) {
    Deno.test(`${name}/${file}: saved as it is, and with other weights`, async () => {
      const bytes = await Deno.readFile(golden(name, file));
      const model = await loadOnnx(golden(name, file));
      assertEquals(await saveOnnx(model, model.params), bytes);
      const params = moved(model.params);
      const saved = await saveOnnx(model, params);
      const names = Object.keys(params);
      assertEquals(withoutWeights(saved, names), withoutWeights(bytes, names));
      await assertSame((await loadOnnx(saved)).params, params);
      const back = await saveOnnx(await loadOnnx(saved), model.params);
      assertEquals(back, bytes);
    });
  }
}

Deno.test("what was computed in float64 is rounded to what the file stores", async () => {
  const url = golden("digits-cnn");
  const model = await loadOnnx(url, { dtype: "float64" });
  assertEquals(await saveOnnx(model, model.params), await Deno.readFile(url));
  const saved = await loadOnnx(await saveOnnx(model, moved(model.params)));
  await assertSame(saved.params, treeMap((w) => w.to("float32"), moved(model.params)));
});

const float = 1;
const valueInfo = (name: string, shape: number[]) => ({
  name,
  type: {
    tensorType: { elemType: float, shape: { dim: shape.map((dimValue) => ({ dimValue })) } },
  },
});

/** A model whose output is a stored tensor, cast to float, times its input. */
function scaling(
  stored: Draft<TensorMessage>,
  how: "initializer" | "constant" = "initializer",
): Uint8Array<ArrayBuffer> {
  const type = { name: "to", i: float, type: 2 };
  const constant = {
    opType: "Constant",
    output: ["w"],
    attribute: [{ name: "value", t: stored, type: 4 }],
  };
  const model: Draft<ModelMessage> = {
    irVersion: 10,
    producerName: "a test",
    graph: {
      node: [
        ...(how === "constant" ? [constant] : []),
        { input: ["w"], output: ["v"], opType: "Cast", attribute: [type] },
        { input: ["x", "v"], output: ["y"], opType: "Mul" },
      ],
      name: "scaling",
      initializer: how === "constant" ? [] : [{ ...stored, name: "w" }],
      input: [valueInfo("x", [1, 3])],
      output: [valueInfo("y", [1, 3])],
    },
    opsetImport: [{ domain: "", version: 21 }],
  };
  return encodeMessage(model, modelTable);
}

const bytesOf = (array: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** [1.5, −2, 0.25] in every encoding, and the same with 3, −0.5, 0 in place of it. */
const encodings: Readonly<Record<string, readonly Draft<TensorMessage>[]>> = {
  "float32, raw": [[1.5, -2, 0.25], [3, -0.5, 0]].map((values) => ({
    dataType: 1,
    rawData: bytesOf(Float32Array.from(values)),
  })),
  "float32, field": [
    { dataType: 1, floatData: [1.5, -2, 0.25] },
    { dataType: 1, floatData: [3, -0.5, 0] },
  ],
  "float64, raw": [[1.5, -2, 0.25], [3, -0.5, 0]].map((values) => ({
    dataType: 11,
    rawData: bytesOf(Float64Array.from(values)),
  })),
  "float64, field": [
    { dataType: 11, doubleData: [1.5, -2, 0.25] },
    { dataType: 11, doubleData: [3, -0.5, 0] },
  ],
  "float16, raw": [
    { dataType: 10, rawData: bytesOf(Uint16Array.of(0x3e00, 0xc000, 0x3400)) },
    { dataType: 10, rawData: bytesOf(Uint16Array.of(0x4200, 0xb800, 0)) },
  ],
  "float16, field": [
    { dataType: 10, int32Data: [0x3e00, 0xc000, 0x3400] },
    { dataType: 10, int32Data: [0x4200, 0xb800, 0] },
  ],
  "bfloat16, raw": [
    { dataType: 16, rawData: bytesOf(Uint16Array.of(0x3fc0, 0xc000, 0x3e80)) },
    { dataType: 16, rawData: bytesOf(Uint16Array.of(0x4040, 0xbf00, 0)) },
  ],
  "bfloat16, field": [
    { dataType: 16, int32Data: [0x3fc0, 0xc000, 0x3e80] },
    { dataType: 16, int32Data: [0x4040, 0xbf00, 0] },
  ],
  "float8e4m3fn, field": [
    { dataType: 17, int32Data: [0x3c, 0xc0, 0x28] },
    { dataType: 17, int32Data: [0x44, 0xb0, 0] },
  ],
};

for (const [name, [before, after]] of Object.entries(encodings)) {
  for (const how of ["initializer", "constant"] as const) {
    Deno.test(`${name}, ${how}: new values in the encoding of the old ones`, async () => {
      const bytes = scaling({ dims: [3], ...before }, how);
      const model = await loadOnnx(bytes, { parameters: ["w"] });
      assertEquals([...await model.params.w.data()], [1.5, -2, 0.25]);
      assertEquals(await saveOnnx(model, model.params), bytes);
      const params = { w: tensor([3, -0.5, 0]) };
      const saved = await saveOnnx(model, params);
      assertEquals(saved, scaling({ dims: [3], ...after }, how));
      assertEquals(
        [...await (await loadOnnx(saved, { parameters: ["w"] })).params.w.data()],
        [3, -0.5, 0],
      );
    });
  }
}

Deno.test("what a node writes down is no parameter unless the caller says so", async () => {
  const bytes = scaling({ dims: [3], dataType: 1, floatData: [1, 2, 3] }, "constant");
  const { params, stored } = await loadOnnx(bytes);
  assertEquals(params, {});
  assertEquals(stored.map(({ name, trainable }) => [name, trainable]), [["w", false]]);
});

Deno.test("every small float is the nearest of its type, ties to even", () => {
  const types = ["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"] as const;
  for (const type of types) {
    const values = Array.from({ length: 256 }, (_, bits) => smallToNumber(type, bits));
    values.forEach((value, bits) => {
      if (!Number.isNaN(value)) assertEquals(encodeNumber(type, value), bits, `${type} ${value}`);
    });
    const finite = values.slice(0, 128).filter(Number.isFinite);
    for (let i = 0; i + 1 < finite.length; i++) {
      const middle = (finite[i] + finite[i + 1]) / 2;
      assertEquals(encodeNumber(type, middle), i % 2 === 0 ? i : i + 1, `${type} ${middle}`);
      assertEquals(encodeNumber(type, middle * (1 + 1e-9)), i + 1);
      assertEquals(encodeNumber(type, middle * (1 - 1e-9)), i);
    }
  }
});

Deno.test("every float16 and bfloat16 comes back as its own bits", () => {
  for (const [type, dataType] of [["float16", 10], ["bfloat16", 16]] as const) {
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const message = decodeMessage(
      new WireReader(scaling({ dims: [65536], dataType, rawData: bytesOf(bits) })),
      modelTable,
    ).graph!.initializer[0];
    const { data } = decodeTensor(message, { precision: "file", external: () => bytesOf(bits) });
    const wrong = [...data].findIndex((value, i) =>
      !Number.isNaN(value) && encodeNumber(type, value) !== i
    );
    assertEquals(wrong, -1);
  }
  assertEquals(encodeNumber("float16", 65519), 0x7bff);
});

Deno.test("parameters that do not fit are named", async () => {
  const model = await loadOnnx(golden("digits-mlp"));
  const change = (changes: Record<string, unknown>): Promise<unknown> =>
    saveOnnx(model, { ...model.params, ...changes } as Record<string, Tensor>);
  const { "5.bias": bias, ...rest } = model.params;
  await assertRejects(() => saveOnnx(model, rest), ArgumentError, '"5.bias" is missing');
  await assertRejects(
    () => change({ "5.bias": bias.reshape([1, 10]) }),
    ShapeError,
    '"5.bias" has',
  );
  await assertRejects(() => change({ "5.bias": bias.to("int32") }), DTypeError, '"5.bias"');
  await assertRejects(() => change({ more: bias }), ArgumentError, "no parameters more");
  await assertRejects(() => change({ "5.bias": [1] }), ArgumentError, '"5.bias" is missing');
  const copy = { ...model };
  await assertRejects(() => saveOnnx(copy, model.params), ArgumentError, "that loadOnnx gave");
  const half = await loadOnnx(
    scaling({ dims: [3], dataType: 10, int32Data: [0, 0, 0] }),
    { parameters: ["w"] },
  );
  const error = await assertRejects(
    () => saveOnnx(half, { w: tensor([1, 70000, 2]) }),
    ArgumentError,
  );
  assertStringIncludes(error.message, '"w" is stored as float16, which does not hold 70000');
});

Deno.test("a sparse parameter keeps its places", async () => {
  const options = { inputs: [], outputs: ["sparse"], exampleAxis: null, parameters: ["sparse"] };
  const bytes = await Deno.readFile(data("encodings.onnx"));
  const model = await loadOnnx(bytes, options);
  assertEquals(await saveOnnx(model, model.params), bytes);
  const values = [[0, 4, 0], [0, 0, 5]];
  const saved = await saveOnnx(model, { sparse: tensor(values) });
  assertEquals(await (await loadOnnx(saved, options)).params.sparse.toArray(), values);
  await assertRejects(
    () => saveOnnx(model, { sparse: tensor([[1, 4, 0], [0, 0, 5]]) }),
    ArgumentError,
    "element 0 is 1",
  );
});

Deno.test("weights in another file are written beside the model", async () => {
  const root = await Deno.makeTempDir();
  const path = (name: string): string => `${root}/${name}`;
  try {
    for (const folder of ["one", "two"]) await Deno.mkdir(path(folder));
    for (const name of ["external.onnx", "external.bin"]) {
      await Deno.copyFile(data(name), path(`one/${name}`));
    }
    const bytes = await Deno.readFile(data("external.onnx"));
    const model = await loadOnnx(path("one/external.onnx"));
    const params = moved(model.params);
    await assertRejects(() => saveOnnx(model, params), OnnxError, "the option path");
    assertEquals(await saveOnnx(model, model.params), bytes);
    // A new folder, beside another model's weights, and in its own place.
    assertEquals(await saveOnnx(model, params, { path: path("two/new.onnx") }), bytes);
    await assertSame((await loadOnnx(path("two/new.onnx"))).params, params);
    await assertRejects(
      () => saveOnnx(model, params, { path: path("one/new.onnx") }),
      OnnxError,
      "a folder of its own",
    );
    await assertSame((await loadOnnx(path("one/external.onnx"))).params, model.params);
    await saveOnnx(model, params, { path: path("one/external.onnx") });
    await assertSame((await loadOnnx(path("one/external.onnx"))).params, params);
    const files = new Map<string, Uint8Array>();
    await saveOnnx(model, model.params, {
      writeExternal: (location, file) => Promise.resolve(void files.set(location, file)),
    });
    assertEquals(files.get("external.bin"), await Deno.readFile(data("external.bin")));
    await Deno.writeFile(path("one/external.onnx"), new Uint8Array(3));
    await assertRejects(() => saveOnnx(model, params), OnnxError, "load it again");
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
