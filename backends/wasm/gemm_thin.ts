/**
 * Products of many rows that are contiguous along k with a few columns: A is read where it stands, a vector of k at a time.
 *
 * A tile of few columns would leave most of a vector of columns empty, and spread A's elements one by one. So vectors lie along k:
 * B, which is small, is copied so that four of its k stand together for each column, and a tile of six rows by two columns holds
 * a vector for each of its sums. Six rows are followed from one end to the other, as memory likes to be read. Sums across lanes
 * come at the end.
 */
import type { FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { emitRowLoop, emitStore, pushEntry, tileBytes, type UnitContext } from "./gemm_context.ts";
import { emitLaneSums } from "./gemm_dot.ts";
import {
  emitAdd,
  emitGatherLane,
  emitIncrement,
  emitLoadLanes,
  emitOuterStep,
  emitUnrolled,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";
import { emitTranspose } from "./gemm_pack.ts";
import { balancedSplit, type GemmPlan, type Split } from "./gemm_shape.ts";

/** Most columns. */
export const thinColumns = 12;
/** Vectors that are added up in registers before the next columns have their turn, while the first-level cache still has the rows. */
const chainVectors = 48;
/** Bytes of B that stay in the second-level cache. */
const blockBytes = 1 << 17;

/** Rows of a tile, and the most columns of its panels: as many sums as fit into the registers. */
export function thinTile(n: number): { rows: number; columns: Split } {
  const [rows, columns] = n === 3 ? [3, 3] : [6, 2];
  return { rows, columns: balancedSplit(n, columns) };
}

/** Most terms of a block of a sum. */
export function thinDepth(n: number, bytes: number): number {
  return Math.floor(blockBytes / (n * bytes));
}

/** Bytes of a copy of B's block, and of the vectors of a tile's sums. */
export function thinBytes(plan: GemmPlan, lanes: number): { panel: number; sums: number } {
  const columns = plan.columns.size;
  return {
    panel: 16 * columns * Math.ceil(plan.depthBlock / lanes),
    sums: 16 * plan.rows.largest * columns,
  };
}

/**
 * The function (base, depthTable, columnTable, depth, destination) that copies a block of B: for every vector of k, a vector for
 * each column, filled up with zeros.
 */
function packThin(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  columns: number,
  along: "depth" | "columns" | "neither",
): FunctionReference {
  const key = `pack thin ${numeric.dtype} ${columns} ${along}`;
  return cache.get(module, key, new Array<"i32">(5).fill("i32"), (f) => {
    const [base, depthTable, columnTable, depth, destination] = [0, 1, 2, 3, 4].map((i) =>
      f.parameter(i)
    );
    const { lanes, bytes } = numeric;
    const [address, row] = f.locals("i32", 2);
    const pointers = along === "columns" ? [] : f.locals("i32", columns);
    const vectors = f.locals("v128", lanes);
    const spare = f.locals("v128", lanes);
    pointers.forEach((pointer, j) => {
      f.get(columnTable).load("i32.load", 4 * j).get(base).op("i32.add").set(pointer);
    });
    /** Copies a vector of k, of which so many exist. */
    const step = (used: number) => {
      if (along === "depth") {
        f.get(depthTable).load("i32.load").set(row);
        pointers.forEach((pointer, j) => {
          f.get(pointer).get(row).op("i32.add").set(address);
          emitLoadLanes(f, numeric, address, vectors[0], used);
          f.get(destination).get(vectors[0]).store("v128.store", 16 * j);
        });
        return;
      }
      for (let first = 0; first < columns; first += lanes) {
        const count = Math.min(lanes, columns - first);
        vectors.forEach((vector, d) => {
          if (d >= used) {
            f.i32x4Splat(0).set(vector);
            return;
          }
          f.get(depthTable).load("i32.load", 4 * d).set(row);
          if (along === "columns") {
            f.get(base).get(row).op("i32.add");
            emitAdd(f, bytes * first);
            f.set(address);
            emitLoadLanes(f, numeric, address, vector, count);
            return;
          }
          for (let j = 0; j < count; j++) {
            f.get(pointers[first + j]).get(row).op("i32.add");
            emitGatherLane(f, numeric, vector, j);
          }
        });
        emitTranspose(f, numeric, vectors, spare);
        for (let j = 0; j < count; j++) {
          f.get(destination).get(vectors[j]).store("v128.store", 16 * (first + j));
        }
      }
    };
    const left = () => f.get(depth).i32(lanes).op("i32.ge_s");
    left().if_(() => {
      f.loop((again) => {
        step(lanes);
        emitIncrement(f, depthTable, 4 * lanes);
        emitIncrement(f, destination, 16 * columns);
        f.get(depth).i32(lanes).op("i32.sub").set(depth);
        left().brIf(again);
      });
    });
    for (let used = 1; used < lanes; used++) {
      f.get(depth).i32(used).op("i32.eq").if_(() => step(used));
    }
  });
}

/**
 * The function (b, depth, sums, tile, first, ...rows) that multiplies rows, from those addresses on, with all columns: results
 * are stored to the tile, or added to what it holds. `sums` is a place for their vectors.
 */
function thinMicrokernel(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  rows: number,
  columns: number,
): FunctionReference {
  const key = `thin ${numeric.dtype}${numeric.relaxed ? " relaxed" : ""} ${rows}x${columns}`;
  return cache.get(module, key, new Array<"i32">(5 + rows).fill("i32"), (f) => {
    const [b, depth, store, tile, first] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
    const pointers = Array.from({ length: rows }, (_, i) => f.parameter(5 + i));
    const { lanes } = numeric;
    const { panels: count, small, extra, largest: width } = thinTile(columns).columns;
    const [position, begin, source, chain, left, later, address] = f.locals("i32", 7);
    const sums = Array.from({ length: rows }, () => f.locals("v128", width));
    const held = f.locals("v128", Math.min(rows, width));
    const streamed = f.local("v128");
    const panels = Array.from({ length: count }, (_, p) => ({
      start: p * small + Math.min(p, extra),
      size: small + (p < extra ? 1 : 0),
    }));
    const step = ({ size }: { size: number }, u: number, used: number) => {
      const loadRight = (j: number, to: Local) => {
        f.get(source);
        emitAdd(f, 16 * (u * columns + j));
        f.load("v128.load").set(to);
      };
      const loadLeft = (i: number, to: Local) => {
        f.get(pointers[i]).get(position).op("i32.add");
        emitAdd(f, 16 * u);
        f.set(address);
        emitLoadLanes(f, numeric, address, to, used);
      };
      const tile = { sums: sums.map((row) => row.slice(0, size)), held, streamed };
      emitOuterStep(f, numeric, tile, loadLeft, loadRight);
    };
    /** Adds what `body` sums for each panel of columns to the vectors in memory, unless nothing was there before. */
    const addPanels = (body: (panel: { start: number; size: number }) => void) => {
      for (const panel of panels) {
        const used = sums.map((row) => row.slice(0, panel.size));
        for (const sum of used.flat()) f.i32x4Splat(0).set(sum);
        f.get(begin).set(position);
        f.get(b);
        emitAdd(f, 16 * panel.start);
        f.set(source);
        body(panel);
        const each = (visit: (sum: Local, at: number) => void) =>
          used.forEach((row, i) =>
            row.forEach((sum, j) => visit(sum, 16 * (i * columns + panel.start + j)))
          );
        f.get(later).if_(() => {
          each((sum, at) => {
            f.get(sum).get(store).load("v128.load", at).op(numeric.add).set(sum);
          });
        });
        each((sum, at) => f.get(store).get(sum).store("v128.store", at));
      }
      f.i32(1).set(later);
    };
    f.get(depth).i32(Math.log2(lanes)).op("i32.shr_u").set(left);
    f.get(left).if_(() => {
      f.loop((again) => {
        addPanels((panel) => {
          f.get(left).i32(chainVectors).get(left).i32(chainVectors).op("i32.lt_s").select();
          f.set(chain);
          emitUnrolled(f, chain, 4, (u) => step(panel, u, lanes), (steps) => {
            emitIncrement(f, position, 16 * steps);
            emitIncrement(f, source, 16 * columns * steps);
          });
        });
        emitIncrement(f, begin, 16 * chainVectors);
        emitIncrement(f, b, 16 * columns * chainVectors);
        f.get(left).i32(chainVectors).op("i32.sub").tee(left).i32(0).op("i32.gt_s").brIf(again);
      });
      // Back to where the last chain ended.
      f.get(begin).get(left).i32(4).op("i32.shl").op("i32.add").set(begin);
      f.get(b).get(left).i32(16 * columns).op("i32.mul").op("i32.add").set(b);
    });
    for (let used = 1; used < lanes; used++) {
      f.get(depth).i32(lanes - 1).op("i32.and").i32(used).op("i32.eq").if_(() => {
        addPanels((panel) => step(panel, 0, used));
      });
    }
    const four = f.locals("v128", lanes);
    const result = f.local("v128");
    const vectors = Math.ceil(columns / lanes);
    for (let i = 0; i < rows; i++) {
      for (let v = 0; v < vectors; v++) {
        const used = four.slice(0, Math.min(lanes, columns - v * lanes));
        used.forEach((sum, j) => {
          f.get(store).load("v128.load", 16 * (i * columns + v * lanes + j)).set(sum);
        });
        emitLaneSums(f, numeric, used);
        f.set(result);
        const at = 16 * (i * vectors + v);
        f.get(first).op("i32.eqz").if_(() => {
          f.get(result).get(tile).load("v128.load", at).op(numeric.add).set(result);
        });
        f.get(tile).get(result).store("v128.store", at);
      }
    }
  });
}

/** Emits one block of k of a thin plan. */
export function emitThinBlock(context: UnitContext): void {
  const { f, module, functions, numeric, plan } = context;
  const columns = plan.columns.size;
  const along = plan.packB === "depth" ? "depth" : plan.packB === "lanes" ? "columns" : "neither";
  f.get(context.b);
  pushEntry(f, context.bDepth, context.depthStart);
  f.get(context.bColumns).get(context.depth).get(context.bPanel);
  f.call(packThin(module, functions, numeric, columns, along));
  f.i32(0).set(context.column);
  f.get(context.tiles).set(context.tile);
  emitRowLoop(context, (rows) => {
    f.get(context.bPanel).get(context.depth).get(context.chains);
    f.get(context.tile).get(context.first);
    for (let i = 0; i < rows; i++) {
      pushEntry(f, context.aRows, context.row, i);
      f.load("i32.load").get(context.a).op("i32.add");
      pushEntry(f, context.aDepth, context.depthStart);
      f.load("i32.load").op("i32.add");
    }
    f.call(thinMicrokernel(module, functions, numeric, rows, columns));
    f.get(context.last).if_(() => {
      emitStore(context, rows, Math.ceil(columns / numeric.lanes), columns);
    });
    if (plan.depthBlocks > 1) emitIncrement(f, context.tile, tileBytes(plan, numeric.lanes));
  });
}
