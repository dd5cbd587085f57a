/**
 * Reductions.
 *
 * @module
 */

import { isFloat } from "../../base/dtype.ts";
import { normalizeAxes, sizeOf } from "../../base/shape.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { logsumexp } from "../../core/operations/reductions.ts";
import { full, fullLike } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, integers } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { axesOf } from "./shapes.ts";
import { limitOf } from "./types.ts";

type Reduce = (
  x: Tensor,
  axes: readonly number[],
  keepDims: boolean,
  context: OperatorContext,
) => Tensor;

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
      const all = none && noop_with_empty_axes === 0;
      const list = all ? null : given ?? [];
      const result = reduce(x, normalizeAxes(list, x.rank, "axes"), keepdims !== 0, c);
      return isFloat(x.dtype) ? result : result.to(x.dtype);
    },
  });
}

/** The square root, with derivative 0 at 0: a norm's subgradient of least size. */
function rootOfSquares(squares: Tensor): Tensor {
  const zero = squares.equal(0);
  const one = fullLike(squares, 1);
  return where(zero, fullLike(squares, 0), where(zero, one, squares).sqrt());
}

/** The largest or smallest elements; of none, what changes nothing. */
function extreme(largest: boolean): Reduce {
  return (x, axes, keepDims, c) => {
    if (sizeOf(axes.map((axis) => x.shape[axis])) > 0) {
      return largest ? x.max(axes, { keepDims }) : x.min(axes, { keepDims });
    }
    const kept = x.shape.map((n, axis) => axes.includes(axis) ? 1 : n);
    const shape = keepDims ? kept : x.shape.filter((_, axis) => !axes.includes(axis));
    return full(shape, x.dtype, limitOf(c.type(0), !largest));
  };
}

/** Reductions. */
export const reductions: readonly Operator[] = [
  reduction("ReduceMean", [1, 11, 13, 18], (x, axes, keepDims) => x.mean(axes, { keepDims })),
  reduction("ReduceSum", [1, 11, 13], (x, axes, keepDims) => x.sum(axes, { keepDims })),
  reduction("ReduceProd", [1, 11, 13, 18], (x, axes, keepDims) => x.prod(axes, { keepDims })),
  reduction("ReduceMax", [1, 11, 12, 13, 18, 20], extreme(true)),
  reduction("ReduceMin", [1, 11, 12, 13, 18, 20], extreme(false)),
  reduction("ReduceL1", [1, 11, 13, 18], (x, axes, keepDims) => x.abs().sum(axes, { keepDims })),
  reduction(
    "ReduceL2",
    [1, 11, 13, 18],
    (x, axes, keepDims) => rootOfSquares(x.square().sum(axes, { keepDims })),
  ),
  reduction(
    "ReduceSumSquare",
    [1, 11, 13, 18],
    (x, axes, keepDims) => x.square().sum(axes, { keepDims }),
  ),
  reduction(
    "ReduceLogSum",
    [1, 11, 13, 18, 28],
    (x, axes, keepDims) => x.sum(axes, { keepDims }).log(),
  ),
  reduction("ReduceLogSumExp", [1, 11, 13, 18, 28], (x, axes, keepDims) => {
    const empty = sizeOf(axes.map((axis) => x.shape[axis])) === 0;
    return empty ? x.exp().sum(axes, { keepDims }).log() : logsumexp(x, axes, { keepDims });
  }),
];
