/**
 * Parts of tensors, and tensors from parts.
 *
 * @module
 */

import { normalizeAxis, range } from "../../base/shape.ts";
import { concat, slice, type SliceRange, split } from "../../core/operations/shapes.ts";
import { take } from "../../core/operations/indexing.ts";
import { integer, integers, required } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";

/** Sizes of `count` parts of an axis, as equal as can be: the last one is smaller. */
function evenParts(size: number, count: number): number[] {
  const part = Math.ceil(size / count);
  return range(count).map((i) => Math.max(0, Math.min(part, size - i * part)));
}

/** Parts of tensors, and tensors from parts. */
export const parts: readonly Operator[] = [
  operator({
    name: "Concat",
    since: [4, 11, 13],
    inputs: [1, Infinity],
    attributes: { axis: required(integer()) },
    passes: "all",
    run: (c, { axis }) => concat(c.tensors(), axis),
  }),
  operator({
    name: "Slice",
    since: [1, 10, 11, 13],
    inputs: [1, 5],
    attributes: { starts: integers(), ends: integers(), axes: integers() },
    passes: [0],
    run: (c, attributes) => {
      const x = c.tensor(0);
      const starts = attributes.starts ?? c.numbers(1);
      const ends = attributes.ends ?? c.numbers(2);
      const axes = attributes.axes ?? c.optionalNumbers(3) ?? range(starts.length);
      const steps = c.optionalNumbers(4) ?? starts.map(() => 1);
      const ranges: SliceRange[] = x.shape.map(() => null);
      axes.forEach((axis, i) => {
        ranges[normalizeAxis(axis, x.rank, "axes")] = [starts[i], ends[i], steps[i]];
      });
      return slice(x, ...ranges);
    },
  }),
  operator({
    name: "Split",
    since: [2, 11, 13, 18],
    inputs: [1, 2],
    attributes: { axis: integer(0), split: integers(), num_outputs: integer() },
    passes: [0],
    run: (c, { axis, split: sizes, num_outputs }) => {
      const x = c.tensor(0);
      const at = normalizeAxis(axis, x.rank, "axis");
      if (num_outputs !== undefined && num_outputs !== c.outputCount) {
        c.fail(`num_outputs is ${num_outputs}, but ${c.outputCount} outputs are named`);
      }
      const given = c.optionalNumbers(1) ?? sizes;
      return split(x, given ?? evenParts(x.shape[at], c.outputCount), at);
    },
  }),
  operator({
    name: "Gather",
    since: [1, 11, 13],
    inputs: 2,
    attributes: { axis: integer(0) },
    trainable: [0],
    passes: [0],
    run: (c, { axis }) => take(c.tensor(0), c.tensor(1), axis),
  }),
];
