/**
 * The memory plan: where temporaries live in one arena, by liveness.
 *
 * @module
 */

import {
  type BufferSpec,
  type Kernel,
  type LoopKernel,
  type LoweredProgram,
  storageBytes,
  type View,
} from "./kernel.ts";

/** Plans of more blocks are made in order of time only: the other order compares each pair of them. */
const mostBySize = 2000;
/** Temporaries start at multiples of this many bytes. */
const alignment = 64;

/** A lowered program without its memory plan. */
export type Unplanned = Omit<LoweredProgram, "arenaOffsets" | "arenaBytes">;

/** A lifetime: the temporaries that share one piece of memory, from the first write to the last read. */
interface Block {
  readonly bytes: number;
  first: number;
  last: number;
  offset: number;
}

/** The first and the last kernel that uses each buffer, −1 where none does. */
function lifetimes(
  kernels: readonly Kernel[],
  count: number,
): { first: Int32Array; last: Int32Array } {
  const first = new Int32Array(count).fill(-1);
  const last = new Int32Array(count).fill(-1);
  kernels.forEach((kernel, k) => {
    const { reads, write } = viewsOf(kernel);
    for (const { buffer } of [...reads, write]) {
      if (first[buffer] < 0) first[buffer] = k;
      last[buffer] = k;
    }
  });
  return { first, last };
}

/** The program with temporaries that end where an output begins, element by element, kept in the output's memory. */
function reuseOutputs(program: Unplanned): Unplanned {
  const kernels = [...program.kernels];
  const buffers = [...program.buffers];
  const { first, last } = lifetimes(kernels, buffers.length);
  for (let k = kernels.length - 1; k >= 0; k--) {
    const target = viewsOf(kernels[k]).write.buffer;
    if (buffers[target].role !== "output" || first[target] !== k) continue;
    const source = reusable(kernels[k], buffers, last, k);
    if (source < 0 || buffers[source].dtype !== buffers[target].dtype) continue;
    for (let i = first[source]; i <= k; i++) {
      kernels[i] = renumberBuffers(kernels[i], (buffer) => buffer === source ? target : buffer);
    }
    buffers[source] = { ...buffers[source], length: 0 };
    first[target] = first[source];
    // What wrote the source now writes the output, and may take the memory of another.
    k = first[source] + 1;
  }
  return { ...program, kernels, buffers };
}

/** Assigns each temporary its place in the arena. */
export function planMemory(unplanned: Unplanned): LoweredProgram {
  return planArena(reuseOutputs(unplanned), []);
}

/** Neighbouring kernels that a backend runs at the same time, and temporaries that it keeps elsewhere meanwhile. */
export interface JointKernels {
  readonly start: number;
  readonly count: number;
  readonly kept: readonly number[];
}

/** The same where some kernels run at the same time, and outputs have been looked at before. */
export function planArena(program: Unplanned, joint: readonly JointKernels[]): LoweredProgram {
  const { buffers, kernels } = program;
  const { first, last } = lifetimes(kernels, buffers.length);
  const kept = new Set(joint.flatMap((one) => one.kept));
  /** The first and the last kernel that runs when one does. */
  const [begins, ends] = [kernels.map((_, k) => k), kernels.map((_, k) => k)];
  for (const { start, count } of joint) {
    begins.fill(start, start, start + count);
    ends.fill(start + count - 1, start, start + count);
  }
  const accesses = kernels.map(viewsOf);
  const blocks: Block[] = [];
  const blockOf = new Array<Block | null>(buffers.length).fill(null);
  for (let k = 0; k < kernels.length; k++) {
    const { buffer } = accesses[k].write;
    if (first[buffer] !== k || buffers[buffer].role !== "temporary" || kept.has(buffer)) continue;
    const source = reusable(kernels[k], buffers, last, k);
    const taken = source < 0 ? null : blockOf[source];
    if (taken !== null) {
      taken.last = ends[last[buffer]];
      blockOf[buffer] = taken;
      continue;
    }
    const bytes = align(buffers[buffer].length * storageBytes(buffers[buffer].dtype));
    const block = { bytes, first: begins[k], last: ends[last[buffer]], offset: 0 };
    blocks.push(block);
    blockOf[buffer] = block;
  }
  // Large blocks first tends to pack best; blocks in order of time is better for some graphs, and quick for long ones.
  const bySize = blocks.length > mostBySize
    ? Infinity
    : pack([...blocks].sort((a, b) => b.bytes - a.bytes || a.first - b.first), false);
  const sizes = blocks.map((block) => block.offset);
  const byTime = pack(blocks, true);
  if (bySize < byTime) blocks.forEach((block, i) => block.offset = sizes[i]);
  return {
    ...program,
    arenaOffsets: buffers.map((buffer, i) =>
      buffer.role === "temporary" ? blockOf[i]?.offset ?? 0 : null
    ),
    arenaBytes: Math.min(bySize, byTime),
  };
}

/**
 * Gives each block the lowest offset that no earlier placed block of the same time holds; returns the arena's size.
 *
 * @param blocks in the order in which they are placed
 * @param inTime whether that is the order of their first use, so that what has ended can be forgotten
 */
function pack(blocks: readonly Block[], inTime: boolean): number {
  let placed: Block[] = [];
  let size = 0;
  for (const block of blocks) {
    let offset = 0;
    if (inTime) placed = placed.filter((other) => other.last >= block.first);
    for (const other of placed) {
      if (other.last < block.first || block.last < other.first) continue;
      if (offset + block.bytes <= other.offset) break;
      offset = Math.max(offset, other.offset + other.bytes);
    }
    block.offset = offset;
    size = Math.max(size, offset + block.bytes);
    // Kept in order of offset.
    let low = 0;
    let high = placed.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (placed[middle].offset < offset) low = middle + 1;
      else high = middle;
    }
    placed.splice(low, 0, block);
  }
  return size;
}

function align(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

/**
 * A temporary that the kernel reads for the last time, element by element where it writes, so that the result can take
 * its memory; −1 if there is none.
 */
function reusable(
  kernel: Kernel,
  buffers: readonly BufferSpec[],
  last: Int32Array,
  at: number,
): number {
  if (kernel.kind !== "loop" || kernel.reduce !== null || kernel.mode !== "set") return -1;
  const target = buffers[kernel.out.buffer];
  if (!covers(kernel, target.length)) return -1;
  for (const instruction of kernel.body) {
    if (instruction.op !== "load") continue;
    const { buffer } = instruction.view;
    const source = buffers[buffer];
    if (
      source.role === "temporary" && last[buffer] === at && source.length === target.length &&
      storageBytes(source.dtype) === storageBytes(target.dtype) &&
      kernel.body.every((other) =>
        (other.op !== "load" && other.op !== "loadIndexed") || other.view.buffer !== buffer ||
        (other.op === "load" && sameElements(other.view, kernel.out))
      )
    ) {
      return buffer;
    }
  }
  return -1;
}

/** Whether the kernel writes every element of its buffer. */
function covers(kernel: LoopKernel, length: number): boolean {
  return kernel.dims.reduce((size, n) => size * n, 1) === length;
}

function sameElements(a: View, b: View): boolean {
  return a.offset === b.offset && a.strides.every((stride, d) => stride === b.strides[d]);
}

/** What a kernel reads, and what it writes. */
export function viewsOf(kernel: Kernel): { reads: View[]; write: View } {
  switch (kernel.kind) {
    case "loop": {
      const reads: View[] = [];
      for (const list of [kernel.body, kernel.epilogue]) {
        for (const instruction of list) {
          if (instruction.op === "load" || instruction.op === "loadIndexed") {
            reads.push(instruction.view);
          }
        }
      }
      return { reads, write: kernel.out };
    }
    case "contract":
      return { reads: [kernel.a, kernel.b], write: kernel.out };
    case "scan":
    case "argsort":
      return { reads: [kernel.input], write: kernel.out };
    case "scatterAdd":
      return { reads: [kernel.index, kernel.updates], write: kernel.out };
    case "randomBits":
      return { reads: [kernel.key], write: kernel.out };
  }
}

/** A copy of a kernel in which views name other buffers. */
export function renumberBuffers<K extends Kernel>(
  kernel: K,
  number: (buffer: number) => number,
): K {
  const renumber = (value: unknown): unknown => {
    if (Array.isArray(value)) return typeof value[0] === "object" ? value.map(renumber) : value;
    if (typeof value !== "object" || value === null) return value;
    const copy: Record<string, unknown> = {};
    for (const [name, part] of Object.entries(value)) {
      copy[name] = name === "buffer" ? number(part as number) : renumber(part);
    }
    return copy;
  };
  return renumber(kernel) as K;
}
