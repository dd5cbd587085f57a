/**
 * Attention with several heads.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { scaledDotProductAttention } from "../core/operations/attention.ts";
import { checkCount } from "../core/operations/checks.ts";
import type { Tensor } from "../core/tensor.ts";
import { Initializer, type ParameterOptions } from "./initialization.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { parameterField } from "./parameter_field.ts";

/** Options of `MultiheadAttention`. */
export interface MultiheadAttentionOptions extends ParameterOptions {
  /** Whether the projections have biases; true by default. */
  bias?: boolean;
  /** Whether inputs are [N, L, E] rather than [L, N, E]; false by default, as in PyTorch. */
  batchFirst?: boolean;
}

/** Options of one call of `MultiheadAttention`. */
export interface MultiheadAttentionCallOptions {
  /**
   * Broadcasts to [N, heads, L, S] ([heads, L, S] without N): bool, true where a query may attend to a key (the opposite
   * of PyTorch's `attn_mask`, and as in `scaledDotProductAttention`); or float, added to the scores.
   */
  mask?: Tensor | null;
  /** Whether query i attends to keys 0 to i only. */
  isCausal?: boolean;
}

/**
 * Attention with several heads: query [L, N, E] or [L, E], key and value [S, N, E] or [S, E]; the result is like the
 * query. As `torch.nn.MultiheadAttention`, with its names, shapes and initial distribution; it returns the result without
 * the weights.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { MultiheadAttention } from "@tangents/ntk/nn";
 * const layer = new MultiheadAttention(8, 2, { batchFirst: true });
 * const x = ones([3, 5, 8]);
 * console.log(layer.forward(x, x, x).shape); // [3, 5, 8]
 * ```
 */
export class MultiheadAttention extends Module {
  /** PyTorch's names of the fields. */
  static override readonly stateNames: Readonly<Record<string, string>> = {
    inProjWeight: "in_proj_weight",
    inProjBias: "in_proj_bias",
    outProj: "out_proj",
  };

  /** The projections of query, key and value, [3 · embedDim, embedDim]; `in_proj_weight` in state dicts. */
  inProjWeight: Tensor;
  /** Their biases, [3 · embedDim], or null; `in_proj_bias` in state dicts. */
  inProjBias: Tensor | null;
  /** The projection of the result; `out_proj` in state dicts. */
  outProj: Linear;
  /** The number of heads. */
  readonly numHeads: number;
  /** Whether the axis of examples is the first. */
  readonly batchFirst: boolean;

  /** Throws an `ArgumentError` where the features cannot be divided among the heads. */
  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    const { bias = true, batchFirst = false, dtype } = options;
    checkCount(embedDim, 1, "MultiheadAttention: embedDim");
    this.numHeads = checkCount(numHeads, 1, "MultiheadAttention: numHeads");
    this.batchFirst = batchFirst;
    if (embedDim % numHeads !== 0) {
      throw new ArgumentError(
        `MultiheadAttention: ${embedDim} features cannot be divided among ${numHeads} heads`,
      );
    }
    const init = new Initializer(options, "MultiheadAttention");
    // The distribution of Glorot and Bengio (2010), as PyTorch takes for these weights.
    const weight = init.uniform([3 * embedDim, embedDim], Math.sqrt(6 / (4 * embedDim)));
    this.inProjWeight = parameterField(this, "inProjWeight", weight);
    this.inProjBias = bias ? parameterField(this, "inProjBias", init.zeros([3 * embedDim])) : null;
    // Its weight is replaced below, so its seed takes nothing from the generator.
    this.outProj = new Linear(embedDim, embedDim, { bias: false, dtype, seed: 0 });
    this.outProj.weight = parameterField(
      this.outProj,
      "weight",
      init.uniform([embedDim, embedDim], 1 / Math.sqrt(embedDim)),
    );
    if (bias) this.outProj.bias = parameterField(this.outProj, "bias", init.zeros([embedDim]));
  }

  /** The attention of the queries to the keys; throws a `ShapeError` where shapes do not fit. */
  forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: MultiheadAttentionCallOptions = {},
  ): Tensor {
    const features = this.inProjWeight.shape[1];
    const inputs = [query, key, value];
    const rank = query.shape.length;
    const fits = inputs.every((x) => x.shape.length === rank && x.shape.at(-1) === features);
    if ((rank !== 2 && rank !== 3) || !fits) {
      throw new ShapeError(
        `MultiheadAttention: expected a query, key and value of rank 2 or 3 that end in ${features}, got ${
          inputs.map((x) => formatShape(x.shape)).join(", ")
        }`,
      );
    }
    // Tokens stand before the features; a possible axis of examples comes first.
    const swap = rank === 3 && !this.batchFirst;
    const [q, k, v] = inputs.map((x, i) => this.#project(swap ? x.transpose(0, 1) : x, i));
    const heads = scaledDotProductAttention(q, k, v, options).transpose(-3, -2);
    const joined = this.outProj.forward(heads.flatten(-2));
    return swap ? joined.transpose(0, 1) : joined;
  }

  /** A projection cut into heads: [..., L, E] to [..., heads, L, E / heads]. */
  #project(x: Tensor, part: number): Tensor {
    const features = this.inProjWeight.shape[1];
    const rows = [part * features, (part + 1) * features] as const;
    let y = x.matmul(this.inProjWeight.slice(rows).transpose());
    if (this.inProjBias !== null) y = y.add(this.inProjBias.slice(rows));
    const split = [...x.shape.slice(0, -1), this.numHeads, features / this.numHeads];
    return y.reshape(split).transpose(-3, -2);
  }
}
