/** What a matrix product is, and what is decided about it before code is emitted. */
import type { PackSource } from "./gemm_pack.ts";

/** What is known of the offsets along one axis of a view when code is emitted. */
export interface AxisLayout {
  /**
   * Neighbours are one element apart within each aligned group of `run` indices: offset[i + 1] −
   * offset[i] is the size of an element unless i + 1 is a multiple of `run`. At least the axis's
   * size when all of it is contiguous, 1 when nothing is known.
   */
  readonly run: number;
  /**
   * The indices 2i and 2i + 1 are that many elements apart, for every i, and later indices stand at higher addresses. Not
   * given where that is not so.
   */
  readonly pairs?: 1 | 2;
}

/** What is known of a matrix operand's two axes. */
export interface OperandLayout {
  readonly rows: AxisLayout;
  readonly columns: AxisLayout;
}

/**
 * What is known of a product that computes a convolution with 3 × 3 windows and stride 1, or its filter gradient. Neighbours in
 * a row of images are one element apart.
 *
 * - The output: A's columns and B's rows are (channel, window's row, window's column), B's columns and C's are (image,
 *   row, column).
 * - The filter: A's columns and B's rows are (row, column), B's columns and C's are (channel, window's row, window's column).
 */
export interface Window {
  readonly of: "output" | "filter";
  /** Images whose outputs are computed; 1 for a filter. */
  readonly images: number;
  readonly channels: number;
  /** Rows and columns of the output, or of its cotangent. */
  readonly height: number;
  readonly width: number;
  /** Bytes from one row to the next of the input, and of the output or its cotangent. */
  readonly rowBytes: number;
  readonly outputRowBytes: number;
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
  /** Where the product is a convolution. */
  readonly window?: Window;
  /**
   * Aligned groups of so many rows of A are zero at the same k, where a mask that they share made them zero. What such zeros
   * would be multiplied with need not be looked at, even where it is infinite.
   */
  readonly zeroGroup?: number;
  /** Whether the product is added to what C holds. */
  readonly accumulate: boolean;
  /** Whether multiply-adds may be fused where the processor can: faster, and reproducible only on like processors. */
  readonly relaxed: boolean;
}

/** The shape with the roles of A and B exchanged: Cᵀ = Bᵀ · Aᵀ. */
export function transposed(shape: GemmShape): GemmShape {
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
  /**
   * Sums of outer products of panels, the same with short sums, dot products of rows where they stand, a few rows to which multiples
   * of B's rows are added, one row as the sum of a few of B's, rows that meet a few columns with vectors along k, or a batch of tiny products that are written out.
   */
  readonly kind: "outer" | "short" | "dot" | "strip" | "taps" | "thin" | "tiny";
  /** Whether Cᵀ = Bᵀ · Aᵀ is computed: sizes and sources below are those after swapping. */
  readonly swap: boolean;
  readonly rows: Split;
  /** Panels of columns: of equal width but for the last in an outer plan, balanced in a dot plan, pages in a strip plan, runs in a taps plan. */
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
  /** Whether A's rows are read where they are. */
  readonly directA: boolean;
  /** Whether B's vectors are read where they are. */
  readonly directB: boolean;
  /** Whether all of a unit's part of B is packed at once, row by row, rather than panel by panel. */
  readonly wholeB: boolean;
  /** Whether all lines of an operand's block are read before it is packed, and along which axis: see `gemm_touch.ts`. */
  readonly touchA?: "lanes" | "depth";
  readonly touchB?: "lanes" | "depth";
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

/**
 * Bytes of a row of the workspace, where separate sums over parts of k stand. Rows a multiple of a page apart would meet in
 * one set of the first-level cache: they are a line farther.
 */
export function workspaceRow(columns: number, bytes: number): number {
  return columns * bytes % 4096 === 0 ? columns * bytes + 64 : columns * bytes;
}

/** The sizes that an axis's panels have, larger ones first, and how many panels have each. */
export function sizesOf(
  { panels, small, extra }: Split,
): (readonly [size: number, count: number])[] {
  const sizes = [[small + 1, extra], [small, panels - extra]] as const;
  return sizes.filter(([, count]) => count > 0);
}
