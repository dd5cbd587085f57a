/** What the parts of the code of one block of a matrix product share. */
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import {
  emitAdd,
  emitFor,
  emitIncrement,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";
import { type GemmPlan, type Split, workspaceRow } from "./gemm_shape.ts";
import { storeFunction, type TileStore } from "./gemm_store.ts";

/** Everything that the parts of one unit's code share. */
export interface UnitContext {
  readonly f: FunctionBuilder;
  readonly module: ModuleBuilder;
  readonly functions: FunctionCache;
  readonly numeric: Numeric;
  readonly plan: GemmPlan;
  readonly accumulate: boolean;
  /** Addresses of this unit's matrices, and of its tables. */
  readonly a: Local;
  readonly b: Local;
  readonly c: Local;
  readonly aRows: Local;
  readonly aDepth: Local;
  readonly bDepth: Local;
  readonly bColumns: Local;
  readonly cRows: Local;
  readonly cColumns: Local;
  /** Ranges of panels. */
  readonly rowPanel: Local;
  readonly rowBegin: Local;
  readonly rowEnd: Local;
  readonly columnPanel: Local;
  readonly columnBegin: Local;
  readonly columnEnd: Local;
  /** First row and column of the present panels. */
  readonly row: Local;
  readonly column: Local;
  /** First k and length of the present block, and whether it is the first or the last of its sum. */
  readonly depthStart: Local;
  readonly depth: Local;
  readonly first: Local;
  readonly last: Local;
  /** Scratch: packed A, the panel of B, a tile for the microkernel, and tiles. */
  readonly aPanels: Local;
  readonly bPanel: Local;
  readonly chains: Local;
  readonly tiles: Local;
  readonly aPointer: Local;
  readonly tile: Local;
  /** Which panels of B stand packed, from `packedBegin`, and where the present one is. */
  readonly packedBegin: Local;
  readonly packedEnd: Local;
  readonly bPointer: Local;
}

/** Pushes the address of an entry of an offset table: the index in a local plus a constant. */
export function pushEntry(f: FunctionBuilder, table: Local, index: Local, plus = 0): void {
  f.get(table).get(index).i32(2).op("i32.shl").op("i32.add");
  emitAdd(f, 4 * plus);
}

/** Sets a local to the first index of a panel. */
export function emitPanelStart(f: FunctionBuilder, split: Split, panel: Local, to: Local): void {
  f.get(panel).i32(split.small).op("i32.mul");
  if (split.extra > 0) {
    f.get(panel).i32(split.extra).get(panel).i32(split.extra).op("i32.lt_u").select();
    f.op("i32.add");
  }
  f.set(to);
}

/** Emits a body for each of the two sizes that panels of a balanced split may have. */
export function emitBySize(
  f: FunctionBuilder,
  split: Split,
  panel: Local,
  body: (size: number) => void,
): void {
  if (split.extra === 0) return body(split.small);
  f.get(panel).i32(split.extra).op("i32.lt_u").if_(
    () => body(split.small + 1),
    () => body(split.small),
  );
}

/** Emits a body for each size of the panels in a range, given how many there are: larger panels come first. */
export function emitSizes(
  f: FunctionBuilder,
  { panels, small, extra }: Split,
  begin: Local,
  end: Local,
  body: (size: number, count: Local) => void,
): void {
  const count = f.local("i32");
  /** Pushes the smaller, or larger, of a local and `extra`. */
  const bounded = (local: Local, comparison: "i32.lt_u" | "i32.gt_u") =>
    f.get(local).i32(extra).get(local).i32(extra).op(comparison).select();
  const emit = (size: number) => {
    f.op("i32.sub").tee(count).i32(0).op("i32.gt_s").if_(() => body(size, count));
  };
  if (extra > 0) {
    bounded(end, "i32.lt_u").get(begin);
    emit(small + 1);
  }
  if (panels > extra) {
    f.get(end);
    bounded(begin, "i32.gt_u");
    emit(small);
  }
}

/** Bytes of the largest tile, with its second half when sums are compensated. */
export function tileBytes(plan: GemmPlan, lanes: number): number {
  const vectors = plan.kind === "outer" || plan.kind === "short"
    ? plan.vectors
    : Math.ceil(plan.columns.largest / lanes);
  return 16 * plan.rows.largest * vectors * (plan.compensated ? 2 : 1);
}

/** Emits the storing of a finished tile at the present row and column. */
export function emitStore(
  context: UnitContext,
  rows: number,
  vectors: number,
  columns: number,
): void {
  const { f, module, functions, numeric, plan } = context;
  const dense = plan.depthSplits > 1;
  const store: TileStore = {
    rows,
    vectors,
    columns,
    compensated: plan.compensated,
    accumulate: context.accumulate && !dense,
    target: dense ? workspaceRow(plan.columns.size, numeric.bytes) : "table",
  };
  f.get(context.tile);
  if (dense) {
    f.get(context.c).get(context.row);
    f.i32(workspaceRow(plan.columns.size, numeric.bytes)).op("i32.mul").op("i32.add");
    f.get(context.column).i32(numeric.bytes).op("i32.mul").op("i32.add");
  } else {
    f.get(context.c);
    pushEntry(f, context.cRows, context.row);
    pushEntry(f, context.cColumns, context.column);
  }
  f.call(storeFunction(module, functions, numeric, store));
}

/** Emits a loop over this unit's panels of rows, with the pointers that move along. */
export function emitRowLoop(context: UnitContext, body: (rows: number) => void): void {
  const { f, plan, rowPanel } = context;
  emitPanelStart(f, plan.rows, context.rowBegin, context.row);
  emitFor(f, rowPanel, () => f.get(context.rowBegin), () => f.get(context.rowEnd), () => {
    emitBySize(f, plan.rows, rowPanel, (rows) => {
      body(rows);
      emitIncrement(f, context.row, rows);
    });
  });
}
