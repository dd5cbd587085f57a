/**
 * How one matrix product is to be computed: the sizes of its tiles and blocks, what is packed, and
 * how the work is cut into tasks.
 *
 * All of it follows from the shape alone, never from the number of threads, so results are equal bit
 * for bit however many threads there are.
 */
import {
  columnVectors,
  contiguousBy,
  dotCandidates,
  outerCandidate,
  outerSides,
  stripCandidates,
  tapsCandidates,
  thinCandidates,
  vectorsForRows,
} from "./gemm_candidates.ts";
import { shortDepth } from "./gemm_short.ts";
import { stripDepth, stripPanelBytes } from "./gemm_strip.ts";
import { thinDepth } from "./gemm_thin.ts";
import { tinyGroup, tinySwap } from "./gemm_tiny.ts";
import { cutGroups, cutIntoTasks, cutRuns, cutStrip } from "./gemm_tasks.ts";
import {
  balancedSplit,
  type GemmPlan,
  type GemmShape,
  type Split,
  transposed,
} from "./gemm_shape.ts";
import { touched } from "./gemm_touch.ts";

/** Chooses how a product is computed. */
export function planGemm(shape: GemmShape): GemmPlan {
  const lanes = shape.dtype === "float32" ? 4 : 2;
  const exchanged = transposed(shape);
  const swap = tinySwap(shape, lanes);
  if (swap !== null) return planTiny(swap ? exchanged : shape, swap);
  const candidates = [
    outerCandidate(shape, lanes, false),
    outerCandidate(exchanged, lanes, true),
    ...dotCandidates(shape, lanes),
    ...stripCandidates(shape, lanes, false),
    ...stripCandidates(exchanged, lanes, true),
    ...tapsCandidates(shape, lanes, false),
    ...tapsCandidates(exchanged, lanes, true),
    ...thinCandidates(shape, lanes, false),
    ...thinCandidates(exchanged, lanes, true),
  ];
  const best = candidates.reduce((a, b) => (b.cycles < a.cycles ? b : a));
  const oriented = best.swap ? exchanged : shape;
  if (best.kind === "strip") return planStrip(oriented, best.swap, lanes);
  if (best.kind === "thin") return planThin(oriented, best.swap, best.rowLimit, lanes);
  if (best.kind === "taps") return planTaps(oriented, best.swap, lanes);
  const { m, n, k } = oriented;
  const rows = balancedSplit(m, best.rowLimit);
  const outer = best.kind === "outer";
  const vectors = outer ? vectorsForRows(rows.largest, shape.relaxed) : 0;
  const side = outerSides(oriented, lanes, rows);
  const columns = outer
    ? equalSplit(n, vectors, side.columnVectors)
    : balancedSplit(n, best.columnLimit ?? 1);
  // A block of dot products ends with sums across lanes; where rows stream past a vector, that would interrupt reading.
  const blockTarget = outer ? 320 : Math.min(m, n) === 1 ? 4096 : 512;
  const short = outer && k <= shortDepth && side.columnRun > 0 && !side.directA && !side.directB;
  const kind = short ? "short" : best.kind;
  const depthBlock = short ? k : roundUp(Math.ceil(k / Math.ceil(k / blockTarget)), 16);
  const depthBlocks = Math.ceil(k / depthBlock);
  const cut = cutIntoTasks(shape.batch, lanes, {
    kind,
    rows,
    columns,
    k,
    depthBlock,
    depthBlocks,
    wholeB: outer && side.wholeB && !short,
  });
  const runs = [shape.a.columns, shape.b.rows];
  const unroll =
    [4, 2, 1].find((u) =>
      k >= 4 * u * lanes && runs.every((axis) => contiguousBy(axis, k, u * lanes))
    ) ?? 1;
  return {
    kind,
    swap: best.swap,
    rows,
    columns,
    vectors,
    ...side,
    wholeB: side.wholeB && !short,
    ...(outer ? touched(oriented, side) : {}),
    unroll,
    depthBlock,
    depthBlocks,
    compensated: depthBlocks / cut.depthSplits > 4,
    ...cut,
  };
}

/** What plans that read their operands where they stand have in common, unless they say otherwise. */
const inPlace = {
  vectors: 0,
  columnVectors: 0,
  columnRun: 0,
  packA: "gather",
  packB: "lanes",
  directA: true,
  directB: true,
  wholeB: false,
  unroll: 1,
  compensated: false,
} as const;

/** The plan of a few rows times a large matrix. */
function planStrip(shape: GemmShape, swap: boolean, lanes: number): GemmPlan {
  const { batch, m, n, k, c } = shape;
  const columns = equalSplit(n, stripPanelBytes(m) / 16, Math.ceil(n / lanes));
  const depthBlocks = Math.ceil(k / stripDepth);
  return {
    ...inPlace,
    kind: "strip",
    swap,
    rows: balancedSplit(m, m),
    columns,
    vectors: columns.small,
    columnVectors: Math.ceil(n / lanes),
    depthBlock: stripDepth,
    depthBlocks,
    ...cutStrip(batch, columns, m * n * k, depthBlocks, c.columns.run >= n),
  };
}

/** The plan of many rows times a few columns. */
function planThin(shape: GemmShape, swap: boolean, rowLimit: number, lanes: number): GemmPlan {
  const { batch, m, n, k, b } = shape;
  const rows = balancedSplit(m, rowLimit);
  const columns = balancedSplit(n, n);
  const blocks = Math.ceil(k / thinDepth(n, 16 / lanes));
  const depthBlock = roundUp(Math.ceil(k / blocks), 16);
  const depthBlocks = Math.ceil(k / depthBlock);
  return {
    ...inPlace,
    kind: "thin",
    swap,
    rows,
    columns,
    packB: b.rows.run >= k ? "depth" : b.columns.run >= n ? "lanes" : "gather",
    directB: false,
    wholeB: true,
    depthBlock,
    depthBlocks,
    ...cutIntoTasks(batch, lanes, {
      kind: "thin",
      rows,
      columns,
      k,
      depthBlock,
      depthBlocks,
      wholeB: false,
    }),
  };
}

/** The plan of one row times a few rows that come in runs. */
function planTaps(shape: GemmShape, swap: boolean, lanes: number): GemmPlan {
  const { batch, n, k } = shape;
  const cut = columnVectors(shape, lanes, "lanes");
  const runs = n / cut.columnRun;
  return {
    ...inPlace,
    kind: "taps",
    swap,
    rows: balancedSplit(1, 1),
    columns: { size: n, panels: runs, small: cut.columnRun, extra: 0, largest: cut.columnRun },
    vectors: Math.ceil(cut.columnRun / lanes),
    ...cut,
    depthBlock: k,
    depthBlocks: 1,
    ...cutRuns(batch, runs, n * k),
  };
}

/** The plan of a batch of tiny products. */
function planTiny({ batch, m, n, k }: GemmShape, swap: boolean): GemmPlan {
  return {
    ...inPlace,
    kind: "tiny",
    swap,
    rows: balancedSplit(m, m),
    columns: balancedSplit(n, n),
    packB: "gather",
    depthBlock: k,
    depthBlocks: 1,
    ...cutGroups(Math.ceil(batch / tinyGroup(batch)), batch * m * n * k),
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
