/**
 * Reading a word of every cache line of operands before they are packed.
 *
 * Packing reads short stretches of several rows in turn, with many instructions for each line: few lines are on their way from
 * memory at a time, and what a batch of matrices holds is met once. A loop that does nothing but read has all the
 * lines that the processor can wait for on their way, the more as it goes along four rows at once. With 64 × 128³ the product
 * takes 0.9 of the time without it.
 */
import type { FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { emitPanelStart, pushEntry, type UnitContext } from "./gemm_context.ts";
import { emitIncrement, type FunctionCache } from "./gemm_numeric.ts";
import type { AxisLayout, GemmPlan, GemmShape } from "./gemm_shape.ts";

/** Bytes of a matrix below which a few more lines on their way make no difference. */
const leastBytes = 2048;
const lineBytes = 64;
/** Rows read at a time, far apart. */
const streams = 4;

/** Which operands are read before they are packed, and along which axis their elements are neighbours. */
export function touched(
  { batch, m, n, k, a, b }: GemmShape,
  { directA, directB, wholeB }: Pick<GemmPlan, "directA" | "directB" | "wholeB">,
): Pick<GemmPlan, "touchA" | "touchB"> {
  const along = (lanes: AxisLayout, size: number, depth: AxisLayout) =>
    size * k * 4 < leastBytes
      ? undefined
      : depth.run >= k
      ? "depth"
      : lanes.run >= size
      ? "lanes"
      : undefined;
  return {
    touchA: batch === 1 || directA ? undefined : along(a.rows, m, a.columns),
    touchB: batch === 1 || directB || wholeB ? undefined : along(b.columns, n, b.rows),
  };
}

/** The function (base, table, rows, bytes, to) that reads rows, given their offsets, and leaves something at `to`. */
function touchFunction(module: ModuleBuilder, cache: FunctionCache): FunctionReference {
  return cache.get(module, "touch", new Array<"i32">(5).fill("i32"), (f) => {
    const [base, table, rows, bytes, to] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
    const [apart, count, position, sum] = f.locals("i32", 4);
    const pointers = f.locals("i32", streams);
    const read = (used: readonly Local[]) => {
      used.forEach((pointer, i) => {
        f.get(base).get(table).get(apart).i32(i).op("i32.mul").op("i32.add").load("i32.load");
        f.op("i32.add").set(pointer);
      });
      f.i32(0).set(position);
      f.loop((next) => {
        for (const pointer of used) {
          f.get(pointer).get(position).op("i32.add").load("i32.load").get(sum).op("i32.xor");
          f.set(sum);
        }
        emitIncrement(f, position, lineBytes);
        f.get(position).get(bytes).op("i32.lt_u").brIf(next);
      });
      emitIncrement(f, table, 4);
    };
    const turns = (used: readonly Local[]) => {
      f.get(count).if_(() => {
        f.loop((again) => {
          read(used);
          f.get(count).i32(1).op("i32.sub").tee(count).brIf(again);
        });
      });
    };
    f.get(rows).i32(streams).op("i32.div_u").tee(count).i32(2).op("i32.shl").set(apart);
    turns(pointers);
    // What is left follows the last stream.
    f.get(table).get(apart).i32(streams - 1).op("i32.mul").op("i32.add").set(table);
    f.get(rows).i32(streams).op("i32.rem_u").set(count);
    turns(pointers.slice(0, 1));
    // What nobody uses, an engine need not read.
    f.get(to).get(sum).store("i32.store");
  });
}

/** One operand's part of a unit: the table of its lanes, and its first lane and the one after its last. */
interface Part {
  readonly base: Local;
  readonly lanes: Local;
  readonly depth: Local;
  readonly first: Local;
  readonly end: Local;
}

/** Emits the reading of an operand's block. */
function emitPart(context: UnitContext, part: Part, along: "lanes" | "depth", to: Local): void {
  const { f, module, functions, numeric } = context;
  const lanes = () => f.get(part.end).get(part.first).op("i32.sub");
  const offset = (table: Local, index: Local) => {
    pushEntry(f, table, index);
    f.load("i32.load").get(part.base).op("i32.add");
  };
  if (along === "depth") {
    offset(part.depth, context.depthStart);
    pushEntry(f, part.lanes, part.first);
    lanes();
    f.get(context.depth);
  } else {
    offset(part.lanes, part.first);
    pushEntry(f, part.depth, context.depthStart);
    f.get(context.depth);
    lanes();
  }
  f.i32(numeric.bytes).op("i32.mul").get(to).call(touchFunction(module, functions));
}

/** Emits the reading of what a unit is about to pack. */
export function emitTouch(context: UnitContext): void {
  const { f, numeric, plan } = context;
  const [first, end] = f.locals("i32", 2);
  if (plan.touchA !== undefined) {
    emitPanelStart(f, plan.rows, context.rowBegin, first);
    emitPanelStart(f, plan.rows, context.rowEnd, end);
    const part = { base: context.a, lanes: context.aRows, depth: context.aDepth, first, end };
    emitPart(context, part, plan.touchA, context.aPanels);
  }
  if (plan.touchB !== undefined) {
    const width = plan.vectors * numeric.lanes;
    f.get(context.columnBegin).i32(width).op("i32.mul").set(first);
    f.get(context.columnEnd).i32(width).op("i32.mul").tee(end).i32(plan.columns.size);
    f.get(end).i32(plan.columns.size).op("i32.lt_s").select().set(end);
    const part = { base: context.b, lanes: context.bColumns, depth: context.bDepth, first, end };
    emitPart(context, part, plan.touchB, context.bPanel);
  }
}
