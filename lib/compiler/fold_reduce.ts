/**
 * Folding of reductions and contractions.
 *
 * @module
 */

import { isFloat } from "../base/dtype.ts";
import type { PrimitiveParams } from "../base/primitives.ts";
import { range, sizeOf } from "../base/shape.ts";
import { splitPhases } from "./conv_phases.ts";
import { convPadding } from "./padding.ts";
import type { ProgramNode } from "./program.ts";
import type { FoldRule, FoldRules, Rewriter } from "./rewriter.ts";

/** Axes of size 1 need no reduction; broadcast axes are reduced before they are repeated. */
function narrowed(
  r: Rewriter,
  node: ProgramNode,
): { operand: number; axes: number[]; count: number } {
  const [x] = node.inputs;
  const { axes } = node.params as PrimitiveParams["reduceSum"];
  const operand = r.nodes[x];
  if (operand.primitive !== "broadcast") return { operand: x, axes: [...axes], count: 1 };
  const source = r.shape(operand.inputs[0]);
  let count = 1;
  const shape = [...operand.shape];
  for (const axis of axes) {
    if (source[axis] === 1 && operand.shape[axis] !== 1) {
      count *= operand.shape[axis];
      shape[axis] = 1;
    }
  }
  return count === 1
    ? { operand: x, axes: [...axes], count }
    : { operand: r.broadcast(operand.inputs[0], shape), axes: [...axes], count };
}

/** The same reduction over the axes that are not of size 1. */
function reduceRest(r: Rewriter, node: ProgramNode, x: number, axes: readonly number[]): number {
  const shape = r.shape(x);
  const rest = axes.filter((axis) => shape[axis] !== 1);
  if (rest.length === 0) return r.reshape(x, node.shape);
  const kept = shape.filter((_, axis) => !rest.includes(axis));
  const reduced = r.add({ ...node, params: { axes: rest }, inputs: [x], shape: kept });
  return r.reshape(reduced, node.shape);
}

const summing: FoldRule = (r, node) => {
  const [x] = node.inputs;
  const { axes } = node.params as PrimitiveParams["reduceSum"];
  const shape = r.shape(x);
  const value = r.constantOf(x);
  if (value !== null && isFloat(node.dtype)) {
    return r.full(node.shape, node.dtype, value * sizeOf(axes.map((axis) => shape[axis])));
  }
  if (sizeOf(shape) === 0) return null;
  const { operand, count } = narrowed(r, node);
  if (count > 1 && isFloat(node.dtype)) {
    return r.scale(reduceRest(r, node, operand, axes), count);
  }
  if (axes.some((axis) => shape[axis] === 1) || axes.length === 0) {
    return reduceRest(r, node, x, axes);
  }
  const inner = r.nodes[x];
  if (inner.primitive === "reduceSum") {
    const first = (inner.params as PrimitiveParams["reduceSum"]).axes;
    const source = r.shape(inner.inputs[0]);
    const kept = range(source.length).filter((axis) => !first.includes(axis));
    const all = [...first, ...axes.map((axis) => kept[axis])].sort((a, b) => a - b);
    return r.reduceSum(inner.inputs[0], all);
  }
  if (inner.primitive === "mul" && isFloat(node.dtype)) {
    const factor = r.constantOf(inner.inputs[1]);
    if (factor !== null) return r.scale(r.reduceSum(inner.inputs[0], axes), factor);
  }
  if (inner.primitive === "neg" && isFloat(node.dtype)) {
    return r.elementwise("neg", r.reduceSum(inner.inputs[0], axes));
  }
  return null;
};

const extremum: FoldRule = (r, node) => {
  const [x] = node.inputs;
  const { axes } = node.params as PrimitiveParams["reduceMax"];
  const shape = r.shape(x);
  if (sizeOf(shape) === 0) return null;
  const { operand, count } = narrowed(r, node);
  if (count > 1) return reduceRest(r, node, operand, axes);
  return axes.length === 0 || axes.some((axis) => shape[axis] === 1)
    ? reduceRest(r, node, x, axes)
    : null;
};

const product: FoldRule = (r, node) => {
  const { axes } = node.params as PrimitiveParams["reduceProd"];
  const shape = r.shape(node.inputs[0]);
  return axes.every((axis) => shape[axis] === 1) ? r.reshape(node.inputs[0], node.shape) : null;
};

/** A contraction with a constant is a sum; scalar factors move behind the contraction. */
const contraction: FoldRule = (r, node) => {
  if (!isFloat(node.dtype) || sizeOf(node.shape) === 0) return null;
  const params = node.params as PrimitiveParams["dotGeneral"];
  const [lhs, rhs] = node.inputs;
  for (const side of [0, 1]) {
    const value = r.constantOf(node.inputs[side]);
    if (value === null) continue;
    const other = side === 0 ? rhs : lhs;
    const batch = side === 0 ? params.rhsBatch : params.lhsBatch;
    const contract = side === 0 ? params.rhsContract : params.lhsContract;
    const shape = r.shape(other);
    if (sizeOf(shape) === 0) return null;
    // Batch axes first, as the contraction has them.
    const free = range(shape.length).filter((a) => !batch.includes(a) && !contract.includes(a));
    const summed = r.reduceSum(r.permute(other, [...batch, ...free, ...contract]), [
      ...contract.map((_, i) => batch.length + free.length + i),
    ]);
    const count = node.shape.length - batch.length - free.length;
    const ones = new Array<number>(count).fill(1);
    const batchSizes = batch.map((a) => shape[a]);
    const freeSizes = free.map((a) => shape[a]);
    const unit = side === 0
      ? [...batchSizes, ...ones, ...freeSizes]
      : [...batchSizes, ...freeSizes, ...ones];
    return r.broadcast(r.reshape(r.scale(summed, value), unit), node.shape);
  }
  for (const side of [0, 1]) {
    const operand = r.nodes[node.inputs[side]];
    if (operand.primitive !== "mul" && operand.primitive !== "neg") continue;
    const factor = operand.primitive === "neg" ? -1 : r.constantOf(operand.inputs[1]);
    // A factor is cheaper on the smaller side; behind the product it also joins others.
    if (factor === null || sizeOf(node.shape) > sizeOf(operand.shape)) continue;
    const inputs = side === 0 ? [operand.inputs[0], rhs] : [lhs, operand.inputs[0]];
    return r.scale(r.add({ ...node, inputs }), factor);
  }
  return null;
};

/** Padding is a node of its own, which other convolutions of the same input share. */
const convolution: FoldRule = (r, node) => {
  const [input, filter] = node.inputs;
  const phases = splitPhases(r, node);
  if (phases !== null) return phases;
  const split = convPadding(node.params as PrimitiveParams["conv"], r.shape(input));
  if (split === null) return null;
  const padded = r.add({
    primitive: "pad",
    params: split.pad,
    inputs: [input],
    shape: split.shape,
    dtype: node.dtype,
  });
  return r.add({ ...node, params: split.conv, inputs: [padded, filter] });
};

/** Rules of reductions and contractions. */
export const reduceFolds: FoldRules = {
  reduceSum: summing,
  reduceMax: extremum,
  reduceMin: extremum,
  reduceProd: product,
  dotGeneral: contraction,
  conv: convolution,
};
