/**
 * Products with short sums, over k up to 32.
 *
 * A tile is then finished in so little time that storing it matters. All of a unit's part of B is packed, and each panel of A
 * meets it from one end to the other, so that a few rows of C are written in order, while the other order would come back to
 * every line of C, and to as many pages as it has rows. Sums are written out.
 */
import type { FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { emitRowLoop, pushEntry, type UnitContext } from "./gemm_context.ts";
import { emitWrittenSums } from "./gemm_micro.ts";
import {
  emitAdd,
  emitFor,
  emitIncrement,
  emitOuterStep,
  emitPackedFactor,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";
import { bPanelBytes, emitPackA, emitPackVectors, emitVectorStart } from "./gemm_panels.ts";
import type { GemmPlan } from "./gemm_shape.ts";
import { emitTouch } from "./gemm_touch.ts";

/** Longest sums. With 64 terms the gain is 2 %. */
export const shortDepth = 32;
/** Bytes of B that stay in the second-level cache beside what streams through. */
const blockBytes = 1 << 18;

/** Columns of a block. */
export function shortColumns(k: number, lanes: number): number {
  return Math.floor(blockBytes * lanes / (16 * k));
}

/** Bytes of a unit's offsets of C's vectors. */
export function shortOffsetBytes(plan: GemmPlan): number {
  return 4 * plan.vectors * Math.ceil(plan.columns.panels / plan.columnBlocks);
}

interface ShortTile {
  readonly rows: number;
  readonly vectors: number;
  readonly k: number;
  readonly accumulate: boolean;
}

/**
 * The function (a, b, count, c, rowTable, offsets, tile) that multiplies a panel of A with `count` panels of B: C's rows stand at
 * `c` plus entries of the row table, and the vectors of each tile at the next offsets from there. `tile` is a place for the first of
 * two chains.
 */
function shortMicrokernel(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  { rows, vectors, k, accumulate }: ShortTile,
): FunctionReference {
  const key = `short ${numeric.dtype}${
    numeric.relaxed ? " relaxed" : ""
  } ${rows}x${vectors} by ${k}${accumulate ? " add" : ""}`;
  return cache.get(module, key, new Array<"i32">(7).fill("i32"), (f) => {
    const [a, b, count, c, rowTable, offsets, tile] = [0, 1, 2, 3, 4, 5, 6].map((i) =>
      f.parameter(i)
    );
    const targets = f.locals("i32", rows);
    const starts = f.locals("i32", vectors);
    const address = f.local("i32");
    const sums = Array.from({ length: rows }, () => f.locals("v128", vectors));
    const held = f.locals("v128", Math.min(rows, vectors));
    const [streamed, factors] = f.locals("v128", 2);
    targets.forEach((target, i) => {
      f.get(rowTable).load("i32.load", 4 * i).get(c).op("i32.add").set(target);
    });
    const step = (u: number) => {
      const loadLeft = (i: number, to: Local) => {
        const push = (bytes: number) => {
          f.get(a);
          emitAdd(f, numeric.bytes * u * rows + bytes);
        };
        emitPackedFactor(f, numeric, rows, i, push, factors, to);
      };
      const loadRight = (j: number, to: Local) => {
        f.get(b);
        emitAdd(f, 16 * (u * vectors + j));
        f.load("v128.load").set(to);
      };
      emitOuterStep(f, numeric, { sums, held, streamed }, loadLeft, loadRight);
    };
    f.loop((next) => {
      emitWrittenSums(f, numeric, sums.flat(), k, tile, 0, step);
      emitIncrement(f, b, 16 * vectors * k);
      starts.forEach((start, j) => f.get(offsets).load("i32.load", 4 * j).set(start));
      sums.forEach((row, i) =>
        row.forEach((sum, j) => {
          f.get(targets[i]).get(starts[j]).op("i32.add").tee(address).get(sum);
          if (accumulate) f.get(address).load("v128.load").op(numeric.add);
          f.store("v128.store");
        })
      );
      emitIncrement(f, offsets, 4 * vectors);
      f.get(count).i32(1).op("i32.sub").tee(count).brIf(next);
    });
  });
}

/** Emits a unit of a short plan. */
export function emitShort(context: UnitContext, k: number): void {
  const { f, module, functions, numeric, plan, columnPanel, columnBegin, columnEnd } = context;
  const { vectors } = plan;
  const lastVectors = plan.columnVectors - (plan.columns.panels - 1) * vectors;
  const uneven = lastVectors < vectors;
  const [panels, start, offset] = f.locals("i32", 3);
  emitTouch(context);
  f.get(context.bPanel).set(panels);
  f.get(context.tiles).set(offset);
  f.get(columnBegin).set(context.packedEnd);
  const pack = (count: number) => {
    emitPackVectors(context, count);
    for (let j = 0; j < count; j++) {
      emitVectorStart(context, j, start);
      f.get(offset);
      pushEntry(f, context.cColumns, start);
      f.load("i32.load").store("i32.store", 4 * j);
    }
    emitIncrement(f, offset, 4 * count);
  };
  emitFor(f, columnPanel, () => f.get(columnBegin), () => f.get(columnEnd), () => {
    // Where the panels that are packed together go.
    f.get(columnPanel).get(context.packedEnd).op("i32.ge_u").if_(() => {
      f.get(columnPanel).get(columnBegin).op("i32.sub").i32(bPanelBytes(plan)).op("i32.mul");
      f.get(panels).op("i32.add").set(context.bPanel);
    });
    if (!uneven) return pack(vectors);
    f.get(columnPanel).i32(plan.columns.panels - 1).op("i32.eq").if_(
      () => pack(lastVectors),
      () => pack(vectors),
    );
  });
  f.get(panels).set(context.bPanel);
  emitPackA(context);
  const [full, more] = f.locals("i32", 2);
  f.get(columnEnd).get(columnBegin).op("i32.sub").set(full);
  if (uneven) {
    f.get(columnEnd).i32(plan.columns.panels).op("i32.eq").set(more);
    f.get(full).get(more).op("i32.sub").set(full);
  }
  f.get(context.aPanels).set(context.aPointer);
  emitRowLoop(context, (rows) => {
    const call = (width: number, count: () => void, first: (bytes: number) => void) => {
      f.get(context.aPointer).get(panels);
      first(bPanelBytes(plan));
      count();
      f.get(context.c);
      pushEntry(f, context.cRows, context.row);
      f.get(context.tiles);
      first(4 * vectors);
      f.get(context.chains);
      f.call(shortMicrokernel(module, functions, numeric, {
        rows,
        vectors: width,
        k,
        accumulate: context.accumulate,
      }));
    };
    f.get(full).if_(() => call(vectors, () => f.get(full), () => {}));
    if (uneven) {
      f.get(more).if_(() =>
        call(lastVectors, () => f.i32(1), (bytes) => {
          f.get(full).i32(bytes).op("i32.mul").op("i32.add");
        })
      );
    }
    emitIncrement(f, context.aPointer, rows * k * numeric.bytes);
  });
}
