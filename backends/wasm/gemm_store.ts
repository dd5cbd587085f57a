/** Writing finished tiles to C, and adding up the parts of sums over k that were computed separately. */
import type {
  FunctionBuilder,
  FunctionReference,
  Local,
  ModuleBuilder,
  ValueType,
} from "./assembler.ts";
import {
  emitFor,
  emitIncrement,
  emitStoreLanes,
  emitUnrolled,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";
import { workspaceRow } from "./gemm_shape.ts";

/** A finished tile and the part of C that it goes to. */
export interface TileStore {
  readonly rows: number;
  /** Vectors in a row of the tile. */
  readonly vectors: number;
  /** Columns that exist. */
  readonly columns: number;
  /** Whether a second tile of rounding errors follows. */
  readonly compensated: boolean;
  readonly accumulate: boolean;
  /** Through offset tables, or dense with this many bytes a row. */
  readonly target: "table" | number;
}

/** The function (tile, address, rowTable, columnTable) that stores a tile; a dense target has no tables. */
export function storeFunction(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  store: TileStore,
): FunctionReference {
  const { rows, vectors, columns, compensated, accumulate, target } = store;
  const dense = typeof target === "number";
  const key = `store ${numeric.dtype} ${rows}x${vectors} of ${columns} to ${target}${
    compensated ? " compensated" : ""
  }${accumulate ? " add" : ""}`;
  const parameters: ValueType[] = new Array<ValueType>(dense ? 2 : 4).fill("i32");
  return cache.get(module, key, parameters, (f) => {
    const tile = f.parameter(0);
    const base = f.parameter(1);
    const row = f.local("i32");
    const address = f.local("i32");
    const second = 16 * rows * vectors;
    const scalar = numeric.bytes === 4 ? "f32" : "f64";
    /** Sets `address` to that of a column of the present row, and returns the constant part of it. */
    const locate = (column: number): number => {
      if (dense) {
        f.get(row).set(address);
        return column * numeric.bytes;
      }
      f.get(row).get(f.parameter(3)).load("i32.load", 4 * column).op("i32.add").set(address);
      return 0;
    };
    for (let i = 0; i < rows; i++) {
      if (dense) f.get(base).i32(i * target).op("i32.add").set(row);
      else f.get(base).get(f.parameter(2)).load("i32.load", 4 * i).op("i32.add").set(row);
      for (let j = 0; j < columns;) {
        const at = 16 * vectors * i + numeric.bytes * j;
        const offset = locate(j);
        if (dense && j + numeric.lanes <= columns) {
          f.get(address).get(tile).load("v128.load", at);
          if (compensated) f.get(tile).load("v128.load", second + at).op(numeric.add);
          if (accumulate) f.get(address).load("v128.load", offset).op(numeric.add);
          f.store("v128.store", offset);
          j += numeric.lanes;
        } else {
          f.get(address).get(tile).load(`${scalar}.load`, at);
          if (compensated) f.get(tile).load(`${scalar}.load`, second + at).op(`${scalar}.add`);
          if (accumulate) f.get(address).load(`${scalar}.load`, offset).op(`${scalar}.add`);
          f.store(`${scalar}.store`, offset);
          j++;
        }
      }
    }
  });
}

/** A finished tile of whole vectors. */
export interface VectorStore {
  readonly rows: number;
  readonly vectors: number;
  readonly compensated: boolean;
  readonly accumulate: boolean;
  /** Through a row table, or dense with this many bytes a row. */
  readonly target: "table" | number;
}

/** The function (tile, rowTable, ...addresses) that stores a tile, given an address for each vector of columns. */
export function vectorStoreFunction(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  store: VectorStore,
): FunctionReference {
  const { rows, vectors, compensated, accumulate, target } = store;
  const key = `store ${numeric.dtype} ${rows}x${vectors} vectors to ${target}${
    compensated ? " compensated" : ""
  }${accumulate ? " add" : ""}`;
  return cache.get(module, key, new Array<ValueType>(2 + vectors).fill("i32"), (f) => {
    const [tile, rowTable] = [f.parameter(0), f.parameter(1)];
    const row = f.local("i32");
    const address = f.local("i32");
    const second = 16 * rows * vectors;
    for (let i = 0; i < rows; i++) {
      if (target === "table") f.get(rowTable).load("i32.load", 4 * i);
      else f.i32(i * target);
      f.set(row);
      for (let j = 0; j < vectors; j++) {
        const at = 16 * (vectors * i + j);
        f.get(f.parameter(2 + j)).get(row).op("i32.add").tee(address);
        f.get(tile).load("v128.load", at);
        if (compensated) f.get(tile).load("v128.load", second + at).op(numeric.add);
        if (accumulate) f.get(address).load("v128.load").op(numeric.add);
        f.store("v128.store");
      }
    }
  });
}

/** What the adding of partial sums needs to know. */
export interface PartialSums {
  readonly splits: number;
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  /** Whether C's columns are neighbours. */
  readonly contiguous: boolean;
  readonly accumulate: boolean;
}

/** Addresses that adding partial sums reads. */
export interface PartialSumTables {
  readonly workspace: Local;
  readonly c: Local;
  readonly batchTable: Local;
  readonly rowTable: Local;
  readonly columnTable: Local;
}

/** Emits the adding of one row, `index` counting rows through the batch: sums are kept in float64. */
export function emitPartialSums(
  f: FunctionBuilder,
  numeric: Numeric,
  sums: PartialSums,
  tables: PartialSumTables,
  index: Local,
): void {
  const { splits, batch, rows, columns, contiguous, accumulate } = sums;
  const { lanes } = numeric;
  const rowBytes = workspaceRow(columns, numeric.bytes);
  const [row, source, columnEntry, count, address, split] = f.locals("i32", 6);
  const [part, low, high] = f.locals("v128", 3);
  f.get(tables.c);
  f.get(tables.batchTable).get(index).i32(rows).op("i32.div_u").i32(2).op("i32.shl").op("i32.add");
  f.load("i32.load").op("i32.add");
  f.get(tables.rowTable).get(index).i32(rows).op("i32.rem_u").i32(2).op("i32.shl").op("i32.add");
  f.load("i32.load").op("i32.add").set(row);
  f.get(tables.workspace).get(index).i32(rowBytes).op("i32.mul").op("i32.add");
  f.set(source);
  f.get(tables.columnTable).set(columnEntry);
  /** Sets `address` to that of a column of C. */
  const locate = (lane: number): void => {
    f.get(row).get(columnEntry).load("i32.load", 4 * lane).op("i32.add").set(address);
  };
  /** Adds the vector in `part` to the sums. */
  const addPart = (): void => {
    if (numeric.bytes === 8) {
      f.get(low).get(part).op("f64x2.add").set(low);
      return;
    }
    f.get(low).get(part).op("f64x2.promote_low_f32x4").op("f64x2.add").set(low);
    f.get(high).get(part).get(part).shuffle32([2, 3, 2, 3]).op("f64x2.promote_low_f32x4");
    f.op("f64x2.add").set(high);
  };
  const step = (used: number): void => {
    f.f64x2Splat(0).tee(low).set(high);
    if (accumulate) {
      f.i32x4Splat(0).set(part);
      for (let lane = 0; lane < used; lane++) {
        locate(lane);
        f.get(address).get(part).loadLane(numeric.loadLane, lane).set(part);
      }
      addPart();
    }
    f.get(source).set(address);
    emitFor(f, split, () => f.i32(0), () => f.i32(splits), () => {
      // The last vector reads beyond its row, and at most a vector beyond the workspace.
      f.get(address).load("v128.load").set(part);
      addPart();
      f.get(address).i32(batch * rows * rowBytes).op("i32.add").set(address);
    });
    if (numeric.bytes === 4) {
      f.get(low).op("f32x4.demote_f64x2_zero").get(high).op("f32x4.demote_f64x2_zero");
      f.shuffle32([0, 1, 4, 5]).set(low);
    }
    if (contiguous) {
      locate(0);
      emitStoreLanes(f, numeric, address, 0, low, used);
      return;
    }
    for (let lane = 0; lane < used; lane++) {
      locate(lane);
      f.get(address).get(low).storeLane(numeric.storeLane, lane);
    }
  };
  f.i32(Math.floor(columns / lanes)).set(count);
  emitUnrolled(f, count, 1, () => step(lanes), () => {
    emitIncrement(f, source, 16);
    emitIncrement(f, columnEntry, 4 * lanes);
  });
  if (columns % lanes > 0) step(columns % lanes);
}
