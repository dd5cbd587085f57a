/** The command line, in this process and in one of its own. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { main } from "../cli/main.ts";
import { readNpy, writeNpy } from "../lib/npy/mod.ts";
import { type NtkReport, setBackend } from "../mod.ts";
import { models } from "../models/mod.ts";
import configuration from "../deno.json" with { type: "json" };
import { webgpuBackend } from "./helpers/webgpu.ts";

const root = new URL("..", import.meta.url).pathname;
const golden = `${root}tests/golden`;

interface Result {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs the command line in this process. */
async function call(...args: string[]): Promise<Result> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const { log, error } = console;
  console.log = (...parts) => stdout.push(parts.join(" "));
  console.error = (...parts) => stderr.push(parts.join(" "));
  try {
    const status = await main(args);
    return { status, stdout: stdout.join("\n"), stderr: stderr.join("\n") };
  } finally {
    console.log = log;
    console.error = error;
    setBackend("wasm");
  }
}

/** The environment without what the task that runs the tests set for itself. */
const { INIT_CWD: _, ...inherited } = Deno.env.toObject();

/** Runs `deno` as a user would. */
async function deno(args: string[], cwd = root): Promise<Result & { seconds: number }> {
  const start = performance.now();
  const output = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { ...inherited, NO_COLOR: "1" },
    clearEnv: true,
    stdin: "null",
  }).output();
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return {
    status: output.code,
    stdout: decode(output.stdout),
    stderr: decode(output.stderr),
    seconds: (performance.now() - start) / 1000,
  };
}

const program = ["run", "--allow-read", "--allow-write", "--allow-env", `${root}cli/main.ts`];

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const namesIn = (folder: string): string[] =>
  [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

/** Largest difference of two arrays over the largest entry of the second. */
function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, largest] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  assertEquals(a.length, b.length);
  return difference / largest;
}

Deno.test("--help says what there is, on stdout", async () => {
  const { status, stdout, stderr } = await deno([...program, "--help"]);
  assertEquals([status, stderr], [0, ""]);
  const flags =
    "x1 x2 method compute trace-axes diagonal-axes normalize per-parameter error-estimate spectrum check params weights seed output list dtype backend out json help";
  for (const flag of flags.split(" ")) assertStringIncludes(stdout, `--${flag}`);
  for (const name of Object.keys(models)) assertStringIncludes(stdout, name);
  for (const line of stdout.split("\n")) assert(line.length <= 115, line);
  assertEquals((await call("-h")).stdout, stdout.trimEnd());
  assertEquals((await call("digits-mlp", "--help", "--x1", "none.npy")).stdout, stdout.trimEnd());
});

Deno.test("--version is that of deno.json", async () => {
  assertEquals(await call("--version"), {
    status: 0,
    stdout: configuration.version,
    stderr: "",
  });
});

Deno.test("--list names the parameters of each model", async () => {
  const { status, stdout, stderr } = await call("digits-mlp", "--list");
  assertEquals(status, 0);
  assertMatch(stdout, /^1\.weight +\[256, 64\]\n1\.bias +\[256\]\n/);
  assertEquals(stderr, "6 parameters, 85002 numbers");
  for (const name of Object.keys(models)) {
    const { status, stdout, stderr } = await call(name, "--list", "--json");
    assertEquals([status, stderr], [0, ""]);
    const rows = JSON.parse(stdout) as { name: string; shape: number[]; size: number }[];
    const meta = JSON.parse(await Deno.readTextFile(`${golden}/${name}/meta.json`));
    assertEquals(rows.map((row) => row.name), meta.parameters);
    assertEquals(rows.reduce((n, row) => n + row.size, 0), meta.parameterCount);
  }
});

Deno.test("an ONNX file: what it holds, its kernel, and a choice of its stored tensors", () =>
  inFolder(async (folder) => {
    const file = `${golden}/digits-cnn/model.onnx`;
    const listed = await call(file, "--list");
    assertEquals([listed.status, listed.stderr.slice(0, 27)], [0, "13 parameters, 1530 numbers"]);
    assertMatch(listed.stdout, /^input +x +float32 +\[1, 8, 8\]\noutput +y +float32 +\[10\]\n/);
    assertMatch(listed.stdout, /\nparameter +1\.bias +float32 +\[8\]\nconstant +1\.running_mean /);
    const [out, x1, x2] = [`${folder}/k.npy`, "x1", "x2"].map((name) =>
      name.startsWith("x") ? `${golden}/digits-cnn/${name}.npy` : name
    );
    const { status, stderr } = await call(file, "--x1", x1, "--x2", x2, "--out", out, "--check");
    assertEquals(status, 0, stderr);
    const [kernel, expected] = [await readNpy(out), await readNpy(`${golden}/digits-cnn/ntk.npy`)];
    assertEquals(kernel.shape, expected.shape);
    assert(relativeError(kernel.data, expected.data) <= 1e-6);
    const some = await call(file, "--x1", x1, "--params", "12.*,*running_mean", "--json");
    assertEquals(JSON.parse(some.stdout).parameters, 24 * 10 + 10 + 8 + 16);
  }));

Deno.test("an ONNX file with several inputs takes a file for each", () =>
  inFolder(async (folder) => {
    const file = `${root}tests/data/onnx/condition.onnx`;
    const write = (name: string, shape: number[], data: number[]): Promise<void> =>
      writeNpy(`${folder}/${name}.npy`, { shape, data: Float32Array.from(data) });
    const a = [[1, 2, 3], [0.5, -1, 2]];
    await write("a", [2, 3], a.flat());
    await write("b", [2, 2], [1, 2, 3, 4]);
    await write("more", [3, 2], [1, 2, 3, 4, 5, 6]);
    const out = `${folder}/k.npy`;
    const given = (b: string) => ["--x1", `a=${folder}/a.npy`, "--x1", `b=${folder}/${b}.npy`];
    const { status, stderr } = await call(file, ...given("b"), "--out", out);
    assertEquals(status, 0, stderr);
    // The network is a·w plus a constant: its condition follows from the shape of a.
    const dot = (n: number, m: number): number => a[n].reduce((sum, x, i) => sum + x * a[m][i], 0);
    const expected = [0, 1].flatMap((n) => [0, 1].flatMap((m) => [dot(n, m), 0, 0, dot(n, m)]));
    assert(relativeError((await readNpy(out)).data, Float64Array.from(expected)) <= 1e-6);
    const wrong = async (args: string[], reason: string): Promise<void> => {
      const { status, stderr } = await call(file, ...args);
      assertEquals(status, 2);
      assertStringIncludes(stderr, reason);
    };
    await wrong(given("more"), "2 of a, 3 of b; give as many examples of each input");
    await wrong(["--x1", `a=${folder}/a.npy`], "--x1 lacks b");
    await wrong(["--x1", `${folder}/a.npy`], "takes a, b: give --x1 a=FILE.npy --x1 b=FILE.npy");
    await wrong([...given("b"), "--x1", `b=${folder}/b.npy`], "b is given twice");
  }));

Deno.test("an ONNX file takes tokens as integers", async () => {
  const file = `${golden}/transformer/model-torch-export.onnx`;
  const x1 = `${golden}/transformer/x1.npy`;
  const { status, stdout } = await call(file, "--x1", x1, "--json", "--compute", "trace");
  assertEquals([status, JSON.parse(stdout).shape], [0, [4, 4]]);
});

Deno.test("without arguments the tutorial runs, at its own size, and all kernels agree", async () => {
  // As a process of its own, by the task that the README names.
  const { status, stdout, stderr } = await deno(["task", "ntk", "--json"]);
  assertEquals(status, 0, stderr);
  assertEquals(stdout.trim().split("\n").length, 1);
  const report = JSON.parse(stdout);
  assertEquals([report.model, report.parameters, report.agree], ["tutorial-cnn", 235722, true]);
  assertEquals(
    report.rows.map((row: { compute: string; shape: number[] }) => [row.compute, row.shape]),
    [["full", [20, 5, 10, 10]], ["trace", [20, 5]], ["diagonal", [20, 5, 10]]],
  );
  for (const row of report.rows) {
    assert(row.allclose);
    assert(row.largestDifference <= 2e-6 * row.largestEntry, JSON.stringify(row));
    for (const method of ["jacobian-contraction", "ntk-vector-products"]) {
      assert(row.seconds[method].first > 0);
      assertEquals(row.seconds[method].again > 0, row.compute === "full");
    }
  }
  assertStringIncludes(stderr, "all agree");
});

for (const name of ["digits-mlp", "digits-cnn", "transformer"]) {
  Deno.test(`a kernel from .npy to .npy equals the stored one: ${name}`, () =>
    inFolder(async (folder) => {
      const files = `${golden}/${name}`;
      const expected = await readNpy(`${files}/ntk.npy`);
      for (const [dtype, tolerance] of [["float32", 1e-6], ["float64", 1e-12]] as const) {
        const out = `${folder}/${dtype}.npy`;
        const { status, stdout, stderr } = await call(
          ...[name, "--x1", `${files}/x1.npy`, "--x2", `${files}/x2.npy`, "--check"],
          ...["--weights", `${files}/params/`, "--dtype", dtype, "--out", out],
        );
        assertEquals([status, stdout], [0, ""], stderr);
        assertEquals(stderr.split("\n").length, 1);
        assertStringIncludes(stderr, "checked by ");
        assertStringIncludes(stderr, `written to ${out}`);
        const kernel = await readNpy(out);
        assertEquals([kernel.dtype, kernel.shape], [dtype, expected.shape]);
        const error = relativeError(kernel.data, expected.data);
        assert(error <= tolerance, `${dtype}: ${error}`);
      }
      assertEquals(namesIn(folder), ["float32.npy", "float64.npy"]);
    }));
}

const mlp = `${golden}/digits-mlp`;
const weights = ["--weights", `${mlp}/params`];
const x1 = ["--x1", `${mlp}/x1.npy`];
const x2 = ["--x2", `${mlp}/x2.npy`];

Deno.test("the error against float64 and the spectrum are reported", async () => {
  const args = ["digits-mlp", ...x1, ...weights, "--compute", "trace"];
  const { status, stderr } = await call(...args, "--error-estimate", "--spectrum");
  assertEquals(status, 0, stderr);
  assertMatch(stderr, /; error \d\.\de-\d+ of the largest entry \(3 pairs in float64\)/);
  assertMatch(
    stderr,
    /; positive semidefinite: smallest eigenvalue \d\.\d+e\+\d, rounding explains -/,
  );
  const { stdout } = await call(...args, "--error-estimate", "--spectrum", "--json");
  const { errorEstimate, spectrum } = JSON.parse(stdout);
  assert(errorEstimate.relativeError < 1e-6 && errorEstimate.pairs === 3);
  assert(spectrum.positiveSemidefinite && spectrum.smallest < spectrum.largest);
});

Deno.test({
  name: "a kernel is printed where its backend cannot be read without waiting",
  ignore: await webgpuBackend() === null,
  fn: async () => {
    const printed = await call("digits-mlp", ...x1, "--compute", "trace", "--backend", "webgpu");
    assertEquals(printed.status, 0, printed.stderr);
    assertMatch(printed.stdout, /^Tensor float32 \[12, 12\]\n\[\[ *\d/);
    assertStringIncludes(printed.stderr, "on WebGPU, ");
  },
});

Deno.test("trace, diagonal, methods and a subset of the parameters", () =>
  inFolder(async (folder) => {
    const out = `${folder}/k.npy`;
    const kernelOf = async (...args: string[]): Promise<number[]> => {
      const result = await call("digits-mlp", ...x1, ...x2, ...weights, ...args, "--out", out);
      assertEquals(result.status, 0, result.stderr);
      return [...(await readNpy(out)).data];
    };
    const { data, shape: [n, m, o] } = await readNpy(`${mlp}/ntk.npy`);
    const diagonal = Array.from({ length: n * m * o }, (_, i) => {
      const pair = Math.floor(i / o);
      return data[(pair * o + i % o) * o + i % o];
    });
    const trace = Array.from(
      { length: n * m },
      (_, pair) => diagonal.slice(pair * o, pair * o + o).reduce((a, b) => a + b),
    );
    for (const method of ["auto", "jacobian-contraction", "ntk-vector-products"]) {
      const found = await kernelOf("--compute", "trace", "--method", method);
      assert(relativeError(found, trace) <= 1e-6, method);
    }
    assert(relativeError(await kernelOf("--compute", "diagonal"), diagonal) <= 1e-6);
    const found = await kernelOf("--trace-axes", "-1");
    assert(relativeError(found, trace) <= 1e-6);
    const mean = trace.map((x) => x / o);
    assert(relativeError(await kernelOf("--trace-axes=0", "--normalize", "mean"), mean) <= 1e-6);
    const own = await kernelOf("--diagonal-axes", "0");
    assert(relativeError(own, diagonal) <= 1e-6);
    const biases = await kernelOf("--compute", "trace", "--params", "*.bias");
    const others = await kernelOf("--compute", "trace", "--params", "1.weight, 3.w*,5.weight");
    assert(relativeError(biases.map((b, i) => b + others[i]), trace) <= 1e-6);
    assert(biases.every((b) => b > 0));
    await kernelOf("--compute", "trace", "--per-parameter");
    const parts = ["1.weight", "1.bias", "3.weight", "3.bias", "5.weight", "5.bias"]
      .map((name) => readNpy(`${folder}/k.${name}.npy`));
    const shares = (await Promise.all(parts)).map((part) => [...part.data]);
    assert(relativeError(trace.map((_, i) => shares.reduce((s, x) => s + x[i], 0)), trace) <= 1e-6);
    const reference = await kernelOf("--compute", "trace", "--backend", "reference");
    assert(relativeError(reference, trace) <= 1e-6);
  }));

Deno.test("without --out the kernel is printed, with --json a report alone", async () => {
  const trace = ["digits-mlp", ...x1, ...weights, "--compute", "trace"];
  const printed = await call(...trace);
  assertEquals(printed.status, 0);
  assertStringIncludes(printed.stdout, "float32 [12, 12]");
  const method = "ntk-vector-products";
  const reported = await call(...trace, "--json", "--check", "--method", method);
  assertEquals(reported.stdout.split("\n").length, 1);
  const report = JSON.parse(reported.stdout) as NtkReport & { model: string };
  assertEquals(
    [report.model, report.method, report.compute, report.shape, report.backend, report.parameters],
    ["digits-mlp", method, "trace", [12, 12], "wasm", 85002],
  );
  assertEquals(report.check!.method, "jacobian-contraction");
  assert(report.seconds > 0 && report.peakBytes > 0);
});

Deno.test("--explain prints a row for each parameter, and what the whole takes", async () => {
  const args = ["digits-mlp", ...x1, "--compute", "trace", "--explain"];
  const { status, stdout, stderr } = await call(...args);
  assertEquals([status, stderr], [0, ""]);
  const lines = stdout.split("\n");
  assertMatch(
    lines[0],
    /^parameter +shape +uses +Jacobian contraction .* alone: memory +predicted +measured$/,
  );
  const names = ["1.weight", "1.bias", "3.weight", "3.bias", "5.weight", "5.bias"];
  assertEquals(lines.slice(1, 7).map((line) => line.split(" ")[0]), names);
  assertMatch(
    lines[8],
    /^whole kernel by structured-derivatives: predicted .* ms, measured .* MB$/,
  );
  const { parameters } = JSON.parse((await call(...args, "--json")).stdout);
  assertEquals(parameters.map(({ name }: { name: string }) => name), names);
});

Deno.test("--memory-limit computes in blocks, and says so", async () => {
  const whole = await call("digits-mlp", ...x1, "--json");
  const { tiles } = JSON.parse(whole.stdout) as NtkReport;
  const limit = 0.5 * tiles.bytes / 1e6;
  const { status, stdout, stderr } = await call("digits-mlp", ...x1, "--memory-limit", `${limit}`);
  assertEquals(status, 0, stderr);
  assertMatch(stderr, /MB, in \d+ blocks$/);
  assertStringIncludes(stdout, "float32 [12, 12, 10, 10]");
});

Deno.test("the seed makes the parameters, and equal seeds equal kernels", async () => {
  const kernelOf = async (seed: string): Promise<string> =>
    (await call("digits-mlp", ...x1, "--compute", "trace", "--seed", seed)).stdout;
  const first = await kernelOf("1");
  assertEquals(await kernelOf("1"), first);
  assert(await kernelOf("2") !== first);
});

Deno.test("file names are meant from where the user stands, under the task too", () =>
  inFolder(async (folder) => {
    await Deno.copyFile(`${mlp}/x1.npy`, `${folder}/a.npy`);
    const args = ["digits-mlp", "--x1", "a.npy", "--compute", "trace", "--out", "k.npy"];
    const task = ["task", "--config", `${root}deno.json`, "ntk", ...args];
    for (const command of [task, [...program, ...args]]) {
      const { status, stderr } = await deno(command, folder);
      assertEquals(status, 0, stderr);
      assertEquals((await readNpy(`${folder}/k.npy`)).shape, [12, 12]);
      await Deno.remove(`${folder}/k.npy`);
    }
  }));

/** Files that are off, in a folder of their own. */
async function makeFiles(folder: string): Promise<void> {
  const images = (value: number, count = 2): Float64Array =>
    new Float64Array(count * 64).fill(value);
  const shape = [2, 1, 8, 8];
  const files: Record<string, { shape: number[]; data: Float32Array | Float64Array | Int32Array }> =
    {
      x: { shape, data: images(0.5) },
      none: { shape: [0, 1, 8, 8], data: images(0, 0) },
      rank1: { shape: [3], data: new Float32Array(3) },
      rank2: { shape: [2, 64], data: images(0.5) },
      large: { shape: [2, 1, 9, 9], data: new Float32Array(162) },
      nan: { shape, data: images(0.5).fill(NaN, 70, 71) },
      infinite: { shape, data: images(0.5).fill(-Infinity, 3, 4) },
      huge: { shape, data: images(1e300) },
      tokens: { shape: [1, 12], data: new Int32Array(12).fill(50, 5) },
      negative: { shape: [1, 12], data: new Int32Array(12).fill(-1, 2) },
      fractions: { shape: [1, 12], data: new Float32Array(12).fill(0.5) },
    };
  for (const [name, array] of Object.entries(files)) await writeNpy(`${folder}/${name}.npy`, array);
  const whole = await Deno.readFile(`${folder}/x.npy`);
  await Deno.writeFile(`${folder}/cut.npy`, whole.subarray(0, 200));
  await Deno.writeTextFile(`${folder}/text.npy`, "hello, this is no array\n");
  await Deno.writeTextFile(`${folder}/text.onnx`, "hello, this is no model\n");
  await Deno.mkdir(`${folder}/folder.onnx`);
  await Deno.writeTextFile(`${folder}/empty.npy`, "");
  await Deno.mkdir(`${folder}/folder`);
  await Deno.mkdir(`${folder}/weights`);
  for (const { name } of Deno.readDirSync(`${mlp}/params`)) {
    await Deno.copyFile(`${mlp}/params/${name}`, `${folder}/weights/${name}`);
  }
  await writeNpy(`${folder}/weights/3.bias.npy`, {
    shape: [256],
    data: new Float32Array(256).fill(NaN, 9),
  });
}

const known = Object.keys(models).join(", ");
const onnx = `${golden}/digits-mlp/model.onnx`;

/** Wrong calls by what their one line must say; `@` stands for the folder of files that are off. */
const wrong: readonly (readonly [string, string])[] = [
  ["--nope", "--nope is not an option; see --help"],
  ["-x", "-x is not an option; see --help"],
  ["digits-mlp --x1 @/x.npy --no-check", "--no-check is not an option"],
  ["digits-mlp --x1 @/x.npy --check=maybe", "--check takes no value"],
  ["nomodel --x1 @/x.npy", `nomodel is no model; expected an .onnx file or one of ${known}`],
  ["constructor --x1 @/x.npy", "constructor is no model"],
  ["model.onnx --x1 @/x.npy", "model.onnx: there is no such file"],
  ["@/folder.onnx --list", "@/folder.onnx: is a folder; expected an .onnx file"],
  ["@/text.onnx --list", "@/text.onnx: not a readable ONNX file"],
  [`${onnx} --x1 @/rank2.npy`, `has shape [2, 64]; ${onnx} takes [N, 1, 8, 8]`],
  [`${onnx} --x1 @/x.npy --output z`, "has no such output; there are y"],
  [`${onnx} --x1 @/x.npy --weights @/weights`, "has its own weights; leave it out"],
  [`${onnx} --x1 @/x.npy --params conv`, "--params conv: no parameter has that name; there are"],
  ["digits-mlp --x1 @/x.npy --output y", "only ONNX files have outputs with names"],
  ["digits-mlp @/x.npy", "expected one model, got digits-mlp @/x.npy; give examples with --x1"],
  ["digits-mlp", "digits-mlp needs examples: --x1 FILE.npy with shape [N, 1, 8, 8]"],
  ["digits-mlp --x2 @/x.npy", "digits-mlp needs examples: --x1"],
  ["digits-mlp --x1", "--x1 needs a value"],
  ["digits-mlp --x1=", "--x1 needs a value"],
  ["digits-mlp --x1 --check", "--x1 needs a value"],
  ["digits-mlp --x1 @/x.npy --x1 @/x.npy", "--x1 was given 2 times; give it once"],
  ["--x1 @/x.npy", "--x1 needs a model"],
  ["--check", "--check needs a model"],
  ["--list", "--list needs a model"],
  ["--out @/k.npy", "--out needs a model"],
  ["digits-mlp --list --spectrum", "--list computes nothing; leave out --spectrum"],
  ["--error-estimate", "--error-estimate needs a model"],
  ["digits-mlp --x1 @/x.npy --x2 @/x.npy --spectrum", "--spectrum is that of examples with them"],
  ["digits-mlp --x1 @/x.npy --memory-limit much", "--memory-limit much: expected megabytes"],
  ["digits-mlp --x1 @/x.npy --memory-limit 0", "--memory-limit 0: expected megabytes, a number"],
  ["digits-mlp --x1 @/x.npy --explain --check", "--explain computes no kernel; leave out --check"],
  ["digits-mlp --list --explain", "--list computes nothing; leave out --explain"],
  ["digits-mlp --list --out @/k.npy", "--list computes nothing; leave out --out"],
  ["digits-mlp --x1 @/missing.npy", "--x1 @/missing.npy: there is no such file"],
  ["digits-mlp --x1 @/x.npy --x2 @/missing.npy", "--x2 @/missing.npy: there is no such file"],
  ["digits-mlp --x1 @/folder", "--x1 @/folder: is a folder; expected a .npy file"],
  ["digits-mlp --x1 @/text.npy", "--x1 @/text.npy: not a .npy file"],
  ["digits-mlp --x1 @/empty.npy", "--x1 @/empty.npy: not a .npy file: it has 0 bytes"],
  ["digits-mlp --x1 @/cut.npy", "--x1 @/cut.npy: .npy file of shape [2, 1, 8, 8]"],
  ["digits-mlp --x1 @/rank1.npy", "has shape [3]; digits-mlp takes [N, 1, 8, 8]"],
  ["digits-mlp --x1 @/rank2.npy", "has shape [2, 64]; digits-mlp takes [N, 1, 8, 8]"],
  ["digits-mlp --x1 @/x.npy --x2 @/large.npy", "--x2 @/large.npy: has shape [2, 1, 9, 9]"],
  ["digits-mlp --x1 @/none.npy", "has shape [0, 1, 8, 8]; digits-mlp takes [N, 1, 8, 8] with N of"],
  ["digits-mlp --x1 @/nan.npy", "--x1 @/nan.npy: element 70 is NaN; expected finite numbers"],
  ["digits-mlp --x1 @/infinite.npy", "element 3 is -Infinity; expected finite numbers"],
  ["digits-mlp --x1 @/huge.npy", "element 0 is 1e+300; expected numbers that float32 can hold"],
  ["transformer --x1 @/tokens.npy", "element 5 is 50; transformer takes tokens from 0 to 49"],
  ["transformer --x1 @/negative.npy", "element 2 is -1; transformer takes tokens"],
  ["transformer --x1 @/fractions.npy", "element 0 is 0.5; transformer takes tokens"],
  ["digits-mlp --x1 @/x.npy --weights @/nowhere", "--weights @/nowhere/1.weight.npy: there is no"],
  ["digits-mlp --x1 @/x.npy --weights @/x.npy", "--weights @/x.npy/1.weight.npy: cannot be read"],
  ["digits-mlp --x1 @/x.npy --weights @/weights", "3.bias.npy: element 9 is NaN"],
  [
    `digits-mlp --x1 @/x.npy --weights ${golden}/digits-cnn/params`,
    "1.weight.npy: has shape [8]; 1.weight of digits-mlp has [256, 64]",
  ],
  ["digits-mlp --x1 @/x.npy --method fast", "--method fast: expected one of auto, jacobian-con"],
  ["digits-mlp --x1 @/x.npy --compute all", "--compute all: expected one of full, trace, diag"],
  ["digits-mlp --x1 @/x.npy --trace-axes a", "--trace-axes a: expected axes of the output, separ"],
  ["digits-mlp --x1 @/x.npy --trace-axes 0,", "--trace-axes 0,: expected axes of the output"],
  ["digits-mlp --x1 @/x.npy --trace-axes 1", "--trace-axes: axes of one example's output: axis 1"],
  [
    "digits-mlp --x1 @/x.npy --trace-axes -2,-1",
    "--trace-axes: axes of one example's output: axis -2",
  ],
  ["digits-mlp --x1 @/x.npy --diagonal-axes -2", "--diagonal-axes: axes of one example's output"],
  ["digits-mlp --x1 @/x.npy --trace-axes 0 --compute full", "--compute and --trace-axes both say"],
  ["digits-mlp --x1 @/x.npy --normalize max", "--normalize max: expected one of sum, mean"],
  ["digits-mlp --x1 @/x.npy --dtype half", "--dtype half: expected one of float32, float64"],
  [
    "digits-mlp --x1 @/x.npy --backend gpu",
    "--backend gpu: expected one of wasm, webgpu, auto, reference",
  ],
  ["digits-mlp --x1 @/x.npy --seed -1", "--seed -1: expected an integer of at least 0"],
  ["digits-mlp --x1 @/x.npy --seed 1.5", "--seed 1.5: expected an integer"],
  ["digits-mlp --x1 @/x.npy --params conv", "--params conv: no parameter has that name; there are"],
  ["digits-mlp --x1 @/x.npy --params 1.*,,3.*", "--params 1.*,,3.*: a name is missing"],
  ["digits-mlp --x1 @/x.npy --out @/no/k.npy", "--out @/no/k.npy: there is no folder @/no; make"],
  ["digits-mlp --x1 @/x.npy --out @/folder", "--out @/folder: is a folder; expected a file name"],
  ["digits-mlp --x1 @/x.npy --out @/folder/", "--out @/folder/: is a folder"],
  ["digits-mlp --x1 @/x.npy --out /dev/null", "--out /dev/null: is no regular file"],
];

Deno.test("wrong calls: one line on stderr, status 2, nothing written", () =>
  inFolder(async (folder) => {
    await makeFiles(folder);
    const before = namesIn(folder);
    for (const [line, message] of wrong) {
      const at = (text: string): string => text.replaceAll("@", folder);
      const { status, stdout, stderr } = await call(...at(line).split(" "));
      assertEquals([status, stdout], [2, ""], `${line}: ${stderr}`);
      assertEquals(stderr.split("\n").length, 1, stderr);
      assertStringIncludes(stderr, at(message), line);
      assert(stderr.startsWith("ntk: "), stderr);
      assertEquals(namesIn(folder), before, line);
    }
    // The same from a process, and without anything on stdin.
    const bad = await deno([...program, "digits-mlp", "--x1", `${folder}/rank1.npy`]);
    assertEquals([bad.status, bad.stdout], [2, ""]);
    assertEquals(bad.stderr.trim().split("\n").length, 1, bad.stderr);
    const unknown = await deno([...program, "--unknown"]);
    assertEquals([unknown.status, unknown.stdout], [2, ""]);
  }));

Deno.test("failures: one line on stderr, status 1, nothing written", () =>
  inFolder(async (folder) => {
    await makeFiles(folder);
    const before = namesIn(folder);
    const out = ["--out", `${folder}/k.npy`];
    // A kernel that overflows.
    const huge = await call(
      ...["digits-mlp", "--x1", `${folder}/huge.npy`, "--dtype", "float64", ...out],
    );
    assertEquals([huge.status, huge.stdout], [1, ""], huge.stderr);
    assertMatch(huge.stderr, /^ntk: the kernel is not finite \(element \d+ is .+float64$/);
    // A process that may not write.
    const args = ["digits-mlp", ...x1, "--compute", "trace", ...out];
    const forbidden = await deno(["run", "--allow-read", "--allow-env", program.at(-1)!, ...args]);
    assertEquals([forbidden.status, forbidden.stdout], [1, ""]);
    assertEquals(forbidden.stderr.trim().split("\n").length, 1, forbidden.stderr);
    assertStringIncludes(forbidden.stderr, `--out ${folder}/k.npy: cannot be written`);
    assertEquals(namesIn(folder), before);
  }));

Deno.test("Ctrl-C while the kernel is written leaves no part of a file", () =>
  inFolder(async (folder) => {
    const out = `${folder}/k.npy`;
    // The signal is sent while the bytes are on their way.
    const script = `
      import { writeKernel } from "${root}cli/output.ts";
      const data = new Float32Array(2 ** 25);
      setTimeout(() => Deno.kill(Deno.pid, "SIGINT"), 0);
      await writeKernel("${out}", data, [2 ** 25]);
      console.log("not interrupted");`;
    const { status, stdout } = await deno(["eval", script]);
    assertEquals([status, stdout], [130, ""]);
    assertEquals(namesIn(folder), ["k.npy"]);
    assertEquals((await Deno.stat(out)).size, 128 + 4 * 2 ** 25);
  }));

Deno.test("a file is replaced as a whole, and a failed call leaves it as it was", () =>
  inFolder(async (folder) => {
    await makeFiles(folder);
    const out = `${folder}/k.npy`;
    const trace = ["digits-mlp", ...x1, "--compute", "trace", "--out", out];
    assertEquals((await call(...trace)).status, 0);
    const before = await Deno.readFile(out);
    const failed = await call("digits-mlp", "--x1", `${folder}/nan.npy`, "--out", out);
    assertEquals(failed.status, 2);
    assertEquals(await Deno.readFile(out), before);
    assertEquals((await call(...trace, "--seed", "5")).status, 0);
    assert(relativeError(await Deno.readFile(out), before) > 0);
  }));
