/**
 * onnxruntime-web as a peer: its kernels alone, without the copies that its interface makes.
 *
 * @module
 */

import { type OnnxNode, writeOnnx } from "./onnx_writer.ts";

/** The version that is measured. */
export const onnxruntimeVersion = "1.30.0";

/** What of `onnxruntime-web` is used here. */
interface Ort {
  readonly env: { readonly wasm: { numThreads: number } };
  readonly InferenceSession: {
    create(model: Uint8Array, options: Record<string, unknown>): Promise<Session>;
  };
}

interface Session {
  run(
    feeds: Record<string, never>,
    fetches: readonly string[],
  ): Promise<Record<string, { readonly data: Float32Array }>>;
  release(): Promise<void>;
}

/** A primitive in onnxruntime. */
export interface OnnxruntimeKernel {
  /** Computes the result and fetches its first element. */
  run(): Promise<void>;
  /** The whole result. */
  result(): Promise<Float32Array>;
  /** Frees it. */
  release(): Promise<void>;
}

/** A graph over inputs called x0, x1, … that ends in "y". */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  /** Further constants: scalars, or lists of whole numbers. */
  readonly constants?: Readonly<Record<string, number | readonly number[]>>;
  /** Rank of the result. */
  readonly rank: number;
}

/** Makes onnxruntime's kernels. */
export interface OnnxruntimePeer {
  prepare(
    graph: OnnxGraph,
    inputs: readonly { readonly shape: readonly number[]; readonly data: Float32Array }[],
  ): Promise<OnnxruntimeKernel>;
}

/** Loads onnxruntime-web with that many threads, or null where it cannot be had. */
export async function loadOnnxruntime(threads: number): Promise<OnnxruntimePeer | null> {
  const specifier = `npm:onnxruntime-web@${onnxruntimeVersion}`;
  let ort: Ort;
  try {
    ort = await import(specifier);
  } catch (error) {
    console.error(`onnxruntime-web is left out: ${error}`);
    return null;
  }
  ort.env.wasm.numThreads = threads;
  return {
    async prepare({ nodes, constants = {}, rank }, inputs) {
      // Inputs are constants of the model, and of the result only one element is fetched: thus no copies are timed. Without
      // optimization nothing is computed in advance, and without prepacking both sides of a product are as variable as ours.
      const zeros = new BigInt64Array(rank);
      const model = writeOnnx({
        constants: [
          ...inputs.map(({ shape, data }, i) => ({ name: `x${i}`, shape, data })),
          ...Object.entries(constants).map(([name, value]) =>
            typeof value === "number"
              ? { name, shape: [], data: Float32Array.of(value) }
              : { name, shape: [value.length], data: BigInt64Array.from(value.map(BigInt)) }
          ),
          { name: "starts", shape: [rank], data: zeros },
          { name: "ends", shape: [rank], data: zeros.map(() => 1n) },
        ],
        nodes: rank === 0
          ? [...nodes, { op: "Identity", inputs: ["y"], output: "first" }]
          : [...nodes, { op: "Slice", inputs: ["y", "starts", "ends"], output: "first" }],
        outputs: [{ name: "first", rank }, { name: "y", rank }],
      });
      const session = await ort.InferenceSession.create(model, {
        executionProviders: ["wasm"],
        graphOptimizationLevel: "disabled",
        logSeverityLevel: 3,
        extra: { session: { disable_prepacking: "1" } },
      });
      return {
        async run() {
          await session.run({}, ["first"]);
        },
        async result() {
          return (await session.run({}, ["y"])).y.data;
        },
        release: () => session.release(),
      };
    },
  };
}
