/**
 * Convolution with filters whose elements move.
 *
 * @module
 */

import { allocate } from "../../base/dtype.ts";
import { range, sizeOf } from "../../base/shape.ts";
import { matmul } from "../../core/operations/contractions.ts";
import { fromHost } from "../../core/operations/creation.ts";
import type { Tensor } from "../../core/tensor.ts";
import { integer } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { linearTaps, sample } from "./sampling.ts";
import { resolveWindows, windowAttributes, type Windows, type WindowValues } from "./windows.ts";

/** Where elements of the filter lie along one axis without offsets: [kernel…, positions…], flat. */
function basePlaces(x: Tensor, windows: Windows, axis: number): Tensor {
  const { kernel, strides, dilation, padding, counts } = windows;
  const sizes = [...kernel, ...counts];
  const data = allocate(x.dtype, sizeOf(sizes));
  const stride = (from: number): number => sizeOf(sizes.slice(from + 1));
  for (let i = 0; i < data.length; i++) {
    const k = Math.floor(i / stride(axis)) % kernel[axis];
    const p = Math.floor(i / stride(kernel.length + axis)) % counts[axis];
    data[i] = p * strides[axis] - padding[axis][0] + k * dilation[axis];
  }
  return fromHost(data, [1, data.length], x.dtype);
}

function deformConv(
  context: OperatorContext,
  values: WindowValues & { readonly group: number; readonly offset_group: number },
): Tensor {
  const [x, weight, offset] = [0, 1, 2].map((i) => context.tensor(i));
  const [bias, mask] = [context.optionalTensor(3), context.optionalTensor(4)];
  const kernel = weight.shape.slice(2);
  const windows = resolveWindows(context, x, kernel, values);
  const { counts } = windows;
  const { group, offset_group: shifts } = values;
  const [n, channels, ...sizes] = x.shape;
  const outputs = weight.shape[0];
  const [taps, places, axes] = [sizeOf(kernel), sizeOf(counts), kernel.length];
  const valid = group >= 1 && shifts >= 1 && channels % shifts === 0 && outputs % group === 0 &&
    channels === weight.shape[1] * group && offset.shape[0] === n &&
    offset.size === n * shifts * taps * axes * places;
  if (!valid) {
    context.fail(
      `offsets [${offset.shape.join(", ")}] and weights [${weight.shape.join(", ")}] for [${
        x.shape.join(", ")
      }]`,
    );
  }
  // Groups of channels that move together are images of their own.
  const images = x.reshape([n * shifts, channels / shifts, ...sizes]);
  const moves = offset.reshape([n * shifts, taps, axes, places]);
  const at = sizes.map((_, axis) =>
    linearTaps(
      moves.take(axis, 2).reshape([n * shifts, taps * places]).add(basePlaces(x, windows, axis)),
    )
  );
  const sampled = sample(images, at).reshape([n * shifts, channels / shifts, taps, places]);
  const weighed = mask === null
    ? sampled
    : sampled.mul(mask.reshape([n * shifts, 1, taps, places]));
  const columns = weighed.reshape([n, group, (channels / group) * taps, places]);
  const filter = weight.reshape([1, group, outputs / group, (channels / group) * taps]);
  const result = matmul(filter, columns).reshape([n, outputs, ...counts]);
  return bias === null ? result : result.add(bias.reshape([outputs, ...range(axes).map(() => 1)]));
}

/** Convolution with filters whose elements move. */
export const deformable: readonly Operator[] = [
  operator({
    name: "DeformConv",
    since: [19, 22],
    inputs: [3, 5],
    attributes: {
      dilations: windowAttributes.dilations,
      group: integer(1),
      kernel_shape: windowAttributes.kernel_shape,
      offset_group: integer(1),
      pads: windowAttributes.pads,
      strides: windowAttributes.strides,
    },
    trainable: [1, 3],
    run: (c, { kernel_shape: _, ...values }) => deformConv(c, { ...values, auto_pad: "NOTSET" }),
  }),
];
