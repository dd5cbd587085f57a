/**
 * Layers made of layers, and those that only change the shape.
 *
 * @module
 */

import { ArgumentError } from "../base/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { Module } from "./module.ts";

/** A module of one tensor, as `Sequential` takes them. */
export type Layer = Module & { forward(x: Tensor): Tensor };

/**
 * Layers one after the other. As `torch.nn.Sequential`: names are their positions, `0.weight`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { Linear, ReLU, Sequential } from "@tangents/ntk/nn";
 * const net = new Sequential(new Linear(4, 8), new ReLU(), new Linear(8, 2));
 * console.log(Object.keys(net.namedParameters())); // 0.weight, 0.bias, 2.weight, 2.bias
 * console.log(net.forward(ones([5, 4])).shape); // [5, 2]
 * ```
 */
export class Sequential extends Module {
  /** @internal */
  static override readonly stateNames: Readonly<Record<string, string>> = { layers: "" };

  /** The layers, in order. */
  readonly layers: readonly Layer[];

  /** Throws an `ArgumentError` for anything that is not a `Module`. */
  constructor(...layers: readonly Layer[]) {
    super();
    for (const [i, layer] of layers.entries()) {
      if (layer instanceof Module) continue;
      throw new ArgumentError(`Sequential: layer ${i} is ${String(layer)}; expected a Module`);
    }
    this.layers = layers;
  }

  /** The last layer's result. */
  forward(x: Tensor): Tensor {
    return this.layers.reduce((y, layer) => layer.forward(y), x);
  }
}

/**
 * Its input, unchanged. As `torch.nn.Identity`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Identity } from "@tangents/ntk/nn";
 * console.log(await new Identity().forward(tensor([1, 2])).toArray()); // [1, 2]
 * ```
 */
export class Identity extends Module {
  /** The input. */
  forward(x: Tensor): Tensor {
    return x;
  }
}

/**
 * Axes joined into one: by default all but the first. As `torch.nn.Flatten`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { Flatten } from "@tangents/ntk/nn";
 * console.log(new Flatten().forward(ones([2, 3, 4])).shape); // [2, 12]
 * ```
 */
export class Flatten extends Module {
  /** The first axis to join. */
  readonly startAxis: number;
  /** The last axis to join. */
  readonly endAxis: number;

  /** Axes from start to end, inclusive. */
  constructor(startAxis: number = 1, endAxis: number = -1) {
    super();
    this.startAxis = startAxis;
    this.endAxis = endAxis;
  }

  /** The flattened input. */
  forward(x: Tensor): Tensor {
    return x.flatten(this.startAxis, this.endAxis);
  }
}
