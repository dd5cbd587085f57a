/**
 * Kernels that would not fit into memory with Jacobians, each in a process of its own: seconds and the most memory held.
 *
 * Run with: deno run -A bench/large.ts [--threads N]
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import { realizeAll } from "../lib/core/realize.ts";
import { empiricalNtk, random, setBackend } from "../mod.ts";
import { MLP } from "../models/mod.ts";
import { duration, table } from "./markdown.ts";
import { type NtkProblem, problemOf } from "./ntk_problems.ts";

/** The kernels, by name. */
const problems: Readonly<Record<string, () => NtkProblem>> = {
  "one hidden layer of 2^17, 100 inputs, 10 outputs, 20 x 20": () =>
    mlp([100, 1 << 17, 10], 20, 20),
  "3072-2048-2048-2048-100, 16 x 16": () => mlp([3072, 2048, 2048, 2048, 100], 16, 16),
};

function mlp(sizes: number[], n1: number, n2: number): NtkProblem {
  const [key1, key2] = random.splitKey(random.randomKey(0));
  return problemOf(
    new MLP(sizes),
    random.normal(key1, [n1, sizes[0]]),
    random.normal(key2, [n2, sizes[0]]),
  );
}

/** The most memory that this process ever held, in bytes. */
async function peakMemory(): Promise<number> {
  const status = await Deno.readTextFile("/proc/self/status");
  return 1024 * Number(status.match(/VmHWM:\s*(\d+)/)![1]);
}

const { threads, only } = parseArgs(Deno.args, {
  string: ["threads", "only"],
  default: { threads: "2" },
});
if (only === undefined) {
  const rows: string[][] = [];
  for (const name of Object.keys(problems)) {
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", import.meta.filename!, "--threads", threads, "--only", name],
      stderr: "inherit",
    }).output();
    if (success) rows.push(JSON.parse(new TextDecoder().decode(stdout)));
  }
  console.log(table(["kernel", "first", "warm", "memory at the peak"], rows));
} else {
  await setBackend(createWasmBackend({ threads: Number(threads) }));
  const { f, params, x1, x2 } = problems[only]();
  await realizeAll([...Object.values(params), x1, x2]);
  const times: number[] = [];
  for (let run = 0; run < 4; run++) {
    const start = performance.now();
    (await empiricalNtk(f, params, x1, x2)).dispose();
    times.push((performance.now() - start) / 1000);
  }
  const megabytes = (await peakMemory()) / 1e6;
  const warm = Math.min(...times.slice(1));
  console.log(
    JSON.stringify([only, duration(times[0]), duration(warm), `${megabytes.toFixed(0)} MB`]),
  );
}
