/**
 * The schedule of a program as one WebAssembly function: every thread calls it once, and it does all the work.
 *
 * A program is a list of segments that run one after the other. The tasks of a segment are handed out in chunks by
 * an atomic counter, and a second counter says how many are done. No thread waits for another to arrive: a
 * segment is over when its tasks are done, whoever did them. So a thread that wakes up late, or not at all, costs
 * nothing but its help, and any number of threads makes progress on any number of cores.
 *
 * @module
 */

import type { FunctionBuilder, FunctionReference, ModuleBuilder } from "./assembler.ts";
import { control } from "./control.ts";

/** One call of a kernel's phase. */
export interface Step {
  /** (table, sharedScratch, threadScratch, taskBegin, taskEnd) → nothing, or the same without sharedScratch. */
  readonly run: FunctionReference;
  /** Where its table stands, in bytes from the frame's start. */
  readonly table: number;
  /** How many tasks it has. */
  readonly tasks: number;
}

/**
 * Work between two points where all threads wait for each other: the chunks of one step, or several whole steps
 * that one thread runs in order.
 */
export interface Segment {
  /** The steps; exactly one unless the segment is serial. */
  readonly steps: readonly Step[];
  /** Tasks that a thread takes at a time; null for a serial segment. */
  readonly chunk: number | null;
}

/** How the head of a frame is laid out, in bytes from its start; counters and buffer tables follow. */
export const frameLayout = {
  /** Address of the scratch memory that all threads share. */
  sharedScratch: 0,
  /** Address of thread 0's scratch memory. */
  threadScratch: 4,
  /** Two words a segment: tasks handed out, tasks done. Zero at the start of a run. */
  counters: 8,
} as const;

/** Bytes of the frame's head and counters. */
export function frameHeadBytes(segments: number): number {
  return frameLayout.counters + 8 * segments;
}

/** How often a thread looks whether the others are done before it sleeps: about as long as waking it would take. */
const spinLimit = 20_000;

/** Loads a word of the control block. */
function loadControl(f: FunctionBuilder, address: number): FunctionBuilder {
  return f.i32(0).atomic("i32.atomic.load", address);
}

/**
 * `claim(counters, chunk, tasks) → begin`: takes the next chunk of a segment; a result of `tasks` or more means
 * that none is left, or that a thread failed.
 */
function addClaim(module: ModuleBuilder): FunctionReference {
  return module.addFunction("claim", ["i32", "i32", "i32"], ["i32"], (f) => {
    const [counters, chunk, tasks] = [f.parameter(0), f.parameter(1), f.parameter(2)];
    loadControl(f, control.abort).if_(() => f.get(tasks).return_());
    // Threads that come late find most segments exhausted: looking first leaves the cache line alone.
    f.get(counters).atomic("i32.atomic.load").get(tasks).op("i32.ge_u")
      .if_(() => f.get(tasks).return_());
    f.get(counters).get(chunk).atomic("i32.atomic.rmw.add");
  });
}

/**
 * `finish(counters, done, tasks, thread) → aborted`: reports tasks done and waits until all are; 1 when a thread
 * failed, and the program must be left.
 */
function addFinish(module: ModuleBuilder): FunctionReference {
  return module.addFunction("finish", ["i32", "i32", "i32", "i32"], ["i32"], (f) => {
    const [counters, done, tasks, thread] = [0, 1, 2, 3].map((i) => f.parameter(i));
    const spins = f.local("i32");
    const epoch = f.local("i32");
    f.get(done).if_(() => {
      f.get(counters).get(done).atomic("i32.atomic.rmw.add", 4).get(done).op("i32.add");
      f.get(tasks).op("i32.eq").if_(() => {
        f.i32(0).i32(1).atomic("i32.atomic.rmw.add", control.epoch).drop();
        loadControl(f, control.sleepers).if_(() => {
          f.i32(0).i32(-1).atomic("memory.atomic.notify", control.epoch).drop();
        });
        f.i32(0).return_();
      });
    });
    const leaveWhenOver = (): void => {
      f.get(counters).atomic("i32.atomic.load", 4).get(tasks).op("i32.eq")
        .if_(() => f.i32(0).return_());
      loadControl(f, control.abort).if_(() => f.i32(1).return_());
    };
    f.loop((spin) => {
      leaveWhenOver();
      f.get(spins).i32(1).op("i32.add").tee(spins).i32(spinLimit).op("i32.lt_u").brIf(spin);
      f.get(thread).op("i32.eqz");
      loadControl(f, control.mainMayBlock).op("i32.eqz").op("i32.and").brIf(spin);
    });
    f.loop((sleep) => {
      loadControl(f, control.epoch).set(epoch);
      leaveWhenOver();
      f.i32(0).i32(1).atomic("i32.atomic.rmw.add", control.sleepers).drop();
      f.i32(0).get(epoch).i64(-1n).atomic("memory.atomic.wait32", control.epoch).drop();
      f.i32(0).i32(1).atomic("i32.atomic.rmw.sub", control.sleepers).drop();
      f.br(sleep);
    });
    f.unreachable();
  });
}

/**
 * Adds the exported function `run(thread, threads, frame) → aborted`.
 *
 * Each thread calls it with its number; thread t's scratch memory stands at the frame's `threadScratch` plus t ·
 * `threadScratchBytes`. Thread 0 calls `mark` with a segment's index at its end, if there is one.
 */
export function addSchedule(
  module: ModuleBuilder,
  segments: readonly Segment[],
  threadScratchBytes: number,
  mark: FunctionReference | null = null,
): void {
  const claim = addClaim(module);
  const finish = addFinish(module);
  module.addFunction("run", ["i32", "i32", "i32"], ["i32"], (f) => {
    const [thread, threads, frame] = [f.parameter(0), f.parameter(1), f.parameter(2)];
    const [shared, own, alone, begin, end, done] = f.locals("i32", 6);
    f.get(frame).load("i32.load", frameLayout.sharedScratch).set(shared);
    f.get(frame).load("i32.load", frameLayout.threadScratch);
    f.get(thread).i32(threadScratchBytes).op("i32.mul").op("i32.add").set(own);
    f.get(threads).i32(1).op("i32.eq").set(alone);
    const call = (step: Step, range: () => void): void => {
      f.get(frame).i32(step.table).op("i32.add");
      if (step.run.parameters.length === 5) f.get(shared);
      f.get(own);
      range();
      f.call(step.run);
    };
    segments.forEach(({ steps, chunk }, index) => {
      const tasks = chunk === null ? 1 : steps[0].tasks;
      const counters = (): FunctionBuilder =>
        f.get(frame).i32(frameLayout.counters + 8 * index).op("i32.add");
      const claimNext = (): FunctionBuilder => {
        counters();
        // One thread alone takes all at once.
        if (chunk === null) f.i32(1);
        else f.i32(tasks).i32(chunk).get(alone).select();
        return f.i32(tasks).call(claim).tee(begin).i32(tasks).op("i32.lt_u");
      };
      f.i32(0).set(done);
      if (chunk === null) {
        claimNext().if_(() => {
          for (const step of steps) call(step, () => f.i32(0).i32(step.tasks));
          f.i32(1).set(done);
        });
      } else {
        f.block((exhausted) => {
          f.loop((next) => {
            claimNext().op("i32.eqz").brIf(exhausted);
            f.get(begin).get(alone).if_(
              () => f.i32(tasks),
              () => f.i32(chunk),
              "i32",
            ).op("i32.add").tee(end).i32(tasks).get(end).i32(tasks).op("i32.lt_u").select();
            f.set(end);
            call(steps[0], () => f.get(begin).get(end));
            f.get(done).get(end).op("i32.add").get(begin).op("i32.sub").set(done);
            f.br(next);
          });
        });
      }
      counters().get(done).i32(tasks).get(thread).call(finish);
      f.if_(() => f.i32(1).return_());
      if (mark !== null) f.get(thread).op("i32.eqz").if_(() => f.i32(index).call(mark));
    });
    f.i32(0);
  }, { export: true });
}
