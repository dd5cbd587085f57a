/** The code of kernels that run image by image. */
import type { FunctionReference, ModuleBuilder } from "./assembler.ts";
import type { KeptBuffer } from "./convolution_chain.ts";
import { emitTasks, runParameters } from "./loop_interface.ts";

/** A kernel of the chain. */
interface Step {
  /** (table, sharedScratch, threadScratch, taskBegin, taskEnd), or the same without sharedScratch. */
  readonly run: FunctionReference;
  /** Its tasks for an image. */
  readonly tasks: number;
  /** Its first word in the frame. */
  readonly table: number;
  /** What is known of its words: those that hold the address of a buffer plus an offset. */
  readonly words: readonly ({ readonly buffer: number; readonly offset: number } | null)[];
}

/**
 * One run function whose tasks are images. Its table is the first step's, and the others' words follow. Each thread has a
 * copy of all words in its own memory, in which kept buffers are where the thread keeps them: as if image 0 of them lay so
 * far before that the present image lies there. `places` are bytes from the thread's memory.
 */
export function emitImages(
  module: ModuleBuilder,
  steps: readonly Step[],
  kept: readonly KeptBuffer[],
  places: { readonly kept: number; readonly words: number },
): FunctionReference {
  return module.addFunction("images", runParameters, [], (f) => {
    const [tables, shared, own] = [0, 1, 2].map((i) => f.parameter(i));
    const words = f.local("i32");
    f.get(own).i32(places.words).op("i32.add").set(words);
    const first = steps[0].table;
    const atByte = (step: Step) => 4 * (step.table - first);
    for (const step of steps) {
      step.words.forEach((_, i) => {
        const at = atByte(step) + 4 * i;
        f.get(words).get(tables).load("i32.load", at).store("i32.store", at);
      });
    }
    emitTasks(f, (image) => {
      for (const step of steps) {
        step.words.forEach((word, i) => {
          const buffer = kept.find((one) => one.buffer === word?.buffer);
          if (word === null || buffer === undefined) return;
          f.get(words).get(own).i32(places.kept + buffer.place - buffer.begin + word.offset);
          f.op("i32.add").get(image).i32(buffer.step).op("i32.mul").op("i32.sub");
          f.store("i32.store", atByte(step) + 4 * i);
        });
      }
      for (const { run, tasks, table } of steps) {
        f.get(words).i32(4 * (table - first)).op("i32.add");
        if (run.parameters.length === 5) f.get(shared);
        f.get(own).get(image).i32(tasks).op("i32.mul");
        f.get(image).i32(1).op("i32.add").i32(tasks).op("i32.mul").call(run);
      }
    });
  });
}
