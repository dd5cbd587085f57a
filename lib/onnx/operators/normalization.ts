/**
 * Normalizations.
 *
 * @module
 */

import { normalizeAxis, range } from "../../base/shape.ts";
import { batchNorm, instanceNorm } from "../../core/operations/normalization.ts";
import { flag, float, integer, integers } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";

/** Normalizations. */
export const normalization: readonly Operator[] = [
  operator({
    name: "BatchNormalization",
    since: [7, 9, 14, 15],
    inputs: 5,
    attributes: {
      epsilon: float(1e-5),
      momentum: float(0.9),
      training_mode: flag(false),
      consumed_inputs: integers([]),
    },
    // The statistics are measured, not trained.
    trainable: [1, 2],
    run: (c, { epsilon, training_mode }) => {
      if (training_mode !== 0 || range(4).some((i) => c.wants(i + 1))) {
        c.fail(
          "the file was exported in training mode, in which the examples of a batch depend on each other; export it for evaluation",
        );
      }
      const [x, weight, bias, mean, variance] = c.tensors();
      return batchNorm(x, mean, variance, { weight, bias, epsilon });
    },
  }),
  operator({
    name: "InstanceNormalization",
    since: [6, 22],
    inputs: 3,
    attributes: { epsilon: float(1e-5), consumed_inputs: integers([]) },
    trainable: [1, 2],
    run: (c, { epsilon }) => {
      const [x, weight, bias] = c.tensors();
      return instanceNorm(x, { weight, bias, epsilon });
    },
  }),
  operator({
    name: "LayerNormalization",
    since: [17],
    inputs: [2, 3],
    attributes: { axis: integer(-1), epsilon: float(1e-5), stash_type: integer(1) },
    trainable: [1, 2],
    run: (c, { axis, epsilon }) => {
      const [x, weight, bias] = [c.tensor(0), c.tensor(1), c.optionalTensor(2)];
      const axes = range(x.rank).slice(normalizeAxis(axis, x.rank, "axis"));
      const mean = x.mean(axes, { keepDims: true });
      const centered = x.sub(mean);
      const scale = centered.square().mean(axes, { keepDims: true }).add(epsilon).rsqrt();
      const scaled = centered.mul(scale).mul(weight);
      return [bias === null ? scaled : scaled.add(bias), mean, scale];
    },
  }),
];
