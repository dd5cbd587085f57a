/**
 * Products of a few rows with a large matrix whose rows are contiguous: C += A · B, eight rows of B at a time.
 *
 * Memory limits these products: every element of B is used a few times. So B is read where it stands, a cache line
 * of each of eight rows in turn: eight streams keep the processor's prefetchers busy where one does not (measured:
 * 25 GB/s against 16), and more would compete for the same sets of the first-level cache. The rows of C stay in
 * the caches, one page of columns at a time. With four rows or more arithmetic takes as long as memory, and overlaps it,
 * which packing B would not.
 */
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import type { UnitContext } from "./gemm_context.ts";
import { pushEntry } from "./gemm_context.ts";
import { spreadRows } from "./gemm_micro.ts";
import {
  emitAdd,
  emitIncrement,
  emitLoadLanes,
  emitMultiplyAdd,
  emitSpread,
  emitStoreLanes,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";
import { balancedSplit, sizesOf, workspaceRow } from "./gemm_shape.ts";

/** Rows of B that are read together. */
export const stripDepth = 8;
/** Most rows of A: with more, packing B is faster. Where multiply-adds are not fused, it is earlier. */
export function stripRows(relaxed: boolean): number {
  return relaxed ? 16 : 8;
}
/**
 * Most rows of which whole cache lines are summed at once; of more, half a line is, for up to six rows together, and where
 * there are more than those for at most four, whose factors are spread.
 */
const fewRows = 3;
const groupRows = 6;

/** Bytes of a panel of columns: prefetchers do not go beyond a page, and the rows of C should stay in the caches. */
export function stripPanelBytes(rows: number): number {
  return rows <= fewRows ? 8192 : 4096;
}

/** The rows of C that are summed together. */
function rowGroups(rows: number): number[] {
  return sizesOf(balancedSplit(rows, rows > groupRows ? spreadRows : groupRows)).flatMap((
    [size, count],
  ) => new Array<number>(count).fill(size));
}

/**
 * Whether A's elements are packed by rows, loaded as vectors along k and spread by shuffles, which takes fewer instructions
 * than loading each: as in tiles of `spreadRows`.
 */
function spreads(numeric: Numeric, rows: number, depth: number): boolean {
  return numeric.relaxed && rows > fewRows && rowGroups(rows)[0] <= spreadRows &&
    depth % numeric.lanes === 0;
}

/** A strip: that many rows of C, that many rows of B, and lanes after the last whole vector of a row. */
interface Strip {
  readonly rows: number;
  readonly depth: number;
  readonly tail: number;
}

/**
 * The function (base, depthTable, x, begin, end, ...c) that adds to rows of C, at `c` plus `begin` up to `end` bytes,
 * the products of A's elements, packed at `x` by k or by rows, with rows of B.
 */
function stripMicrokernel(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  { rows, depth, tail }: Strip,
): FunctionReference {
  const key = `strip ${numeric.dtype}${
    numeric.relaxed ? " relaxed" : ""
  } ${rows}x${depth} tail ${tail}`;
  return cache.get(module, key, new Array<"i32">(5 + rows).fill("i32"), (f) => {
    const [base, table, x, position, end] = [0, 1, 2, 3, 4].map((i) => f.parameter(i));
    const targets = Array.from({ length: rows }, (_, i) => f.parameter(5 + i));
    const sources = f.locals("i32", depth);
    sources.forEach((source, d) => {
      f.get(base).get(table).load("i32.load", 4 * d).op("i32.add").set(source);
    });
    const loadFactor = (d: number, i: number, to: Local) => {
      f.get(x);
      emitAdd(f, numeric.bytes * (d * rows + i));
      f.load(numeric.loadSplat).set(to);
    };
    // The factors of a single row fit into registers.
    const held = rows === 1;
    const factors = f.locals("v128", held ? depth : rows <= fewRows ? rows : 1);
    if (held) factors.forEach((factor, d) => loadFactor(d, 0, factor));
    const lineVectors = rows <= fewRows ? 4 : 2;
    const groups = rowGroups(rows);
    const spread = spreads(numeric, rows, depth);
    const left = spread ? f.locals("v128", groups[0]) : [];
    const spreadFactor = (d: number, i: number, row: number, to: Local) => {
      const lane = d % numeric.lanes;
      if (lane === 0) {
        f.get(x);
        emitAdd(f, numeric.bytes * (row * depth + d));
        f.load("v128.load").set(left[i]);
      }
      emitSpread(f, numeric.lanes, left[i], lane);
      f.set(to);
    };
    const sums = Array.from({ length: groups[0] }, () => f.locals("v128", lineVectors));
    const right = f.locals("v128", rows <= fewRows ? 1 : lineVectors);
    const address = f.local("i32");
    const step = (vectors: number, lanes: number) => {
      const locate = (pointer: Local, vector: number) => {
        f.get(pointer).get(position).op("i32.add");
        emitAdd(f, 16 * vector);
        f.set(address);
      };
      const load = (d: number, j: number, to: Local) => {
        locate(sources[d], j);
        emitLoadLanes(f, numeric, address, to, lanes);
      };
      const add = (d: number, factor: Local, vector: Local, sum: Local) => {
        if (d === 0) f.get(factor).get(vector).op(numeric.multiply).set(sum);
        else emitMultiplyAdd(f, numeric, factor, vector, sum);
      };
      let first = 0;
      for (const group of groups) {
        const used = sums.slice(0, group);
        for (let d = 0; d < depth; d++) {
          if (rows <= fewRows) {
            if (!held) factors.forEach((factor, i) => loadFactor(d, i, factor));
            for (let j = 0; j < vectors; j++) {
              load(d, j, right[0]);
              used.forEach((row, i) => add(d, held ? factors[d] : factors[i], right[0], row[j]));
            }
          } else {
            for (let j = 0; j < vectors; j++) load(d, j, right[j]);
            used.forEach((row, i) => {
              if (spread) spreadFactor(d, i, first + i, factors[0]);
              else loadFactor(d, first + i, factors[0]);
              for (let j = 0; j < vectors; j++) add(d, factors[0], right[j], row[j]);
            });
          }
        }
        // Added to C when they are complete: sums of eight, then one of those, have smaller errors than one long sum.
        used.forEach((row, i) => {
          for (let j = 0; j < vectors; j++) {
            locate(targets[first + i], j);
            emitLoadLanes(f, numeric, address, right[0], lanes);
            f.get(row[j]).get(right[0]).op(numeric.add).set(row[j]);
            emitStoreLanes(f, numeric, address, 0, row[j], lanes);
          }
        });
        first += group;
      }
    };
    const steps = (vectors: number) => {
      const left = () => f.get(end).get(position).op("i32.sub").i32(16 * vectors).op("i32.ge_s");
      left().if_(() => {
        f.loop((again) => {
          step(vectors, numeric.lanes);
          emitIncrement(f, position, 16 * vectors);
          left().brIf(again);
        });
      });
    };
    steps(lineVectors);
    steps(1);
    if (tail > 0) f.get(position).get(end).op("i32.lt_s").if_(() => step(1, tail));
  });
}

/** Emits one block of k of a strip plan: at most `stripDepth` rows of B. */
export function emitStripBlock(context: UnitContext, k: number): void {
  const { f, module, functions, numeric, plan } = context;
  const rows = plan.rows.size;
  const columns = plan.columns.size;
  const tail = columns % numeric.lanes;
  const panelBytes = stripPanelBytes(rows);
  const begin = f.local("i32");
  const end = f.local("i32");
  const targets = f.locals("i32", rows);
  const bound = (panel: Local, to: Local) => {
    f.get(panel).i32(panelBytes).op("i32.mul").tee(to);
    f.i32(columns * numeric.bytes).get(to).i32(columns * numeric.bytes).op("i32.lt_s").select();
    f.set(to);
  };
  bound(context.columnBegin, begin);
  bound(context.columnEnd, end);
  const dense = plan.depthSplits > 1;
  targets.forEach((target, i) => {
    f.get(context.c);
    if (dense) f.i32(i * workspaceRow(columns, numeric.bytes)).op("i32.add");
    else f.get(context.cRows).load("i32.load", 4 * i).op("i32.add");
    f.set(target);
  });
  if (dense || !context.accumulate) {
    f.get(context.first).if_(() => {
      for (const target of targets) {
        f.get(target).get(begin).op("i32.add").i32(0).get(end).get(begin).op("i32.sub");
        f.memoryFill();
      }
    });
  }
  const multiply = (depth: number) => {
    emitFactors(f, context, rows, depth);
    f.get(context.b);
    pushEntry(f, context.bDepth, context.depthStart);
    f.get(context.tiles).get(begin).get(end);
    for (const target of targets) f.get(target);
    f.call(stripMicrokernel(module, functions, numeric, { rows, depth, tail }));
  };
  const rest = k % stripDepth;
  if (rest === 0) return multiply(stripDepth);
  f.get(context.depth).i32(stripDepth).op("i32.eq").if_(
    () => multiply(stripDepth),
    () => multiply(rest),
  );
}

/** Emits the copying of a block of A to scratch, by k or by rows. */
function emitFactors(f: FunctionBuilder, context: UnitContext, rows: number, depth: number): void {
  const { numeric } = context;
  const offset = f.local("i32");
  const byRows = spreads(numeric, rows, depth);
  const load = numeric.bytes === 4 ? "f32.load" : "f64.load";
  const store = numeric.bytes === 4 ? "f32.store" : "f64.store";
  for (let d = 0; d < depth; d++) {
    pushEntry(f, context.aDepth, context.depthStart, d);
    f.load("i32.load").get(context.a).op("i32.add").set(offset);
    for (let i = 0; i < rows; i++) {
      f.get(context.tiles).get(offset);
      f.get(context.aRows).load("i32.load", 4 * i).op("i32.add");
      f.load(load).store(store, numeric.bytes * (byRows ? i * depth + d : d * rows + i));
    }
  }
}
