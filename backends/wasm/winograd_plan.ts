/** When convolutions are computed by F(2 × 2, 3 × 3), and how they are cut. */
import { chainLength } from "./gemm_micro.ts";
import { balancedSplit, type GemmShape, type Split, type Window } from "./gemm_shape.ts";
import { productRows } from "./winograd_products.ts";

/** Everything that code emission needs to know. */
export interface WinogradPlan {
  readonly kind: "winograd";
  readonly images: number;
  readonly channels: number;
  readonly outputs: number;
  /** Output channels in panels of the microkernel's rows. */
  readonly rows: Split;
  /** Blocks of panels whose filters the second-level cache holds, and rows of the largest. */
  readonly rowBlocks: number;
  readonly blockRows: number;
  /** Whether a task transforms the filters of its block itself, and computes all bands with them. */
  readonly ownFilters: boolean;
  /** Size of the outputs, and how many groups of 4 × 4 cover it. */
  readonly height: number;
  readonly width: number;
  readonly groupRows: number;
  readonly groupColumns: number;
  /** Rows of groups in a band, but for the last band, which takes the rest; bands of an image. */
  readonly groupsInBand: number;
  readonly bands: number;
  /** Panels of two vectors, four tiles each, in the largest band. */
  readonly panels: number;
  /** Bytes of each of the sixteen parts of U, V and M. */
  readonly filterBytes: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Bytes from one row to the next of the input, and of the output. */
  readonly rowBytes: number;
  readonly outputRowBytes: number;
}

/** Channels on each side below which transforms take longer than they save. */
const leastChannels = 8;
/** Outputs of a channel below which transforming the filters takes longer than it saves. */
const leastPositions = 128;
/** Bytes of a band's V and M, which the second-level cache holds; at most so many, and so many with the smallest blocks of filters. */
const bandBytes = 384 * 1024;
const mostBandBytes = 1024 * 1024;
const mostOfLeastBytes = 1280 * 1024;
/** Bytes of U that a band meets at once, and the fewest output channels for which a band is transformed. */
const filterBlockBytes = 512 * 1024;
const leastBlockRows = 48;
/** Blocks that are enough for threads to take, so that each can transform its own filters. */
const manyBlocks = 16;
/** Most bytes of U that all threads share. */
const mostFilterBytes = 1 << 26;
/** Computed outputs over wanted ones. */
const mostWaste = 1.4;

/**
 * An odd number of cache lines with room for so many bytes. A transform writes, and another reads, one vector in each of
 * sixteen parts: those a power of two apart would share a set of the first-level cache, which holds half of them.
 */
function spread(bytes: number): number {
  return 64 * (Math.ceil(bytes / 64) | 1);
}

/** Blocks of filters and bands of groups that fit into the second-level cache together, or null. */
function cutIntoBands(
  channels: number,
  rows: Split,
  height: number,
  groupColumns: number,
): Pick<WinogradPlan, "rowBlocks" | "blockRows" | "groupsInBand" | "bands" | "panels"> | null {
  const groupRows = Math.ceil(height / 4);
  const rowsInCache = Math.max(leastBlockRows, Math.floor(filterBlockBytes / (64 * channels)));
  for (let rowBlocks = Math.ceil(rows.size / rowsInCache); rowBlocks <= rows.panels; rowBlocks++) {
    const blockRows = Math.min(rows.size, Math.ceil(rows.panels / rowBlocks) * rows.largest);
    const rowOfGroups = 256 * (channels + blockRows) * groupColumns;
    const least = blockRows <= leastBlockRows;
    const wanted = Math.min(groupRows, Math.max(2, Math.floor(bandBytes / rowOfGroups)));
    for (const groupsInBand of least ? [wanted, 1] : [wanted]) {
      // Where the last two rows of groups overlap, one task has to do both.
      const joined = groupsInBand === 1 && groupRows > 1 && height % 4 !== 0 ? 1 : 0;
      const bands = Math.floor(groupRows / groupsInBand) - joined;
      const largest = groupRows - (bands - 1) * groupsInBand;
      if (largest * rowOfGroups > (least ? mostOfLeastBytes : mostBandBytes)) continue;
      const panels = Math.ceil(largest * groupColumns / 2);
      return { rowBlocks, blockRows, groupsInBand, bands, panels };
    }
    if (least) break;
  }
  return null;
}

/** The window of a product that is a convolution and can be computed here; null for others. */
function convolutionWindow({ window, dtype, batch, accumulate }: GemmShape): Window | null {
  return window?.of === "output" && dtype === "float32" && batch === 1 && !accumulate
    ? window
    : null;
}

/** The plan of a convolution, or null where matrix products over its patches are faster. */
export function planWinograd(shape: GemmShape): WinogradPlan | null {
  const window = convolutionWindow(shape);
  if (window === null) return null;
  const outputs = shape.m;
  const { images, channels, height, width, rowBytes, outputRowBytes } = window;
  if (Math.min(channels, outputs) < leastChannels) return null;
  if (Math.min(height, width) < 4 || images * height * width < leastPositions) return null;
  const groupRows = Math.ceil(height / 4);
  const groupColumns = Math.ceil(width / 4);
  if (16 * groupRows * groupColumns > mostWaste * height * width) return null;
  const rows = balancedSplit(
    outputs,
    channels <= chainLength || !shape.relaxed ? productRows : 6,
  );
  const cut = cutIntoBands(channels, rows, height, groupColumns);
  if (cut === null) return null;
  const ownFilters = cut.rowBlocks >= manyBlocks;
  if (!ownFilters && 64 * channels * outputs > mostFilterBytes) return null;
  const { blockRows, panels } = cut;
  return {
    kind: "winograd",
    images,
    channels,
    outputs,
    rows,
    ...cut,
    ownFilters,
    height,
    width,
    groupRows,
    groupColumns,
    filterBytes: spread(4 * channels * (ownFilters ? blockRows : outputs)),
    inputBytes: spread(32 * channels * panels),
    outputBytes: spread(32 * blockRows * panels),
    rowBytes,
    outputRowBytes,
  };
}

/** How convolutions of few input or output channels are computed. */
export interface WinogradColumnsPlan {
  readonly kind: "winogradColumns";
  readonly images: number;
  readonly channels: number;
  readonly outputs: number;
  /** Output channels in panels of the microkernel's rows, and blocks of panels that meet a band one after the other. */
  readonly rows: Split;
  readonly rowBlocks: number;
  /** Size of the outputs, and vectors that cover a row. */
  readonly height: number;
  readonly width: number;
  readonly vectors: number;
  /** An image's pairs of rows in bands. */
  readonly bands: Split;
  /** V is [channel][row of V][pair of rows][column]: bytes of a pair's row, of all pairs, of a channel, and of all. */
  readonly rowOfVBytes: number;
  readonly partBytes: number;
  readonly channelBytes: number;
  readonly inputBytes: number;
  /** Bytes from one row to the next of the input, and of the output. */
  readonly rowBytes: number;
  readonly outputRowBytes: number;
}

/** Channels and outputs from which this takes less time than a matrix product with patches. */
const fewestChannels = 2;
const fewestOutputs = 3;
/** Bytes of a band's V, and of a block of U, which the first-level cache holds together. */
const columnBandBytes = 16 * 1024;
const columnFilterBytes = 8 * 1024;
/** Fewest pairs of rows that a band may be cut at: the last two overlap, and one task has to do both. */
const leastPairs = 3;

/** The plan of a convolution of few channels, or null where another way is faster. */
export function planWinogradColumns(shape: GemmShape): WinogradColumnsPlan | null {
  const window = convolutionWindow(shape);
  if (window === null) return null;
  const outputs = shape.m;
  const { images, channels, height, width, rowBytes, outputRowBytes } = window;
  if (channels < fewestChannels || outputs < fewestOutputs || 3 * channels > chainLength) {
    return null;
  }
  // With more on both sides the transforms of two dimensions pay.
  if (Math.min(channels, outputs) >= leastChannels && Math.max(channels, outputs) > leastChannels) {
    return null;
  }
  if (height < 2 || width < 4 || images * height * width < leastPositions) return null;
  const pairs = Math.ceil(height / 2);
  const vectors = Math.ceil(width / 4);
  if (8 * pairs * vectors > mostWaste * height * width) return null;
  const rowOfVBytes = 16 * Math.ceil((width + 2) / 4);
  const pairsInCache = Math.floor(columnBandBytes / (4 * channels * rowOfVBytes));
  const bands = balancedSplit(pairs, Math.max(leastPairs, pairsInCache));
  const rows = balancedSplit(outputs, 4);
  const panelBytes = 48 * channels * rows.largest;
  const partBytes = rowOfVBytes * bands.largest;
  return {
    kind: "winogradColumns",
    images,
    channels,
    outputs,
    rows,
    rowBlocks: Math.ceil(rows.panels / Math.max(1, Math.floor(columnFilterBytes / panelBytes))),
    height,
    width,
    vectors,
    bands,
    rowOfVBytes,
    partBytes,
    channelBytes: 4 * partBytes,
    inputBytes: 4 * channels * partBytes,
    rowBytes,
    outputRowBytes,
  };
}

/** How filter gradients are computed. */
export interface WinogradGradientPlan {
  readonly kind: "winogradGradient";
  readonly batch: number;
  /** Input channels, a multiple of eight, and the output channels in panels of the microkernel's rows. */
  readonly channels: number;
  readonly rows: Split;
  /** Blocks of channels and of panels of rows, which tasks take. */
  readonly channelBlocks: number;
  readonly rowBlocks: number;
  /** Size of the cotangent, in rows of tiles and in pairs of tiles along a row. */
  readonly height: number;
  readonly width: number;
  readonly tileRows: number;
  readonly pairs: number;
  /** Rows of tiles in a band, and how many tiles that are. */
  readonly rowsInBand: number;
  readonly tilesInBand: number;
  /** Bytes of each of the sixteen parts of the transformed inputs and cotangents, and of a panel of the inputs. */
  readonly inputBytes: number;
  readonly inputPanelBytes: number;
  readonly cotangentBytes: number;
  /** Bytes of each of the sixteen parts of a task's sums. */
  readonly sumBytes: number;
  /** Bytes from one row to the next of the input, and of the cotangent. */
  readonly rowBytes: number;
  readonly cotangentRowBytes: number;
}

/** Most rows, most channels, and about how many tiles, of a task's band. */
const mostRows = 60;
const blockChannels = 32;
const bandTiles = 64;
/** Positions below which transforming the sums back takes longer than it saves. */
const leastSummed = 64;

/** The plan of filter gradients, or null where a matrix product with patches is faster. */
export function planWinogradGradient(shape: GemmShape): WinogradGradientPlan | null {
  const { window, dtype, batch, m } = shape;
  if (window?.of !== "filter" || dtype !== "float32" || shape.accumulate) return null;
  const { channels, height, width, rowBytes, outputRowBytes } = window;
  if (channels % 8 !== 0 || m < leastChannels) return null;
  if (height < 2 || width < 4 || height * width < leastSummed) return null;
  const tileRows = Math.ceil(height / 2);
  const pairs = Math.ceil(width / 4);
  if (8 * tileRows * pairs > mostWaste * height * width) return null;
  const channelBlocks = Math.ceil(channels / blockChannels);
  const rowsInBand = Math.min(tileRows, Math.max(1, Math.floor(bandTiles / (2 * pairs))));
  const tilesInBand = 2 * pairs * rowsInBand;
  // Panels of four rows are transformed without lanes to spare.
  const rows = balancedSplit(m, tilesInBand <= chainLength ? 4 : shape.relaxed ? 6 : 5);
  const rowBlocks = Math.ceil(rows.panels / Math.floor(mostRows / rows.largest));
  const rowsInBlock = Math.ceil(rows.panels / rowBlocks) * rows.largest;
  const channelsInBlock = 8 * Math.ceil(channels / 8 / channelBlocks);
  return {
    kind: "winogradGradient",
    batch,
    channels,
    rows,
    channelBlocks,
    rowBlocks,
    height,
    width,
    tileRows,
    pairs,
    rowsInBand,
    tilesInBand,
    inputBytes: spread(4 * channelsInBlock * tilesInBand),
    inputPanelBytes: 32 * tilesInBand,
    cotangentBytes: spread(4 * rowsInBlock * tilesInBand),
    sumBytes: spread(4 * rowsInBlock * channelsInBlock),
    rowBytes,
    cotangentRowBytes: outputRowBytes,
  };
}
