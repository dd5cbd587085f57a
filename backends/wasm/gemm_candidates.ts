/** The ways to compute a matrix product, with estimates of the cycles that each takes. */
import type { PackSource } from "./gemm_pack.ts";
import {
  type AxisLayout,
  balancedSplit,
  type GemmPlan,
  type GemmShape,
  sizesOf,
  type Split,
} from "./gemm_shape.ts";
import { spreadRows } from "./gemm_micro.ts";
import { shortDepth } from "./gemm_short.ts";
import { thinColumns, thinTile } from "./gemm_thin.ts";
import { stripDepth, stripRows } from "./gemm_strip.ts";
import { mostTaps } from "./gemm_taps.ts";

/** Whether aligned groups of `group` neighbours are contiguous all along an axis. */
export function contiguousBy(axis: AxisLayout, size: number, group: number): boolean {
  return axis.run >= size || axis.run % group === 0;
}

/** How a panel is read: `aligned` says that its groups of lanes start at multiples of a vector. */
export function packSource(
  lanesAxis: AxisLayout,
  lanesSize: number,
  depthAxis: AxisLayout,
  depthSize: number,
  lanes: number,
  aligned: boolean,
): PackSource {
  if (lanesAxis.run >= lanesSize || (aligned && lanesAxis.run % lanes === 0)) return "lanes";
  if (contiguousBy(depthAxis, depthSize, lanes)) return "depth";
  if (aligned && lanes === 4 && lanesAxis.pairs === 2) return "spacedPairs";
  if (lanesAxis.run >= lanes) return "lanesChecked";
  if (depthAxis.run >= lanes) return "depthChecked";
  return "gather";
}

/** Rough cycles for each element packed. */
const packCycles: Readonly<Record<PackSource, number>> = {
  lanes: 0.5,
  depth: 0.8,
  lanesChecked: 0.7,
  pairs: 0.8,
  spacedPairs: 0.8,
  depthChecked: 1,
  gather: 2,
};
/** The same for strips of a few neighbours from each of many rows, out of memory. */
const stripCycles = 1.5;

/**
 * Cycles for one k of a tile: two multiply-adds start in a cycle, about six instructions are issued
 * (three for each load, because of bounds checks), and a chain of sums takes four.
 */
function tileCycles(rows: number, vectors: number, chains = 1): number {
  return Math.max(rows * vectors / 2, (rows * vectors + 3 * (rows + vectors)) / 6, 4 / chains);
}

/** Vectors in the width of a tile, by its rows: as many sums as fit into the registers. */
export function vectorsForRows(rows: number, relaxed: boolean): number {
  return relaxed ? [0, 12, 6, 3, 2, 2, 2][rows] : [0, 10, 5, 3, 2, 2][rows];
}

/** How columns are cut into vectors: see `GemmPlan.columnRun`. */
export function columnVectors(
  shape: GemmShape,
  lanes: number,
  source: PackSource,
): { columnRun: number; columnVectors: number } {
  const { n } = shape;
  const sides = [shape.c.columns.run];
  if (source === "lanes" || source === "lanesChecked") sides.push(shape.b.columns.run);
  const fits = (run: number) =>
    run >= lanes && n % run === 0 && sides.every((side) => side >= n || side % run === 0);
  const run = [n, ...sides].find((candidate) => candidate <= n && fits(candidate));
  // Overlapping elements are computed twice, which must not add to C twice.
  if (run !== undefined && (run % lanes === 0 || !shape.accumulate)) {
    const count = n / run * Math.ceil(run / lanes);
    if (count * lanes <= 1.2 * n || n < 4 * lanes) return { columnRun: run, columnVectors: count };
  }
  return { columnRun: 0, columnVectors: Math.ceil(n / lanes) };
}

/** A way to compute a product before it is cut into tasks. */
export interface Candidate {
  readonly kind: GemmPlan["kind"];
  readonly swap: boolean;
  readonly cycles: number;
  readonly rowLimit: number;
  /** For dot plans. */
  readonly columnLimit?: number;
}

/** Bytes of an operand that caches hold, so that the order in which it is read matters little. */
const cachedBytes = 1 << 19;
/** Panels of columns up to which reading the rows of A in place, once for each, is faster than packing them. */
const directPanels = 4;

/** Rows up to which B is read in place. */
const fewRows = 12;

/** Whether an operand fits into the caches. */
function isCached(rows: number, columns: number, lanes: number): boolean {
  return rows * columns * (16 / lanes) <= cachedBytes;
}

/** How an outer plan with tiles of that many rows reads A and B. */
export function outerSides(
  shape: GemmShape,
  lanes: number,
  rows: Split,
): Pick<
  GemmPlan,
  "packA" | "directA" | "packB" | "directB" | "wholeB" | "columnRun" | "columnVectors"
> {
  const { m, n, k, a, b } = shape;
  const found = packSource(b.columns, n, b.rows, k, lanes, true);
  const inRuns = columnVectors(shape, lanes, found);
  const acrossRuns = columnVectors(shape, lanes, "pairs");
  // Vectors that go on from one of B's runs to the next leave none of them to be computed twice. A B that few rows meet
  // is read in place instead.
  const pairs = found === "lanesChecked" && lanes === 4 && b.columns.pairs === 1 &&
    m > fewRows && acrossRuns.columnRun > 0 &&
    (inRuns.columnRun === 0 || acrossRuns.columnVectors <= 0.97 * inRuns.columnVectors);
  const [source, cut] = pairs ? ["pairs", acrossRuns] as const : [found, inRuns] as const;
  const byLanes = source === "lanes" || source === "lanesChecked";
  const whole = byLanes && cut.columnRun > 0;
  const cached = isCached(k, n, lanes);
  // Packing B pays only when several panels of rows use it, or to read it in a better order.
  const directB = whole && m <= fewRows && (cached || b.columns.run < n);
  const spread = shape.relaxed && rows.largest === spreadRows &&
    (k > shortDepth || m <= fewRows);
  const panels = Math.ceil(cut.columnVectors / vectorsForRows(rows.largest, shape.relaxed));
  return {
    packA: packSource(a.rows, m, a.columns, k, lanes, false),
    directA: a.columns.run >= k && (panels <= directPanels || spread),
    packB: whole ? "lanes" : source,
    directB,
    wholeB: !directB && !cached && b.columns.run >= n,
    ...cut,
  };
}

/**
 * Most rows of an outer plan's tiles. Twelve sums of fused multiply-adds and what they take stay in the registers, but the factors
 * of six packed rows are not lanes of a vector: see `emitPackedFactor`.
 */
function outerRows(shape: GemmShape, lanes: number): number {
  if (!shape.relaxed) return 5;
  if (lanes === 2 || shape.m <= fewRows) return 6;
  return outerSides(shape, lanes, balancedSplit(shape.m, 6)).directA ? 6 : 5;
}

/** Estimates an outer plan. */
export function outerCandidate(shape: GemmShape, lanes: number, swap: boolean): Candidate {
  const { m, n, k } = shape;
  const rowLimit = outerRows(shape, lanes);
  const rows = balancedSplit(m, rowLimit);
  const side = outerSides(shape, lanes, rows);
  const vectors = vectorsForRows(rows.largest, shape.relaxed);
  const full = Math.floor(side.columnVectors / vectors);
  const last = side.columnVectors - full * vectors;
  const columnCycles = (count: number, size: number) =>
    count * (full * tileCycles(size, vectors) + (last > 0 ? tileCycles(size, last) : 0));
  const multiply = k *
    (columnCycles(rows.extra, rows.small + 1) +
      columnCycles(rows.panels - rows.extra, rows.small));
  const calls = rows.panels * (full + (last > 0 ? 1 : 0)) * 40;
  /** Strips of a large matrix with contiguous rows are read slowly; patches overlap, and stay in the caches. */
  const packing = (source: PackSource, axis: AxisLayout, size: number) =>
    size * k *
    (source === "lanes" && axis.run >= size && !isCached(size, k, lanes)
      ? stripCycles
      : packCycles[source]);
  const packA = side.directA ? 0 : packing(side.packA, shape.a.rows, m) * Math.ceil(n / 1024);
  const packB = side.directB
    ? 0
    : (side.wholeB ? n * k * packCycles.lanes : packing(side.packB, shape.b.columns, n)) *
      Math.ceil(m / 256);
  const store = m * n * (side.columnRun > 0 ? 0.3 : 2);
  return { kind: "outer", swap, cycles: multiply + calls + packA + packB + store, rowLimit };
}

/** Estimates dot plans, where both operands are contiguous along k and one side is small. */
export function dotCandidates(shape: GemmShape, lanes: number): Candidate[] {
  const { m, n, k } = shape;
  const eligible = contiguousBy(shape.a.columns, k, lanes) &&
    contiguousBy(shape.b.rows, k, lanes) && (Math.min(m, n) <= 6 || Math.max(m, n) <= 32) &&
    k >= 2 * lanes;
  if (!eligible) return [];
  return ([[2, 6], [6, 2], [3, 3], [1, 8], [8, 1]] as const).map(([rowLimit, columnLimit]) => {
    const rows = balancedSplit(m, rowLimit);
    const columns = balancedSplit(n, columnLimit);
    const tile = tileCycles(
      rows.largest,
      columns.largest,
      Math.ceil(8 / (rows.largest * columns.largest)),
    );
    const tiles = rows.panels * columns.panels;
    return {
      kind: "dot",
      swap: false,
      cycles: tiles * (k / lanes * tile * 1.1 + 80) + m * n * 2,
      rowLimit,
      columnLimit,
    };
  });
}

/** Bytes of B below which it stays in the first-level cache, where other ways are as fast. */
const smallestStrip = 1 << 16;

/** Estimates a strip plan, for a few rows and a large B with contiguous rows. */
export function stripCandidates(shape: GemmShape, lanes: number, swap: boolean): Candidate[] {
  const { m, n, k, b } = shape;
  const eligible = m <= stripRows(shape.relaxed) && b.columns.run >= n && n >= 16 * lanes &&
    k >= 2 * stripDepth && n * k * (16 / lanes) >= smallestStrip;
  // Multiplying by the first rows is hidden behind reading.
  const cycles = k * n / lanes * Math.max(0.5, 0.65 * m);
  return eligible ? [{ kind: "strip", swap, cycles, rowLimit: m }] : [];
}

/** Estimates a taps plan, for one row and a few rows of B that come in runs of neighbours. */
export function tapsCandidates(shape: GemmShape, lanes: number, swap: boolean): Candidate[] {
  const { m, k, b } = shape;
  if (m > 1 || k > mostTaps || b.columns.run < 2 * lanes) return [];
  const { columnRun, columnVectors: count } = columnVectors(shape, lanes, "lanes");
  return columnRun >= 2 * lanes
    ? [{ kind: "taps", swap, cycles: 0.7 * k * count, rowLimit: 1 }]
    : [];
}

/** Rows and terms of sums from which copying B pays. */
const leastThinRows = 16;
const leastThinDepth = 128;

/** Estimates a thin plan, for many rows that are contiguous along k and a few columns. */
export function thinCandidates(shape: GemmShape, lanes: number, swap: boolean): Candidate[] {
  const { m, n, k, a } = shape;
  if (a.columns.run < k || n < 2 || n > thinColumns) return [];
  if (m < leastThinRows || k < leastThinDepth) return [];
  const { rows, columns } = thinTile(n);
  const step = sizesOf(columns).reduce(
    (sum, [size, count]) => sum + count * tileCycles(rows, size),
    0,
  );
  const multiply = Math.ceil(m / rows) * k / lanes * step * 1.1;
  return [{ kind: "thin", swap, cycles: multiply + n * k + m * n * 4, rowLimit: rows }];
}
