/**
 * What a process spends before it is warm: steps from a network to machine code, and V8's two compilers for WebAssembly.
 *
 * @module
 */

import type { NtkMethod } from "../mod.ts";
import { methodNames } from "../lib/ntk/methods.ts";
import { digits, duration, table } from "./markdown.ts";
import { runOnce, script } from "./processes.ts";
import { median } from "./timing.ts";

/** Milliseconds of steps by name, and counts. */
type Laps = Readonly<Record<string, number>>;

/** One method: its steps, and its first kernels with each choice of V8's compilers. */
export interface ColdStart {
  readonly method: NtkMethod;
  readonly steps: Laps;
  readonly runs: Readonly<Record<string, Laps>>;
}

/** What was measured. */
export interface ColdReport {
  readonly threads: number;
  readonly starts: readonly ColdStart[];
}

const rounds = 3;
/** Flags of V8 by what they say. */
const tiers: Readonly<Record<string, readonly string[]>> = {
  "as V8 chooses": [],
  "the fast compiler alone": ["--v8-flags=--liftoff-only"],
  "the optimizing compiler alone": ["--v8-flags=--no-liftoff"],
};
const calls = ["first", "second", "third", "sixth"] as const;

/** Medians over several processes. */
async function measure(
  method: NtkMethod,
  mode: "steps" | "runs",
  threads: number,
  flags: readonly string[],
): Promise<Laps> {
  const program = script("cold_worker.ts", "cold_worker.ts", flags);
  const all: Laps[] = [];
  for (let round = 0; round < rounds; round++) {
    all.push(await runOnce<Laps>(program, [method, mode, String(threads)]));
  }
  const names = Object.keys(all[0]);
  return Object.fromEntries(names.map((name) => [name, median(all.map((laps) => laps[name]))]));
}

/** Measures cold starts of the tutorial's kernel. */
export async function measureCold(threads: number): Promise<ColdReport> {
  const starts: ColdStart[] = [];
  for (const method of methodNames) {
    const steps = await measure(method, "steps", threads, []);
    const runs: Record<string, Laps> = {};
    for (const [name, flags] of Object.entries(tiers)) {
      runs[name] = await measure(method, "runs", threads, flags);
    }
    starts.push({ method, steps, runs });
  }
  return { threads, starts };
}

/** The figures as tables. */
export function printCold({ threads, starts }: ColdReport): string {
  const others = ["kernels", "bytes", "wall"];
  const names = Object.keys(starts[0].steps).filter((name) => !others.includes(name));
  return [
    `### A cold start`,
    `The tutorial's full kernel in a process of its own, ${threads} threads; medians of ${rounds} processes. Steps before anything runs (V8 compiles functions of WebAssembly when they are first called):`,
    table(
      ["step", ...starts.map(({ method }) => method)],
      [
        ...names.map((
          name,
        ) => [name, ...starts.map(({ steps }) => duration(steps[name] / 1000))]),
        ["kernels in the program", ...starts.map(({ steps }) => String(steps.kernels))],
        [
          "size of the module",
          ...starts.map(({ steps }) => digits(steps.bytes / 1000, " kB")),
        ],
      ],
    ),
    `Kernels one after the other in such a process, tracing and reading included, with V8's compilers as it chooses (a fast one first, an optimizing one in the background for what runs often) and with either alone:`,
    table(
      ["method", "compilers", ...calls.map((call) => `${call} kernel`)],
      starts.flatMap(({ method, runs }) =>
        Object.entries(runs).map(([name, laps]) => [
          method,
          name,
          ...calls.map((call) => duration(laps[call] / 1000)),
        ])
      ),
    ),
  ].join("\n\n");
}
