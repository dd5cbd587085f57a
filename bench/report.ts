/**
 * Prints the tables of the README as Markdown.
 *
 * Run with: deno task bench:report [--only primitives,kernels,scaling,cold] [--threads N] [--filter TEXT] [--slow] [--json FILE]
 *
 * Takes about six minutes; the machine should do nothing else. PyTorch and neural-tangents (0.6.5, with JAX 0.4.30) take part
 * where a Python has them: `TANGENTS_PYTHON` names one interpreter or several, with commas between. `--slow` adds what takes
 * more than a minute a kernel.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { measureCold, printCold } from "./cold.ts";
import { measureKernels, printKernels } from "./kernels.ts";
import { describeMachine, describeRuntime } from "./machine.ts";
import { measurePrimitives, printPrimitives } from "./primitives.ts";
import { measureScaling, printScaling } from "./scaling.ts";

const sections = ["primitives", "kernels", "scaling", "cold"];
const options = parseArgs(Deno.args, {
  string: ["only", "threads", "filter", "json"],
  boolean: ["slow"],
  default: { only: sections.join(","), threads: "2", filter: "" },
});
const wanted = options.only.split(",");
const unknown = wanted.filter((name) => !sections.includes(name));
const threads = Number(options.threads);
if (unknown.length > 0 || !(Number.isInteger(threads) && threads > 0)) {
  console.error(
    `usage: deno task bench:report [--only ${
      sections.join(",")
    }] [--threads N] [--filter TEXT] [--slow] [--json FILE]`,
  );
  Deno.exit(2);
}

const results: Record<string, unknown> = {
  machine: describeMachine(),
  runtime: describeRuntime(),
  threads,
};
console.log(`Measured on ${results.machine}; ${results.runtime}.\n`);
if (wanted.includes("primitives")) {
  const report = await measurePrimitives(threads, options.filter);
  results.primitives = report;
  console.log(printPrimitives(report) + "\n");
}
if (wanted.includes("kernels")) {
  const report = await measureKernels(threads, options.slow);
  results.kernels = report;
  console.log(printKernels(report) + "\n");
}
if (wanted.includes("scaling")) {
  const report = await measureScaling(threads);
  results.scaling = report;
  console.log(printScaling(report) + "\n");
}
if (wanted.includes("cold")) {
  const report = await measureCold(threads);
  results.cold = report;
  console.log(printCold(report) + "\n");
}
if (options.json !== undefined) {
  await Deno.writeTextFile(options.json, JSON.stringify(results, null, 2) + "\n");
}
// Threads of peers would keep the process alive.
Deno.exit(0);
