/**
 * Reductions.
 *
 * @module
 */

import type { Tensor } from "../../core/tensor.ts";
import { flag, integers } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";
import { axesOf } from "./shapes.ts";

type Reduce = (x: Tensor, axes: readonly number[] | null, keepDims: boolean) => Tensor;

/** A reduction: axes are an input from the version on that the last entry of `since` names, and an attribute before. */
function reduction(name: string, since: readonly number[], reduce: Reduce): Operator {
  return operator({
    name,
    since,
    inputs: [1, 2],
    attributes: { axes: integers(), keepdims: flag(true), noop_with_empty_axes: flag(false) },
    run: (c, { axes, keepdims, noop_with_empty_axes }) => {
      const x = c.tensor(0);
      const given = axesOf(c, 1, axes);
      const none = given === null || given.length === 0;
      if (none && noop_with_empty_axes !== 0) return reduce(x, [], true);
      return reduce(x, none ? null : given, keepdims !== 0);
    },
  });
}

/** Reductions. */
export const reductions: readonly Operator[] = [
  reduction("ReduceMean", [1, 11, 13, 18], (x, axes, keepDims) => x.mean(axes, { keepDims })),
  reduction("ReduceSum", [1, 11, 13], (x, axes, keepDims) => x.sum(axes, { keepDims })),
  reduction("ReduceMax", [1, 11, 12, 13, 18, 20], (x, axes, keepDims) => x.max(axes, { keepDims })),
  reduction("ReduceMin", [1, 11, 12, 13, 18, 20], (x, axes, keepDims) => x.min(axes, { keepDims })),
  reduction("ReduceProd", [1, 11, 13, 18], (x, axes, keepDims) => x.prod(axes, { keepDims })),
];
