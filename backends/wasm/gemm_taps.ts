/**
 * Products of one row with a few rows of B that are read where they stand: depthwise convolutions, whose B is patches.
 *
 * B's columns come in runs of neighbours, the rows of an image. The factors stay in registers, and every vector of a run
 * is the sum of its taps, four vectors side by side.
 */
import type { FunctionReference, ModuleBuilder } from "./assembler.ts";
import { pushEntry, type UnitContext } from "./gemm_context.ts";
import {
  emitAdd,
  emitFor,
  emitIncrement,
  emitMultiplyAdd,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";

/** Longest sum: the code has a multiply-add for each term. */
export const mostTaps = 16;
/** Factors that stay in registers. */
const heldFactors = 9;
/** Vectors computed side by side, so that no sum waits for itself. */
const sideBySide = 4;

interface Taps {
  /** Terms of each sum. */
  readonly depth: number;
  /** Columns of a run, at least a vector's. */
  readonly run: number;
  readonly accumulate: boolean;
}

/**
 * The function (row, aDepth, b, bDepth, bColumns, c, cColumns, runs) that computes runs of columns: `row` is the address of
 * A's row, and the tables of columns point at the first run.
 */
function tapsMicrokernel(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  { depth, run, accumulate }: Taps,
): FunctionReference {
  const key = `taps ${numeric.dtype}${numeric.relaxed ? " relaxed" : ""} ${depth} runs of ${run}${
    accumulate ? " add" : ""
  }`;
  return cache.get(module, key, new Array<"i32">(8).fill("i32"), (f) => {
    const [row, aDepth, b, bDepth, bColumns, c, cColumns, runs] = Array.from(
      { length: 8 },
      (_, i) => f.parameter(i),
    );
    const [index, target, position] = f.locals("i32", 3);
    const offsets = f.locals("i32", depth);
    const pointers = f.locals("i32", depth);
    const factors = f.locals("v128", Math.min(depth, heldFactors));
    const factor = f.local("v128");
    const right = f.local("v128");
    const sums = f.locals("v128", sideBySide);
    const pushFactor = (d: number) => {
      f.get(row).get(aDepth).load("i32.load", 4 * d).op("i32.add").load(numeric.loadSplat);
    };
    factors.forEach((to, d) => {
      pushFactor(d);
      f.set(to);
    });
    offsets.forEach((offset, d) => {
      f.get(b).get(bDepth).load("i32.load", 4 * d).op("i32.add").set(offset);
    });
    /** Computes vectors at the given columns, counted from `position`. */
    const block = (columns: readonly number[]) => {
      const at = (pointer: typeof target, j: number) => {
        f.get(pointer).get(position).op("i32.add");
        emitAdd(f, numeric.bytes * columns[j]);
      };
      columns.forEach((_, j) => {
        if (accumulate) {
          at(target, j);
          f.load("v128.load");
        } else f.i32x4Splat(0);
        f.set(sums[j]);
      });
      pointers.forEach((pointer, d) => {
        if (d >= factors.length) {
          pushFactor(d);
          f.set(factor);
        }
        columns.forEach((_, j) => {
          at(pointer, j);
          f.load("v128.load").set(right);
          emitMultiplyAdd(f, numeric, factors[d] ?? factor, right, sums[j]);
        });
      });
      columns.forEach((_, j) => {
        at(target, j);
        f.get(sums[j]).store("v128.store");
      });
    };
    const { lanes } = numeric;
    const vectors = Math.ceil(run / lanes);
    const blocks = Math.floor((vectors - 1) / sideBySide);
    const side = (count: number) => Array.from({ length: count }, (_, j) => j * lanes);
    const bytes = 16 * sideBySide;
    emitFor(f, index, () => f.i32(0), () => f.get(runs), () => {
      pointers.forEach((pointer, d) => {
        f.get(bColumns).load("i32.load").get(offsets[d]).op("i32.add").set(pointer);
      });
      f.get(cColumns).load("i32.load").get(c).op("i32.add").set(target);
      f.i32(0).set(position);
      if (blocks > 0) {
        f.loop((again) => {
          block(side(sideBySide));
          f.get(position).i32(bytes).op("i32.add").tee(position).i32(blocks * bytes);
          f.op("i32.lt_s").brIf(again);
        });
      }
      // The last vector ends where the run ends, and may overlap the one before.
      const done = blocks * sideBySide * lanes;
      block(
        side(vectors - blocks * sideBySide).map((start) => Math.min(start, run - lanes - done)),
      );
      emitIncrement(f, bColumns, 4 * run);
      emitIncrement(f, cColumns, 4 * run);
    });
  });
}

/** Emits a unit of a taps plan: its panels are runs. */
export function emitTaps(context: UnitContext, depth: number): void {
  const { f, module, functions, numeric, plan, column } = context;
  const run = plan.columnRun;
  f.get(context.columnBegin).i32(run).op("i32.mul").set(column);
  f.get(context.a).get(context.aRows).load("i32.load").op("i32.add");
  f.get(context.aDepth).get(context.b).get(context.bDepth);
  pushEntry(f, context.bColumns, column);
  f.get(context.c).get(context.cRows).load("i32.load").op("i32.add");
  pushEntry(f, context.cColumns, column);
  f.get(context.columnEnd).get(context.columnBegin).op("i32.sub");
  f.call(tapsMicrokernel(module, functions, numeric, {
    depth,
    run,
    accumulate: context.accumulate,
  }));
}
