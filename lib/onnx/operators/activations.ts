/**
 * Activations.
 *
 * @module
 */

import { gelu, logSoftmax, relu, softmax } from "../../core/operations/activations.ts";
import { sigmoid, tanh } from "../../core/operations/functions.ts";
import type { Tensor } from "../../core/tensor.ts";
import { normalizeAxis, sizeOf } from "../../base/shape.ts";
import { integer, integers, text } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";

function activation(name: string, since: readonly number[], f: (x: Tensor) => Tensor): Operator {
  const attributes = { consumed_inputs: integers([]) };
  return operator({ name, since, inputs: 1, attributes, run: (c) => f(c.tensor(0)) });
}

/** Before version 13, over all axes from the given one on, axis 1 by default; from then on over one axis, the last. */
export function overAxis(name: string, f: (x: Tensor, axis: number) => Tensor): Operator {
  return operator({
    name,
    since: [1, 11, 13],
    inputs: 1,
    attributes: { axis: integer() },
    run: (c, { axis }) => {
      const x = c.tensor(0);
      if (c.version >= 13) return f(x, axis ?? -1);
      const at = (axis ?? 1) === x.rank ? x.rank : normalizeAxis(axis ?? 1, x.rank, "axis");
      const rows = sizeOf(x.shape.slice(0, at));
      return f(x.reshape([rows, sizeOf(x.shape.slice(at))]), 1).reshape(x.shape);
    },
  });
}

/** Activations. */
export const activations: readonly Operator[] = [
  activation("Relu", [6, 13, 14], relu),
  activation("Sigmoid", [6, 13], sigmoid),
  activation("Tanh", [6, 13], tanh),
  operator({
    name: "Gelu",
    since: [20],
    inputs: 1,
    attributes: { approximate: text("none") },
    run: (c, { approximate }) => {
      if (approximate === "none" || approximate === "tanh") {
        return gelu(c.tensor(0), { approximate });
      }
      return c.fail(`approximate is ${JSON.stringify(approximate)}, expected "none" or "tanh"`);
    },
  }),
  overAxis("Softmax", softmax),
  overAxis("LogSoftmax", logSoftmax),
];
