/**
 * Numbers as a few bits, and products of such numbers, as what they compute.
 *
 * Integers are exact: products are summed in int32 or float64.
 *
 * @module
 */

import { normalizeAxis } from "../../base/shape.ts";
import { matmul } from "../../core/operations/contractions.ts";
import { conv1d, conv2d, conv3d } from "../../core/operations/convolution.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, integer } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { smallFormat } from "../small_floats.ts";
import { type ElementType, isReal } from "../types.ts";
import type { Value } from "../value.ts";
import { limited } from "./limits.ts";
import { castTo, limitOf } from "./types.ts";
import { resolveWindows, windowAttributes } from "./windows.ts";

const convolutions = [conv1d, conv2d, conv3d];

/** Scales or zero points so that they broadcast with x: one for all, one for each place along the axis, or one for each block. */
function spread(c: OperatorContext, given: Tensor, x: Tensor, axis: number, block: number): Tensor {
  if (given.size === 1) return given.reshape([]);
  const at = normalizeAxis(axis, x.rank, "axis");
  if (block > 0) {
    limited(c, given.shape.map((n, i) => i === at ? n * block : n));
    const apart = given.unsqueeze(at + 1);
    const repeated = apart.broadcastTo(apart.shape.map((n, i) => i === at + 1 ? block : n));
    const whole = repeated.reshape(given.shape.map((n, i) => i === at ? n * block : n));
    const size = x.shape[at];
    return whole.slice(
      ...x.shape.map((_, i): [number, number] | null => i === at ? [0, size] : null),
    );
  }
  if (given.rank !== 1) c.fail(`scales of shape [${given.shape.join(", ")}] without a block_size`);
  return given.reshape(x.shape.map((_, i) => i === at ? given.size : 1));
}

/** x / scale + zero as a type of integers: rounded to even, and at the type's ends where it is beyond them. */
function quantized(
  c: OperatorContext,
  x: Tensor,
  scale: Tensor,
  zero: Tensor | null,
  type: ElementType,
  saturate = true,
): Value {
  if (isReal(type)) {
    const moved = zero === null ? x.div(scale) : x.div(scale).add(zero);
    return castTo(c, moved, type, { saturate });
  }
  const rounded = x.div(scale).round();
  const moved = zero === null ? rounded : rounded.add(zero.to(rounded.dtype));
  const inside = moved.clip(limitOf(type, false), limitOf(type, true));
  return c.typed(inside.to(c.dtypeFor(type)), type);
}

/** An input of integers without its zero point, which has one entry for all or for each place along an axis. */
function centered(c: OperatorContext, input: number, zero: number, axis: number): Tensor {
  const x = c.tensor(input).to("int32");
  const given = c.optionalTensor(zero);
  if (given === null) return x;
  const shape = given.rank > 1 || given.size === 1
    ? given
    : given.reshape(x.shape.map((_, i) => i === axis ? given.size : 1));
  return x.sub(given.size === 1 ? given.reshape([]).to("int32") : shape.to("int32"));
}

/** A convolution of integers, exact in float64. */
function convolveIntegers(
  c: OperatorContext,
  x: Tensor,
  weight: Tensor,
  { group, ...values }: Parameters<typeof resolveWindows>[3] & { group: number },
): Tensor {
  const kernel = weight.shape.slice(2);
  const convolve = convolutions[kernel.length - 1] ??
    c.fail(`${kernel.length} spatial axes; 1 to 3 are known`);
  const { strides, dilation, padding } = resolveWindows(c, x, kernel, values);
  const options = { stride: strides, dilation, padding, groups: group };
  return convolve(x.to("float64"), weight.to("float64"), null, options);
}

const convolutionAttributes = { ...windowAttributes, group: integer(1) };

/** Numbers as a few bits, and products of such numbers. */
export const quantization: readonly Operator[] = [
  operator({
    name: "QuantizeLinear",
    since: [10, 13, 19, 21, 23, 24, 25, 28],
    inputs: [2, 3],
    attributes: {
      axis: integer(1),
      block_size: integer(0),
      output_dtype: integer(0),
      precision: integer(0),
      saturate: flag(true),
    },
    run: (c, { axis, block_size, output_dtype, saturate }) => {
      const x = c.tensor(0);
      const asked = output_dtype === 0 ? "uint8" : c.typeOfCode(output_dtype);
      const type = c.has(2) ? c.type(2) : asked;
      if (isReal(type) && smallFormat(type) === null) {
        c.fail(`numbers are not quantized to ${type}`);
      }
      const [scale, zero] = [c.tensor(1), c.optionalTensor(2)]
        .map((given) => given === null ? null : spread(c, given, x, axis, block_size));
      return quantized(c, x, scale!, zero, type, saturate !== 0);
    },
  }),
  operator({
    name: "DequantizeLinear",
    since: [10, 13, 19, 21, 23, 24, 25, 28],
    inputs: [2, 3],
    attributes: { axis: integer(1), block_size: integer(0), output_dtype: integer(0) },
    run: (c, { axis, block_size, output_dtype }) => {
      const x = c.tensor(0);
      const type = output_dtype === 0 ? c.type(1) : c.typeOfCode(output_dtype);
      const [scale, zero] = [c.tensor(1), c.optionalTensor(2)]
        .map((given) => given === null ? null : spread(c, given, x, axis, block_size));
      const numbers = zero === null ? x : x.sub(zero);
      return c.typed(numbers.to(scale!.dtype).mul(scale!).to(c.dtypeFor(type)), type);
    },
  }),
  operator({
    name: "DynamicQuantizeLinear",
    since: [11],
    inputs: 1,
    run: (c) => {
      const x = c.tensor(0);
      const [low, high] = [x.min().minimum(0), x.max().maximum(0)];
      const scale = high.sub(low).div(255);
      const zero = low.neg().div(scale).round().clip(0, 255);
      return [
        quantized(c, x, scale, zero, "uint8"),
        c.typed(scale, c.type(0)),
        c.typed(zero.to("int32"), "uint8"),
      ];
    },
  }),
  operator({
    name: "MatMulInteger",
    since: [10],
    inputs: [2, 4],
    run: (c) => {
      const a = centered(c, 0, 2, c.shape(0).length - 2);
      const b = centered(c, 1, 3, c.shape(1).length - 1);
      return c.typed(matmul(a, b), "int32");
    },
  }),
  operator({
    name: "QLinearMatMul",
    since: [10, 21],
    inputs: 8,
    run: (c) => {
      const a = centered(c, 0, 2, c.shape(0).length - 2);
      const b = centered(c, 3, 5, c.shape(1).length - 1);
      const product = matmul(a, b).to("float64");
      const column = (scale: Tensor): Tensor =>
        scale.rank === 1 && scale.size > 1 ? scale.unsqueeze(1) : scale;
      const [left, right, out] = [column(c.tensor(1)), c.tensor(4), column(c.tensor(6))];
      const real = product.mul(left.to("float64")).mul(right.to("float64"));
      return quantized(c, real, out.to("float64"), c.tensor(7), c.type(7));
    },
  }),
  operator({
    name: "ConvInteger",
    since: [10],
    inputs: [2, 4],
    attributes: convolutionAttributes,
    run: (c, attributes) => {
      const [x, weight] = [centered(c, 0, 2, -1), centered(c, 1, 3, 0)];
      return c.typed(convolveIntegers(c, x, weight, attributes).to("int32"), "int32");
    },
  }),
  operator({
    name: "QLinearConv",
    since: [10],
    inputs: [8, 9],
    attributes: convolutionAttributes,
    run: (c, attributes) => {
      const [x, weight] = [centered(c, 0, 2, -1), centered(c, 3, 5, 0)];
      const channels = (given: Tensor): Tensor =>
        given.size === 1
          ? given.reshape([])
          : given.reshape([given.size, ...weight.shape.slice(2).map(() => 1)]);
      const sums = convolveIntegers(c, x, weight, attributes);
      const bias = c.optionalTensor(8);
      const biased = bias === null ? sums : sums.add(channels(bias).to("float64"));
      const real = biased.mul(c.tensor(1).reshape([]).to("float64"))
        .mul(channels(c.tensor(4)).to("float64"));
      const scale = c.tensor(6).reshape([]).to("float64");
      return quantized(c, real, scale, c.tensor(7).reshape([]), c.type(7));
    },
  }),
];
