/** When products of masked rows leave out what is zero, and how they are cut. */
import { packSource, vectorsForRows } from "./gemm_candidates.ts";
import { balancedSplit, type GemmShape, type Split } from "./gemm_shape.ts";

/** Everything that code emission needs to know. */
export interface MaskedPlan {
  readonly kind: "masked";
  /** Rows of A that are zero together, how many such groups there are, and a group's panels of rows. */
  readonly group: number;
  readonly groups: number;
  readonly rows: Split;
  /** Vectors in the width of a panel of B, and how many panels there are: the last may overlap the one before. */
  readonly vectors: number;
  readonly panels: number;
  readonly packB: "lanes" | "depth";
  readonly depthBlock: number;
  readonly depthBlocks: number;
  /** Whether rounding errors of adding blocks are collected. */
  readonly compensated: boolean;
  /** Groups and panels are cut into this many blocks. */
  readonly rowBlocks: number;
  readonly columnBlocks: number;
}

/** A group of fewer rows would read as much as it multiplies. */
const leastGroup = 3;
/** Most rows of a tile. */
const rowLimit = 6;
/** Work below which phases of their own take longer than they save, in multiply-adds. */
const leastWork = 1 << 23;
const leastColumns = 64;
const leastDepth = 256;
/** Elements of A beyond which a second copy of it is too much. */
const mostElements = 1 << 24;
/** Terms in a block of k, about half of which are left: a panel of B stays in the first-level cache. */
const blockTarget = 512;
/** Rows whose packed blocks stay in the second-level cache. */
const rowsInCache = 384;
const wantedUnits = 16;

/** How a product is computed without the terms that are zero; null where that does not pay. */
export function planMasked(shape: GemmShape): MaskedPlan | null {
  const { batch, m, n, k, a, b, c, zeroGroup: group } = shape;
  if (group === undefined || group < leastGroup || batch > 1 || shape.accumulate) return null;
  if (n < leastColumns || k < leastDepth || m * n * k < leastWork || m * k > mostElements) {
    return null;
  }
  if (a.columns.run < k || c.columns.run < n) return null;
  const lanes = shape.dtype === "float32" ? 4 : 2;
  const packB = packSource(b.columns, n, b.rows, k, lanes, true);
  if (packB !== "depth" && (packB !== "lanes" || b.columns.run < n)) return null;
  const rows = balancedSplit(group, shape.relaxed ? rowLimit : rowLimit - 1);
  const vectors = vectorsForRows(rows.largest, shape.relaxed);
  const depthBlock = Math.ceil(k / Math.ceil(k / blockTarget) / 16) * 16;
  const depthBlocks = Math.ceil(k / depthBlock);
  const groups = m / group;
  const panels = Math.ceil(n / (vectors * lanes));
  const rowBlocks = Math.min(groups, Math.ceil(m / rowsInCache));
  return {
    kind: "masked",
    group,
    groups,
    rows,
    vectors,
    panels,
    packB,
    depthBlock,
    depthBlocks,
    compensated: depthBlocks > 4,
    rowBlocks,
    columnBlocks: Math.ceil(
      Math.max(n / 256, Math.min(wantedUnits / rowBlocks, n / leastColumns)),
    ),
  };
}
