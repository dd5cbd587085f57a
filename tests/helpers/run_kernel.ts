/**
 * Runs generated code of one kernel on a memory of its own.
 *
 * @module
 */
import { ModuleBuilder } from "../../backends/wasm/assembler.ts";
import { emitKernel, type EmitOptions } from "../../backends/wasm/emit.ts";
import type { DType } from "../../lib/base/dtype.ts";
import {
  type BufferSpec,
  type ContractKernel,
  type Kernel,
  storageBytes,
} from "../../lib/compiler/kernel.ts";
import type { Memory } from "./interpret_kernel.ts";

/** How the tasks of a phase are done: ranges in the order in which they run. */
export type Split = (tasks: number) => readonly (readonly [begin: number, end: number])[];

/** All tasks at once. */
export function whole(tasks: number): readonly (readonly [begin: number, end: number])[] {
  return [[0, tasks]];
}

/** The typed array of a buffer in WebAssembly's memory; bool takes 4 bytes. */
function arrayOf(
  memory: WebAssembly.Memory,
  dtype: DType,
  at: number,
  length: number,
): Float32Array | Float64Array | Int32Array | Uint32Array {
  switch (dtype) {
    case "float32":
      return new Float32Array(memory.buffer, at, length);
    case "float64":
      return new Float64Array(memory.buffer, at, length);
    case "uint32":
      return new Uint32Array(memory.buffer, at, length);
    default:
      return new Int32Array(memory.buffer, at, length);
  }
}

/** For loops of a chain: rows in a task, and the first dims, of which they are made. */
type RowsGiven = Pick<EmitOptions, "rows" | "rowDims">;

/** A kernel that is compiled and has its buffers, for tests and benchmarks. */
export class CompiledKernel {
  readonly arrays: (Float32Array | Float64Array | Int32Array | Uint32Array)[] = [];
  readonly phases: { run: (begin: number, end: number) => void; tasks: number }[] = [];
  readonly bytes: number;

  constructor(
    kernel: Exclude<Kernel, ContractKernel>,
    buffers: readonly BufferSpec[],
    relaxed = false,
    alone = false,
    rows: RowsGiven = {},
  ) {
    const module = new ModuleBuilder();
    module.importMemory("env", "memory", 1, 65536, false);
    const emitted = emitKernel(module, kernel, { relaxed, alone, ...rows });
    emitted.phases.forEach((phase, i) => {
      module.addFunction(`phase${i}`, ["i32", "i32", "i32", "i32", "i32"], [], (f) => {
        for (let p = 0; p < 5; p++) f.get(f.parameter(p));
        f.call(phase.run);
      }, { export: true });
    });
    const code = module.build();
    this.bytes = code.length;
    // A guard of 64 bytes around each buffer would hide nothing: comparisons cover all elements.
    let end = 64 + 4 * buffers.length;
    const place = (bytes: number) => {
      const at = Math.ceil(end / 64) * 64;
      end = at + bytes;
      return at;
    };
    const at = buffers.map((buffer) => place(buffer.length * storageBytes(buffer.dtype)));
    const shared = place(emitted.sharedScratchBytes);
    const own = place(emitted.threadScratchBytes);
    const memory = new WebAssembly.Memory({ initial: Math.ceil(end / 65536) + 1, maximum: 65536 });
    new Int32Array(memory.buffer, 64, buffers.length).set(at);
    buffers.forEach((buffer, i) => {
      this.arrays.push(arrayOf(memory, buffer.dtype, at[i], buffer.length));
    });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } });
    emitted.phases.forEach((phase, i) => {
      const run = instance.exports[`phase${i}`] as (...values: number[]) => void;
      this.phases.push({
        run: (begin, end) => run(64, shared, own, begin, end),
        tasks: phase.tasks,
      });
    });
  }

  /** Runs all phases. */
  run(split: Split = whole): void {
    for (const { run, tasks } of this.phases) {
      for (const [begin, end] of split(tasks)) run(begin, end);
    }
  }
}

/** Runs a kernel on plain numbers, and returns all buffers afterwards. */
export function runKernel(
  kernel: Exclude<Kernel, ContractKernel>,
  buffers: readonly BufferSpec[],
  contents: Memory,
  split: Split = whole,
  relaxed = false,
  rows: RowsGiven = {},
): Memory {
  const compiled = new CompiledKernel(kernel, buffers, relaxed, false, rows);
  compiled.arrays.forEach((array, i) => array.set(contents[i]));
  compiled.run(split);
  return compiled.arrays.map((array) => Array.from(array));
}
