/**
 * Scatter-add as WGSL, without atomic operations: positions are sorted by where they point, each result finds its own by
 * bisection, and adds them up in ascending order.
 *
 * @module
 */

import { sizeOf } from "../../lib/base/shape.ts";
import type { ScatterAddKernel } from "../../lib/compiler/kernel.ts";
import {
  type Buffers,
  decode,
  type Dispatch,
  fromWord,
  type Ranges,
  Shader,
  toWord,
  typeOf,
  workgroupSize,
} from "./shader.ts";
import { emitSortedPairs } from "./sort.ts";

/** The dispatches of a scatter-add. */
export function emitScatterAdd(
  buffers: Buffers,
  { dtype, dims, batchDims, index, updates, out, size }: ScatterAddKernel,
  label: string,
  ranges?: Ranges,
): Dispatch[] {
  if (dims.includes(0) || size === 0) return [];
  const batch = dims.slice(0, batchDims);
  const count = dims[batchDims];
  const rest = dims.slice(batchDims + 1);
  const { dispatches, pairs } = emitSortedPairs(
    buffers,
    {
      dims: dims.slice(0, batchDims + 1),
      input: index,
      key: (_, word) => `u32(clamp(bitcast<i32>(${word}), 0, ${size - 1}))`,
    },
    label,
    ranges,
  );
  const shader = new Shader(buffers, out.buffer, ranges);
  const type = typeOf(dtype);
  const results = [...batch, size, ...rest];
  const total = sizeOf(results);
  const { lines, names } = decode("i", results, "d");
  const target = names[batchDims] ?? "0u";
  const row = names.slice(0, batchDims).reduce<string>(
    (text, name, d) =>
      name === null ? `(${text}) * ${batch[d]}u` : `(${text}) * ${batch[d]}u + ${name}`,
    "0u",
  );
  const pair = (at: string, word: number): string =>
    shader.at(pairs, `2u * (row * ${count}u + ${at}) + ${word}u`);
  const update = fromWord(
    dtype,
    shader.word(updates, [
      ...names.slice(0, batchDims),
      count === 1 ? null : "source",
      ...names.slice(batchDims + 1),
    ]),
  );
  const before = fromWord(dtype, shader.word(out, names));
  const add = (a: string, b: string): string => {
    switch (type) {
      case "bool":
        return `(${a} | ${b})`;
      case "i32":
        return `bitcast<i32>(bitcast<u32>(${a}) + bitcast<u32>(${b}))`;
      default:
        return `${a} + ${b}`;
    }
  };
  const main = [
    `let i = group * ${workgroupSize}u + lane;`,
    `if (i >= ${total}u) { return; }`,
    ...lines,
    `let row = ${batch.length === 0 ? "0u" : row};`,
    "var low = 0u;",
    `var high = ${count}u;`,
    "loop {",
    "  if (low >= high) { break; }",
    "  let middle = (low + high) / 2u;",
    `  if (${pair("middle", 0)} < ${target}) { low = middle + 1u; } else { high = middle; }`,
    "}",
    `if (low >= ${count}u) { return; }`,
    `if (${pair("low", 0)} != ${target}) { return; }`,
    `var sum: ${type} = ${before};`,
    "loop {",
    `  if (low >= ${count}u) { break; }`,
    `  if (${pair("low", 0)} != ${target}) { break; }`,
    `  let source = ${pair("low", 1)};`,
    `  sum = ${add("sum", update)};`,
    "  low = low + 1u;",
    "}",
    `${shader.word(out, names)} = ${toWord(dtype, "sum")};`,
  ];
  return [...dispatches, shader.finish(label, main, Math.ceil(total / workgroupSize))];
}
