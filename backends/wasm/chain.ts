/**
 * Chains: neighbouring loop kernels that go through the same rows, each row's results depending on that row alone. They
 * run block of rows by block of rows, so that what one leaves behind is still in the caches for the next, and threads meet
 * once instead of after each.
 *
 * @module
 */
import {
  type LoopKernel,
  type LoweredProgram,
  storageBytes,
  type View,
} from "../../lib/compiler/kernel.ts";
import { kernelCost } from "./cost.ts";
import { overRows, type RowsKernel } from "./loop.ts";
import { product } from "./loop_normalize.ts";

/** Kernels that run as one, over rows. */
export interface Chain {
  /** Consecutive kernels of the program, over rows. */
  readonly kernels: readonly RowsKernel[];
  readonly rowsPerTask: number;
  readonly tasks: number;
  /** Estimated nanoseconds. */
  readonly work: number;
}

/** Fewer rows are not worth cutting. */
const fewestRows = 16;
/** Bytes that a task goes through: a part of the second-level cache. */
const taskBytes = 1 << 14;
/** A row of more bytes does not stay in that cache. */
const largestRow = 1 << 16;
/** Estimated nanoseconds below which a task is not worth handing out, and how many tasks there should be. */
const smallestTask = 5000;
const wantedTasks = 32;

/** What a kernel reads or writes in row 0: bytes of one memory, which later rows have `step` bytes farther on. */
export interface Access {
  /** A buffer, and the memory that it is part of: the buffer itself, or −1 for the arena of temporaries. */
  readonly buffer: number;
  readonly memory: number;
  readonly begin: number;
  readonly end: number;
  readonly step: number;
  readonly writes: boolean;
}

/** The longest chain that starts with a kernel, and ends before another, or null where there is none of at least two. */
export function findChain(
  lowered: LoweredProgram,
  start: number,
  end: number = lowered.kernels.length,
): Chain | null {
  const [first, second] = lowered.kernels.slice(start, end);
  if (first?.kind !== "loop" || second?.kind !== "loop") return null;
  let longest: Chain | null = null;
  for (const rows of rowCounts(first, second)) {
    const chain = chainOver(lowered, start, end, rows);
    if (chain !== null && chain.kernels.length > (longest?.kernels.length ?? 1)) longest = chain;
  }
  return longest;
}

/** Into how many rows two kernels might be cut: by their first dims, or some more of them. */
function rowCounts(first: LoopKernel, second: LoopKernel): Set<number> {
  const counts = new Set([first.dims[0], second.dims[0]]);
  for (const { dims, outerRank } of [first, second]) {
    for (let rank = 2; rank <= outerRank; rank++) counts.add(product(dims.slice(0, rank)));
  }
  return counts;
}

/** The longest chain over so many rows, of any length; null where rows are few or long. */
function chainOver(
  lowered: LoweredProgram,
  start: number,
  end: number,
  rows: number,
): Chain | null {
  if (!(rows >= fewestRows)) return null;
  const members: RowsKernel[] = [];
  const accesses: Access[] = [];
  let work = 0;
  for (const kernel of lowered.kernels.slice(start, end)) {
    const member = kernel.kind === "loop" ? overRows(kernel, rows) : null;
    if (member === null) break;
    const own = accessesOf(lowered, member);
    if (own.some((a) => accesses.some((b) => !independent(a, b, rows)))) break;
    members.push(member);
    accesses.push(...own);
    work += kernelCost(kernel);
  }
  const rowBytes = bytesOf(accesses);
  if (rowBytes > largestRow) return null;
  const rowsPerTask = Math.min(
    Math.max(1, Math.floor(taskBytes / rowBytes)),
    Math.ceil(Math.max(rows / wantedTasks, smallestTask * rows / work)),
  );
  return { kernels: members, rowsPerTask, tasks: Math.ceil(rows / rowsPerTask), work };
}

/** What a kernel over rows reads and writes. */
export function accessesOf(lowered: LoweredProgram, { kernel, rowDims }: RowsKernel): Access[] {
  const { dims } = kernel;
  const list = [accessOf(lowered, kernel.out, dims, rowDims, true)];
  for (const instruction of [...kernel.body, ...kernel.epilogue]) {
    if (instruction.op === "load") {
      list.push(accessOf(lowered, instruction.view, dims, rowDims, false));
    } else if (instruction.op === "loadIndexed") {
      const { view, indexStride, indexSize } = instruction;
      const beyond = Math.abs(indexStride) * (indexSize - 1);
      list.push(accessOf(lowered, view, dims, rowDims, false, beyond));
    }
  }
  return list;
}

/**
 * What is read or written through a view over dims of which the first are the rows, and so many elements beyond. Where rows
 * do not lie one step after the other, what any of them needs is needed for each.
 */
export function accessOf(
  { buffers, arenaOffsets }: LoweredProgram,
  { buffer, offset, strides }: View,
  dims: readonly number[],
  rowDims: number,
  writes: boolean,
  beyond = 0,
): Access {
  const bytes = storageBytes(buffers[buffer].dtype);
  const arena = arenaOffsets[buffer];
  const regular = strides.slice(1, rowDims).every((s, d) => strides[d] === s * dims[d + 1]);
  let [low, high] = [offset, offset + 1 + beyond];
  strides.forEach((stride, d) => {
    if (d < rowDims && regular) return;
    const reach = stride * (dims[d] - 1);
    if (reach < 0) low += reach;
    else high += reach;
  });
  return {
    buffer,
    memory: arena === null ? buffer : -1,
    begin: (arena ?? 0) + low * bytes,
    end: (arena ?? 0) + high * bytes,
    step: regular ? (strides[rowDims - 1] ?? 0) * bytes : 0,
    writes,
  };
}

/** Whether a row of one access has nothing to do with other rows of another. */
export function independent(a: Access, b: Access, rows: number): boolean {
  if (a.memory !== b.memory || !(a.writes || b.writes)) return true;
  const [low, high] = [a, b].map(({ begin, end, step }) => {
    const last = step * (rows - 1);
    return [begin + Math.min(0, last), end + Math.max(0, last)];
  });
  if (low[1] <= high[0] || high[1] <= low[0]) return true;
  const span = Math.max(a.end, b.end) - Math.min(a.begin, b.begin);
  return a.step === b.step && span <= Math.abs(a.step);
}

/** Bytes of a row, each memory counted once. */
export function bytesOf(accesses: readonly Access[]): number {
  const spans = new Map<string, number>();
  for (const { memory, begin, end, step } of accesses) {
    const key = `${memory} ${memory < 0 ? begin : ""}`;
    if (step !== 0) spans.set(key, Math.max(spans.get(key) ?? 0, end - begin));
  }
  return [...spans.values()].reduce((a, b) => a + b, 0);
}
