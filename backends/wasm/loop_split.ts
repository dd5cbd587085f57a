/**
 * Cuts kernels into several before code is made: large reductions into two phases, transpositions into tiles.
 *
 * @module
 */
import type { DType } from "../../lib/base/dtype.ts";
import { contiguousStrides } from "../../lib/base/shape.ts";
import type { Instruction, LoopKernel, View } from "../../lib/compiler/kernel.ts";
import { mapInstruction, product, reachable, renumber, scratchBuffer } from "./loop_normalize.ts";
import { overlappingDims, taskWork } from "./loop_plan.ts";

/** Sizes from which a reduction to few elements runs in two phases. */
const splitWork = 4 * taskWork;
/** The most pieces that it is cut into. */
const mostPieces = 64;

/** Rows that are combined at a time where a reduction other than a sum goes down the columns of a matrix, and the fewest. */
const rowsAtATime = 8;
const fewestRows = 64;
/** A matrix has so many columns at least that its rows are no short strips. */
const fewestColumns = 32;

/** A reduction as reductions of pieces into scratch memory, and a reduction of their results. */
export interface SplitReduction {
  /** Kernels whose tasks may run in any order; those of a list do each of their tasks one after the other. */
  readonly pieces: readonly (readonly LoopKernel[])[];
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
  if (down && total >= 2 * taskWork && results >= fewestColumns && dims[d] >= fewestRows) {
    return reduce === "sum" ? cutDown(kernel, d, start) : cut(kernel, d, rowsAtATime, true, start);
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
  const pieces = [[piece(0, whole, length)]];
  if (rest > 0) pieces.push([piece(whole, 1, rest)]);
  const partial: View = { buffer: scratchBuffer, offset: start, strides: [...strides, step] };
  return { pieces, final: ofPartials(kernel, count, partial, dtype), scratch: results * count };
}

/**
 * Rows that a sum down columns reads at a time. They lie far apart, so that each is a stream that runs on through
 * memory: measured on 64 MB, one thread, 4 far ones 30 GB/s, 4 or 8 neighbours 19 and 23, a copy 30, plain reading 33.
 */
const streams = 4;
/** Rows of a piece at most: its sums are chains of a quarter as many additions. Rows at least, and pieces wanted. */
const longestPiece = 64;
const shortestPiece = 32;
const wantedPieces = 16;
/** With more instructions it is not memory that limits. */
const longestBody = 8;

/** Cuts a sum down dim d into pieces. Each adds its rows, one of each stream at a time, to a row of scratch memory. */
function cutDown(kernel: LoopKernel, d: number, start: number): SplitReduction {
  const { dims, outerRank } = kernel;
  const results = product(dims.slice(0, outerRank));
  const dtype = kernel.body[kernel.body.length - 1].dtype;
  const strides = contiguousStrides(dims.slice(0, outerRank));
  let [row, partials] = [0, 0];
  /** `repeat` pieces of `length` rows from each stream. */
  const pieces = (repeat: number, count: number, length: number): LoopKernel[] => {
    const some = (from: number, steps: number, mode: "set" | "add"): LoopKernel => {
      const map = (s: readonly number[]) => [
        s[d] * count * length,
        ...s.slice(0, outerRank),
        s[d],
        ...s.slice(outerRank, d),
        s[d] * length,
        ...s.slice(d + 1),
      ];
      const sizes = dims.map((size, i) => i === d ? count : size);
      return {
        ...kernel,
        dims: [repeat, ...sizes.slice(0, outerRank), steps, ...sizes.slice(outerRank)],
        outerRank: outerRank + 2,
        body: kernel.body.map((i) => mapInstruction(i, map, (s) => s[d] * (row + from))),
        epilogue: [],
        out: {
          buffer: scratchBuffer,
          offset: start + partials * results,
          strides: [results, ...strides, 0],
        },
        mode,
        dtype,
      };
    };
    const list = [some(0, 1, "set")];
    if (length > 1) list.push(some(1, length - 1, "add"));
    row += repeat * count * length;
    partials += repeat;
    return list;
  };
  const wanted = Math.max(
    Math.ceil(dims[d] / longestPiece),
    Math.min(wantedPieces, Math.floor(dims[d] / shortestPiece)),
  );
  const turns = Math.floor(dims[d] / streams);
  const length = Math.ceil(turns / wanted);
  const whole = Math.floor(turns / length);
  const list = [pieces(whole, streams, length)];
  if (turns > whole * length) list.push(pieces(1, streams, turns - whole * length));
  if (row < dims[d]) list.push(pieces(1, dims[d] - row, 1));
  const partial: View = { buffer: scratchBuffer, offset: start, strides: [...strides, results] };
  return {
    pieces: list,
    final: ofPartials(kernel, partials, partial, dtype),
    scratch: results * partials,
  };
}

/** The reduction of so many partial results, which has what the epilogue uses of the old body. */
function ofPartials(
  kernel: LoopKernel,
  count: number,
  partial: View,
  dtype: DType,
): LoopKernel {
  const { dims, outerRank } = kernel;
  const n = kernel.body.length;
  const nodes = [...kernel.body, null, ...kernel.epilogue];
  const roots = kernel.epilogue.length > 0 ? [nodes.length - 1] : [];
  const kept = reachable(nodes, roots).filter((i) => i < n);
  const number = (i: number) => i < n ? kept.indexOf(i) : i - n + kept.length + 1;
  const map = (s: readonly number[]) => [...s.slice(0, outerRank), 0];
  const body: Instruction[] = kept.map((i) =>
    mapInstruction(renumber(kernel.body[i], number), map)
  );
  body.push({ op: "load", dtype, view: partial });
  // The reduced value's number is body.length, one after the load.
  return {
    ...kernel,
    dims: [...dims.slice(0, outerRank), count],
    body,
    epilogue: kernel.epilogue.map((i) => mapInstruction(renumber(i, number), map)),
  };
}

/** A row has so many elements at least that starting on another takes little of the time. */
const shortestRow = 64;

/** Kernels that are one, with the dim along the lanes and the dim along which the vectors of a step lie. */
export interface RowStreams {
  readonly kernels: readonly LoopKernel[];
  readonly vector: number;
  readonly across: number;
}

/**
 * A large sum along rows of which some loads are the same for all rows (a matrix times a vector), with several rows at a
 * time, which lie far apart as in `cutDown`: what they share is loaded once for all. `vector` is the dim along the lanes. Null
 * where that does not apply.
 */
export function rowStreams(kernel: LoopKernel, vector: number): RowStreams | null {
  const { dims, outerRank, body } = kernel;
  if (kernel.reduce !== "sum" || vector < outerRank || dims[vector] < shortestRow) return null;
  if (product(dims) < 2 * taskWork || body.length > longestBody) return null;
  if (overlappingDims(kernel).size > 0) return null;
  const d = outerRank - 1;
  const strides = body.flatMap((i) => i.op === "load" ? [i.view.strides] : []);
  const shared = strides.some((s) => s[d] === 0 && s[vector] !== 0);
  if (d < 0 || dims[d] < 4 * streams || !shared) return null;
  const length = Math.floor(dims[d] / streams);
  const part = (first: number, rows: number, count: number): LoopKernel => {
    const map = (s: readonly number[]) => [...s.slice(0, d), s[d], s[d] * rows, ...s.slice(d + 1)];
    const shift = (s: readonly number[]) => s[d] * first;
    const move = (i: Instruction) => mapInstruction(i, map, shift);
    return {
      ...kernel,
      dims: [...dims.slice(0, d), rows, count, ...dims.slice(d + 1)],
      outerRank: outerRank + 1,
      body: body.map(move),
      epilogue: kernel.epilogue.map(move),
      out: {
        ...kernel.out,
        offset: kernel.out.offset + shift(kernel.out.strides),
        strides: map(kernel.out.strides),
      },
    };
  };
  const kernels = [part(0, length, streams)];
  const rest = dims[d] - length * streams;
  if (rest > 0) kernels.push(part(length * streams, 1, rest));
  return { kernels, vector: vector + 1, across: d + 1 };
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
