/** Panels of the operands of outer products: where they lie in scratch memory, and when they are packed. */
import type { Local } from "./assembler.ts";
import {
  emitPanelStart,
  emitRowLoop,
  emitSizes,
  pushEntry,
  type UnitContext,
} from "./gemm_context.ts";
import { emitAdd, emitIncrement, type Numeric } from "./gemm_numeric.ts";
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
import type { GemmPlan } from "./gemm_shape.ts";

/** Emits the call of a packing function for each group of lanes of a panel. */
export function emitPack(
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
export function aPanelBytes(plan: GemmPlan, numeric: Numeric, rows: number): number {
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

/** Panels at the begin of B's columns that are full, and whose vectors do not overlap. */
function plainPanels(plan: GemmPlan, numeric: Numeric): number {
  return Math.floor(plan.columns.size / (plan.vectors * numeric.lanes));
}

/** Emits the packing of all full panels of a unit's part of B. */
export function emitPackWholeB(context: UnitContext): void {
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
export function emitPanelPointer(context: UnitContext, pack: () => void): void {
  const { f, numeric, plan, columnPanel } = context;
  if (!plan.wholeB) {
    f.get(context.bPanel).set(context.bPointer);
    return pack();
  }
  f.get(columnPanel).get(context.columnBegin).op("i32.sub").i32(bPanelBytes(plan)).op("i32.mul");
  f.get(context.bPanel).op("i32.add").set(context.bPointer);
  f.get(columnPanel).i32(plainPanels(plan, numeric)).op("i32.ge_s").if_(pack);
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
