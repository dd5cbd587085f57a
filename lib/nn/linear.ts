/**
 * Affine maps.
 *
 * @module
 */

import { ShapeError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { checkCount } from "../core/operations/checks.ts";
import { einsum } from "../core/operations/einsum.ts";
import type { Tensor } from "../core/tensor.ts";
import { Initializer, type ParameterOptions, uniformByFanIn } from "./initialization.ts";
import { Module } from "./module.ts";
import { parameterField } from "./parameter_field.ts";

/** Options of `Linear` and `Bilinear`. */
export interface LinearOptions extends ParameterOptions {
  /** Whether to add a bias; true by default. */
  bias?: boolean;
}

/**
 * x Wᵀ + b over the last axis: input [..., inFeatures], output [..., outFeatures]. As `torch.nn.Linear`, with its names,
 * shapes and initial distribution.
 *
 * `forward` throws a `ShapeError` for an input whose last axis has another size.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { Linear } from "@tangents/ntk/nn";
 * const layer = new Linear(3, 2, { seed: 1 });
 * console.log(layer.weight.shape, layer.forward(ones([5, 3])).shape); // [2, 3] [5, 2]
 * ```
 */
export class Linear extends Module {
  /** The matrix W, [outFeatures, inFeatures]. */
  weight: Tensor;
  /** The vector b, [outFeatures], or null. */
  bias: Tensor | null;

  /** A layer of the given sizes. Throws an `ArgumentError` for sizes that are not integers ≥ 1. */
  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    checkCount(inFeatures, 1, "Linear: inFeatures");
    checkCount(outFeatures, 1, "Linear: outFeatures");
    const init = new Initializer(options, "Linear");
    const weight = uniformByFanIn(init, [outFeatures, inFeatures], inFeatures);
    this.weight = parameterField(this, "weight", weight);
    this.bias = options.bias ?? true
      ? parameterField(this, "bias", uniformByFanIn(init, [outFeatures], inFeatures))
      : null;
  }

  /** x Wᵀ + b. */
  forward(x: Tensor): Tensor {
    const [outputs, inputs] = this.weight.shape;
    if (x.shape.at(-1) !== inputs) {
      throw new ShapeError(
        `Linear(${inputs}, ${outputs}): expected an input [..., ${inputs}], got ${
          formatShape(x.shape)
        }`,
      );
    }
    const y = x.matmul(this.weight.transpose());
    return this.bias === null ? y : y.add(this.bias);
  }
}

/**
 * xᵀ A y + b for each output: inputs [..., in1Features] and [..., in2Features], output [..., outFeatures]. As
 * `torch.nn.Bilinear`, with its names, shapes and initial distribution.
 *
 * @example
 * ```ts
 * import { ones } from "@tangents/ntk";
 * import { Bilinear } from "@tangents/ntk/nn";
 * console.log(new Bilinear(3, 4, 2).forward(ones([5, 3]), ones([5, 4])).shape); // [5, 2]
 * ```
 */
export class Bilinear extends Module {
  /** The matrices A, [outFeatures, in1Features, in2Features]. */
  weight: Tensor;
  /** The vector b, [outFeatures], or null. */
  bias: Tensor | null;

  /** A layer of the given sizes. Throws an `ArgumentError` for sizes that are not integers ≥ 1. */
  constructor(
    in1Features: number,
    in2Features: number,
    outFeatures: number,
    options: LinearOptions = {},
  ) {
    super();
    checkCount(in1Features, 1, "Bilinear: in1Features");
    checkCount(in2Features, 1, "Bilinear: in2Features");
    checkCount(outFeatures, 1, "Bilinear: outFeatures");
    const init = new Initializer(options, "Bilinear");
    const weight = uniformByFanIn(init, [outFeatures, in1Features, in2Features], in1Features);
    this.weight = parameterField(this, "weight", weight);
    this.bias = options.bias ?? true
      ? parameterField(this, "bias", uniformByFanIn(init, [outFeatures], in1Features))
      : null;
  }

  /** xᵀ A y + b. Throws a `ShapeError` where the inputs do not fit. */
  forward(x: Tensor, y: Tensor): Tensor {
    const [outputs, first, second] = this.weight.shape;
    if (x.shape.at(-1) !== first || y.shape.at(-1) !== second) {
      throw new ShapeError(
        `Bilinear(${first}, ${second}, ${outputs}): expected inputs [..., ${first}] and [..., ${second}], got ${
          formatShape(x.shape)
        } and ${formatShape(y.shape)}`,
      );
    }
    const z = einsum("...i,oij,...j->...o", x, this.weight, y);
    return this.bias === null ? z : z.add(this.bias);
  }
}
