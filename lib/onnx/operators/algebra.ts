/**
 * Sums of products by name, and determinants.
 *
 * @module
 */

import { range } from "../../base/shape.ts";
import { apply } from "../../core/apply.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { einsum } from "../../core/operations/einsum.ts";
import { full, fullLike, iota } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { required, text } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";

/** Determinants of larger matrices would be too many steps. */
const mostRows = 128;

/** Determinants of the matrices in the last two axes, by elimination with the largest pivot of each column. */
function determinant(matrices: Tensor): Tensor {
  const batch = matrices.shape.slice(0, -2);
  const all = batch.map(() => null);
  let rest = matrices;
  let result = full(batch, matrices.dtype, 1);
  for (let n = matrices.shape[matrices.rank - 1]; n > 0; n--) {
    const column = rest.slice(...all, null, 0);
    const at = apply("argmax", { axis: batch.length }, apply("stopGradient", {}, column.abs()));
    const pivots = rest.takeAlongAxis(at.reshape([...batch, 1, 1]), -2);
    const pivot = pivots.slice(...all, 0, 0);
    const odd = apply("bitAnd", {}, at, fullLike(at, 1)).equal(1);
    result = result.mul(where(odd, pivot.neg(), pivot));
    if (n === 1) return result;
    // The other rows, in their order: those from the pivot's on move up.
    const place = iota([...range(batch.length).map(() => 1), n - 1, 1], "int32", batch.length);
    const row = at.reshape([...batch, 1, 1]);
    const others = rest.takeAlongAxis(place.add(place.greaterEqual(row).to("int32")), -2);
    // Where the whole column is zero, so is the determinant.
    const divisor = where(pivot.equal(0), fullLike(pivot, 1), pivot).reshape([...batch, 1, 1]);
    const factors = others.slice(...all, null, [0, 1]).div(divisor);
    const tail = pivots.slice(...all, null, [1, n]);
    rest = others.slice(...all, null, [1, n]).sub(factors.mul(tail));
  }
  return result;
}

/** Sums of products by name, and determinants. */
export const algebra: readonly Operator[] = [
  operator({
    name: "Einsum",
    since: [12, 28],
    inputs: [1, Infinity],
    attributes: { equation: required(text()) },
    trainable: "all",
    run: (c, { equation }) => einsum(equation, ...c.tensors()),
  }),
  operator({
    name: "Det",
    since: [11, 22],
    inputs: 1,
    run: (c) => {
      const x = c.tensor(0);
      const [rows, columns] = x.shape.slice(-2);
      if (x.rank < 2 || rows !== columns || rows > mostRows) {
        c.fail(
          `input of shape [${
            x.shape.join(", ")
          }], expected square matrices of at most ${mostRows} rows`,
        );
      }
      return determinant(x);
    },
  }),
];
