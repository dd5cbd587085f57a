/**
 * Normalizations, as `torch.nn.functional` defines them. Variances divide by n.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../../base/errors.ts";
import { formatShape, range, sameShape } from "../../base/shape.ts";
import { reshape } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { checkTensor } from "./arithmetic.ts";
import { checkCount, checkFloat, checkNumber } from "./checks.ts";

/** Options of a normalization. */
export interface NormalizationOptions {
  /** Multiplies the normalized values. */
  weight?: Tensor | null;
  /** Is added to them. */
  bias?: Tensor | null;
  /** Added to the variance; 1e-5 by default. */
  epsilon?: number;
}

function checkEpsilon(epsilon: number, where: string): number {
  if (checkNumber(epsilon, `${where}: epsilon`) >= 0) return epsilon;
  throw new ArgumentError(`${where}: epsilon is ${epsilon}; expected a number ≥ 0`);
}

/** (x − mean) / sqrt(variance + epsilon) with both taken over the axes. */
function standardize(x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const centered = x.sub(x.mean(axes, { keepDims: true }));
  const variance = centered.square().mean(axes, { keepDims: true });
  return centered.mul(variance.add(epsilon).rsqrt());
}

/** x · weight + bias, each brought to a shape that broadcasts. */
function affine(
  x: Tensor,
  { weight, bias }: NormalizationOptions,
  own: readonly number[],
  spread: readonly number[],
  where: string,
): Tensor {
  const fit = (given: Tensor, name: string): Tensor => {
    checkTensor(given, `${where}: ${name}`);
    if (sameShape(given.shape, own)) return reshape(given, spread);
    throw new ShapeError(
      `${where}: expected a ${name} of shape ${formatShape(own)}, got ${formatShape(given.shape)}`,
    );
  };
  const scaled = weight === undefined || weight === null ? x : x.mul(fit(weight, "weight"));
  return bias === undefined || bias === null ? scaled : scaled.add(fit(bias, "bias"));
}

/** Weight and bias with one entry for each channel, which are axis 1. */
function channelAffine(x: Tensor, options: NormalizationOptions, where: string): Tensor {
  const spread = [x.shape[1], ...range(x.shape.length - 2).map(() => 1)];
  return affine(x, options, [x.shape[1]], spread, where);
}

/** Throws a `ShapeError` unless x has an axis of examples and one of channels. */
function checkChannels(x: Tensor, least: number, where: string): void {
  if (x.shape.length >= least) return;
  throw new ShapeError(
    `${where}: expected an input [N, channels${
      least > 2 ? ", spatial axes" : ", ..."
    }] of rank at least ${least}, got ${formatShape(x.shape)}`,
  );
}

/** The trailing axes that a shape names. */
function trailingAxes(x: Tensor, given: number | readonly number[], where: string): number[] {
  const shape = typeof given === "number" ? [given] : [...given];
  const first = x.shape.length - shape.length;
  if (shape.length === 0 || first < 0 || !sameShape(x.shape.slice(first), shape)) {
    throw new ShapeError(
      `${where}: input ${formatShape(x.shape)} does not end in the normalized shape ${
        formatShape(shape)
      }`,
    );
  }
  return range(shape.length).map((i) => first + i);
}

/**
 * Normalizes over the trailing axes, which must have the given shape; weight and bias have it too. As
 * `torch.nn.functional.layer_norm`.
 *
 * Throws a `ShapeError` where shapes do not fit, an `ArgumentError` for a negative epsilon; so do all functions here.
 *
 * @example
 * ```ts
 * import { layerNorm, tensor } from "@tangents/ntk";
 * console.log(await layerNorm(tensor([[1, 3], [2, 6]]), 2, { epsilon: 0 }).toArray()); // [[-1, 1], [-1, 1]]
 * ```
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: number | readonly number[],
  options: NormalizationOptions = {},
): Tensor {
  const input = checkFloat(x, "layerNorm");
  const axes = trailingAxes(input, normalizedShape, "layerNorm");
  const shape = axes.map((axis) => input.shape[axis]);
  const epsilon = checkEpsilon(options.epsilon ?? 1e-5, "layerNorm");
  return affine(standardize(input, axes, epsilon), options, shape, shape, "layerNorm");
}

/** Options of `rmsNorm`. */
export interface RmsNormOptions {
  /** Multiplies the normalized values; of the normalized shape. */
  weight?: Tensor | null;
  /** Added to the mean square; the dtype's machine epsilon by default, as in PyTorch. */
  epsilon?: number | null;
}

/**
 * x divided by its root mean square over the trailing axes, which must have the given shape. As
 * `torch.nn.functional.rms_norm`.
 *
 * @example
 * ```ts
 * import { rmsNorm, tensor } from "@tangents/ntk";
 * console.log(await rmsNorm(tensor([[1, 7]]), 2, { epsilon: 0 }).toArray()); // [[0.2, 1.4]]
 * ```
 */
export function rmsNorm(
  x: Tensor,
  normalizedShape: number | readonly number[],
  options: RmsNormOptions = {},
): Tensor {
  const input = checkFloat(x, "rmsNorm");
  const axes = trailingAxes(input, normalizedShape, "rmsNorm");
  const shape = axes.map((axis) => input.shape[axis]);
  const machine = input.dtype === "float64" ? Number.EPSILON : 2 ** -23;
  const epsilon = checkEpsilon(options.epsilon ?? machine, "rmsNorm");
  const scale = input.square().mean(axes, { keepDims: true }).add(epsilon).rsqrt();
  return affine(input.mul(scale), { weight: options.weight }, shape, shape, "rmsNorm");
}

/**
 * Normalizes over groups of channels and all spatial axes of input [N, C, ...]; weight and bias have shape [C]. As
 * `torch.nn.functional.group_norm`.
 *
 * @example
 * ```ts
 * import { groupNorm, tensor } from "@tangents/ntk";
 * console.log(await groupNorm(tensor([[1, 3, 2, 6]]), 2, { epsilon: 0 }).toArray()); // [[-1, 1, -1, 1]]
 * ```
 */
export function groupNorm(
  x: Tensor,
  groups: number,
  options: NormalizationOptions = {},
): Tensor {
  const input = checkFloat(x, "groupNorm");
  checkChannels(input, 2, "groupNorm");
  checkCount(groups, 1, "groupNorm: groups");
  const [n, channels, ...spatial] = input.shape;
  if (channels % groups !== 0) {
    throw new ArgumentError(
      `groupNorm: ${channels} channels cannot be divided into ${groups} groups`,
    );
  }
  const epsilon = checkEpsilon(options.epsilon ?? 1e-5, "groupNorm");
  const split = reshape(input, [n, groups, channels / groups, ...spatial]);
  const axes = range(spatial.length + 1).map((i) => 2 + i);
  const normalized = reshape(standardize(split, axes, epsilon), input.shape);
  return channelAffine(normalized, options, "groupNorm");
}

/**
 * Normalizes each channel of each example over its spatial axes: input [N, C, ...]; weight and bias have shape [C]. As
 * `torch.nn.functional.instance_norm`.
 *
 * @example
 * ```ts
 * import { instanceNorm, tensor } from "@tangents/ntk";
 * console.log(await instanceNorm(tensor([[[1, 3]]]), { epsilon: 0 }).toArray()); // [[[-1, 1]]]
 * ```
 */
export function instanceNorm(x: Tensor, options: NormalizationOptions = {}): Tensor {
  const input = checkFloat(x, "instanceNorm");
  checkChannels(input, 3, "instanceNorm");
  const epsilon = checkEpsilon(options.epsilon ?? 1e-5, "instanceNorm");
  const axes = range(input.shape.length - 2).map((i) => 2 + i);
  return channelAffine(standardize(input, axes, epsilon), options, "instanceNorm");
}

/**
 * Normalizes each channel of input [N, C, ...] by a mean and a variance [C] that are given, as
 * `torch.nn.functional.batch_norm` does outside training. Weight and bias have shape [C].
 *
 * @example
 * ```ts
 * import { batchNorm, tensor } from "@tangents/ntk";
 * const y = batchNorm(tensor([[3, 10]]), tensor([1, 10]), tensor([4, 1]), { epsilon: 0 });
 * console.log(await y.toArray()); // [[1, 0]]
 * ```
 */
export function batchNorm(
  x: Tensor,
  mean: Tensor,
  variance: Tensor,
  options: NormalizationOptions = {},
): Tensor {
  const input = checkFloat(x, "batchNorm");
  checkChannels(input, 2, "batchNorm");
  const epsilon = checkEpsilon(options.epsilon ?? 1e-5, "batchNorm");
  const spread = [input.shape[1], ...range(input.shape.length - 2).map(() => 1)];
  const [center, spreadOf] = [[mean, "mean"], [variance, "variance"]].map(([given, name]) => {
    const statistic = checkFloat(given, `batchNorm: ${name}`);
    if (sameShape(statistic.shape, [input.shape[1]])) return statistic;
    throw new ShapeError(
      `batchNorm: expected a ${name} of shape [${input.shape[1]}], got ${
        formatShape(statistic.shape)
      }`,
    );
  });
  const { weight, bias } = options;
  let scale = spreadOf.add(epsilon).rsqrt();
  if (weight !== undefined && weight !== null) {
    scale = affine(scale, { weight }, [input.shape[1]], [input.shape[1]], "batchNorm");
  }
  const normalized = input.sub(reshape(center, spread)).mul(reshape(scale, spread));
  return channelAffine(normalized, { bias }, "batchNorm");
}
