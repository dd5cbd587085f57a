/**
 * Normalization layers that look at one example at a time.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../base/errors.ts";
import { checkShape, formatShape, type Shape } from "../base/shape.ts";
import { checkCount } from "../core/operations/checks.ts";
import { groupNorm, instanceNorm, layerNorm, rmsNorm } from "../core/operations/normalization.ts";
import type { Tensor } from "../core/tensor.ts";
import { Initializer, type ParameterOptions } from "./initialization.ts";
import { Module } from "./module.ts";
import { parameterField } from "./parameter_field.ts";

/** Options of `LayerNorm`. */
export interface LayerNormOptions extends ParameterOptions {
  /** Added to the variance; 1e-5 by default. */
  epsilon?: number;
  /** Whether there are a weight and a bias; true by default. */
  elementwiseAffine?: boolean;
  /** Whether there is a bias beside the weight; true by default. */
  bias?: boolean;
}

function shapeList(shape: number | Shape, where: string): number[] {
  return [...checkShape(typeof shape === "number" ? [shape] : shape, where)];
}

/**
 * Normalizes over the trailing axes, which have the given shape; see `layerNorm`. As `torch.nn.LayerNorm`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { LayerNorm } from "@tangents/ntk/nn";
 * console.log(await new LayerNorm(2).forward(tensor([[1, 3]])).toArray()); // about [[-1, 1]]
 * ```
 */
export class LayerNorm extends Module {
  /** Multiplies the normalized values; of the normalized shape, or null. */
  weight: Tensor | null;
  /** Is added to them; of the normalized shape, or null. */
  bias: Tensor | null;
  /** Sizes of the trailing axes. */
  readonly normalizedShape: Shape;
  /** Added to the variance. */
  readonly epsilon: number;

  /** The layer for trailing axes of a shape. */
  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}) {
    super();
    const { epsilon = 1e-5, elementwiseAffine = true, bias = true } = options;
    this.normalizedShape = shapeList(normalizedShape, "LayerNorm: normalizedShape");
    this.epsilon = epsilon;
    const init = new Initializer(options, "LayerNorm");
    this.weight = elementwiseAffine
      ? parameterField(this, "weight", init.ones(this.normalizedShape))
      : null;
    this.bias = elementwiseAffine && bias
      ? parameterField(this, "bias", init.zeros(this.normalizedShape))
      : null;
  }

  /** The normalized input; throws a `ShapeError` where it does not end in the normalized shape. */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.normalizedShape, this);
  }
}

/** Options of `RMSNorm`. */
export interface RMSNormOptions extends ParameterOptions {
  /** Added to the mean square; the dtype's machine epsilon by default. */
  epsilon?: number | null;
  /** Whether there is a weight; true by default. */
  elementwiseAffine?: boolean;
}

/**
 * Divides by the root mean square over the trailing axes, which have the given shape; see `rmsNorm`. As
 * `torch.nn.RMSNorm`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { RMSNorm } from "@tangents/ntk/nn";
 * console.log(await new RMSNorm(2).forward(tensor([[1, 7]])).toArray()); // about [[0.2, 1.4]]
 * ```
 */
export class RMSNorm extends Module {
  /** Multiplies the normalized values; of the normalized shape, or null. */
  weight: Tensor | null;
  /** Sizes of the trailing axes. */
  readonly normalizedShape: Shape;
  /** Added to the mean square; null for the dtype's machine epsilon. */
  readonly epsilon: number | null;

  /** The layer for trailing axes of a shape. */
  constructor(normalizedShape: number | Shape, options: RMSNormOptions = {}) {
    super();
    this.normalizedShape = shapeList(normalizedShape, "RMSNorm: normalizedShape");
    this.epsilon = options.epsilon ?? null;
    const init = new Initializer(options, "RMSNorm");
    this.weight = options.elementwiseAffine ?? true
      ? parameterField(this, "weight", init.ones(this.normalizedShape))
      : null;
  }

  /** The normalized input; throws a `ShapeError` where it does not end in the normalized shape. */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.normalizedShape, this);
  }
}

/** Options of `GroupNorm` and `InstanceNorm`. */
export interface ChannelNormOptions extends ParameterOptions {
  /** Added to the variance; 1e-5 by default. */
  epsilon?: number;
  /** Whether there are a weight and a bias for each channel; true by default in `GroupNorm`, false in `InstanceNorm`. */
  affine?: boolean;
}

/**
 * Normalizes over groups of channels and all spatial axes of input [N, C, ...]; see `groupNorm`. As `torch.nn.GroupNorm`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { GroupNorm } from "@tangents/ntk/nn";
 * console.log(await new GroupNorm(2, 4).forward(tensor([[1, 3, 2, 6]])).toArray()); // about [[-1, 1, -1, 1]]
 * ```
 */
export class GroupNorm extends Module {
  /** Multiplies each channel, [numChannels], or null. */
  weight: Tensor | null;
  /** Is added to each channel, [numChannels], or null. */
  bias: Tensor | null;
  /** The number of groups. */
  readonly numGroups: number;
  /** The number of channels. */
  readonly numChannels: number;
  /** Added to the variance. */
  readonly epsilon: number;

  /** Throws an `ArgumentError` where the channels cannot be divided into the groups. */
  constructor(numGroups: number, numChannels: number, options: ChannelNormOptions = {}) {
    super();
    const { epsilon = 1e-5, affine = true } = options;
    this.numGroups = checkCount(numGroups, 1, "GroupNorm: numGroups");
    this.numChannels = checkCount(numChannels, 1, "GroupNorm: numChannels");
    if (numChannels % numGroups !== 0) {
      throw new ArgumentError(
        `GroupNorm: ${numChannels} channels cannot be divided into ${numGroups} groups`,
      );
    }
    this.epsilon = epsilon;
    const init = new Initializer(options, "GroupNorm");
    this.weight = affine ? parameterField(this, "weight", init.ones([numChannels])) : null;
    this.bias = affine ? parameterField(this, "bias", init.zeros([numChannels])) : null;
  }

  /** The normalized input; throws a `ShapeError` for another number of channels. */
  forward(x: Tensor): Tensor {
    if (x.shape.length < 2 || x.shape[1] !== this.numChannels) {
      throw new ShapeError(
        `GroupNorm: expected an input [N, ${this.numChannels}, ...], got ${formatShape(x.shape)}`,
      );
    }
    return groupNorm(x, this.numGroups, this);
  }
}

/** What the instance normalizations of all dimensions share. */
export abstract class InstanceNormLayer extends Module {
  /** Multiplies each channel, [numFeatures], or null. */
  weight: Tensor | null;
  /** Is added to each channel, [numFeatures], or null. */
  bias: Tensor | null;
  /** The number of channels. */
  readonly numFeatures: number;
  /** Added to the variance. */
  readonly epsilon: number;
  readonly #dimensions: number;

  /** @internal */
  constructor(dimensions: number, numFeatures: number, options: ChannelNormOptions) {
    super();
    const { epsilon = 1e-5, affine = false } = options;
    const where = `InstanceNorm${dimensions}d`;
    this.#dimensions = dimensions;
    this.numFeatures = checkCount(numFeatures, 1, `${where}: numFeatures`);
    this.epsilon = epsilon;
    const init = new Initializer(options, where);
    this.weight = affine ? parameterField(this, "weight", init.ones([numFeatures])) : null;
    this.bias = affine ? parameterField(this, "bias", init.zeros([numFeatures])) : null;
  }

  /** The normalized input; throws a `ShapeError` for another rank or number of channels. */
  forward(x: Tensor): Tensor {
    const rank = x.shape.length - this.#dimensions;
    if ((rank !== 1 && rank !== 2) || x.shape[rank - 1] !== this.numFeatures) {
      throw new ShapeError(
        `InstanceNorm${this.#dimensions}d: expected an input [N, ${this.numFeatures}, ...] or [${this.numFeatures}, ...] with ${this.#dimensions} spatial axes, got ${
          formatShape(x.shape)
        }`,
      );
    }
    return rank === 2 ? instanceNorm(x, this) : instanceNorm(x.unsqueeze(0), this).reshape(x.shape);
  }
}

/**
 * Normalizes each channel of each example over its length: input [N, C, L] or [C, L]; see `instanceNorm`. As
 * `torch.nn.InstanceNorm1d` without running statistics.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { InstanceNorm1d } from "@tangents/ntk/nn";
 * console.log(await new InstanceNorm1d(1).forward(tensor([[1, 3]])).toArray()); // about [[-1, 1]]
 * ```
 */
export class InstanceNorm1d extends InstanceNormLayer {
  /** The layer for a number of channels. */
  constructor(numFeatures: number, options: ChannelNormOptions = {}) {
    super(1, numFeatures, options);
  }
}

/**
 * Normalizes each channel of each image over its pixels: input [N, C, H, W] or [C, H, W]; see `instanceNorm`. As
 * `torch.nn.InstanceNorm2d` without running statistics.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { InstanceNorm2d } from "@tangents/ntk/nn";
 * console.log(new InstanceNorm2d(3).forward(ones([2, 3, 4, 4])).shape); // [2, 3, 4, 4]
 * ```
 */
export class InstanceNorm2d extends InstanceNormLayer {
  /** The layer for a number of channels. */
  constructor(numFeatures: number, options: ChannelNormOptions = {}) {
    super(2, numFeatures, options);
  }
}

/**
 * Normalizes each channel of each volume: input [N, C, D, H, W] or [C, D, H, W]; see `instanceNorm`. As
 * `torch.nn.InstanceNorm3d` without running statistics.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { InstanceNorm3d } from "@tangents/ntk/nn";
 * console.log(new InstanceNorm3d(3).forward(ones([3, 2, 4, 4])).shape); // [3, 2, 4, 4]
 * ```
 */
export class InstanceNorm3d extends InstanceNormLayer {
  /** The layer for a number of channels. */
  constructor(numFeatures: number, options: ChannelNormOptions = {}) {
    super(3, numFeatures, options);
  }
}
