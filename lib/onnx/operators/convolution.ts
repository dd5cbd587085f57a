/**
 * Convolutions.
 *
 * @module
 */

import { conv1d, conv2d, conv3d } from "../../core/operations/convolution.ts";
import { integer } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";
import { resolveWindows, windowAttributes } from "./windows.ts";

const convolutions = [conv1d, conv2d, conv3d];

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
      const kernel = weight.shape.slice(2);
      if (kernel_shape !== undefined && kernel_shape.join() !== kernel.join()) {
        c.fail(`kernel_shape is [${kernel_shape}], but the weight's is [${kernel}]`);
      }
      const convolve = convolutions[kernel.length - 1] ??
        c.fail(`${kernel.length} spatial axes; 1 to 3 are known`);
      const { strides, dilation, padding } = resolveWindows(c, x, kernel, values);
      return convolve(x, weight, bias, { stride: strides, dilation, padding, groups: group });
    },
  }),
];
