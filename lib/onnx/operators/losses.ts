/**
 * Losses of classes.
 *
 * @module
 */

import { where } from "../../core/operations/arithmetic.ts";
import { takeAlongAxis } from "../../core/operations/indexing.ts";
import type { Tensor } from "../../core/tensor.ts";
import { integer, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";

const attributes = { ignore_index: integer(), reduction: text("mean") };

/** −weight · log-probability of each target, reduced; inputs 1 and 2 are the targets and the classes' weights. */
function likelihoodLoss(
  context: OperatorContext,
  logProbabilities: Tensor,
  { ignore_index, reduction }: { ignore_index: number | undefined; reduction: string },
): Tensor {
  const [target, weight] = [context.tensor(1), context.optionalTensor(2)];
  const counted = ignore_index === undefined ? null : target.notEqual(ignore_index);
  const index = counted === null ? target : where(counted, target, 0);
  const picked = takeAlongAxis(logProbabilities, index.unsqueeze(1), 1).squeeze(1);
  const chosen = weight?.take(index, 0) ?? null;
  const included = counted?.to(picked.dtype) ?? null;
  const weights = chosen === null ? included : included === null ? chosen : chosen.mul(included);
  const losses = weights === null ? picked.neg() : picked.mul(weights).neg();
  switch (reduction) {
    case "none":
      return losses;
    case "sum":
      return losses.sum();
    case "mean":
      return weights === null ? losses.mean() : losses.sum().div(weights.sum());
    default:
      return context.fail(
        `reduction is ${JSON.stringify(reduction)}, expected "none", "sum" or "mean"`,
      );
  }
}

/** Losses of classes. */
export const losses: readonly Operator[] = [
  operator({
    name: "NegativeLogLikelihoodLoss",
    since: [12, 13, 22],
    inputs: [2, 3],
    attributes,
    run: (c, values) => likelihoodLoss(c, c.tensor(0), values),
  }),
  operator({
    name: "SoftmaxCrossEntropyLoss",
    since: [12, 13],
    inputs: [2, 3],
    attributes,
    run: (c, values) => {
      const logProbabilities = c.tensor(0).logSoftmax(1);
      return [likelihoodLoss(c, logProbabilities, values), logProbabilities];
    },
  }),
];
