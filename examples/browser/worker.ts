/**
 * The worker of the page: everything is computed here, so that the page never waits. To stop, the page ends it and starts
 * another.
 *
 * @module
 */

import {
  empiricalNtk,
  type NtkReport,
  random,
  setBackend,
  symmetricEigenvalues,
  type Tensor,
  tensor,
} from "@tangents/ntk";
import type { WasmBackend } from "@tangents/ntk/backends";
import { parseNpy } from "@tangents/ntk/npy";
import { loadOnnx, type OnnxModel } from "@tangents/ntk/onnx";
import {
  type Block,
  emptyMatrices,
  type Examples,
  type Job,
  type Layout,
  type Matrices,
  type NetworkInfo,
  placeBlock,
  type Reply,
  type Request,
} from "./protocol.ts";

/** The worker's side of the channel, which Deno's types leave out. */
const channel = globalThis as unknown as {
  onmessage: (event: { readonly data: Request }) => void;
  postMessage(reply: Reply, transfer?: Transferable[]): void;
};

/** Up to so many rows all eigenvalues are computed; the time is their third power. */
const mostEigenvalues = 1200;
/** Up to so many rows a kernel is shown. */
const mostRows = 4096;

/** A network of one input and one output, which is flat. */
interface LoadedNetwork {
  readonly info: NetworkInfo;
  readonly params: Record<string, Tensor>;
  readonly fn: (params: Record<string, Tensor>, x: Tensor) => Tensor;
}

/** A mistake of the person's that the page can name. */
class InputError extends Error {
  override readonly name = "InputError";
}

async function load(bytes: Uint8Array<ArrayBuffer>): Promise<LoadedNetwork> {
  let model: OnnxModel = await loadOnnx(bytes);
  const [input, ...moreInputs] = model.inputs;
  if (input === undefined || moreInputs.length > 0) {
    const names = model.inputs.map(({ name }) => name).join(", ");
    throw new InputError(
      `the network takes ${model.inputs.length} inputs (${names}), and this page handles one; use the library for others`,
    );
  }
  const [output, ...others] = model.outputs;
  if (others.length > 0) model = await loadOnnx(bytes, { outputs: [output.name] });
  const { fn, params } = model;
  const info: NetworkInfo = {
    parameters: Object.values(params).reduce((sum, { shape }) => sum + product(shape), 0),
    input: input.name,
    shape: (input.shape ?? []).map((size) => typeof size === "number" ? size : null),
    integers: input.type?.includes("int") ?? false,
    output: output.name,
    others: others.map(({ name }) => name),
  };
  return { info, params, fn: (params, x) => fn(params, x).reshape([-1]) };
}

function product(shape: readonly number[]): number {
  return shape.reduce((size, n) => size * n, 1);
}

/** The examples as one tensor, along its first axis. */
function examplesOf(examples: Examples, { integers, shape: expected }: NetworkInfo): Tensor {
  let x: Tensor;
  if (examples.kind === "random") {
    const shape = [examples.count, ...examples.shape];
    const key = random.randomKey(examples.seed);
    x = integers
      ? random.uniform(key, shape).mul(examples.below).floor().to("int32")
      : random.normal(key, shape);
  } else {
    const { data, shape } = examples.kind === "given" ? examples : parseNpy(examples.bytes);
    x = integers
      ? tensor(Int32Array.from(data as Float32Array, Number), { shape })
      : tensor(Float32Array.from(data as Float32Array, Number), { shape });
  }
  const own = x.shape.slice(1);
  const fits = own.length === expected.length &&
    own.every((size, i) => expected[i] === null || expected[i] === size);
  if (x.shape.length === 0 || !fits) {
    const wanted = expected.map((size) => size ?? "any").join(" × ");
    throw new InputError(
      `the examples have the shape ${x.shape.join(" × ")}, and the network takes N × ${wanted}: ` +
        "the first axis counts the examples; choose examples that fit",
    );
  }
  return x;
}

/** The starts of blocks of about a quarter of the examples, at least 16. */
function blockStarts(count: number): number[] {
  const blocks = Math.min(4, Math.max(1, Math.floor(count / 16)));
  return Array.from({ length: blocks + 1 }, (_, i) => Math.round(i * count / blocks));
}

async function run(job: Job): Promise<void> {
  say("Reading the network", 0, 1);
  const { backend: choice, method, compute } = job;
  const backend = await setBackend(choice);
  const { info, params, fn } = await load(job.network);
  const x = examplesOf(job.examples, info);
  const outputs = fn(params, x.slice([0, 1]).squeeze(0)).shape[0];
  const layout: Layout = { compute, examples: x.shape[0], outputs };
  const rows = layout.examples * (compute === "full" ? outputs : 1);
  if (rows > mostRows) {
    throw new InputError(
      `the full kernel has ${rows} rows (${layout.examples} examples of ${outputs} outputs), and this page shows ${mostRows}; ` +
        "take fewer examples, or the trace",
    );
  }
  const matrices = emptyMatrices(layout);
  channel.postMessage({ type: "layout", layout });
  const starts = blockStarts(layout.examples);
  const total = starts.length * (starts.length - 1) / 2;
  let done = 0;
  let report: NtkReport | null = null;
  const start = performance.now();
  for (let i = 0; i + 1 < starts.length; i++) {
    for (let j = i; j + 1 < starts.length; j++) {
      say(total === 1 ? "Computing the kernel" : `Block ${done + 1} of ${total}`, done, total);
      const [x1, x2] = [i, j].map((at) => x.slice([starts[at], starts[at + 1]]));
      const kernel = await empiricalNtk(fn, params, x1, i === j ? null : x2, {
        method,
        compute,
        onReport: (told) => report = told,
      });
      const data = Float32Array.from(await kernel.data() as Float32Array);
      kernel.dispose();
      const block: Block = {
        row: starts[i],
        column: starts[j],
        rows: starts[i + 1] - starts[i],
        columns: starts[j + 1] - starts[j],
        data,
      };
      placeBlock(matrices, block);
      channel.postMessage({ type: "block", block }, [data.buffer]);
      done++;
    }
  }
  const seconds = (performance.now() - start) / 1000;
  say("Eigenvalues", total, total);
  const told = report as NtkReport | null;
  channel.postMessage({
    type: "done",
    report: {
      method: told?.method ?? method,
      device: backend.description ?? backend.name,
      seconds,
      peakBytes: backend.memory().peak,
      parameters: info.parameters,
      reason: choice === "auto" ? told?.backendReason ?? "" : "",
    },
    eigenvalues: eigenvaluesOf(matrices),
  });
}

function eigenvaluesOf({ size, values }: Matrices): Float64Array[] | null {
  if (size > mostEigenvalues) return null;
  return values.map((matrix) => symmetricEigenvalues(Float64Array.from(matrix), size).reverse());
}

function say(text: string, done: number, total: number): void {
  channel.postMessage({ type: "progress", text, done, total });
}

/** An error in words that a person can use. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "OnnxError") return `This ONNX file cannot be used: ${error.message}`;
  if (error.name === "NpyError") return `This .npy file cannot be used: ${error.message}`;
  if (error.name === "InputError") return capital(error.message);
  if (error instanceof RangeError) {
    return `There is not enough memory (${error.message}); take fewer examples, or the trace.`;
  }
  return capital(error.message);
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** The name of the graphics adapter, or null where there is none. */
async function adapterName(): Promise<string | null> {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!adapter) return null;
  const { description, vendor, architecture } = adapter.info;
  return description || `${vendor} ${architecture}`.trim() || "unnamed";
}

channel.onmessage = async ({ data: request }) => {
  try {
    if (request.type === "run") await run(request.job);
    else channel.postMessage({ type: "network", info: (await load(request.network)).info });
  } catch (error) {
    channel.postMessage({ type: "error", during: request.type, message: wordsOf(error) });
  }
};

/** Says what there is to compute with. */
async function start(): Promise<void> {
  const { threads } = await setBackend("wasm") as WasmBackend;
  channel.postMessage({ type: "ready", threads, adapter: await adapterName() });
}

// A page from a file may only start scripts, and these do not wait at their top level.
start().catch((error) =>
  channel.postMessage({ type: "error", during: "run", message: wordsOf(error) })
);
