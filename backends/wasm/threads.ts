/**
 * The threads of a backend: worker threads that sleep until a program is dispatched to them.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import { capabilities } from "./capabilities.ts";
import { control } from "./control.ts";
import type { LinearMemory } from "./memory.ts";
import { nodeWorkerSource, webWorkerSource, type WorkerInit } from "./worker.ts";

/** A program that threads can run. */
export interface ThreadProgram {
  /** Its number, unique in the backend. */
  readonly id: number;
  /** `run` of the main thread's instance. */
  readonly run: (thread: number, threads: number, frame: number) => number;
  /** Where workers find the module's bytes. */
  readonly moduleAddress: number;
  /** How many bytes it has. */
  readonly moduleLength: number;
}

/**
 * How often an idle worker looks for the next program before it sleeps: 0.3 ms, in which most programs of a loop follow. To
 * wake it takes 0.05 to 0.3 ms, as long as many programs.
 */
const idleSpins = 40_000;
/** How often the main thread looks whether all workers left a program before it sleeps. */
const leaveSpins = 2000;
/** Most milliseconds that one sleep of the main thread takes. */
const leaveSleep = 10;

/** Ends one worker. */
type Terminate = () => void;

/** Worker threads over one shared memory, started when they are first needed. */
export class ThreadPool {
  readonly #memory: LinearMemory;
  readonly #workers: Terminate[] = [];
  /** How many threads there are to be, the main one included. */
  readonly size: number;
  #ended = false;

  /** A pool of `size` threads, the calling one included; one only, unless the memory is shared. */
  constructor(memory: LinearMemory, size: number) {
    this.#memory = memory;
    this.size = memory.shared ? Math.max(1, size) : 1;
    memory.words[control.mainMayBlock >> 2] = capabilities().mayBlock ? 1 : 0;
  }

  /** How many threads there are now, the main one included. */
  get count(): number {
    return this.#workers.length + 1;
  }

  /**
   * Starts workers until there are `count` threads, or as many as the pool is to have. Those that are not up yet when
   * a program is dispatched join a later one.
   */
  start(count = this.size): void {
    while (!this.#ended && this.count < Math.min(count, this.size)) {
      const worker = startWorker({
        memory: this.#memory.memory,
        thread: this.count,
        control,
        spins: idleSpins,
      });
      // An environment without workers runs everything on the main thread.
      if (worker === null) this.#ended = true;
      else this.#workers.push(worker);
    }
  }

  /** Waits until all workers are up, at most the given milliseconds; whether they are. For tests and measurements. */
  waitUntilReady(milliseconds: number): boolean {
    const end = performance.now() + milliseconds;
    for (;;) {
      const { words } = this.#memory;
      const ready = Atomics.load(words, control.ready >> 2);
      if (ready === this.#workers.length) return true;
      const left = end - performance.now();
      if (left <= 0) return false;
      Atomics.wait(words, control.ready >> 2, ready, left);
    }
  }

  /**
   * Runs a program to its end, with the workers' help if `parallel` and there are some.
   *
   * @throws BackendError when a kernel traps in any thread; the pool can be used again afterwards.
   */
  run(program: ThreadProgram, frame: number, parallel: boolean): void {
    const { words } = this.#memory;
    if (!parallel || this.#workers.length === 0) {
      let status: number;
      try {
        status = program.run(0, 1, frame);
      } catch (cause) {
        throw trapped(cause);
      }
      if (status !== 0) throw new BackendError("wasm: the program was left before its end");
      return;
    }
    words[control.program >> 2] = program.id;
    words[control.moduleAddress >> 2] = program.moduleAddress;
    words[control.moduleLength >> 2] = program.moduleLength;
    words[control.frame >> 2] = frame;
    words[control.threads >> 2] = this.count;
    Atomics.store(words, control.open >> 2, 1);
    Atomics.add(words, control.ticket >> 2, 1);
    if (Atomics.load(words, control.idle >> 2) > 0) Atomics.notify(words, control.ticket >> 2);
    let failure: unknown;
    try {
      program.run(0, this.count, frame);
    } catch (cause) {
      failure = trapped(cause);
      Atomics.store(words, control.abort >> 2, 1);
      Atomics.add(words, control.epoch >> 2, 1);
      Atomics.notify(words, control.epoch >> 2);
    }
    this.#close();
    if (Atomics.exchange(words, control.abort >> 2, 0) !== 0) {
      throw failure ?? new BackendError(`wasm: a kernel failed in ${this.#workerMessage()}`);
    }
  }

  /** Tells the workers to forget a program. */
  retire(id: number): void {
    const { words } = this.#memory;
    const count = Atomics.load(words, control.retired >> 2);
    const slot = (count >>> 0) % control.retiredRingLength;
    words[(control.retiredRing >> 2) + slot] = id;
    Atomics.store(words, control.retired >> 2, count + 1);
  }

  /** Ends the workers; the pool then runs on the main thread alone. */
  terminate(): void {
    this.#ended = true;
    for (const terminate of this.#workers.splice(0)) terminate();
  }

  /** Takes in no more workers and waits until those inside the program have left it. */
  #close(): void {
    const { words } = this.#memory;
    const active = control.active >> 2;
    Atomics.store(words, control.open >> 2, 0);
    for (let spins = 0;; spins++) {
      const count = Atomics.load(words, active);
      if (count === 0) return;
      if (spins >= leaveSpins && words[control.mainMayBlock >> 2] === 1) {
        Atomics.wait(words, active, count, leaveSleep);
      }
    }
  }

  /** What the worker that failed left behind. */
  #workerMessage(): string {
    const length = this.#memory.words[control.errorLength >> 2];
    const start = control.errorText;
    return new TextDecoder().decode(this.#memory.bytes.slice(start, start + length));
  }
}

/** The error for a trap in the main thread. */
function trapped(cause: unknown): BackendError {
  const message = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return new BackendError(`wasm: a kernel failed in thread 0: ${message}`, { cause });
}

/** The part of `node:worker_threads` that is used. */
interface NodeWorkers {
  readonly Worker: new (source: string, options: { eval: true; workerData: WorkerInit }) => {
    unref(): void;
    terminate(): unknown;
  };
}

/** `node:worker_threads` where there is such a module; asked for at run time, so that browsers load this file. */
function nodeWorkers(): NodeWorkers | undefined {
  const process = (globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } })
    .process;
  try {
    return process?.getBuiltinModule?.("node:worker_threads") as NodeWorkers | undefined;
  } catch {
    return undefined;
  }
}

/** Starts one worker; null where there are none, or a page's policy forbids them. */
function startWorker(init: WorkerInit): Terminate | null {
  try {
    return startNodeWorker(init) ?? startWebWorker(init);
  } catch {
    return null;
  }
}

/** Starts a worker that does not keep the process alive. */
function startNodeWorker(init: WorkerInit): Terminate | null {
  const node = nodeWorkers();
  if (node === undefined) return null;
  const worker = new node.Worker(nodeWorkerSource(), { eval: true, workerData: init });
  worker.unref();
  return () => void worker.terminate();
}

/** Starts a worker in a page. */
function startWebWorker(init: WorkerInit): Terminate | null {
  if (typeof Worker === "undefined") return null;
  const url = URL.createObjectURL(new Blob([webWorkerSource()], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  worker.postMessage(init);
  return () => {
    worker.terminate();
    URL.revokeObjectURL(url);
  };
}
