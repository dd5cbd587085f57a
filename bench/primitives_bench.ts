/**
 * Primitives on one thread and on all, with other WebAssembly libraries beside them where they can be had.
 *
 * Run with: deno task bench --filter "1024³"
 */

import { primitiveCases } from "./primitive_cases.ts";
import { type PreparedPrimitive, preparePrimitive, startEngines } from "./primitives.ts";
import type { PrimitiveCase } from "./primitive_cases.ts";

const threads = navigator.hardwareConcurrency;
const engines = await startEngines(threads);
const labels = {
  more: `Tangents, ${threads} threads`,
  one: "Tangents, 1 thread",
  onnxruntime: `onnxruntime-web, ${threads} threads`,
  tfjs: "TensorFlow.js, 1 thread",
} as const;

let item: PrimitiveCase | null = null;
let prepared: PreparedPrimitive | null = null;

/** Only one primitive's data are in memory at a time. */
async function prepare(wanted: PrimitiveCase): Promise<PreparedPrimitive> {
  if (item !== wanted || prepared === null) {
    await prepared?.release();
    prepared = await preparePrimitive(wanted, engines);
    item = wanted;
  }
  return prepared;
}

for (const wanted of primitiveCases) {
  for (const [name, label] of Object.entries(labels)) {
    if (name === "onnxruntime" && (engines.ort === null || wanted.onnx === undefined)) continue;
    if (name === "tfjs" && (engines.tf === null || wanted.tfjs === undefined)) continue;
    Deno.bench(
      {
        name: `${wanted.name}: ${label}`,
        group: wanted.name,
        baseline: name === "more",
        // It takes seconds for one product there.
        ...(name === "tfjs" && wanted.name.endsWith("transposed") ? { n: 2, warmup: 0 } : {}),
      },
      async (b) => {
        const { contenders } = await prepare(wanted);
        const { run } = contenders.find((contender) => contender.name === name)!;
        b.start();
        const result = run();
        if (result instanceof Promise) await result;
        b.end();
      },
    );
  }
}
