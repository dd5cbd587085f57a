/**
 * Where a kernel's time goes: what each kernel of its program takes, beside what the machine could do.
 *
 * @module
 */

import { createWasmBackend, type KernelTime } from "../backends/wasm/mod.ts";
import { methodNames, type NtkMethod } from "../lib/ntk/methods.ts";
import { empiricalNtk, realize, setBackend } from "../mod.ts";
import { arithmeticCeiling } from "./ceiling.ts";
import { digits, duration, percent, table } from "./markdown.ts";
import { makeProblem } from "./ntk_problems.ts";
import { median, sleep } from "./timing.ts";

/** One method: its whole time, and its kernels in the order they run. */
export interface MethodProfile {
  readonly method: NtkMethod;
  /** Median seconds from the call to the result. */
  readonly seconds: number;
  /** Median seconds of each kernel. */
  readonly kernels: readonly KernelTime[];
  /** Median seconds of a call outside of its program. */
  readonly around: number;
}

/** What was measured. */
export interface ProfileReport {
  readonly threads: number;
  /** Billions of operations a second of one thread, in registers. */
  readonly ceilingGflops: number;
  readonly profiles: readonly MethodProfile[];
}

/** Kernels of a method that are computed; the second half is measured. */
const rounds = 24;
/** Kernels that take less of the time than this are summed up. */
const leastShare = 0.01;

function total(kernels: readonly KernelTime[]): number {
  return kernels.reduce((sum, { seconds }) => sum + seconds, 0);
}

function ceiling(): number {
  const { amount, run } = arithmeticCeiling();
  const rates: number[] = [];
  for (let round = 0; round < 50; round++) {
    const from = performance.now();
    run();
    rates.push(amount / (performance.now() - from) / 1e6);
  }
  return median(rates);
}

/** Measures the tutorial's kernel by all methods. */
export async function measureProfile(threads: number): Promise<ProfileReport> {
  let told: readonly KernelTime[] = [];
  const backend = createWasmBackend({ threads, observer: (times) => told = times });
  backend.startThreads();
  setBackend(backend);
  const { f, params, x1, x2 } = makeProblem("tutorial");
  await realize([params, x1, x2]);
  const rates: number[] = [];
  const profiles: MethodProfile[] = [];
  for (const method of methodNames) {
    const runs: (readonly KernelTime[])[] = [];
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await sleep(10);
      const from = performance.now();
      (await empiricalNtk(f, params, x1, x2, { method })).dispose();
      times.push((performance.now() - from) / 1000);
      runs.push(told);
    }
    rates.push(ceiling());
    const warm = runs.slice(rounds / 2);
    const warmTimes = times.slice(rounds / 2);
    profiles.push({
      method,
      seconds: median(warmTimes),
      kernels: warm[0].map((time, i) => ({
        ...time,
        seconds: median(warm.map((run) => run[i].seconds)),
      })),
      around: median(warm.map((run, i) => warmTimes[i] - total(run))),
    });
  }
  backend.stopThreads();
  return { threads, ceilingGflops: median(rates), profiles };
}

/** Kernels that ran together: the products among them, and how many loops there are; a loop alone by what it does. */
function nameOf({ kernels }: KernelTime): string {
  if (kernels.length === 1) return kernels[0];
  const loops = kernels.filter((name) => name.startsWith("loop")).length;
  const others = kernels.filter((name) => !name.startsWith("loop"));
  return others.length > 0
    ? `${others.join("; ")}; with ${loops} ${loops === 1 ? "loop" : "loops"}`
    : `${loops} loops, the last: ${kernels[loops - 1]}`;
}

/** The figures as tables. */
export function printProfile({ threads, ceilingGflops, profiles }: ProfileReport): string {
  const limit = threads * ceilingGflops;
  const parts = [
    `### Where the time goes`,
    `The tutorial's full kernel, ${threads} threads: what each kernel of the program takes, warm medians. Operations are counted as products are defined, and compared with ${
      digits(limit)
    } GFLOP/s, ${threads} times the ceiling of one thread; Winograd's algorithm multiplies less and can be above it. Bytes are those of the buffers that a kernel reads and writes, each once.`,
  ];
  for (const { method, seconds, kernels, around } of profiles) {
    const row = (name: string, time: number, work: string, share: string): string[] => [
      name,
      duration(time),
      percent(time / seconds),
      work,
      share,
    ];
    const large = kernels.filter((kernel) => kernel.seconds >= leastShare * seconds);
    const small = kernels.filter((kernel) => !large.includes(kernel));
    const rows = large.toSorted((a, b) => b.seconds - a.seconds).map((kernel) => {
      const rate = kernel.operations / kernel.seconds / 1e9;
      return kernel.operations > 0
        ? row(nameOf(kernel), kernel.seconds, `${digits(rate)} GFLOP/s`, percent(rate / limit))
        : row(
          nameOf(kernel),
          kernel.seconds,
          `${digits(kernel.bytes / kernel.seconds / 1e9)} GB/s`,
          "",
        );
    });
    parts.push(table([method, "time", "of all", "rate", "of the ceiling"], [
      ...rows,
      row(`${small.length} other kernels`, total(small), "", ""),
      row("around the program: graph, look-up, dispatch", around, "", ""),
      row("all", seconds, "", ""),
    ]));
  }
  return parts.join("\n\n");
}
