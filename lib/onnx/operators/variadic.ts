/**
 * Operators of any number of operands, which broadcast, and bounds.
 *
 * @module
 */

import { add, maximum, minimum } from "../../core/operations/arithmetic.ts";
import { clip } from "../../core/operations/functions.ts";
import type { Tensor } from "../../core/tensor.ts";
import { float, integers } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";

function fold(c: OperatorContext, f: (a: Tensor, b: Tensor) => Tensor): Tensor {
  const [first, ...rest] = c.tensors();
  return rest.reduce(f, first);
}

/** Operators of any number of operands, which broadcast, and bounds. */
export const variadic: readonly Operator[] = [
  operator({
    name: "Sum",
    since: [6, 8, 13],
    inputs: [1, Infinity],
    trainable: "all",
    numbersAreConstants: true,
    passes: "all",
    run: (c) => fold(c, add),
  }),
  operator({
    name: "Mean",
    since: [6, 8, 13],
    inputs: [1, Infinity],
    trainable: "all",
    numbersAreConstants: true,
    passes: "all",
    run: (c) => fold(c, add).mul(1 / c.inputCount),
  }),
  operator({
    name: "Max",
    since: [6, 8, 12, 13],
    inputs: [1, Infinity],
    run: (c) => fold(c, maximum),
  }),
  operator({
    name: "Min",
    since: [6, 8, 12, 13],
    inputs: [1, Infinity],
    run: (c) => fold(c, minimum),
  }),
  operator({
    name: "Clip",
    since: [6, 11, 12, 13],
    inputs: [1, 3],
    attributes: { min: float(), max: float(), consumed_inputs: integers() },
    passes: [0],
    run: (c, { min, max }) => {
      const low = min ?? bound(c, 1);
      const high = max ?? bound(c, 2);
      return clip(c.tensor(0), low, high);
    },
  }),
];

/** A bound of `Clip`: a number where it is known. */
function bound(c: OperatorContext, input: number): Tensor | number | null {
  if (!c.has(input)) return null;
  const { constant } = c.value(input);
  return constant !== null && constant.data.length === 1 ? constant.data[0] : c.tensor(input);
}
