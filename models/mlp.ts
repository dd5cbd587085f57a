/**
 * A fully connected network.
 *
 * @module
 */

import { Flatten, type Layer, Linear, ReLU, Sequential } from "../lib/nn/mod.ts";

/**
 * Linear layers of the given sizes with ReLU between them; examples of any shape are flattened first.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { MLP } from "@tangents/ntk/models";
 * console.log(new MLP([64, 256, 256, 10]).forward(ones([5, 1, 8, 8])).shape); // [5, 10]
 * ```
 */
export class MLP extends Sequential {
  /** A network from `sizes[0]` inputs to `sizes.at(-1)` outputs. */
  constructor(sizes: readonly number[]) {
    const layers: Layer[] = [new Flatten()];
    for (let i = 1; i < sizes.length; i++) {
      if (i > 1) layers.push(new ReLU());
      layers.push(new Linear(sizes[i - 1], sizes[i]));
    }
    super(...layers);
  }
}
