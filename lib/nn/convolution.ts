/**
 * Convolutional layers.
 *
 * @module
 */

import { ArgumentError } from "../base/errors.ts";
import { sizeOf } from "../base/shape.ts";
import { checkCount, checkCounts } from "../core/operations/checks.ts";
import { resolvePadding } from "../core/operations/conv_padding.ts";
import {
  conv1d,
  conv2d,
  conv3d,
  type ConvOptions,
  type ConvPadding,
} from "../core/operations/convolution.ts";
import type { Tensor } from "../core/tensor.ts";
import { Initializer, type ParameterOptions, uniformByFanIn } from "./initialization.ts";
import { Module } from "./module.ts";
import { parameterField } from "./parameter_field.ts";

/** Options of convolutional layers. */
export interface ConvLayerOptions extends ConvOptions, ParameterOptions {
  /** Whether to add a bias to each output channel; true by default. */
  bias?: boolean;
}

/** What the convolutional layers of all dimensions share. */
export abstract class ConvLayer extends Module {
  /** The filters, [outChannels, inChannels / groups, kernel size…]. */
  weight: Tensor;
  /** One number an output channel, or null. */
  bias: Tensor | null;
  /** Step of the filter along each spatial axis. */
  readonly stride: readonly number[];
  /** Zeros around the input. */
  readonly padding: ConvPadding;
  /** Spacing of the filter's elements along each spatial axis. */
  readonly dilation: readonly number[];
  /** Groups of channels that do not mix. */
  readonly groups: number;

  /** @internal */
  constructor(
    dimensions: number,
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvLayerOptions,
  ) {
    super();
    const where = `Conv${dimensions}d`;
    checkCount(inChannels, 1, `${where}: inChannels`);
    checkCount(outChannels, 1, `${where}: outChannels`);
    const kernel = checkCounts(kernelSize, dimensions, 1, `${where}: kernelSize`);
    this.stride = checkCounts(options.stride ?? 1, dimensions, 1, `${where}: stride`);
    this.dilation = checkCounts(options.dilation ?? 1, dimensions, 1, `${where}: dilation`);
    this.padding = options.padding ?? 0;
    resolvePadding(this.padding, kernel, this.stride, this.dilation, where);
    this.groups = checkCount(options.groups ?? 1, 1, `${where}: groups`);
    if (inChannels % this.groups !== 0 || outChannels % this.groups !== 0) {
      throw new ArgumentError(
        `${where}: ${inChannels} input and ${outChannels} output channels cannot both be divided into ${this.groups} groups`,
      );
    }
    const init = new Initializer(options, where);
    const shape = [outChannels, inChannels / this.groups, ...kernel];
    const fanIn = sizeOf(shape.slice(1));
    this.weight = parameterField(this, "weight", uniformByFanIn(init, shape, fanIn));
    this.bias = options.bias ?? true
      ? parameterField(this, "bias", uniformByFanIn(init, [outChannels], fanIn))
      : null;
  }
}

/**
 * The convolution of input [N, inChannels, L] or [inChannels, L]. As `torch.nn.Conv1d`, with its names, shapes and initial
 * distribution; options are those of `conv1d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { Conv1d } from "@tangents/ntk/nn";
 * console.log(new Conv1d(4, 8, 3, { padding: 1 }).forward(ones([2, 4, 10])).shape); // [2, 8, 10]
 * ```
 */
export class Conv1d extends ConvLayer {
  /** Throws an `ArgumentError` for sizes or options out of range. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvLayerOptions = {},
  ) {
    super(1, inChannels, outChannels, kernelSize, options);
  }

  /** The convolution; throws a `ShapeError` where the input does not fit. */
  forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, this.bias, this);
  }
}

/**
 * The convolution of input [N, inChannels, H, W] or [inChannels, H, W]. As `torch.nn.Conv2d`, with its names, shapes and
 * initial distribution; options are those of `conv2d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { Conv2d } from "@tangents/ntk/nn";
 * const layer = new Conv2d(3, 16, 3, { stride: 2, padding: 1 });
 * console.log(layer.weight.shape, layer.forward(ones([1, 3, 8, 8])).shape); // [16, 3, 3, 3] [1, 16, 4, 4]
 * ```
 */
export class Conv2d extends ConvLayer {
  /** Throws an `ArgumentError` for sizes or options out of range. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvLayerOptions = {},
  ) {
    super(2, inChannels, outChannels, kernelSize, options);
  }

  /** The convolution; throws a `ShapeError` where the input does not fit. */
  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, this);
  }
}

/**
 * The convolution of input [N, inChannels, D, H, W] or [inChannels, D, H, W]. As `torch.nn.Conv3d`, with its names, shapes
 * and initial distribution; options are those of `conv3d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { Conv3d } from "@tangents/ntk/nn";
 * console.log(new Conv3d(1, 2, 3, { padding: "same" }).forward(ones([1, 4, 4, 4])).shape); // [2, 4, 4, 4]
 * ```
 */
export class Conv3d extends ConvLayer {
  /** Throws an `ArgumentError` for sizes or options out of range. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvLayerOptions = {},
  ) {
    super(3, inChannels, outChannels, kernelSize, options);
  }

  /** The convolution; throws a `ShapeError` where the input does not fit. */
  forward(x: Tensor): Tensor {
    return conv3d(x, this.weight, this.bias, this);
  }
}
