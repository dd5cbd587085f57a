/**
 * Runs ONNX's own tests of operators: `deno task onnx:tests [--folder DIR] [--failures] [--shrink] [PATTERN]`.
 *
 * Without a folder that holds them (`onnx/backend/test/data/node`), the package that has them is fetched by pip. Prints how many
 * cases pass for each operator; with `--failures` also why others do not.
 *
 * `tests/data/onnx/failures.json` lists the cases that are known not to pass, by reason. The task fails where another case does
 * not, and names those on the list that do; `--shrink` takes them from it.
 */

import { parseArgs } from "@std/cli/parse-args";
import { type NodeTestResult, runNodeTest } from "../tests/helpers/onnx_node_tests.ts";

const version = "1.16.2";
const inside = "onnx/backend/test/data/node";

async function run(command: string, ...args: string[]): Promise<void> {
  const { success } = await new Deno.Command(command, { args }).spawn().status;
  if (!success) throw new Error(`${command} ${args.join(" ")} failed`);
}

/** The folder of tests, from the package; kept in the folder of temporary files. */
async function fetched(): Promise<string> {
  const folder = `${Deno.env.get("TMPDIR") ?? "/tmp"}/tangents-onnx-${version}`;
  const tests = `${folder}/${inside}`;
  if (await Deno.stat(tests).then(() => true, () => false)) return tests;
  const wheel = ["--no-deps", "--only-binary=:all:", "--quiet", "--target", folder];
  await run("python3", "-m", "pip", "install", ...wheel, `onnx==${version}`);
  return tests;
}

const args = parseArgs(Deno.args, { string: ["folder"], boolean: ["failures", "shrink"] });
const folder = args.folder ?? await fetched();
const pattern = String(args._[0] ?? "");
const base = new URL(`file://${await Deno.realPath(folder)}/`);
const names: string[] = [];
for await (const { name } of Deno.readDir(base)) if (name.includes(pattern)) names.push(name);
const results: NodeTestResult[] = [];
for (const name of names.sort()) results.push(await runNodeTest(new URL(`${name}/`, base)));

const byOperator = Map.groupBy(results, ({ operators }) => operators.join("+"));
for (const [operator, cases] of [...byOperator].sort(([a], [b]) => a < b ? -1 : 1)) {
  const passed = cases.filter(({ failure }) => failure === null);
  const state = passed.length === cases.length ? "ok" : passed.length === 0 ? "--" : "part";
  console.log(`${state.padEnd(4)} ${operator.slice(0, 60)}: ${passed.length} of ${cases.length}`);
  if (!args.failures) continue;
  for (const { name, failure } of cases) {
    if (failure !== null) console.log(`       ${name}: ${failure.split("\n").join(" ")}`);
  }
}
const passed = new Set(
  results.filter(({ failure }) => failure === null).map(({ name }) => name),
);
console.log(`${passed.size} of ${results.length} cases pass`);

const listFile = new URL("../tests/data/onnx/failures.json", import.meta.url);
const list: Record<string, string[]> = JSON.parse(await Deno.readTextFile(listFile));
const listed = new Set(Object.values(list).flat());
const better = [...listed].filter((name) => passed.has(name));
const worse = results.filter(({ name }) => !passed.has(name) && !listed.has(name));
if (better.length > 0) {
  console.log(`on the list of failures, but passing: ${better.join(", ")}`);
  if (args.shrink) {
    const left = Object.entries(list)
      .map(([reason, cases]) => [reason, cases.filter((name) => !passed.has(name))] as const)
      .filter(([, cases]) => cases.length > 0);
    await Deno.writeTextFile(listFile, `${JSON.stringify(Object.fromEntries(left), null, 2)}\n`);
  }
}
for (const { name, failure } of worse) {
  console.log(`not on the list of failures: ${name}: ${failure}`);
}
if (worse.length > 0) Deno.exit(1);
