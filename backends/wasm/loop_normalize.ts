/**
 * Brings loop kernels into a simpler form: no dims of size 1, adjacent dims merged, empty reductions replaced.
 *
 * @module
 */
import type { DType } from "../../lib/base/dtype.ts";
import type { Instruction, LoopKernel, ReduceOp, View } from "../../lib/compiler/kernel.ts";

/** The buffer number of a view onto the kernel's own shared scratch memory. */
export const scratchBuffer = -1;

/** The value that a reduction starts from. */
export function identityOf(reduce: ReduceOp, dtype: DType): number {
  switch (reduce) {
    case "sum":
      return 0;
    case "prod":
      return 1;
    case "max":
    case "argmax":
      return dtype === "int32"
        ? -2147483648
        : dtype === "uint32" || dtype === "bool"
        ? 0
        : -Infinity;
    case "min":
    case "argmin":
      return dtype === "int32"
        ? 2147483647
        : dtype === "uint32"
        ? 4294967295
        : dtype === "bool"
        ? 1
        : Infinity;
  }
}

/** The instruction with its strides and offset rewritten, if it has any. */
export function mapInstruction(
  instruction: Instruction,
  map: (strides: readonly number[]) => readonly number[],
  shift: (strides: readonly number[]) => number = () => 0,
): Instruction {
  switch (instruction.op) {
    case "load":
    case "loadIndexed": {
      const { view } = instruction;
      return {
        ...instruction,
        view: {
          buffer: view.buffer,
          offset: view.offset + shift(view.strides),
          strides: map(view.strides),
        },
      };
    }
    case "index":
      return {
        ...instruction,
        offset: instruction.offset + shift(instruction.strides),
        strides: map(instruction.strides),
      };
    default:
      return instruction;
  }
}

/** The strides of an instruction, if it has any. */
export function stridesOf(instruction: Instruction): readonly number[] | null {
  switch (instruction.op) {
    case "load":
    case "loadIndexed":
      return instruction.view.strides;
    case "index":
      return instruction.strides;
    default:
      return null;
  }
}

/** The operands of an instruction, as instruction numbers. */
export function argumentsOf(instruction: Instruction): readonly number[] {
  if ("args" in instruction) return instruction.args;
  return instruction.op === "loadIndexed" ? [instruction.index] : [];
}

/** The instruction with its operands renumbered. */
export function renumber(instruction: Instruction, number: (i: number) => number): Instruction {
  if ("args" in instruction) return { ...instruction, args: instruction.args.map(number) };
  if (instruction.op === "loadIndexed") {
    return { ...instruction, index: number(instruction.index) };
  }
  return instruction;
}

/** The kernel over other dims: `map` gives each stride list's new form. */
function withDims(
  kernel: LoopKernel,
  dims: readonly number[],
  outerRank: number,
  map: (strides: readonly number[]) => readonly number[],
): LoopKernel {
  const out: View = {
    ...kernel.out,
    strides: map(padded(kernel.out.strides, kernel.dims.length)).slice(0, outerRank),
  };
  return {
    ...kernel,
    dims,
    outerRank,
    body: kernel.body.map((instruction) => mapInstruction(instruction, map)),
    epilogue: kernel.epilogue.map((instruction) => mapInstruction(instruction, map)),
    out,
  };
}

/** Strides with zeros up to a rank. */
function padded(strides: readonly number[], rank: number): number[] {
  return Array.from({ length: rank }, (_, d) => strides[d] ?? 0);
}

/** All stride lists of a kernel, the result's among them. */
function allStrides(kernel: LoopKernel): number[][] {
  const rank = kernel.dims.length;
  const lists = [padded(kernel.out.strides, rank)];
  for (const instruction of [...kernel.body, ...kernel.epilogue]) {
    const strides = stridesOf(instruction);
    if (strides !== null) lists.push(padded(strides, rank));
  }
  return lists;
}

/** The product of sizes. */
export function product(sizes: readonly number[]): number {
  return sizes.reduce((a, b) => a * b, 1);
}

/**
 * The kernel in normal form, or null if it writes nothing. Where there is a reduction there are reduced dims, none of
 * them empty; the result's dims are in the order of falling strides.
 */
export function normalize(kernel: LoopKernel): LoopKernel | null {
  if (kernel.dims.slice(0, kernel.outerRank).includes(0)) return null;
  const rank = kernel.dims.length;
  let current: LoopKernel = withDims(kernel, kernel.dims, kernel.outerRank, (s) => padded(s, rank));
  if (current.dims.slice(current.outerRank).includes(0)) current = emptyReduction(current);
  current = select(current, order(current));
  if (current.reduce !== null && current.dims.length === current.outerRank) {
    current = trivialReduction(current);
  }
  if (current.reduce === null && current.epilogue.length > 0) current = appendEpilogue(current);
  return merge(current);
}

/** A kernel with an empty reduced dim, as one that starts from the identity. */
function emptyReduction(kernel: LoopKernel): LoopKernel {
  const last = kernel.body[kernel.body.length - 1];
  const reduce = kernel.reduce!;
  const argument = reduce === "argmax" || reduce === "argmin";
  const dtype = argument ? "int32" : last.dtype;
  const value = argument ? 0 : identityOf(reduce, dtype);
  const body: Instruction[] = [...kernel.body];
  // The body's own loads would lie outside: only what the epilogue asks for is emitted.
  body.push({ op: "constant", dtype, value });
  const epilogue = kernel.epilogue.map((instruction) =>
    renumber(instruction, (i) => i >= kernel.body.length ? i + 1 : i)
  );
  const sizes = kernel.dims.map((size, d) => d < kernel.outerRank ? size : 1);
  return { ...kernel, dims: sizes, body, epilogue, reduce: null };
}

/** A reduction over one element. */
function trivialReduction(kernel: LoopKernel): LoopKernel {
  if (kernel.reduce !== "argmax" && kernel.reduce !== "argmin") return { ...kernel, reduce: null };
  const body: Instruction[] = [...kernel.body, { op: "constant", dtype: "int32", value: 0 }];
  const epilogue = kernel.epilogue.map((instruction) =>
    renumber(instruction, (i) => i >= kernel.body.length ? i + 1 : i)
  );
  return { ...kernel, body, epilogue, reduce: null };
}

/** The epilogue as a part of the body: the reduced value is the body's last. */
function appendEpilogue(kernel: LoopKernel): LoopKernel {
  const n = kernel.body.length;
  const epilogue = kernel.epilogue.map((instruction) =>
    renumber(instruction, (i) => i < n ? i : i - 1)
  );
  return { ...kernel, body: [...kernel.body, ...epilogue], epilogue: [] };
}

/** The dims to keep, in a better order: outer ones by the result's strides, reduced ones by the loads'. */
function order(kernel: LoopKernel): number[] {
  const lists = allStrides(kernel);
  const weight = (d: number, list: readonly number[]) => Math.abs(list[d]);
  const loads = (d: number) => lists.slice(1).reduce((sum, list) => sum + weight(d, list), 0);
  const dims = kernel.dims.map((_, d) => d).filter((d) => kernel.dims[d] !== 1);
  const outer = dims.filter((d) => d < kernel.outerRank);
  const reduced = dims.filter((d) => d >= kernel.outerRank);
  outer.sort((a, b) => weight(b, lists[0]) - weight(a, lists[0]) || a - b);
  reduced.sort((a, b) => loads(b) - loads(a) || a - b);
  return [...outer, ...reduced];
}

/** The kernel over some of its dims, in that order. */
function select(kernel: LoopKernel, dims: readonly number[]): LoopKernel {
  return withDims(
    kernel,
    dims.map((d) => kernel.dims[d]),
    dims.filter((d) => d < kernel.outerRank).length,
    (strides) => dims.map((d) => strides[d]),
  );
}

/** Merges neighbours that every view walks as one dim. */
function merge(kernel: LoopKernel): LoopKernel {
  for (let d = 0; d + 1 < kernel.dims.length; d++) {
    if (d + 1 === kernel.outerRank) continue;
    const size = kernel.dims[d + 1];
    if (allStrides(kernel).every((strides) => strides[d] === strides[d + 1] * size)) {
      const dims = [...kernel.dims];
      dims.splice(d, 2, kernel.dims[d] * size);
      const outerRank = d + 1 < kernel.outerRank ? kernel.outerRank - 1 : kernel.outerRank;
      return merge(withDims(kernel, dims, outerRank, (strides) => {
        const merged = [...strides];
        merged.splice(d, 1);
        return merged;
      }));
    }
  }
  return kernel;
}

/** The kernel with a dim of the result cut into so many parts, which become a dim before it. */
export function splitDim(kernel: LoopKernel, d: number, parts: number): LoopKernel {
  const size = kernel.dims[d] / parts;
  return withDims(
    kernel,
    [...kernel.dims.slice(0, d), parts, size, ...kernel.dims.slice(d + 1)],
    kernel.outerRank + 1,
    (strides) => [...strides.slice(0, d), strides[d] * size, ...strides.slice(d)],
  );
}

/** The numbers of the instructions that `roots` need, themselves included, in order. */
export function reachable(
  instructions: readonly (Instruction | null)[],
  roots: readonly number[],
): number[] {
  const seen = new Set<number>();
  const stack = [...roots];
  while (stack.length > 0) {
    const i = stack.pop()!;
    if (seen.has(i)) continue;
    seen.add(i);
    const instruction = instructions[i];
    if (instruction !== null) stack.push(...argumentsOf(instruction));
  }
  return [...seen].sort((a, b) => a - b);
}
