/**
 * The schedule of a program as one WebAssembly function: every thread calls it once, and it does all the work.
 *
 * A program is a list of segments that run one after the other. Each thread has a range of a segment's chunks of tasks, in order,
 * with an atomic counter of those that are taken; when its own are done it takes what others have left. Neighbouring
 * segments mostly go through memory in the same order, so that what a thread needs is often what it has left in its own caches.
 * Another counter says how many tasks are done. No thread waits for another to arrive: a segment is over when its tasks are
 * done, whoever did them. So a thread that wakes up late, or not at all, costs nothing but its help, and any number of threads
 * makes progress on any number of cores.
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
  /** A segment's words: tasks done, then for each thread the chunks taken of its range. Zero at the start of a run. */
  counters: 8,
} as const;

/** Bytes of a segment's counters. */
function counterBytes(threads: number): number {
  return 4 + 4 * threads;
}

/** Bytes of the frame's head and counters, for at most so many threads. */
export function frameHeadBytes(segments: number, threads: number): number {
  return frameLayout.counters + counterBytes(threads) * segments;
}

/** How often a thread looks whether the others are done before it sleeps: about as long as waking it would take. */
const spinLimit = 20_000;

/** Loads a word of the control block. */
function loadControl(f: FunctionBuilder, address: number): FunctionBuilder {
  return f.i32(0).atomic("i32.atomic.load", address);
}

/**
 * `claim(counters, thread, threads, chunks) → chunk`: takes the next chunk of the thread's range, or of another's; a result of
 * `chunks` means that none is left, or that a thread failed.
 */
function addClaim(module: ModuleBuilder): FunctionReference {
  return module.addFunction("claim", ["i32", "i32", "i32", "i32"], ["i32"], (f) => {
    const [counters, thread, threads, chunks] = [0, 1, 2, 3].map((i) => f.parameter(i));
    const [owner, left, begin, count, taken, index] = f.locals("i32", 6);
    loadControl(f, control.abort).if_(() => f.get(chunks).return_());
    const start = (push: () => void): void => {
      push();
      f.get(chunks).op("i32.mul").get(threads).op("i32.div_u");
    };
    f.get(thread).set(owner).get(threads).set(left);
    f.loop((next) => {
      start(() => f.get(owner));
      f.set(begin);
      start(() => f.get(owner).i32(1).op("i32.add"));
      f.get(begin).op("i32.sub").set(count);
      f.get(counters).get(owner).i32(2).op("i32.shl").op("i32.add").set(taken);
      // Threads that come late find most ranges exhausted: looking first leaves the cache line alone.
      f.get(taken).atomic("i32.atomic.load", 4).get(count).op("i32.lt_u").if_(() => {
        f.get(taken).i32(1).atomic("i32.atomic.rmw.add", 4).tee(index).get(count).op("i32.lt_u");
        f.if_(() => f.get(begin).get(index).op("i32.add").return_());
      });
      f.get(owner).i32(1).op("i32.add").tee(owner).get(threads).op("i32.eq");
      f.if_(() => f.i32(0).set(owner));
      f.get(left).i32(1).op("i32.sub").tee(left).brIf(next);
    });
    f.get(chunks);
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
      f.get(counters).get(done).atomic("i32.atomic.rmw.add").get(done).op("i32.add");
      f.get(tasks).op("i32.eq").if_(() => {
        f.i32(0).i32(1).atomic("i32.atomic.rmw.add", control.epoch).drop();
        loadControl(f, control.sleepers).if_(() => {
          f.i32(0).i32(-1).atomic("memory.atomic.notify", control.epoch).drop();
        });
        f.i32(0).return_();
      });
    });
    const leaveWhenOver = (): void => {
      f.get(counters).atomic("i32.atomic.load").get(tasks).op("i32.eq")
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
 * Each thread calls it with its number, at most `mostThreads` of them; thread t's scratch memory stands at the frame's
 * `threadScratch` plus t · `threadScratchBytes`. Thread 0 calls `mark` with a segment's index at its end, if there is one.
 */
export function addSchedule(
  module: ModuleBuilder,
  segments: readonly Segment[],
  mostThreads: number,
  threadScratchBytes: number,
  mark: FunctionReference | null = null,
): void {
  const claim = addClaim(module);
  const finish = addFinish(module);
  module.addFunction("run", ["i32", "i32", "i32"], ["i32"], (f) => {
    const [thread, threads, frame] = [f.parameter(0), f.parameter(1), f.parameter(2)];
    const [shared, own, alone, chunks, taken, begin, end, done] = f.locals("i32", 8);
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
        f.get(frame).i32(frameLayout.counters + counterBytes(mostThreads) * index).op("i32.add");
      const claimNext = (): FunctionBuilder => {
        counters();
        return f.get(thread).get(threads).get(chunks).call(claim).tee(taken).get(chunks)
          .op("i32.lt_u");
      };
      f.i32(0).set(done);
      if (chunk === null) {
        f.i32(1).set(chunks);
        claimNext().if_(() => {
          for (const step of steps) call(step, () => f.i32(0).i32(step.tasks));
          f.i32(1).set(done);
        });
      } else {
        // One thread alone takes all at once.
        f.i32(1).i32(Math.ceil(tasks / chunk)).get(alone).select().set(chunks);
        f.block((exhausted) => {
          f.loop((next) => {
            claimNext().op("i32.eqz").brIf(exhausted);
            f.get(taken).i32(chunk).op("i32.mul").tee(begin).i32(chunk).op("i32.add").set(end);
            f.get(end).i32(tasks).op("i32.gt_u").get(alone).op("i32.or").if_(() => {
              f.i32(tasks).set(end);
            });
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
