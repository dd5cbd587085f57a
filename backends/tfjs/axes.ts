/**
 * Fewer axes for the same elements: kernels know few ranks, and are fastest on the lowest.
 *
 * @module
 */

import type { Shape } from "../../lib/base/shape.ts";

/**
 * Shapes of equal rank with neighbouring axes merged where all of them can be: `kind` says what an axis is, and axes of
 * the same kind that stand together become one. Axes of size 1 in every shape are left out.
 */
export function mergeAxes(shapes: readonly Shape[], kind: (axis: number) => unknown): number[][] {
  const merged: number[][] = shapes.map(() => []);
  let last: unknown;
  const rank = shapes[0].length;
  for (let axis = 0; axis < rank; axis++) {
    if (shapes.every((shape) => shape[axis] === 1)) continue;
    const current = kind(axis);
    const joins = merged[0].length > 0 && current === last;
    last = current;
    shapes.forEach((shape, i) => {
      if (joins) merged[i][merged[i].length - 1] *= shape[axis];
      else merged[i].push(shape[axis]);
    });
  }
  // Kernels do not take scalars everywhere.
  return merged.map((sizes) => sizes.length === 0 ? [1] : sizes);
}

/**
 * A permutation with axes merged that stay together, and without those of size 1: sizes of the axes before, and which of
 * them stands where afterwards.
 */
export function mergePermutation(
  shape: Shape,
  permutation: readonly number[],
): { readonly sizes: number[]; readonly order: number[] } {
  // Runs of axes that follow each other before and after.
  const runs: number[][] = [];
  const wide = (axis: number): boolean => shape[axis] !== 1;
  const before = shape.map((_, axis) => axis).filter(wide);
  const next = new Map(before.map((axis, i) => [axis, before[i + 1]]));
  for (const axis of permutation.filter(wide)) {
    const run = runs.at(-1);
    if (run !== undefined && next.get(run.at(-1)!) === axis) run.push(axis);
    else runs.push([axis]);
  }
  const inOrder = runs.toSorted((a, b) => a[0] - b[0]);
  return {
    sizes: inOrder.map((run) => run.reduce((size, axis) => size * shape[axis], 1)),
    order: runs.map((run) => inOrder.indexOf(run)),
  };
}
