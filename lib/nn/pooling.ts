/**
 * Pooling layers.
 *
 * @module
 */

import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  type AdaptiveSize,
} from "../core/operations/adaptive_pooling.ts";
import {
  avgPool1d,
  avgPool2d,
  avgPool3d,
  type AvgPoolOptions,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  type MaxPoolOptions,
} from "../core/operations/pooling.ts";
import type { Tensor } from "../core/tensor.ts";
import { Module } from "./module.ts";

/** Options of the max pooling layers: those of `maxPool2d`, without the window's size. */
export type MaxPoolLayerOptions = Omit<MaxPoolOptions, "kernelSize">;

/** Options of the average pooling layers: those of `avgPool2d`, without the window's size. */
export type AvgPoolLayerOptions = Omit<AvgPoolOptions, "kernelSize">;

/**
 * The largest element of each window of input [N, C, L] or [C, L], as a layer; see `maxPool1d`. As `torch.nn.MaxPool1d`: the stride is
 * the window's size unless it is given.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { MaxPool1d } from "@tangents/ntk/nn";
 * console.log(new MaxPool1d(2).forward(ones([1, 3, 8])).shape); // [1, 3, 4]
 * ```
 */
export class MaxPool1d extends Module {
  /** The window's size and the other options. */
  readonly options: MaxPoolOptions;

  /** The layer for windows of a size. */
  constructor(kernelSize: number | readonly number[], options: MaxPoolLayerOptions = {}) {
    super();
    this.options = { ...options, kernelSize };
  }

  /** The largest element of each window; throws a `ShapeError` where none fits. */
  forward(x: Tensor): Tensor {
    return maxPool1d(x, this.options);
  }
}

/**
 * The largest element of each window of input [N, C, H, W] or [C, H, W], as a layer; see `maxPool2d`. As `torch.nn.MaxPool2d`: the stride is
 * the window's size unless it is given.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { MaxPool2d } from "@tangents/ntk/nn";
 * console.log(new MaxPool2d(2).forward(ones([1, 3, 8, 8])).shape); // [1, 3, 4, 4]
 * ```
 */
export class MaxPool2d extends Module {
  /** The window's size and the other options. */
  readonly options: MaxPoolOptions;

  /** The layer for windows of a size. */
  constructor(kernelSize: number | readonly number[], options: MaxPoolLayerOptions = {}) {
    super();
    this.options = { ...options, kernelSize };
  }

  /** The largest element of each window; throws a `ShapeError` where none fits. */
  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.options);
  }
}

/**
 * The largest element of each window of input [N, C, D, H, W] or [C, D, H, W], as a layer; see `maxPool3d`. As `torch.nn.MaxPool3d`: the stride is
 * the window's size unless it is given.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { MaxPool3d } from "@tangents/ntk/nn";
 * console.log(new MaxPool3d(2).forward(ones([1, 3, 8, 8, 8])).shape); // [1, 3, 4, 4, 4]
 * ```
 */
export class MaxPool3d extends Module {
  /** The window's size and the other options. */
  readonly options: MaxPoolOptions;

  /** The layer for windows of a size. */
  constructor(kernelSize: number | readonly number[], options: MaxPoolLayerOptions = {}) {
    super();
    this.options = { ...options, kernelSize };
  }

  /** The largest element of each window; throws a `ShapeError` where none fits. */
  forward(x: Tensor): Tensor {
    return maxPool3d(x, this.options);
  }
}

/**
 * The mean of each window of input [N, C, L] or [C, L], as a layer; see `avgPool1d`. As `torch.nn.AvgPool1d`: the stride is
 * the window's size unless it is given.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { AvgPool1d } from "@tangents/ntk/nn";
 * console.log(new AvgPool1d(2).forward(ones([1, 3, 8])).shape); // [1, 3, 4]
 * ```
 */
export class AvgPool1d extends Module {
  /** The window's size and the other options. */
  readonly options: AvgPoolOptions;

  /** The layer for windows of a size. */
  constructor(kernelSize: number | readonly number[], options: AvgPoolLayerOptions = {}) {
    super();
    this.options = { ...options, kernelSize };
  }

  /** The mean of each window; throws a `ShapeError` where none fits. */
  forward(x: Tensor): Tensor {
    return avgPool1d(x, this.options);
  }
}

/**
 * The mean of each window of input [N, C, H, W] or [C, H, W], as a layer; see `avgPool2d`. As `torch.nn.AvgPool2d`: the stride is
 * the window's size unless it is given.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { AvgPool2d } from "@tangents/ntk/nn";
 * console.log(new AvgPool2d(2).forward(ones([1, 3, 8, 8])).shape); // [1, 3, 4, 4]
 * ```
 */
export class AvgPool2d extends Module {
  /** The window's size and the other options. */
  readonly options: AvgPoolOptions;

  /** The layer for windows of a size. */
  constructor(kernelSize: number | readonly number[], options: AvgPoolLayerOptions = {}) {
    super();
    this.options = { ...options, kernelSize };
  }

  /** The mean of each window; throws a `ShapeError` where none fits. */
  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.options);
  }
}

/**
 * The mean of each window of input [N, C, D, H, W] or [C, D, H, W], as a layer; see `avgPool3d`. As `torch.nn.AvgPool3d`: the stride is
 * the window's size unless it is given.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { AvgPool3d } from "@tangents/ntk/nn";
 * console.log(new AvgPool3d(2).forward(ones([1, 3, 8, 8, 8])).shape); // [1, 3, 4, 4, 4]
 * ```
 */
export class AvgPool3d extends Module {
  /** The window's size and the other options. */
  readonly options: AvgPoolOptions;

  /** The layer for windows of a size. */
  constructor(kernelSize: number | readonly number[], options: AvgPoolLayerOptions = {}) {
    super();
    this.options = { ...options, kernelSize };
  }

  /** The mean of each window; throws a `ShapeError` where none fits. */
  forward(x: Tensor): Tensor {
    return avgPool3d(x, this.options);
  }
}

/**
 * Means of windows that divide input [N, C, L] or [C, L] into as many as asked, as a layer; see `adaptiveAvgPool1d`. As
 * `torch.nn.AdaptiveAvgPool1d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { AdaptiveAvgPool1d } from "@tangents/ntk/nn";
 * console.log(new AdaptiveAvgPool1d(4).forward(ones([1, 3, 8])).shape); // [1, 3, 4]
 * ```
 */
export class AdaptiveAvgPool1d extends Module {
  /** How many windows there are along each axis. */
  readonly outputSize: AdaptiveSize;

  /** The layer for an output size. */
  constructor(outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
  }

  /** Means of the windows. */
  forward(x: Tensor): Tensor {
    return adaptiveAvgPool1d(x, this.outputSize);
  }
}

/**
 * Means of windows that divide input [N, C, H, W] or [C, H, W] into as many as asked, as a layer; see `adaptiveAvgPool2d`. As
 * `torch.nn.AdaptiveAvgPool2d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { AdaptiveAvgPool2d } from "@tangents/ntk/nn";
 * console.log(new AdaptiveAvgPool2d(4).forward(ones([1, 3, 8, 8])).shape); // [1, 3, 4, 4]
 * ```
 */
export class AdaptiveAvgPool2d extends Module {
  /** How many windows there are along each axis. */
  readonly outputSize: AdaptiveSize;

  /** The layer for an output size. */
  constructor(outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
  }

  /** Means of the windows. */
  forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.outputSize);
  }
}

/**
 * Means of windows that divide input [N, C, D, H, W] or [C, D, H, W] into as many as asked, as a layer; see `adaptiveAvgPool3d`. As
 * `torch.nn.AdaptiveAvgPool3d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { AdaptiveAvgPool3d } from "@tangents/ntk/nn";
 * console.log(new AdaptiveAvgPool3d(4).forward(ones([1, 3, 8, 8, 8])).shape); // [1, 3, 4, 4, 4]
 * ```
 */
export class AdaptiveAvgPool3d extends Module {
  /** How many windows there are along each axis. */
  readonly outputSize: AdaptiveSize;

  /** The layer for an output size. */
  constructor(outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
  }

  /** Means of the windows. */
  forward(x: Tensor): Tensor {
    return adaptiveAvgPool3d(x, this.outputSize);
  }
}

/**
 * Largest elements of windows that divide input [N, C, L] or [C, L] into as many as asked, as a layer; see `adaptiveMaxPool1d`. As
 * `torch.nn.AdaptiveMaxPool1d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { AdaptiveMaxPool1d } from "@tangents/ntk/nn";
 * console.log(new AdaptiveMaxPool1d(4).forward(ones([1, 3, 8])).shape); // [1, 3, 4]
 * ```
 */
export class AdaptiveMaxPool1d extends Module {
  /** How many windows there are along each axis. */
  readonly outputSize: AdaptiveSize;

  /** The layer for an output size. */
  constructor(outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
  }

  /** Largest elements of the windows. */
  forward(x: Tensor): Tensor {
    return adaptiveMaxPool1d(x, this.outputSize);
  }
}

/**
 * Largest elements of windows that divide input [N, C, H, W] or [C, H, W] into as many as asked, as a layer; see `adaptiveMaxPool2d`. As
 * `torch.nn.AdaptiveMaxPool2d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { AdaptiveMaxPool2d } from "@tangents/ntk/nn";
 * console.log(new AdaptiveMaxPool2d(4).forward(ones([1, 3, 8, 8])).shape); // [1, 3, 4, 4]
 * ```
 */
export class AdaptiveMaxPool2d extends Module {
  /** How many windows there are along each axis. */
  readonly outputSize: AdaptiveSize;

  /** The layer for an output size. */
  constructor(outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
  }

  /** Largest elements of the windows. */
  forward(x: Tensor): Tensor {
    return adaptiveMaxPool2d(x, this.outputSize);
  }
}

/**
 * Largest elements of windows that divide input [N, C, D, H, W] or [C, D, H, W] into as many as asked, as a layer; see `adaptiveMaxPool3d`. As
 * `torch.nn.AdaptiveMaxPool3d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { AdaptiveMaxPool3d } from "@tangents/ntk/nn";
 * console.log(new AdaptiveMaxPool3d(4).forward(ones([1, 3, 8, 8, 8])).shape); // [1, 3, 4, 4, 4]
 * ```
 */
export class AdaptiveMaxPool3d extends Module {
  /** How many windows there are along each axis. */
  readonly outputSize: AdaptiveSize;

  /** The layer for an output size. */
  constructor(outputSize: AdaptiveSize) {
    super();
    this.outputSize = outputSize;
  }

  /** Largest elements of the windows. */
  forward(x: Tensor): Tensor {
    return adaptiveMaxPool3d(x, this.outputSize);
  }
}
