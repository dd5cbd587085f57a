/** Long runs hold memory: what is dropped is taken back, and the kernel leaves nothing behind. */
import { assert, assertEquals } from "@std/assert";
import { MemoryPressure } from "../backends/memory_pressure.ts";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import { empiricalNtk, setBackend, type Tensor, treeLeaves } from "../mod.ts";
import { assertLevel, kernelBytes, loop } from "./helpers/memory_level.ts";
import { smallNetworks, uniform } from "./helpers/small_networks.ts";

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

Deno.test("ballast of a disposed buffer serves the next of its size, a few of them, none that is large", () => {
  const pressure = new MemoryPressure();
  const bytes = 2 ** 20;
  const first = pressure.allocated(bytes)!;
  assert(first.byteLength >= bytes);
  pressure.disposed(bytes, first);
  assert(pressure.allocated(bytes) === first);
  assert(pressure.allocated(bytes) !== first);
  const many = Array.from({ length: 8 }, () => pressure.allocated(bytes)!);
  for (const ballast of many) pressure.disposed(bytes, ballast);
  assertEquals(many.map(({ detached }) => detached).filter((dropped) => !dropped).length, 4);
  // Four times the size would be too much for one of these.
  assert(pressure.allocated(bytes / 4)!.byteLength < first.byteLength);
  const large = pressure.allocated(2 ** 26)!;
  pressure.disposed(2 ** 26, large);
  assert(large.detached);
});
