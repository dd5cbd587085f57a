/**
 * Max pooling that says where the largest elements were, and its partial inverse.
 *
 * @module
 */

import { isFloat } from "../../base/dtype.ts";
import { range, sizeOf } from "../../base/shape.ts";
import { apply } from "../../core/apply.ts";
import { full, iota, restoreAxes, select, sum } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { OperatorContext } from "../operator.ts";
import { listOf, windowElements, type Windows } from "./windows.ts";

/** Each element's index in the whole tensor; the spatial axes in reverse order where `columnMajor`. */
function placesOf(x: Tensor, columnMajor: boolean): Tensor {
  const [n, channels, ...spatial] = x.shape;
  const flat = iota([sizeOf(x.shape)], "int32", 0);
  if (!columnMajor) return flat.reshape(x.shape);
  const axes = range(spatial.length).map((i) => x.rank - 1 - i);
  return flat.reshape([n, channels, ...spatial.toReversed()]).permute([0, 1, ...axes]);
}

/** The largest element of each window, the first of equal ones, and its index in the whole tensor. */
export function largestWithPlaces(
  x: Tensor,
  windows: Windows,
  columnMajor: boolean,
): [largest: Tensor, places: Tensor] {
  const elements = windowElements(x, windows, isFloat(x.dtype) ? -Infinity : -(2 ** 31));
  const places = windowElements(placesOf(x, columnMajor), windows, 0);
  const first = apply("argmax", { axis: 2 }, apply("stopGradient", {}, elements));
  const mask = apply(
    "equal",
    {},
    iota(elements.shape, "int32", 2),
    restoreAxes(first, [2], elements.shape),
  );
  const pick = (from: Tensor): Tensor =>
    sum(select(mask, from, full(from.shape, from.dtype, 0)), [2]);
  return [pick(elements), pick(places)];
}

/** The attributes of an unpooling. */
export interface UnpoolValues {
  readonly kernel_shape: readonly number[] | undefined;
  readonly pads: readonly number[] | undefined;
  readonly strides: readonly number[] | undefined;
}

/** Zeros with the elements of input 0 at the places of input 1. */
export function unpool(context: OperatorContext, values: UnpoolValues): Tensor {
  const [x, places] = [context.tensor(0), context.tensor(1)];
  const n = x.rank - 2;
  const given = values.kernel_shape ?? context.fail("attribute kernel_shape is missing");
  const kernel = listOf(context, given, n, 1, "kernel_shape", 1);
  const strides = listOf(context, values.strides, n, 1, "strides", 1);
  const pads = listOf(context, values.pads, 2 * n, 0, "pads", 0);
  const inferred = x.shape.map((size, i) => {
    const axis = i - 2;
    return axis < 0
      ? size
      : (size - 1) * strides[axis] + kernel[axis] - pads[axis] - pads[axis + n];
  });
  const asked = context.optionalNumbers(2);
  const shape = asked === null ? inferred : context.withoutBatch(asked, "axes");
  const fits = shape.length === x.rank &&
    inferred.every((size, i) => size >= 0 && size <= shape[i]);
  if (!fits || sizeOf(shape) >= 2 ** 31) {
    context.fail(`shape [${x.shape.join(", ")}] cannot become [${shape.join(", ")}]`);
  }
  const index = places.reshape([x.size]);
  const scatter = (updates: Tensor): Tensor =>
    apply("scatterAdd", { batchDims: 0, size: sizeOf(inferred) }, index, updates);
  // Windows that overlap may name a place several times, with one value.
  const times = scatter(full([x.size], x.dtype, 1)).maximum(1);
  const whole = scatter(x.reshape([x.size])).div(times).reshape(inferred);
  return whole.pad(inferred.map((size, i) => [0, shape[i] - size]));
}
