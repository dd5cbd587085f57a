/**
 * Contractions: dotGeneral and conv.
 *
 * Products are one matrix product for each batch. In WebAssembly the kernel is fast for single products without transposed
 * sides only, so operands are transposed first, and large batches go one by one.
 *
 * @module
 */

import type { ConvParams, DotGeneralParams } from "../../lib/base/primitives.ts";
import { range, type Shape, sizeOf } from "../../lib/base/shape.ts";
import { mergePermutation } from "./axes.ts";
import { onHost } from "./host.ts";
import type { TensorInfo } from "./load.ts";
import { concatenate, padAlong, sliceAlong, spreadAlong } from "./movement.ts";
import { sumRows } from "./reduce.ts";
import type { Operations } from "./operations.ts";
import type { Rule, Rules } from "./rule.ts";
import { patchesOf } from "./windows.ts";

/** Products with fewer multiplications than this are computed all batches at once, by a plain loop. */
const separately = 2 ** 14;

/** Sums of more products than this are added up in parts: the kernels keep one sum, and its rounding adds up. */
const longSum = 1024;

/** [B, M, K] × [B, K, N] → [B, M, N]. */
function product(a: TensorInfo, b: TensorInfo, on: Operations): TensorInfo {
  const { kernels } = on;
  const [batches, rows, terms] = a.shape;
  const columns = b.shape[2];
  const shape = [batches, rows, columns];
  if (sizeOf(shape) === 0) return on.empty(shape, a.dtype);
  if (terms === 0) return on.fill(shape, "float32", 0);
  if (terms === 1) return on.binary("Multiply", a, b);
  if (rows === 1 && columns === 1) {
    const [left, right] = [a, b].map((x) => on.reshape(x, [batches, terms]));
    return on.reshape(sumRows(on.binary("Multiply", left, right), on), shape);
  }
  if (terms > longSum) return sumOfParts(a, b, on);
  const multiply = (left: TensorInfo, right: TensorInfo): TensorInfo =>
    kernels.call("BatchMatMul", { a: left, b: right }, { transposeA: false, transposeB: false });
  if (!on.readable || batches === 1 || rows * terms * columns < separately) {
    return on.withWeights(b, (right) => multiply(a, right));
  }
  const parts = range(batches).map((i) =>
    kernels.withPart(
      a,
      i * rows * terms,
      [1, rows, terms],
      (left) =>
        kernels.withPart(b, i * terms * columns, [1, terms, columns], (right) =>
          multiply(left, right)),
    )
  );
  return concatenate(parts, 0, on);
}

/** The same product as a sum of products of parts. */
function sumOfParts(a: TensorInfo, b: TensorInfo, on: Operations): TensorInfo {
  const [batches, rows, terms] = a.shape;
  const columns = b.shape[2];
  const fewest = Math.ceil(terms / longSum);
  // Parts of equal size, so that nothing has to be padded, if there are such that are not too small.
  const counts = range(fewest).map((i) => fewest + i);
  const count = counts.find((n) => terms % n === 0) ?? fewest;
  const size = Math.ceil(terms / count);
  const missing: [number, number] = [0, count * size - terms];
  const left = on.reshape(padAlong(a, 2, missing, 0, on), [batches, rows, count, size]);
  const parts = product(
    on.reshape(on.transpose(left, [0, 2, 1, 3]), [batches * count, rows, size]),
    on.reshape(padAlong(b, 1, missing, 0, on), [batches * count, size, columns]),
    on,
  );
  const apart = on.reshape(parts, [batches, count, rows * columns]);
  const sums = on.reshape(on.transpose(apart, [0, 2, 1]), [batches * rows * columns, count]);
  return on.reshape(sumRows(sums, on), [batches, rows, columns]);
}

/** An operand as matrices: the batches, some axes as rows, the others as columns. */
function matrices(
  x: TensorInfo,
  batch: readonly number[],
  rows: readonly number[],
  columns: readonly number[],
  on: Operations,
): TensorInfo {
  const size = (axes: readonly number[]): number => sizeOf(axes.map((axis) => x.shape[axis]));
  const moved = on.transpose(x, [...batch, ...rows, ...columns]);
  return on.reshape(moved, [size(batch), size(rows), size(columns)]);
}

/** How many elements are moved to bring the axes into an order. */
function moved({ shape }: TensorInfo, ...axes: readonly (readonly number[])[]): number {
  const { order } = mergePermutation(shape, axes.flat());
  return order.every((axis, i) => axis === i) ? 0 : sizeOf(shape);
}

/** The axes of an operand that are neither batch nor contracted. */
function freeAxes(
  { shape }: TensorInfo,
  batch: readonly number[],
  contract: readonly number[],
): number[] {
  return range(shape.length).filter((d) => !batch.includes(d) && !contract.includes(d));
}

/** The product of two dense operands, as the primitive says. */
function contract(
  lhs: TensorInfo,
  rhs: TensorInfo,
  shape: Shape,
  { lhsBatch, rhsBatch, lhsContract, rhsContract }: DotGeneralParams,
  on: Operations,
): TensorInfo {
  const lhsFree = freeAxes(lhs, lhsBatch, lhsContract);
  const rhsFree = freeAxes(rhs, rhsBatch, rhsContract);
  const straight = moved(lhs, lhsBatch, lhsFree, lhsContract) +
    moved(rhs, rhsBatch, rhsContract, rhsFree);
  // The transpose of the result is the product of the transposes: sometimes less has to move.
  const crossed = moved(lhs, lhsBatch, lhsContract, lhsFree) +
    moved(rhs, rhsBatch, rhsFree, rhsContract) + sizeOf(shape);
  if (straight <= crossed) {
    const a = matrices(lhs, lhsBatch, lhsFree, lhsContract, on);
    const b = matrices(rhs, rhsBatch, rhsContract, rhsFree, on);
    return on.reshape(product(a, b, on), shape);
  }
  const a = matrices(rhs, rhsBatch, rhsFree, rhsContract, on);
  const b = matrices(lhs, lhsBatch, lhsContract, lhsFree, on);
  return on.reshape(on.transpose(product(a, b, on), [0, 2, 1]), shape);
}

/** A convolution of two spatial axes, [N, C, H, W] with [O, C, K, L], in one group, or with a group for each channel. */
function conv2d(
  x: TensorInfo,
  filter: TensorInfo,
  { strides, padding, rhsDilation: dilations }: ConvParams,
  depthwise: boolean,
  on: Operations,
): TensorInfo {
  const image = on.transpose(x, [0, 2, 3, 1]);
  const pad = [[0, 0], ...padding, [0, 0]];
  const attrs = { strides, dilations, pad, dataFormat: "NHWC", dimRoundingMode: "floor" };
  if (!depthwise) {
    const taps = on.transpose(filter, [2, 3, 1, 0]);
    const sums = on.withWeights(
      taps,
      (filter) => on.kernels.call("Conv2D", { x: image, filter }, attrs),
    );
    return on.transpose(sums, [0, 3, 1, 2]);
  }
  const [channels] = x.shape.slice(1);
  const [outputs, , ...kernel] = filter.shape;
  const grouped = on.reshape(filter, [channels, outputs / channels, ...kernel]);
  const taps = on.transpose(grouped, [2, 3, 0, 1]);
  const sums = on.withWeights(
    taps,
    (filter) => on.kernels.call("DepthwiseConv2dNative", { x: image, filter }, attrs),
  );
  return on.transpose(sums, [0, 3, 1, 2]);
}

/** A convolution of any number of spatial axes in one group, as patches and a matrix product. */
function convByPatches(
  x: TensorInfo,
  filter: TensorInfo,
  places: readonly number[],
  { strides, padding, rhsDilation: dilation }: ConvParams,
  on: Operations,
): TensorInfo {
  const padded = padding.reduce((current, sides, d) => padAlong(current, d + 2, sides, 0, on), x);
  const [batches, channels] = x.shape;
  const [outputs, , ...kernel] = filter.shape;
  const seen = patchesOf(
    padded,
    [batches, channels, ...kernel, ...places],
    { kernel, strides, dilation },
    on,
  );
  const terms = channels * sizeOf(kernel);
  const columns = on.transpose(on.reshape(seen, [batches, terms, sizeOf(places)]), [1, 0, 2]);
  const sums = product(
    on.reshape(filter, [1, outputs, terms]),
    on.reshape(columns, [1, terms, batches * sizeOf(places)]),
    on,
  );
  const apart = on.reshape(sums, [outputs, batches, sizeOf(places)]);
  return on.reshape(on.transpose(apart, [1, 0, 2]), [batches, outputs, ...places]);
}

const conv: Rule<"conv"> = ({ shape, params }, [input, kernel], on) => {
  if (sizeOf(shape) === 0) return on.empty(shape, "float32");
  if (sizeOf(input.shape) === 0 || sizeOf(kernel.shape) === 0) return on.fill(shape, "float32", 0);
  const { groups, lhsDilation } = params;
  const x = lhsDilation.reduce(
    (current, step, d) => spreadAlong(current, d + 2, step - 1, 0, on),
    on.dense(input),
  );
  const filter = on.dense(kernel);
  const places = shape.slice(2);
  const one = (image: TensorInfo, taps: TensorInfo, depthwise: boolean): TensorInfo => {
    if (places.length === 2) return conv2d(image, taps, params, depthwise, on);
    if (places.length !== 1) return convByPatches(image, taps, places, params, on);
    const plane = (t: TensorInfo): TensorInfo => on.reshape(t, t.shape.toSpliced(2, 0, 1));
    const flat: ConvParams = {
      ...params,
      strides: [1, ...params.strides],
      padding: [[0, 0], ...params.padding],
      rhsDilation: [1, ...params.rhsDilation],
    };
    return conv2d(plane(image), plane(taps), flat, depthwise, on);
  };
  if (groups === 1) return on.reshape(one(x, filter, false), shape);
  const depthwise = groups === x.shape[1] && places.length <= 2;
  if (depthwise) return on.reshape(one(x, filter, true), shape);
  const [channels, outputs] = [x.shape[1] / groups, filter.shape[0] / groups];
  const parts = range(groups).map((g) =>
    one(
      sliceAlong(x, 1, g * channels, channels, on),
      sliceAlong(filter, 0, g * outputs, outputs, on),
      false,
    )
  );
  return on.reshape(concatenate(parts, 1, on), shape);
};

/** dotGeneral and conv. */
export const contractRules: Rules<"dotGeneral" | "conv"> = {
  // There are no matrix products of integers.
  dotGeneral: (node, inputs, on) =>
    node.dtype === "float32"
      ? contract(on.dense(inputs[0]), on.dense(inputs[1]), node.shape, node.params, on)
      : onHost(node, inputs, on),
  conv,
};
