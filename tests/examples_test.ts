/** The examples as a user runs them: processes of their own, with no permission but to read. */
import { assert, assertEquals, assertMatch } from "@std/assert";

const examples = new URL("../examples/", import.meta.url).pathname;

interface Result {
  status: number;
  lines: string[];
  stderr: string;
  seconds: number;
}

async function run(...args: string[]): Promise<Result> {
  const start = performance.now();
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return {
    status: output.code,
    lines: decode(output.stdout).trimEnd().split("\n"),
    stderr: decode(output.stderr),
    seconds: (performance.now() - start) / 1000,
  };
}

Deno.test("every example is run here", () => {
  const names = [...Deno.readDirSync(examples)].map(({ name }) => name)
    .filter((name) => name.endsWith(".ts")).sort();
  // linear_algebra.ts is a part of digits.ts.
  assertEquals(names, ["digits.ts", "linear_algebra.ts", "tutorial.ts"]);
});

Deno.test("the tutorial, written by hand: both methods are allclose in all forms", async () => {
  const { status, lines, stderr } = await run(`${examples}tutorial.ts`);
  assertEquals([status, stderr], [0, ""]);
  assertEquals(lines, [
    "full [ 20, 5, 10, 10 ] allclose",
    "trace [ 20, 5 ] allclose",
    "diagonal [ 20, 5, 10 ] allclose",
  ]);
});

Deno.test("kernel regression on real digits is as accurate as in numpy", async () => {
  const { status, lines, stderr } = await run("--allow-read", `${examples}digits.ts`);
  assertEquals([status, stderr], [0, ""]);
  assertMatch(lines[0], /^kernels \[400,400\] and \[400,400\] in \d+\.\d\d s$/);
  const [, right, total] = /: (\d+) of (\d+) held-out digits right/.exec(lines[1])!;
  // The same in numpy, float64, with the Jacobian of the network written out layer by layer, gives 368 of 400:
  //   z1 = X @ W1.T + b1; h1 = maximum(z1, 0); z2 = h1 @ W2.T + b2; h2 = maximum(z2, 0)
  //   G2 = einsum("ok,nk->nok", W3, z2 > 0); G1 = einsum("nok,kj,nj->noj", G2, W2, z1 > 0)
  //   gram = lambda g: g.reshape(800, -1) @ g.reshape(800, -1).T
  //   K = 10 * (h2 @ h2.T + 1) + gram(G2) * (h1 @ h1.T + 1) + gram(G1) * (X @ X.T + 1)
  //   A = K[:400, :400] + 1e-3 * mean(diagonal(K[:400, :400])) * eye(400)
  //   sum(argmax(K[400:, :400] @ solve(A, eye(10)[y[:400]]), 1) == y[400:])
  // Rounding may turn a digit or two.
  assertEquals(Number(total), 400);
  assert(Math.abs(Number(right) - 368) <= 2, lines[1]);
  assertMatch(lines[1], new RegExp(`accuracy ${(Number(right) / 400).toFixed(3)}$`));
});

Deno.test("a script that uses threads ends by itself, at once", async () => {
  const backend = new URL("../backends/wasm/mod.ts", import.meta.url).href;
  const mod = new URL("../mod.ts", import.meta.url).href;
  const script = `
    import { createWasmBackend } from "${backend}";
    import { random, setBackend } from "${mod}";
    const backend = createWasmBackend({ threads: 2, shareAbove: 0 });
    backend.startThreads();
    setBackend(backend);
    const x = random.normal(random.randomKey(0), [256, 256]);
    for (let i = 0; i < 20; i++) await x.matmul(x).sum().item();
    console.log(backend.threads, "threads");
    const started = performance.now();
    addEventListener("unload", () => console.log("left after", performance.now() - started < 1000));`;
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, script);
    const { status, lines, stderr, seconds } = await run(
      "--allow-read",
      "--config",
      new URL("../deno.json", import.meta.url).pathname,
      path,
    );
    assertEquals([status, stderr], [0, ""]);
    assertEquals(lines, ["2 threads", "left after true"]);
    assert(seconds < 10, `${seconds} s`);
  } finally {
    await Deno.remove(path);
  }
});
