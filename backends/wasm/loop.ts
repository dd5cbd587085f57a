/**
 * Code for loop kernels: vectorized nested loops around a fused body, with reductions.
 *
 * @module
 */
import { type Instruction, type LoopKernel, storageBytes } from "../../lib/compiler/kernel.ts";
import { FunctionBuilder, type FunctionReference, type ModuleBuilder } from "./assembler.ts";
import { LoopEmitter } from "./loop_emitter.ts";
import { emitSequence, type EmittedKernel, nothing, runParameters } from "./loop_interface.ts";
import { normalize, product, reachable, splitDim } from "./loop_normalize.ts";
import { neededFunction, wantsConstants } from "./loop_operations.ts";
import { type GivenPlan, type LoopPlan, overlappingDims, planLoop } from "./loop_plan.ts";
import { rowStreams, splitReduction, tileTranspose } from "./loop_split.ts";
import { mapStreams } from "./loop_streams.ts";
import { windowOf } from "./loop_window.ts";
import { ConstantPool } from "./math_lanes.ts";
import { Remembered } from "./remembered.ts";

/** The code for a loop kernel; `fused` as in `LaneStyle`, `alone` where one thread does all tasks. */
export function emitLoop(
  module: ModuleBuilder,
  kernel: LoopKernel,
  fused: boolean,
  alone: boolean,
): EmittedKernel {
  const normal = normalize(kernel);
  if (normal === null) return nothing;
  const phases: Phase[] = [];
  let scratch = 0;
  let rest = normal;
  for (;;) {
    const split = splitReduction(rest, planOf(rest).plan.kind === "outer", scratch);
    if (split === null) break;
    const pieces = split.pieces.map((list): Phase => {
      const single = list.length > 1;
      const parts = list.map((piece) => emitOne(module, normalize(piece)!, fused, { single }));
      if (!single) return parts[0];
      const steps = parts.map(({ run }) => ({ run, table: 0 }));
      return { run: emitSequence(module, "steps", steps), tasks: parts[0].tasks };
    });
    phases.push(joinTasks(module, pieces));
    scratch += split.scratch;
    rest = normalize(split.final)!;
  }
  const tiles = tileTranspose(rest);
  const rows = rowStreams(rest, planOf(rest).plan.vector);
  const streams = rows ?? (alone ? mapStreams(rest) : null);
  const last = tiles === null ? 0 : tiles[0].dims.length - 1;
  const given: GivenPlan = tiles !== null ? { vector: last - 1, across: last } : streams ?? {};
  const parts = tiles ?? streams?.kernels ?? [rest];
  phases.push(joinTasks(module, parts.map((part) => emitOne(module, part, fused, given))));
  const { dtype } = normal.body[normal.body.length - 1];
  return { phases, sharedScratchBytes: scratch * storageBytes(dtype), threadScratchBytes: 0 };
}

/** A kernel of which one function computes any range of rows, going along the other dims. */
export interface RowsKernel {
  readonly kernel: LoopKernel;
  /** The first dims, of which the rows are made. */
  readonly rowDims: number;
}

/** What `overRows` found: those who look for chains ask for most kernels several times. */
const known = new Remembered<LoopKernel, RowsKernel | null>();

/** The kernel with so many rows as its first dims; null where that does not apply. */
export function overRows(kernel: LoopKernel, rows: number): RowsKernel | null {
  return known.of(kernel, rows, () => cutIntoRows(kernel, rows));
}

/** The same, found anew. */
function cutIntoRows(kernel: LoopKernel, rows: number): RowsKernel | null {
  if (product(kernel.dims.slice(0, kernel.outerRank)) % rows !== 0) return null;
  const normal = normalize(kernel);
  if (normal === null) return null;
  let rowDims = 0;
  let left = rows;
  while (rowDims < normal.outerRank && left > 1 && left % normal.dims[rowDims] === 0) {
    left /= normal.dims[rowDims++];
  }
  let own = normal;
  if (left > 1 || rowDims === 0) {
    if (rowDims === normal.outerRank || normal.dims[rowDims] % left !== 0) return null;
    own = splitDim(normal, rowDims++, left);
  }
  const { plan } = planOf(own);
  for (let d = 0; d < rowDims; d++) if (plan.prefix[d] !== d) return null;
  if (overlappingDims(own).size > 0) return null;
  if (splitReduction(normal, plan.kind === "outer", 0) !== null) return null;
  if (tileTranspose(normal) !== null || !addsAlike(normal, own, rowDims)) return null;
  return { kernel: own, rowDims };
}

/**
 * Whether a kernel over rows adds up in the same order as it does by itself: whether it runs in a chain may depend on the
 * number of threads, and results must not.
 */
function addsAlike(normal: LoopKernel, own: LoopKernel, rowDims: number): boolean {
  if (normal.reduce !== "sum" && normal.reduce !== "prod") return true;
  if (rowStreams(normal, planOf(normal).plan.vector) !== null) return false;
  const order = (kernel: LoopKernel, given: GivenPlan): string => {
    const { kind, vector, unroll } = planOf(kernel, given).plan;
    return kind === "inner" ? `${vector - kernel.outerRank} by ${unroll}` : kind;
  };
  return [true, false].every((fused) =>
    order(normal, bandsOf(normal, fused)) === order(own, bandsOf(own, fused, rowDims))
  );
}

/** What is given of the plan of a sum over a window whose first dims stay whole; nothing for other kernels. */
function bandsOf(kernel: LoopKernel, fused: boolean, rowDims = 0): GivenPlan {
  const window = fused ? windowOf(kernel) : null;
  if (window === null || Math.min(window.across, window.vector) < rowDims) return {};
  return { vector: window.vector, across: window.across };
}

/** The code for a kernel that `overRows` gave; a task has so many rows. */
export function emitRows(
  module: ModuleBuilder,
  { kernel, rowDims }: RowsKernel,
  fused: boolean,
  rowsPerTask: number,
): EmittedKernel {
  const phase = emitOne(module, kernel, fused, { rows: rowsPerTask, rowDims });
  return { phases: [phase], sharedScratchBytes: 0, threadScratchBytes: 0 };
}

/** A function that does a kernel's tasks. */
interface Phase {
  readonly run: FunctionReference;
  readonly tasks: number;
}

/** One function that does the tasks of several, numbered through. */
function joinTasks(
  module: ModuleBuilder,
  parts: readonly Phase[],
): Phase {
  if (parts.length === 1) return parts[0];
  const tasks = parts.reduce((sum, part) => sum + part.tasks, 0);
  const run = module.addFunction("pieces", runParameters, [], (f) => {
    const [begin, end] = [f.parameter(3), f.parameter(4)];
    let first = 0;
    for (const part of parts) {
      const low = f.local("i32");
      const high = f.local("i32");
      // Both ends relative to the part and held inside it.
      for (const [from, to] of [[begin, low], [end, high]] as const) {
        f.get(from).i32(first).op("i32.sub").set(to);
        f.i32(0).get(to).get(to).i32(0).op("i32.lt_s").select().set(to);
        f.i32(part.tasks).get(to).get(to).i32(part.tasks).op("i32.gt_s").select().set(to);
      }
      f.get(low).get(high).op("i32.lt_s").if_(() => {
        f.get(f.parameter(0)).get(f.parameter(1)).get(f.parameter(2)).get(low).get(high);
        f.call(part.run);
      });
      first += part.tasks;
    }
  });
  return { run, tasks };
}

/** A normalized kernel's instructions, with a null for the reduced value, and its plan. */
function planOf(
  kernel: LoopKernel,
  given: GivenPlan = {},
): { nodes: (Instruction | null)[]; bodyNodes: number[]; plan: LoopPlan } {
  const nodes: (Instruction | null)[] = [...kernel.body];
  if (kernel.reduce !== null) nodes.push(null, ...kernel.epilogue);
  const bodyNodes = reachable(nodes, [kernel.body.length - 1]);
  return { nodes, bodyNodes, plan: planLoop(kernel, nodes, bodyNodes, given) };
}

/** A normalized kernel as one function; see `planLoop` for what may be given. */
function emitOne(
  module: ModuleBuilder,
  kernel: LoopKernel,
  fused: boolean,
  given: GivenPlan = {},
): Phase {
  // Rows that are given stay whole.
  const rowDims = given.rows === undefined ? 0 : given.rowDims ?? 1;
  const bands = bandsOf(kernel, fused && given.vector === undefined, rowDims);
  const { nodes, bodyNodes, plan } = planOf(kernel, { ...given, ...bands });
  // Functions that the body calls come first.
  for (const node of nodes) {
    if (node !== null && "args" in node) neededFunction(module, node.op, node.dtype, fused);
  }
  const run = module.addFunction("loop", runParameters, [], (f) => {
    const pooled = nodes.some((node) => node !== null && wantsConstants(node.op, node.dtype));
    const pool = pooled ? new ConstantPool() : null;
    if (pool !== null) {
      const dry = new FunctionBuilder(f.reference);
      new LoopEmitter(module, dry, kernel, nodes, bodyNodes, plan, { fused, pool }).emit();
      pool.define(f);
    }
    new LoopEmitter(module, f, kernel, nodes, bodyNodes, plan, { fused, pool }).emit();
  });
  return { run, tasks: plan.tasks };
}
