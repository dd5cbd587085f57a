/**
 * Prints how accurate kernels are, as Markdown: for every golden network, method and dtype the largest error over the largest
 * entry, against PyTorch's kernel in float64, beside PyTorch's own error in float32. One kernel's largest error is a matter of
 * chance, so a second table has the geometric mean over networks drawn around the golden ones (all but the tutorial's, which
 * would take minutes).
 *
 * Run with: deno run -A bench/accuracy.ts [--draws N] [--json FILE]
 *
 * PyTorch takes part where a Python has it: `TANGENTS_PYTHON` names one interpreter or several, with commas between.
 *
 * @module
 */

import { parseArgs } from "@std/cli";
import { writeNpy } from "../lib/npy/file.ts";
import { methodNames } from "../lib/ntk/methods.ts";
import { empiricalNtk, random, type Tensor } from "../mod.ts";
import {
  type Golden,
  goldenNames,
  loadGolden,
  relativeError,
  single,
} from "../tests/helpers/golden.ts";
import { table } from "./markdown.ts";
import { findPython } from "./processes.ts";

/** Errors by network and by method. */
type Errors = Record<string, Record<string, number>>;

/** A network with examples and their kernel in float64. */
type Case = Pick<Golden, "name" | "net" | "x1" | "x2" | "ntk">;

const here = (path: string): string => new URL(path, import.meta.url).pathname;

async function errorsOf({ net, x1, x2, ntk }: Case): Promise<Record<string, number>> {
  const errors: Record<string, number> = {};
  for (const method of methodNames) {
    const kernel = await empiricalNtk(single(net), net.namedParameters(), x1, x2, { method });
    errors[method] = await relativeError(kernel, ntk);
    kernel.dispose();
  }
  return errors;
}

async function measureGolden(dtype: "float32" | "float64"): Promise<Errors> {
  const errors: Errors = {};
  for (const name of goldenNames) errors[name] = await errorsOf(await loadGolden(name, dtype));
  return errors;
}

/** A golden network in float32 with parameters and examples a quarter of themselves, or of 1, away; any tokens. */
async function draw(name: string, seed: number): Promise<Case> {
  const { net, x1, x2 } = await loadGolden(name, "float32");
  let key = random.randomKey(seed);
  const noise = (shape: readonly number[], draw = random.normal): Tensor => {
    const [next, own] = random.splitKey(key);
    key = next;
    return draw(own, shape);
  };
  const other = (x: Tensor): Tensor =>
    x.isFloat
      ? x.add(noise(x.shape).mul(0.25))
      : noise(x.shape, random.uniform).mul(50).floor().to(x.dtype);
  const params = Object.entries(net.namedParameters()).map(([name, p]): [string, Tensor] => [
    name,
    p.mul(noise(p.shape).mul(0.25).add(1)),
  ]);
  net.loadStateDict({ ...net.stateDict(), ...Object.fromEntries(params) });
  const [first, second] = [other(x1), other(x2)];
  // The golden kernels say that in float64 this is PyTorch's.
  const { net: exact } = await loadGolden(name, "float64");
  exact.loadStateDict(Object.fromEntries(
    Object.entries(net.stateDict()).map(([name, x]) => [name, x.to("float64")]),
  ));
  const inFloat64 = (x: Tensor): Tensor => x.isFloat ? x.to("float64") : x;
  const ntk = await empiricalNtk(
    single(exact),
    exact.namedParameters(),
    inFloat64(first),
    inFloat64(second),
    { method: "jacobian-contraction" },
  );
  return { name, net, x1: first, x2: second, ntk };
}

/** Writes a network as the golden ones are stored. */
async function store(folder: string, { name, net, x1, x2, ntk }: Case): Promise<void> {
  const parts = { x1, x2, ntk };
  const params = Object.entries(net.stateDict()).map(([name, x]) => [`params/${name}`, x] as const);
  await Deno.mkdir(`${folder}/${name}/params`, { recursive: true });
  for (const [path, x] of [...Object.entries(parts), ...params]) {
    const data = await x.data();
    await writeNpy(`${folder}/${name}/${path}.npy`, { data, shape: x.shape });
  }
}

/** PyTorch's errors in float32 for the networks in each folder, or none where there is no PyTorch. */
async function measureTorch(
  folders: readonly string[],
): Promise<{ version: string; errors: Errors[] } | null> {
  const python = await findPython("torch");
  if (python === null) {
    console.error("PyTorch is left out: no Python with it (TANGENTS_PYTHON)");
    return null;
  }
  const { success, stdout } = await new Deno.Command(python, {
    args: [here("peers/torch_accuracy.py"), ...folders],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error("PyTorch's script failed");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** The geometric mean of each error. */
function meanOf(all: readonly Errors[]): Errors {
  return Object.fromEntries(
    Object.entries(all[0]).map(([name, errors]) => [
      name,
      Object.fromEntries(
        Object.keys(errors).map((method) => {
          const logs = all.map((each) => Math.log(each[name][method]));
          return [method, Math.exp(logs.reduce((sum, x) => sum + x) / logs.length)];
        }),
      ),
    ]),
  );
}

const short: Readonly<Record<string, string>> = {
  "jacobian-contraction": "JC",
  "ntk-vector-products": "VP",
  "structured-derivatives": "SD",
};

function print(sources: readonly (readonly [head: string, errors: Errors | undefined])[]): void {
  const there = sources.flatMap(([head, errors]) => errors === undefined ? [] : [{ head, errors }]);
  const names = Object.keys(there[0].errors);
  const columns = there.flatMap(({ head, errors }) =>
    Object.keys(errors[names[0]]).map((method) => ({ head, errors, method }))
  );
  console.log(table(
    ["network", ...columns.map(({ head, method }) => `${head}, ${short[method]}`)],
    names.map((name) => [
      name,
      ...columns.map(({ errors, method }) => errors[name][method].toExponential(1)),
    ]),
  ));
}

const options = parseArgs(Deno.args, { string: ["draws", "json"], default: { draws: "30" } });
const count = Number(options.draws);
if (!(Number.isInteger(count) && count >= 0)) {
  console.error("usage: deno run -A bench/accuracy.ts [--draws N] [--json FILE]");
  Deno.exit(2);
}
const ours = { float32: await measureGolden("float32"), float64: await measureGolden("float64") };
const folder = await Deno.makeTempDir();
const folders = [here("../tests/golden")];
const drawn: Errors[] = [];
try {
  for (let seed = 0; seed < count; seed++) {
    const errors: Errors = {};
    folders.push(`${folder}/${seed}`);
    for (const name of goldenNames) {
      if (name === "tutorial-cnn") continue;
      const network = await draw(name, seed);
      errors[name] = await errorsOf(network);
      await store(folders.at(-1)!, network);
    }
    drawn.push(errors);
  }
  const torch = await measureTorch(folders);
  const [golden, ...others] = torch?.errors ?? [];
  if (torch !== null) console.log(`PyTorch ${torch.version} in float32.\n`);
  print([["float32", ours.float32], ["PyTorch", golden], ["float64", ours.float64]]);
  if (count > 0) {
    console.log(`\nGeometric means over ${count} networks around each:\n`);
    print([["float32", meanOf(drawn)], [
      "PyTorch",
      others.length > 0 ? meanOf(others) : undefined,
    ]]);
  }
  if (options.json !== undefined) {
    const text = JSON.stringify({ ours, drawn, torch }, null, 2);
    await Deno.writeTextFile(options.json, text + "\n");
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
// Threads would keep the process alive.
Deno.exit(0);
