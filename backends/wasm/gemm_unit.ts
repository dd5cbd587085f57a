/** The code of one unit of a matrix product: a block of C, with all of k or a part of it. */
import type { FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import {
  emitBySize,
  emitPanelStart,
  emitRowLoop,
  emitStore,
  pushEntry,
  tileBytes,
  type UnitContext,
} from "./gemm_context.ts";
import { gemmDescriptor, rolesOf } from "./gemm_descriptor.ts";
import { dotMicrokernel } from "./gemm_dot.ts";
import {
  alignToLine,
  emitFor,
  emitIncrement,
  type FunctionCache,
  type Numeric,
  numericOf,
} from "./gemm_numeric.ts";
import { emitOuterBlock } from "./gemm_outer.ts";
import { bPanelBytes, packedColumnPanels } from "./gemm_panels.ts";
import { type GemmPlan, type GemmShape, type Split, workspaceRow } from "./gemm_shape.ts";
import { emitShort, shortOffsetBytes } from "./gemm_short.ts";
import { emitStripBlock, stripDepth } from "./gemm_strip.ts";
import { emitThinBlock, thinBytes } from "./gemm_thin.ts";
import { emitTaps } from "./gemm_taps.ts";

/** Emits one block of k of a dot plan. */
export function emitDotBlock(context: UnitContext): void {
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
export function scratchLayout(
  plan: GemmPlan,
  numeric: Numeric,
): { bPanel: number; chains: number; tiles: number; total: number } {
  const panelsIn = (split: Split, blocks: number) => Math.ceil(split.panels / blocks);
  if (plan.kind === "strip") {
    return {
      bPanel: 0,
      chains: 0,
      tiles: 0,
      total: alignToLine(plan.rows.size * stripDepth * numeric.bytes),
    };
  }
  if (plan.kind === "thin") {
    const { panel, sums } = thinBytes(plan, numeric.lanes);
    const tiles = panel + alignToLine(sums);
    const count = plan.depthBlocks === 1 ? 1 : panelsIn(plan.rows, plan.rowBlocks);
    const total = alignToLine(tiles + count * tileBytes(plan, numeric.lanes));
    return { bPanel: 0, chains: panel, tiles, total };
  }
  if (plan.kind === "taps") return { bPanel: 0, chains: 0, tiles: 0, total: 0 };
  const rowPanels = panelsIn(plan.rows, plan.rowBlocks);
  const columnPanels = panelsIn(plan.columns, plan.columnBlocks);
  const depth = plan.depthBlock * numeric.bytes;
  const short = plan.kind === "short";
  const outer = short || plan.kind === "outer";
  const bPanel = outer ? alignToLine(rowPanels * plan.rows.largest * depth) : 0;
  const chains = bPanel + (outer ? alignToLine(packedColumnPanels(plan) * bPanelBytes(plan)) : 0);
  const tiles = chains + (outer ? alignToLine(tileBytes(plan, numeric.lanes)) : 0);
  if (short) return { bPanel, chains, tiles, total: tiles + alignToLine(shortOffsetBytes(plan)) };
  const count = plan.depthBlocks === 1 ? 1 : rowPanels * columnPanels;
  return {
    bPanel,
    chains,
    tiles,
    total: tiles + alignToLine(count * tileBytes(plan, numeric.lanes)),
  };
}

/** Emits the function (descriptor, scratch, unit) that computes one unit: a block of C and a part of k. */
export function unitFunction(
  module: ModuleBuilder,
  functions: FunctionCache,
  name: string,
  shape: GemmShape,
  plan: GemmPlan,
): FunctionReference {
  const numeric = numericOf(shape.dtype, shape.relaxed);
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
      chains: integer(),
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
      f.i32(plan.rows.size * workspaceRow(plan.columns.size, numeric.bytes)).op("i32.mul").op(
        "i32.add",
      ).set(context.c);
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
    f.get(scratch).i32(layout.chains).op("i32.add").set(context.chains);
    f.get(scratch).i32(layout.tiles).op("i32.add").set(context.tiles);
    emitFor(f, block, () => f.get(blockBegin), () => f.get(blockEnd), () => {
      f.get(block).i32(plan.depthBlock).op("i32.mul").set(context.depthStart);
      f.i32(shape.k).get(context.depthStart).op("i32.sub").tee(context.depth);
      f.i32(plan.depthBlock);
      f.get(context.depth).i32(plan.depthBlock).op("i32.lt_s").select().set(context.depth);
      f.get(block).get(blockBegin).op("i32.eq").set(context.first);
      f.get(block).i32(1).op("i32.add").get(blockEnd).op("i32.eq").set(context.last);
      if (plan.kind === "outer") emitOuterBlock(context);
      else if (plan.kind === "short") emitShort(context, shape.k);
      else if (plan.kind === "thin") emitThinBlock(context);
      else if (plan.kind === "strip") emitStripBlock(context, shape.k);
      else if (plan.kind === "taps") emitTaps(context, shape.k);
      else emitDotBlock(context);
    });
  });
}
