/** Blocks as sums of outer products: A is packed, then each panel of B meets all panels of A. */
import type { Local } from "./assembler.ts";
import {
  emitPanelStart,
  emitRowLoop,
  emitSizes,
  emitStore,
  pushEntry,
  tileBytes,
  type UnitContext,
} from "./gemm_context.ts";
import {
  chainLength,
  outerMicrokernel,
  type OuterTile,
  spreadRows,
  type TileOutput,
} from "./gemm_micro.ts";
import { emitFor, emitIncrement } from "./gemm_numeric.ts";
import {
  aPanelBytes,
  emitPack,
  emitPackA,
  emitPackVectors,
  emitPackWholeB,
  emitPanelPointer,
  emitVectorStart,
} from "./gemm_panels.ts";
import { type GemmPlan, workspaceRow } from "./gemm_shape.ts";
import { vectorStoreFunction } from "./gemm_store.ts";
import { emitTouch } from "./gemm_touch.ts";

/** Emits one block of k of an outer plan: A is packed, then each panel of B meets all of A. */
export function emitOuterBlock(context: UnitContext): void {
  const { f, numeric, plan, column } = context;
  emitTouch(context);
  if (!plan.directA) emitPackA(context);
  if (plan.wholeB) emitPackWholeB(context);
  f.get(context.columnBegin).set(context.packedEnd);
  f.get(context.tiles).set(context.tile);
  const lastVectors = plan.columnVectors - (plan.columns.panels - 1) * plan.vectors;
  const width = plan.vectors * numeric.lanes;
  const lastColumns = plan.columns.size - (plan.columns.panels - 1) * width;
  const panel = (last: boolean) => {
    if (plan.columnRun === 0) emitPaddedPanel(context, last ? lastColumns : width);
    else emitVectorPanel(context, last ? lastVectors : plan.vectors);
  };
  const uniform = plan.columnRun > 0 ? lastVectors === plan.vectors : lastColumns === width;
  emitFor(
    f,
    context.columnPanel,
    () => f.get(context.columnBegin),
    () => f.get(context.columnEnd),
    () => {
      f.get(context.columnPanel).i32(width).op("i32.mul").set(column);
      if (plan.columns.panels === 1 || uniform) return panel(true);
      f.get(context.columnPanel).i32(plan.columns.panels - 1).op("i32.eq").if_(
        () => panel(true),
        () => panel(false),
      );
    },
  );
}

/**
 * Emits the products of a panel of B with all panels of A. `call` emits that of `count` panels; a finished tile is stored by
 * `store`, if the microkernel does not.
 */
function emitProducts(
  context: UnitContext,
  call: (rows: number, count: Local) => void,
  store: ((rows: number) => void) | undefined,
): void {
  const { f, numeric, plan } = context;
  const oneTile = store !== undefined && plan.depthBlocks === 1;
  f.get(context.aPanels).set(context.aPointer);
  if (plan.directA || oneTile) {
    const count = f.local("i32");
    f.i32(1).set(count);
    emitRowLoop(context, (rows) => {
      call(rows, count);
      if (!plan.directA) emitIncrement(f, context.aPointer, aPanelBytes(plan, numeric, rows));
      if (store === undefined) return;
      if (oneTile) return store(rows);
      f.get(context.last).if_(() => store(rows));
      emitIncrement(f, context.tile, tileBytes(plan, numeric.lanes));
    });
    return;
  }
  const tile = f.local("i32");
  f.get(context.tile).set(tile);
  emitPanelStart(f, plan.rows, context.rowBegin, context.row);
  emitSizes(f, plan.rows, context.rowBegin, context.rowEnd, (rows, count) => {
    const advance = (to: Local, bytes: number) =>
      f.get(count).i32(bytes).op("i32.mul").get(to).op("i32.add").set(to);
    call(rows, count);
    advance(context.aPointer, aPanelBytes(plan, numeric, rows));
    advance(context.row, rows);
    if (store !== undefined) advance(context.tile, tileBytes(plan, numeric.lanes));
  });
  if (store === undefined) return;
  f.get(context.last).if_(() => {
    f.get(tile).set(context.tile);
    emitRowLoop(context, (rows) => {
      store(rows);
      emitIncrement(f, context.tile, tileBytes(plan, numeric.lanes));
    });
  });
}

/** How a microkernel reads its rows of A. */
function leftSource({ plan, numeric }: UnitContext, rows: number): OuterTile["a"] {
  if (!plan.directA) return "packed";
  return rows === spreadRows && numeric.relaxed ? "spread" : "direct";
}

/** Pushes where a microkernel finds its rows of A: packed panels, or the address of each. */
function emitRows(context: UnitContext, rows: number, count: Local): void {
  const { f, numeric, plan } = context;
  if (!plan.directA) {
    f.get(context.aPointer).i32(aPanelBytes(plan, numeric, rows)).get(count);
    return;
  }
  pushEntry(f, context.aDepth, context.depthStart);
  f.load("i32.load").get(context.a).op("i32.add").set(context.aPointer);
  for (let i = 0; i < rows; i++) {
    pushEntry(f, context.aRows, context.row, i);
    f.load("i32.load").get(context.aPointer).op("i32.add");
  }
}

/** Steps of the microkernel that are written out. */
function writtenSteps(plan: GemmPlan): number {
  return plan.depthBlock >= 2 * chainLength ? 16 : 8;
}

/** Emits one panel of B whose last vector is padded with zeros, and stored column by column. */
function emitPaddedPanel(
  context: UnitContext,
  columns: number,
): void {
  const { f, module, functions, numeric, plan, column } = context;
  const vectors = Math.ceil(columns / numeric.lanes);
  const operand = {
    base: context.b,
    lanes: context.bColumns,
    depth: context.bDepth,
    firstLane: column,
    panel: context.bPointer,
  };
  emitPanelPointer(context, () => {
    emitPack(context, plan.packB, operand, columns, vectors * numeric.lanes);
  });
  const output: TileOutput = plan.compensated ? "tileCompensated" : "tile";
  const call = (rows: number, count: Local) => {
    emitRows(context, rows, count);
    f.get(context.bPointer).get(context.depth).get(context.tile).get(context.first);
    f.i32(tileBytes(plan, numeric.lanes));
    if (output !== "tile") f.get(context.chains);
    const a = leftSource(context, rows);
    const steps = writtenSteps(plan);
    const tile: OuterTile = { rows, vectors, a, b: "packed", output, halved: true, steps };
    f.call(outerMicrokernel(module, functions, numeric, tile));
  };
  emitProducts(context, call, (rows) => emitStore(context, rows, vectors, columns));
}

/** Emits one panel of whole vectors of B, packed or read in place, and stored by vectors. */
function emitVectorPanel(
  context: UnitContext,
  vectors: number,
): void {
  const { f, module, functions, numeric, plan } = context;
  const dense = plan.depthSplits > 1;
  const starts = f.locals("i32", vectors);
  const targets = f.locals("i32", vectors);
  const sources = plan.directB ? f.locals("i32", vectors) : [context.bPointer];
  if (!plan.directB) emitPackVectors(context, vectors);
  starts.forEach((start, j) => {
    emitVectorStart(context, j, start);
    f.get(context.c);
    if (dense) {
      f.get(start).i32(numeric.bytes).op("i32.mul");
    } else {
      pushEntry(f, context.cColumns, start);
      f.load("i32.load");
    }
    f.op("i32.add").set(targets[j]);
    if (plan.directB) {
      pushEntry(f, context.bColumns, start);
      f.load("i32.load").get(context.b).op("i32.add").set(sources[j]);
    }
  });
  const toMatrix = plan.depthBlocks === 1;
  const output: TileOutput = toMatrix
    ? context.accumulate ? "matrixAdd" : "matrix"
    : plan.compensated
    ? "tileCompensated"
    : "tile";
  const b = plan.directB ? "direct" : "packed";
  const call = (rows: number, count: Local) => {
    emitRows(context, rows, count);
    if (plan.directB) pushEntry(f, context.bDepth, context.depthStart);
    for (const source of sources) f.get(source);
    f.get(context.depth);
    if (toMatrix) {
      pushEntry(f, context.cRows, context.row);
      for (const target of targets) f.get(target);
    } else {
      f.get(context.tile).get(context.first).i32(tileBytes(plan, numeric.lanes));
    }
    if (output !== "tile") f.get(context.chains);
    const a = leftSource(context, rows);
    const steps = writtenSteps(plan);
    const tile: OuterTile = { rows, vectors, a, b, output, halved: true, steps };
    f.call(outerMicrokernel(module, functions, numeric, tile));
  };
  const rowBytes = workspaceRow(plan.columns.size, numeric.bytes);
  const store = (rows: number) => {
    f.get(context.tile);
    if (dense) f.i32(0);
    else pushEntry(f, context.cRows, context.row);
    for (const target of targets) {
      f.get(target);
      if (dense) f.get(context.row).i32(rowBytes).op("i32.mul").op("i32.add");
    }
    f.call(vectorStoreFunction(module, functions, numeric, {
      rows,
      vectors,
      compensated: plan.compensated,
      accumulate: context.accumulate && !dense,
      target: dense ? rowBytes : "table",
    }));
  };
  emitProducts(context, call, toMatrix ? undefined : store);
}
