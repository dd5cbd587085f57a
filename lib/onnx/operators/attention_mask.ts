/**
 * Which keys each query of an attention sees.
 *
 * @module
 */

import type { DType } from "../../base/dtype.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { full, iota } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { OperatorContext } from "../operator.ts";

/** The attributes that hide keys. */
export interface MaskValues {
  readonly is_causal: number;
  readonly left_window_size: number;
  readonly right_window_size: number;
}

/**
 * What is added to the scores of queries and keys: −∞ hides a key. Its shape broadcasts to [batch, heads, queries, keys]; null
 * where all keys are seen. `past` keys come before those of the first query.
 */
export function resolveMask(
  context: OperatorContext,
  values: MaskValues,
  [queries, keys]: readonly [number, number],
  dtype: DType,
  past: number,
): Tensor | null {
  const { is_causal, left_window_size: left, right_window_size: right } = values;
  const lengths = context.optionalTensor(6);
  // The place of each query among the keys; [B, 1, queries, keys] where the keys' lengths differ.
  const rows = iota([queries, keys], "int32", 0);
  const columns = iota([queries, keys], "int32", 1);
  const places = lengths === null
    ? rows.add(past)
    : rows.add(lengths.sub(queries).reshape([lengths.size, 1, 1, 1]));
  const behind = places.sub(columns);
  const seen: Tensor[] = [];
  if (is_causal !== 0) seen.push(behind.greaterEqual(0));
  if (left >= 0) seen.push(behind.lessEqual(left));
  if (right >= 0) seen.push(behind.greaterEqual(-right));
  if (lengths !== null) seen.push(columns.less(lengths.reshape([lengths.size, 1, 1, 1])));
  const given = context.optionalTensor(3);
  const mask = given === null || given.shape.at(-1) === keys ? given : padded(given, keys);
  if (mask?.dtype === "bool") seen.push(mask);
  const allowed = seen.length === 0 ? null : seen.reduce((a, b) => a.logicalAnd(b));
  const added = mask === null || mask.dtype === "bool" ? null : mask;
  if (allowed === null) return added;
  return where(allowed, added ?? full([], dtype, 0), full([], dtype, -Infinity));
}

/** A mask of fewer keys than there are hides the others. */
function padded(mask: Tensor, keys: number): Tensor {
  const last = mask.rank - 1;
  const missing = mask.shape.map((n, i) => [0, i === last ? keys - n : 0] as const);
  return mask.pad(missing, mask.dtype === "bool" ? 0 : -Infinity);
}
