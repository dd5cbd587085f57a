/**
 * What the parts of one backend share: its memory, heap, threads and buffers.
 *
 * @module
 */

import type { Backend } from "../../lib/compiler/backend.ts";
import { BufferPool } from "./buffer.ts";
import { control } from "./control.ts";
import { Heap } from "./heap.ts";
import { LinearMemory } from "./memory.ts";
import type { KernelObserver } from "./profile.ts";
import { ThreadPool } from "./threads.ts";

/** Nanoseconds that starting a worker takes, during which the calling thread waits: measured 30 to 40 ms in Deno. */
const startWork = 40e6;

/** The parts that buffers and executables of one backend use. */
export class Device {
  /** The memory. */
  readonly memory: LinearMemory;
  /** The allocator over it. */
  readonly heap: Heap;
  /** The threads over it. */
  readonly threads: ThreadPool;
  /** The buffers in it. */
  readonly buffers: BufferPool;
  #nextProgram = 1;
  #work = 0;

  /** Reserves the memory; threads are started later, when there is work for them. */
  constructor(
    /** The backend that buffers name as their owner. */
    readonly backend: Backend,
    threads: number,
    /** Whether kernels may use relaxed instructions. */
    readonly relaxed: boolean,
    shared: boolean,
    maximumMemory: number,
    /** Estimated nanoseconds of parallel work above which a program is shared among threads. */
    readonly shareAbove: number,
    /** Who is told how long kernels took, if anybody. */
    readonly observer: KernelObserver | null,
  ) {
    const memory = new LinearMemory(shared && threads > 1, maximumMemory);
    this.memory = memory;
    // The last page stays unused: vector loads may read a little beyond a buffer's end.
    const limit = (memory.maximumPages - 1) * 65536;
    this.heap = new Heap({ start: control.end, limit, grow: (end) => memory.grow(end) });
    this.threads = new ThreadPool(memory, threads);
    this.buffers = new BufferPool(this.heap);
  }

  /** A number for a new program. */
  nextProgram(): number {
    return this.#nextProgram++;
  }

  /**
   * Counts parallel work (in estimated nanoseconds) that is about to be done, and starts workers as they become worth
   * it.
   *
   * Work w on k more threads takes w / (k + 1) and k starts, least where k + 1 = √(w / start). So a short script never
   * pays for threads, a long one soon has them all, and on many cores a single program is not kept waiting for more
   * workers than it can use.
   */
  expect(work: number): void {
    if (this.threads.count === this.threads.size) return;
    this.#work += work;
    this.threads.start(Math.floor(Math.sqrt(this.#work / startWork)));
  }
}
