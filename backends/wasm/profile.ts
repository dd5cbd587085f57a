/**
 * How long each kernel of a program takes, for people who want to know why.
 *
 * @module
 */

import { sizeOf } from "../../lib/base/shape.ts";
import { type Kernel, type LoweredProgram, storageBytes } from "../../lib/compiler/kernel.ts";
import { viewsOf } from "../../lib/compiler/plan.ts";
import { describeKernel } from "../../lib/compiler/print.ts";

/** What was measured of a kernel, or of several that ran together. */
export interface KernelTime {
  /** What they compute, in a few words each. */
  readonly kernels: readonly string[];
  /** Floating point operations of a product as it is defined, a multiply and an add being two; 0 of anything else. */
  readonly operations: number;
  /** Bytes of the buffers that it reads and writes, each once. */
  readonly bytes: number;
  /** From the end of the kernel before until all threads had done their part. */
  readonly seconds: number;
}

/** Is told what the kernels of a program took, in the order they ran. */
export type KernelObserver = (times: readonly KernelTime[]) => void;

/** Segments that one kernel, or one group of them, consists of. */
interface Part {
  readonly time: Omit<KernelTime, "seconds">;
  /** The segment that ends it. */
  last: number;
}

/** Takes the times of one executable's runs. */
export class Profile {
  readonly #observer: KernelObserver;
  readonly #parts: Part[] = [];
  readonly #ends: Float64Array;
  #start = 0;

  /** `segmentKernels` says which kernels each segment runs. */
  constructor(
    observer: KernelObserver,
    program: LoweredProgram,
    segmentKernels: readonly (readonly number[])[],
  ) {
    this.#observer = observer;
    this.#ends = new Float64Array(segmentKernels.length);
    let known = "";
    segmentKernels.forEach((kernels, last) => {
      if (`${kernels}` === known) this.#parts[this.#parts.length - 1].last = last;
      else this.#parts.push({ time: describe(program, kernels), last });
      known = `${kernels}`;
    });
  }

  /** Called by the module at the end of each segment. */
  readonly mark = (segment: number): void => {
    this.#ends[segment] = performance.now();
  };

  /** Called before a run. */
  begin(): void {
    this.#start = performance.now();
  }

  /** Called after a run. */
  report(): void {
    let from = this.#start;
    this.#observer(this.#parts.map(({ time, last }) => {
      const seconds = (this.#ends[last] - from) / 1000;
      from = this.#ends[last];
      return { ...time, seconds };
    }));
  }
}

function operationsOf(kernel: Kernel): number {
  if (kernel.kind !== "contract") return 0;
  return 2 * sizeOf([...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k]);
}

/** What some kernels of a program do together. */
function describe(
  { kernels, buffers }: LoweredProgram,
  indices: readonly number[],
): Omit<KernelTime, "seconds"> {
  const members = indices.map((index) => kernels[index]);
  const touched = new Set(members.flatMap((kernel) => {
    const { reads, write } = viewsOf(kernel);
    return [...reads, write].map(({ buffer }) => buffer);
  }));
  return {
    kernels: members.map(describeKernel),
    operations: members.reduce((sum, kernel) => sum + operationsOf(kernel), 0),
    bytes: [...touched].reduce(
      (sum, buffer) => sum + buffers[buffer].length * storageBytes(buffers[buffer].dtype),
      0,
    ),
  };
}
