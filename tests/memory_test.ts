/** Long runs hold memory: what is dropped is taken back, and the kernel leaves nothing behind. */
import { assert, assertEquals } from "@std/assert";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import { empiricalNtk, setBackend, type Tensor, treeLeaves } from "../mod.ts";
import { smallNetworks, uniform } from "./helpers/small_networks.ts";

const script = new URL("./helpers/memory_loop.ts", import.meta.url).pathname;
const mebibyte = 2 ** 20;

interface Run {
  samples: { used: number; rss: number }[];
  peak: number;
}

/** The loop in a process of its own, so that nothing else is counted. */
async function loop(...args: (string | number)[]): Promise<Run> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", script, ...args.map(String)],
    stderr: "inherit",
  }).output();
  assertEquals(output.code, 0);
  return JSON.parse(new TextDecoder().decode(output.stdout));
}

/** Throws where a run holds more than its first few kernels did, and some more that the engine collects late. */
function assertLevel({ samples }: Run, kernels: number, kernelBytes: number): void {
  assertEquals(samples.length, kernels);
  const most = (key: "used" | "rss", from: number, to: number): number =>
    Math.max(...samples.slice(from, to).map((sample) => sample[key]));
  const [usedSlack, rssSlack] = [64 * mebibyte, 192 * mebibyte];
  // What a leak of the kernels alone would add.
  assert(kernels * kernelBytes > 1.5 * rssSlack);
  const used = most("used", 0, kernels) - most("used", 0, 5);
  assert(used <= usedSlack, `the backend holds ${used / mebibyte} MiB more`);
  const rss = most("rss", 0, kernels) - most("rss", 0, 5);
  assert(rss <= rssSlack, `the process holds ${rss / mebibyte} MiB more`);
}

const kernelBytes = (examples: number): number => 4 * (10 * examples) ** 2;

Deno.test("200 kernels in a loop, never disposed of, hold the memory of the first few", async () => {
  // The results are dropped unread, so that nothing in the loop waits but the kernel itself.
  assertLevel(await loop("jacobian-contraction", 200, 64), 200, kernelBytes(64));
});

Deno.test("the same where each kernel is read", async () => {
  assertLevel(await loop("jacobian-contraction", 200, 64, "read"), 200, kernelBytes(64));
});

Deno.test("the same by NTK-vector products", async () => {
  assertLevel(await loop("ntk-vector-products", 200, 64), 200, kernelBytes(64));
});

Deno.test("a kernel that is disposed of leaves nothing behind", async () => {
  const backend = createWasmBackend({ threads: 1 });
  setBackend(backend);
  try {
    for (const name of ["convolutions with pooling", "examples as a tree of two tensors"]) {
      const { f, params, x1, x2 } = smallNetworks[name];
      const reads = await Promise.all(treeLeaves([params, x1, x2]).map((x) => x.data()));
      assert(reads.length > 0);
      for (const method of ["jacobian-contraction", "ntk-vector-products"] as const) {
        for (const compute of ["full", "trace", "diagonal"] as const) {
          const kernelOnce = async (): Promise<number> => {
            const kernel = await empiricalNtk(f, params, x1, x2, { method, compute, check: true });
            kernel.dispose();
            return backend.memory().used;
          };
          // The first compiles, and moves parameters and examples to the backend.
          const used = await kernelOnce();
          for (let i = 0; i < 3; i++) {
            assertEquals(await kernelOnce(), used, `${name}, ${method}, ${compute}`);
          }
        }
      }
    }
  } finally {
    setBackend("wasm");
  }
});

Deno.test("a check that fails leaves nothing behind", async () => {
  const backend = createWasmBackend({ threads: 1 });
  setBackend(backend);
  try {
    let calls = 0;
    const f = (w: Tensor, x: Tensor): Tensor => w.mul(x).mul(1 + calls++ % 2);
    const [w, x] = [uniform(16), uniform(64, 16)];
    const failing = async (): Promise<number> => {
      const error = await empiricalNtk(f, w, x, null, {
        method: "ntk-vector-products",
        check: true,
      }).then(() => null, (error) => error);
      assertEquals(error?.name, "NtkMismatchError");
      return backend.memory().used;
    };
    await failing();
    const used = await failing();
    for (let i = 0; i < 4; i++) assert(await failing() <= used + 65536);
  } finally {
    setBackend("wasm");
  }
});
