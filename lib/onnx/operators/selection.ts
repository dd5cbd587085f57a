/**
 * The largest elements and where they stand, and what depends on single values of constants.
 *
 * @module
 */

import { contiguousStrides, normalizeAxis, range, sizeOf } from "../../base/shape.ts";
import { argmax, argmin } from "../../core/operations/reductions.ts";
import { oneHot } from "../../core/operations/indexing.ts";
import { apply } from "../../core/apply.ts";
import { moveAxis } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, integer } from "../attributes.ts";
import { type Constant, int64Constant } from "../constant.ts";
import { type Operator, operator } from "../operator.ts";
import { overAxis } from "./activations.ts";

/** The place of the first largest or smallest element along an axis, or of the last one. */
function place(name: string, find: typeof argmax): Operator {
  return operator({
    name,
    since: [1, 11, 12, 13],
    inputs: 1,
    attributes: { axis: integer(0), keepdims: flag(true), select_last_index: flag(false) },
    run: (c, { axis, keepdims, select_last_index }) => {
      const x = c.tensor(0);
      const at = normalizeAxis(axis, x.rank, "axis");
      const options = { keepDims: keepdims !== 0 };
      const index = select_last_index === 0
        ? find(x, at, options)
        : find(x.flip(at), at, options).neg().add(x.shape[at] - 1);
      return c.typed(index, "int64");
    },
  });
}

/** The numbers of a row of a constant whose rows are its parts along an axis, in one order for all rows. */
function rowsOf({ data, shape }: Constant, axis: number): number[][] {
  const strides = contiguousStrides(shape);
  const others = range(sizeOf(shape) / Math.max(shape[axis], 1)).map((i) => {
    const inner = i % strides[axis];
    return (i - inner) * shape[axis] + inner;
  });
  return range(shape[axis]).map((n) => others.map((at) => data[at + n * strides[axis]]));
}

/** Numbers in order, and lists of them by their first difference. */
function compareRows(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at < 0 ? 0 : a[at] - b[at];
}

/** The first occurrence of each row, which row each belongs to, and how often each stands. */
function uniqueRows(rows: readonly (readonly number[])[], sorted: boolean) {
  const found = new Map<string, number>();
  const first: number[] = [];
  rows.forEach((row, i) => {
    const key = row.join();
    if (found.has(key)) return;
    found.set(key, first.length);
    first.push(i);
  });
  if (sorted) first.sort((a, b) => compareRows(rows[a], rows[b]));
  const rank = new Map(first.map((i, n) => [rows[i].join(), n]));
  const inverse = rows.map((row) => rank.get(row.join())!);
  const counts = first.map(() => 0);
  for (const n of inverse) counts[n]++;
  return { first, inverse, counts };
}

/** The largest elements and where they stand, and what depends on single values of constants. */
export const selection: readonly Operator[] = [
  place("ArgMax", argmax),
  place("ArgMin", argmin),
  overAxis("Hardmax", (x, axis) => {
    const at = normalizeAxis(axis, x.rank, "axis");
    return moveAxis(oneHot(argmax(x, at), x.shape[at], { dtype: x.dtype }), x.rank - 1, at);
  }),
  operator({
    name: "TopK",
    since: [1, 10, 11, 24],
    inputs: [1, 2],
    attributes: { axis: integer(-1), k: integer(), largest: flag(true), sorted: flag(true) },
    run: (c, { axis, k, largest }) => {
      const x = c.tensor(0);
      const at = normalizeAxis(axis, x.rank, "axis");
      const count = k ?? c.number(1);
      if (!(count >= 0 && count <= x.shape[at])) {
        c.fail(`k is ${count}, but axis ${axis} of [${x.shape.join(", ")}] has ${x.shape[at]}`);
      }
      const last = x.rank - 1;
      const order: Tensor = apply(
        "argsort",
        { descending: largest !== 0 },
        moveAxis(x, at, last),
      );
      const best = moveAxis(order, last, at)
        .slice(...x.shape.map((_, i): [number, number] | null => i === at ? [0, count] : null));
      return [x.takeAlongAxis(best, at), c.typed(best, "int64")];
    },
  }),
  operator({
    name: "NonZero",
    since: [9, 13],
    inputs: 1,
    run: (c) => {
      const { data, shape } = c.constant(0);
      const places = range(data.length).filter((i) => data[i] !== 0);
      const strides = contiguousStrides(shape);
      const indices = shape.flatMap((n, axis) =>
        places.map((i) => Math.floor(i / strides[axis]) % n)
      );
      return int64Constant(indices, [shape.length, places.length]);
    },
  }),
  operator({
    name: "Compress",
    since: [9, 11, 28],
    inputs: 2,
    attributes: { axis: integer() },
    passes: [0],
    run: (c, { axis }) => {
      const kept = c.numbers(1).flatMap((value, i) => value === 0 ? [] : [i]);
      const x = c.tensor(0);
      return axis === undefined ? x.reshape([x.size]).take(kept) : x.take(kept, axis);
    },
  }),
  operator({
    name: "Unique",
    since: [11, 28],
    inputs: 1,
    attributes: { axis: integer(), sorted: flag(true) },
    run: (c, { axis, sorted }) => {
      const given = c.constant(0);
      const { type, shape, data } = given;
      const at = axis === undefined ? null : normalizeAxis(axis, shape.length, "axis");
      const rows = at === null ? Array.from(data, (value) => [value]) : rowsOf(given, at);
      const { first, inverse, counts } = uniqueRows(rows, sorted !== 0);
      const values = at === null
        ? c.makeConstant(type, [first.length], first.map((i) => data[i]))
        : c.tensor(0).take(first, at);
      return [values, ...[first, inverse, counts].map((list) => int64Constant(list))];
    },
  }),
];
