/** Writing finished tiles to C, and adding up the parts of sums over k that were computed separately. */
import type {
  FunctionBuilder,
  FunctionReference,
  Local,
  ModuleBuilder,
  ValueType,
} from "./assembler.ts";
import { emitFor, type FunctionCache, type Numeric } from "./gemm_numeric.ts";

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
  const { splits, batch, rows, columns, accumulate } = sums;
  const row = f.local("i32");
  const column = f.local("i32");
  const source = f.local("i32");
  const address = f.local("i32");
  const split = f.local("i32");
  const total = f.local("f64");
  const load = (from: Local) => {
    if (numeric.bytes === 4) f.get(from).load("f32.load").op("f64.promote_f32");
    else f.get(from).load("f64.load");
  };
  f.get(tables.c);
  f.get(tables.batchTable).get(index).i32(rows).op("i32.div_u").i32(2).op("i32.shl").op("i32.add");
  f.load("i32.load").op("i32.add");
  f.get(tables.rowTable).get(index).i32(rows).op("i32.rem_u").i32(2).op("i32.shl").op("i32.add");
  f.load("i32.load").op("i32.add").set(row);
  emitFor(f, column, () => f.i32(0), () => f.i32(columns), () => {
    f.get(tables.workspace);
    f.get(index).i32(columns).op("i32.mul").get(column).op("i32.add");
    f.i32(numeric.bytes).op("i32.mul").op("i32.add").set(source);
    f.get(row);
    f.get(tables.columnTable).get(column).i32(2).op("i32.shl").op("i32.add").load("i32.load");
    f.op("i32.add").set(address);
    if (accumulate) load(address);
    else f.f64(0);
    f.set(total);
    emitFor(f, split, () => f.i32(0), () => f.i32(splits), () => {
      f.get(total);
      load(source);
      f.op("f64.add").set(total);
      f.get(source).i32(batch * rows * columns * numeric.bytes).op("i32.add").set(source);
    });
    f.get(address).get(total);
    if (numeric.bytes === 4) f.op("f32.demote_f64").store("f32.store");
    else f.store("f64.store");
  });
}
