/**
 * Attention, embedding and dropout.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../../base/errors.ts";
import { broadcastShapes, formatShape } from "../../base/shape.ts";
import { iota } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { checkTensor, where } from "./arithmetic.ts";
import { softmax } from "./activations.ts";
import { checkFloat, checkIndex, checkNumber, checkRank, promoteFloats } from "./checks.ts";
import { matmul } from "./contractions.ts";
import { zerosLike } from "./creation.ts";
import { take } from "./indexing.ts";
import { uniform } from "./random.ts";

/** Options of `scaledDotProductAttention`. */
export interface AttentionOptions {
  /** Broadcasts to [..., L, S]: bool, true where a query may attend to a key; or float, added to the scores. */
  mask?: Tensor | null;
  /** Whether query i attends to keys 0 to i only; not together with a mask. */
  isCausal?: boolean;
  /** Multiplies the scores; 1 / √E by default. */
  scale?: number;
}

/** Far below every score, and still finite: what must not be attended to then has weight 0 without making a NaN. */
const masked = -1e38;

/**
 * softmax(query · keyᵀ · scale) · value for query [..., L, E], key [..., S, E] and value [..., S, V], whose leading axes
 * broadcast: [..., L, V]. As `torch.nn.functional.scaled_dot_product_attention` without dropout: a query that a bool mask
 * lets attend to nothing gives 0.
 *
 * Throws a `ShapeError` where shapes do not fit, an `ArgumentError` for a mask together with `isCausal`.
 *
 * @example
 * ```ts
 * import { ones, scaledDotProductAttention } from "@tangents/ntk";
 * const x = ones([2, 4, 5, 8]); // examples, heads, tokens, features
 * console.log(scaledDotProductAttention(x, x, x, { isCausal: true }).shape); // [2, 4, 5, 8]
 * ```
 */
export function scaledDotProductAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const name = "scaledDotProductAttention";
  const { mask = null, isCausal = false } = options;
  const given = [query, key, value].map((x, i) =>
    checkTensor(x, `${name}: ${["query", "key", "value"][i]}`)
  );
  const [q, k, v] = promoteFloats(given);
  const fits = [q, k, v].every((x) => x.shape.length >= 2) && q.shape.at(-1) === k.shape.at(-1) &&
    k.shape.at(-2) === v.shape.at(-2);
  if (!fits) {
    throw new ShapeError(
      `${name}: expected query [..., L, E], key [..., S, E] and value [..., S, V], got ${
        [q, k, v].map((x) => formatShape(x.shape)).join(", ")
      }`,
    );
  }
  if (isCausal && mask !== null) {
    throw new ArgumentError(`${name}: give a mask or isCausal, not both`);
  }
  const scale = checkNumber(options.scale ?? 1 / Math.sqrt(q.shape.at(-1)!), `${name}: scale`);
  const scores = matmul(q, k.transpose()).mul(scale);
  return matmul(weigh(scores, isCausal ? causalMask(scores) : mask), v);
}

/** True where the key is not behind the query. */
function causalMask(scores: Tensor): Tensor {
  const shape = scores.shape.slice(-2);
  return iota(shape, "int32", 1).lessEqual(iota(shape, "int32", 0));
}

/** The weight of each key: the softmax of what the mask leaves. */
function weigh(scores: Tensor, mask: Tensor | null): Tensor {
  if (mask === null) return softmax(scores, -1);
  checkTensor(mask, "scaledDotProductAttention: mask");
  broadcastShapes(scores.shape, mask.shape, "scaledDotProductAttention: scores and mask");
  if (mask.dtype !== "bool") {
    return softmax(scores.add(checkFloat(mask, "scaledDotProductAttention: mask")), -1);
  }
  return where(mask, softmax(where(mask, scores, masked), -1), 0);
}

/**
 * Rows of a weight [V, E] at the indices, of any shape: [..., E]. Indices are checked and limited as in `take`. As
 * `torch.nn.functional.embedding`.
 *
 * @example
 * ```ts
 * import { embedding, tensor } from "@tangents/ntk";
 * const weight = tensor([[1, 2], [3, 4]]);
 * console.log(await embedding(tensor([1, 0], { dtype: "int32" }), weight).toArray()); // [[3, 4], [1, 2]]
 * ```
 */
export function embedding(index: Tensor, weight: Tensor): Tensor {
  checkIndex(index, "embedding: index");
  checkRank(checkTensor(weight, "embedding: weight"), [2], "embedding: weight", "[V, E]");
  return take(weight, index, 0);
}

/** Options of `dropout`. */
export interface DropoutOptions {
  /** The share of elements that become 0; 0.5 by default. */
  p?: number;
  /** Where the random numbers come from (see `randomKey`); needed unless `training` is false. */
  key?: Tensor;
  /** Whether anything is dropped at all; true by default. */
  training?: boolean;
}

/**
 * x with a random share p of its elements set to 0 and the others divided by 1 − p.
 *
 * Throws an `ArgumentError` unless p is from 0 to 1 and a key is given.
 *
 * @example
 * ```ts
 * import { dropout, ones, random } from "@tangents/ntk";
 * const y = dropout(ones([1000]), { p: 0.25, key: random.randomKey(0) });
 * console.log(await y.mean().item()); // about 1
 * ```
 */
export function dropout(x: Tensor, options: DropoutOptions = {}): Tensor {
  const { p = 0.5, key, training = true } = options;
  const input = checkFloat(x, "dropout");
  if (checkNumber(p, "dropout: p") < 0 || p > 1) {
    throw new ArgumentError(`dropout: p is ${p}; expected a number from 0 to 1`);
  }
  if (!training || p === 0) return input;
  if (p === 1) return zerosLike(input);
  if (key === undefined) {
    throw new ArgumentError("dropout: expected a key in training; make one with random.randomKey");
  }
  const kept = uniform(key, input.shape).greaterEqual(p);
  return where(kept, input.div(1 - p), 0);
}
