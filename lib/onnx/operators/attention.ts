/**
 * Attention and rotary embeddings.
 *
 * @module
 */

import { where } from "../../core/operations/arithmetic.ts";
import { matmul } from "../../core/operations/contractions.ts";
import { take } from "../../core/operations/indexing.ts";
import { concat, slice, stack } from "../../core/operations/shapes.ts";
import { full } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, float, integer } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { type MaskValues, resolveMask } from "./attention_mask.ts";
import { splitHeads } from "./heads.ts";

/** Attributes of an attention. */
interface AttentionValues extends MaskValues {
  readonly kv_num_heads: number | undefined;
  readonly q_num_heads: number | undefined;
  readonly qk_matmul_output_mode: number;
  readonly scale: number | undefined;
  readonly softcap: number;
}

/** The softmax of scores where keys may be seen; zeros for queries that see none. */
function weigh(scores: Tensor, bias: Tensor | null): Tensor {
  if (bias === null) return scores.softmax(-1);
  const hidden = bias.equal(-Infinity);
  const masked = where(hidden, 0, scores.add(where(hidden, 0, bias)));
  // Far below all others, but finite: the softmax of a row without any has no derivative otherwise.
  const weights = where(hidden, full([], scores.dtype, -1e30), masked).softmax(-1);
  return where(hidden, 0, weights);
}

function attend(context: OperatorContext, values: AttentionValues): (Tensor | null)[] {
  const [q, k, v] = [0, 1, 2].map((i) => {
    const heads = i === 0 ? values.q_num_heads : values.kv_num_heads;
    return splitHeads(context, context.tensor(i), heads);
  });
  const [pastKey, pastValue] = [context.optionalTensor(4), context.optionalTensor(5)];
  const key = pastKey === null ? k : concat([pastKey, k], 2);
  const value = pastValue === null ? v : concat([pastValue, v], 2);
  const [batch, heads, length, size] = q.shape;
  const [, groups, keys] = key.shape;
  if (groups === 0 || heads % groups !== 0) {
    context.fail(`${heads} heads of queries for ${groups} heads of keys`);
  }
  // Neighbouring heads of queries share one of keys: [B, groups, heads of a group, …].
  const each = heads / groups;
  const grouped = (x: Tensor): Tensor => x.unsqueeze(2);
  const scale = values.scale ?? 1 / Math.sqrt(size);
  const raw = matmul(
    q.reshape([batch, groups, each, length, size]),
    grouped(key).transpose(),
  ).mul(scale).reshape([batch, heads, length, keys]);
  const { softcap, qk_matmul_output_mode: mode } = values;
  const capped = softcap > 0 ? raw.div(softcap).tanh().mul(softcap) : raw;
  const past = pastKey === null ? 0 : pastKey.shape[2];
  const bias = resolveMask(context, values, [length, keys], q.dtype, past);
  const spread = bias?.broadcastTo([batch, heads, length, keys]) ?? null;
  const weights = weigh(capped, spread);
  const mixed = matmul(weights.reshape([batch, groups, each, length, keys]), grouped(value));
  const joined = mixed.reshape([batch, heads, length, value.shape[3]]);
  const packed = context.shape(0).length === 3
    ? joined.permute([0, 2, 1, 3]).reshape([batch, length, heads * value.shape[3]])
    : joined;
  const biased = spread === null ? capped : capped.add(spread);
  const shown = [raw, capped, biased, weights][mode] ??
    context.fail(`qk_matmul_output_mode is ${mode}, expected 0 to 3`);
  return [packed, key, value, shown];
}

/** Attributes of rotary embeddings. */
interface RotaryValues {
  readonly interleaved: number;
  readonly num_heads: number | undefined;
  readonly rotary_embedding_dim: number;
}

/** Pairs of features turned by an angle for each position. */
function rotate(context: OperatorContext, values: RotaryValues): Tensor {
  const given = context.tensor(0);
  const x = splitHeads(context, given, values.num_heads);
  const size = x.shape[3];
  const turned = values.rotary_embedding_dim === 0 ? size : values.rotary_embedding_dim;
  if (turned % 2 !== 0 || turned < 0 || turned > size) {
    context.fail(`${turned} of ${size} features cannot be turned in pairs`);
  }
  const places = context.optionalTensor(3);
  const [cos, sin] = [1, 2].map((i) => {
    const table = context.tensor(i);
    // [B, length, turned / 2], with an axis for heads.
    const rows = places === null ? table : take(table, places, 0);
    if (rows.rank !== 3 || rows.shape[2] !== turned / 2) {
      context.fail(`input ${i} has shape [${table.shape.join(", ")}] for ${turned} features`);
    }
    return rows.unsqueeze(1);
  });
  const features = (start: number, limit: number, step = 1): Tensor =>
    slice(x, null, null, null, [start, limit, step]);
  const half = turned / 2;
  const [a, b] = values.interleaved === 0
    ? [features(0, half), features(half, turned)]
    : [features(0, turned, 2), features(1, turned, 2)];
  const [real, imaginary] = [a.mul(cos).sub(b.mul(sin)), a.mul(sin).add(b.mul(cos))];
  const rotated = values.interleaved === 0
    ? concat([real, imaginary], 3)
    : stack([real, imaginary], 4).reshape([...x.shape.slice(0, 3), turned]);
  const result = turned === size ? rotated : concat([rotated, features(turned, size)], 3);
  return given.rank === 4 ? result : result.permute([0, 2, 1, 3]).reshape(given.shape);
}

/** Attention and rotary embeddings. */
export const attention: readonly Operator[] = [
  operator({
    name: "Attention",
    since: [23, 24, 25],
    inputs: [3, 7],
    attributes: {
      is_causal: flag(false),
      kv_num_heads: integer(),
      left_window_size: integer(-1),
      q_num_heads: integer(),
      qk_matmul_output_mode: integer(0),
      right_window_size: integer(-1),
      scale: float(),
      softcap: float(0),
      softmax_precision: integer(),
    },
    run: (c, values) => attend(c, values),
  }),
  operator({
    name: "RotaryEmbedding",
    since: [23],
    inputs: [3, 4],
    attributes: {
      interleaved: flag(false),
      num_heads: integer(),
      rotary_embedding_dim: integer(0),
    },
    run: (c, values) => rotate(c, values),
  }),
];
