/**
 * Transposed convolutional layers.
 *
 * @module
 */

import { ArgumentError } from "../base/errors.ts";
import { sizeOf } from "../base/shape.ts";
import { checkCount, checkCounts } from "../core/operations/checks.ts";
import {
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  type ConvTransposeOptions,
} from "../core/operations/convolution.ts";
import type { Tensor } from "../core/tensor.ts";
import { Initializer, type ParameterOptions, uniformByFanIn } from "./initialization.ts";
import { Module } from "./module.ts";
import { parameterField } from "./parameter_field.ts";

/** Options of transposed convolutional layers. */
export interface ConvTransposeLayerOptions extends ConvTransposeOptions, ParameterOptions {
  /** Whether to add a bias to each output channel; true by default. */
  bias?: boolean;
}

/** What the transposed convolutional layers of all dimensions share. */
export abstract class ConvTransposeLayer extends Module {
  /** The filters, [inChannels, outChannels / groups, kernel size…]. */
  weight: Tensor;
  /** One number an output channel, or null. */
  bias: Tensor | null;
  /** Step of the convolution that this one transposes, along each spatial axis. */
  readonly stride: readonly number[];
  /** Padding of the convolution that this one transposes. */
  readonly padding: readonly number[];
  /** Elements added after the result. */
  readonly outputPadding: readonly number[];
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
    options: ConvTransposeLayerOptions,
  ) {
    super();
    const where = `ConvTranspose${dimensions}d`;
    checkCount(inChannels, 1, `${where}: inChannels`);
    checkCount(outChannels, 1, `${where}: outChannels`);
    const kernel = checkCounts(kernelSize, dimensions, 1, `${where}: kernelSize`);
    this.stride = checkCounts(options.stride ?? 1, dimensions, 1, `${where}: stride`);
    this.padding = checkCounts(options.padding ?? 0, dimensions, 0, `${where}: padding`);
    this.outputPadding = checkCounts(
      options.outputPadding ?? 0,
      dimensions,
      0,
      `${where}: outputPadding`,
    );
    this.dilation = checkCounts(options.dilation ?? 1, dimensions, 1, `${where}: dilation`);
    this.groups = checkCount(options.groups ?? 1, 1, `${where}: groups`);
    if (inChannels % this.groups !== 0 || outChannels % this.groups !== 0) {
      throw new ArgumentError(
        `${where}: ${inChannels} input and ${outChannels} output channels cannot both be divided into ${this.groups} groups`,
      );
    }
    const init = new Initializer(options, where);
    const shape = [inChannels, outChannels / this.groups, ...kernel];
    // PyTorch counts the axes of the stored weight, so its fan-in is that of the convolution that this one transposes.
    const fanIn = sizeOf(shape.slice(1));
    this.weight = parameterField(this, "weight", uniformByFanIn(init, shape, fanIn));
    this.bias = options.bias ?? true
      ? parameterField(this, "bias", uniformByFanIn(init, [outChannels], fanIn))
      : null;
  }
}

/**
 * The transposed convolution of input [N, inChannels, L] or [inChannels, L]. As `torch.nn.ConvTranspose1d`, with its
 * names, shapes and initial distribution; options are those of `convTranspose1d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { ConvTranspose1d } from "@tangents/ntk/nn";
 * console.log(new ConvTranspose1d(4, 2, 2, { stride: 2 }).forward(ones([1, 4, 8])).shape); // [1, 2, 16]
 * ```
 */
export class ConvTranspose1d extends ConvTransposeLayer {
  /** Throws an `ArgumentError` for sizes or options out of range. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeLayerOptions = {},
  ) {
    super(1, inChannels, outChannels, kernelSize, options);
  }

  /** The transposed convolution; throws a `ShapeError` where the input does not fit. */
  forward(x: Tensor): Tensor {
    return convTranspose1d(x, this.weight, this.bias, this);
  }
}

/**
 * The transposed convolution of input [N, inChannels, H, W] or [inChannels, H, W]. As `torch.nn.ConvTranspose2d`, with its
 * names, shapes and initial distribution; options are those of `convTranspose2d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { ConvTranspose2d } from "@tangents/ntk/nn";
 * console.log(new ConvTranspose2d(4, 2, 2, { stride: 2 }).forward(ones([1, 4, 8, 8])).shape); // [1, 2, 16, 16]
 * ```
 */
export class ConvTranspose2d extends ConvTransposeLayer {
  /** Throws an `ArgumentError` for sizes or options out of range. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeLayerOptions = {},
  ) {
    super(2, inChannels, outChannels, kernelSize, options);
  }

  /** The transposed convolution; throws a `ShapeError` where the input does not fit. */
  forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, this.bias, this);
  }
}

/**
 * The transposed convolution of input [N, inChannels, D, H, W] or [inChannels, D, H, W]. As `torch.nn.ConvTranspose3d`, with its
 * names, shapes and initial distribution; options are those of `convTranspose3d`.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { ConvTranspose3d } from "@tangents/ntk/nn";
 * console.log(new ConvTranspose3d(4, 2, 2, { stride: 2 }).forward(ones([1, 4, 8, 8, 8])).shape); // [1, 2, 16, 16, 16]
 * ```
 */
export class ConvTranspose3d extends ConvTransposeLayer {
  /** Throws an `ArgumentError` for sizes or options out of range. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | readonly number[],
    options: ConvTransposeLayerOptions = {},
  ) {
    super(3, inChannels, outChannels, kernelSize, options);
  }

  /** The transposed convolution; throws a `ShapeError` where the input does not fit. */
  forward(x: Tensor): Tensor {
    return convTranspose3d(x, this.weight, this.bias, this);
  }
}
