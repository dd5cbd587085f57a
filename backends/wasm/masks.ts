/**
 * Operands of contractions that masks made zero: rows that share a mask are zero together.
 *
 * A cotangent behind a ReLU is a selection between zero and the cotangent before. The condition knows the example and the
 * unit, not which output the cotangent is of: all outputs of an example are zero at the same units.
 *
 * @module
 */

import { contiguousStrides } from "../../lib/base/shape.ts";
import type {
  ContractKernel,
  Instruction,
  LoopKernel,
  LoweredProgram,
  View,
} from "../../lib/compiler/kernel.ts";

/** A contraction whose innermost m indexes rows of A that are zero together, in groups of that size. */
export interface MaskedContract {
  readonly kernel: ContractKernel;
  readonly group: number;
}

/** The loops that write a buffer which nothing else writes, by buffer. */
export function soleWriters(lowered: LoweredProgram): ReadonlyMap<number, LoopKernel> {
  const writers = new Map<number, LoopKernel | null>();
  for (const kernel of lowered.kernels) {
    const { buffer } = kernel.out;
    writers.set(buffer, kernel.kind === "loop" && !writers.has(buffer) ? kernel : null);
  }
  const loops = new Map<number, LoopKernel>();
  for (const [buffer, loop] of writers) if (loop !== null) loops.set(buffer, loop);
  return loops;
}

/** Size and stride of the largest dimension along which the zeros of a loop's results do not change; null if none. */
function sharedDimension(loop: LoopKernel): { size: number; stride: number } | null {
  const { body, dims, out } = loop;
  const value = body.at(-1);
  if (loop.reduce !== null || loop.mode !== "set" || value?.op !== "select") return null;
  const dense = contiguousStrides(dims);
  if (out.offset !== 0 || out.strides.some((stride, d) => stride !== dense[d])) return null;
  const isZero = (index: number): boolean => {
    const instruction = body[index];
    return instruction.op === "constant" && Object.is(instruction.value, 0);
  };
  const [condition, ...values] = value.args;
  if (!values.some(isZero)) return null;
  const changes = new Set<number>();
  const seen = new Set<number>();
  const visit = (index: number): void => {
    if (seen.has(index)) return;
    seen.add(index);
    const instruction: Instruction = body[index];
    const strides = "view" in instruction
      ? instruction.view.strides
      : "strides" in instruction
      ? instruction.strides
      : [];
    strides.forEach((stride, d) => stride !== 0 && changes.add(d));
    if ("args" in instruction) instruction.args.forEach(visit);
    if ("index" in instruction) visit(instruction.index);
  };
  visit(condition);
  let best: { size: number; stride: number } | null = null;
  dims.forEach((size, d) => {
    if (size > (best?.size ?? 1) && !changes.has(d)) best = { size, stride: dense[d] };
  });
  return best;
}

/** The contraction with rows of A in groups that are zero together; null where no mask makes such groups. */
export function groupRows(
  kernel: ContractKernel,
  writers: ReadonlyMap<number, LoopKernel>,
): MaskedContract | null {
  const loop = writers.get(kernel.a.buffer);
  const shared = loop === undefined ? null : sharedDimension(loop);
  if (shared === null) return null;
  const { size: group, stride } = shared;
  const { batch, m, k, a, out } = kernel;
  const rows = m.map((size, d) => ({
    size,
    a: a.strides[batch.length + d],
    out: out.strides[batch.length + d],
  }));
  const at = rows.findIndex((dim) =>
    dim.a > 0 && stride % dim.a === 0 && dim.size % (stride / dim.a * group) === 0
  );
  if (at < 0) return null;
  const inner = stride / rows[at].a;
  // What else moves must stay within one element of the shared dimension, or go over all of them.
  const others = [...batch, ...k].map((size, d) => ({
    size,
    a: a.strides[d < batch.length ? d : d + m.length],
  })).concat(rows.filter((_, d) => d !== at));
  let reach = a.offset % (stride * group) + (inner - 1) * rows[at].a;
  for (const dim of others) {
    if (dim.a < 0) return null;
    if (dim.a % (stride * group) !== 0) reach += (dim.size - 1) * dim.a;
  }
  if (reach >= stride) return null;
  const dim = rows[at];
  const grouped = [
    ...rows.slice(0, at),
    { size: dim.size / (inner * group), a: dim.a * inner * group, out: dim.out * inner * group },
    { ...dim, size: inner },
    ...rows.slice(at + 1),
    { size: group, a: stride, out: dim.out * inner },
  ].filter(({ size }) => size > 1);
  const replaced = (view: View, key: "a" | "out"): View => ({
    ...view,
    strides: [
      ...view.strides.slice(0, batch.length),
      ...grouped.map((row) => row[key]),
      ...view.strides.slice(batch.length + m.length),
    ],
  });
  return {
    kernel: {
      ...kernel,
      m: grouped.map(({ size }) => size),
      a: replaced(a, "a"),
      out: replaced(out, "out"),
    },
    group,
  };
}
