/**
 * Measures neural tangent kernels beside those of other libraries: warm, cold, and in memory.
 *
 * @module
 */

import { formatNpy, parseNpy } from "../lib/npy/mod.ts";
import { digits, duration, ratio, table } from "./markdown.ts";
import { makeProblem, type ProblemName } from "./ntk_problems.ts";
import type { OnceReply } from "./peers/protocol.ts";
import {
  findPython,
  type Program,
  runOnce,
  script,
  startWorker,
  type Worker,
} from "./processes.ts";
import { inTurn, median, sleep } from "./timing.ts";

/** Median seconds by the name of what computed. */
type Seconds = Readonly<Record<string, number>>;

/** Warm kernels of one method. */
export interface WarmRow {
  readonly problem: ProblemName;
  readonly method: string;
  readonly compute: string;
  readonly seconds: Seconds;
}

/** Whole processes that compute one kernel. */
export interface ColdRow {
  readonly problem: ProblemName;
  readonly method: string;
  readonly seconds: Seconds;
  /** Bytes at the peak above those after the imports. */
  readonly memory: Seconds;
}

/** What was measured. */
export interface KernelsReport {
  readonly threads: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly warm: readonly WarmRow[];
  readonly cold: readonly ColdRow[];
}

const ours = "Tangents";
const torch = "PyTorch";
const neuralTangents = "neural-tangents";
const jaxJs = "jax-js";
const peers = [torch, neuralTangents, jaxJs] as const;

const methodNames: Readonly<Record<string, string>> = {
  "jacobian-contraction": "Jacobian contraction",
  "ntk-vector-products": "NTK-vector products",
  "structured-derivatives": "structured derivatives",
};
/** Processors rest between turns until the threads of the one before sleep. */
const turns = { rounds: 7, slice: 0, rest: 100, enough: 4 };
const coldRounds = 3;
/** float32, sums over 235,722 or 14.7 million parameters. */
const tolerance = 1e-3;

function file(path: string): string {
  return new URL(path, import.meta.url).pathname;
}

/** What can compute kernels here. */
async function findPrograms(): Promise<Record<string, Program>> {
  const programs: Record<string, Program> = {
    [ours]: script(ours, "ntk_worker.ts"),
    [jaxJs]: script(jaxJs, "peers/jax_js_ntk.ts"),
  };
  const pythons = [
    [torch, "torch", "peers/torch_ntk.py"],
    [neuralTangents, "jax, neural_tangents", "peers/neural_tangents_ntk.py"],
  ];
  for (const [name, modules, path] of pythons) {
    // neural-tangents imports only with two of JAX's names put back, which its script does.
    const python = await findPython(name === neuralTangents ? "jax, tf2jax" : modules);
    if (python === null) console.error(`${name} is left out: no Python with it (TANGENTS_PYTHON)`);
    else programs[name] = { name, command: python, args: [file(path)] };
  }
  return programs;
}

/** Writes parameters and examples for all to read. */
async function writeData(problem: ProblemName, folder: string): Promise<void> {
  const { params, x1, x2 } = makeProblem(problem);
  for (const [name, x] of Object.entries({ ...params, x1, x2 })) {
    const bytes = formatNpy({ shape: [...x.shape], data: await x.data() });
    await Deno.writeFile(`${folder}/${name}.npy`, bytes);
  }
}

async function readKernel(path: string): Promise<Float32Array> {
  return parseNpy(await Deno.readFile(path)).data as Float32Array;
}

/** Throws unless the workers' kernels are the same. */
async function checkSame(
  workers: readonly Worker[],
  method: string,
  compute: string,
  folder: string,
): Promise<void> {
  let expected: Float32Array | null = null;
  for (const worker of workers) {
    const out = `${folder}/kernel-${worker.name}.npy`;
    const asked = worker.name === ours && method === "structured-derivatives" ? "auto" : method;
    await worker.ask({ method: asked, compute, out });
    const kernel = await readKernel(out);
    if (expected === null) {
      expected = kernel;
      continue;
    }
    const scale = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const error = expected.reduce((a, b, i) => Math.max(a, Math.abs(b - kernel[i])), 0);
    if (kernel.length !== expected.length || !(error <= tolerance * scale)) {
      throw new Error(
        `${worker.name}, ${method}, ${compute}: another kernel than ${
          workers[0].name
        }'s (relative difference ${error / scale})`,
      );
    }
  }
}

/** Warm times of one kernel. */
async function measureWarm(
  problem: ProblemName,
  workers: readonly Worker[],
  method: string,
  compute: string,
  folder: string,
): Promise<WarmRow> {
  await checkSame(workers, method, compute, folder);
  const seconds = await inTurn(
    workers.map((worker) => ({
      name: worker.name,
      run: () =>
        worker.ask({
          method: worker.name === ours && method === "structured-derivatives" ? "auto" : method,
          compute,
        }),
    })),
    { ...turns, warmUp: 0 },
  );
  return { problem, method, compute, seconds: Object.fromEntries(seconds) };
}

/** Cold times and memory of one kernel. */
async function measureCold(
  problem: ProblemName,
  programs: readonly Program[],
  method: string,
  threads: number,
): Promise<ColdRow> {
  const seconds: Record<string, number[]> = {};
  const memory: Record<string, number[]> = {};
  for (let round = 0; round < coldRounds; round++) {
    for (const program of programs) {
      const asked = program.name === ours && method === "structured-derivatives" ? "auto" : method;
      const args = [problem, "--threads", String(threads), "--once", asked, "full"];
      const { wall, start, peak } = await runOnce<OnceReply>(program, args);
      (seconds[program.name] ??= []).push(wall);
      (memory[program.name] ??= []).push(peak - start);
    }
  }
  const medians = (lists: Record<string, number[]>): Seconds =>
    Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, median(list)]));
  return { problem, method, seconds: medians(seconds), memory: medians(memory) };
}

interface Plan {
  readonly method: string;
  readonly compute: string;
  readonly who: readonly string[];
}

/** Who computes what; networks too large for a method of a library are left out. */
function plan(problem: ProblemName, slow: boolean): Plan[] {
  const [contraction, products, structured] = Object.keys(methodNames);
  if (problem === "mlp") {
    return [
      { method: contraction, compute: "full", who: [ours] },
      // PyTorch takes more than a minute.
      { method: products, compute: "full", who: [ours, ...(slow ? [torch] : []), neuralTangents] },
      { method: structured, compute: "full", who: [ours, neuralTangents] },
    ];
  }
  return [
    ...[contraction, products].flatMap((method) =>
      ["full", "trace", "diagonal"].map((compute) => ({
        method,
        compute,
        who: compute === "full" ? [ours, torch, neuralTangents] : [ours, torch],
      }))
    ),
    { method: structured, compute: "full", who: [ours, neuralTangents] },
  ];
}

/** Measures all kernels; `slow` includes what takes more than half a minute a kernel. */
export async function measureKernels(threads: number, slow: boolean): Promise<KernelsReport> {
  const programs = await findPrograms();
  const warm: WarmRow[] = [];
  const cold: ColdRow[] = [];
  const versions: Record<string, string> = {};
  const folder = await Deno.makeTempDir();
  try {
    for (const problem of ["tutorial", "mlp"] as const) {
      const data = `${folder}/${problem}`;
      await Deno.mkdir(data);
      await writeData(problem, data);
      const rows = plan(problem, slow);
      const workers: Record<string, Worker> = {};
      const names = new Set(rows.flatMap(({ who }) => who));
      if (problem === "tutorial") names.add(jaxJs);
      for (const name of names) {
        const program = programs[name];
        if (program === undefined) continue;
        const args = [problem, "--threads", String(threads), "--data", data];
        workers[name] = await startWorker(program, args);
        versions[name] = workers[name].version;
      }
      for (const { method, compute, who } of rows) {
        const present = who.flatMap((name) => workers[name] ?? []);
        warm.push(await measureWarm(problem, present, method, compute, folder));
      }
      if (workers[jaxJs] !== undefined) {
        await measureJaxJs(workers[ours], workers[jaxJs], warm, folder);
      }
      for (const worker of Object.values(workers)) await worker.close();
      for (const { method, compute, who } of rows) {
        if (compute !== "full" || problem === "mlp") continue;
        const present = who.flatMap((name) => programs[name] ?? []);
        cold.push(await measureCold(problem, present, method, threads));
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  return { threads, versions, warm, cold };
}

/** jax-js takes so long that its first and only kernel is both checked and timed. */
async function measureJaxJs(
  us: Worker,
  it: Worker,
  warm: WarmRow[],
  folder: string,
): Promise<void> {
  const request = { method: "jacobian-contraction", compute: "full" };
  await sleep(turns.rest);
  const [expected, out] = [`${folder}/ours.npy`, `${folder}/theirs.npy`];
  await us.ask({ ...request, out: expected });
  try {
    const seconds = await it.ask({ ...request, out });
    const [a, b] = [await readKernel(expected), await readKernel(out)];
    const scale = a.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const error = a.reduce((m, v, i) => Math.max(m, Math.abs(v - b[i])), 0);
    if (!(error <= tolerance * scale)) {
      throw new Error(`another kernel than ours (relative difference ${error / scale})`);
    }
    const row = warm.find(({ method, compute }) =>
      method === request.method && compute === request.compute
    )!;
    (row.seconds as Record<string, number>)[jaxJs] = seconds;
  } catch (error) {
    console.error(`jax-js is left out: ${error}`);
  }
}

const problems: Readonly<Record<ProblemName, string>> = {
  tutorial: "The tutorial: a CNN of 235,722 parameters, 20 × 5 images, 10 outputs",
  mlp: "Fully connected, 3072 → 2048 → 2048 → 2048 → 8 with ReLU, 16 × 16 examples",
};

/** Rows of values, ours first, then each peer's with the ratio of ours to it. */
function compare(
  first: readonly string[],
  rows: readonly { readonly label: readonly string[]; readonly values: Seconds }[],
  format: (value: number | undefined) => string,
): string {
  const present = peers.filter((peer) => rows.some(({ values }) => peer in values));
  return table(
    [...first, ours, ...present.flatMap((peer) => [peer, "ratio"])],
    rows.map(({ label, values }) => [
      ...label,
      format(values[ours]),
      ...present.flatMap((peer) => [
        format(values[peer]),
        peer in values ? ratio(values[ours] / values[peer]) : "–",
      ]),
    ]),
  );
}

function methodOf(method: string): string {
  return method === "structured-derivatives"
    ? "structured derivatives (Tangents: auto)"
    : methodNames[method];
}

/** The figures as tables. */
export function printKernels({ threads, versions, warm, cold }: KernelsReport): string {
  const parts = [
    `### Kernels and other libraries`,
    `float32, ${threads} threads each, in turn within one run; ${
      Object.values(versions).filter((version) => version !== ours).join(", ")
    }. A ratio under 1: Tangents is faster, or takes less. jax-js computes in a loop over images, once.`,
  ];
  for (const problem of ["tutorial", "mlp"] as const) {
    const rows = warm.filter((row) => row.problem === problem);
    if (rows.length === 0) continue;
    parts.push(
      `${problems[problem]}. Warm, medians:`,
      compare(
        ["method", "kernel"],
        rows.map(({ method, compute, seconds }) => ({
          label: [methodOf(method), compute],
          values: seconds,
        })),
        duration,
      ),
    );
    const whole = cold.filter((row) => row.problem === problem);
    if (whole.length === 0) continue;
    const label = (row: ColdRow): string[] => [methodOf(row.method)];
    parts.push(
      "Cold, the whole process with its imports, full:",
      compare(
        ["method"],
        whole.map((row) => ({ label: label(row), values: row.seconds })),
        duration,
      ),
      "Resident memory at the peak above that after the imports, full:",
      compare(
        ["method"],
        whole.map((row) => ({ label: label(row), values: row.memory })),
        (bytes) => bytes === undefined ? "–" : digits(bytes / 1e6, " MB"),
      ),
    );
  }
  return parts.join("\n\n");
}
