/**
 * A transformer of one block.
 *
 * @module
 */

import { gelu, random, scaledDotProductAttention, type Tensor } from "../mod.ts";
import { Embedding, LayerNorm, Linear, Module, nextKey, parameter } from "../lib/nn/mod.ts";

/**
 * One block of self-attention and a two-layer network, each behind a layer normalization, then a mean over the tokens:
 * twelve tokens [N, 12] of 50 to five numbers, 14,912 parameters.
 *
 * @example
 * ```ts
 * import { zeros } from "@tangents/ntk";
 * import { Transformer } from "@tangents/ntk/models";
 * console.log(new Transformer().forward(zeros([2, 12], { dtype: "int32" })).shape); // [2, 5]
 * ```
 */
export class Transformer extends Module {
  /** A vector for each position. */
  pos: Tensor = parameter(random.normal(nextKey(), [12, 32], { std: 0.02 }));
  /** A vector for each token. */
  tok: Embedding = new Embedding(50, 32);
  /** Before the attention. */
  ln1: LayerNorm = new LayerNorm(32);
  /** Queries, keys and values. */
  qkv: Linear = new Linear(32, 3 * 32);
  /** After the attention. */
  proj: Linear = new Linear(32, 32);
  /** Before the two layers. */
  ln2: LayerNorm = new LayerNorm(32);
  /** The first of them. */
  up: Linear = new Linear(32, 4 * 32);
  /** The second of them. */
  downp: Linear = new Linear(4 * 32, 32);
  /** Before the outputs. */
  lnf: LayerNorm = new LayerNorm(32);
  /** The outputs. */
  head: Linear = new Linear(32, 5, { bias: false });

  /** The outputs, [N, 5], for tokens [N, 12] of an integer dtype. */
  forward(tokens: Tensor): Tensor {
    let x = this.tok.forward(tokens).add(this.pos);
    x = x.add(this.proj.forward(this.#attend(this.qkv.forward(this.ln1.forward(x)))));
    x = x.add(this.downp.forward(gelu(this.up.forward(this.ln2.forward(x)))));
    return this.head.forward(this.lnf.forward(x).mean(1));
  }

  /** Attention with four heads: [N, 12, 96] to [N, 12, 32]. */
  #attend(x: Tensor): Tensor {
    const [n, length] = x.shape;
    const [q, k, v] = x.reshape([n, length, 3, 4, 8]).permute([2, 0, 3, 1, 4]).split(1);
    const heads = scaledDotProductAttention(q.squeeze(0), k.squeeze(0), v.squeeze(0));
    return heads.transpose(1, 2).reshape([n, length, 32]);
  }
}
