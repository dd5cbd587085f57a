/**
 * Matrix products in WebAssembly: C[b, m, n] (+)= Σ_k A[b, m, k] · B[b, k, n] over strided views.
 *
 * Element (m, k) of A stands at base + batchOffset[b] + rowOffset[m] + columnOffset[k], and so for B
 * and C, with tables of int32 byte offsets. So transposes, broadcasts and the patches of a
 * convolution are all read where they are. The structure follows K. Goto and R. van de Geijn,
 * "Anatomy of High-Performance Matrix Multiplication" (2008): panels of A are packed for the
 * second-level cache, one panel of B for the first, and a microkernel keeps a tile of C in registers.
 *
 * Sums over k are cut into blocks of about 300 (the microkernel's registers), whose sums are added
 * with compensation when there are many.
 */
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { dotMicrokernel, outerMicrokernel, type TileOutput } from "./gemm_micro.ts";
import {
  emitAdd,
  emitFor,
  emitIncrement,
  FunctionCache,
  type Numeric,
  numericOf,
} from "./gemm_numeric.ts";
import { packFunction, type PackPiece, type PackSource, packWideFunction } from "./gemm_pack.ts";
import {
  type AxisLayout,
  type GemmPlan,
  type GemmShape,
  planGemm,
  type Split,
} from "./gemm_plan.ts";
import {
  emitPartialSums,
  storeFunction,
  type TileStore,
  vectorStoreFunction,
} from "./gemm_store.ts";

export type { AxisLayout, GemmPlan, GemmShape, OperandLayout } from "./gemm_plan.ts";

/** One pass over a product's tasks. All tasks of a phase end before the next phase begins. */
export interface GemmPhase {
  /** Exported: (descriptorPointer, scratchPointer, taskBegin, taskEnd), all i32. */
  readonly run: FunctionReference;
  /** Tasks may run in any order and on any thread: none reads what another of its phase writes. */
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
  readonly plan: GemmPlan;
}

/** Kernels and functions already in a module: one for each ModuleBuilder. */
export class GemmCache {
  readonly functions: FunctionCache = new FunctionCache();
  readonly kernels: Map<string, GemmKernel> = new Map();
}

/** Where each pointer stands in a product's descriptor, as an index of int32 entries. */
export const gemmDescriptor = {
  a: 0,
  b: 1,
  c: 2,
  aBatch: 3,
  aRows: 4,
  aColumns: 5,
  bBatch: 6,
  bRows: 7,
  bColumns: 8,
  cBatch: 9,
  cRows: 10,
  cColumns: 11,
  workspace: 12,
} as const;

/** int32 entries of a descriptor. */
export const gemmDescriptorLength = 13;

/** What is known of an axis made of several dimensions, strides counting elements. */
export function axisLayout(dims: readonly number[], strides: readonly number[]): AxisLayout {
  let run = 1;
  for (let d = dims.length - 1; d >= 0; d--) {
    if (dims[d] === 1) continue;
    if (strides[d] !== run) break;
    run *= dims[d];
  }
  return { run };
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

/** Pointers into the descriptor after A and B may have been swapped. */
interface Roles {
  readonly a: number;
  readonly aBatch: number;
  readonly aRows: number;
  readonly aDepth: number;
  readonly b: number;
  readonly bBatch: number;
  readonly bDepth: number;
  readonly bColumns: number;
  readonly cRows: number;
  readonly cColumns: number;
}

function rolesOf(swap: boolean): Roles {
  const d = gemmDescriptor;
  return swap
    ? {
      a: d.b,
      aBatch: d.bBatch,
      aRows: d.bColumns,
      aDepth: d.bRows,
      b: d.a,
      bBatch: d.aBatch,
      bDepth: d.aColumns,
      bColumns: d.aRows,
      cRows: d.cColumns,
      cColumns: d.cRows,
    }
    : {
      a: d.a,
      aBatch: d.aBatch,
      aRows: d.aRows,
      aDepth: d.aColumns,
      b: d.b,
      bBatch: d.bBatch,
      bDepth: d.bRows,
      bColumns: d.bColumns,
      cRows: d.cRows,
      cColumns: d.cColumns,
    };
}

/** Everything that the parts of one unit's code share. */
interface UnitContext {
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
  /** Scratch: packed A, the panel of B, and tiles. */
  readonly aPanels: Local;
  readonly bPanel: Local;
  readonly tiles: Local;
  readonly aPointer: Local;
  readonly tile: Local;
  /** Which panels of B stand packed, from `packedBegin`, and where the present one is. */
  readonly packedBegin: Local;
  readonly packedEnd: Local;
  readonly bPointer: Local;
}

/** Pushes the address of an entry of an offset table: the index in a local plus a constant. */
function pushEntry(f: FunctionBuilder, table: Local, index: Local, plus = 0): void {
  f.get(table).get(index).i32(2).op("i32.shl").op("i32.add");
  emitAdd(f, 4 * plus);
}

/** Sets a local to the first index of a panel. */
function emitPanelStart(f: FunctionBuilder, split: Split, panel: Local, to: Local): void {
  f.get(panel).i32(split.small).op("i32.mul");
  if (split.extra > 0) {
    f.get(panel).i32(split.extra).get(panel).i32(split.extra).op("i32.lt_u").select();
    f.op("i32.add");
  }
  f.set(to);
}

/** Emits a body for each of the two sizes that panels of a balanced split may have. */
function emitBySize(
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

/** Bytes of the largest tile, with its second half when sums are compensated. */
function tileBytes(plan: GemmPlan, lanes: number): number {
  const vectors = plan.kind === "outer" ? plan.vectors : Math.ceil(plan.columns.largest / lanes);
  return 16 * plan.rows.largest * vectors * (plan.compensated ? 2 : 1);
}

/** Emits the storing of a finished tile at the present row and column. */
function emitStore(
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
    target: dense ? plan.columns.size * numeric.bytes : "table",
  };
  f.get(context.tile);
  if (dense) {
    f.get(context.c).get(context.row).i32(plan.columns.size).op("i32.mul");
    f.get(context.column).op("i32.add").i32(numeric.bytes).op("i32.mul").op("i32.add");
  } else {
    f.get(context.c);
    pushEntry(f, context.cRows, context.row);
    pushEntry(f, context.cColumns, context.column);
  }
  f.call(storeFunction(module, functions, numeric, store));
}

/** Emits a loop over this unit's panels of rows, with the pointers that move along. */
function emitRowLoop(context: UnitContext, body: (rows: number) => void): void {
  const { f, plan, rowPanel } = context;
  emitPanelStart(f, plan.rows, context.rowBegin, context.row);
  emitFor(f, rowPanel, () => f.get(context.rowBegin), () => f.get(context.rowEnd), () => {
    emitBySize(f, plan.rows, rowPanel, (rows) => {
      body(rows);
      emitIncrement(f, context.row, rows);
    });
  });
}

/** Emits the call of a packing function for each group of lanes of a panel. */
function emitPack(
  context: UnitContext,
  source: PackSource,
  operand: { base: Local; lanes: Local; depth: Local; firstLane: Local; panel: Local },
  lanes: number,
  width: number,
): void {
  const { f, module, functions, numeric } = context;
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

/** Panels of neighbouring rows of A that are packed together. */
const wideRowPanels = 3;

/** Panels of neighbouring columns of B that are packed together: eight vectors, two cache lines. */
function wideColumnPanels(plan: GemmPlan): number {
  if (plan.kind !== "outer" || plan.directB || plan.packB !== "lanes" || plan.columnRun === 0) {
    return 1;
  }
  return Math.min(Math.max(1, Math.floor(8 / plan.vectors)), plan.columns.panels);
}

/** Bytes of a packed panel of A. */
function aPanelBytes(plan: GemmPlan, numeric: Numeric, rows: number): number {
  return rows * plan.depthBlock * numeric.bytes;
}

/** Bytes of a packed panel of B. */
function bPanelBytes(plan: GemmPlan): number {
  return 16 * plan.vectors * plan.depthBlock;
}

/** Emits the packing of all of a unit's rows of A for one block of k. */
function emitPackA(context: UnitContext): void {
  const { f, module, functions, numeric, plan, rowPanel } = context;
  const wide = plan.packA === "lanes" && plan.rows.panels >= wideRowPanels;
  const packWide = (rows: number) => {
    const pieces: PackPiece[] = [];
    f.get(context.aDepth).get(context.depthStart).i32(2).op("i32.shl").op("i32.add");
    f.get(context.depth).get(context.aPointer);
    for (let panel = 0; panel < wideRowPanels; panel++) {
      for (let lane = 0; lane < rows; lane += numeric.lanes) {
        pieces.push({
          lanes: Math.min(numeric.lanes, rows - lane),
          at: panel * aPanelBytes(plan, numeric, rows) + lane * numeric.bytes,
        });
        pushEntry(f, context.aRows, context.row, panel * rows + lane);
        f.load("i32.load").get(context.a).op("i32.add");
      }
    }
    f.call(packWideFunction(module, functions, numeric, pieces, rows * numeric.bytes));
    emitIncrement(f, context.aPointer, wideRowPanels * aPanelBytes(plan, numeric, rows));
    emitIncrement(f, context.row, (wideRowPanels - 1) * rows);
    emitIncrement(f, rowPanel, wideRowPanels - 1);
  };
  const packOne = (rows: number) => {
    const operand = {
      base: context.a,
      lanes: context.aRows,
      depth: context.aDepth,
      firstLane: context.row,
      panel: context.aPointer,
    };
    emitPack(context, plan.packA, operand, rows, rows);
    emitIncrement(f, context.aPointer, aPanelBytes(plan, numeric, rows));
  };
  f.get(context.aPanels).set(context.aPointer);
  emitRowLoop(context, (rows) => {
    if (!wide) return packOne(rows);
    // All panels packed together must be of this size: larger ones come first.
    f.get(rowPanel).i32(wideRowPanels).op("i32.add");
    if (rows > plan.rows.small) {
      f.i32(plan.rows.extra).get(context.rowEnd).i32(plan.rows.extra).get(context.rowEnd);
      f.op("i32.lt_u").select();
    } else {
      f.get(context.rowEnd);
    }
    f.op("i32.le_u").if_(() => packWide(rows), () => packOne(rows));
  });
}

/** Emits one block of k of an outer plan: A is packed, then each panel of B meets all of A. */
function emitOuterBlock(context: UnitContext): void {
  const { f, numeric, plan, column } = context;
  emitPackA(context);
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

/** Emits the products of a panel of B, given how to push it, with all panels of A. */
function emitProducts(
  context: UnitContext,
  call: (rows: number) => void,
  store: ((rows: number) => void) | undefined,
): void {
  const { f, numeric, plan } = context;
  f.get(context.aPanels).set(context.aPointer);
  emitRowLoop(context, (rows) => {
    call(rows);
    emitIncrement(f, context.aPointer, aPanelBytes(plan, numeric, rows));
    if (store === undefined) return;
    if (plan.depthBlocks === 1) return store(rows);
    f.get(context.last).if_(() => store(rows));
    emitIncrement(f, context.tile, tileBytes(plan, numeric.lanes));
  });
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
    panel: context.bPanel,
  };
  emitPack(context, plan.packB, operand, columns, vectors * numeric.lanes);
  const output: TileOutput = plan.compensated ? "tileCompensated" : "tile";
  const call = (rows: number) => {
    f.get(context.aPointer).get(context.bPanel).get(context.depth).get(context.tile);
    f.get(context.first);
    f.call(outerMicrokernel(module, functions, numeric, { rows, vectors, b: "packed", output }));
  };
  emitProducts(context, call, (rows) => emitStore(context, rows, vectors, columns));
}

/** Sets a local to the first column of a vector, counted from the start of the present panel. */
function emitVectorStart(context: UnitContext, vector: number, to: Local): void {
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
function emitPackVectors(context: UnitContext, vectors: number): void {
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
      f.get(context.depth).get(context.bPanel);
      emitAdd(f, 16 * j);
      f.call(pack);
    }
  };
  f.get(context.bPanel).set(context.bPointer);
  if (group === 1 || vectors < plan.vectors) return packOne();
  const packGroup = () => {
    const pieces: PackPiece[] = [];
    const pointers = f.locals("i32", group * vectors);
    pointers.forEach((pointer, j) => {
      emitVectorStart(context, j, start);
      pushEntry(f, context.bColumns, start);
      f.load("i32.load").get(context.b).op("i32.add").set(pointer);
      const panel = Math.floor(j / vectors);
      pieces.push({
        lanes: numeric.lanes,
        at: panel * bPanelBytes(plan) + 16 * (j - panel * vectors),
      });
    });
    pushEntry(f, context.bDepth, context.depthStart);
    f.get(context.depth).get(context.bPanel);
    for (const pointer of pointers) f.get(pointer);
    f.call(packWideFunction(module, functions, numeric, pieces, 16 * vectors));
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
  const call = (rows: number) => {
    f.get(context.aPointer);
    if (plan.directB) pushEntry(f, context.bDepth, context.depthStart);
    for (const source of sources) f.get(source);
    f.get(context.depth);
    if (toMatrix) {
      pushEntry(f, context.cRows, context.row);
      for (const target of targets) f.get(target);
    } else {
      f.get(context.tile).get(context.first);
    }
    f.call(outerMicrokernel(module, functions, numeric, { rows, vectors, b, output }));
  };
  const rowBytes = plan.columns.size * numeric.bytes;
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

/** Emits one block of k of a dot plan. */
function emitDotBlock(context: UnitContext): void {
  const { f, module, functions, numeric, plan, column, columnPanel } = context;
  f.get(context.tiles).set(context.tile);
  emitPanelStart(f, plan.columns, context.columnBegin, column);
  emitFor(f, columnPanel, () => f.get(context.columnBegin), () => f.get(context.columnEnd), () => {
    emitBySize(f, plan.columns, columnPanel, (columns) => {
      emitRowLoop(context, (rows) => {
        f.get(context.a);
        pushEntry(f, context.aRows, context.row);
        pushEntry(f, context.aDepth, context.depthStart);
        f.get(context.b);
        pushEntry(f, context.bColumns, column);
        pushEntry(f, context.bDepth, context.depthStart);
        f.get(context.depth).get(context.tile).get(context.first);
        f.call(dotMicrokernel(module, functions, numeric, {
          rows,
          columns,
          unroll: plan.unroll,
          output: plan.compensated ? "tileCompensated" : "tile",
        }));
        const vectors = Math.ceil(columns / numeric.lanes);
        f.get(context.last).if_(() => emitStore(context, rows, vectors, columns));
        if (plan.depthBlocks > 1) {
          emitIncrement(f, context.tile, tileBytes(plan, numeric.lanes));
        }
      });
      emitIncrement(f, column, columns);
    });
  });
}

/** Bytes of the parts of a thread's scratch. */
function scratchLayout(
  plan: GemmPlan,
  numeric: Numeric,
): { bPanel: number; tiles: number; total: number } {
  const panelsIn = (split: Split, blocks: number) => Math.ceil(split.panels / blocks);
  const rowPanels = panelsIn(plan.rows, plan.rowBlocks);
  const columnPanels = panelsIn(plan.columns, plan.columnBlocks);
  const align = (bytes: number) => Math.ceil(bytes / 64) * 64;
  const depth = plan.depthBlock * numeric.bytes;
  const outer = plan.kind === "outer";
  const bPanel = outer ? align(rowPanels * plan.rows.largest * depth) : 0;
  const tiles = bPanel + (outer ? align(wideColumnPanels(plan) * bPanelBytes(plan)) : 0);
  const count = plan.depthBlocks === 1 ? 1 : rowPanels * columnPanels;
  return { bPanel, tiles, total: tiles + align(count * tileBytes(plan, numeric.lanes)) };
}

/** Emits the function (descriptor, scratch, unit) that computes one unit: a block of C and a part of k. */
function unitFunction(
  module: ModuleBuilder,
  functions: FunctionCache,
  name: string,
  shape: GemmShape,
  plan: GemmPlan,
): FunctionReference {
  const numeric = numericOf(shape.dtype, shape.relaxed);
  // The functions called must be in the module before this one takes its number, so bodies are
  // emitted by FunctionCache on demand; numbers need not be in order.
  return functions.get(module, `${name} unit`, ["i32", "i32", "i32"], (f) => {
    const [descriptor, scratch, unit] = [0, 1, 2].map((i) => f.parameter(i));
    const integer = () => f.local("i32");
    const context: UnitContext = {
      f,
      module,
      functions,
      numeric,
      plan,
      accumulate: shape.accumulate,
      a: integer(),
      b: integer(),
      c: integer(),
      aRows: integer(),
      aDepth: integer(),
      bDepth: integer(),
      bColumns: integer(),
      cRows: integer(),
      cColumns: integer(),
      rowPanel: integer(),
      rowBegin: integer(),
      rowEnd: integer(),
      columnPanel: integer(),
      columnBegin: integer(),
      columnEnd: integer(),
      row: integer(),
      column: integer(),
      depthStart: integer(),
      depth: integer(),
      first: integer(),
      last: integer(),
      aPanels: integer(),
      bPanel: integer(),
      tiles: integer(),
      aPointer: integer(),
      tile: integer(),
      packedBegin: integer(),
      packedEnd: integer(),
      bPointer: integer(),
    };
    const roles = rolesOf(plan.swap);
    const entry = (index: number) => f.get(descriptor).load("i32.load", 4 * index);
    const part = integer();
    const rest = integer();
    f.get(unit).set(rest);
    /** Takes the unit's fastest remaining index: which of `count`. */
    const take = (count: number) => {
      f.get(rest).i32(count).op("i32.rem_u").set(part);
      f.get(rest).i32(count).op("i32.div_u").set(rest);
    };
    /** Sets the range of panels of the block in `part`. */
    const range = (count: number, blocks: number, begin: Local, end: Local) => {
      f.get(part).i32(count).op("i32.mul").i32(blocks).op("i32.div_u").set(begin);
      f.get(part).i32(1).op("i32.add").i32(count).op("i32.mul").i32(blocks).op("i32.div_u");
      f.set(end);
    };
    take(plan.columnBlocks);
    range(plan.columns.panels, plan.columnBlocks, context.columnBegin, context.columnEnd);
    take(plan.rowBlocks);
    range(plan.rows.panels, plan.rowBlocks, context.rowBegin, context.rowEnd);
    take(plan.depthSplits);
    const block = integer();
    const blockBegin = integer();
    const blockEnd = integer();
    range(plan.depthBlocks, plan.depthSplits, blockBegin, blockEnd);
    const matrix = (base: number, table: number, to: Local) => {
      entry(base);
      entry(table);
      f.get(rest).i32(2).op("i32.shl").op("i32.add").load("i32.load").op("i32.add").set(to);
    };
    matrix(roles.a, roles.aBatch, context.a);
    matrix(roles.b, roles.bBatch, context.b);
    if (plan.depthSplits > 1) {
      entry(gemmDescriptor.workspace);
      f.get(part).i32(shape.batch).op("i32.mul").get(rest).op("i32.add");
      f.i32(shape.m * shape.n * numeric.bytes).op("i32.mul").op("i32.add").set(context.c);
    } else {
      matrix(gemmDescriptor.c, gemmDescriptor.cBatch, context.c);
    }
    for (
      const name of ["aRows", "aDepth", "bDepth", "bColumns", "cRows", "cColumns"] as const
    ) {
      entry(roles[name]);
      f.set(context[name]);
    }
    const layout = scratchLayout(plan, numeric);
    f.get(scratch).set(context.aPanels);
    f.get(scratch).i32(layout.bPanel).op("i32.add").set(context.bPanel);
    f.get(scratch).i32(layout.tiles).op("i32.add").set(context.tiles);
    emitFor(f, block, () => f.get(blockBegin), () => f.get(blockEnd), () => {
      f.get(block).i32(plan.depthBlock).op("i32.mul").set(context.depthStart);
      f.i32(shape.k).get(context.depthStart).op("i32.sub").tee(context.depth);
      f.i32(plan.depthBlock);
      f.get(context.depth).i32(plan.depthBlock).op("i32.lt_s").select().set(context.depth);
      f.get(block).get(blockBegin).op("i32.eq").set(context.first);
      f.get(block).i32(1).op("i32.add").get(blockEnd).op("i32.eq").set(context.last);
      if (plan.kind === "outer") emitOuterBlock(context);
      else emitDotBlock(context);
    });
  });
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
  const plan = planGemm(shape);
  const numeric = numericOf(shape.dtype, shape.relaxed);
  const name = `gemm ${cache.kernels.size}`;
  const unit = unitFunction(module, cache.functions, name, shape, plan);
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
    scratchBytes: scratchLayout(plan, numeric).total,
    workspaceBytes: plan.depthSplits > 1
      ? plan.depthSplits * shape.batch * shape.m * shape.n * numeric.bytes
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
