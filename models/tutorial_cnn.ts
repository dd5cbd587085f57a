/**
 * The network of the PyTorch tutorial "Neural Tangent Kernels".
 *
 * @module
 */

import type { Tensor } from "../mod.ts";
import { Conv2d, Linear, Module } from "../lib/nn/mod.ts";

/**
 * Three convolutions and a linear layer: images [N, 3, 32, 32] to ten numbers, 235,722 parameters.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { CNN } from "@tangents/ntk/models";
 * console.log(new CNN().forward(ones([2, 3, 32, 32])).shape); // [2, 10]
 * ```
 */
export class CNN extends Module {
  /** 3 → 32 channels. */
  conv1: Conv2d = new Conv2d(3, 32, 3);
  /** 32 → 32 channels. */
  conv2: Conv2d = new Conv2d(32, 32, 3);
  /** 32 → 32 channels. */
  conv3: Conv2d = new Conv2d(32, 32, 3);
  /** The outputs. */
  fc: Linear = new Linear(21632, 10);

  /** The outputs, [N, 10], for images [N, 3, 32, 32]. */
  forward(x: Tensor): Tensor {
    x = this.conv1.forward(x);
    x = x.relu();
    x = this.conv2.forward(x);
    x = x.relu();
    x = this.conv3.forward(x);
    x = x.flatten(1);
    return this.fc.forward(x);
  }
}
