/**
 * Activations.
 *
 * @module
 */

import {
  celu,
  elu,
  gelu,
  hardswish,
  leakyRelu,
  logSigmoid,
  logSoftmax,
  mish,
  relu,
  softmax,
  softsign,
} from "../../core/operations/activations.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { clip, sigmoid, tanh } from "../../core/operations/functions.ts";
import type { Tensor } from "../../core/tensor.ts";
import { normalizeAxis, sizeOf } from "../../base/shape.ts";
import { type Attribute, float, integer, integers, text } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";

// Inputs whose memory the first versions took over.
const consumed = { consumed_inputs: integers([]) };

function activation(name: string, since: readonly number[], f: (x: Tensor) => Tensor): Operator {
  return operator({ name, since, inputs: 1, attributes: consumed, run: (c) => f(c.tensor(0)) });
}

/** An activation with one number. */
function shaped(
  name: string,
  since: readonly number[],
  alpha: number,
  f: (x: Tensor, alpha: number) => Tensor,
): Operator {
  const attributes = { alpha: float(alpha), ...consumed };
  return operator({
    name,
    since,
    inputs: 1,
    attributes,
    run: (c, given) => f(c.tensor(0), given.alpha),
  });
}

/** An activation with two numbers. */
function twiceShaped(
  name: string,
  since: readonly number[],
  first: readonly [name: string, initial: number],
  second: readonly [name: string, initial: number],
  f: (x: Tensor, alpha: number, beta: number) => Tensor,
): Operator {
  const attributes: Record<string, Attribute<number>> = {
    [first[0]]: float(first[1]),
    [second[0]]: float(second[1]),
  };
  return operator({
    name,
    since,
    inputs: 1,
    attributes,
    run: (c, given) => f(c.tensor(0), given[first[0]], given[second[0]]),
  });
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

/** max(0, min(1, alpha·x + beta)). */
export function hardSigmoid(x: Tensor, alpha: number, beta: number): Tensor {
  return clip(x.mul(alpha).add(beta), 0, 1);
}

/** log(1 + eˣ). */
export function softplus(x: Tensor): Tensor {
  return logSigmoid(x.neg()).neg();
}

/** x where it is above the threshold, else 0. */
export function thresholdedRelu(x: Tensor, threshold: number): Tensor {
  return where(x.greater(threshold), x, 0);
}

function shrink(x: Tensor, lambda: number, bias: number): Tensor {
  return where(x.less(-lambda), x.add(bias), where(x.greater(lambda), x.sub(bias), 0));
}

function swish(x: Tensor, alpha: number): Tensor {
  return x.mul(x.mul(alpha).sigmoid());
}

/** Activations. */
export const activations: readonly Operator[] = [
  activation("Relu", [6, 13, 14], relu),
  activation("Sigmoid", [6, 13], sigmoid),
  activation("Tanh", [6, 13], tanh),
  activation("Softplus", [1, 22], softplus),
  activation("Softsign", [1, 22], softsign),
  activation("Mish", [18, 22], mish),
  activation("HardSwish", [14, 22], hardswish),
  shaped("Celu", [12, 28], 1, celu),
  shaped("Elu", [6, 22], 1, elu),
  shaped("LeakyRelu", [6, 16], 0.01, leakyRelu),
  shaped("Swish", [24], 1, swish),
  shaped("ThresholdedRelu", [10, 22], 1, thresholdedRelu),
  twiceShaped("HardSigmoid", [6, 22], ["alpha", 0.2], ["beta", 0.5], hardSigmoid),
  twiceShaped("Shrink", [9], ["lambd", 0.5], ["bias", 0], shrink),
  // The defaults of ONNX, which are the nearest float32.
  twiceShaped(
    "Selu",
    [6, 22],
    ["alpha", 1.67326319217681884765625],
    ["gamma", 1.05070102214813232421875],
    (x, alpha, gamma) => elu(x, alpha).mul(gamma),
  ),
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
  operator({
    name: "PRelu",
    since: [7, 9, 16],
    inputs: 2,
    trainable: [1],
    run: (c) => {
      const [x, slope] = c.tensors();
      return where(x.less(0), x.mul(slope), x);
    },
  }),
  operator({
    name: "SwiGLU",
    since: [28],
    inputs: 2,
    attributes: { alpha: float(1) },
    run: (c, { alpha }) => swish(c.tensor(0), alpha).mul(c.tensor(1)),
  }),
  overAxis("Softmax", softmax),
  overAxis("LogSoftmax", logSoftmax),
];
