/**
 * What every kernel's code looks like from outside, and how it finds its data.
 *
 * @module
 */
import type { View } from "../../lib/compiler/kernel.ts";
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";

/**
 * A kernel as functions of a module.
 *
 * The phases run one after another, with a barrier between. Each is a function (bufferTable, sharedScratch,
 * threadScratch, taskBegin, taskEnd), all i32, that does the tasks from taskBegin up to taskEnd; several threads may do
 * disjoint ranges at once, and how the tasks are divided never changes the result. bufferTable is the address of an array
 * of i32: the address of each of the program's buffers. sharedScratch is the same `sharedScratchBytes` for all threads,
 * threadScratch are `threadScratchBytes` for each thread alone; both are aligned to 16 bytes and hold nothing to begin
 * with. A kernel that has nothing to do has no phases.
 */
export interface EmittedKernel {
  /** What to run, in order. */
  readonly phases: readonly { readonly run: FunctionReference; readonly tasks: number }[];
  /** Scratch memory that all threads share. */
  readonly sharedScratchBytes: number;
  /** Scratch memory of each thread. */
  readonly threadScratchBytes: number;
}

/** The parameters of every run function. */
export const runParameters = ["i32", "i32", "i32", "i32", "i32"] as const;

/** A kernel that writes nothing. */
export const nothing: EmittedKernel = { phases: [], sharedScratchBytes: 0, threadScratchBytes: 0 };

/** Pushes the byte address of a view's first element. */
export function pushViewBase(f: FunctionBuilder, view: View, bytes: number): void {
  f.get(f.parameter(0)).load("i32.load", 4 * view.buffer);
  if (view.offset !== 0) f.i32(view.offset * bytes).op("i32.add");
}

/**
 * Adds to each local what its strides (in bytes) come to at the row-major index `flat` of the dims.
 */
export function addFlatOffsets(
  f: FunctionBuilder,
  flat: Local,
  dims: readonly number[],
  targets: readonly { local: Local; strides: readonly number[] }[],
): void {
  const rest = f.local("i32");
  const counter = f.local("i32");
  f.get(flat).set(rest);
  for (let d = dims.length - 1; d >= 0; d--) {
    f.get(rest);
    if (d > 0) f.i32(dims[d]).op("i32.rem_u");
    f.set(counter);
    if (d > 0) f.get(rest).i32(dims[d]).op("i32.div_u").set(rest);
    for (const { local, strides } of targets) {
      if (strides[d] === 0) continue;
      f.get(local).get(counter).i32(strides[d]).op("i32.mul").op("i32.add").set(local);
    }
  }
}

/** A loop over the tasks: the body finds the task's number in the local. */
export function emitTasks(f: FunctionBuilder, body: (task: Local) => void): void {
  const task = f.local("i32");
  f.get(f.parameter(3)).set(task);
  f.block((done) => {
    f.loop((again) => {
      f.get(task).get(f.parameter(4)).op("i32.ge_u").brIf(done);
      body(task);
      f.get(task).i32(1).op("i32.add").set(task).br(again);
    });
  });
}

/** A run function, and how many bytes behind the first one's its table of buffers stands. */
export interface SequenceStep {
  readonly run: FunctionReference;
  readonly table: number;
}

/** One run function that does every task by several, one after the other, before the next task. */
export function emitSequence(
  module: ModuleBuilder,
  name: string,
  steps: readonly SequenceStep[],
): FunctionReference {
  return module.addFunction(name, runParameters, [], (f) => {
    const [tables, shared, own] = [0, 1, 2].map((i) => f.parameter(i));
    emitTasks(f, (task) => {
      for (const { run, table } of steps) {
        f.get(tables).i32(table).op("i32.add").get(shared).get(own).get(task);
        f.get(task).i32(1).op("i32.add").call(run);
      }
    });
  });
}

/** A loop from the local's value up to a limit that is pushed anew each time. */
export function emitCount(
  f: FunctionBuilder,
  counter: Local,
  step: number,
  pushLimit: () => void,
  body: () => void,
): void {
  f.block((done) => {
    f.loop((again) => {
      f.get(counter);
      pushLimit();
      f.op("i32.ge_s").brIf(done);
      body();
      f.get(counter).i32(step).op("i32.add").set(counter).br(again);
    });
  });
}

/** The smaller of a local and a number, into the local. */
export function clampAbove(f: FunctionBuilder, local: Local, limit: number): void {
  f.i32(limit).get(local).get(local).i32(limit).op("i32.gt_s").select().set(local);
}
