/**
 * Fused loops as WGSL: elementwise ones with an invocation for each result, and reductions.
 *
 * A reduction gives each result an invocation, or a row of a workgroup whose partial results meet in a tree, or, where
 * there are few results of many terms, several workgroups whose results a second dispatch reduces. What is added to what
 * depends on shapes alone.
 *
 * @module
 */

import { type DType, isFloat } from "../../lib/base/dtype.ts";
import { sizeOf } from "../../lib/base/shape.ts";
import type { LoopKernel, View } from "../../lib/compiler/kernel.ts";
import { Body } from "./body.ts";
import { normalizeLoop, stridesOf } from "./loop_normalize.ts";
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

/** Invocations that a reduction should have at least, where its terms allow. */
const wantedInvocations = 1 << 15;
/** Terms that an invocation adds up before more invocations are asked for. */
const shortChain = 16;
/** Terms that are added up before they are added to the rest. */
const chain = 64;
/** Most workgroups for one result. */
const mostPieces = 1024;

/** How partial results of a reduction are kept and combined. */
interface Accumulator {
  /** WGSL type. */
  readonly type: string;
  /** Words of one in a buffer. */
  readonly words: number;
  readonly identity: string;
  /** The value of one term, at a flat index of the reduced dims. */
  term(value: string, at: string): string;
  combine(a: string, b: string): string;
  /** The reduced value. */
  result(accumulator: string): string;
  /** Its dtype. */
  readonly dtype: DType;
}

/** Extremes are found as the largest of unsigned keys, so that NaN wins whatever compilers assume. */
function keyOf(shader: Shader, dtype: DType, value: string, low: boolean): string {
  switch (typeOf(dtype)) {
    case "f32":
      return `${shader.use(low ? "rankLow" : "rankHigh")}(bitcast<u32>(${value}))`;
    case "i32":
      return `(bitcast<u32>(${value}) ^ ${low ? "0x7fffffffu" : "0x80000000u"})`;
    case "u32":
      return low ? `~${value}` : value;
    case "bool":
      return low ? `select(1u, 0u, ${value})` : `select(0u, 1u, ${value})`;
  }
}

function accumulatorOf(
  shader: Shader,
  reduce: NonNullable<LoopKernel["reduce"]>,
  dtype: DType,
): Accumulator {
  const type = typeOf(dtype);
  if (reduce === "sum" || reduce === "prod") {
    const symbol = reduce === "sum" ? "+" : "*";
    return {
      type,
      words: 1,
      identity: constant(dtype, reduce === "sum" ? 0 : 1),
      term: (value) => value,
      combine: (a, b) =>
        type === "i32"
          ? `bitcast<i32>(bitcast<u32>(${a}) ${symbol} bitcast<u32>(${b}))`
          : `${a} ${symbol} ${b}`,
      result: (accumulator) => accumulator,
      dtype,
    };
  }
  const low = reduce === "min" || reduce === "argmin";
  if (reduce === "max" || reduce === "min") {
    const ofKey = (key: string): string => {
      switch (type) {
        case "f32":
          return `bitcast<f32>(${shader.use("unrank")}(${key}, ${low ? "0xffffffffu" : "0u"}))`;
        case "i32":
          return `bitcast<i32>(${key} ^ ${low ? "0x7fffffffu" : "0x80000000u"})`;
        case "u32":
          return low ? `~${key}` : key;
        case "bool":
          return low ? `(${key} == 0u)` : `(${key} != 0u)`;
      }
    };
    return {
      type: "u32",
      words: 1,
      identity: "0u",
      term: (value) => keyOf(shader, dtype, value, low),
      combine: (a, b) => `max(${a}, ${b})`,
      result: ofKey,
      dtype,
    };
  }
  shader.declare(`fn better(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
  return select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y));
}`);
  return {
    type: "vec2<u32>",
    words: 2,
    identity: "vec2<u32>(0u, 0xffffffffu)",
    term: (value, at) => `vec2<u32>(${keyOf(shader, dtype, value, low)}, ${at})`,
    combine: (a, b) => `better(${a}, ${b})`,
    result: (accumulator) => `bitcast<i32>(${accumulator}.y)`,
    dtype: "int32",
  };
}

/** How the invocations of a reduction are laid out. */
interface ReductionPlan {
  /** Invocations of a workgroup that work on one result: a power of two. */
  readonly lanes: number;
  /** Workgroups that work on one result. */
  readonly pieces: number;
  /** Whether neighbouring invocations work on neighbouring results rather than on neighbouring terms. */
  readonly across: boolean;
}

function planReduction(kernel: LoopKernel, outer: number, inner: number): ReductionPlan {
  const { dims, outerRank } = kernel;
  const lists = stridesOf(kernel);
  const unit = (d: number): boolean =>
    lists.some((strides) => Math.abs(strides[d]) === 1) ||
    lists.every((strides) => strides[d] === 0);
  const across = outerRank > 0 && !unit(dims.length - 1) && unit(outerRank - 1);
  const wanted = Math.max(
    Math.ceil(wantedInvocations / Math.max(outer, 1)),
    // Neighbouring terms are read by neighbouring invocations, even where there are results enough.
    across || inner < 64 ? 1 : 16,
  );
  const useful = Math.ceil(inner / (outer >= 4096 ? shortChain : 4));
  let lanes = 1;
  while (lanes < workgroupSize && lanes < wanted && lanes < useful) lanes *= 2;
  const pieces = lanes < workgroupSize ? 1 : Math.min(
    mostPieces,
    Math.ceil(wanted / workgroupSize),
    Math.ceil(inner / (shortChain * workgroupSize)),
  );
  return { lanes, pieces: Math.max(pieces, 1), across };
}

/** The dispatches of a loop. */
export function emitLoop(
  buffers: Buffers,
  kernel: LoopKernel,
  label: string,
  ranges?: Ranges,
): Dispatch[] {
  const loop = normalizeLoop(kernel);
  const outerDims = loop.dims.slice(0, loop.outerRank);
  const outer = sizeOf(outerDims);
  if (outer === 0) return [];
  if (loop.reduce !== null) return emitReduction(buffers, loop, label, ranges);
  const shader = new Shader(buffers, loop.out.buffer, ranges);
  const indices = decode("i", outerDims, "i");
  const body = new Body(shader, indices.names, "v");
  const value = body.emit(loop.body, loop.body.length - 1);
  const main = [
    `let i = group * ${workgroupSize}u + lane;`,
    `if (i >= ${outer}u) { return; }`,
    ...indices.lines,
    ...body.lines,
    ...store(shader, loop, indices.names, value),
  ];
  return [shader.finish(label, main, Math.ceil(outer / workgroupSize))];
}

/** Puts a result where it goes. */
function store(
  shader: Shader,
  { out, mode, dtype }: LoopKernel,
  indices: readonly (string | null)[],
  value: string,
): string[] {
  const target = shader.word(out, indices);
  if (mode === "set") return [`${target} = ${toWord(dtype, value)};`];
  const before = fromWord(dtype, target);
  const sum = dtype === "bool"
    ? `(${before} | ${value})`
    : isFloat(dtype) || dtype === "uint32"
    ? `${before} + ${value}`
    : `bitcast<i32>(bitcast<u32>(${before}) + bitcast<u32>(${value}))`;
  return [`${target} = ${toWord(dtype, sum)};`];
}

/** A loop over terms from `first` on, `step` apart, below `limit`, into `sum`. */
function accumulate(
  accumulator: Accumulator,
  terms: number,
  step: number,
  first: string,
  limit: string,
  body: readonly string[],
  term: string,
): string[] {
  const add = (to: string, more: string) => `${to} = ${accumulator.combine(to, more)};`;
  const lines = [`var sum: ${accumulator.type} = ${accumulator.identity};`];
  if (terms === 0) return lines;
  if (terms <= 2 * chain * step) {
    return [
      ...lines,
      `for (var r = ${first}; r < ${limit}; r = r + ${step}u) {`,
      ...body.map((line) => `  ${line}`),
      `  ${add("sum", term)}`,
      "}",
    ];
  }
  return [
    ...lines,
    `for (var start = ${first}; start < ${limit}; start = start + ${step * chain}u) {`,
    `  var part: ${accumulator.type} = ${accumulator.identity};`,
    `  let stop = min(start + ${step * chain}u, ${limit});`,
    `  for (var r = start; r < stop; r = r + ${step}u) {`,
    ...body.map((line) => `    ${line}`),
    `    ${add("part", term)}`,
    "  }",
    `  ${add("sum", "part")}`,
    "}",
  ];
}

/** Combines `sum` of the lanes of each result, in a tree; `total` has it in lane 0. */
function meet(shader: Shader, accumulator: Accumulator, lanes: number, stride: number): string[] {
  if (lanes === 1) return ["let total = sum;"];
  shader.declare(`var<workgroup> shares: array<${accumulator.type}, ${workgroupSize}>;`);
  const lines = ["shares[lane] = sum;", "workgroupBarrier();"];
  for (let half = lanes / 2; half >= 1; half /= 2) {
    lines.push(
      `if (part < ${half}u) { shares[lane] = ${
        accumulator.combine("shares[lane]", `shares[lane + ${half * stride}u]`)
      }; }`,
      "workgroupBarrier();",
    );
  }
  lines.push("let total = shares[lane];");
  return lines;
}

function emitReduction(
  buffers: Buffers,
  loop: LoopKernel,
  label: string,
  ranges?: Ranges,
): Dispatch[] {
  const { dims, outerRank, out } = loop;
  const outerDims = dims.slice(0, outerRank);
  const innerDims = dims.slice(outerRank);
  const outer = sizeOf(outerDims);
  const inner = sizeOf(innerDims);
  const plan = planReduction(loop, outer, inner);
  const { lanes, pieces, across } = plan;
  const results = workgroupSize / lanes;
  const bodyType = loop.body[loop.body.length - 1].dtype;

  const open = (written: number) => {
    const shader = new Shader(buffers, written, ranges);
    return { shader, accumulator: accumulatorOf(shader, loop.reduce!, bodyType) };
  };
  /** Names: `row` is the result (the last where there are no more), `part` the lane of it. */
  const place = (rows: string): string[] => [
    `let slot = lane ${across ? "%" : "/"} ${across ? results : lanes}u;`,
    `let part = lane ${across ? "/" : "%"} ${across ? results : lanes}u;`,
    `let at = ${rows} * ${results}u + slot;`,
    `let row = min(at, ${outer - 1}u);`,
  ];
  const finishRow = (shader: Shader, accumulator: Accumulator): string[] => {
    const indices = decode("row", outerDims, "o");
    const { lines, value } = epilogue(shader, loop, indices.names, accumulator);
    return [
      `if (part == 0u && at < ${outer}u) {`,
      ...[...(pieces > 1 ? indices.lines : []), ...lines].map((line) => `  ${line}`),
      ...store(shader, loop, indices.names, value).map((line) => `  ${line}`),
      "}",
    ];
  };

  // The first dispatch: terms of the body.
  const pieceSize = Math.ceil(inner / pieces);
  const scratch: View | null = pieces === 1 ? null : {
    buffer: buffers.scratch("uint32", outer * pieces * (loop.reduce!.startsWith("arg") ? 2 : 1)),
    offset: 0,
    strides: [],
  };
  const { shader, accumulator } = open(scratch?.buffer ?? out.buffer);
  const outerIndices = decode("row", outerDims, "o");
  const innerIndices = decode("r", innerDims, "n");
  const body = new Body(shader, [...outerIndices.names, ...innerIndices.names], "v");
  const value = body.emit(loop.body, loop.body.length - 1);
  const limit = pieces === 1 ? `${inner}u` : "limit";
  const main = [
    ...(pieces === 1 ? place("group") : [
      `let piece = group % ${pieces}u;`,
      ...place(`(group / ${pieces}u)`),
      `let limit = min(${inner}u, (piece + 1u) * ${pieceSize}u);`,
    ]),
    ...outerIndices.lines,
    ...accumulate(
      accumulator,
      pieceSize,
      lanes,
      pieces === 1 ? "part" : `piece * ${pieceSize}u + part`,
      limit,
      [...innerIndices.lines, ...body.lines],
      accumulator.term(value, "r"),
    ),
    ...meet(shader, accumulator, lanes, across ? results : 1),
  ];
  const groups = Math.ceil(outer / results) * pieces;
  if (scratch === null) {
    main.push(...finishRow(shader, accumulator));
    return [shader.finish(label, main, groups)];
  }
  const words = (shader: Shader, index: string): string[] =>
    accumulator.words === 1
      ? [shader.at(scratch, index)]
      : [shader.at(scratch, `2u * (${index})`), shader.at(scratch, `2u * (${index}) + 1u`)];
  const stored = accumulator.words === 1
    ? [accumulator.type === "u32" ? "total" : `bitcast<u32>(total)`]
    : ["total.x", "total.y"];
  main.push(
    `if (part == 0u && at < ${outer}u) {`,
    ...words(shader, `row * ${pieces}u + piece`).map((word, i) => `  ${word} = ${stored[i]};`),
    "}",
  );
  const first = shader.finish(`${label}, in pieces`, main, groups);

  // The second: the pieces of each result. One lane is enough for few.
  const next = open(out.buffer);
  const parts = words(next.shader, `row * ${pieces}u + r`);
  const loaded = accumulator.words === 2
    ? `vec2<u32>(${parts.join(", ")})`
    : accumulator.type === "u32"
    ? parts[0]
    : `bitcast<${accumulator.type}>(${parts[0]})`;
  const last = [
    ...place("group"),
    ...accumulate(next.accumulator, pieces, lanes, "part", `${pieces}u`, [], loaded),
    ...meet(next.shader, next.accumulator, lanes, across ? results : 1),
    ...finishRow(next.shader, next.accumulator),
  ];
  return [first, next.shader.finish(label, last, Math.ceil(outer / results))];
}

/** What follows the reduction. */
function epilogue(
  shader: Shader,
  loop: LoopKernel,
  outer: readonly (string | null)[],
  accumulator: Accumulator,
): { lines: string[]; value: string } {
  const reduced = `let reduced = ${accumulator.result("total")};`;
  if (loop.epilogue.length === 0) return { lines: [reduced], value: "reduced" };
  const body = new Body(shader, outer, "e");
  body.define(loop.body.length, "reduced", accumulator.dtype);
  const all = [...loop.body, null, ...loop.epilogue];
  const value = body.emit(all, all.length - 1);
  return { lines: [reduced, ...body.lines], value };
}
