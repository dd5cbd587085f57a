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
import { emitAdd, emitFor, emitIncrement, type Numeric } from "./gemm_numeric.ts";
import {
  emitPairAddress,
  fiveLanes,
  isPairs,
  packFiveFunction,
  packFunction,
  packPanelsFunction,
  type PackPiece,
  type PackSource,
  packWideFunction,
} from "./gemm_pack.ts";
import { type GemmPlan, workspaceRow } from "./gemm_shape.ts";
import { vectorStoreFunction } from "./gemm_store.ts";
import { emitTouch } from "./gemm_touch.ts";

/** Emits the call of a packing function for each group of lanes of a panel. */
function emitPack(
  context: UnitContext,
  source: PackSource,
  operand: { base: Local; lanes: Local; depth: Local; firstLane: Local; panel: Local },
  lanes: number,
  width: number,
): void {
  const { f, module, functions, numeric } = context;
  if (source === "depth" && lanes === fiveLanes && width === lanes && numeric.bytes === 4) {
    f.get(operand.base);
    pushEntry(f, operand.lanes, operand.firstLane);
    pushEntry(f, operand.depth, context.depthStart);
    f.get(context.depth).get(operand.panel);
    f.call(packFiveFunction(module, functions, numeric));
    return;
  }
  for (let group = 0; group < width; group += numeric.lanes) {
    const pack = packFunction(module, functions, numeric, {
      source,
      lanes: Math.min(numeric.lanes, lanes - group),
      width: Math.min(numeric.lanes, width - group),
      stride: width * numeric.bytes,
    });
    f.get(operand.base);
    pushEntry(f, operand.lanes, operand.firstLane, group);
    pushEntry(f, operand.depth, context.depthStart);
    f.get(context.depth).get(operand.panel);
    emitAdd(f, group * numeric.bytes);
    f.call(pack);
  }
}

/** Panels of B that have a place in scratch memory: those packed together, or the unit's part of B. */
export function packedColumnPanels(plan: GemmPlan): number {
  return plan.wholeB || plan.kind === "short"
    ? Math.ceil(plan.columns.panels / plan.columnBlocks)
    : wideColumnPanels(plan);
}

/** Panels of neighbouring columns of B that are packed together: eight vectors, two cache lines. */
function wideColumnPanels(plan: GemmPlan): number {
  const packs = plan.kind === "short" || (plan.kind === "outer" && !plan.directB);
  if (!packs || plan.packB !== "lanes" && !isPairs(plan.packB) || plan.columnRun === 0) {
    return 1;
  }
  return Math.min(Math.max(1, Math.floor(8 / plan.vectors)), plan.columns.panels);
}

/** Bytes of a packed panel of A. */
function aPanelBytes(plan: GemmPlan, numeric: Numeric, rows: number): number {
  return rows * plan.depthBlock * numeric.bytes;
}

/** Bytes of a packed panel of B. */
export function bPanelBytes(plan: GemmPlan): number {
  return 16 * plan.vectors * plan.depthBlock;
}

/** Emits the packing of all of a unit's rows of A for one block of k. */
export function emitPackA(context: UnitContext): void {
  const { f, module, functions, numeric, plan } = context;
  f.get(context.aPanels).set(context.aPointer);
  if (plan.packA !== "lanes") {
    return emitRowLoop(context, (rows) => {
      const operand = {
        base: context.a,
        lanes: context.aRows,
        depth: context.aDepth,
        firstLane: context.row,
        panel: context.aPointer,
      };
      emitPack(context, plan.packA, operand, rows, rows);
      emitIncrement(f, context.aPointer, aPanelBytes(plan, numeric, rows));
    });
  }
  emitPanelStart(f, plan.rows, context.rowBegin, context.row);
  emitSizes(f, plan.rows, context.rowBegin, context.rowEnd, (rows, count) => {
    const bytes = aPanelBytes(plan, numeric, rows);
    pushEntry(f, context.aRows, context.row);
    f.load("i32.load").get(context.a).op("i32.add");
    pushEntry(f, context.aDepth, context.depthStart);
    f.get(context.depth).get(context.aPointer).get(count);
    f.call(packPanelsFunction(module, functions, numeric, rows, bytes));
    f.get(count).i32(bytes).op("i32.mul").get(context.aPointer).op("i32.add");
    f.set(context.aPointer);
    f.get(count).i32(rows).op("i32.mul").get(context.row).op("i32.add").set(context.row);
  });
}

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

/** Panels at the begin of B's columns that are full, and whose vectors do not overlap. */
function plainPanels(plan: GemmPlan, numeric: Numeric): number {
  return Math.floor(plan.columns.size / (plan.vectors * numeric.lanes));
}

/** Emits the packing of all full panels of a unit's part of B. */
function emitPackWholeB(context: UnitContext): void {
  const { f, module, functions, numeric, plan, column } = context;
  const panels = f.local("i32");
  const width = plan.vectors * numeric.lanes;
  f.i32(plainPanels(plan, numeric)).get(context.columnEnd);
  f.i32(plainPanels(plan, numeric)).get(context.columnEnd).op("i32.lt_s").select();
  f.get(context.columnBegin).op("i32.sub").tee(panels).i32(0).op("i32.gt_s").if_(() => {
    f.get(context.columnBegin).i32(width).op("i32.mul").set(column);
    pushEntry(f, context.bColumns, column);
    f.load("i32.load").get(context.b).op("i32.add");
    pushEntry(f, context.bDepth, context.depthStart);
    f.get(context.depth).get(context.bPanel).get(panels);
    f.call(packPanelsFunction(module, functions, numeric, width, bPanelBytes(plan)));
  });
}

/** Sets `bPointer` to the present panel of B, and emits its packing unless it is packed already. */
function emitPanelPointer(context: UnitContext, pack: () => void): void {
  const { f, numeric, plan, columnPanel } = context;
  if (!plan.wholeB) {
    f.get(context.bPanel).set(context.bPointer);
    return pack();
  }
  f.get(columnPanel).get(context.columnBegin).op("i32.sub").i32(bPanelBytes(plan)).op("i32.mul");
  f.get(context.bPanel).op("i32.add").set(context.bPointer);
  f.get(columnPanel).i32(plainPanels(plan, numeric)).op("i32.ge_s").if_(pack);
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

/** Sets a local to the first column of a vector, counted from the start of the present panel. */
export function emitVectorStart(context: UnitContext, vector: number, to: Local): void {
  const { f, numeric, plan } = context;
  const { columnRun: run, columns: { size } } = plan;
  const { lanes } = numeric;
  const push = () => {
    f.get(context.columnPanel).i32(plan.vectors).op("i32.mul");
    emitAdd(f, vector);
  };
  if (run % lanes === 0) {
    push();
    f.i32(lanes).op("i32.mul").set(to);
    return;
  }
  const inRun = Math.ceil(run / lanes);
  push();
  if (run < size) f.i32(inRun).op("i32.rem_u");
  f.i32(lanes).op("i32.mul").tee(to).i32(run - lanes);
  f.get(to).i32(run - lanes).op("i32.lt_u").select();
  if (run < size) {
    push();
    f.i32(inRun).op("i32.div_u").i32(run).op("i32.mul").op("i32.add");
  }
  f.set(to);
}

/** Emits the packing of a panel of whole vectors of B, unless it was packed together with the one before. */
export function emitPackVectors(context: UnitContext, vectors: number): void {
  const { f, module, functions, numeric, plan, columnPanel } = context;
  const group = wideColumnPanels(plan);
  const start = f.local("i32");
  const packOne = () => {
    for (let j = 0; j < vectors; j++) {
      const pack = packFunction(module, functions, numeric, {
        source: plan.packB,
        lanes: numeric.lanes,
        width: numeric.lanes,
        stride: 16 * vectors,
      });
      emitVectorStart(context, j, start);
      f.get(context.b);
      pushEntry(f, context.bColumns, start);
      pushEntry(f, context.bDepth, context.depthStart);
      f.get(context.depth).get(context.bPointer);
      emitAdd(f, 16 * j);
      f.call(pack);
    }
  };
  if (plan.wholeB || group === 1 || vectors < plan.vectors) {
    return emitPanelPointer(context, packOne);
  }
  f.get(context.bPanel).set(context.bPointer);
  const pairs = isPairs(plan.packB) ? plan.packB : undefined;
  const packGroup = () => {
    const count = group * vectors;
    const firsts = f.locals("i32", count);
    const seconds = f.locals("i32", pairs === undefined ? 0 : count);
    const [address, crosses] = f.locals("i32", 2);
    f.i32(0).set(crosses);
    firsts.forEach((first, j) => {
      const lane = (plus: number) => {
        pushEntry(f, context.bColumns, start, plus);
        return f.load("i32.load").get(context.b).op("i32.add");
      };
      emitVectorStart(context, j, start);
      lane(0).set(first);
      if (pairs === undefined) return;
      lane(2).tee(address);
      emitPairAddress(f, pairs);
      f.set(seconds[j]);
      f.get(address).get(first).op("i32.sub").i32(8).op("i32.ne").get(crosses).op("i32.or");
      f.set(crosses);
    });
    const pack = (as: "pairs" | "spacedPairs" | undefined) => {
      const pieces = firsts.map((_, j): PackPiece => {
        const panel = Math.floor(j / vectors);
        const at = panel * bPanelBytes(plan) + 16 * (j - panel * vectors);
        return { lanes: numeric.lanes, at, pairs: as };
      });
      pushEntry(f, context.bDepth, context.depthStart);
      f.get(context.depth).get(context.bPanel);
      firsts.forEach((first, j) => {
        f.get(first);
        if (as !== undefined) f.get(seconds[j]);
      });
      f.call(packWideFunction(module, functions, numeric, pieces, 16 * vectors));
    };
    if (pairs === "pairs") f.get(crosses).if_(() => pack(pairs), () => pack(undefined));
    else pack(pairs);
  };
  const fullPanels = Math.floor(plan.columnVectors / plan.vectors);
  f.get(columnPanel).get(context.packedEnd).op("i32.ge_u").if_(() => {
    f.get(columnPanel).set(context.packedBegin);
    f.get(columnPanel).i32(group).op("i32.add").tee(context.packedEnd);
    f.get(context.columnEnd).op("i32.gt_u");
    f.get(context.packedEnd).i32(fullPanels).op("i32.gt_u").op("i32.or").if_(() => {
      f.get(columnPanel).i32(1).op("i32.add").set(context.packedEnd);
      packOne();
    }, packGroup);
  });
  f.get(columnPanel).get(context.packedBegin).op("i32.sub").i32(bPanelBytes(plan)).op("i32.mul");
  f.get(context.bPanel).op("i32.add").set(context.bPointer);
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
