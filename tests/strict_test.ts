/**
 * Strict arithmetic: the same bits on every machine and with any number of threads.
 *
 * WebAssembly fixes the result of every instruction but for the bits of NaN and the relaxed vector instructions, so a module
 * without these computes the same everywhere. After a change of the order of sums that is meant:
 * `deno test -A tests/strict_test.ts -- --update`.
 *
 * The record is from an x86-64 processor (AMD Zen 4). ARM code gives the same bits, run by QEMU's emulation (7.2), as does x86-64
 * without AVX and FMA. To repeat it, with Debian's qemu-user-static, Deno's build for ARM from `npm pack @deno/linux-arm64-glibc`,
 * and libc6, libgcc-s1 and libstdc++6 for arm64 unpacked (`dpkg -x`) into a folder ROOT; it takes about a quarter of an hour:
 * `qemu-aarch64-static -L ROOT package/deno test -A --no-check --filter golden tests/strict_test.ts`.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { compileModule } from "../backends/wasm/compile.ts";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import { lower } from "../lib/compiler/lower.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { methodNames } from "../lib/ntk/methods.ts";
import { empiricalNtk, type Tensor } from "../mod.ts";
import { conformanceGroups } from "./helpers/conformance_cases.ts";
import { goldenNames, loadGolden, single } from "./helpers/golden.ts";
import { instructionsOf, isRelaxed } from "./helpers/wasm_instructions.ts";

const groups = conformanceGroups();
const file = new URL("data/strict_kernels.json", import.meta.url);
const update = Deno.args.includes("--update");

Deno.test("strict modules have no instruction whose result depends on the processor", () => {
  let relaxedOnes = 0;
  for (const [group, cases] of groups) {
    for (const { name, program } of cases) {
      const modules = [false, true].map((relaxed) =>
        compileModule(lower(simplify(program)), {
          relaxed,
          threads: 2,
          shared: true,
          shareAbove: 60e3,
        }).bytes
      );
      assert(!instructionsOf(modules[0]).some(isRelaxed), `${group}: ${name}`);
      if (instructionsOf(modules[1]).some(isRelaxed)) relaxedOnes++;
    }
  }
  // What is looked for can be found.
  assertGreater(relaxedOnes, 100);
});

/** The first half of the SHA-256 of a kernel's bytes. */
async function digest(kernel: Tensor): Promise<string> {
  const data = await kernel.data();
  const hash = await crypto.subtle.digest("SHA-256", new Uint8Array(data.slice().buffer));
  return new Uint8Array(hash).toHex().slice(0, 32);
}

/** Digests of the golden networks' kernels. */
async function digests(name: string, threads: number): Promise<Record<string, string>> {
  const backend = createWasmBackend({ threads, relaxed: false });
  const found: Record<string, string> = {};
  // The large one takes seconds in float64.
  const dtypes = name === "tutorial-cnn" ? ["float32"] as const : ["float32", "float64"] as const;
  for (const dtype of dtypes) {
    const { net, x1, x2 } = await loadGolden(name, dtype);
    const f = single(net);
    for (const method of methodNames) {
      const kernel = await empiricalNtk(f, net.namedParameters(), x1, x2, { method, backend });
      found[`${name}, ${method}, ${dtype}`] = await digest(kernel);
      kernel.dispose();
    }
  }
  backend.stopThreads();
  return found;
}

Deno.test("golden kernels in strict mode have the bits that any machine gives, on 1, 2 and 3 threads", async () => {
  const all: Record<string, string> = {};
  for (const name of goldenNames) {
    const [one, two, three] = [
      await digests(name, 1),
      await digests(name, 2),
      await digests(name, 3),
    ];
    assertEquals(two, one);
    assertEquals(three, one);
    Object.assign(all, one);
  }
  if (update) await Deno.writeTextFile(file, JSON.stringify(all, null, 1) + "\n");
  assertEquals(all, JSON.parse(await Deno.readTextFile(file)));
});
