/**
 * Products of rows that masks made zero: C = A · B, where groups of neighbouring rows of A are zero at the same k.
 *
 * Cotangents of an example's outputs share the masks of its ReLUs, which leave half of their elements. A first phase lists,
 * for each group and each block of k, the k that are left, and packs the group's rows with these alone. Then panels of B,
 * packed as they are, meet one group after the other: the microkernel reads the rows of B that are on the group's list.
 */
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { pushEntry } from "./gemm_context.ts";
import { gemmDescriptor } from "./gemm_descriptor.ts";
import { maskedMicrokernel } from "./gemm_masked_micro.ts";
import { type MaskedPlan, planMasked } from "./gemm_masked_plan.ts";
import {
  alignToLine,
  emitFor,
  emitIncrement,
  type FunctionCache,
  type Numeric,
  numericOf,
} from "./gemm_numeric.ts";
import { packFunction, packPanelsFunction } from "./gemm_pack.ts";
import { type GemmShape, sizesOf } from "./gemm_shape.ts";
import { vectorStoreFunction } from "./gemm_store.ts";

/** What the phases share. */
interface Context {
  readonly module: ModuleBuilder;
  readonly functions: FunctionCache;
  readonly numeric: Numeric;
  readonly plan: MaskedPlan;
  readonly n: number;
  readonly k: number;
}

/** A group's record for one block of k: how many k are left, the list of their rows of B, and packed panels of rows. */
function recordLayout(
  plan: MaskedPlan,
  numeric: Numeric,
): { list: number; panels: number; total: number } {
  const list = 64;
  const panels = list + alignToLine(4 * plan.depthBlock);
  const total = panels + alignToLine(plan.group * plan.depthBlock * numeric.bytes);
  // An odd number of lines: records a power of two apart would share sets of the first-level cache.
  return { list, panels, total: 64 * (total / 64 | 1) };
}

/** Bytes of a panel of B, of a tile, and of the tiles of a group. */
function sizes(plan: MaskedPlan): { panel: number; tile: (rows: number) => number; tiles: number } {
  const tile = (rows: number) => 16 * rows * plan.vectors * (plan.compensated ? 2 : 1);
  return { panel: 16 * plan.vectors * plan.depthBlock, tile, tiles: tile(plan.group) };
}

/** A thread's scratch in the second phase: packed panels of B, a tile for the sums of chains, and tiles. */
function scratchLayout(plan: MaskedPlan): { chains: number; tiles: number; total: number } {
  const { panel, tile, tiles } = sizes(plan);
  const panels = Math.ceil(plan.panels / plan.columnBlocks);
  const groups = Math.ceil(plan.groups / plan.rowBlocks);
  const chains = alignToLine(panels * panel);
  const first = chains + alignToLine(tile(plan.rows.largest));
  return { chains, tiles: first, total: first + alignToLine(panels * groups * tiles) };
}

/** Loads a pointer of the descriptor into a local. */
function pointer(f: FunctionBuilder, index: number): Local {
  const local = f.local("i32");
  f.get(f.parameter(0)).load("i32.load", 4 * index).set(local);
  return local;
}

/** Sets `depth` to the length of a block of k, and `start` to its first k. */
function emitBlock(
  f: FunctionBuilder,
  { plan, k }: Context,
  block: Local,
  start: Local,
  depth: Local,
): void {
  f.get(block).i32(plan.depthBlock).op("i32.mul").set(start);
  f.i32(k).get(start).op("i32.sub").tee(depth).i32(plan.depthBlock);
  f.get(depth).i32(plan.depthBlock).op("i32.lt_s").select().set(depth);
}

/** Emits a call for each size of a group's panels of rows: `begin` is the first row, counted within the group. */
function forSizes(
  plan: MaskedPlan,
  body: (rows: number, count: number, begin: number) => void,
): void {
  let begin = 0;
  for (const [rows, count] of sizesOf(plan.rows)) {
    body(rows, count, begin);
    begin += rows * count;
  }
}

/** The phase that lists what is left; a task is a block of k of one group. */
function listPhase(context: Context, name: string): FunctionReference {
  const { module, functions, numeric, plan } = context;
  const record = recordLayout(plan, numeric);
  return module.addFunction(`${name} lists`, ["i32", "i32", "i32", "i32"], [], (f) => {
    const d = gemmDescriptor;
    const [a, aRows, aColumns, workspace] = [d.a, d.aRows, d.aColumns, d.workspace].map((index) =>
      pointer(f, index)
    );
    const [task, row, block, start, depth, to, base, source, at] = f.locals("i32", 9);
    const [index, count, lane, list] = f.locals("i32", 4);
    const marks = f.parameter(1);
    const offsets = f.local("i32");
    f.get(marks).i32(alignToLine(plan.depthBlock * numeric.bytes)).op("i32.add").set(offsets);
    emitFor(f, task, () => f.get(f.parameter(2)), () => f.get(f.parameter(3)), () => {
      f.get(task).i32(plan.groups).op("i32.div_u").set(block);
      f.get(task).i32(plan.groups).op("i32.rem_u").i32(plan.group).op("i32.mul").set(row);
      f.get(task).i32(record.total).op("i32.mul").get(workspace).op("i32.add").set(to);
      emitBlock(f, context, block, start, depth);
      pushEntry(f, aColumns, start);
      f.load("i32.load").get(a).op("i32.add").set(base);
      // Marks: the bits of all rows together. Vectors at the end read marks that are never looked at.
      f.get(marks).i32(0).i32(plan.depthBlock * numeric.bytes).memoryFill();
      emitFor(f, lane, () => f.i32(0), () => f.i32(plan.group), () => {
        f.get(row).get(lane).op("i32.add").set(index);
        pushEntry(f, aRows, index);
        f.load("i32.load").get(base).op("i32.add").set(source);
        f.get(marks).set(at);
        f.get(depth).set(index);
        f.loop((again) => {
          f.get(at).get(at).load("v128.load").get(source).load("v128.load").op("v128.or");
          f.store("v128.store");
          emitIncrement(f, at, 16);
          emitIncrement(f, source, 16);
          f.get(index).i32(numeric.lanes).op("i32.sub").tee(index).i32(0).op("i32.gt_s");
          f.brIf(again);
        });
      });
      f.i32(0).set(count);
      f.get(marks).set(at);
      f.get(to).i32(record.list).op("i32.add").set(list);
      emitFor(f, index, () => f.i32(0), () => f.get(depth), () => {
        const entry = (table: Local) => f.get(table).get(count).i32(2).op("i32.shl").op("i32.add");
        entry(offsets).get(index).i32(numeric.bytes).op("i32.mul").store("i32.store");
        entry(list).get(index).i32(16 * plan.vectors).op("i32.mul").store("i32.store");
        f.get(at);
        if (numeric.bytes === 4) f.load("i32.load").i32(0).op("i32.ne");
        else f.load("i64.load").op("i64.eqz").op("i32.eqz");
        f.get(count).op("i32.add").set(count);
        emitIncrement(f, at, numeric.bytes);
      });
      f.get(to).get(count).store("i32.store");
      emitIncrement(f, to, record.panels);
      forSizes(plan, (rows, panels, begin) => {
        f.get(row).i32(begin).op("i32.add").set(lane);
        emitFor(f, index, () => f.i32(0), () => f.i32(panels), () => {
          for (let group = 0; group < rows; group += numeric.lanes) {
            const lanes = Math.min(numeric.lanes, rows - group);
            const stride = rows * numeric.bytes;
            f.get(base);
            pushEntry(f, aRows, lane, group);
            f.get(offsets).get(count).get(to).i32(group * numeric.bytes).op("i32.add");
            f.call(
              packFunction(module, functions, numeric, {
                source: "gather",
                lanes,
                width: lanes,
                stride,
              }),
            );
          }
          emitIncrement(f, lane, rows);
          emitIncrement(f, to, rows * plan.depthBlock * numeric.bytes);
        });
      });
    });
  }, { export: true });
}

/** What the second phase knows of its place: addresses of B, and of where packed panels go; numbers of panels and columns. */
interface Place {
  readonly b: Local;
  readonly bRows: Local;
  readonly bColumns: Local;
  readonly packed: Local;
  readonly panelBegin: Local;
  readonly panelEnd: Local;
  readonly start: Local;
  readonly depth: Local;
  readonly panel: Local;
  readonly column: Local;
}

/** Sets `column` to the first column of a panel: the last panel ends where the columns end. */
function emitColumn(f: FunctionBuilder, { plan, numeric, n }: Context, place: Place): void {
  const { panel, column } = place;
  const width = plan.vectors * numeric.lanes;
  f.get(panel).i32(width).op("i32.mul");
  if (n % width !== 0) {
    f.tee(column).i32(n - width).get(column).i32(n - width).op("i32.lt_s").select();
  }
  f.set(column);
}

/** Emits the packing of a unit's panels of B for one block of k. */
function emitPackB(f: FunctionBuilder, context: Context, place: Place): void {
  const { module, functions, numeric, plan, n } = context;
  const { b, bRows, bColumns, packed, panelBegin, panelEnd, start, depth, panel, column } = place;
  const bytes = sizes(plan).panel;
  const { lanes } = numeric;
  const [to, count] = f.locals("i32", 2);
  f.get(packed).set(to);
  if (plan.packB === "depth") {
    emitFor(f, panel, () => f.get(panelBegin), () => f.get(panelEnd), () => {
      emitColumn(f, context, place);
      for (let j = 0; j < plan.vectors; j++) {
        f.get(b);
        pushEntry(f, bColumns, column, j * lanes);
        pushEntry(f, bRows, start);
        f.get(depth).get(to).i32(16 * j).op("i32.add");
        const stride = 16 * plan.vectors;
        const group = { source: "depth", lanes, width: lanes, stride } as const;
        f.call(packFunction(module, functions, numeric, group));
      }
      emitIncrement(f, to, bytes);
    });
    return;
  }
  /** Packs `count` panels from the present one on. */
  const pack = () => {
    emitColumn(f, context, place);
    pushEntry(f, bColumns, column);
    f.load("i32.load").get(b).op("i32.add");
    pushEntry(f, bRows, start);
    f.get(depth).get(to).get(count);
    f.call(packPanelsFunction(module, functions, numeric, plan.vectors * lanes, bytes));
  };
  const whole = Math.floor(n / (plan.vectors * lanes));
  f.get(panelBegin).set(panel);
  f.get(panelEnd).i32(whole).get(panelEnd).i32(whole).op("i32.lt_s").select();
  f.get(panelBegin).op("i32.sub").set(count);
  if (whole === plan.panels) return pack();
  f.get(count).i32(0).op("i32.gt_s").if_(pack);
  f.get(panelEnd).i32(whole).op("i32.gt_s").if_(() => {
    f.get(count).i32(bytes).op("i32.mul").get(to).op("i32.add").set(to);
    f.i32(whole).set(panel).i32(1).set(count);
    pack();
  });
}

/** The phase that multiplies; a task is a block of C. */
function multiplyPhase(context: Context, name: string): FunctionReference {
  const { module, functions, numeric, plan } = context;
  const record = recordLayout(plan, numeric);
  const layout = scratchLayout(plan);
  const { panel: panelBytes, tile: tileBytes } = sizes(plan);
  const output = plan.compensated ? "tileCompensated" : "tile";
  return module.addFunction(`${name} multiply`, ["i32", "i32", "i32", "i32"], [], (f) => {
    const d = gemmDescriptor;
    const [b, bRows, bColumns, c, cRows, cColumns, workspace] = [
      d.b,
      d.bRows,
      d.bColumns,
      d.c,
      d.cRows,
      d.cColumns,
      d.workspace,
    ].map((index) => pointer(f, index));
    const packed = f.parameter(1);
    const [task, part, panelBegin, panelEnd, groupBegin, groupEnd] = f.locals("i32", 6);
    const [block, start, depth, first, panel, column, group, at, bPanel] = f.locals("i32", 9);
    const [tile, done, row, count, chains] = f.locals("i32", 5);
    const targets = f.locals("i32", plan.vectors);
    const place = {
      b,
      bRows,
      bColumns,
      packed,
      panelBegin,
      panelEnd,
      start,
      depth,
      panel,
      column,
    };
    /** Sets the range of the block in `part`. */
    const range = (size: number, blocks: number, begin: Local, end: Local) => {
      f.get(part).i32(size).op("i32.mul").i32(blocks).op("i32.div_u").set(begin);
      f.get(part).i32(1).op("i32.add").i32(size).op("i32.mul").i32(blocks).op("i32.div_u");
      f.set(end);
    };
    const multiplyGroup = () => {
      f.get(at).load("i32.load").set(count);
      f.get(tile).set(done);
      forSizes(plan, (rows, panels, begin) => {
        const bytes = rows * plan.depthBlock * numeric.bytes;
        f.get(at).i32(record.panels + begin * plan.depthBlock * numeric.bytes).op("i32.add");
        f.i32(bytes).i32(panels).get(at).i32(record.list).op("i32.add").get(count).get(bPanel);
        f.get(tile).get(first).i32(tileBytes(rows));
        if (output !== "tile") f.get(chains);
        const shape = { rows, vectors: plan.vectors, output } as const;
        f.call(maskedMicrokernel(module, functions, numeric, shape));
        emitIncrement(f, tile, panels * tileBytes(rows));
      });
    };
    const storeGroup = () => {
      f.get(group).i32(plan.group).op("i32.mul").set(row);
      forSizes(plan, (rows, panels) => {
        emitFor(f, count, () => f.i32(0), () => f.i32(panels), () => {
          f.get(done);
          pushEntry(f, cRows, row);
          for (const target of targets) f.get(target);
          f.call(vectorStoreFunction(module, functions, numeric, {
            rows,
            vectors: plan.vectors,
            compensated: plan.compensated,
            accumulate: false,
            target: "table",
          }));
          emitIncrement(f, done, tileBytes(rows));
          emitIncrement(f, row, rows);
        });
      });
    };
    f.get(packed).i32(layout.chains).op("i32.add").set(chains);
    emitFor(f, task, () => f.get(f.parameter(2)), () => f.get(f.parameter(3)), () => {
      f.get(task).i32(plan.columnBlocks).op("i32.rem_u").set(part);
      range(plan.panels, plan.columnBlocks, panelBegin, panelEnd);
      f.get(task).i32(plan.columnBlocks).op("i32.div_u").set(part);
      range(plan.groups, plan.rowBlocks, groupBegin, groupEnd);
      emitFor(f, block, () => f.i32(0), () => f.i32(plan.depthBlocks), () => {
        emitBlock(f, context, block, start, depth);
        f.get(block).op("i32.eqz").set(first);
        emitPackB(f, context, place);
        f.get(packed).set(bPanel);
        f.get(packed).i32(layout.tiles).op("i32.add").set(tile);
        emitFor(f, panel, () => f.get(panelBegin), () => f.get(panelEnd), () => {
          emitColumn(f, context, place);
          targets.forEach((target, j) => {
            pushEntry(f, cColumns, column, j * numeric.lanes);
            f.load("i32.load").get(c).op("i32.add").set(target);
          });
          f.get(block).i32(plan.groups).op("i32.mul").get(groupBegin).op("i32.add");
          f.i32(record.total).op("i32.mul").get(workspace).op("i32.add").set(at);
          emitFor(f, group, () => f.get(groupBegin), () => f.get(groupEnd), () => {
            multiplyGroup();
            f.get(block).i32(plan.depthBlocks - 1).op("i32.eq").if_(storeGroup);
            emitIncrement(f, at, record.total);
          });
          emitIncrement(f, bPanel, panelBytes);
        });
      });
    });
  }, { export: true });
}

/** The code of a product whose rows masks made zero; null where it is better computed like others. */
export function emitMasked(
  module: ModuleBuilder,
  functions: FunctionCache,
  name: string,
  shape: GemmShape,
): {
  phases: { run: FunctionReference; tasks: number }[];
  scratchBytes: number;
  workspaceBytes: number;
  plan: MaskedPlan;
} | null {
  const plan = planMasked(shape);
  if (plan === null) return null;
  const numeric = numericOf(shape.dtype, shape.relaxed);
  const context: Context = { module, functions, numeric, plan, n: shape.n, k: shape.k };
  const lists = plan.groups * plan.depthBlocks;
  return {
    phases: [
      { run: listPhase(context, name), tasks: lists },
      { run: multiplyPhase(context, name), tasks: plan.rowBlocks * plan.columnBlocks },
    ],
    scratchBytes: Math.max(
      scratchLayout(plan).total,
      alignToLine(plan.depthBlock * numeric.bytes) + alignToLine(plan.depthBlock * 4),
    ),
    workspaceBytes: lists * recordLayout(plan, numeric).total,
    plan,
  };
}
