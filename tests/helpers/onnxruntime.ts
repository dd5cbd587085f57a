/**
 * onnxruntime-web for tests: the package comes from npm.
 *
 * @module
 */

import { loadOnnxruntime, type Ort, type OrtArray } from "../../backends/onnxruntime/load.ts";
import { type DType, type Tensor, tensor, type TypedArray } from "../../mod.ts";

let loaded: Promise<Ort | null> | null = null;

/**
 * The package, or null where this machine cannot have it, after saying so. Where `CI` is set it must be there, and an error
 * says why it is not.
 */
export function onnxruntime(): Promise<Ort | null> {
  loaded ??= loadOnnxruntime().then(
    (ort) => {
      ort.env.wasm.numThreads ??= 2;
      return ort;
    },
    (error) => {
      if (Deno.env.get("CI")) throw error;
      console.warn(`Left out: what is compared with onnxruntime. ${error}`);
      return null;
    },
  );
  return loaded;
}

/** 64-bit integers where the file takes them. */
function elementsFor(data: TypedArray, type: string): OrtArray | BigInt64Array {
  return type === "int64" ? BigInt64Array.from(data, (value) => BigInt(value)) : data;
}

/** What a file computes from inputs, in onnxruntime; `types` says which inputs are of another type than their dtype. */
export async function runOnnx(
  ort: Ort,
  file: Uint8Array | string,
  inputs: Readonly<Record<string, Tensor>>,
  types: Readonly<Record<string, string>> = {},
): Promise<Record<string, Tensor>> {
  const session = await ort.InferenceSession.create(file as Uint8Array, {
    executionProviders: ["wasm"],
    logSeverityLevel: 3,
  });
  try {
    const feeds: Record<string, InstanceType<Ort["Tensor"]>> = {};
    for (const [name, x] of Object.entries(inputs)) {
      const type = types[name] ?? x.dtype;
      feeds[name] = new ort.Tensor(type, elementsFor(await x.data(), type) as OrtArray, x.shape);
    }
    const results = await session.run(feeds);
    return Object.fromEntries(
      Object.entries(results).map(([name, result]) => {
        const { data, dims, type } = result as unknown as {
          data: TypedArray;
          dims: number[];
          type: DType;
        };
        return [name, tensor(data, { shape: dims, dtype: type })];
      }),
    );
  } finally {
    await session.release();
  }
}
