/**
 * Kernels of examples with themselves: half of the work, and symmetric to the last bit.
 *
 * @module
 */

import { range } from "../base/shape.ts";
import { add, fullLike, iota, mul, pad, permute, select } from "../core/primitives/build.ts";
import { concat } from "../core/operations/shapes.ts";
import type { Tensor } from "../core/tensor.ts";
import { examplesBetween, type KernelProblem } from "./problem.ts";

/** Into how many strips of rows a kernel is cut: more save little and make smaller products. */
const strips = 4;

/** Each element's place among the elements of two axes, the first of which counts more. */
function jointIndex(shape: readonly number[], major: number, minor: number): Tensor {
  const indexAlong = (axis: number): Tensor => iota(shape, "int32", axis);
  const rows = indexAlong(major);
  return add(mul(rows, fullLike(rows, shape[minor])), indexAlong(minor));
}

/**
 * A symmetric kernel [N, N, diagonal, full, full] with every entry below the diagonal replaced by its mirror image above:
 * rounding may differ between the two.
 */
export function mirrored(kernel: Tensor): Tensor {
  const { shape } = kernel;
  const isBelow = jointIndex(shape, 0, 3).greater(jointIndex(shape, 1, 4));
  return select(isBelow, permute(kernel, [1, 0, 2, 4, 3]), kernel);
}

/**
 * The part of a symmetric kernel on and above the diagonal, some of what is below, and zeros: strips of rows, each from the
 * diagonal on, by a method that costs as much as there are pairs of examples. Five eighths of the work for the whole.
 */
export function upperStrips(
  problem: KernelProblem,
  method: (problem: KernelProblem) => Tensor,
): Tensor {
  const { x1, x2, n1 } = problem;
  const count = Math.min(strips, n1);
  const parts = range(count).map((i) => {
    const start = Math.floor(i * n1 / count);
    const limit = Math.floor((i + 1) * n1 / count);
    const part = method({
      ...problem,
      x1: examplesBetween(x1, start, limit),
      x2: examplesBetween(x2, start, n1),
      n1: limit - start,
      n2: n1 - start,
      symmetric: false,
    });
    return pad(part, [0, start, 0, 0, 0], [0, 0, 0, 0, 0]);
  });
  return concat(parts, 0);
}
