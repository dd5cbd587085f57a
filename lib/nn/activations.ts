/**
 * Activations as layers: the smooth ones and those of the ReLU family.
 *
 * @module
 */

import {
  celu,
  elu,
  gelu,
  type GeluOptions,
  leakyRelu,
  logSigmoid,
  mish,
  relu,
  relu6,
  selu,
  silu,
  softplus,
  type SoftplusOptions,
  softsign,
} from "../core/operations/activations.ts";
import { sigmoid, tanh } from "../core/operations/functions.ts";
import type { Tensor } from "../core/tensor.ts";
import { Module } from "./module.ts";

/**
 * max(x, 0), as a layer; see `relu`. As `torch.nn.ReLU`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { ReLU } from "@tangents/ntk/nn";
 * console.log(await new ReLU().forward(tensor([-1, 0, 2])).toArray()); // [0, 0, 2]
 * ```
 */
export class ReLU extends Module {
  /** Max(x, 0). */
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/**
 * x limited to [0, 6], as a layer; see `relu6`. As `torch.nn.ReLU6`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { ReLU6 } from "@tangents/ntk/nn";
 * console.log(await new ReLU6().forward(tensor([-1, 3, 9])).toArray()); // [0, 3, 6]
 * ```
 */
export class ReLU6 extends Module {
  /** x limited to [0, 6]. */
  forward(x: Tensor): Tensor {
    return relu6(x);
  }
}

/**
 * x where x > 0, else slope · x, as a layer; see `leakyRelu`. As `torch.nn.LeakyReLU`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { LeakyReLU } from "@tangents/ntk/nn";
 * console.log(await new LeakyReLU().forward(tensor([-100, 2])).toArray()); // [-1, 2]
 * ```
 */
export class LeakyReLU extends Module {
  /** The slope below 0. */
  readonly slope: number;

  /** The layer with the parameters of `leakyRelu`. */
  constructor(slope: number = 0.01) {
    super();
    this.slope = slope;
  }

  /** x where x > 0, else slope · x. */
  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.slope);
  }
}

/**
 * x where x > 0, else alpha · (eˣ − 1), as a layer; see `elu`. As `torch.nn.ELU`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { ELU } from "@tangents/ntk/nn";
 * console.log(await new ELU().forward(tensor([-1, 1])).toArray()); // [-0.632…, 1]
 * ```
 */
export class ELU extends Module {
  /** The limit at −∞, negated. */
  readonly alpha: number;

  /** The layer with the parameters of `elu`. */
  constructor(alpha: number = 1) {
    super();
    this.alpha = alpha;
  }

  /** x where x > 0, else alpha · (eˣ − 1). */
  forward(x: Tensor): Tensor {
    return elu(x, this.alpha);
  }
}

/**
 * `elu` with the constants that keep activations normalized, as a layer; see `selu`. As `torch.nn.SELU`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { SELU } from "@tangents/ntk/nn";
 * console.log(await new SELU().forward(tensor([-1, 1])).toArray()); // [-1.111…, 1.050…]
 * ```
 */
export class SELU extends Module {
  /** `elu` with the constants that keep activations normalized. */
  forward(x: Tensor): Tensor {
    return selu(x);
  }
}

/**
 * x where x > 0, else alpha · (e^(x / alpha) − 1), as a layer; see `celu`. As `torch.nn.CELU`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { CELU } from "@tangents/ntk/nn";
 * console.log(await new CELU().forward(tensor([-1, 1])).toArray()); // [-0.632…, 1]
 * ```
 */
export class CELU extends Module {
  /** The limit at −∞, negated. */
  readonly alpha: number;

  /** The layer with the parameters of `celu`. */
  constructor(alpha: number = 1) {
    super();
    this.alpha = alpha;
  }

  /** x where x > 0, else alpha · (e^(x / alpha) − 1). */
  forward(x: Tensor): Tensor {
    return celu(x, this.alpha);
  }
}

/**
 * x · Φ(x), where Φ is the normal distribution function, as a layer; see `gelu`. As `torch.nn.GELU`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { GELU } from "@tangents/ntk/nn";
 * console.log(await new GELU().forward(tensor([-1, 0, 1])).toArray()); // [-0.158…, 0, 0.841…]
 * ```
 */
export class GELU extends Module {
  /** Whether Φ is exact or approximated by tanh. */
  readonly options: GeluOptions;

  /** The layer with the parameters of `gelu`. */
  constructor(options: GeluOptions = {}) {
    super();
    this.options = options;
  }

  /** x · Φ(x), where Φ is the normal distribution function. */
  forward(x: Tensor): Tensor {
    return gelu(x, this.options);
  }
}

/**
 * x · sigmoid(x), as a layer; see `silu`. As `torch.nn.SiLU`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { SiLU } from "@tangents/ntk/nn";
 * console.log(await new SiLU().forward(tensor([-1, 0, 1])).toArray()); // [-0.268…, 0, 0.731…]
 * ```
 */
export class SiLU extends Module {
  /** x · sigmoid(x). */
  forward(x: Tensor): Tensor {
    return silu(x);
  }
}

/**
 * x · tanh(log(1 + eˣ)), as a layer; see `mish`. As `torch.nn.Mish`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Mish } from "@tangents/ntk/nn";
 * console.log(await new Mish().forward(tensor([-1, 0, 1])).toArray()); // [-0.303…, 0, 0.865…]
 * ```
 */
export class Mish extends Module {
  /** x · tanh(log(1 + eˣ)). */
  forward(x: Tensor): Tensor {
    return mish(x);
  }
}

/**
 * log(1 + e^(beta · x)) / beta, as a layer; see `softplus`. As `torch.nn.Softplus`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Softplus } from "@tangents/ntk/nn";
 * console.log(await new Softplus().forward(tensor([0, 100])).toArray()); // [0.693…, 100]
 * ```
 */
export class Softplus extends Module {
  /** Sharpness, and where the function becomes x itself. */
  readonly options: SoftplusOptions;

  /** The layer with the parameters of `softplus`. */
  constructor(options: SoftplusOptions = {}) {
    super();
    this.options = options;
  }

  /** Log(1 + e^(beta · x)) / beta. */
  forward(x: Tensor): Tensor {
    return softplus(x, this.options);
  }
}

/**
 * x / (1 + |x|), as a layer; see `softsign`. As `torch.nn.Softsign`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Softsign } from "@tangents/ntk/nn";
 * console.log(await new Softsign().forward(tensor([-1, 3])).toArray()); // [-0.5, 0.75]
 * ```
 */
export class Softsign extends Module {
  /** x / (1 + |x|). */
  forward(x: Tensor): Tensor {
    return softsign(x);
  }
}

/**
 * The hyperbolic tangent, as a layer; see `tanh`. As `torch.nn.Tanh`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Tanh } from "@tangents/ntk/nn";
 * console.log(await new Tanh().forward(tensor([0, 1])).toArray()); // [0, 0.761…]
 * ```
 */
export class Tanh extends Module {
  /** The hyperbolic tangent. */
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/**
 * 1 / (1 + e⁻ˣ), as a layer; see `sigmoid`. As `torch.nn.Sigmoid`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { Sigmoid } from "@tangents/ntk/nn";
 * console.log(await new Sigmoid().forward(tensor([0, 1])).toArray()); // [0.5, 0.731…]
 * ```
 */
export class Sigmoid extends Module {
  /** 1 / (1 + e⁻ˣ). */
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/**
 * log(sigmoid(x)), as a layer; see `logSigmoid`. As `torch.nn.LogSigmoid`.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * import { LogSigmoid } from "@tangents/ntk/nn";
 * console.log(await new LogSigmoid().forward(tensor([-100, 0])).toArray()); // [-100, -0.693…]
 * ```
 */
export class LogSigmoid extends Module {
  /** Log(sigmoid(x)). */
  forward(x: Tensor): Tensor {
    return logSigmoid(x);
  }
}
