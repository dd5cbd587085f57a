import { assert, assertEquals, assertThrows } from "@std/assert";
import { Heap, heapAlignment } from "../backends/wasm/heap.ts";
import { LinearMemory } from "../backends/wasm/memory.ts";
import { BackendError } from "../lib/base/errors.ts";

/** A heap over a range that notes how far it grew. */
function makeHeap(limit: number, start = 64): { heap: Heap; grown: () => number } {
  let end = start;
  const heap = new Heap({
    start,
    limit,
    grow: (wanted) => {
      end = Math.max(end, wanted);
      return true;
    },
  });
  return { heap, grown: () => end };
}

/** Random integers below a bound, the same in every run. */
function randomIntegers(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * bound);
  };
}

Deno.test("allocations are aligned, disjoint and inside what was grown", () => {
  const { heap, grown } = makeHeap(2 ** 32);
  const random = randomIntegers(1);
  const live: { address: number; bytes: number }[] = [];
  let expected = 0;
  let peak = 0;
  const rounded = (bytes: number) => Math.max(1, Math.ceil(bytes / heapAlignment)) * heapAlignment;
  for (let step = 0; step < 4000; step++) {
    if (live.length > 0 && random(100) < 47) {
      const [{ address, bytes }] = live.splice(random(live.length), 1);
      assertEquals(heap.sizeOf(address), rounded(bytes));
      heap.free(address);
      expected -= rounded(bytes);
    } else {
      const bytes = random(2 ** (4 + random(20)));
      const address = heap.allocate(bytes);
      assertEquals(address % heapAlignment, 0);
      assert(address >= 64 && address + bytes <= grown());
      live.push({ address, bytes });
      expected += rounded(bytes);
      peak = Math.max(peak, expected);
    }
    assertEquals(heap.used, expected);
    if (step % 200 !== 0) continue;
    const sorted = [...live].sort((a, b) => a.address - b.address);
    for (let i = 1; i < sorted.length; i++) {
      assert(sorted[i - 1].address + rounded(sorted[i - 1].bytes) <= sorted[i].address);
    }
  }
  assertEquals(heap.peak, peak);
});

Deno.test("freed neighbours join: all memory is one block again when everything was freed", () => {
  const { heap, grown } = makeHeap(2 ** 32);
  const random = randomIntegers(2);
  const live = Array.from({ length: 500 }, () => heap.allocate(1 + random(5000)));
  while (live.length > 0) heap.free(live.splice(random(live.length), 1)[0]);
  assertEquals(heap.used, 0);
  const end = grown();
  assertEquals(heap.allocate(heap.span), 64);
  assertEquals(grown(), end);
});

Deno.test("freed memory is used again, the best fit first", () => {
  const { heap, grown } = makeHeap(2 ** 32);
  const large = heap.allocate(100_000);
  heap.allocate(64);
  const exact = heap.allocate(60_000);
  heap.allocate(64);
  const end = grown();
  heap.free(large);
  heap.free(exact);
  assertEquals(heap.allocate(59_990), exact);
  assertEquals(heap.allocate(90_000), large);
  assertEquals(grown(), end);
});

Deno.test("the rest of the range is used before the heap fails, and the error says how much was wanted", () => {
  const { heap } = makeHeap(64 + 64 * 100);
  const first = heap.allocate(64 * 60);
  heap.allocate(64 * 30);
  const error = assertThrows(() => heap.allocate(64 * 11), BackendError);
  assert(error.message.includes(`${64 * 11} bytes wanted`), error.message);
  assert(error.message.includes(`${64 * 90} of at most ${64 * 100} bytes`), error.message);
  heap.allocate(64 * 10);
  heap.free(first);
  assertEquals(heap.allocate(64 * 60), first);
});

Deno.test("freeing what is not allocated is an error", () => {
  const { heap } = makeHeap(2 ** 20);
  const address = heap.allocate(10);
  heap.free(address);
  assertThrows(() => heap.free(address), BackendError, "free each allocation once");
  assertThrows(() => heap.free(address + 1), BackendError);
});

Deno.test("addresses reach to the end of 32 bits", () => {
  const { heap } = makeHeap(2 ** 32 - 65536, 0);
  const size = 2 ** 30;
  assertEquals([0, 1, 2].map(() => heap.allocate(size)), [0, size, 2 * size]);
  const last = heap.allocate(size - 65536);
  assertEquals(last, 3 * size);
  heap.free(last);
  assertEquals(heap.allocate(size - 65536), last);
  assertThrows(() => heap.allocate(64), BackendError);
});

Deno.test("allocating and freeing take no longer when there are many free blocks", () => {
  const time = (blocks: number): number => {
    const { heap } = makeHeap(2 ** 32);
    const live = Array.from({ length: 2 * blocks }, (_, i) => heap.allocate(64 * (1 + i % 500)));
    for (let i = 0; i < live.length; i += 2) heap.free(live[i]);
    let best = Infinity;
    for (let repeat = 0; repeat < 5; repeat++) {
      const start = performance.now();
      for (let i = 0; i < 2000; i++) heap.free(heap.allocate(64 * (1 + i % 700)));
      best = Math.min(best, performance.now() - start);
    }
    return best;
  };
  time(100);
  const [few, many] = [time(100), time(100_000)];
  // A thousand times the blocks: anything that walks them all would take a hundred times as long.
  assert(many < 25 * few + 1, `${few} ms with few blocks, ${many} ms with many`);
});

for (const shared of [false, true]) {
  Deno.test(`memory grows, keeps its content and refuses more than its maximum (shared: ${shared})`, () => {
    const memory = new LinearMemory(shared, 40 * 65536);
    memory.words[100] = 42;
    const before = memory.bytes.length;
    assert(memory.grow(before + 1));
    assert(memory.bytes.length > before);
    assertEquals(memory.words[100], 42);
    assertEquals(memory.buffer instanceof ArrayBuffer, !shared);
    assert(memory.grow(40 * 65536));
    assertEquals(memory.grow(40 * 65536 + 1), false);
    assertEquals(memory.bytes.length, 40 * 65536);
  });
}
