/**
 * How one matrix product is to be computed: the sizes of its tiles and blocks, what is packed, and
 * how the work is cut into tasks.
 *
 * All of it follows from the shape alone, never from the number of threads, so results are equal bit
 * for bit however many threads there are.
 */
import type { PackSource } from "./gemm_pack.ts";

/** What is known of the offsets along one axis of a view when code is emitted. */
export interface AxisLayout {
  /**
   * Neighbours are one element apart within each aligned group of `run` indices: offset[i + 1] −
   * offset[i] is the size of an element unless i + 1 is a multiple of `run`. At least the axis's
   * size when all of it is contiguous, 1 when nothing is known.
   */
  readonly run: number;
}

/** What is known of a matrix operand's two axes. */
export interface OperandLayout {
  readonly rows: AxisLayout;
  readonly columns: AxisLayout;
}

/** A batch of matrix products over strided views: C[b, m, n] (+)= Σ_k A[b, m, k] · B[b, k, n]. */
export interface GemmShape {
  readonly dtype: "float32" | "float64";
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** A's rows are m, its columns k. */
  readonly a: OperandLayout;
  /** B's rows are k, its columns n. */
  readonly b: OperandLayout;
  /** C's rows are m, its columns n. No two of its elements may share an address. */
  readonly c: OperandLayout;
  /** Whether the product is added to what C holds. */
  readonly accumulate: boolean;
  /** Whether multiply-adds may be fused where the processor can: faster, and reproducible only on like processors. */
  readonly relaxed: boolean;
}

/** An axis cut into panels whose sizes differ by one at most: the first `extra` are one larger. */
export interface Split {
  readonly size: number;
  readonly panels: number;
  /** Size of the smaller panels. */
  readonly small: number;
  /** How many panels have small + 1. */
  readonly extra: number;
  /** Size of the largest panel. */
  readonly largest: number;
}

/** Everything that code emission needs to know. */
export interface GemmPlan {
  /** Sums of outer products of packed panels, or dot products of rows where they stand. */
  readonly kind: "outer" | "dot";
  /** Whether Cᵀ = Bᵀ · Aᵀ is computed: sizes and sources below are those after swapping. */
  readonly swap: boolean;
  readonly rows: Split;
  /** Panels of columns: of equal width but for the last in an outer plan, balanced in a dot plan. */
  readonly columns: Split;
  /** Width of a full panel of columns, in vectors, for outer plans. */
  readonly vectors: number;
  /** All vectors of columns, for outer plans. */
  readonly columnVectors: number;
  /**
   * Vectors lie within runs of this many columns; the last of a run overlaps the one before where the
   * run is not a multiple of a vector, so that all are whole. 0: the last vector is padded instead.
   */
  readonly columnRun: number;
  readonly packA: PackSource;
  readonly packB: PackSource;
  /** Whether B's vectors are read where they are. */
  readonly directB: boolean;
  /** Vectors of k that a dot microkernel reads for each look into the tables. */
  readonly unroll: number;
  /** Length of a block of k, the number of blocks, and the number of separate sums over blocks. */
  readonly depthBlock: number;
  readonly depthBlocks: number;
  readonly depthSplits: number;
  /** Whether rounding errors of adding blocks are collected. */
  readonly compensated: boolean;
  /** Panels are grouped into this many blocks of rows and columns. */
  readonly rowBlocks: number;
  readonly columnBlocks: number;
  /** batch × depthSplits × rowBlocks × columnBlocks. */
  readonly units: number;
  readonly unitsPerTask: number;
  readonly tasks: number;
}

/** Cuts an axis into as few panels of at most `limit` as there can be, of nearly equal size. */
export function balancedSplit(size: number, limit: number): Split {
  const panels = Math.ceil(size / limit);
  const small = Math.floor(size / panels);
  const extra = size - panels * small;
  return { size, panels, small, extra, largest: small + (extra > 0 ? 1 : 0) };
}

/** Whether aligned groups of `group` neighbours are contiguous all along an axis. */
function contiguousBy(axis: AxisLayout, size: number, group: number): boolean {
  return axis.run >= size || axis.run % group === 0;
}

/** How a panel is read: `aligned` says that its groups of lanes start at multiples of a vector. */
function packSource(
  lanesAxis: AxisLayout,
  lanesSize: number,
  depthAxis: AxisLayout,
  depthSize: number,
  lanes: number,
  aligned: boolean,
): PackSource {
  if (lanesAxis.run >= lanesSize || (aligned && lanesAxis.run % lanes === 0)) return "lanes";
  if (contiguousBy(depthAxis, depthSize, lanes)) return "depth";
  if (lanesAxis.run >= lanes) return "lanesChecked";
  if (depthAxis.run >= lanes) return "depthChecked";
  return "gather";
}

/** Rough cycles for each element packed. */
const packCycles: Readonly<Record<PackSource, number>> = {
  lanes: 0.5,
  depth: 0.8,
  lanesChecked: 0.7,
  depthChecked: 1,
  gather: 2,
};

/**
 * Cycles for one k of a tile: two multiply-adds start in a cycle, about six instructions are issued
 * (three for each load, because of bounds checks), and a chain of sums takes four.
 */
function tileCycles(rows: number, vectors: number, chains = 1): number {
  return Math.max(rows * vectors / 2, (rows * vectors + 3 * (rows + vectors)) / 6, 4 / chains);
}

/** Vectors in the width of a tile, by its rows: as many sums as fit into the registers. */
function vectorsForRows(rows: number, relaxed: boolean): number {
  return relaxed ? [0, 12, 6, 3, 2, 2, 2][rows] : [0, 10, 5, 3, 2, 2][rows];
}

/** How columns are cut into vectors: see `GemmPlan.columnRun`. */
function columnVectors(
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
interface Candidate {
  readonly kind: "outer" | "dot";
  readonly swap: boolean;
  readonly cycles: number;
  readonly rowLimit: number;
  /** For dot plans. */
  readonly columnLimit?: number;
}

/** The shape with the roles of A and B exchanged: Cᵀ = Bᵀ · Aᵀ. */
function transposed(shape: GemmShape): GemmShape {
  const flip = ({ rows, columns }: OperandLayout): OperandLayout => ({
    rows: columns,
    columns: rows,
  });
  return {
    ...shape,
    m: shape.n,
    n: shape.m,
    a: flip(shape.b),
    b: flip(shape.a),
    c: flip(shape.c),
  };
}

/** How an outer plan reads B. */
function columnSide(
  shape: GemmShape,
  lanes: number,
  rowPanels: number,
): Pick<GemmPlan, "packB" | "directB" | "columnRun" | "columnVectors"> {
  const source = packSource(shape.b.columns, shape.n, shape.b.rows, shape.k, lanes, true);
  const cut = columnVectors(shape, lanes, source);
  const byLanes = source === "lanes" || source === "lanesChecked";
  const whole = byLanes && cut.columnRun > 0;
  // Packing B pays only when several panels of rows use it.
  return { packB: whole ? "lanes" : source, directB: whole && rowPanels <= 2, ...cut };
}

/** Estimates an outer plan. */
function outerCandidate(shape: GemmShape, lanes: number, swap: boolean): Candidate {
  const { m, n, k } = shape;
  const rowLimit = shape.relaxed ? 6 : 5;
  const rows = balancedSplit(m, rowLimit);
  const side = columnSide(shape, lanes, rows.panels);
  const vectors = vectorsForRows(rows.largest, shape.relaxed);
  const full = Math.floor(side.columnVectors / vectors);
  const last = side.columnVectors - full * vectors;
  const columnCycles = (count: number, size: number) =>
    count * (full * tileCycles(size, vectors) + (last > 0 ? tileCycles(size, last) : 0));
  const multiply = k *
    (columnCycles(rows.extra, rows.small + 1) +
      columnCycles(rows.panels - rows.extra, rows.small));
  const calls = rows.panels * (full + (last > 0 ? 1 : 0)) * 40;
  const sourceA = packSource(shape.a.rows, m, shape.a.columns, k, lanes, false);
  const packing = m * k * packCycles[sourceA] * Math.ceil(n / 1024) +
    (side.directB ? 0 : n * k * packCycles[side.packB] * Math.ceil(m / 256));
  const store = m * n * (side.columnRun > 0 ? 0.3 : 2);
  return { kind: "outer", swap, cycles: multiply + calls + packing + store, rowLimit };
}

/** Estimates dot plans, where both operands are contiguous along k and one side is small. */
function dotCandidates(shape: GemmShape, lanes: number): Candidate[] {
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

/** Chooses how a product is computed. */
export function planGemm(shape: GemmShape): GemmPlan {
  const lanes = shape.dtype === "float32" ? 4 : 2;
  const candidates = [
    outerCandidate(shape, lanes, false),
    outerCandidate(transposed(shape), lanes, true),
    ...dotCandidates(shape, lanes),
  ];
  const best = candidates.reduce((a, b) => (b.cycles < a.cycles ? b : a));
  const oriented = best.swap ? transposed(shape) : shape;
  const { m, n, k, batch } = oriented;
  const rows = balancedSplit(m, best.rowLimit);
  const outer = best.kind === "outer";
  const vectors = outer ? vectorsForRows(rows.largest, shape.relaxed) : 0;
  const side = columnSide(oriented, lanes, rows.panels);
  const columns = outer
    ? equalSplit(n, vectors, side.columnVectors)
    : balancedSplit(n, best.columnLimit ?? 1);
  const streams = outer && side.directB && n * k * 4 * lanes > 2 ** 22;
  // Eight rows of B at a time: more would compete for the same sets of the first-level cache.
  const blockTarget = streams ? 8 : outer ? 320 : 2048;
  const depthBlock = roundUp(Math.ceil(k / Math.ceil(k / blockTarget)), streams ? 8 : 16);
  const depthBlocks = Math.ceil(k / depthBlock);
  const cut = cutIntoTasks(
    batch,
    rows,
    columns,
    k,
    depthBlock,
    depthBlocks,
    best.kind,
    streams,
    lanes,
  );
  const runs = [shape.a.columns, shape.b.rows];
  const unroll =
    [4, 2, 1].find((u) =>
      k >= 4 * u * lanes && runs.every((axis) => contiguousBy(axis, k, u * lanes))
    ) ?? 1;
  return {
    kind: best.kind,
    swap: best.swap,
    rows,
    columns,
    vectors,
    packA: packSource(oriented.a.rows, m, oriented.a.columns, k, lanes, false),
    ...side,
    unroll,
    depthBlock,
    depthBlocks,
    compensated: depthBlocks / cut.depthSplits > (streams ? 300 : 4),
    ...cut,
  };
}

/** Panels of that many vectors; the last may have fewer. */
function equalSplit(size: number, vectors: number, all: number): Split {
  return {
    size,
    panels: Math.ceil(all / vectors),
    small: vectors,
    extra: 0,
    largest: Math.min(all, vectors),
  };
}

/** The next multiple. */
function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/** Fewer tasks than this leave threads idle at the end. */
const wantedTasks = 16;
/** A task of fewer multiply-adds is not worth handing out. */
const smallestTask = 500_000;

/** Blocks of panels, sums over separate parts of k, and how many units make a task. */
function cutIntoTasks(
  batch: number,
  rows: Split,
  columns: Split,
  k: number,
  depthBlock: number,
  depthBlocks: number,
  kind: "outer" | "dot",
  streams: boolean,
  lanes: number,
): Pick<
  GemmPlan,
  "depthSplits" | "rowBlocks" | "columnBlocks" | "units" | "unitsPerTask" | "tasks"
> {
  // A's packed block stays in the second-level cache; scratch tiles, needed for several blocks of k, too.
  const rowsInCache = kind === "outer" ? Math.max(48, Math.floor(16384 * lanes / depthBlock)) : 256;
  const columnsInCache = streams ? 8192 : depthBlocks > 1 ? 512 : 4096;
  let rowBlocks = Math.ceil(rows.size / rowsInCache);
  let columnBlocks = Math.ceil(columns.size / columnsInCache);
  const work = batch * rows.size * columns.size * k;
  const enough = () => {
    const units = batch * rowBlocks * columnBlocks;
    return units >= wantedTasks || work / units < 2 * smallestTask;
  };
  while (!enough()) {
    const rowsEach = rows.size / rowBlocks;
    const columnsEach = columns.size / columnBlocks;
    // Short stretches of many rows would read memory slowly: parts of k make the tasks instead.
    if (streams && columnsEach < 8192) break;
    // Cutting a small block again would pack the same panels many times.
    if (Math.max(rowsEach, columnsEach) <= 256 && depthBlocks >= 8) break;
    if (columnsEach >= rowsEach && columns.panels >= 4 * columnBlocks) columnBlocks++;
    else if (rows.panels >= 4 * rowBlocks) rowBlocks++;
    else if (columns.panels >= 4 * columnBlocks) columnBlocks++;
    else break;
  }
  let depthSplits = 1;
  if (!enough() && depthBlocks >= 4) {
    const units = batch * rowBlocks * columnBlocks;
    depthSplits = Math.max(
      1,
      Math.min(
        Math.ceil(wantedTasks / units),
        Math.floor(depthBlocks / 2),
        Math.floor(work / units / smallestTask),
      ),
    );
  }
  const units = batch * depthSplits * rowBlocks * columnBlocks;
  const unitsPerTask = Math.min(
    Math.max(1, Math.floor(smallestTask / (work / units))),
    Math.max(1, Math.floor(units / wantedTasks)),
  );
  return {
    depthSplits,
    rowBlocks,
    columnBlocks,
    units,
    unitsPerTask,
    tasks: Math.ceil(units / unitsPerTask),
  };
}
