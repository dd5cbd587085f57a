/**
 * Stable sorting orders as WGSL: pairs of a key and a position are all different, so any sort of them is stable.
 *
 * Rows of at most 1024 are sorted in a workgroup's memory (bitonic); of longer ones, pieces of 1024, which are then merged
 * in passes: each pair finds its place in the merged run by counting, by bisection, what comes before it in the other run.
 *
 * @module
 */

import type { DType } from "../../lib/base/dtype.ts";
import { sizeOf } from "../../lib/base/shape.ts";
import type { ArgsortKernel, View } from "../../lib/compiler/kernel.ts";
import {
  type Buffers,
  decode,
  type Dispatch,
  type Ranges,
  Shader,
  typeOf,
  workgroupSize,
} from "./shader.ts";

/** Elements that a workgroup sorts. */
const pieceSize = 1024;

const lessThan = `fn comes(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.x < b.x || (a.x == b.x && a.y < b.y);
}`;

/** A key of a word, in whose order the words' values lie, NaN last. */
function sortKey(shader: Shader, dtype: DType, word: string, descending: boolean): string {
  switch (typeOf(dtype)) {
    case "f32":
      return `${shader.use(descending ? "rankLow" : "rankHigh")}(${word})`;
    case "i32":
      return `(${word} ^ ${descending ? "0x7fffffffu" : "0x80000000u"})`;
    default:
      return descending ? `~${word}` : word;
  }
}

/** What is sorted: rows of elements, each with its key. */
export interface Rows {
  readonly dims: readonly number[];
  readonly input: View;
  /** The key of a word of the input. */
  key(shader: Shader, word: string): string;
}

/** Where sorted rows go: positions into a view, or pairs of key and position, one after another, into a buffer. */
type Target = { readonly out: View } | { readonly pairs: View };

/**
 * Sorts rows into pairs of key and position, 2 words each, dense.
 *
 * @returns the dispatches, and the buffer that holds the pairs
 */
export function emitSortedPairs(
  buffers: Buffers,
  rows: Rows,
  label: string,
  ranges?: Ranges,
): { dispatches: Dispatch[]; pairs: View } {
  const length = 2 * sizeOf(rows.dims);
  const pairs = (): View => ({ buffer: buffers.scratch("uint32", length), offset: 0, strides: [] });
  let from = pairs();
  const dispatches = [emitPieces(buffers, rows, { pairs: from }, label, ranges)];
  for (let run = pieceSize; run < rows.dims[rows.dims.length - 1]; run *= 2) {
    const to = pairs();
    dispatches.push(emitMerge(buffers, rows, from, { pairs: to }, run, label, ranges));
    from = to;
  }
  return { dispatches, pairs: from };
}

/** The dispatches of a sorting order. */
export function emitArgsort(
  buffers: Buffers,
  { dtype, dims, input, out, descending }: ArgsortKernel,
  label: string,
  ranges?: Ranges,
): Dispatch[] {
  if (dims.includes(0)) return [];
  const length = dims[dims.length - 1];
  const rows: Rows = {
    dims,
    input,
    key: (shader, word) => sortKey(shader, dtype, word, descending),
  };
  if (length <= pieceSize) return [emitPieces(buffers, rows, { out }, label, ranges)];
  let from: View = {
    buffer: buffers.scratch("uint32", 2 * sizeOf(dims)),
    offset: 0,
    strides: [],
  };
  const dispatches = [emitPieces(buffers, rows, { pairs: from }, label, ranges)];
  for (let run = pieceSize; run < length; run *= 2) {
    if (2 * run >= length) {
      dispatches.push(emitMerge(buffers, rows, from, { out }, run, label, ranges));
      break;
    }
    const to = { ...from, buffer: buffers.scratch("uint32", 2 * sizeOf(dims)) };
    dispatches.push(emitMerge(buffers, rows, from, { pairs: to }, run, label, ranges));
    from = to;
  }
  return dispatches;
}

/** Puts a pair in its place in a row. */
function put(
  shader: Shader,
  target: Target,
  length: number,
  names: readonly (string | null)[],
  place: string,
  pair: string,
): string[] {
  if ("out" in target) return [`${shader.word(target.out, [...names, place])} = ${pair}.y;`];
  const at = `2u * (row * ${length}u + ${place})`;
  return [
    `${shader.at(target.pairs, at)} = ${pair}.x;`,
    `${shader.at(target.pairs, `${at} + 1u`)} = ${pair}.y;`,
  ];
}

function bufferOf(target: Target): number {
  return "out" in target ? target.out.buffer : target.pairs.buffer;
}

/** Sorts pieces of rows. */
function emitPieces(
  buffers: Buffers,
  { dims, input, key }: Rows,
  target: Target,
  label: string,
  ranges?: Ranges,
): Dispatch {
  const shader = new Shader(buffers, bufferOf(target), ranges);
  const length = dims[dims.length - 1];
  const rows = sizeOf(dims.slice(0, -1));
  const pieces = Math.ceil(length / pieceSize);
  let size = 2;
  while (size < Math.min(length, pieceSize)) size *= 2;
  const threads = Math.min(workgroupSize, Math.max(32, size / 2));
  const { lines, names } = decode("row", dims.slice(0, -1), "i");
  const word = shader.word(input, [...names, length === 1 ? null : "place"]);
  shader.declare(lessThan);
  shader.declare(`var<workgroup> pairs: array<vec2<u32>, ${size}>;`);
  shader.declare(`fn exchange(lane: u32, block: u32, distance: u32) {
  for (var p = lane; p < ${size / 2}u; p = p + ${threads}u) {
    let low = (p / distance) * 2u * distance + p % distance;
    let high = low + distance;
    let a = pairs[low];
    let b = pairs[high];
    let up = (low & block) == 0u;
    if (comes(b, a) == up) {
      pairs[low] = b;
      pairs[high] = a;
    }
  }
}`);
  const main = [
    `let row = group / ${pieces}u;`,
    `let start = group % ${pieces}u * ${pieceSize}u;`,
    ...lines,
    `for (var p = lane; p < ${size}u; p = p + ${threads}u) {`,
    // What fills a piece up comes behind everything.
    "  var pair = vec2<u32>(0xffffffffu, 0xffffffffu);",
    "  let place = start + p;",
    `  if (place < ${length}u) { pair = vec2<u32>(${key(shader, word)}, place); }`,
    "  pairs[p] = pair;",
    "}",
    "workgroupBarrier();",
    `for (var block = 2u; block <= ${size}u; block = block * 2u) {`,
    "  for (var distance = block / 2u; distance >= 1u; distance = distance / 2u) {",
    "    exchange(lane, block, distance);",
    "    workgroupBarrier();",
    "  }",
    "}",
    `for (var p = lane; p < ${size}u; p = p + ${threads}u) {`,
    "  let place = start + p;",
    "  let pair = pairs[p];",
    `  if (place < ${length}u) {`,
    ...put(shader, target, length, names, "place", "pair").map((line) => `    ${line}`),
    "  }",
    "}",
  ];
  return shader.finish(label, main, rows * pieces, threads);
}

/** Merges neighbouring runs of a length. */
function emitMerge(
  buffers: Buffers,
  { dims }: Rows,
  from: View,
  target: Target,
  run: number,
  label: string,
  ranges?: Ranges,
): Dispatch {
  const shader = new Shader(buffers, bufferOf(target), ranges);
  const length = dims[dims.length - 1];
  const rows = sizeOf(dims.slice(0, -1));
  const { lines, names } = decode("row", dims.slice(0, -1), "i");
  const pair = (at: string): string => {
    const word = `2u * (row * ${length}u + ${at})`;
    return `vec2<u32>(${shader.at(from, word)}, ${shader.at(from, `${word} + 1u`)})`;
  };
  shader.declare(lessThan);
  const main = [
    `let i = group * ${workgroupSize}u + lane;`,
    `if (i >= ${rows * length}u) { return; }`,
    `let row = i / ${length}u;`,
    `let place = i % ${length}u;`,
    ...lines,
    `let own = place / ${run}u;`,
    `let start = (own ^ 1u) * ${run}u;`,
    `let mine = ${pair("place")};`,
    `var low = min(start, ${length}u);`,
    `var high = min(start + ${run}u, ${length}u);`,
    "let first = low;",
    "loop {",
    "  if (low >= high) { break; }",
    "  let middle = (low + high) / 2u;",
    `  if (comes(${pair("middle")}, mine)) { low = middle + 1u; } else { high = middle; }`,
    "}",
    `let before = place % ${run}u + (low - first);`,
    `let to = (own / 2u) * ${2 * run}u + before;`,
    ...put(shader, target, length, names, "to", "mine"),
  ];
  return shader.finish(label, main, Math.ceil(rows * length / workgroupSize));
}
