/** Hostile files: changed, cut, cyclic, lying, absurd, deep, or with weights elsewhere. Each loads or is refused with an `OnnxError`. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { loadOnnx, OnnxError } from "../lib/onnx/mod.ts";
import { type GraphMessage, type ModelMessage, modelTable } from "../lib/onnx/messages.ts";
import { type Draft, encodeMessage } from "../lib/onnx/wire.ts";
import { changedFile, lyingFiles, randomIntegers } from "./helpers/onnx_mutations.ts";

const read = (path: string): Promise<Uint8Array<ArrayBuffer>> =>
  Deno.readFile(new URL(path, import.meta.url));

/** Loads; anything but success or an `OnnxError` fails the test. Returns whether it loaded. */
async function survives(bytes: Uint8Array<ArrayBuffer>, what: string): Promise<boolean> {
  try {
    await loadOnnx(bytes);
    return true;
  } catch (error) {
    assert(error instanceof OnnxError, `${what}: ${error instanceof Error ? error.stack : error}`);
    assert(error.message.length > 10, what);
    return false;
  }
}

/** How many changes each file gets, 10,000 in all: the smallest get most, as they are read fastest. */
const mutations: Readonly<Record<string, readonly [classic: number, exported: number]>> = {
  "digits-cnn": [3400, 2600],
  "transformer": [1600, 1000],
  "digits-resnet": [500, 300],
  "digits-mlp": [200, 200],
  "tutorial-cnn": [100, 100],
};

for (const [name, counts] of Object.entries(mutations)) {
  Deno.test(`${name}: ${counts[0] + counts[1]} changed files load or are refused`, async () => {
    for (const [k, file] of ["model.onnx", "model-torch-export.onnx"].entries()) {
      const bytes = await read(`./golden/${name}/${file}`);
      const lying = lyingFiles(bytes);
      const pick = randomIntegers(bytes.length);
      let loaded = 0;
      for (let i = 0; i < counts[k]; i++) {
        const changed = i % 2 === 0 ? changedFile(bytes, pick) : lying(pick);
        if (await survives(changed, `${file}, change ${i}`)) loaded++;
      }
      assert(loaded > 0 && loaded < counts[k], `${loaded} of ${counts[k]} loaded`);
    }
  });
}

Deno.test("changed files with functions, branches, loops of layers and all encodings", async () => {
  for (const name of ["functions", "condition", "attention", "states", "encodings", "batch"]) {
    const bytes = await read(`./data/onnx/${name}.onnx`);
    const lying = lyingFiles(bytes);
    const pick = randomIntegers(bytes.length);
    for (let i = 0; i < 200; i++) {
      await survives(i % 2 === 0 ? changedFile(bytes, pick) : lying(pick), `${name}, change ${i}`);
    }
  }
});

Deno.test("a file cut anywhere is refused with the place", async () => {
  const small = await read("./data/onnx/functions.onnx");
  for (let length = 0; length < small.length; length++) {
    await survives(small.slice(0, length), `functions cut at ${length}`);
  }
  for (const name of Object.keys(mutations)) {
    const bytes = await read(`./golden/${name}/model.onnx`);
    const pick = randomIntegers(1);
    for (let i = 0; i < 40; i++) {
      const length = pick(bytes.length);
      await survives(bytes.slice(0, length), `${name} cut at ${length}`);
    }
    const error = await assertRejects(() => loadOnnx(bytes.slice(0, bytes.length >> 1)), OnnxError);
    assertStringIncludes(error.message, "at byte");
    assert(error.offset !== null && error.offset <= bytes.length >> 1);
  }
});

const info = (name: string, shape: readonly number[], elemType = 1) => ({
  name,
  type: { tensorType: { elemType, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
});

type Nodes = NonNullable<Draft<GraphMessage>["node"]>;

/** A file with some nodes between x [1, 4] and y. */
function fileOf(
  node: Nodes,
  more: Partial<Draft<GraphMessage>> = {},
  functions: Draft<ModelMessage>["functions"] = [],
): Uint8Array<ArrayBuffer> {
  return encodeMessage<ModelMessage>({
    irVersion: 10,
    graph: { name: "g", node, input: [info("x", [1, 4])], output: [info("y", [1, 4])], ...more },
    opsetImport: [{ domain: "", version: 21 }, { domain: "own", version: 1 }],
    functions,
  }, modelTable);
}

async function refused(bytes: Uint8Array<ArrayBuffer>, reason: string): Promise<void> {
  const error = await assertRejects(() => loadOnnx(bytes), OnnxError);
  assertStringIncludes(error.message, reason);
}

const int64s = (values: readonly number[]) => ({
  dims: [values.length],
  dataType: 7,
  int64Data: [...values],
});

Deno.test("graphs that need their own results, and functions that call themselves", async () => {
  await refused(
    fileOf([
      { opType: "Add", input: ["x", "b"], output: ["a"] },
      { opType: "Neg", input: ["a"], output: ["b"] },
      { opType: "Neg", input: ["b"], output: ["y"] },
    ]),
    "a cycle",
  );
  await refused(fileOf([{ opType: "Neg", input: ["y"], output: ["y"] }]), "a cycle");
  const call = { opType: "F", domain: "own", input: ["x"], output: ["y"] };
  const definition = {
    name: "F",
    domain: "own",
    input: ["x"],
    output: ["y"],
    node: [call],
    opsetImport: [{ domain: "own", version: 1 }],
  };
  await refused(fileOf([call], {}, [definition]), "nested more than");
  // Each calls the next one twice.
  const doubling = Array.from({ length: 40 }, (_, i) => ({
    ...definition,
    name: `F${i}`,
    node: ["a", "y"].map((output, k) => ({
      opType: `F${i + 1}`,
      domain: "own",
      input: [k === 0 ? "x" : "a"],
      output: [output],
    })),
  }));
  const last = {
    ...definition,
    name: "F40",
    node: [{ opType: "Neg", input: ["x"], output: ["y"] }],
    opsetImport: [{ domain: "", version: 21 }],
  };
  await refused(fileOf([{ ...call, opType: "F0" }], {}, [...doubling, last]), "nodes");
});

Deno.test("graphs in graphs in graphs", async () => {
  let inner: Draft<GraphMessage> = {
    node: [{ opType: "Neg", input: ["x"], output: ["z"] }],
    output: [info("z", [1, 4])],
  };
  for (let i = 0; i < 300; i++) {
    const branch = (name: string) => ({ name, g: inner, type: 5 });
    inner = {
      node: [{
        opType: "If",
        input: ["c"],
        output: ["z"],
        attribute: [branch("then_branch")],
      }],
      output: [info("z", [1, 4])],
    };
  }
  const nodes = [{
    opType: "If",
    input: ["c"],
    output: ["y"],
    attribute: [{ name: "then_branch", g: inner, type: 5 }],
  }];
  await refused(fileOf(nodes), "nested more than");
});

Deno.test("stored tensors whose shapes lie", async () => {
  const add: Nodes = [{ opType: "Add", input: ["x", "w"], output: ["y"] }];
  const file = (tensor: NonNullable<Draft<GraphMessage>["initializer"]>[number]) =>
    fileOf(add, { initializer: [{ name: "w", ...tensor }] });
  for (const dims of [[5], [2 ** 40, 2 ** 40], [-1], [2 ** 31], [2 ** 62], [0, 2 ** 62]]) {
    await refused(file({ dims, dataType: 1, rawData: new Uint8Array(16) }), '"w"');
    await refused(file({ dims, dataType: 1, floatData: [1, 2, 3, 4] }), '"w"');
  }
  await refused(file({ dims: [4], dataType: 99, rawData: new Uint8Array(16) }), "type 99");
  await refused(file({ dims: [4], dataType: 8, rawData: new Uint8Array(16) }), "string");
  await refused(fileOf(add, { input: [info("x", [1, 2 ** 50]), info("w", [4])] }), "has shape");
});

Deno.test("operators that are asked for absurd sizes", async () => {
  const huge = [2 ** 40, 2 ** 20];
  const given = (name: string, values: readonly number[]) => ({ name, ...int64s(values) });
  const one = (opType: string, input: readonly string[], values: readonly number[]) =>
    fileOf([{ opType, input, output: ["y"] }], { initializer: [given("n", values)] });
  await refused(one("ConstantOfShape", ["n"], huge), "ConstantOfShape");
  await refused(one("Expand", ["x", "n"], [2 ** 40, 4]), "Expand");
  await refused(one("Tile", ["x", "n"], huge), "Tile");
  await refused(one("Reshape", ["x", "n"], [2 ** 31, 2 ** 31]), "Reshape");
  await refused(one("Pad", ["x", "n"], [0, 2 ** 50, 0, 0]), "Pad");
  const range = [["s", 0], ["n", 2 ** 52], ["d", 1]] as const;
  await refused(
    fileOf([{ opType: "Range", input: ["s", "n", "d"], output: ["r"] }, {
      opType: "Cast",
      input: ["r"],
      output: ["y"],
      attribute: [{ name: "to", i: 1, type: 2 }],
    }], {
      initializer: range.map(([name, value]) => ({
        name,
        dims: [],
        dataType: 7,
        int64Data: [value],
      })),
    }),
    "Range",
  );
});

Deno.test("loops that do not end", async () => {
  const body: Draft<GraphMessage> = {
    node: [
      { opType: "Identity", input: ["c"], output: ["d"] },
      { opType: "Neg", input: ["v"], output: ["w"] },
    ],
    input: [info("i", [], 7), info("c", [], 9), info("v", [1, 4])],
    output: [info("d", [], 9), info("w", [1, 4])],
  };
  const file = fileOf([{
    opType: "Loop",
    input: ["m", "", "x"],
    output: ["y"],
    attribute: [{ name: "body", g: body, type: 5 }],
  }], { initializer: [{ name: "m", dims: [], dataType: 7, int64Data: [2 ** 52] }] });
  await refused(file, "loops run more than");
});

Deno.test("weights that are named elsewhere are not read", async () => {
  const folder = await Deno.makeTempDir();
  const file = (location: string, more: Readonly<Record<string, string>> = {}) =>
    fileOf([{ opType: "Add", input: ["x", "w"], output: ["y"] }], {
      initializer: [{
        name: "w",
        dims: [4],
        dataType: 1,
        dataLocation: 1,
        externalData: Object.entries({ location, ...more }).map(([key, value]) => ({ key, value })),
      }],
    });
  try {
    await Deno.mkdir(`${folder}/models/inner`, { recursive: true });
    await Deno.writeFile(`${folder}/weights.bin`, new Uint8Array(16));
    await Deno.writeFile(`${folder}/models/inner/weights.bin`, new Uint8Array(16));
    await Deno.symlink(`${folder}/weights.bin`, `${folder}/models/link.bin`);
    await Deno.symlink(folder, `${folder}/models/up`);
    const path = `${folder}/models/model.onnx`;
    const cases: readonly (readonly [string, string])[] = [
      ["../weights.bin", "own folder"],
      [`${folder}/weights.bin`, "own folder"],
      ["inner/../../weights.bin", "own folder"],
      ["..\\weights.bin", "own folder"],
      ["C:weights.bin", "own folder"],
      ["weights.bin\0", "own folder"],
      ["", "own folder"],
      ["link.bin", "a link out of"],
      ["up/weights.bin", "a link out of"],
      ["inner", "is no file"],
      [".", "link out of"],
      ["absent.bin", "cannot be read"],
    ];
    for (const [location, reason] of cases) {
      await Deno.writeFile(path, file(location));
      const error = await assertRejects(() => loadOnnx(path), OnnxError, "", location);
      assertStringIncludes(error.message, reason);
      assertStringIncludes(error.message, "at byte");
    }
    const places = [["offset", "8"], ["length", "20"], ["offset", "-4"], [
      "offset",
      "1e3",
    ]] as const;
    for (const [key, value] of places) {
      await Deno.writeFile(path, file("inner/weights.bin", { [key]: value }));
      await assertRejects(() => loadOnnx(path), OnnxError, '"w"');
    }
    await Deno.writeFile(path, file("inner/weights.bin"));
    assertEquals((await loadOnnx(path)).params.w.shape, [4]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("weights beside a URL come from there alone, and redirections are not followed", async () => {
  const external = await read("./data/onnx/external.onnx");
  const weights = await read("./data/onnx/external.bin");
  const asked: string[] = [];
  const other = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
    asked.push(url);
    return new Response(weights);
  });
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, ({ url }) => {
    const { pathname } = new URL(url);
    if (pathname.endsWith(".onnx")) return new Response(external);
    if (pathname.startsWith("/moved/")) {
      return Response.redirect(`http://127.0.0.1:${other.addr.port}/external.bin`);
    }
    return pathname === "/models/external.bin"
      ? new Response(weights)
      : new Response("none", { status: 404 });
  });
  try {
    const at = (folder: string): string =>
      `http://127.0.0.1:${server.addr.port}/${folder}/external.onnx`;
    assertEquals((await loadOnnx(at("models"))).params.w.shape, [3, 2]);
    await assertRejects(() => loadOnnx(at("moved")), OnnxError, "names another place");
    await assertRejects(() => loadOnnx(at("none")), OnnxError, "404");
    assertEquals(asked, []);
  } finally {
    await Promise.all([server.shutdown(), other.shutdown()]);
  }
});
