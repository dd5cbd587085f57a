/**
 * Matrix products in WebAssembly: C[b, m, n] (+)= Σ_k A[b, m, k] · B[b, k, n] over strided views.
 *
 * Element (m, k) of A stands at base + batchOffset[b] + rowOffset[m] + columnOffset[k], and so for B
 * and C, with tables of int32 byte offsets. So transposes, broadcasts and the patches of a
 * convolution are all read where they are. The structure follows K. Goto and R. van de Geijn,
 * "Anatomy of High-Performance Matrix Multiplication" (2008): panels of A are packed for the
 * second-level cache, one panel of B for the first, and a microkernel keeps a tile of C in registers.
 *
 * Sums over k are cut into blocks of about 300 and those into chains of 96 in the microkernel's registers; the sums of blocks
 * are added with compensation when there are many.
 */
import type { FunctionReference, ModuleBuilder } from "./assembler.ts";
import { gemmDescriptor, rolesOf } from "./gemm_descriptor.ts";
import { emitMasked } from "./gemm_masked.ts";
import type { MaskedPlan } from "./gemm_masked_plan.ts";
import { emitFor, FunctionCache, type Numeric, numericOf } from "./gemm_numeric.ts";
import { planGemm } from "./gemm_plan.ts";
import { type AxisLayout, type GemmPlan, type GemmShape, workspaceRow } from "./gemm_shape.ts";
import { emitPartialSums } from "./gemm_store.ts";
import { tinyFunction, tinyScratchBytes } from "./gemm_tiny.ts";
import { scratchLayout, unitFunction } from "./gemm_unit.ts";
import { emitWinograd } from "./winograd.ts";
import type { WinogradColumnsPlan, WinogradGradientPlan, WinogradPlan } from "./winograd_plan.ts";

export { gemmDescriptor, gemmDescriptorLength } from "./gemm_descriptor.ts";
export type { AxisLayout, GemmPlan, GemmShape, OperandLayout } from "./gemm_shape.ts";

/** One pass over a product's tasks. All tasks of a phase end before the next phase begins. */
export interface GemmPhase {
  /** Exported: (descriptorPointer, scratchPointer, taskBegin, taskEnd), all i32. */
  readonly run: FunctionReference;
  /**
   * Tasks may run in any order and on any thread: none reads what another of its phase writes. Two
   * may write the same value to the same element of C, when it is not added to.
   */
  readonly tasks: number;
}

/** The code of one matrix product. */
export interface GemmKernel {
  /** One phase, or two when the sum over k is cut into parts: then a barrier stands between. */
  readonly phases: readonly GemmPhase[];
  /** Bytes of scratch for each thread, at an address divisible by 16. */
  readonly scratchBytes: number;
  /** Bytes of memory shared by all threads, often none, at an address divisible by 16. */
  readonly workspaceBytes: number;
  /** How the product is computed. */
  readonly plan: GemmPlan | WinogradPlan | WinogradColumnsPlan | WinogradGradientPlan | MaskedPlan;
}

/** Kernels and functions already in a module: one for each ModuleBuilder. */
export class GemmCache {
  readonly functions: FunctionCache = new FunctionCache();
  readonly kernels: Map<string, GemmKernel> = new Map();
}

/** What is known of an axis made of several dimensions, strides counting elements. */
export function axisLayout(dims: readonly number[], strides: readonly number[]): AxisLayout {
  let run = 1;
  for (let d = dims.length - 1; d >= 0; d--) {
    if (dims[d] === 1) continue;
    if (strides[d] !== run) break;
    run *= dims[d];
  }
  const pairs = pairsOf(dims, strides);
  return pairs === undefined ? { run } : { run, pairs };
}

/** How far apart the two of each aligned pair of neighbours are, where that is one or two elements and addresses rise. */
function pairsOf(dims: readonly number[], strides: readonly number[]): 1 | 2 | undefined {
  const own = dims.flatMap((size, d) => size === 1 ? [] : [{ size, stride: strides[d] }]);
  const last = own.at(-1);
  if (last === undefined || last.size % 2 !== 0) return undefined;
  if (last.stride !== 1 && last.stride !== 2) return undefined;
  let span = 0;
  for (const { size, stride } of own.reverse()) {
    if (stride <= span) return undefined;
    span += (size - 1) * stride;
  }
  return last.stride;
}

/** The offset table of an axis made of several dimensions, the last running fastest. */
export function offsetTable(
  dims: readonly number[],
  strides: readonly number[],
  elementBytes: number,
): Int32Array<ArrayBuffer> {
  let table = new Int32Array(1);
  for (let d = 0; d < dims.length; d++) {
    const next = new Int32Array(table.length * dims[d]);
    let at = 0;
    for (const offset of table) {
      for (let i = 0; i < dims[d]; i++) next[at++] = offset + i * strides[d] * elementBytes;
    }
    table = next;
  }
  return table;
}

/**
 * Emits the code of a matrix product, or finds it in the cache.
 *
 * The caller imports the module's memory, writes the offset tables and a descriptor
 * (`gemmDescriptor`) into it, and runs the tasks of each phase, on as many threads as it likes, each
 * with scratch of its own. Results do not depend on how tasks are distributed.
 *
 * @throws RangeError when a size is not a positive integer.
 */
export function emitGemm(module: ModuleBuilder, shape: GemmShape, cache: GemmCache): GemmKernel {
  for (const name of ["batch", "m", "n", "k"] as const) {
    if (!Number.isInteger(shape[name]) || shape[name] < 1) {
      throw new RangeError(
        `matrix product: ${name} is ${
          shape[name]
        }, but sizes are positive integers; treat empty products before`,
      );
    }
  }
  const key = JSON.stringify(shape);
  const found = cache.kernels.get(key);
  if (found !== undefined) return found;
  const { functions, kernels } = cache;
  const special = emitWinograd(module, functions, `winograd ${kernels.size}`, shape) ??
    emitMasked(module, functions, `masked ${kernels.size}`, shape);
  if (special !== null) {
    kernels.set(key, special);
    return special;
  }
  const plan = planGemm(shape);
  const numeric = numericOf(shape.dtype, shape.relaxed);
  const name = `gemm ${cache.kernels.size}`;
  const unit = plan.kind === "tiny"
    ? tinyFunction(module, cache.functions, name, shape, plan.swap)
    : unitFunction(module, cache.functions, name, shape, plan);
  const run = module.addFunction(name, ["i32", "i32", "i32", "i32"], [], (f) => {
    const index = f.local("i32");
    const end = f.local("i32");
    f.get(f.parameter(3)).i32(plan.unitsPerTask).op("i32.mul").tee(end);
    f.i32(plan.units).get(end).i32(plan.units).op("i32.lt_u").select().set(end);
    emitFor(
      f,
      index,
      () => f.get(f.parameter(2)).i32(plan.unitsPerTask).op("i32.mul"),
      () => f.get(end),
      () => f.get(f.parameter(0)).get(f.parameter(1)).get(index).call(unit),
    );
  }, { export: true });
  const phases: GemmPhase[] = [{ run, tasks: plan.tasks }];
  if (plan.depthSplits > 1) phases.push(partialSumPhase(module, name, shape, plan, numeric));
  const kernel: GemmKernel = {
    phases,
    scratchBytes: plan.kind === "tiny"
      ? tinyScratchBytes(shape, plan.swap)
      : scratchLayout(plan, numeric).total,
    workspaceBytes: plan.depthSplits > 1
      ? plan.depthSplits * shape.batch * plan.rows.size *
          workspaceRow(plan.columns.size, numeric.bytes) + 16
      : 0,
    plan,
  };
  cache.kernels.set(key, kernel);
  return kernel;
}

/** The phase that adds up the parts of sums over k. */
function partialSumPhase(
  module: ModuleBuilder,
  name: string,
  shape: GemmShape,
  plan: GemmPlan,
  numeric: Numeric,
): GemmPhase {
  const roles = rolesOf(plan.swap);
  const rows = shape.batch * plan.rows.size;
  const rowsPerTask = Math.ceil(rows / 16);
  const run = module.addFunction(`${name} sum`, ["i32", "i32", "i32", "i32"], [], (f) => {
    const pointer = (index: number) => {
      const local = f.local("i32");
      f.get(f.parameter(0)).load("i32.load", 4 * index).set(local);
      return local;
    };
    const tables = {
      workspace: pointer(gemmDescriptor.workspace),
      c: pointer(gemmDescriptor.c),
      batchTable: pointer(gemmDescriptor.cBatch),
      rowTable: pointer(roles.cRows),
      columnTable: pointer(roles.cColumns),
    };
    const sums = {
      splits: plan.depthSplits,
      batch: shape.batch,
      rows: plan.rows.size,
      columns: plan.columns.size,
      contiguous: (plan.swap ? shape.c.rows : shape.c.columns).run >= plan.columns.size,
      accumulate: shape.accumulate,
    };
    const index = f.local("i32");
    const end = f.local("i32");
    f.get(f.parameter(3)).i32(rowsPerTask).op("i32.mul").tee(end);
    f.i32(rows).get(end).i32(rows).op("i32.lt_u").select().set(end);
    emitFor(
      f,
      index,
      () => f.get(f.parameter(2)).i32(rowsPerTask).op("i32.mul"),
      () => f.get(end),
      () => emitPartialSums(f, numeric, sums, tables, index),
    );
  }, { export: true });
  return { run, tasks: Math.ceil(rows / rowsPerTask) };
}
