/**
 * Batches of products whose sides have up to sixteen elements: each is written out in full, and a loop runs over the batch.
 *
 * A tile of C stays in registers. A's elements come four at a time and are spread by shuffles, since a load costs three
 * instructions (engines check its bounds) and a shuffle one. B's vectors are read where they stand, or, where its columns
 * are no neighbours, copied to scratch memory first, by transposing squares where its rows are.
 */
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { gemmDescriptor, rolesOf } from "./gemm_descriptor.ts";
import {
  emitAdd,
  emitFor,
  emitGatherLane,
  emitLoadLanes,
  emitMultiplyAdd,
  emitSpread,
  emitStoreLanes,
  type FunctionCache,
  type Numeric,
  numericOf,
} from "./gemm_numeric.ts";
import { emitWrittenSums } from "./gemm_micro.ts";
import { emitTranspose } from "./gemm_pack.ts";
import { balancedSplit, type GemmShape, transposed } from "./gemm_shape.ts";

/** Longest sides, and most multiplications of vectors, that are written out. */
const tinySide = 16;
const tinyDepth = 32;
const mostMultiplies = 1024;
/** Matrices in a batch from which the code pays. */
const leastBatch = 8;
/** Most matrices of one call: few, so that the optimized code takes over soon after it is ready. */
const mostPerCall = 32;
/** Most vectors in the width of a tile, and its rows by that width: A's and B's vectors find room beside the sums. */
const tileVectors = 4;
const tileRows = [0, 6, 4, 2, 2];
const mostSums = 8;

/** A vector of B and C: its first column, and how many of its lanes exist. */
interface ColumnVector {
  readonly start: number;
  readonly lanes: number;
}

/** How a small product is written out, after its sides may have been exchanged. */
interface TinyWay {
  readonly vectors: readonly ColumnVector[];
  /** A's vectors lie along k, along its rows, or do not exist. */
  readonly a: "depth" | "rows" | "splat";
  /** B's vectors are read in place, transposed, or gathered. */
  readonly b: "direct" | "transposed" | "gathered";
  /** Whether the vectors of a row of C are stored whole. */
  readonly stores: boolean;
  /** Rough number of instructions. */
  readonly instructions: number;
}

/** How the product is written out. */
function wayOf(shape: GemmShape, lanes: number): TinyWay {
  const { m, n, k, a, b, c, accumulate } = shape;
  const stores = c.columns.run >= n;
  const inPlace = b.columns.run >= n;
  const vectors: ColumnVector[] = [];
  for (let start = 0; start < n; start += lanes) {
    // The last vector overlaps the one before, but elements that are added to count once.
    const overlaps = n >= lanes && stores && !accumulate;
    vectors.push(
      overlaps
        ? { start: Math.min(start, n - lanes), lanes }
        : { start, lanes: Math.min(lanes, n - start) },
    );
  }
  const way = {
    vectors,
    a: a.columns.run >= k && k >= lanes
      ? "depth"
      : a.rows.run >= m && m >= lanes
      ? "rows"
      : "splat",
    b: inPlace ? "direct" : b.rows.run >= k && k >= lanes ? "transposed" : "gathered",
    stores,
  } as const;
  const multiplies = m * k * vectors.length;
  const rowsInTile = tileRows[Math.min(tileVectors, vectors.length)];
  const spread = m * k * Math.ceil(vectors.length / tileVectors);
  const loadsA = way.a === "splat" ? 3 * spread : spread * (1 + 3 / lanes);
  const loadsB = 3 * k * vectors.length * Math.ceil(m / rowsInTile);
  const copies = { direct: 0, transposed: 8, gathered: 20 }[way.b] * k * vectors.length;
  const written = stores ? 4 * m * vectors.length : 4 * m * n;
  return { ...way, instructions: multiplies + loadsA + loadsB + copies + written };
}

/** Whether a product is written out, and with which sides exchanged; null where it is not. */
export function tinySwap(shape: GemmShape, lanes: number): boolean | null {
  const { batch, m, n, k } = shape;
  if (batch < leastBatch || Math.max(m, n) > tinySide || k > tinyDepth) return null;
  const ways = [shape, transposed(shape)].map((way) => wayOf(way, lanes));
  const swap = ways[1].instructions < ways[0].instructions;
  const multiplies = (swap ? n : m) * k * ways[Number(swap)].vectors.length;
  return multiplies > mostMultiplies ? null : swap;
}

/** Matrices of one call. */
export function tinyGroup(batch: number): number {
  return Math.min(mostPerCall, Math.ceil(batch / 16));
}

/** Bytes of scratch memory: a copy of B, and a tile's first chains. */
export function tinyScratchBytes({ dtype, m, n, k }: GemmShape, swap: boolean): number {
  return 16 * (Math.ceil((swap ? m : n) / (dtype === "float32" ? 4 : 2)) * k + mostSums);
}

/** What the parts of the code share; `shape` has its sides as they are computed. */
interface Tiny {
  readonly f: FunctionBuilder;
  readonly numeric: Numeric;
  readonly shape: GemmShape;
  readonly way: TinyWay;
  /** Addresses of the present matrices and of the copy of B. */
  readonly a: Local;
  readonly b: Local;
  readonly c: Local;
  readonly scratch: Local;
  readonly address: Local;
}

/** Pushes an address plus the offset of an index of an axis, which a local holds unless neighbours are known to be neighbours. */
type PushOffset = (index: number) => void;

/** Loads the offsets of an axis into locals; what it returns adds one to the top of the stack. */
function emitOffsets(
  f: FunctionBuilder,
  descriptor: Local,
  entry: number,
  size: number,
  contiguous: boolean,
  bytes: number,
): PushOffset {
  if (contiguous) return (index) => emitAdd(f, index * bytes);
  const table = f.local("i32");
  f.get(descriptor).load("i32.load", 4 * entry).set(table);
  const offsets = f.locals("i32", size);
  offsets.forEach((offset, i) => {
    if (i > 0) f.get(table).load("i32.load", 4 * i).set(offset);
  });
  // An axis begins at the matrix's own address.
  return (index) => {
    if (index > 0) f.get(offsets[index]).op("i32.add");
  };
}

/** Emits the copying of B to scratch memory, row by row. */
function emitCopyB({ f, numeric, shape, way, b, scratch }: Tiny, at: {
  depth: PushOffset;
  columns: PushOffset;
}): void {
  const { k } = shape;
  const { lanes } = numeric;
  const rows = f.locals("v128", lanes);
  const spare = f.locals("v128", lanes);
  const place = (d: number, j: number) => 16 * (d * way.vectors.length + j);
  way.vectors.forEach(({ start, lanes: used }, j) => {
    if (way.b === "transposed") {
      for (let first = 0; first < k; first += lanes) {
        const d = Math.min(first, k - lanes);
        rows.forEach((row, i) => {
          if (i < used) {
            f.get(b);
            at.columns(start + i);
            at.depth(d);
            f.load("v128.load");
          } else {
            f.i32x4Splat(0);
          }
          f.set(row);
        });
        emitTranspose(f, numeric, rows, spare);
        rows.forEach((row, i) => f.get(scratch).get(row).store("v128.store", place(d + i, j)));
      }
      return;
    }
    for (let d = 0; d < k; d++) {
      for (let i = 0; i < used; i++) {
        f.get(b);
        at.columns(start + i);
        at.depth(d);
        emitGatherLane(f, numeric, rows[0], i);
      }
      f.get(scratch).get(rows[0]).store("v128.store", place(d, j));
    }
  });
}

/** The function (descriptor, scratch, unit) that computes one unit: some matrices of the batch. */
export function tinyFunction(
  module: ModuleBuilder,
  cache: FunctionCache,
  name: string,
  given: GemmShape,
  swap: boolean,
): FunctionReference {
  const shape = swap ? transposed(given) : given;
  const numeric = numericOf(shape.dtype, shape.relaxed);
  return cache.get(module, `${name} unit`, ["i32", "i32", "i32"], (f) => {
    const [descriptor, scratch, unit] = [0, 1, 2].map((i) => f.parameter(i));
    const { batch, m, n, k, accumulate } = shape;
    const { lanes, bytes } = numeric;
    const way = wayOf(shape, lanes);
    const roles = rolesOf(swap);
    const offsets = (entry: number, size: number, run: number) =>
      emitOffsets(f, descriptor, entry, size, run >= size, bytes);
    const aRows = offsets(roles.aRows, m, shape.a.rows.run);
    const aDepth = offsets(roles.aDepth, k, shape.a.columns.run);
    const bDepth = offsets(roles.bDepth, k, shape.b.rows.run);
    const bColumns = offsets(roles.bColumns, n, shape.b.columns.run);
    const cRows = offsets(roles.cRows, m, shape.c.rows.run);
    const cColumns = offsets(roles.cColumns, n, shape.c.columns.run);
    const [index, end, a, b, c, address] = f.locals("i32", 6);
    const tiny: Tiny = { f, numeric, shape, way, a, b, c, scratch, address };
    const sums = f.locals("v128", mostSums);
    const chains = tinyScratchBytes(given, swap) - 16 * mostSums;
    const left = f.locals("v128", Math.max(...tileRows));
    const right = f.locals("v128", tileVectors);
    const factor = f.local("v128");
    const loadRight = (d: number, j: number, to: Local) => {
      if (way.b !== "direct") {
        f.get(scratch).load("v128.load", 16 * (d * way.vectors.length + j)).set(to);
        return;
      }
      f.get(b);
      bDepth(d);
      bColumns(way.vectors[j].start);
      f.set(address);
      emitLoadLanes(f, numeric, address, to, way.vectors[j].lanes);
    };
    /** A tile: its rows, and its vectors by number. */
    const tile = (rows: readonly number[], vectors: readonly number[]) => {
      const own = rows.map((_, i) => vectors.map((_, j) => sums[i * vectors.length + j]));
      /** Where the vectors of A that are loaded begin, by which register. */
      const loaded: number[] = [];
      const spread = (i: number, d: number) => {
        const row = rows[i];
        if (way.a === "splat") {
          f.get(a);
          aRows(row);
          aDepth(d);
          f.load(numeric.loadSplat).set(factor);
          return;
        }
        const along = way.a === "depth";
        const [at, size, register] = along
          ? [d, k, i]
          : [row, m, Math.floor((row - rows[0]) / lanes)];
        const start = Math.min(
          along ? at - at % lanes : rows[0] + register * lanes,
          size - lanes,
        );
        const tag = along ? start : d * m + start;
        if (loaded[register] !== tag) {
          loaded[register] = tag;
          f.get(a);
          aRows(along ? row : start);
          aDepth(along ? start : d);
          f.load("v128.load").set(left[register]);
        }
        emitSpread(f, lanes, left[register], at - start);
        f.set(factor);
      };
      emitWrittenSums(f, numeric, own.flat(), k, scratch, chains, (d) => {
        vectors.forEach((j, v) => loadRight(d, j, right[v]));
        rows.forEach((_, i) => {
          spread(i, d);
          vectors.forEach((_, v) => emitMultiplyAdd(f, numeric, factor, right[v], own[i][v]));
        });
      });
      rows.forEach((row, i) =>
        vectors.forEach((j, v) => {
          emitStoreVector(tiny, own[i][v], right[0], row, way.vectors[j], {
            rows: cRows,
            columns: cColumns,
          }, accumulate);
        })
      );
    };
    const entry = (base: number, table: number, to: Local) => {
      f.get(descriptor).load("i32.load", 4 * base);
      f.get(descriptor).load("i32.load", 4 * table);
      f.get(index).i32(2).op("i32.shl").op("i32.add").load("i32.load").op("i32.add").set(to);
    };
    const group = tinyGroup(batch);
    f.get(unit).i32(group).op("i32.mul").tee(index).i32(group).op("i32.add").tee(end);
    f.i32(batch).get(end).i32(batch).op("i32.lt_s").select().set(end);
    emitFor(f, index, () => f.get(index), () => f.get(end), () => {
      entry(roles.a, roles.aBatch, a);
      entry(roles.b, roles.bBatch, b);
      entry(gemmDescriptor.c, gemmDescriptor.cBatch, c);
      if (way.b !== "direct") emitCopyB(tiny, { depth: bDepth, columns: bColumns });
      const all = way.vectors.map((_, j) => j);
      for (const vectors of cut(all, tileVectors)) {
        for (const rows of cut(Array.from({ length: m }, (_, i) => i), tileRows[vectors.length])) {
          tile(rows, vectors);
        }
      }
    });
  });
}

/** Cuts a list into as few parts of at most `limit` as there can be, of nearly equal length. */
function cut(list: readonly number[], limit: number): number[][] {
  const { panels, small, extra } = balancedSplit(list.length, limit);
  let at = 0;
  return Array.from(
    { length: panels },
    (_, i) => list.slice(at, at += small + (i < extra ? 1 : 0)),
  );
}

/** Emits the storing of a vector of C, or the adding to what is there. */
function emitStoreVector(
  { f, numeric, way, c, address }: Tiny,
  sum: Local,
  before: Local,
  row: number,
  { start, lanes }: ColumnVector,
  at: { rows: PushOffset; columns: PushOffset },
  accumulate: boolean,
): void {
  const locate = (column: number) => {
    f.get(c);
    at.rows(row);
    at.columns(column);
    f.set(address);
  };
  if (way.stores) {
    locate(start);
    if (accumulate) {
      emitLoadLanes(f, numeric, address, before, lanes);
      f.get(sum).get(before).op(numeric.add).set(sum);
    }
    return emitStoreLanes(f, numeric, address, 0, sum, lanes);
  }
  if (accumulate) {
    for (let lane = 0; lane < lanes; lane++) {
      locate(start + lane);
      f.get(address);
      emitGatherLane(f, numeric, before, lane);
    }
    f.get(sum).get(before).op(numeric.add).set(sum);
  }
  for (let lane = 0; lane < lanes; lane++) {
    locate(start + lane);
    f.get(address).get(sum).storeLane(numeric.storeLane, lane);
  }
}
