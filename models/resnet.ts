/**
 * A small residual network.
 *
 * @module
 */

import type { Tensor } from "../mod.ts";
import { Conv2d, GELU, GroupNorm, type Layer, Linear, Module, SiLU } from "../lib/nn/mod.ts";

/**
 * x plus two convolutions, each after a normalization and an activation (He et al. 2016, "identity mappings").
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { ResidualBlock } from "@tangents/ntk/models";
 * import { ReLU } from "@tangents/ntk/nn";
 * console.log(new ResidualBlock(16, new ReLU()).forward(ones([1, 16, 8, 8])).shape); // [1, 16, 8, 8]
 * ```
 */
export class ResidualBlock extends Module {
  /** Before the first activation. */
  norm1: GroupNorm;
  /** The first convolution. */
  conv1: Conv2d;
  /** Before the second activation. */
  norm2: GroupNorm;
  /** The second convolution. */
  conv2: Conv2d;
  /** The activation. */
  act: Layer;

  /** A block of so many channels, a multiple of four. */
  constructor(channels: number, act: Layer) {
    super();
    this.norm1 = new GroupNorm(4, channels);
    this.conv1 = new Conv2d(channels, channels, 3, { padding: 1, bias: false });
    this.norm2 = new GroupNorm(4, channels);
    this.conv2 = new Conv2d(channels, channels, 3, { padding: 1 });
    this.act = act;
  }

  /** A result of the input's shape. */
  forward(x: Tensor): Tensor {
    const y = this.conv1.forward(this.act.forward(this.norm1.forward(x)));
    return x.add(this.conv2.forward(this.act.forward(this.norm2.forward(y))));
  }
}

/**
 * Two residual blocks with group normalization, one with GELU and one with SiLU: images [N, 1, H, W] to ten numbers,
 * 25,850 parameters.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { ResNet } from "@tangents/ntk/models";
 * console.log(new ResNet().forward(ones([2, 1, 8, 8])).shape); // [2, 10]
 * ```
 */
export class ResNet extends Module {
  /** 1 → 16 channels. */
  stem: Conv2d = new Conv2d(1, 16, 3, { padding: 1 });
  /** At 16 channels. */
  b1: ResidualBlock = new ResidualBlock(16, new GELU());
  /** 16 → 32 channels, at half the resolution. */
  down: Conv2d = new Conv2d(16, 32, 2, { stride: 2 });
  /** At 32 channels. */
  b2: ResidualBlock = new ResidualBlock(32, new SiLU());
  /** The outputs. */
  head: Linear = new Linear(32, 10);

  /** The outputs, [N, 10], for images [N, 1, H, W]. */
  forward(x: Tensor): Tensor {
    x = this.b1.forward(this.stem.forward(x));
    x = this.b2.forward(this.down.forward(x));
    return this.head.forward(x.mean([2, 3]));
  }
}
