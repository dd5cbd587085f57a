/**
 * Reductions and running sums, as nodes.
 *
 * @module
 */

import { type DType, isFloat } from "../../base/dtype.ts";
import type { ReductionName } from "../../base/primitives.ts";
import { range, sizeOf } from "../../base/shape.ts";
import { inOrder } from "./elementwise.ts";
import type { WriteRule, WriteRules } from "./rule.ts";
import { carrierOf, type GraphWriter, type Value } from "./writer.ts";

/** Numbers in the order of the elements, of a type that reductions take. */
function comparable(name: string, dtype: DType, to: GraphWriter): string {
  return dtype === "bool" ? to.cast(name, "int32") : inOrder(name, dtype, to);
}

/** Some axes of a tensor, reduced by an operator. */
function reduced(
  operator: string,
  name: string,
  axes: readonly number[],
  to: GraphWriter,
): string {
  return to.op(operator, [name, to.int64s(axes)], { keepdims: 0, noop_with_empty_axes: 1 });
}

/** The axes that are reduced as the columns of a matrix. */
function rowsOf(x: Value, axes: readonly number[], to: GraphWriter): [name: string, size: number] {
  const kept = range(x.shape.length).filter((axis) => !axes.includes(axis));
  const size = sizeOf(axes.map((axis) => x.shape[axis]));
  const moved = to.transpose(to.dense(x), [...kept, ...axes]);
  return [to.reshape(moved, [sizeOf(x.shape) / size, size]), size];
}

/** Sums of integers that wrap: those of reductions may stop at the end of the range, products of matrices do not. */
function integerSums(x: Value, axes: readonly number[], to: GraphWriter): string {
  const [rows, size] = rowsOf(x, axes, to);
  return to.op("MatMul", [rows, to.filled("int32", [size, 1], 1)]);
}

/** Products of integers that wrap: of halves, until one is left. */
function integerProducts(x: Value, axes: readonly number[], to: GraphWriter): string {
  let [rows, size] = rowsOf(x, axes, to);
  for (; size > 1; size = Math.ceil(size / 2)) {
    const half = size >> 1;
    const product = to.op("Mul", [
      to.slice(rows, [1], [0], [half]),
      to.slice(rows, [1], [half], [2 * half]),
    ]);
    rows = size % 2 === 0
      ? product
      : to.op("Concat", [product, to.slice(rows, [1], [size - 1], [size])], { axis: 1 });
  }
  return rows;
}

const total = (operator: "ReduceSum" | "ReduceProd"): WriteRule<"reduceSum" | "reduceProd"> =>
(
  { shape, dtype, params: { axes } },
  [x],
  to,
) => {
  const isSum = operator === "ReduceSum";
  if (sizeOf(x.shape) === 0) return to.filled(carrierOf(dtype), shape, isSum ? 0 : 1);
  if (isFloat(dtype)) return reduced(operator, to.dense(x), axes, to);
  const integers = isSum ? integerSums : integerProducts;
  return to.reshape(integers(x, axes, to), shape);
};

/** Extremes that NaN wins: operators may pass over it, so it is looked for. */
const extreme = (operator: string): WriteRule<"reduceMax" | "reduceMin"> =>
(
  { dtype, params: { axes } },
  [x],
  to,
) => {
  if (axes.length === 0) return x;
  const dense = to.dense(x);
  const found = reduced(operator, comparable(dense, dtype, to), axes, to);
  if (dtype === "bool") return to.cast(found, "bool");
  if (!isFloat(dtype)) return inOrder(found, dtype, to);
  const isNaN = to.cast(to.op("IsNaN", [dense]), "int32");
  const some = to.cast(reduced("ReduceMax", isNaN, axes, to), "bool");
  return to.op("Where", [some, to.scalar(carrierOf(dtype), NaN), found]);
};

/** The first index of the best element, which NaN is. */
const first = (operator: string): WriteRule<"argmax" | "argmin"> =>
(
  { params: { axis } },
  [x],
  to,
) => {
  const dense = to.dense(x);
  const place = (what: string, of: string): string =>
    to.cast(to.op(what, [of], { axis, keepdims: 0, select_last_index: 0 }), "int32");
  if (!isFloat(x.dtype)) return place(operator, comparable(dense, x.dtype, to));
  const isNaN = to.op("IsNaN", [dense]);
  // Without NaN, as comparisons with it would decide.
  const rest = to.op("Where", [isNaN, to.scalar(carrierOf(x.dtype), 0), dense]);
  const flags = to.cast(isNaN, "int32");
  const some = to.cast(reduced("ReduceMax", flags, [axis], to), "bool");
  return to.op("Where", [some, place("ArgMax", flags), place(operator, rest)]);
};

/** Reductions, and cumsum. */
export const reduceRules: WriteRules<ReductionName> = {
  reduceSum: total("ReduceSum"),
  reduceProd: total("ReduceProd"),
  reduceMax: extreme("ReduceMax"),
  reduceMin: extreme("ReduceMin"),
  argmax: first("ArgMax"),
  argmin: first("ArgMin"),
  cumsum: ({ params: { axis, reverse } }, [x], to) =>
    to.op("CumSum", [to.dense(x), to.constant("int32", [axis], [])], {
      reverse: reverse ? 1 : 0,
    }),
};
