/**
 * Losses, as `torch.nn.functional` defines them.
 *
 * @module
 */

import { isFloat } from "../../base/dtype.ts";
import { ArgumentError, ShapeError } from "../../base/errors.ts";
import { formatShape, range, sameShape } from "../../base/shape.ts";
import { reshape } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { checkTensor } from "./arithmetic.ts";
import { logSoftmax, softplus } from "./activations.ts";
import { checkFloat, checkIndex, checkNumber, promoteFloats } from "./checks.ts";
import { take, takeAlongAxis } from "./indexing.ts";

/** What becomes of the losses of all elements or examples. */
export type LossReduction = "mean" | "sum" | "none";

/** Options of a loss. */
export interface LossOptions {
  /** "mean" by default. */
  reduction?: LossReduction;
}

/** Options of `nllLoss` and `crossEntropy`. */
export interface ClassLossOptions extends LossOptions {
  /** A weight for each class, by which a mean is divided too. */
  weight?: Tensor | null;
}

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions extends ClassLossOptions {
  /** The share of the target that is spread evenly over all classes; 0 by default. */
  labelSmoothing?: number;
}

function reduce(losses: Tensor, reduction: LossReduction, where: string): Tensor {
  switch (reduction) {
    case "mean":
      return losses.mean();
    case "sum":
      return losses.sum();
    case "none":
      return losses;
    default:
      throw new ArgumentError(
        `${where}: reduction is ${String(reduction)}; expected "mean", "sum" or "none"`,
      );
  }
}

function checkPair(input: Tensor, target: Tensor, where: string): [Tensor, Tensor] {
  checkTensor(input, `${where}: input`);
  checkTensor(target, `${where}: target`);
  if (!sameShape(input.shape, target.shape)) {
    throw new ShapeError(
      `${where}: input ${formatShape(input.shape)} and target ${
        formatShape(target.shape)
      } must have one shape`,
    );
  }
  const [x, y] = promoteFloats([input, target]);
  return [x, y];
}

/**
 * (input − target)², averaged. Throws a `ShapeError` unless both have one shape.
 *
 * @example
 * ```ts
 * import { mseLoss, tensor } from "@tangents/ntk";
 * console.log(await mseLoss(tensor([1, 2]), tensor([1, 4])).item()); // 2
 * ```
 */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const [x, y] = checkPair(input, target, "mseLoss");
  return reduce(x.sub(y).square(), options.reduction ?? "mean", "mseLoss");
}

/**
 * |input − target|, averaged. Throws a `ShapeError` unless both have one shape.
 *
 * @example
 * ```ts
 * import { l1Loss, tensor } from "@tangents/ntk";
 * console.log(await l1Loss(tensor([1, 2]), tensor([1, 4])).item()); // 1
 * ```
 */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const [x, y] = checkPair(input, target, "l1Loss");
  return reduce(x.sub(y).abs(), options.reduction ?? "mean", "l1Loss");
}

/**
 * The cross entropy of logits and targets that are probabilities of a yes, averaged; stable for any logits. As
 * `torch.nn.functional.binary_cross_entropy_with_logits`.
 *
 * @example
 * ```ts
 * import { binaryCrossEntropyWithLogits, tensor } from "@tangents/ntk";
 * console.log(await binaryCrossEntropyWithLogits(tensor([0]), tensor([1])).item()); // 0.693…
 * ```
 */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  options: LossOptions = {},
): Tensor {
  const name = "binaryCrossEntropyWithLogits";
  const [x, y] = checkPair(input, target, name);
  const losses = softplus(x, { threshold: Infinity }).sub(x.mul(y));
  return reduce(losses, options.reduction ?? "mean", name);
}

/** Where the classes lie: axis 1, or 0 for one example alone. */
function classAxis(input: Tensor, where: string): number {
  if (input.shape.length > 0) return Math.min(1, input.shape.length - 1);
  throw new ShapeError(`${where}: expected an input [N, C, ...] or [C], got a scalar`);
}

/** A weight for each class, brought to shape [C, 1, …] to meet an input; null for none. */
function classWeight(
  weight: Tensor | null | undefined,
  input: Tensor,
  axis: number,
  where: string,
): Tensor | null {
  if (weight === undefined || weight === null) return null;
  const given = checkFloat(weight, `${where}: weight`);
  if (!sameShape(given.shape, [input.shape[axis]])) {
    throw new ShapeError(
      `${where}: expected a weight of shape [${input.shape[axis]}], one for each class, got ${
        formatShape(given.shape)
      }`,
    );
  }
  return given;
}

/** Throws an `ArgumentError` for a target that is known and not one of the classes. */
function checkClasses(target: Tensor, count: number, where: string): void {
  const wrong = target.host?.find((c) => c < 0 || c >= count);
  if (wrong === undefined) return;
  throw new ArgumentError(
    `${where}: target ${wrong} is not one of the ${count} classes 0 to ${count - 1}`,
  );
}

/** −weight · log-probability of each target class, and the targets' weights. */
function pickClasses(
  logProbabilities: Tensor,
  target: Tensor,
  weight: Tensor | null,
  axis: number,
  where: string,
): { losses: Tensor; weights: Tensor | null } {
  const index = checkIndex(target, `${where}: target`);
  const expected = logProbabilities.shape.filter((_, i) => i !== axis);
  if (!sameShape(target.shape, expected)) {
    throw new ShapeError(
      `${where}: expected a target of shape ${formatShape(expected)} for input ${
        formatShape(logProbabilities.shape)
      }, got ${formatShape(target.shape)}`,
    );
  }
  checkClasses(target, logProbabilities.shape[axis], where);
  const shape = logProbabilities.shape.map((n, i) => i === axis ? 1 : n);
  const picked = reshape(
    takeAlongAxis(logProbabilities, reshape(index, shape), axis),
    expected,
  );
  const weights = weight === null ? null : take(weight, target, 0);
  return { losses: weights === null ? picked.neg() : picked.mul(weights).neg(), weights };
}

/** Losses reduced; a mean of weighted losses is divided by the weights, as in PyTorch. */
function reduceWeighted(
  losses: Tensor,
  weights: Tensor | null,
  reduction: LossReduction,
  where: string,
): Tensor {
  if (weights === null || reduction !== "mean") return reduce(losses, reduction, where);
  return losses.sum().div(weights.sum());
}

/**
 * −input[target], averaged: the negative log-likelihood of target classes [N, ...] (integers) under log-probabilities
 * [N, C, ...], or of one class under [C]. As `torch.nn.functional.nll_loss`.
 *
 * Throws a `ShapeError` where shapes do not fit, a `DTypeError` for a target that is not integer.
 *
 * @example
 * ```ts
 * import { nllLoss, tensor } from "@tangents/ntk";
 * const target = tensor([1], { dtype: "int32" });
 * console.log(await nllLoss(tensor([[-3, -0.5]]), target).item()); // 0.5
 * ```
 */
export function nllLoss(input: Tensor, target: Tensor, options: ClassLossOptions = {}): Tensor {
  const x = checkFloat(input, "nllLoss: input");
  checkTensor(target, "nllLoss: target");
  const axis = classAxis(x, "nllLoss");
  const weight = classWeight(options.weight, x, axis, "nllLoss");
  const { losses, weights } = pickClasses(x, target, weight, axis, "nllLoss");
  return reduceWeighted(losses, weights, options.reduction ?? "mean", "nllLoss");
}

/**
 * The cross entropy of logits [N, C, ...] (or [C]) and targets, averaged over examples: classes [N, ...] (integers) or
 * probabilities of input's shape (floats). As `torch.nn.functional.cross_entropy`.
 *
 * Throws a `ShapeError` where shapes do not fit, an `ArgumentError` unless labelSmoothing is from 0 to 1.
 *
 * @example
 * ```ts
 * import { crossEntropy, tensor } from "@tangents/ntk";
 * const target = tensor([0], { dtype: "int32" });
 * console.log(await crossEntropy(tensor([[0, 0]]), target).item()); // 0.693…
 * ```
 */
export function crossEntropy(
  input: Tensor,
  target: Tensor,
  options: CrossEntropyOptions = {},
): Tensor {
  const name = "crossEntropy";
  const { reduction = "mean", labelSmoothing = 0 } = options;
  const x = checkFloat(input, `${name}: input`);
  checkTensor(target, `${name}: target`);
  if (checkNumber(labelSmoothing, `${name}: labelSmoothing`) < 0 || labelSmoothing > 1) {
    throw new ArgumentError(
      `${name}: labelSmoothing is ${labelSmoothing}; expected a number from 0 to 1`,
    );
  }
  const axis = classAxis(x, name);
  const weight = classWeight(options.weight, x, axis, name);
  const logs = logSoftmax(x, axis);
  const spread = weight === null
    ? null
    : reshape(weight, [x.shape[axis], ...range(x.shape.length - axis - 1).map(() => 1)]);
  const weighted = spread === null ? logs : logs.mul(spread);
  const count = x.shape[axis];
  if (isFloat(target.dtype)) {
    const [, probabilities] = checkPair(x, target, name);
    const smooth = probabilities.mul(1 - labelSmoothing).add(labelSmoothing / count);
    const losses = weighted.mul(smooth).sum(axis).neg();
    if (reduction !== "mean") return reduce(losses, reduction, name);
    return losses.sum().div(Math.max(1, x.size / count));
  }
  const { losses, weights } = pickClasses(logs, target, weight, axis, name);
  const hard = reduceWeighted(losses, weights, reduction, name);
  if (labelSmoothing === 0) return hard;
  const even = reduceWeighted(weighted.sum(axis).neg(), weights, reduction, name);
  return hard.mul(1 - labelSmoothing).add(even.mul(labelSmoothing / count));
}
