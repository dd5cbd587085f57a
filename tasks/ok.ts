/**
 * Every check of the project, one after the other: `deno task ok`. Names those that failed.
 *
 * `--no-test` leaves the tests out, for a caller that runs them itself.
 */

const config = JSON.parse(await Deno.readTextFile("deno.json"));
const entryPoints = Object.values<string>(config.exports);
const folders = [];
for (const name of ["lib", "backends", "models"]) if (await exists(name)) folders.push(name);

const documented = [...entryPoints.filter((path) => path.split("/").length === 2)];
for (const name of ["README.md", "ARCHITECTURE.md"]) if (await exists(name)) documented.push(name);
for (const folder of folders) documented.push(...await examples(folder));

const steps: [name: string, ...args: string[]][] = [
  ["format", "fmt", "--check", "--quiet"],
  ["lint", "lint", "--quiet"],
  ["types", "check", "--quiet"],
  ["documentation lint", "doc", "--quiet", "--lint", ...entryPoints],
  ["documentation examples", "test", "--quiet", "-A", "--reporter=dot", "--doc", ...documented],
  ["publish dry run", "publish", "--quiet", "--dry-run", "--allow-dirty"],
];
if (!Deno.args.includes("--no-test")) steps.push(["tests", "task", "--quiet", "test"]);

const failed: string[] = [];
for (const [name, ...args] of steps) {
  const start = performance.now();
  const { success } = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).spawn()
    .status;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${success ? "ok" : "FAILED"}: ${name} (${seconds} s)`);
  if (!success) failed.push(name);
}
if (failed.length > 0) console.log(`failed: ${failed.join(", ")}`);
Deno.exit(failed.length > 0 ? 1 : 0);

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/** The .ts files of a folder that show an example. */
async function examples(folder: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) files.push(...await examples(path));
    else if (name.endsWith(".ts") && (await Deno.readTextFile(path)).includes("* ```ts")) {
      files.push(path);
    }
  }
  return files.sort();
}
