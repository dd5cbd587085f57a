/**
 * Activations as layers: piecewise linear ones, shrinkage, gates and softmax.
 *
 * @module
 */

import {
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  logSoftmax,
  prelu,
  softmax,
  softmin,
  softshrink,
  tanhshrink,
  threshold,
} from "../core/operations/activations.ts";
import { checkCount } from "../core/operations/checks.ts";
import type { Tensor } from "../core/tensor.ts";
import { Initializer, type ParameterOptions } from "./initialization.ts";
import { Module } from "./module.ts";
import { parameterField } from "./parameter_field.ts";

/** Options of `PReLU`. */
export interface PReLUOptions extends ParameterOptions {
  /** The slope below 0 before training; 0.25 by default. */
  init?: number;
}

/**
 * x where x > 0, else weight · x, with one trained slope or one for each channel; see `prelu`. As `torch.nn.PReLU`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { PReLU } from "@tangents/ntk/nn";
 * console.log(await new PReLU().forward(tensor([-4, 2])).toArray()); // [-1, 2]
 * ```
 */
export class PReLU extends Module {
  /** The slopes, [numParameters]. */
  weight: Tensor;

  /** The layer with one slope, or as many as there are channels. */
  constructor(numParameters: number = 1, options: PReLUOptions = {}) {
    super();
    checkCount(numParameters, 1, "PReLU: numParameters");
    const slopes = new Initializer(options, "PReLU").ones([numParameters]);
    this.weight = parameterField(this, "weight", slopes.mul(options.init ?? 0.25));
  }

  /** x where x > 0, else weight · x. */
  forward(x: Tensor): Tensor {
    return prelu(x, this.weight);
  }
}

/**
 * x limited to [low, high], as a layer; see `hardtanh`. As `torch.nn.Hardtanh`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Hardtanh } from "@tangents/ntk/nn";
 * console.log(await new Hardtanh().forward(tensor([-3, 0.5, 3])).toArray()); // [-1, 0.5, 1]
 * ```
 */
export class Hardtanh extends Module {
  /** The lower limit. */
  readonly low: number;
  /** The upper limit. */
  readonly high: number;

  /** The layer with the parameters of `hardtanh`. */
  constructor(low: number = -1, high: number = 1) {
    super();
    this.low = low;
    this.high = high;
  }

  /** x limited to [low, high]. */
  forward(x: Tensor): Tensor {
    return hardtanh(x, this.low, this.high);
  }
}

/**
 * (x + 3) / 6 limited to [0, 1], as a layer; see `hardsigmoid`. As `torch.nn.Hardsigmoid`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Hardsigmoid } from "@tangents/ntk/nn";
 * console.log(await new Hardsigmoid().forward(tensor([-4, 0, 4])).toArray()); // [0, 0.5, 1]
 * ```
 */
export class Hardsigmoid extends Module {
  /** (x + 3) / 6 limited to [0, 1]. */
  forward(x: Tensor): Tensor {
    return hardsigmoid(x);
  }
}

/**
 * x · hardsigmoid(x), as a layer; see `hardswish`. As `torch.nn.Hardswish`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Hardswish } from "@tangents/ntk/nn";
 * console.log(await new Hardswish().forward(tensor([-4, 1, 4])).toArray()); // [0, 0.666…, 4]
 * ```
 */
export class Hardswish extends Module {
  /** x · hardsigmoid(x). */
  forward(x: Tensor): Tensor {
    return hardswish(x);
  }
}

/**
 * x − tanh(x), as a layer; see `tanhshrink`. As `torch.nn.Tanhshrink`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Tanhshrink } from "@tangents/ntk/nn";
 * console.log(await new Tanhshrink().forward(tensor([0, 1])).toArray()); // [0, 0.238…]
 * ```
 */
export class Tanhshrink extends Module {
  /** x − tanh(x). */
  forward(x: Tensor): Tensor {
    return tanhshrink(x);
  }
}

/**
 * x moved toward 0 by lambda, as a layer; see `softshrink`. As `torch.nn.Softshrink`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Softshrink } from "@tangents/ntk/nn";
 * console.log(await new Softshrink().forward(tensor([-2, 0.25, 2])).toArray()); // [-1.5, 0, 1.5]
 * ```
 */
export class Softshrink extends Module {
  /** How far. */
  readonly lambda: number;

  /** The layer with the parameters of `softshrink`. */
  constructor(lambda: number = 0.5) {
    super();
    this.lambda = lambda;
  }

  /** x moved toward 0 by lambda. */
  forward(x: Tensor): Tensor {
    return softshrink(x, this.lambda);
  }
}

/**
 * x, or 0 where |x| ≤ lambda, as a layer; see `hardshrink`. As `torch.nn.Hardshrink`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Hardshrink } from "@tangents/ntk/nn";
 * console.log(await new Hardshrink().forward(tensor([-2, 0.25, 2])).toArray()); // [-2, 0, 2]
 * ```
 */
export class Hardshrink extends Module {
  /** What counts as 0. */
  readonly lambda: number;

  /** The layer with the parameters of `hardshrink`. */
  constructor(lambda: number = 0.5) {
    super();
    this.lambda = lambda;
  }

  /** x, or 0 where |x| ≤ lambda. */
  forward(x: Tensor): Tensor {
    return hardshrink(x, this.lambda);
  }
}

/**
 * x where x > limit, else the value, as a layer; see `threshold`. As `torch.nn.Threshold`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Threshold } from "@tangents/ntk/nn";
 * console.log(await new Threshold(1, -1).forward(tensor([0.5, 2])).toArray()); // [-1, 2]
 * ```
 */
export class Threshold extends Module {
  /** The limit. */
  readonly limit: number;
  /** What stands at and below it. */
  readonly value: number;

  /** The layer with the parameters of `threshold`. */
  constructor(limit: number, value: number) {
    super();
    this.limit = limit;
    this.value = value;
  }

  /** x where x > limit, else the value. */
  forward(x: Tensor): Tensor {
    return threshold(x, this.limit, this.value);
  }
}

/**
 * The first half along the axis times the sigmoid of the second half, as a layer; see `glu`. As `torch.nn.GLU`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { GLU } from "@tangents/ntk/nn";
 * console.log(await new GLU().forward(tensor([4, 0])).toArray()); // [2]
 * ```
 */
export class GLU extends Module {
  /** The axis. */
  readonly axis: number;

  /** The layer with the parameters of `glu`. */
  constructor(axis: number = -1) {
    super();
    this.axis = axis;
  }

  /** The first half along the axis times the sigmoid of the second half. */
  forward(x: Tensor): Tensor {
    return glu(x, this.axis);
  }
}

/**
 * eˣ along the axis, divided by its sum, as a layer; see `softmax`. As `torch.nn.Softmax`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Softmax } from "@tangents/ntk/nn";
 * console.log(await new Softmax(0).forward(tensor([0, 0, 1000])).toArray()); // [0, 0, 1]
 * ```
 */
export class Softmax extends Module {
  /** The axis. */
  readonly axis: number;

  /** The layer with the parameters of `softmax`. */
  constructor(axis: number) {
    super();
    this.axis = axis;
  }

  /** Eˣ along the axis, divided by its sum. */
  forward(x: Tensor): Tensor {
    return softmax(x, this.axis);
  }
}

/**
 * The logarithm of `softmax`, as a layer; see `logSoftmax`. As `torch.nn.LogSoftmax`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { LogSoftmax } from "@tangents/ntk/nn";
 * console.log(await new LogSoftmax(0).forward(tensor([0, 1000])).toArray()); // [-1000, 0]
 * ```
 */
export class LogSoftmax extends Module {
  /** The axis. */
  readonly axis: number;

  /** The layer with the parameters of `logSoftmax`. */
  constructor(axis: number) {
    super();
    this.axis = axis;
  }

  /** The logarithm of `softmax`. */
  forward(x: Tensor): Tensor {
    return logSoftmax(x, this.axis);
  }
}

/**
 * `softmax` of −x, as a layer; see `softmin`. As `torch.nn.Softmin`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Softmin } from "@tangents/ntk/nn";
 * console.log(await new Softmin(0).forward(tensor([0, 1000])).toArray()); // [1, 0]
 * ```
 */
export class Softmin extends Module {
  /** The axis. */
  readonly axis: number;

  /** The layer with the parameters of `softmin`. */
  constructor(axis: number) {
    super();
    this.axis = axis;
  }

  /** `softmax` of −x. */
  forward(x: Tensor): Tensor {
    return softmin(x, this.axis);
  }
}
