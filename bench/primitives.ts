/**
 * Measures the primitives: on one thread and on several, beside the machine's ceiling and the peers.
 *
 * @module
 */

import { createWasmBackend } from "../backends/wasm/mod.ts";
import { realizeSync } from "../lib/core/realize.ts";
import { random, setBackend, type Tensor } from "../mod.ts";
import { arithmeticCeiling, copyCeiling } from "./ceiling.ts";
import { digits, duration, percent, ratio, table } from "./markdown.ts";
import { loadOnnxruntime, type OnnxruntimePeer, onnxruntimeVersion } from "./peers/onnxruntime.ts";
import { loadTfjs, type Tfjs, tfjsVersion } from "./peers/tfjs.ts";
import { type PrimitiveCase, primitiveCases } from "./primitive_cases.ts";
import { type Contender, inTurn, median } from "./timing.ts";

/** What was measured of a primitive; times are median seconds. */
export interface PrimitiveResult {
  readonly name: string;
  readonly group: PrimitiveCase["group"];
  readonly work: PrimitiveCase["work"];
  readonly oneThread: number;
  readonly moreThreads: number;
  /** Seconds that the same work takes at the machine's ceiling on one thread. */
  readonly ceiling: number;
  readonly onnxruntime: number | null;
  readonly tfjs: number | null;
}

/** What was measured. */
export interface PrimitivesReport {
  readonly threads: number;
  /** Billions of operations a second in registers, one thread. */
  readonly ceilingGflops: number;
  /** Billions of bytes a second, read and written by copies, one thread. */
  readonly copyGigabytes: number;
  readonly peers: { readonly onnxruntime: string | null; readonly tfjs: string | null };
  readonly rows: readonly PrimitiveResult[];
}

const turns = { rounds: 7, slice: 40, rest: 12, enough: 2 };
/** Results of peers are rounded otherwise, and sums have up to 20,000 terms. */
const tolerance = 1e-4;

/** The largest difference over the largest element. */
function difference(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  if (ours.length !== theirs.length) return Infinity;
  let largest = 0;
  let scale = 0;
  for (let i = 0; i < ours.length; i++) {
    largest = Math.max(largest, Math.abs(ours[i] - theirs[i]));
    scale = Math.max(scale, Math.abs(ours[i]));
  }
  return Number.isNaN(largest) ? Infinity : largest / scale;
}

function checkEqual(name: string, peer: string, error: number): void {
  if (error <= tolerance) return;
  throw new Error(`${name}: ${peer} computes something else (relative difference ${error})`);
}

type Backend = ReturnType<typeof createWasmBackend>;

/** Computes `f` of inputs that live on one backend. */
function onBackend(
  name: string,
  backend: Backend,
  f: PrimitiveCase["tangents"],
  inputs: readonly Tensor[],
): Contender {
  return {
    name,
    run: () => {
      setBackend(backend);
      const y = f(...inputs);
      realizeSync([y]);
      y.dispose();
    },
  };
}

/** Inputs of a case on a backend, the same numbers every time. */
function inputsOf({ inputs }: PrimitiveCase, backend: Backend): Tensor[] {
  setBackend(backend);
  const tensors = inputs.map((shape, i) => random.normal(random.randomKey(i), shape));
  realizeSync(tensors);
  return tensors;
}

/** What computes primitives. */
export interface Engines {
  readonly single: Backend;
  readonly multi: Backend;
  readonly ort: OnnxruntimePeer | null;
  readonly tf: Tfjs | null;
}

/** Starts what computes primitives; peers that cannot be had are null. */
export async function startEngines(threads: number): Promise<Engines> {
  const single = createWasmBackend({ threads: 1 });
  const multi = createWasmBackend({ threads });
  multi.startThreads();
  return { single, multi, ort: await loadOnnxruntime(threads), tf: await loadTfjs() };
}

/** A primitive ready to be timed, once all have been found to compute the same. */
export interface PreparedPrimitive {
  /** Tangents on one thread and on more ("one", "more"), and the peers that have the primitive. */
  readonly contenders: readonly Contender[];
  /** Frees everything. */
  release(): Promise<void>;
}

/** Makes a primitive ready. Throws where a peer computes something else. */
export async function preparePrimitive(
  item: PrimitiveCase,
  { single, multi, ort, tf }: Engines,
): Promise<PreparedPrimitive> {
  const one = inputsOf(item, single);
  const more = inputsOf(item, multi);
  setBackend(multi);
  const expected = await item.tangents(...more).data();
  const host = await Promise.all(more.map(async (x) => ({
    shape: x.shape,
    data: await x.data() as Float32Array,
  })));
  const contenders = [
    onBackend("one", single, item.tangents, one),
    onBackend("more", multi, item.tangents, more),
  ];
  const kernel = ort !== null && item.onnx !== undefined
    ? await ort.prepare(item.onnx, host)
    : null;
  if (kernel !== null) {
    checkEqual(item.name, "onnxruntime", difference(expected, await kernel.result()));
    contenders.push({ name: "onnxruntime", run: kernel.run });
  }
  const tensors = new Set<{ dispose(): void }>([...one, ...more]);
  if (tf !== null && item.tfjs !== undefined) {
    const { prepare, run, finish } = item.tfjs;
    const given = host.map(({ shape, data }) => tf.tensor(data, shape));
    const inputs = prepare === undefined ? given : prepare(tf, given);
    const y = run(tf, inputs);
    const last = finish === undefined ? y : finish(tf, y);
    checkEqual(item.name, "TensorFlow.js", difference(expected, last.dataSync()));
    contenders.push({ name: "tfjs", run: () => run(tf, inputs).dispose() });
    for (const x of [...given, ...inputs, y, last]) tensors.add(x);
  }
  return {
    contenders,
    async release() {
      await kernel?.release();
      for (const x of tensors) x.dispose();
    },
  };
}

/** Measures one primitive. */
async function measure(item: PrimitiveCase, engines: Engines): Promise<PrimitiveResult> {
  const { contenders, release } = await preparePrimitive(item, engines);
  const amount = "operations" in item.work ? item.work.operations : item.work.bytes;
  const ceiling = "operations" in item.work
    ? arithmeticCeiling()
    : copyCeiling(Math.min(amount, 2 ** 25));
  const seconds = await inTurn([{ name: "ceiling", run: ceiling.run }, ...contenders], turns);
  await release();
  return {
    name: item.name,
    group: item.group,
    work: item.work,
    oneThread: seconds.get("one")!,
    moreThreads: seconds.get("more")!,
    ceiling: seconds.get("ceiling")! * amount / ceiling.amount,
    onnxruntime: seconds.get("onnxruntime") ?? null,
    tfjs: seconds.get("tfjs") ?? null,
  };
}

/** Measures all primitives whose name contains the filter. */
export async function measurePrimitives(
  threads: number,
  filter = "",
): Promise<PrimitivesReport> {
  const engines = await startEngines(threads);
  const rows: PrimitiveResult[] = [];
  for (const item of primitiveCases) {
    if (!item.name.includes(filter)) continue;
    rows.push(await measure(item, engines));
  }
  engines.multi.stopThreads();
  const rate = (kind: "operations" | "bytes"): number =>
    median(
      rows.flatMap(({ work, ceiling }) =>
        kind in work ? [(work as Record<string, number>)[kind] / ceiling / 1e9] : []
      ),
    );
  return {
    threads,
    ceilingGflops: rate("operations"),
    copyGigabytes: rate("bytes"),
    peers: {
      onnxruntime: engines.ort === null ? null : onnxruntimeVersion,
      tfjs: engines.tf === null ? null : tfjsVersion,
    },
    rows,
  };
}

const groups = ["matrix products", "convolutions", "elementwise, reductions"] as const;

/** The figures as two tables: against the machine, and against the peers. */
export function printPrimitives(report: PrimitivesReport): string {
  const { rows, threads, ceilingGflops, copyGigabytes, peers } = report;
  const parts = [
    `### Kernels and the machine`,
    `One thread's ceiling in WebAssembly, measured in turn with each row: ${
      digits(ceilingGflops)
    } GFLOP/s (independent relaxed multiply-adds in registers), ${
      digits(copyGigabytes)
    } GB/s (a copy, bytes read and written). float32, warm medians.`,
  ];
  for (const kind of ["operations", "bytes"] as const) {
    const unit = kind === "operations" ? "GFLOP/s" : "GB/s";
    const limit = kind === "operations" ? "of the ceiling" : "of a copy";
    const body = rows.flatMap(({ name, work, oneThread, moreThreads, ceiling }) => {
      if (!(kind in work)) return [];
      const amount = (work as Record<string, number>)[kind] / 1e9;
      return [[
        name,
        digits(amount / oneThread),
        percent(ceiling / oneThread),
        digits(amount / moreThreads),
        `${ratio(oneThread / moreThreads)}×`,
      ]];
    });
    if (body.length === 0) continue;
    parts.push(table(
      [
        kind === "operations" ? "arithmetic-bound" : "memory-bound",
        `${unit}, 1 thread`,
        limit,
        `${unit}, ${threads} threads`,
        "speed-up",
      ],
      body,
    ));
  }
  parts.push(
    `### Primitives and other WebAssembly libraries`,
    `Medians, in turn within one run, without copies in and out. onnxruntime-web ${
      peers.onnxruntime ?? "(absent)"
    } on ${threads} threads; TensorFlow.js ${
      peers.tfjs ?? "(absent)"
    } (tfjs-backend-wasm), whose threads do not start in Deno, on one. A ratio under 1: Tangents is faster.`,
    table(
      [
        "",
        `Tangents, ${threads} threads`,
        "onnxruntime-web",
        "ratio",
        "Tangents, 1 thread",
        "TensorFlow.js",
        "ratio",
      ],
      groups.flatMap((group) =>
        rows.filter((row) => row.group === group).map((row) => [
          row.name,
          duration(row.moreThreads),
          duration(row.onnxruntime),
          row.onnxruntime === null ? "–" : ratio(row.moreThreads / row.onnxruntime),
          duration(row.oneThread),
          duration(row.tfjs),
          row.tfjs === null ? "–" : ratio(row.oneThread / row.tfjs),
        ])
      ),
    ),
  );
  return parts.join("\n\n");
}
