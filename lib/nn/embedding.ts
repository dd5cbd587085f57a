/**
 * Embeddings and dropout.
 *
 * @module
 */

import { ArgumentError } from "../base/errors.ts";
import { dropout, embedding } from "../core/operations/attention.ts";
import { checkCount } from "../core/operations/checks.ts";
import type { Tensor } from "../core/tensor.ts";
import { Initializer, nextKey, type ParameterOptions } from "./initialization.ts";
import { Module } from "./module.ts";
import { parameterField } from "./parameter_field.ts";

/**
 * A vector for each token: integers [...] to vectors [..., embeddingDim]; see `embedding`. As `torch.nn.Embedding`, with
 * its name, shape and initial distribution.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Embedding } from "@tangents/ntk/nn";
 * const tokens = tensor([[1, 2, 4]], { dtype: "int32" });
 * console.log(new Embedding(10, 3).forward(tokens).shape); // [1, 3, 3]
 * ```
 */
export class Embedding extends Module {
  /** The vectors, [numEmbeddings, embeddingDim]. */
  weight: Tensor;

  /** A table for tokens from 0 to numEmbeddings − 1. */
  constructor(numEmbeddings: number, embeddingDim: number, options: ParameterOptions = {}) {
    super();
    checkCount(numEmbeddings, 1, "Embedding: numEmbeddings");
    checkCount(embeddingDim, 1, "Embedding: embeddingDim");
    const init = new Initializer(options, "Embedding");
    this.weight = parameterField(this, "weight", init.normal([numEmbeddings, embeddingDim]));
  }

  /** The tokens' vectors; throws a `DTypeError` for tokens that are not integers. */
  forward(tokens: Tensor): Tensor {
    return embedding(tokens, this.weight);
  }
}

/**
 * In training sets a random share p of the elements to 0 and divides the others by 1 − p; in evaluation passes its input.
 * See `dropout`. As `torch.nn.Dropout`; inside `vmap` all examples share one draw.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { Dropout } from "@tangents/ntk/nn";
 * console.log(await new Dropout(0.5).eval().forward(ones([3])).toArray()); // [1, 1, 1]
 * ```
 */
export class Dropout extends Module {
  /** The share of elements that become 0. */
  readonly p: number;

  /** Throws an `ArgumentError` unless p is from 0 to 1; 0.5 by default. */
  constructor(p: number = 0.5) {
    super();
    if (!(p >= 0 && p <= 1)) {
      throw new ArgumentError(`Dropout: p is ${String(p)}; expected a number from 0 to 1`);
    }
    this.p = p;
  }

  /** The input with elements dropped. In training a key may be given; else the next after `manualSeed` is taken. */
  forward(x: Tensor, key?: Tensor): Tensor {
    if (!this.training) return x;
    return dropout(x, { p: this.p, key: key ?? nextKey() });
  }
}
