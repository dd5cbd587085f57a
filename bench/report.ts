/**
 * Prints the tables of the README as Markdown.
 *
 * Run with: deno task bench:report [--only primitives,kernels,choice,scaling,cold,profile] [--threads N] [--filter TEXT] [--slow] [--json FILE]
 *
 * Takes about ten minutes; the machine should do nothing else. PyTorch and neural-tangents (0.6.5, with JAX 0.4.30) take part
 * where a Python has them: `TANGENTS_PYTHON` names one interpreter or several, with commas between. `--slow` adds what takes
 * more than a minute a kernel.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { measureChoice, printChoice } from "./choice.ts";
import { measureCold, printCold } from "./cold.ts";
import { measureKernels, printKernels } from "./kernels.ts";
import { describeMachine, describeRuntime } from "./machine.ts";
import { measurePrimitives, printPrimitives } from "./primitives.ts";
import { measureProfile, printProfile } from "./profile.ts";
import { measureScaling, printScaling } from "./scaling.ts";

/** A section that measures something and prints it. */
function section<Report>(
  measure: () => Promise<Report>,
  print: (report: Report) => string,
): () => Promise<unknown> {
  return async () => {
    const report = await measure();
    console.log(print(report) + "\n");
    return report;
  };
}

const sections: Readonly<Record<string, () => Promise<unknown>>> = {
  primitives: section(() => measurePrimitives(threads, options.filter), printPrimitives),
  kernels: section(() => measureKernels(threads, options.slow), printKernels),
  choice: section(() => measureChoice(threads, options.filter), printChoice),
  scaling: section(() => measureScaling(threads), printScaling),
  cold: section(() => measureCold(threads), printCold),
  profile: section(() => measureProfile(threads), printProfile),
};
const names = Object.keys(sections);
const options = parseArgs(Deno.args, {
  string: ["only", "threads", "filter", "json"],
  boolean: ["slow"],
  default: { only: names.join(","), threads: "2", filter: "" },
});
const wanted = options.only.split(",");
const threads = Number(options.threads);
if (!(wanted.every((name) => names.includes(name)) && Number.isInteger(threads) && threads > 0)) {
  console.error(
    `usage: deno task bench:report [--only ${
      names.join(",")
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
for (const name of names) if (wanted.includes(name)) results[name] = await sections[name]();
if (options.json !== undefined) {
  await Deno.writeTextFile(options.json, JSON.stringify(results, null, 2) + "\n");
}
// Threads of peers would keep the process alive.
Deno.exit(0);
