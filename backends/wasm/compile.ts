/**
 * From a lowered program to one WebAssembly module: kernels, schedule, and the layout of the frame.
 *
 * The frame is a block of memory that belongs to one executable: the schedule's head and counters, then for each kernel
 * the addresses that it works on. Kernels find everything through it, so that equal kernels share their code.
 *
 * @module
 */

import type {
  BufferSpec,
  ContractKernel,
  Kernel,
  LoweredProgram,
} from "../../lib/compiler/kernel.ts";
import { renumberBuffers, viewsOf } from "../../lib/compiler/plan.ts";
import { type FunctionReference, ModuleBuilder } from "./assembler.ts";
import { findChain } from "./chain.ts";
import { emitContract, type TableEntry } from "./contract.ts";
import {
  type ConvolutionChain,
  findConvolutionChains,
  isConvolution,
} from "./convolution_chain.ts";
import { emitImages } from "./convolution_chain_emit.ts";
import { kernelCost } from "./cost.ts";
import { emitKernel } from "./emit.ts";
import { GemmCache, gemmDescriptor, gemmDescriptorLength } from "./gemm.ts";
import { alignToLine } from "./gemm_numeric.ts";
import { emitSequence } from "./loop_interface.ts";
import { soleWriters } from "./masks.ts";
import { addSchedule, frameHeadBytes, type Segment, type Step } from "./schedule.ts";

/** What a program is compiled for. */
export interface CompileOptions {
  /** Whether kernels may use relaxed instructions. */
  readonly relaxed: boolean;
  /** How many threads there will be. */
  readonly threads: number;
  /** Whether the memory is shared. */
  readonly shared: boolean;
  /** Estimated nanoseconds of a program's parallel work below which no other thread is woken. */
  readonly shareAbove: number;
  /** Whether the module tells when its segments end: it imports env.mark(segment) then, and no segment has several kernels. */
  readonly marks?: boolean;
}

/** A program's module and what has to stand in memory when it runs. Words are 32 bits. */
export interface CompiledModule {
  /** The module: it imports env.memory and exports `run` (see `addSchedule`). */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Which of the program's kernels each segment runs, or a part of. */
  readonly segmentKernels: readonly (readonly number[])[];
  /** Estimated nanoseconds of the work that threads share; 0 when one thread is to do it all. */
  readonly parallelWork: number;
  /** Scratch memory that all threads share. */
  readonly sharedScratchBytes: number;
  /** Scratch memory of each thread. */
  readonly threadScratchBytes: number;
  /** Size of the frame, a multiple of 4. */
  readonly frameBytes: number;
  /** Where the frame's counters end, which are zero at the start of a run. */
  readonly countersEnd: number;
  /**
   * Words of the frame that are written before each run: where, the buffer whose address is written (one past the
   * last means the shared scratch), and what is added to the address.
   */
  readonly entryWords: Int32Array;
  readonly entryBuffers: Int32Array;
  readonly entryOffsets: Float64Array;
  /** Bytes of all offset tables. */
  readonly tableBytes: number;
  /** Writes the offset tables to memory, and their addresses to the frame; both are given by address. */
  readonly writeTables: (words: Int32Array, tables: number, frame: number) => void;
}

/**
 * The part of `shareAbove` below which a kernel is done by one thread alone: a segment of its own costs about 1 µs,
 * much less than waking a thread.
 */
const smallKernel = 1 / 8;
/** Estimated nanoseconds of a chunk of tasks, unless that makes too few chunks. */
const chunkWork = 10e3;
/** At most this many chunks for each thread. */
const chunksPerThread = 16;

/** One phase of a kernel, before segments are made. */
interface Phase {
  readonly run: FunctionReference;
  readonly tasks: number;
  readonly work: number;
  /** Index of the first word of its table, counted from the end of the counters. */
  readonly table: number;
  /** The program's kernels that it is, or is a part of. */
  readonly kernels: readonly number[];
}

/** Code of kernels that are equal but for the buffers they name. */
interface SharedCode {
  readonly phases: readonly { readonly run: FunctionReference; readonly tasks: number }[];
  readonly sharedScratchBytes: number;
  readonly threadScratchBytes: number;
}

/** Collects the frame's words, and the tables that they point at. */
class Frame {
  words = 0;
  tableBytes = 0;
  readonly entries: { word: number; buffer: number; offset: number }[] = [];
  readonly #pointers: { word: number; offset: number }[] = [];
  readonly #tables: { offset: number; write: TableEntry["write"] }[] = [];
  readonly #known = new Map<string, number>();

  /** Reserves words; returns the first. */
  reserve(count: number): number {
    const first = this.words;
    this.words += count;
    return first;
  }

  /** A word that holds a buffer's address plus an offset. */
  address(word: number, buffer: number, offset = 0): void {
    this.entries.push({ word, buffer, offset });
  }

  /** A word that holds a table's address; equal tables are kept once. */
  table(word: number, { key, length, write }: TableEntry): void {
    let offset = this.#known.get(key);
    if (offset === undefined) {
      offset = this.tableBytes;
      this.tableBytes += 4 * length;
      this.#known.set(key, offset);
      this.#tables.push({ offset, write });
    }
    this.#pointers.push({ word, offset });
  }

  /** Writes the tables from one address on, and their addresses into the words that start at another. */
  writeTables(words: Int32Array, tables: number, first: number): void {
    for (const { offset, write } of this.#tables) write(words, (tables + offset) / 4);
    for (const { word, offset } of this.#pointers) words[first / 4 + word] = tables + offset;
  }
}

/** Compiles a lowered program. */
export function compileModule(lowered: LoweredProgram, options: CompileOptions): CompiledModule {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", 1, 65536, options.shared);
  const mark = options.marks ? module.importFunction("env", "mark", ["i32"], []) : null;
  const frame = new Frame();
  const phases: Phase[] = [];
  const gemms = new GemmCache();
  const writers = soleWriters(lowered);
  const known = new Map<string, SharedCode>();
  const sharedScratch = lowered.buffers.length;
  let sharedScratchBytes = 0;
  let threadScratchBytes = 0;

  /** A kernel's words in the frame, and its code, made the first time. */
  const place = (
    kernel: Exclude<Kernel, ContractKernel>,
    over?: { readonly rows: number; readonly rowDims: number },
  ) => {
    const { canonical, buffers } = canonicalize(kernel);
    const specs = buffers.map((buffer) => lowered.buffers[buffer]);
    const key = kernelKey(canonical, specs) +
      (over === undefined ? "" : ` by ${over.rows} of ${over.rowDims}`);
    let code = known.get(key);
    if (code === undefined) {
      const { relaxed, threads } = options;
      code = emitKernel(module, canonical, { relaxed, alone: threads === 1, ...over });
      known.set(key, code);
    }
    const table = frame.reserve(buffers.length);
    buffers.forEach((buffer, i) => frame.address(table + i, buffer));
    return { code, table, words: buffers.map((buffer) => ({ buffer, offset: 0 })) };
  };
  /** The same for a contraction, with its part of the shared scratch from so many bytes on. */
  const placeContract = (kernel: ContractKernel, workspace = 0) => {
    const { gemm, views, tables } = emitContract(module, kernel, options.relaxed, gemms, writers);
    const table = frame.reserve(gemmDescriptorLength);
    const words: ({ buffer: number; offset: number } | null)[] = new Array(gemmDescriptorLength)
      .fill(null);
    for (const { word, buffer, offset } of views) {
      words[word] = { buffer, offset };
      frame.address(table + word, buffer, offset);
    }
    for (const entry of tables) frame.table(table + entry.word, entry);
    frame.address(table + gemmDescriptor.workspace, sharedScratch, workspace);
    const code: SharedCode = {
      phases: gemm.phases,
      sharedScratchBytes: workspace + gemm.workspaceBytes,
      threadScratchBytes: gemm.scratchBytes,
    };
    return { code, table, words };
  };
  /** The phases of kernels that run image by image: all filters first. */
  const placeConvolutionChain = (
    { start, members, images, kept, keptBytes, work }: ConvolutionChain,
  ) => {
    let workspace = 0;
    let scratch = 0;
    const placed = members.map((member, i) => {
      if (!isConvolution(member)) {
        const { code, table, words } = place(member.kernel, { rows: 1, rowDims: member.rowDims });
        return { run: code.phases[0].run, tasks: 1, table, words };
      }
      const { code, table, words } = placeContract(member.kernel, workspace);
      const { phases: parts, sharedScratchBytes, threadScratchBytes } = code;
      for (const { run, tasks } of parts.slice(0, -1)) {
        const work = kernelCost(member.kernel) / images;
        phases.push({ run, tasks, work, table, kernels: [start + i] });
      }
      workspace = alignToLine(sharedScratchBytes);
      scratch = Math.max(scratch, alignToLine(threadScratchBytes));
      return { run: parts[parts.length - 1].run, tasks: member.tasksPerImage, table, words };
    });
    const { table } = placed[0];
    const run = emitImages(module, placed, kept, { kept: scratch, words: scratch + keptBytes });
    const kernels = members.map((_, i) => start + i);
    phases.push({ run, tasks: images, work, table, kernels });
    sharedScratchBytes = Math.max(sharedScratchBytes, workspace);
    threadScratchBytes = Math.max(
      threadScratchBytes,
      alignToLine(scratch + keptBytes + 4 * (frame.words - table)),
    );
  };

  const images = findConvolutionChains(lowered, options.relaxed, options.threads);
  for (let index = 0; index < lowered.kernels.length; index++) {
    if (images[0]?.start === index) {
      const chain = images.shift()!;
      placeConvolutionChain(chain);
      index += chain.members.length - 1;
      continue;
    }
    const chain = findChain(lowered, index, images[0]?.start);
    if (chain !== null) {
      const { rowsPerTask: rows, tasks, work } = chain;
      const members = chain.kernels.map(({ kernel, rowDims }) => place(kernel, { rows, rowDims }));
      const { table } = members[0];
      const steps = members.map((member) => ({
        run: member.code.phases[0].run,
        table: 4 * (member.table - table),
      }));
      const kernels = members.map((_, i) => index + i);
      phases.push({ run: emitSequence(module, "chain", steps), tasks, work, table, kernels });
      index += members.length - 1;
      continue;
    }
    const kernel = lowered.kernels[index];
    const work = kernelCost(kernel);
    const { code, table } = kernel.kind === "contract" ? placeContract(kernel) : place(kernel);
    for (const { run, tasks } of code.phases) {
      phases.push({ run, tasks, work, table, kernels: [index] });
    }
    sharedScratchBytes = Math.max(sharedScratchBytes, code.sharedScratchBytes);
    threadScratchBytes = Math.max(threadScratchBytes, alignToLine(code.threadScratchBytes));
  }

  const { segments, parallelWork } = makeSegments(phases, options);
  const countersEnd = frameHeadBytes(segments.length, options.threads);
  const placed = segments.map((segment): Segment => ({
    chunk: segment.chunk,
    steps: segment.steps.map((phase): Step => ({
      run: phase.run,
      tasks: phase.tasks,
      table: countersEnd + 4 * phase.table,
    })),
  }));
  addSchedule(module, placed, options.threads, threadScratchBytes, mark);
  const first = countersEnd / 4;
  return {
    bytes: module.build(),
    segmentKernels: segments.map(({ steps }) => [...new Set(steps.flatMap((p) => p.kernels))]),
    parallelWork,
    sharedScratchBytes,
    threadScratchBytes,
    frameBytes: alignToLine(countersEnd + 4 * frame.words),
    countersEnd,
    entryWords: Int32Array.from(frame.entries, ({ word }) => first + word),
    entryBuffers: Int32Array.from(frame.entries, ({ buffer }) => buffer),
    entryOffsets: Float64Array.from(frame.entries, ({ offset }) => offset),
    tableBytes: frame.tableBytes,
    writeTables: (words, tables, start) => frame.writeTables(words, tables, start + countersEnd),
  };
}

/** Cuts the phases into segments: long ones in chunks, short ones together on one thread. */
function makeSegments(
  phases: readonly Phase[],
  { threads, shareAbove, marks }: CompileOptions,
): { segments: { steps: Phase[]; chunk: number | null }[]; parallelWork: number } {
  const shares = (phase: Phase): boolean =>
    phase.tasks > 1 && phase.work >= smallKernel * shareAbove;
  let parallelWork = 0;
  for (const phase of phases) if (shares(phase)) parallelWork += phase.work;
  if (threads === 1 || parallelWork < shareAbove) parallelWork = 0;
  const segments: { steps: Phase[]; chunk: number | null }[] = [];
  for (const phase of phases) {
    if (phase.tasks === 0) continue;
    if (parallelWork > 0 && shares(phase)) {
      const wanted = Math.max(
        threads,
        Math.min(chunksPerThread * threads, Math.round(phase.work / chunkWork)),
      );
      segments.push({ steps: [phase], chunk: Math.ceil(phase.tasks / wanted) });
      continue;
    }
    const last = segments.at(-1);
    if (last !== undefined && last.chunk === null && !marks) last.steps.push(phase);
    else segments.push({ steps: [phase], chunk: null });
  }
  return { segments, parallelWork };
}

/** The kernel with its buffers numbered in order of appearance, and which buffers these are. */
function canonicalize<K extends Kernel>(kernel: K): { canonical: K; buffers: number[] } {
  const buffers: number[] = [];
  const numbers = new Map<number, number>();
  const { reads, write } = viewsOf(kernel);
  for (const { buffer } of [write, ...reads]) {
    if (!numbers.has(buffer)) {
      numbers.set(buffer, buffers.length);
      buffers.push(buffer);
    }
  }
  return { canonical: renumberBuffers(kernel, (buffer) => numbers.get(buffer)!), buffers };
}

/** Equal for kernels whose code is equal. */
function kernelKey(kernel: Kernel, buffers: readonly BufferSpec[]): string {
  const exact = (_: string, value: unknown): unknown =>
    typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
      ? `${Object.is(value, -0) ? "-0" : value}`
      : value;
  return JSON.stringify([kernel, buffers.map(({ dtype, length }) => [dtype, length])], exact);
}
