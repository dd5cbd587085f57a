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
  readonly packA: PackSource;
  readonly packB: PackSource;
  /** Whether B's vectors are read where they are: always, where the offset table says so, or never. */
  readonly directB: "always" | "checked" | "never";
  /** Whether C's columns can be stored by vectors. */
  readonly vectorC: boolean;
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
  lanes: 0.4,
  depth: 0.8,
  lanesChecked: 0.6,
  depthChecked: 1,
  gather: 1.6,
};

/** Cycles for one k of a tile: two multiply-adds and two loads start in a cycle, one chain takes four. */
function tileCycles(rows: number, vectors: number, chains = 1): number {
  return Math.max(rows * vectors / 2, (rows + vectors) / 2, 4 / chains);
}

/** Vectors in the width of a tile, by its rows: about twelve sums fit into the registers. */
const vectorsForRows: readonly number[] = [0, 8, 5, 3, 2, 2, 2];

/** A way to compute a product before it is cut into tasks. */
interface Candidate {
  readonly kind: "outer" | "dot";
  readonly swap: boolean;
  readonly cycles: number;
  readonly rowLimit: number;
  readonly columnLimit: number;
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

/** Whether B is read in place: packing it pays only when several panels of rows use it. */
function directness(shape: GemmShape, lanes: number, rowPanels: number): GemmPlan["directB"] {
  if (rowPanels > 2 || shape.b.columns.run < lanes) return "never";
  return contiguousBy(shape.b.columns, shape.n, lanes) ? "always" : "checked";
}

/** Estimates an outer plan. */
function outerCandidate(shape: GemmShape, lanes: number, swap: boolean): Candidate {
  const { m, n, k } = shape;
  const rowLimit = shape.relaxed ? 6 : 4;
  const rows = balancedSplit(m, rowLimit);
  const vectors = vectorsForRows[rows.largest];
  const width = vectors * lanes;
  const full = Math.floor(n / width);
  const lastVectors = Math.ceil((n - full * width) / lanes);
  const columnCycles = (count: number, size: number) =>
    count * (full * tileCycles(size, vectors) +
      (lastVectors > 0 ? tileCycles(size, lastVectors) : 0));
  const multiply = k *
    (columnCycles(rows.extra, rows.small + 1) +
      columnCycles(rows.panels - rows.extra, rows.small));
  const calls = rows.panels * (full + (lastVectors > 0 ? 1 : 0)) * 40;
  const sourceA = packSource(shape.a.rows, m, shape.a.columns, k, lanes, false);
  const sourceB = packSource(shape.b.columns, n, shape.b.rows, k, lanes, true);
  const direct = directness(shape, lanes, rows.panels) !== "never";
  const packing = m * k * packCycles[sourceA] * Math.ceil(n / 1024) +
    (direct ? 0 : n * k * packCycles[sourceB] * Math.ceil(m / 256));
  const store = m * n * (contiguousBy(shape.c.columns, n, lanes) ? 0.3 : 2);
  return {
    kind: "outer",
    swap,
    cycles: multiply + calls + packing + store,
    rowLimit,
    columnLimit: width,
  };
}

/** Estimates dot plans, where both operands are contiguous along k and one side is small. */
function dotCandidates(shape: GemmShape, lanes: number): Candidate[] {
  const { m, n, k } = shape;
  const eligible = contiguousBy(shape.a.columns, k, lanes) &&
    contiguousBy(shape.b.rows, k, lanes) && Math.min(m, n) <= 64 && k >= 2 * lanes;
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
  const vectors = best.kind === "outer" ? vectorsForRows[rows.largest] : 0;
  const columns = best.kind === "outer"
    ? equalSplit(n, vectors * lanes)
    : balancedSplit(n, best.columnLimit);
  const blockTarget = best.kind === "outer" ? 320 : 1280;
  const depthBlock = roundUp(Math.ceil(k / Math.ceil(k / blockTarget)), 16);
  const depthBlocks = Math.ceil(k / depthBlock);
  const cut = cutIntoTasks(batch, rows, columns, k, depthBlock, depthBlocks, best.kind);
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
    packB: packSource(oriented.b.columns, n, oriented.b.rows, k, lanes, true),
    directB: directness(oriented, lanes, rows.panels),
    vectorC: contiguousBy(oriented.c.columns, n, lanes),
    unroll,
    depthBlock,
    depthBlocks,
    compensated: depthBlocks / cut.depthSplits > 4,
    ...cut,
  };
}

/** Panels of one width; the last may be narrower. */
function equalSplit(size: number, width: number): Split {
  return {
    size,
    panels: Math.ceil(size / width),
    small: width,
    extra: 0,
    largest: Math.min(size, width),
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
): Pick<
  GemmPlan,
  "depthSplits" | "rowBlocks" | "columnBlocks" | "units" | "unitsPerTask" | "tasks"
> {
  // A's packed block stays in the second-level cache; scratch tiles, needed for several blocks of k, too.
  const rowsInCache = kind === "outer" ? Math.max(48, Math.floor(65536 / depthBlock)) : 256;
  const columnsInCache = depthBlocks > 1 ? 512 : 4096;
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
