/**
 * Trigonometric and hyperbolic functions.
 *
 * @module
 */

import { acos, asin, atan, cosh, log1p, sinh, sqrt, tan } from "../../core/operations/functions.ts";
import { fullLike, select } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Operator } from "../operator.ts";
import { unary } from "./elementwise.ts";

/** An odd function from its formula for x ≥ 0, so that no digits cancel below 0; smooth at 0, as |x| is not. */
function odd(f: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  return (x) => {
    const sign = select(x.less(0), fullLike(x, -1), fullLike(x, 1));
    return f(x.mul(sign)).mul(sign);
  };
}

/** Beyond this, x² + 1 is x² in both precisions, and x² may overflow. */
const large = 1e9;

/** asinh(x) = log1p(x + x² / (1 + √(1 + x²))) for x ≥ 0. */
const asinh = odd((x) => {
  const far = x.greater(large);
  const y = select(far, fullLike(x, 1), x);
  const square = y.mul(y);
  const near = log1p(y.add(square.div(sqrt(square.add(1)).add(1))));
  return select(far, x.log().add(Math.LN2), near);
});

/** acosh(x) = log1p(t + √(t·(t + 2))) with t = x − 1. */
function acosh(x: Tensor): Tensor {
  const far = x.greater(large);
  const t = select(far, fullLike(x, 1), x.sub(1));
  return select(far, x.log().add(Math.LN2), log1p(t.add(sqrt(t.mul(t.add(2))))));
}

/** atanh(x) = log1p(2x / (1 − x)) / 2 for x ≥ 0. */
const atanh = odd((x) => log1p(x.mul(2).div(x.neg().add(1))).mul(0.5));

/** Trigonometric and hyperbolic functions. */
export const trigonometry: readonly Operator[] = [
  unary("Acos", [7, 22], acos),
  unary("Acosh", [9, 22], acosh),
  unary("Asin", [7, 22], asin),
  unary("Asinh", [9, 22], asinh),
  unary("Atan", [7, 22], atan),
  unary("Atanh", [9, 22], atanh),
  unary("Cosh", [9, 22], cosh),
  unary("Sinh", [9, 22], sinh),
  unary("Tan", [7, 22], tan),
];
