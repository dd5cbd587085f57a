/**
 * Normalizations.
 *
 * @module
 */

import { normalizeAxis, range } from "../../base/shape.ts";
import { apply } from "../../core/apply.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { batchNorm, groupNorm, instanceNorm } from "../../core/operations/normalization.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, float, integer, integers, required } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";

/** The trailing axes from one on. */
function axesFrom(x: Tensor, axis: number): number[] {
  return range(x.rank).slice(normalizeAxis(axis, x.rank, "axis"));
}

/** Version 7 has statistics for each element of an example where `spatial` is 0. */
function normalizeElements(x: Tensor, given: readonly Tensor[], epsilon: number): Tensor {
  const [weight, bias, mean, variance] = given;
  return x.sub(mean).mul(weight.mul(variance.add(epsilon).rsqrt())).add(bias);
}

/** Groups of channels; the weight has an entry for each group before version 21, and one for each channel since. */
function normalizeGroups(
  context: OperatorContext,
  groups: number,
  epsilon: number,
): Tensor {
  const [x, weight, bias] = context.tensors();
  const [, channels] = x.shape;
  if (weight.size === channels) return groupNorm(x, groups, { weight, bias, epsilon });
  if (weight.size !== groups || bias.size !== groups || channels % groups !== 0) {
    context.fail(
      `a weight of ${weight.size} and a bias of ${bias.size} numbers for ${channels} channels in ${groups} groups`,
    );
  }
  const spread = (values: Tensor): Tensor =>
    values.unsqueeze(1).broadcastTo([groups, channels / groups]).reshape([channels]);
  return groupNorm(x, groups, { weight: spread(weight), bias: spread(bias), epsilon });
}

/** x / (bias + alpha / size · Σ x² over the neighbouring channels)^beta. */
function localResponse(
  x: Tensor,
  size: number,
  { alpha, beta, bias }: { alpha: number; beta: number; bias: number },
): Tensor {
  const most = x.shape[1] - 1;
  const low = Math.min(most, Math.floor((size - 1) / 2));
  const high = Math.min(most, Math.ceil((size - 1) / 2));
  const squares = x.square().moveAxis(1, -1);
  const padded = squares.pad(squares.shape.map((_, i) => i + 1 < x.rank ? [0, 0] : [low, high]));
  const windows = { kernel: [low + high + 1], strides: [1], dilation: [1] };
  const sums = apply("patches", windows, padded).sum(-2).moveAxis(-1, 1);
  return x.mul(sums.mul(alpha / size).add(bias).pow(-beta));
}

/** Normalizations. */
export const normalization: readonly Operator[] = [
  operator({
    name: "BatchNormalization",
    since: [7, 9, 14, 15],
    inputs: 5,
    attributes: {
      epsilon: float(1e-5),
      momentum: float(0.9),
      spatial: flag(true),
      training_mode: flag(false),
      consumed_inputs: integers([]),
    },
    // The statistics are measured, not trained.
    trainable: [1, 2],
    run: (c, { epsilon, spatial, training_mode }) => {
      if (training_mode !== 0 || range(4).some((i) => c.wants(i + 1))) {
        c.fail(
          "the file was exported in training mode, in which the examples of a batch depend on each other; export it for evaluation",
        );
      }
      const [x, ...given] = c.tensors();
      if (c.version < 9 && spatial === 0) return normalizeElements(x, given, epsilon);
      const [weight, bias, mean, variance] = given;
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
    name: "GroupNormalization",
    since: [18, 21],
    inputs: 3,
    attributes: {
      epsilon: float(1e-5),
      num_groups: required(integer()),
      stash_type: integer(1),
    },
    trainable: [1, 2],
    run: (c, { epsilon, num_groups }) => normalizeGroups(c, num_groups, epsilon),
  }),
  operator({
    name: "LayerNormalization",
    since: [17],
    inputs: [2, 3],
    attributes: { axis: integer(-1), epsilon: float(1e-5), stash_type: integer(1) },
    trainable: [1, 2],
    run: (c, { axis, epsilon }) => {
      const [x, weight, bias] = [c.tensor(0), c.tensor(1), c.optionalTensor(2)];
      const axes = axesFrom(x, axis);
      const mean = x.mean(axes, { keepDims: true });
      const centered = x.sub(mean);
      const scale = centered.square().mean(axes, { keepDims: true }).add(epsilon).rsqrt();
      const scaled = centered.mul(scale).mul(weight);
      return [bias === null ? scaled : scaled.add(bias), mean, scale];
    },
  }),
  operator({
    name: "RMSNormalization",
    since: [23],
    inputs: 2,
    attributes: { axis: integer(-1), epsilon: float(1e-5), stash_type: integer(1) },
    trainable: [1],
    run: (c, { axis, epsilon }) => {
      const [x, weight] = c.tensors();
      const power = x.square().mean(axesFrom(x, axis), { keepDims: true });
      return x.mul(power.add(epsilon).rsqrt()).mul(weight);
    },
  }),
  operator({
    name: "LRN",
    since: [1, 13],
    inputs: 1,
    attributes: {
      alpha: float(1e-4),
      beta: float(0.75),
      bias: float(1),
      size: required(integer()),
    },
    run: (c, { size, ...numbers }) => {
      const x = c.tensor(0);
      if (x.rank < 2) c.fail(`an input of shape [${x.shape.join(", ")}] has no channels`);
      if (size < 1) c.fail(`size is ${size}, expected at least 1`);
      return localResponse(x, size, numbers);
    },
  }),
  operator({
    name: "MeanVarianceNormalization",
    since: [9, 13],
    inputs: 1,
    attributes: { axes: integers([0, 2, 3]) },
    run: (c, { axes }) => {
      const x = c.tensor(0);
      const centered = x.sub(x.mean(axes, { keepDims: true }));
      const deviation = centered.square().mean(axes, { keepDims: true }).sqrt();
      return centered.div(deviation.add(1e-9));
    },
  }),
  operator({
    name: "LpNormalization",
    since: [1, 22],
    inputs: 1,
    attributes: { axis: integer(-1), p: integer(2) },
    run: (c, { axis, p }) => {
      const x = c.tensor(0);
      if (p !== 1 && p !== 2) c.fail(`p is ${p}, expected 1 or 2`);
      const at = [normalizeAxis(axis, x.rank, "axis")];
      const sum = (p === 1 ? x.abs() : x.square()).sum(at, { keepDims: true });
      // Where all is zero the result is too.
      const length = where(sum.equal(0), 1, sum);
      return x.div(p === 1 ? length : length.sqrt());
    },
  }),
];
