/**
 * Batch normalization.
 *
 * @module
 */

import { ShapeError, TraceError } from "../base/errors.ts";
import { formatShape, range } from "../base/shape.ts";
import { checkCount, checkNumber } from "../core/operations/checks.ts";
import { batchNorm } from "../core/operations/normalization.ts";
import type { Tensor } from "../core/tensor.ts";
import { stopGradient } from "../transforms/stop_gradient.ts";
import { Initializer, type ParameterOptions } from "./initialization.ts";
import { Module } from "./module.ts";
import { bufferField, parameterField } from "./parameter_field.ts";

/** Options of the batch normalization layers. */
export interface BatchNormOptions extends ParameterOptions {
  /** Added to the variance; 1e-5 by default. */
  epsilon?: number;
  /** The share of a batch's statistics in the running ones; 0.1 by default. */
  momentum?: number;
  /** Whether there are a weight and a bias for each channel; true by default. */
  affine?: boolean;
  /** Whether running statistics are kept; true by default. Without them evaluation takes those of the batch, too. */
  trackRunningStats?: boolean;
}

/** Whether a tensor stands for one example of many inside vmap. */
function isMapped(x: Tensor): boolean {
  const seen = new Set<Tensor>([x]);
  const stack = [x];
  while (stack.length > 0) {
    const { operation } = stack.pop()!;
    if (operation === null) continue;
    if (operation.primitive === "placeholder") return true;
    for (const input of operation.inputs) {
      if (seen.has(input)) continue;
      seen.add(input);
      stack.push(input);
    }
  }
  return false;
}

/** What the batch normalizations of all dimensions share. */
export abstract class BatchNormLayer extends Module {
  /** PyTorch's names of the fields. */
  static override readonly stateNames: Readonly<Record<string, string>> = {
    runningMean: "running_mean",
    runningVar: "running_var",
  };
  /** PyTorch counts batches; nothing here depends on the count. */
  static override readonly ignoredState: readonly string[] = ["num_batches_tracked"];

  /** Multiplies each channel, [numFeatures], or null. */
  weight: Tensor | null;
  /** Is added to each channel, [numFeatures], or null. */
  bias: Tensor | null;
  /** The running mean of each channel, or null; `running_mean` in state dicts. */
  runningMean: Tensor | null;
  /** The running variance of each channel, or null; `running_var` in state dicts. */
  runningVar: Tensor | null;
  /** The number of channels. */
  readonly numFeatures: number;
  /** Added to the variance. */
  readonly epsilon: number;
  /** The share of a batch's statistics in the running ones. */
  readonly momentum: number;
  readonly #name: string;
  readonly #ranks: readonly number[];

  /** @internal */
  constructor(name: string, ranks: readonly number[], count: number, options: BatchNormOptions) {
    super();
    const { epsilon = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options;
    this.#name = name;
    this.#ranks = ranks;
    this.numFeatures = checkCount(count, 1, `${name}: numFeatures`);
    this.epsilon = checkNumber(epsilon, `${name}: epsilon`);
    this.momentum = checkNumber(momentum, `${name}: momentum`);
    const init = new Initializer(options, name);
    this.weight = affine ? parameterField(this, "weight", init.ones([count])) : null;
    this.bias = affine ? parameterField(this, "bias", init.zeros([count])) : null;
    this.runningMean = trackRunningStats
      ? bufferField(this, "runningMean", init.zeros([count]))
      : null;
    this.runningVar = trackRunningStats
      ? bufferField(this, "runningVar", init.ones([count]))
      : null;
  }

  /**
   * The normalized input: by the running statistics in evaluation mode, by those of the batch in training mode, which
   * then also move the running ones (outside of `functionalCall` with buffers, and without derivatives; `realize` them
   * after each step of a training loop, so that the graphs of past steps are let go).
   *
   * Throws a `TraceError` where the statistics of a batch are asked for inside `vmap`, and a `ShapeError` where they are
   * asked of one example: every output would depend on the other examples, or on nothing, and a kernel of pairs of
   * examples would not be defined. Call `eval()` first.
   */
  forward(x: Tensor): Tensor {
    if (!this.#ranks.includes(x.shape.length) || x.shape[1] !== this.numFeatures) {
      throw new ShapeError(
        `${this.#name}: expected an input [N, ${this.numFeatures}, ...] of rank ${
          this.#ranks.join(" or ")
        }, got ${formatShape(x.shape)}`,
      );
    }
    const { runningMean, runningVar } = this;
    if (!this.training && runningMean !== null && runningVar !== null) {
      return batchNorm(x, runningMean, runningVar, this);
    }
    this.#checkBatch(x);
    const axes = [0, ...range(x.shape.length - 2).map((i) => 2 + i)];
    const mean = x.mean(axes);
    const variance = x.var(axes, { correction: 0 });
    if (this.training && runningMean !== null && runningVar !== null) {
      const count = x.size / this.numFeatures;
      this.runningMean = this.#move(runningMean, mean);
      this.runningVar = this.#move(runningVar, variance.mul(count / (count - 1)));
    }
    return batchNorm(x, mean, variance, this);
  }

  #move(running: Tensor, batch: Tensor): Tensor {
    const share = stopGradient(batch).mul(this.momentum).to(running.dtype);
    return running.mul(1 - this.momentum).add(share);
  }

  #checkBatch(x: Tensor): void {
    const advice = this.runningMean === null
      ? "keep running statistics (trackRunningStats) and call eval() on the network"
      : "call eval() on the network, so that the stored statistics are used";
    if (isMapped(x)) {
      throw new TraceError(
        `${this.#name}: the statistics of a batch are not defined inside vmap, where the input is one example of many; ${advice}`,
      );
    }
    if (x.shape[0] < 2) {
      throw new ShapeError(
        `${this.#name}: the statistics of a batch need at least 2 examples, got ${
          formatShape(x.shape)
        }; ${advice}`,
      );
    }
  }
}

/**
 * Batch normalization of input [N, C] or [N, C, L]. As `torch.nn.BatchNorm1d`, with its names; in training it refuses a
 * batch of one.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { BatchNorm1d } from "@tangents/ntk/nn";
 * console.log(await new BatchNorm1d(1).forward(tensor([[1], [3]])).toArray()); // about [[-1], [1]]
 * ```
 */
export class BatchNorm1d extends BatchNormLayer {
  /** The layer for a number of channels. */
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super("BatchNorm1d", [2, 3], numFeatures, options);
  }
}

/**
 * Batch normalization of input [N, C, H, W]. As `torch.nn.BatchNorm2d`, with its names; in training it refuses a batch of
 * one.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { BatchNorm2d } from "@tangents/ntk/nn";
 * const layer = new BatchNorm2d(3).eval();
 * console.log(layer.forward(ones([1, 3, 4, 4])).shape, Object.keys(layer.namedBuffers()));
 * // [1, 3, 4, 4] ["running_mean", "running_var"]
 * ```
 */
export class BatchNorm2d extends BatchNormLayer {
  /** The layer for a number of channels. */
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super("BatchNorm2d", [4], numFeatures, options);
  }
}

/**
 * Batch normalization of input [N, C, D, H, W]. As `torch.nn.BatchNorm3d`, with its names; in training it refuses a batch
 * of one.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { BatchNorm3d } from "@tangents/ntk/nn";
 * console.log(new BatchNorm3d(3).forward(ones([2, 3, 2, 4, 4])).shape); // [2, 3, 2, 4, 4]
 * ```
 */
export class BatchNorm3d extends BatchNormLayer {
  /** The layer for a number of channels. */
  constructor(numFeatures: number, options: BatchNormOptions = {}) {
    super("BatchNorm3d", [5], numFeatures, options);
  }
}
