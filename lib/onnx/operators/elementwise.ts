/**
 * Arithmetic and functions of single elements.
 *
 * @module
 */

import { isFloat } from "../../base/dtype.ts";
import { add, applyBinary, div, mul, pow, sub } from "../../core/operations/arithmetic.ts";
import { equal, isNaN } from "../../core/operations/comparison.ts";
import {
  abs,
  ceil,
  cos,
  erf,
  exp,
  floor,
  log,
  neg,
  reciprocal,
  round,
  sign,
  sin,
  sqrt,
} from "../../core/operations/functions.ts";
import { full } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, integers } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { wrap } from "./types.ts";

/** An operator of one operand without attributes. */
export function unary(name: string, since: readonly number[], f: (x: Tensor) => Tensor): Operator {
  // Inputs whose memory the first versions took over.
  const attributes = { consumed_inputs: integers([]) };
  return operator({ name, since, inputs: 1, attributes, run: (c) => f(c.tensor(0)) });
}

/** An operator of two operands, which broadcast; a stored tensor of several numbers in either place is a parameter. */
function binary(
  name: string,
  since: readonly number[],
  f: (a: Tensor, b: Tensor, context: OperatorContext) => Tensor,
): Operator {
  return operator({
    name,
    since,
    inputs: 2,
    trainable: "all",
    numbersAreConstants: true,
    passes: "all",
    run: (c) => f(c.tensor(0), c.tensor(1), c),
  });
}

/** Narrow integers wrap around, as in C. */
function wrapped(f: (a: Tensor, b: Tensor) => Tensor) {
  return (a: Tensor, b: Tensor, context: OperatorContext): Tensor => wrap(f(a, b), context.type(0));
}

/** Integers are divided toward zero, as in C. */
function divide(a: Tensor, b: Tensor): Tensor {
  return isFloat(a.dtype) ? div(a, b) : applyBinary("quotient", a, b, "div");
}

/** a to the power of b, in the dtype of a; a single known exponent takes the shortest way. */
function power(a: Tensor, b: Tensor, context: OperatorContext): Tensor {
  const { operation, host } = b;
  const known = operation === null && host !== null && b.size === 1 && b.rank <= a.rank;
  const result = pow(a, known ? host[0] : b.to(isFloat(a.dtype) ? a.dtype : "float64"));
  if (isFloat(a.dtype)) return result;
  return context.dtypeFor(context.type(0)) === result.dtype ? result : result.round().to(a.dtype);
}

/** Arithmetic and functions of single elements. */
export const elementwise: readonly Operator[] = [
  binary("Add", [7, 13, 14], wrapped(add)),
  binary("Sub", [7, 13, 14], wrapped(sub)),
  binary("Mul", [7, 13, 14], wrapped(mul)),
  binary("Div", [7, 13, 14], divide),
  operator({
    name: "Pow",
    since: [7, 12, 13, 15],
    inputs: 2,
    trainable: [0],
    passes: [0],
    run: (c) => power(c.tensor(0), c.tensor(1), c),
  }),
  unary("Neg", [6, 13], neg),
  unary("Abs", [6, 13], abs),
  unary("Sign", [9, 13], sign),
  unary("Floor", [6, 13], floor),
  unary("Ceil", [6, 13], ceil),
  unary("Round", [11, 22], round),
  unary("IsNaN", [9, 13, 20], isNaN),
  operator({
    name: "IsInf",
    since: [10, 20],
    inputs: 1,
    attributes: { detect_negative: flag(true), detect_positive: flag(true) },
    run: (c, { detect_negative, detect_positive }) => {
      const x = c.tensor(0);
      if (detect_negative !== 0 && detect_positive !== 0) return equal(abs(x), Infinity);
      if (detect_negative === 0 && detect_positive === 0) return full(x.shape, "bool", 0);
      return equal(x, detect_negative !== 0 ? -Infinity : Infinity);
    },
  }),
  unary("Exp", [6, 13], exp),
  unary("Log", [6, 13], log),
  unary("Sqrt", [6, 13], sqrt),
  unary("Reciprocal", [6, 13], reciprocal),
  unary("Erf", [9, 13], erf),
  unary("Sin", [7, 22], sin),
  unary("Cos", [7, 22], cos),
];
