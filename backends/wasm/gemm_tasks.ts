/** How the work of a matrix product is cut into tasks. */
import type { GemmPlan, Split } from "./gemm_shape.ts";

import { shortColumns } from "./gemm_short.ts";

/** Fewer tasks than this leave threads idle at the end. */
const wantedTasks = 16;
/** A task of fewer multiply-adds is not worth handing out. */
const smallestTask = 500_000;

/** What a plan says of its tasks. */
export type TaskCut = Pick<
  GemmPlan,
  "depthSplits" | "rowBlocks" | "columnBlocks" | "units" | "unitsPerTask" | "tasks"
>;

/** Blocks of panels, sums over separate parts of k, and how many units make a task. */
export function cutIntoTasks(
  batch: number,
  lanes: number,
  plan: Pick<GemmPlan, "kind" | "rows" | "columns" | "depthBlock" | "depthBlocks" | "wholeB"> & {
    readonly k: number;
  },
): TaskCut {
  const { kind, rows, columns, k, depthBlock, depthBlocks, wholeB } = plan;
  // A's packed block stays in the second-level cache; scratch tiles, needed for several blocks of k, too.
  const rowsInCache = kind === "outer" || kind === "short"
    ? Math.max(48, Math.floor(16384 * lanes / depthBlock))
    : 256;
  const columnsInCache = kind === "short"
    ? shortColumns(k, lanes)
    : wholeB || depthBlocks > 1
    ? 512
    : 4096;
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
    if (wholeB && rows.size <= 256 && columnsEach < 1024) break;
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
  return cutUnits(batch, depthSplits, rowBlocks, columnBlocks, work);
}

/** Longest chain of float additions of blocks of a strip plan: beyond, parts of k are summed separately. */
const longestChain = 256;

/** The tasks of a strip plan: pages of columns, then parts of k, which a C that is not contiguous needs. */
export function cutStrip(
  batch: number,
  columns: Split,
  work: number,
  depthBlocks: number,
  contiguous: boolean,
): TaskCut {
  const wanted = Math.min(wantedTasks / batch, work / smallestTask);
  const columnBlocks = Math.max(1, Math.min(columns.panels, Math.ceil(wanted)));
  const depthSplits = Math.min(
    depthBlocks,
    Math.max(
      contiguous ? 1 : 2,
      Math.floor(wanted / columnBlocks),
      Math.ceil(depthBlocks / longestChain),
    ),
  );
  return cutUnits(batch, depthSplits, 1, columnBlocks, batch * work);
}

/** The tasks of a taps plan: some runs of one of the batch. */
export function cutRuns(batch: number, runs: number, work: number): TaskCut {
  const wanted = Math.ceil(Math.min(wantedTasks / batch, work / smallestTask));
  return cutUnits(batch, 1, 1, Math.max(1, Math.min(runs, wanted)), batch * work);
}

/** The tasks of a tiny plan: groups of the batch. */
export function cutGroups(groups: number, work: number): TaskCut {
  return cutUnits(groups, 1, 1, 1, work);
}

/** Joins small units to tasks. */
function cutUnits(
  batch: number,
  depthSplits: number,
  rowBlocks: number,
  columnBlocks: number,
  work: number,
): TaskCut {
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
