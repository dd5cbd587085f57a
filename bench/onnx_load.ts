/**
 * How long a large ONNX file takes to load, beside reading it: `deno run -A bench/onnx_load.ts [MEGABYTES]`, 500 by default.
 *
 * @module
 */

import { type ModelMessage, modelTable, type TensorMessage } from "../lib/onnx/messages.ts";
import { loadOnnx } from "../lib/onnx/mod.ts";
import { type Draft, encodeMessage } from "../lib/onnx/wire.ts";

const width = 2048;
const rounds = 5;

const info = (name: string) => ({
  name,
  type: {
    tensorType: {
      elemType: 1,
      shape: { dim: [1, width].map((dimValue) => ({ dimValue })) },
    },
  },
});

/** Writes a chain of matrix products, its weights in the file or beside it. */
async function write(folder: string, layers: number, beside: boolean): Promise<void> {
  const size = 4 * width * width;
  const weights = beside ? await Deno.create(`${folder}/weights.bin`) : null;
  const initializer: Draft<TensorMessage>[] = [];
  for (let i = 0; i < layers; i++) {
    const rawData = new Uint8Array(
      Float32Array.from({ length: width * width }, (_, k) => (k * 7 + i) % 11 - 5).buffer,
    );
    const tensor = { name: `w${i}`, dims: [width, width], dataType: 1 };
    if (weights === null) {
      initializer.push({ ...tensor, rawData });
      continue;
    }
    const place = { location: "weights.bin", offset: String(i * size), length: String(size) };
    const externalData = Object.entries(place).map(([key, value]) => ({ key, value }));
    initializer.push({ ...tensor, dataLocation: 1, externalData });
    const writer = weights.writable.getWriter();
    await writer.write(rawData);
    writer.releaseLock();
  }
  weights?.close();
  const node = Array.from({ length: layers }, (_, i) => ({
    opType: "MatMul",
    input: [i === 0 ? "x" : `h${i}`, `w${i}`],
    output: [i === layers - 1 ? "y" : `h${i + 1}`],
  }));
  const model = encodeMessage<ModelMessage>({
    irVersion: 10,
    graph: { name: "chain", node, initializer, input: [info("x")], output: [info("y")] },
    opsetImport: [{ domain: "", version: 21 }],
  }, modelTable);
  await Deno.writeFile(`${folder}/model.onnx`, model);
}

/** The shortest time of several, in milliseconds, of two tasks that take turns. */
async function shortest(...tasks: (() => Promise<unknown>)[]): Promise<number[]> {
  const times = tasks.map(() => Infinity);
  for (let round = 0; round < rounds; round++) {
    for (const [i, task] of tasks.entries()) {
      const start = performance.now();
      await task();
      times[i] = Math.min(times[i], performance.now() - start);
    }
  }
  return times;
}

const megabytes = Number(Deno.args[0] ?? 500);
const layers = Math.max(1, Math.round(megabytes * 1e6 / (4 * width * width)));
for (const beside of [false, true]) {
  const folder = await Deno.makeTempDir();
  try {
    await write(folder, layers, beside);
    const files = [`${folder}/model.onnx`, ...beside ? [`${folder}/weights.bin`] : []];
    const [reading, loading] = await shortest(
      async () => {
        for (const file of files) await Deno.readFile(file);
      },
      () => loadOnnx(`${folder}/model.onnx`),
    );
    console.log(
      `${beside ? "weights beside the model" : "weights in the model"}: read in ${
        reading.toFixed(0)
      } ms, loaded in ${loading.toFixed(0)} ms, ${(loading / reading).toFixed(2)} of it`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
