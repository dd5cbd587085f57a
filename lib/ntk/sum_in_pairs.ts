/**
 * Sums of many tensors.
 *
 * @module
 */

import type { Tensor } from "../core/tensor.ts";

/**
 * The sum of tensors of one shape, at least one, added up in pairs, then pairs of pairs: of n terms each goes through
 * log₂ n roundings and not through n. Shares of parameters differ in size, and each rounding is one of the whole kernel.
 */
export function sumInPairs(terms: readonly Tensor[]): Tensor {
  let level = terms;
  while (level.length > 1) {
    const pairs: Tensor[] = [];
    for (let i = 0; i < level.length; i += 2) {
      pairs.push(i + 1 < level.length ? level[i].add(level[i + 1]) : level[i]);
    }
    level = pairs;
  }
  return level[0];
}
