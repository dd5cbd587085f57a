/**
 * Elementwise kernels of three arrays that one thread goes through in several distant parts at once.
 *
 * One place after the other leaves memory waiting, as the processor fetches ahead only up to the end of a page. Measured on
 * arrays of 16, 32 and 64 MB, one thread, x + y in four parts takes 0.75, 0.78, and 0.88 of the time of one part. A second
 * thread leaves no such gap, nor is there one with two arrays, and arrays that the caches hold are 5 to 15 % slower for it.
 *
 * @module
 */
import { type LoopKernel, storageBytes } from "../../lib/compiler/kernel.ts";
import { viewKey } from "./loop_cursors.ts";
import { mapInstruction } from "./loop_normalize.ts";
import { isMathName } from "./math.ts";

/** A kernel touches so many bytes at least: about what the caches of a processor hold. */
const leastBytes = 1 << 25;
/** With more instructions it is not memory that limits. */
const longestBody = 8;
/** Arrays that are read or written, and parts: a dozen streams. */
const wantedArrays = 3;
const parts = 4;

/** Elements of a cache line of 32-bit elements, and lines of a page. */
const line = 16;
const pageLines = 64;
/**
 * Parts start so many lines apart, after whole pages: else all would come to the end of their page at once, and share one
 * set of the first-level cache.
 */
const linesApart = 5;

/** Kernels that are one; each goes along dim `vector` with a vector of each part, which are dim `across`. */
export interface MapStreams {
  readonly kernels: readonly LoopKernel[];
  readonly vector: number;
  readonly across: number;
}

/** A large elementwise kernel over contiguous arrays, in parts that run side by side; null where that does not apply. */
export function mapStreams(kernel: LoopKernel): MapStreams | null {
  const { dims, body, out } = kernel;
  if (kernel.reduce !== null || dims.length !== 1 || body.length > longestBody) return null;
  if (out.strides[0] !== 1) return null;
  const arrays = new Map([[viewKey(out, kernel.dtype), storageBytes(kernel.dtype)]]);
  for (const instruction of body) {
    if (instruction.op === "loadIndexed" || isMathName(instruction.op)) return null;
    if (instruction.op !== "load" || instruction.view.strides[0] === 0) continue;
    if (instruction.view.strides[0] !== 1) return null;
    arrays.set(viewKey(instruction.view, instruction.dtype), storageBytes(instruction.dtype));
  }
  const bytes = [...arrays.values()].reduce((sum, size) => sum + size, 0) * dims[0];
  if (arrays.size !== wantedArrays || bytes < leastBytes) return null;
  const pages = Math.floor((dims[0] / (parts * line) - linesApart) / pageLines);
  const length = (pages * pageLines + linesApart) * line;
  const some = (
    first: number,
    sizes: readonly number[],
    strides: readonly number[],
  ): LoopKernel => {
    const map = ([stride]: readonly number[]) => strides.map((s) => s * stride);
    const shift = ([stride]: readonly number[]) => first * stride;
    return {
      ...kernel,
      dims: sizes,
      outerRank: sizes.length,
      body: body.map((i) => mapInstruction(i, map, shift)),
      out: { ...out, offset: out.offset + first, strides: map(out.strides) },
    };
  };
  const kernels = [some(0, [parts, length], [length, 1])];
  const rest = dims[0] - parts * length;
  if (rest > 0) kernels.push(some(parts * length, [1, rest], [0, 1]));
  return { kernels, vector: 1, across: 0 };
}
