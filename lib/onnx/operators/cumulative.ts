/**
 * Running sums and products.
 *
 * @module
 */

import { normalizeAxis } from "../../base/shape.ts";
import { apply } from "../../core/apply.ts";
import { flip, pad, sliceAxis } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";

/** The elements `count` places further along the axis, with a value where they came from. */
function shifted(x: Tensor, axis: number, count: number, value: number): Tensor {
  const part = sliceAxis(x, axis, 0, x.shape[axis] - count);
  const low = x.shape.map((_, i) => i === axis ? count : 0);
  return pad(part, low, low.map(() => 0), undefined, value);
}

/** Running products by doubling: log₂ n products of whole tensors, and zeros need no special case. */
function products(x: Tensor, axis: number): Tensor {
  let result = x;
  for (let reach = 1; reach < x.shape[axis]; reach *= 2) {
    result = result.mul(shifted(result, axis, reach, 1));
  }
  return result;
}

function sums(x: Tensor, axis: number): Tensor {
  return apply("cumsum", { axis, reverse: false }, x);
}

function running(
  name: string,
  since: readonly number[],
  f: (x: Tensor, axis: number) => Tensor,
  nothing: number,
): Operator {
  return operator({
    name,
    since,
    inputs: 2,
    attributes: { exclusive: flag(false), reverse: flag(false) },
    run: (c, { exclusive, reverse }) => {
      const x = c.tensor(0);
      const axis = normalizeAxis(c.number(1), x.rank, "axis");
      if (x.shape[axis] === 0) return x;
      const turned = reverse === 0 ? x : flip(x, [axis]);
      const given = exclusive === 0 ? turned : shifted(turned, axis, 1, nothing);
      const result = f(given, axis);
      return reverse === 0 ? result : flip(result, [axis]);
    },
  });
}

/** Running sums and products. */
export const cumulative: readonly Operator[] = [
  running("CumSum", [11, 14], sums, 0),
  running("CumProd", [26], products, 1),
];
