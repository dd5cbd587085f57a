/**
 * Cuts kernels into several before code is made: large reductions into two phases, transpositions into tiles.
 *
 * @module
 */
import type { Instruction, LoopKernel } from "../../lib/compiler/kernel.ts";
import { mapInstruction, product, reachable, renumber, scratchBuffer } from "./loop_normalize.ts";
import { overlappingDims, taskWork } from "./loop_plan.ts";

/** Sizes from which a reduction to few elements runs in two phases. */
const splitWork = 4 * taskWork;
/** The most pieces that it is cut into. */
const mostPieces = 64;

/** Rows that are added at a time where a reduction goes down the columns of a matrix. */
const rowsAtATime = 8;
/** A matrix has so many columns at least that its rows are no short strips. */
const fewestColumns = 32;

/** A reduction as reductions of pieces into scratch memory, and a reduction of their results. */
export interface SplitReduction {
  readonly pieces: readonly LoopKernel[];
  readonly final: LoopKernel;
  /** Elements of scratch memory. */
  readonly scratch: number;
}

/**
 * Cuts a reduction whose results lie in scratch memory from `start` on, if that pays. Large reductions to few elements
 * become several tasks. Reductions down the columns of a matrix go along a few rows at a time, as memory likes to be
 * read; `down` tells such. The pieces depend on the sizes alone. Null where one phase will do.
 */
export function splitReduction(
  kernel: LoopKernel,
  down: boolean,
  start: number,
): SplitReduction | null {
  const { reduce, dims, outerRank } = kernel;
  if (reduce === null || reduce === "argmax" || reduce === "argmin") return null;
  const results = product(dims.slice(0, outerRank));
  const total = product(dims);
  // The largest reduced dim.
  let d = outerRank;
  for (let i = outerRank; i < dims.length; i++) if (dims[i] > dims[d]) d = i;
  if (total >= splitWork && total / results >= taskWork / 4 && results * taskWork <= total) {
    const wanted = Math.min(mostPieces, Math.ceil(total / taskWork), dims[d]);
    return cut(kernel, d, Math.ceil(dims[d] / wanted), false, start);
  }
  if (down && total >= 2 * taskWork && results >= fewestColumns && dims[d] >= 8 * rowsAtATime) {
    return cut(kernel, d, rowsAtATime, true, start);
  }
  return null;
}

/** Cuts dim d into pieces of a length, whose results stand side by side or as rows of a matrix. */
function cut(
  kernel: LoopKernel,
  d: number,
  length: number,
  asRows: boolean,
  start: number,
): SplitReduction | null {
  const { dims, outerRank } = kernel;
  const results = product(dims.slice(0, outerRank));
  const whole = Math.floor(dims[d] / length);
  const rest = dims[d] - whole * length;
  const count = whole + (rest > 0 ? 1 : 0);
  if (count < 2) return null;
  const dtype = kernel.body[kernel.body.length - 1].dtype;
  // Scratch is [results…, count] or [count, results…], row-major.
  const strides: number[] = new Array(outerRank).fill(0);
  const step = asRows ? results : 1;
  let stride = asRows ? 1 : count;
  for (let i = outerRank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= dims[i];
  }
  const piece = (first: number, repeat: number, size: number): LoopKernel => {
    const offset = first * length;
    const map = (s: readonly number[]) => [
      ...s.slice(0, outerRank),
      s[d] * length,
      ...s.slice(outerRank),
    ];
    const sizes = dims.map((n, i) => i === d ? size : n);
    return {
      ...kernel,
      dims: [...sizes.slice(0, outerRank), repeat, ...sizes.slice(outerRank)],
      outerRank: outerRank + 1,
      body: kernel.body.map((i) => mapInstruction(i, map, (s) => s[d] * offset)),
      epilogue: [],
      out: { buffer: scratchBuffer, offset: start + first * step, strides: [...strides, step] },
      mode: "set",
      dtype,
    };
  };
  const pieces = [piece(0, whole, length)];
  if (rest > 0) pieces.push(piece(whole, 1, rest));
  // The final body has what the epilogue uses of the old body, then the load of a partial result.
  const n = kernel.body.length;
  const nodes = [...kernel.body, null, ...kernel.epilogue];
  const roots = kernel.epilogue.length > 0 ? [nodes.length - 1] : [];
  const kept = reachable(nodes, roots).filter((i) => i < n);
  const number = (i: number) => i < n ? kept.indexOf(i) : i - n + kept.length + 1;
  const map = (s: readonly number[]) => [...s.slice(0, outerRank), 0];
  const body: Instruction[] = kept.map((i) =>
    mapInstruction(renumber(kernel.body[i], number), map)
  );
  body.push({
    op: "load",
    dtype,
    view: { buffer: scratchBuffer, offset: start, strides: [...strides, step] },
  });
  // The reduced value's number is body.length, one after the load.
  const final: LoopKernel = {
    ...kernel,
    dims: [...dims.slice(0, outerRank), count],
    body,
    epilogue: kernel.epilogue.map((i) => mapInstruction(renumber(i, number), map)),
  };
  return { pieces, final, scratch: results * count };
}

/** Columns of what a transposition reads in one tile: a cache line or two. */
const tileWidth = 16;

/**
 * A large elementwise kernel whose result is contiguous along one dim and some load along another, cut into tiles that are
 * narrow along the load's: what a line of memory holds is used at once, in squares that are turned in registers. The last
 * dims of a tile are the result's and the load's. Null where that does not apply.
 */
export function tileTranspose(kernel: LoopKernel): LoopKernel[] | null {
  const { dims, out } = kernel;
  if (kernel.reduce !== null || product(dims) < 2 * taskWork) return null;
  if (overlappingDims(kernel).size > 0) return null;
  const v = out.strides.indexOf(1);
  if (v < 0 || dims[v] < 2 * tileWidth) return null;
  let m = -1;
  for (const instruction of kernel.body) {
    if (instruction.op !== "load" || Math.abs(instruction.view.strides[v]) < tileWidth) continue;
    const unit = instruction.view.strides.findIndex((stride) => Math.abs(stride) === 1);
    if (unit >= 0 && unit !== v && dims[unit] >= tileWidth) m = unit;
  }
  if (m < 0) return null;
  const others = dims.map((_, d) => d).filter((d) => d !== v && d !== m);
  const count = Math.floor(dims[m] / tileWidth);
  const tile = (first: number, repeat: number, width: number): LoopKernel => {
    const map = (s: readonly number[]) => [
      ...others.map((d) => s[d]),
      s[m] * tileWidth,
      s[v],
      s[m],
    ];
    const offset = first * tileWidth;
    return {
      ...kernel,
      dims: [...others.map((d) => dims[d]), repeat, dims[v], width],
      outerRank: dims.length + 1,
      body: kernel.body.map((i) => mapInstruction(i, map, (s) => s[m] * offset)),
      out: { ...out, offset: out.offset + offset * out.strides[m], strides: map(out.strides) },
    };
  };
  const tiles = [tile(0, count, tileWidth)];
  const rest = dims[m] - count * tileWidth;
  if (rest > 0) tiles.push(tile(count, 1, rest));
  return tiles;
}
