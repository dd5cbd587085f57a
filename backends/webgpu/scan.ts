/**
 * Running sums as WGSL: each row by an invocation where rows are short or many, else by a workgroup whose invocations take
 * consecutive parts.
 *
 * @module
 */

import { sizeOf } from "../../lib/base/shape.ts";
import type { ScanKernel } from "../../lib/compiler/kernel.ts";
import {
  type Buffers,
  constant,
  decode,
  type Dispatch,
  fromWord,
  type Ranges,
  Shader,
  toWord,
  typeOf,
  workgroupSize,
} from "./shader.ts";

/** Rows of at most so many elements are summed up by one invocation. */
const shortRow = 64;
/** So many rows keep a device busy with one invocation each. */
const manyRows = 1 << 14;

/** The dispatches of running sums. */
export function emitScan(
  buffers: Buffers,
  { dtype, dims, input, out, reverse }: ScanKernel,
  label: string,
  ranges?: Ranges,
): Dispatch[] {
  const rows = sizeOf(dims.slice(0, -1));
  const length = dims[dims.length - 1];
  if (rows * length === 0) return [];
  const shader = new Shader(buffers, out.buffer, ranges);
  const type = typeOf(dtype);
  const { lines, names } = decode("row", dims.slice(0, -1), "i");
  const walk = (inside: string, from: string, to: string): string[] => [
    `for (var step = ${from}; step < ${to}; step = step + 1u) {`,
    `  let at = ${reverse ? `${length - 1}u - step` : "step"};`,
    `  sum = ${add("sum", fromWord(dtype, shader.word(input, [...names, "at"])))};`,
    ...(inside === "" ? [] : [`  ${inside}`]),
    "}",
  ];
  const add = (a: string, b: string): string =>
    type === "i32" ? `bitcast<i32>(bitcast<u32>(${a}) + bitcast<u32>(${b}))` : `${a} + ${b}`;
  const put = `${shader.word(out, [...names, "at"])} = ${toWord(dtype, "sum")};`;
  const zero = constant(dtype, 0);
  if (length <= shortRow || rows >= manyRows) {
    const main = [
      `let row = group * ${workgroupSize}u + lane;`,
      `if (row >= ${rows}u) { return; }`,
      ...lines,
      `var sum: ${type} = ${zero};`,
      ...walk(put, "0u", `${length}u`),
    ];
    return [shader.finish(label, main, Math.ceil(rows / workgroupSize))];
  }
  const part = Math.ceil(length / workgroupSize);
  shader.declare(`var<workgroup> shares: array<${type}, ${workgroupSize}>;`);
  const main = [
    "let row = group;",
    ...lines,
    `let first = min(lane * ${part}u, ${length}u);`,
    `let last = min(first + ${part}u, ${length}u);`,
    `var sum: ${type} = ${zero};`,
    ...walk("", "first", "last"),
    "shares[lane] = sum;",
    "workgroupBarrier();",
    // Sums of all parts up to each, in steps that double.
    `for (var reach = 1u; reach < ${workgroupSize}u; reach = reach * 2u) {`,
    `  var more: ${type} = ${zero};`,
    "  if (lane >= reach) { more = shares[lane - reach]; }",
    "  workgroupBarrier();",
    `  shares[lane] = ${add("more", "shares[lane]")};`,
    "  workgroupBarrier();",
    "}",
    `sum = ${zero};`,
    "if (lane > 0u) { sum = shares[lane - 1u]; }",
    ...walk(put, "first", "last"),
  ];
  return [shader.finish(label, main, rows)];
}
