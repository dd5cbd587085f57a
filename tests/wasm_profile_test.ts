import { assert, assertEquals } from "@std/assert";
import { createWasmBackend, type KernelTime } from "../backends/wasm/mod.ts";
import { random, setBackend } from "../mod.ts";

for (const threads of [1, 2]) {
  Deno.test(`an observer is told of every kernel, in order, and changes no result: ${threads} thread(s)`, async () => {
    const told: (readonly KernelTime[])[] = [];
    const plain = createWasmBackend({ threads, shareAbove: 0 });
    const watched = createWasmBackend({
      threads,
      shareAbove: 0,
      observer: (times) => told.push(times),
    });
    for (const backend of [plain, watched]) backend.startThreads();
    try {
      const results = [];
      for (const backend of [plain, watched]) {
        setBackend(backend);
        const [a, b] = [0, 1].map((key) => random.normal(random.randomKey(key), [96, 96]));
        await a.data();
        await b.data();
        told.length = 0;
        const from = performance.now();
        results.push(await a.matmul(b).tanh().sum(1).data());
        const seconds = (performance.now() - from) / 1000;
        const total = told.flat().reduce((sum, time) => sum + time.seconds, 0);
        assert(total <= seconds, `${total} of ${seconds}`);
      }
      assertEquals(results[1], results[0]);
      assertEquals(told.length, 1);
      const [[product, sums]] = told;
      assertEquals(told[0].length, 2);
      assertEquals(product.kernels, ["product of 96 by 96, sums over 96"]);
      assertEquals(product.operations, 2 * 96 ** 3);
      assertEquals(product.bytes, 3 * 4 * 96 ** 2);
      assertEquals(sums.kernels, ["loop over 96, sum over 96: tanh"]);
      assertEquals(sums.operations, 0);
      assertEquals(sums.bytes, 4 * 96 ** 2 + 4 * 96);
      for (const { seconds } of told[0]) assert(seconds >= 0, `${seconds}`);
    } finally {
      setBackend("wasm");
      for (const backend of [plain, watched]) backend.stopThreads();
    }
  });
}
