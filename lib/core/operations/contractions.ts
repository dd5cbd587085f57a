/**
 * Matrix products and their relatives.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../../base/errors.ts";
import { formatShape, normalizeAxis, range, sameShape } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { reshape } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { checkTensor } from "./arithmetic.ts";
import { promoteAll } from "./checks.ts";
import { contractPair, orderLabels } from "./labeled.ts";

/**
 * The matrix product, as in NumPy and PyTorch: of matrices; of stacks of matrices, whose leading axes broadcast (a side
 * that is not batched is not repeated); a vector on the left is a row, on the right a column, and its axis leaves the
 * result. Integers stay integers; bool counts as int32.
 *
 * Throws a `ShapeError` where the shapes do not fit or an operand is a scalar.
 *
 * @example
 * ```ts
 * import { matmul, tensor } from "@tangents/ntk";
 * const a = tensor([[1, 2], [3, 4]]);
 * console.log(await matmul(a, tensor([1, 1])).toArray()); // [3, 7]
 * ```
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  checkTensor(a, "matmul: first operand");
  checkTensor(b, "matmul: second operand");
  if (a.shape.length === 0 || b.shape.length === 0) {
    throw new ShapeError(
      `matmul: expected operands with at least one axis, got shapes ${formatShape(a.shape)} and ${
        formatShape(b.shape)
      }; multiply by a scalar with mul`,
    );
  }
  const depthB = b.shape.length === 1 ? b.shape[0] : b.shape[b.shape.length - 2];
  if (a.shape[a.shape.length - 1] !== depthB) {
    throw new ShapeError(
      `matmul: shapes ${formatShape(a.shape)} and ${
        formatShape(b.shape)
      } do not fit: the last axis of the first has size ${
        a.shape[a.shape.length - 1]
      }, the axis it meets has size ${depthB}`,
    );
  }
  const [left, right] = promoteAll([a, b]);
  const stacks = b.shape.length > 2 ? b.shape.length - 2 : 0;
  if (
    a.shape.length > 1 && (stacks === 0 || sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2)))
  ) {
    // Nothing broadcasts, and the product's axes are those of the result.
    const batch = range(stacks);
    const params = {
      lhsBatch: batch,
      rhsBatch: batch,
      lhsContract: [a.shape.length - 1],
      rhsContract: [stacks],
    };
    return apply("dotGeneral", params, left, right);
  }
  // Batch axes are named by their distance from the end.
  const batchLabels = (count: number): string[] => range(count).map((i) => `batch ${count - i}`);
  const batchA = batchLabels(Math.max(0, a.shape.length - 2));
  const batchB = batchLabels(Math.max(0, b.shape.length - 2));
  for (const [i, label] of batchA.entries()) {
    const j = batchB.indexOf(label);
    if (j < 0 || a.shape[i] === b.shape[j] || a.shape[i] === 1 || b.shape[j] === 1) continue;
    throw new ShapeError(
      `matmul: batch axes of ${formatShape(a.shape)} and ${
        formatShape(b.shape)
      } do not broadcast: sizes ${a.shape[i]} and ${
        b.shape[j]
      }; each pair of sizes must be equal or contain a 1`,
    );
  }
  const row = a.shape.length > 1 ? ["row"] : [];
  const column = b.shape.length > 1 ? ["column"] : [];
  const batch = batchA.length > batchB.length ? batchA : batchB;
  const order = [...batch, ...row, ...column];
  const result = contractPair(
    { tensor: left, labels: [...batchA, ...row, "depth"] },
    { tensor: right, labels: [...batchB, "depth", ...column] },
    order,
  );
  return orderLabels(result, order);
}

/**
 * The inner product of two vectors of one length. Throws a `ShapeError` for other shapes.
 *
 * @example
 * ```ts
 * import { dot, tensor } from "@tangents/ntk";
 * console.log(await dot(tensor([1, 2]), tensor([3, 4])).item()); // 11
 * ```
 */
export function dot(a: Tensor, b: Tensor): Tensor {
  checkTensor(a, "dot: first operand");
  checkTensor(b, "dot: second operand");
  if (a.shape.length !== 1 || b.shape.length !== 1 || a.shape[0] !== b.shape[0]) {
    throw new ShapeError(
      `dot: expected two vectors of one length, got shapes ${formatShape(a.shape)} and ${
        formatShape(b.shape)
      }; matmul, tensordot and einsum take more axes`,
    );
  }
  return matmul(a, b);
}

/**
 * All products of an element of a with one of b: shape [a's elements, b's elements]. Operands with more axes are
 * flattened, as in NumPy.
 *
 * @example
 * ```ts
 * import { outer, tensor } from "@tangents/ntk";
 * console.log(await outer(tensor([1, 2]), tensor([3, 4])).toArray()); // [[3, 4], [6, 8]]
 * ```
 */
export function outer(a: Tensor, b: Tensor): Tensor {
  checkTensor(a, "outer: first operand");
  checkTensor(b, "outer: second operand");
  const [left, right] = promoteAll([a, b]).map((x) => reshape(x, [x.size]));
  const order = ["row", "column"];
  return contractPair(
    { tensor: left, labels: ["row"] },
    { tensor: right, labels: ["column"] },
    order,
  )
    .tensor;
}

/**
 * The sum of products over pairs of axes, as in NumPy and PyTorch: over the last `axes` axes of a and the first of b
 * where `axes` is a number (2 by default), or over a's axes `axes[0]` and b's axes `axes[1]`, matched in order. The
 * result has a's other axes, then b's.
 *
 * Throws a `ShapeError` where paired axes differ in size.
 *
 * @example
 * ```ts
 * import { ones, tensordot } from "@tangents/ntk";
 * console.log(tensordot(ones([2, 3, 4]), ones([4, 3, 5]), [[1, 2], [1, 0]]).shape); // [2, 5]
 * ```
 */
export function tensordot(
  a: Tensor,
  b: Tensor,
  axes: number | readonly [readonly number[], readonly number[]] = 2,
): Tensor {
  checkTensor(a, "tensordot: first operand");
  checkTensor(b, "tensordot: second operand");
  const [left, right] = pairedAxes(a, b, axes);
  for (const [i, axis] of left.entries()) {
    if (a.shape[axis] === b.shape[right[i]]) continue;
    throw new ShapeError(
      `tensordot: axis ${axis} of ${formatShape(a.shape)} and axis ${right[i]} of ${
        formatShape(b.shape)
      } have sizes ${a.shape[axis]} and ${b.shape[right[i]]}; paired axes must be of one size`,
    );
  }
  const [lhs, rhs] = promoteAll([a, b]);
  if (left.length > 0) {
    const params = { lhsBatch: [], rhsBatch: [], lhsContract: left, rhsContract: right };
    return apply("dotGeneral", params, lhs, rhs);
  }
  return reshape(outer(lhs, rhs), [...a.shape, ...b.shape]);
}

/** The axes that `tensordot` sums over, counted from the front. */
function pairedAxes(
  a: Tensor,
  b: Tensor,
  axes: number | readonly [readonly number[], readonly number[]],
): [number[], number[]] {
  if (typeof axes === "number") {
    const most = Math.min(a.shape.length, b.shape.length);
    if (!Number.isInteger(axes) || axes < 0 || axes > most) {
      throw new ArgumentError(
        `tensordot: axes is ${axes}; expected an integer from 0 to ${most} for shapes ${
          formatShape(a.shape)
        } and ${formatShape(b.shape)}`,
      );
    }
    return [range(axes).map((i) => a.shape.length - axes + i), range(axes)];
  }
  if (!Array.isArray(axes) || axes.length !== 2 || axes[0].length !== axes[1].length) {
    throw new ArgumentError(
      "tensordot: axes must be a number, or two lists of axes of one length",
    );
  }
  const [left, right] = [a, b].map((x, side) => {
    const list = axes[side].map((axis: number) =>
      normalizeAxis(axis, x.shape.length, `tensordot: axes[${side}]`)
    );
    if (new Set(list).size !== list.length) {
      throw new ArgumentError(
        `tensordot: axes[${side}] = ${formatShape(axes[side])} names an axis twice`,
      );
    }
    return list;
  });
  return [left, right];
}
