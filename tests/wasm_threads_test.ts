import { assert, assertEquals, assertThrows } from "@std/assert";
import { type FunctionBuilder, ModuleBuilder } from "../backends/wasm/assembler.ts";
import { control } from "../backends/wasm/control.ts";
import { LinearMemory } from "../backends/wasm/memory.ts";
import {
  addSchedule,
  frameHeadBytes,
  frameLayout,
  type Segment,
} from "../backends/wasm/schedule.ts";
import { ThreadPool, type ThreadProgram } from "../backends/wasm/threads.ts";
import { BackendError } from "../lib/base/errors.ts";

const frame = 4096;
const data = 65536;
const cells = 64;

/** What one task does, given locals for its number and the thread's scratch memory. */
type Task = (f: FunctionBuilder, push: { task: () => void; scratch: () => void }) => void;

/** A pool with its memory, and programs made of tasks. */
class Bench {
  readonly memory = new LinearMemory(true, 64 * 2 ** 20);
  readonly pool: ThreadPool;
  readonly #threads: number;
  #programs = 0;
  #end = 2 * 65536;

  constructor(threads: number) {
    this.#threads = threads;
    this.memory.grow(8 * 65536);
    this.pool = new ThreadPool(this.memory, threads);
    this.pool.start();
    assert(this.pool.waitUntilReady(20_000), "workers are not up after 20 seconds");
  }

  /** A program of segments; each step is a kernel's number and its tasks. */
  program(
    kernels: readonly Task[],
    segments: readonly { steps: [number, number][]; chunk: number | null }[],
  ): ThreadProgram {
    const module = new ModuleBuilder();
    module.importMemory("env", "memory", 1, 65536, true);
    const functions = kernels.map((kernel, i) =>
      module.addFunction(`kernel${i}`, ["i32", "i32", "i32", "i32", "i32"], [], (f) => {
        const [task, end] = [f.parameter(3), f.parameter(4)];
        f.block((done) =>
          f.loop((next) => {
            f.get(task).get(end).op("i32.ge_u").brIf(done);
            kernel(f, { task: () => f.get(task), scratch: () => f.get(f.parameter(2)) });
            f.get(task).i32(1).op("i32.add").set(task).br(next);
          })
        );
      })
    );
    const placed = segments.map(({ steps, chunk }): Segment => ({
      chunk,
      steps: steps.map(([kernel, tasks]) => ({ run: functions[kernel], table: 0, tasks })),
    }));
    addSchedule(module, placed, this.#threads, 64);
    const bytes = module.build();
    this.memory.grow(this.#end + bytes.length);
    this.memory.bytes.set(bytes, this.#end);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      env: { memory: this.memory.memory },
    });
    const moduleAddress = this.#end;
    this.#end += Math.ceil(bytes.length / 64) * 64;
    return {
      id: ++this.#programs,
      run: instance.exports.run as ThreadProgram["run"],
      moduleAddress,
      moduleLength: bytes.length,
    };
  }

  run(program: ThreadProgram, segments: number, parallel = true): void {
    const start = frame / 4;
    this.memory.words.fill(0, start, start + frameHeadBytes(segments, this.#threads) / 4);
    this.memory.words[start + frameLayout.threadScratch / 4] = 8192;
    this.pool.run(program, frame, parallel);
  }

  cells(count: number): number[] {
    return [...this.memory.words.subarray(data / 4, data / 4 + count)];
  }

  clear(): void {
    this.memory.words.fill(0, data / 4, data / 4 + 1024);
  }

  [Symbol.dispose](): void {
    this.pool.terminate();
  }
}

/** Pushes the address of cell number `index`. */
function pushCell(f: FunctionBuilder, index: () => void): void {
  index();
  f.i32(4).op("i32.mul").i32(data).op("i32.add");
}

/** Keeps a thread busy for a while. */
function spin(f: FunctionBuilder, rounds: number): void {
  const i = f.local("i32");
  f.i32(rounds).set(i);
  f.loop((again) => f.get(i).i32(1).op("i32.sub").tee(i).brIf(again));
}

/** Cell t takes on its left neighbour's old value plus one: wrong unless the segment before it is over. */
const shift: Task[] = [0, 1].map((parity): Task => (f, { task }) => {
  spin(f, 200);
  // Two rows of cells, read and written in turn.
  const [from, to] = parity === 0 ? [0, 4 * cells] : [4 * cells, 0];
  pushCell(f, task);
  pushCell(f, () => {
    task();
    f.i32(cells - 1).op("i32.add").i32(cells).op("i32.rem_u");
  });
  f.load("i32.load", from).i32(1).op("i32.add").store("i32.store", to);
});

for (const threads of [1, 2, 4, 7]) {
  Deno.test(`segments run in order and each task once on ${threads} threads`, () => {
    using bench = new Bench(threads);
    const rounds = 200;
    const program = bench.program(
      shift,
      Array.from({ length: rounds }, (_, i) => ({
        steps: [[i % 2, cells]] as [number, number][],
        chunk: i % 7 === 3 ? null : 1 + i % 5,
      })),
    );
    for (let repeat = 0; repeat < 20; repeat++) {
      bench.memory.words.set(Int32Array.from({ length: cells }, (_, i) => 1000 * i), data / 4);
      bench.run(program, rounds);
      const expected = Array.from(
        { length: cells },
        (_, i) => 1000 * (((i - rounds) % cells + cells) % cells) + rounds,
      );
      assertEquals(bench.cells(cells), expected);
    }
  });
}

Deno.test("several threads take part, each with scratch memory of its own", () => {
  using bench = new Bench(3);
  // Each task writes its thread's scratch address into its cell.
  const program = bench.program([(f, { task, scratch }) => {
    spin(f, 200_000);
    pushCell(f, task);
    scratch();
    f.store("i32.store");
  }], [{ steps: [[0, 64]], chunk: 1 }]);
  // On a busy machine a worker may wake up when all is done: then it is given another chance.
  const seen = new Set<number>();
  for (let i = 0; i < 200 && seen.size < 2; i++) {
    bench.run(program, 1);
    for (const address of bench.cells(64)) seen.add(address);
  }
  assert(seen.size > 1, "one thread did everything");
  for (const address of seen) assert([8192, 8256, 8320].includes(address), `${address}`);
});

Deno.test("a program that is not parallel runs on the calling thread alone", () => {
  using bench = new Bench(2);
  const program = bench.program([(f, { task, scratch }) => {
    pushCell(f, task);
    scratch();
    f.store("i32.store");
  }], [{ steps: [[0, 64]], chunk: 1 }]);
  bench.run(program, 1, false);
  assertEquals(new Set(bench.cells(64)), new Set([8192]));
});

Deno.test("a trap in any thread is an error of the call, and later calls work", () => {
  using bench = new Bench(2);
  const trap = bench.program([(f, { task }) => {
    spin(f, 20_000);
    task();
    f.i32(40).op("i32.eq").if_(() => f.unreachable());
  }], [{ steps: [[0, 64]], chunk: 1 }, { steps: [[0, 30]], chunk: 1 }]);
  const good = bench.program([(f, { task }) => {
    spin(f, 2000);
    pushCell(f, task);
    pushCell(f, task);
    f.load("i32.load").i32(1).op("i32.add").store("i32.store");
  }], [{ steps: [[0, 64]], chunk: 1 }]);
  const messages = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const error = assertThrows(() => bench.run(trap, 2), BackendError, "unreachable");
    messages.add(error.message.match(/thread \d/)![0]);
    bench.clear();
    bench.run(good, 1);
    assertEquals(bench.cells(64), new Array(64).fill(1));
  }
  assert(messages.has("thread 1"), `only ${[...messages]} failed`);
});

Deno.test("a worker that cannot load the program is an error, not a hang", () => {
  using bench = new Bench(2);
  const program = bench.program([(f) => spin(f, 1_000_000)], [{ steps: [[0, 64]], chunk: 1 }]);
  bench.memory.bytes.fill(0, program.moduleAddress, program.moduleAddress + 4);
  assertThrows(
    () => {
      for (let i = 0; i < 200; i++) bench.run(program, 1);
    },
    BackendError,
    "thread 1: CompileError",
  );
});

Deno.test("retired programs are forgotten, and their numbers' successors run", () => {
  using bench = new Bench(2);
  for (let i = 1; i <= 150; i++) {
    const program = bench.program([(f, { task }) => {
      spin(f, 3000);
      pushCell(f, task);
      f.i32(i).store("i32.store");
    }], [{ steps: [[0, 64]], chunk: 1 }]);
    bench.run(program, 1);
    assertEquals(bench.cells(64), new Array(64).fill(i));
    bench.pool.retire(program.id);
  }
  assertEquals(bench.memory.words[control.retired / 4], 150);
});

Deno.test("workers see memory that grew after they started", () => {
  using bench = new Bench(2);
  const far = 40 * 65536;
  bench.memory.grow(far + 65536);
  const program = bench.program([(f, { task }) => {
    spin(f, 5000);
    task();
    f.i32(4).op("i32.mul").get(f.parameter(3)).store("i32.store", far);
  }], [{ steps: [[0, 64]], chunk: 1 }]);
  bench.run(program, 1);
  assertEquals(
    [...bench.memory.words.subarray(far / 4, far / 4 + 64)],
    Array.from({ length: 64 }, (_, i) => i),
  );
});

Deno.test("web workers serve where there is no node:worker_threads", () => {
  const process = Object.getOwnPropertyDescriptor(globalThis, "process")!;
  Object.defineProperty(globalThis, "process", { value: undefined, configurable: true });
  try {
    using bench = new Bench(2);
    const program = bench.program([(f, { task, scratch }) => {
      spin(f, 200_000);
      pushCell(f, task);
      scratch();
      f.store("i32.store");
    }], [{ steps: [[0, 64]], chunk: 1 }]);
    const seen = new Set<number>();
    for (let i = 0; i < 200 && seen.size < 2; i++) {
      bench.run(program, 1);
      for (const address of bench.cells(64)) seen.add(address);
    }
    assertEquals(seen, new Set([8192, 8256]));
  } finally {
    Object.defineProperty(globalThis, "process", process);
  }
});
