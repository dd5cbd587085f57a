/**
 * Heads of attention, packed into features or as an axis of their own.
 *
 * @module
 */

import type { Tensor } from "../../core/tensor.ts";
import type { OperatorContext } from "../operator.ts";

/** [B, T, heads · size] as [B, heads, T, size]; an input of four axes has them already. */
export function splitHeads(context: OperatorContext, x: Tensor, heads: number | undefined): Tensor {
  if (x.rank === 4) return x;
  const [batch, length, features] = x.shape;
  if (x.rank !== 3 || heads === undefined || heads < 1 || features % heads !== 0) {
    return context.fail(
      `an input of shape [${x.shape.join(", ")}] cannot be split into ${heads ?? "unknown"} heads`,
    );
  }
  return x.reshape([batch, length, heads, features / heads]).permute([0, 2, 1, 3]);
}
