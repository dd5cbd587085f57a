/**
 * Loops in their simplest form: sizes of 1 left out, the result's dims in the order in which it lies, and dims joined that
 * every view walks through as one.
 *
 * @module
 */

import type { Instruction, LoopKernel, View } from "../../lib/compiler/kernel.ts";

type Strides = (strides: readonly number[]) => number[];

/** A kernel whose views have other strides. */
function mapStrides(
  kernel: LoopKernel,
  dims: readonly number[],
  outerRank: number,
  all: Strides,
  outer: Strides,
): LoopKernel {
  const view = (v: View): View => ({ ...v, strides: all(v.strides) });
  const map = (list: readonly Instruction[]): Instruction[] =>
    list.map((instruction) => {
      switch (instruction.op) {
        case "load":
        case "loadIndexed":
          return { ...instruction, view: view(instruction.view) };
        case "index":
          return { ...instruction, strides: all(instruction.strides) };
        default:
          return instruction;
      }
    });
  return {
    ...kernel,
    dims,
    outerRank,
    body: map(kernel.body),
    epilogue: map(kernel.epilogue),
    out: { ...kernel.out, strides: outer(kernel.out.strides) },
  };
}

/** Every list of strides of a kernel, as long as its dims; the result's are zero along reduced dims. */
export function stridesOf(kernel: LoopKernel): (readonly number[])[] {
  const lists: (readonly number[])[] = [];
  for (const instruction of [...kernel.body, ...kernel.epilogue]) {
    if (instruction.op === "load" || instruction.op === "loadIndexed") {
      lists.push(instruction.view.strides);
    } else if (instruction.op === "index") lists.push(instruction.strides);
  }
  return lists;
}

/** The same loops in their simplest form. */
export function normalizeLoop(kernel: LoopKernel): LoopKernel {
  const { dims, outerRank, out } = kernel;
  const outer = dims.map((_, d) => d).slice(0, outerRank).filter((d) => dims[d] !== 1);
  // Neighbouring invocations write neighbouring elements.
  outer.sort((a, b) => Math.abs(out.strides[b]) - Math.abs(out.strides[a]) || a - b);
  const inner = dims.map((_, d) => d).slice(outerRank).filter((d) => dims[d] !== 1);
  const order = [...outer, ...inner];
  const moved = mapStrides(
    kernel,
    order.map((d) => dims[d]),
    outer.length,
    (strides) => order.map((d) => strides[d]),
    (strides) => outer.map((d) => strides[d]),
  );
  return joinDims(moved);
}

function joinDims(kernel: LoopKernel): LoopKernel {
  const { dims, outerRank, out } = kernel;
  const lists = stridesOf(kernel);
  // The dims that begin a group; the others join the one before.
  const starts: number[] = [];
  for (let d = 0; d < dims.length; d++) {
    const joins = d > 0 && d !== outerRank &&
      lists.every((strides) => strides[d - 1] === strides[d] * dims[d]) &&
      (d >= outerRank || out.strides[d - 1] === out.strides[d] * dims[d]);
    if (!joins) starts.push(d);
  }
  const last = (i: number): number => (starts[i + 1] ?? dims.length) - 1;
  const sizes = starts.map((start, i) =>
    dims.slice(start, last(i) + 1).reduce((product, n) => product * n, 1)
  );
  const outerGroups = starts.filter((start) => start < outerRank).length;
  const pick: Strides = (strides) => starts.map((_, i) => strides[last(i)]);
  return mapStrides(
    kernel,
    sizes,
    outerGroups,
    pick,
    (strides) => pick(strides).slice(0, outerGroups),
  );
}
