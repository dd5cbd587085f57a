/**
 * A small convolutional network for 8 × 8 images.
 *
 * @module
 */

import {
  AvgPool2d,
  BatchNorm2d,
  Conv2d,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
  Tanh,
} from "../lib/nn/mod.ts";

/**
 * Batch normalization, max and average pooling, and convolutions that are grouped, depthwise and pointwise: images
 * [N, 1, 8, 8] to ten numbers, 1,530 parameters. Call `eval()` before taking a kernel.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { DigitsCNN } from "@tangents/ntk/models";
 * console.log(new DigitsCNN().eval().forward(ones([1, 1, 8, 8])).shape); // [1, 10]
 * ```
 */
export class DigitsCNN extends Sequential {
  /** The network, in training mode. */
  constructor() {
    super(
      new Conv2d(1, 8, 3, { padding: 1, bias: false }),
      new BatchNorm2d(8),
      new ReLU(),
      new MaxPool2d(2),
      new Conv2d(8, 16, 3, { padding: 1, groups: 2 }),
      new BatchNorm2d(16),
      new ReLU(),
      new Conv2d(16, 16, 3, { stride: 2, padding: 1, groups: 16 }),
      new Conv2d(16, 24, 1),
      new Tanh(),
      new AvgPool2d(2),
      new Flatten(),
      new Linear(24, 10),
    );
  }
}
