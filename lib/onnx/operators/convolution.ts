/**
 * Convolutions.
 *
 * @module
 */

import { range, sizeOf } from "../../base/shape.ts";
import { silu } from "../../core/operations/activations.ts";
import {
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
} from "../../core/operations/convolution.ts";
import { concat } from "../../core/operations/shapes.ts";
import type { Tensor } from "../../core/tensor.ts";
import { integer, integers, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { listOf, resolveWindows, windowAttributes, type WindowValues } from "./windows.ts";

const convolutions = [conv1d, conv2d, conv3d];
const transposed = [convTranspose1d, convTranspose2d, convTranspose3d];

/** The spatial sizes of the filter. */
function kernelOf(
  context: OperatorContext,
  weight: Tensor,
  given: readonly number[] | undefined,
): readonly number[] {
  const kernel = weight.shape.slice(2);
  if (given !== undefined && given.join() !== kernel.join()) {
    context.fail(`kernel_shape is [${given}], but the weight's is [${kernel}]`);
  }
  if (kernel.length < 1 || kernel.length > 3) {
    context.fail(`${kernel.length} spatial axes; 1 to 3 are known`);
  }
  return kernel;
}

/** Attributes of a transposed convolution that are no window's. */
interface TransposedValues extends WindowValues {
  readonly group: number;
  readonly output_padding: readonly number[] | undefined;
  readonly output_shape: readonly number[] | undefined;
}

/** How much of the whole result [before, after] is cut along an axis; negative where zeros are added. */
type Cut = readonly [low: number, high: number];

/** The cuts that leave the size that the file asks for. */
function resolveCuts(
  context: OperatorContext,
  sizes: readonly number[],
  wholes: readonly number[],
  strides: readonly number[],
  values: TransposedValues,
): Cut[] {
  const n = sizes.length;
  const { auto_pad } = values;
  const extra = listOf(context, values.output_padding, n, 0, "output_padding", 0);
  const pads = listOf(context, values.pads, 2 * n, 0, "pads", 0);
  const asked = values.output_shape?.slice(-n);
  const same = auto_pad === "SAME_UPPER" || auto_pad === "SAME_LOWER";
  if (!same && !["", "NOTSET", "VALID"].includes(auto_pad)) {
    context.fail(`auto_pad is ${JSON.stringify(auto_pad)}`);
  }
  if (asked !== undefined && asked.length > 0) listOf(context, asked, n, 1, "output_shape", 1);
  return sizes.map((size, i) => {
    const target = asked !== undefined && asked.length > 0
      ? asked[i]
      : same
      ? size * strides[i]
      : null;
    if (target === null) {
      return auto_pad === "VALID" ? [0, -extra[i]] : [pads[i], pads[n + i] - extra[i]];
    }
    // What the result has too much is cut on both sides; the odd one after for SAME_UPPER.
    const total = Math.max(0, wholes[i] + extra[i] - target);
    const half = Math.floor(total / 2);
    const low = auto_pad === "SAME_UPPER" ? half : total - half;
    return [low, wholes[i] - low - target];
  });
}

function convolveTransposed(
  context: OperatorContext,
  kernel: readonly number[],
  values: TransposedValues,
): Tensor {
  const [x, weight, bias] = [context.tensor(0), context.tensor(1), context.optionalTensor(2)];
  const n = kernel.length;
  const convolve = transposed[n - 1];
  const { group: groups } = values;
  const stride = listOf(context, values.strides, n, 1, "strides", 1);
  const dilation = listOf(context, values.dilations, n, 1, "dilations", 1);
  const sizes = x.shape.slice(2);
  const wholes = sizes.map((size, i) => (size - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1);
  const cuts = resolveCuts(context, sizes, wholes, stride, values);
  if (sizeOf(wholes.map((size, i) => size - cuts[i][0] - cuts[i][1])) > 2 ** 28) {
    context.fail("the result would be too large");
  }
  // The way of PyTorch, where it can say what is asked for: the same on both sides, and a few elements after.
  const plain = cuts.every(([low, high], i) =>
    low >= 0 && low >= high && low - high < Math.max(stride[i], dilation[i])
  );
  if (plain) {
    const padding = cuts.map(([low]) => low);
    const outputPadding = cuts.map(([low, high]) => low - high);
    return convolve(x, weight, bias, { stride, dilation, groups, padding, outputPadding });
  }
  const whole = convolve(x, weight, null, { stride, dilation, groups });
  const inner = whole.slice(
    null,
    null,
    ...cuts.map(([low, high], i) => [Math.max(0, low), wholes[i] - Math.max(0, high)] as const),
  );
  const result = inner.pad([
    [0, 0],
    [0, 0],
    ...cuts.map(([low, high]) => [Math.max(0, -low), Math.max(0, -high)] as const),
  ]);
  return bias === null ? result : result.add(bias.reshape([bias.size, ...range(n).map(() => 1)]));
}

/** Convolutions. */
export const convolution: readonly Operator[] = [
  operator({
    name: "Conv",
    since: [1, 11, 22],
    inputs: [2, 3],
    attributes: { ...windowAttributes, group: integer(1) },
    trainable: [1, 2],
    run: (c, { group, kernel_shape, ...values }) => {
      const [x, weight, bias] = [c.tensor(0), c.tensor(1), c.optionalTensor(2)];
      const kernel = kernelOf(c, weight, kernel_shape);
      const { strides, dilation, padding } = resolveWindows(c, x, kernel, values);
      const options = { stride: strides, dilation, padding, groups: group };
      return convolutions[kernel.length - 1](x, weight, bias, options);
    },
  }),
  operator({
    name: "ConvTranspose",
    since: [1, 11, 22],
    inputs: [2, 3],
    attributes: {
      ...windowAttributes,
      group: integer(1),
      output_padding: integers(),
      output_shape: integers(),
    },
    trainable: [1, 2],
    run: (c, { kernel_shape, ...values }) =>
      convolveTransposed(c, kernelOf(c, c.tensor(1), kernel_shape), values),
  }),
  operator({
    name: "CausalConvWithState",
    since: [27],
    inputs: [2, 4],
    attributes: { activation: text("none") },
    trainable: [1, 2],
    run: (c, { activation }) => {
      const [x, weight, bias] = [c.tensor(0), c.tensor(1), c.optionalTensor(2)];
      const past = c.optionalTensor(3);
      const before = kernelOf(c, weight, undefined)[0] - 1;
      const padded = past === null ? x.pad([[0, 0], [0, 0], [before, 0]]) : concat([past, x], 2);
      const y = conv1d(padded, weight, bias, { groups: weight.shape[0] });
      const state = padded.slice(null, null, [padded.shape[2] - before, null]);
      if (activation === "none") return [y, state];
      if (activation === "silu" || activation === "swish") return [silu(y), state];
      return c.fail(`activation is ${JSON.stringify(activation)}, expected "silu" or "none"`);
    },
  }),
];
