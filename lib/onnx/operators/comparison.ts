/**
 * Comparisons, logic, and the choice between values.
 *
 * @module
 */

import { where } from "../../core/operations/arithmetic.ts";
import {
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  logicalXor,
} from "../../core/operations/comparison.ts";
import type { Tensor } from "../../core/tensor.ts";
import { type Operator, operator } from "../operator.ts";

function binary(
  name: string,
  since: readonly number[],
  f: (a: Tensor, b: Tensor) => Tensor,
): Operator {
  return operator({ name, since, inputs: 2, run: (c) => f(c.tensor(0), c.tensor(1)) });
}

/** Comparisons, logic, and the choice between values. */
export const comparison: readonly Operator[] = [
  binary("Equal", [7, 11, 13, 19], equal),
  binary("Less", [7, 9, 13], less),
  binary("LessOrEqual", [12, 16], lessEqual),
  binary("Greater", [7, 9, 13], greater),
  binary("GreaterOrEqual", [12, 16], greaterEqual),
  binary("And", [7], logicalAnd),
  binary("Or", [7], logicalOr),
  binary("Xor", [7], logicalXor),
  operator({ name: "Not", since: [1], inputs: 1, run: (c) => logicalNot(c.tensor(0)) }),
  operator({
    name: "Where",
    since: [9, 16],
    inputs: 3,
    passes: [1, 2],
    run: (c) => where(c.tensor(0), c.tensor(1), c.tensor(2)),
  }),
];
