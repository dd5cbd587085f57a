/**
 * The order of kernels: reductions along the inner dims go where what they read has just been written.
 *
 * @module
 */

import type { BufferSpec, Kernel } from "./kernel.ts";
import { viewsOf } from "./plan.ts";

/** A reduction moves where its result is at most this part of what it reads, which then often ends sooner. */
const smallPart = 1 / 8;

/**
 * The kernels with each reduction along inner dims right behind the last kernel that it must follow. What it reads may still be in
 * the caches there, and a backend can run the two together, row by row.
 */
export function orderKernels(kernels: readonly Kernel[], buffers: readonly BufferSpec[]): Kernel[] {
  const ordered: { kernel: Kernel; reads: ReadonlySet<number>; write: number }[] = [];
  for (const kernel of kernels) {
    const views = viewsOf(kernel);
    const reads = new Set(views.reads.map(({ buffer }) => buffer));
    const write = views.write.buffer;
    // Nothing to follow: what it reads was there from the start, and it stays where it is.
    const last = isReduction(kernel, views, buffers)
      ? ordered.findLastIndex((other) =>
        reads.has(other.write) || other.write === write || other.reads.has(write)
      )
      : -1;
    ordered.splice(last < 0 ? ordered.length : last + 1, 0, { kernel, reads, write });
  }
  return ordered.map(({ kernel }) => kernel);
}

/** Whether a kernel makes little of much, each result of elements that lie together. */
function isReduction(
  kernel: Kernel,
  { reads, write }: ReturnType<typeof viewsOf>,
  buffers: readonly BufferSpec[],
): boolean {
  if (kernel.kind !== "loop" || kernel.reduce === null) return false;
  const largest = Math.max(0, ...reads.map(({ buffer }) => buffers[buffer].length));
  if (buffers[write.buffer].length > smallPart * largest) return false;
  const wide = kernel.dims.map((_, d) => d).filter((d) => kernel.dims[d] > 1);
  return reads.every(({ buffer, strides }) => {
    if (buffers[buffer].length < largest) return true;
    const stride = (d: number): number => Math.abs(strides[d] ?? 0);
    const outer = wide.filter((d) => d < kernel.outerRank).map(stride);
    const inner = wide.filter((d) => d >= kernel.outerRank).map(stride);
    return outer.length > 0 && Math.min(...outer) > Math.max(0, ...inner);
  });
}
