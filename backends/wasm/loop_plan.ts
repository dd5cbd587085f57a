/**
 * Decides how a normalized loop kernel runs: which dim goes over the lanes, how far it unrolls, how it splits into tasks.
 *
 * @module
 */
import type { Instruction, LoopKernel } from "../../lib/compiler/kernel.ts";
import { product, reachable, stridesOf } from "./loop_normalize.ts";
import { isMathName } from "./math.ts";
import type { LaneCount } from "./loop_operations.ts";

/** A task has at least about this many point operations. */
export const taskWork = 32768;

/** How a kernel runs. */
export interface LoopPlan {
  readonly lanes: LaneCount;
  /** The dim over the lanes, or −1 if there is none (a single element). */
  readonly vector: number;
  /** `map`: no reduction; `inner`: lanes over a reduced dim; `outer`: lanes over a dim of the result. */
  readonly kind: "map" | "inner" | "outer";
  /** Vectors a step. */
  readonly unroll: number;
  /**
   * The dim along which the vectors of a step lie, if that is not the vector dim. In a map they are turned in registers where a
   * load is contiguous along it, in a reduction each has a result of its own.
   */
  readonly across: number | null;
  /** The result's other dims, outermost first, flattened into one range. */
  readonly prefix: readonly number[];
  /** Reduced dims but the vector dim, outermost first. */
  readonly inner: readonly number[];
  /** Indices of the flattened prefix in a task; 1 if the vector dim is split. */
  readonly grain: number;
  /** Elements of the vector dim in a task. */
  readonly chunk: number;
  /** Number of tasks. */
  readonly tasks: number;
}

/** What one evaluation of the instructions costs, in rough units of one vector instruction, with lanes over the dim. */
function vectorCost(
  instructions: readonly (Instruction | null)[],
  used: readonly number[],
  dim: number,
  lanes: number,
): number {
  let cost = 0;
  for (const i of used) {
    const instruction = instructions[i];
    if (instruction === null) continue;
    if (instruction.op === "constant") continue;
    const strides = stridesOf(instruction);
    if (instruction.op === "loadIndexed") cost += 6 * lanes;
    else if (instruction.op === "load") {
      const stride = strides![dim];
      cost += stride === 0 ? 0.5 : stride === 1 ? 1 : stride === -1 ? 1.5 : 1.5 * lanes;
    } else if (isMathName(instruction.op)) cost += 25;
    else cost += 1;
  }
  return cost;
}

/** Whether some result element is written more than once, by dims that must then stay in one task. */
export function overlappingDims(kernel: LoopKernel): Set<number> {
  const dims = kernel.dims.slice(0, kernel.outerRank).map((_, d) => d);
  const stride = (d: number) => Math.abs(kernel.out.strides[d]);
  const sorted = [...dims].sort((a, b) => stride(a) - stride(b));
  const overlapping = new Set<number>();
  let span = 0;
  let below: number[] = [];
  for (const d of sorted) {
    if (stride(d) <= span || stride(d) === 0) {
      overlapping.add(d);
      for (const other of below) overlapping.add(other);
    }
    span += stride(d) * (kernel.dims[d] - 1);
    below = [...below, d];
  }
  return overlapping;
}

/** What may be given of a plan: the vector dim, the dim along which a step's vectors lie, and rows in a task. */
export interface GivenPlan {
  readonly vector?: number;
  readonly across?: number;
  readonly rows?: number;
  /** The first dims, of which rows are made; one by default. */
  readonly rowDims?: number;
  /** Whether each index of the prefix is a task, all that must not be split counting as one. */
  readonly single?: boolean;
}

/** Chooses the plan. */
export function planLoop(
  kernel: LoopKernel,
  nodes: readonly (Instruction | null)[],
  bodyNodes: readonly number[],
  { vector: forced, across: given, rows, rowDims = 1, single = false }: GivenPlan = {},
): LoopPlan {
  const lanes: LaneCount =
    nodes.some((node, i) =>
        node !== null && node.dtype === "float64" && isUsed(nodes, kernel, i)
      ) || kernel.dtype === "float64"
      ? 2
      : 4;
  const { dims, outerRank } = kernel;
  const total = product(dims);
  const overlapping = overlappingDims(kernel);
  let best = { cost: Infinity, dim: -1 };
  for (let d = 0; d < dims.length; d++) {
    if (d < outerRank && kernel.out.strides[d] === 0 || (forced ?? d) !== d) continue;
    const isReduced = d >= outerRank;
    let each = vectorCost(nodes, bodyNodes, d, lanes);
    if (kernel.reduce === null) {
      each += kernel.out.strides[d] === 1 ? 1 : 1.5 * lanes;
    }
    const vectors = Math.ceil(dims[d] / lanes) + 0.25;
    let cost = (total / dims[d]) * vectors * each;
    if (kernel.reduce !== null && isReduced) cost += product(dims.slice(0, outerRank)) * 12;
    if (kernel.reduce !== null && !isReduced) {
      cost += product(dims.slice(0, outerRank)) / dims[d] * vectors * 3;
    }
    // Of equal ones the innermost.
    if (cost <= best.cost) best = { cost, dim: d };
  }
  const vector = best.dim;
  const kind = kernel.reduce === null ? "map" : vector >= outerRank ? "inner" : "outer";
  const across = given !== undefined && (kind === "inner" || dims[given] >= lanes) ? given : null;
  const prefix = dims.map((_, d) => d)
    .filter((d) => d < outerRank && d !== vector && d !== across);
  const inner = dims.map((_, d) => d).filter((d) => d >= outerRank && d !== vector);
  // What must not be split goes last, so that the tasks can split the rest.
  prefix.sort((a, b) => Number(overlapping.has(a)) - Number(overlapping.has(b)) || a - b);
  const size = vector < 0 ? 1 : dims[vector];
  const work = bodyNodes.length;
  const position = kernel.reduce === "argmax" || kernel.reduce === "argmin";
  // With more vectors at once, functions and long bodies spill registers to a stack that is not aligned to vectors: that
  // may be quicker by a tenth or slower by half, from one run of the process to the next.
  const long = work > 20 || bodyNodes.some((i) => nodes[i] !== null && isMathName(nodes[i]!.op));
  const wanted = long ? 2 : kind === "inner" || work <= 6 ? 4 : 2;
  const unroll = across === null
    ? Math.max(1, Math.min(kind === "inner" && position ? 1 : wanted, Math.floor(size / lanes)))
    : kind === "inner"
    ? dims[across]
    : lanes;
  const prefixTotal = product(prefix.map((d) => dims[d]));
  const innerTotal = product(inner.map((d) => dims[d])) * (kind === "inner" ? size : 1);
  const perElement = Math.max(1, work) * innerTotal;
  const row = (kind === "inner" ? perElement : perElement * size) *
    (across === null ? 1 : dims[across]);
  let grain = Math.ceil(taskWork / row);
  let chunk = size;
  if (overlapping.size > 0) {
    grain = product(prefix.filter((d) => overlapping.has(d)).map((d) => dims[d]));
  } else if (kind !== "inner" && across === null && row >= 2 * taskWork && size > lanes * unroll) {
    const step = lanes * unroll;
    chunk = Math.min(size, Math.ceil(taskWork / perElement / step) * step);
  }
  if (single) {
    grain = product(prefix.filter((d) => overlapping.has(d)).map((d) => dims[d]));
    chunk = size;
  }
  if (rows !== undefined) {
    grain = rows * product(prefix.slice(rowDims).map((d) => dims[d]));
    chunk = size;
  }
  grain = chunk < size ? 1 : Math.min(grain, prefixTotal);
  const tasks = chunk < size
    ? prefixTotal * Math.ceil(size / chunk)
    : Math.ceil(prefixTotal / grain);
  return { lanes, vector, kind, unroll, across, prefix, inner, grain, chunk, tasks };
}

/** Whether an instruction is part of what is computed. */
function isUsed(
  nodes: readonly (Instruction | null)[],
  kernel: LoopKernel,
  i: number,
): boolean {
  const roots = [kernel.body.length - 1];
  if (kernel.epilogue.length > 0) roots.push(nodes.length - 1);
  return reachable(nodes, roots).includes(i);
}
