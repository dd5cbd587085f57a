/**
 * What a worker thread does all its life: sleep until a program is dispatched, join it, sleep again.
 *
 * @module
 */

import type { Control } from "./control.ts";

/** What a worker is given when it starts. */
export interface WorkerInit {
  /** The memory that all threads share. */
  readonly memory: WebAssembly.Memory;
  /** The number of the thread: 1 and up, as 0 is the main thread. */
  readonly thread: number;
  /** Addresses of the control block. */
  readonly control: Control;
  /** How often an idle worker looks for work before it sleeps. */
  readonly spins: number;
}

/**
 * The worker's loop; never returns.
 *
 * Its source text is what a worker runs (`workerSource`), so it must not refer to anything outside itself.
 */
export function serve(init: WorkerInit): never {
  const { memory, thread, control, spins } = init;
  const words = new Int32Array(memory.buffer);
  const at = (address: number): number => address >> 2;
  type Run = (thread: number, threads: number, frame: number) => number;
  const programs = new Map<number, Run>();
  let retired = Atomics.load(words, at(control.retired));

  /** Forgets programs that the main thread dropped since the last call. */
  const forget = (): void => {
    const count = Atomics.load(words, at(control.retired));
    if (((count - retired) | 0) > control.retiredRingLength) programs.clear();
    else {
      for (; retired !== count; retired = (retired + 1) | 0) {
        const slot = (retired >>> 0) % control.retiredRingLength;
        programs.delete(words[at(control.retiredRing) + slot]);
      }
    }
    retired = count;
  };

  /** The entry of the dispatched program, compiled here at its first use (the engine shares the code among threads). */
  const load = (): Run => {
    const id = words[at(control.program)];
    let run = programs.get(id);
    if (run === undefined) {
      const start = words[at(control.moduleAddress)] >>> 0;
      const length = words[at(control.moduleLength)] >>> 0;
      if (memory.buffer.byteLength < start + length) memory.grow(0); // Another thread grew it: look again.
      const module = new WebAssembly.Module(new Uint8Array(memory.buffer, start, length).slice());
      // Only the main thread tells when it is where.
      const env = { memory, mark: () => {} };
      run = new WebAssembly.Instance(module, { env }).exports.run as Run;
      programs.set(id, run);
    }
    return run;
  };

  /** Tells the main thread what went wrong and makes all threads leave the program. */
  const fail = (error: unknown): void => {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const bytes = new TextEncoder().encode(`thread ${thread}: ${message}`);
    const kept = bytes.subarray(0, control.errorCapacity);
    new Uint8Array(memory.buffer).set(kept, control.errorText);
    words[at(control.errorLength)] = kept.length;
    Atomics.store(words, at(control.abort), 1);
    Atomics.add(words, at(control.epoch), 1);
    Atomics.notify(words, at(control.epoch));
  };

  let seen = Atomics.load(words, at(control.ticket));
  Atomics.add(words, at(control.ready), 1);
  Atomics.notify(words, at(control.ready));
  for (;;) {
    for (let i = 0; i < spins && Atomics.load(words, at(control.ticket)) === seen; i++);
    if (Atomics.load(words, at(control.ticket)) === seen) {
      Atomics.add(words, at(control.idle), 1);
      Atomics.wait(words, at(control.ticket), seen);
      Atomics.sub(words, at(control.idle), 1);
    }
    seen = Atomics.load(words, at(control.ticket));
    // While `active` counts this worker, the main thread neither reuses the frame nor dispatches another program.
    Atomics.add(words, at(control.active), 1);
    if (Atomics.load(words, at(control.open)) === 1) {
      try {
        forget();
        load()(thread, words[at(control.threads)], words[at(control.frame)]);
      } catch (error) {
        fail(error);
      }
    }
    const others = Atomics.sub(words, at(control.active), 1) - 1;
    if (others === 0 && Atomics.load(words, at(control.open)) === 0) {
      Atomics.notify(words, at(control.active));
    }
  }
}

/** The script of a worker under `node:worker_threads`. */
export function nodeWorkerSource(): string {
  return `const { workerData } = require("node:worker_threads");\n(${serve.toString()})(workerData);`;
}

/** The script of a web worker, which is sent its start values. */
export function webWorkerSource(): string {
  return `self.onmessage = ({ data }) => (${serve.toString()})(data);`;
}
