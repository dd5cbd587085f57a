/**
 * Prints how accurate kernels are, as Markdown: for every golden network, method and dtype the largest error over the largest
 * entry, against PyTorch's kernel in float64, beside PyTorch's own error in float32.
 *
 * Run with: deno run -A bench/accuracy.ts [--json FILE]
 *
 * PyTorch takes part where a Python has it: `TANGENTS_PYTHON` names one interpreter or several, with commas between.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { functionalCall } from "../lib/nn/mod.ts";
import { methodNames } from "../lib/ntk/methods.ts";
import { empiricalNtk, type Tensor } from "../mod.ts";
import { goldenNames, loadGolden, relativeError } from "../tests/helpers/golden.ts";
import { table } from "./markdown.ts";
import { findPython } from "./processes.ts";

/** Errors by network and by method. */
type Errors = Record<string, Record<string, number>>;

const here = (path: string): string => new URL(path, import.meta.url).pathname;

async function measureOurs(dtype: "float32" | "float64"): Promise<Errors> {
  const errors: Errors = {};
  for (const name of goldenNames) {
    const { net, x1, x2, ntk } = await loadGolden(name, dtype);
    const f = (p: Record<string, Tensor>, x: Tensor): Tensor =>
      functionalCall(net, p, x.unsqueeze(0)).squeeze(0);
    errors[name] = {};
    for (const method of methodNames) {
      const kernel = await empiricalNtk(f, net.namedParameters(), x1, x2, { method });
      errors[name][method] = await relativeError(kernel, ntk);
    }
  }
  return errors;
}

/** PyTorch's errors in float32, or none where there is no PyTorch. */
async function measureTorch(): Promise<{ version: string; errors: Errors } | null> {
  const python = await findPython("torch");
  if (python === null) {
    console.error("PyTorch is left out: no Python with it (TANGENTS_PYTHON)");
    return null;
  }
  const { success, stdout } = await new Deno.Command(python, {
    args: [here("peers/torch_accuracy.py"), here("../tests/golden")],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("PyTorch's script failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

const { json } = parseArgs(Deno.args, { string: ["json"] });
const ours = { float32: await measureOurs("float32"), float64: await measureOurs("float64") };
const torch = await measureTorch();
const short: Readonly<Record<string, string>> = {
  "jacobian-contraction": "JC",
  "ntk-vector-products": "VP",
  "structured-derivatives": "SD",
};
const columns = [
  ...methodNames.map((method) => ({ head: `float32, ${short[method]}`, of: ours.float32, method })),
  ...(["jacobian-contraction", "ntk-vector-products"] as const).map((method) => ({
    head: `PyTorch, ${short[method]}`,
    of: torch?.errors,
    method,
  })),
  ...methodNames.map((method) => ({ head: `float64, ${short[method]}`, of: ours.float64, method })),
].filter(({ of }) => of !== undefined);
const rows = goldenNames.map((name) => [
  name,
  ...columns.map(({ of, method }) => of![name][method].toExponential(1)),
]);
if (torch !== null) console.log(`PyTorch ${torch.version} in float32.\n`);
console.log(table(["network", ...columns.map(({ head }) => head)], rows));
if (json !== undefined) {
  await Deno.writeTextFile(json, JSON.stringify({ ours, torch }, null, 2) + "\n");
}
