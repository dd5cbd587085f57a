/**
 * Initial values of parameters: PyTorch's default distributions, from a seed.
 *
 * @module
 */

import type { DType } from "../base/dtype.ts";
import { ArgumentError, DTypeError } from "../base/errors.ts";
import { type Shape, sizeOf } from "../base/shape.ts";
import { apply } from "../core/apply.ts";
import { fromHost } from "../core/operations/creation.ts";
import { tensor } from "../core/operations/creation.ts";
import type { Tensor } from "../core/tensor.ts";

/** Options of every layer with parameters. */
export interface ParameterOptions {
  /** The dtype of the parameters: "float32" (the default) or "float64". */
  dtype?: "float32" | "float64";
  /** A seed of this layer's own; without one the next numbers after `manualSeed` are taken. */
  seed?: number;
}

/** A source of keys: each draw takes the next. */
interface Generator {
  readonly seed: number;
  count: number;
}

let globalGenerator: Generator = { seed: 0, count: 0 };

function checkSeed(seed: number, where: string): number {
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new ArgumentError(`${where}: the seed is ${String(seed)}; expected an integer ≥ 0`);
}

/**
 * Starts the random numbers of all layers made from now on anew: the same seed gives the same parameters, on every
 * backend. Without a call the seed is 0.
 *
 * Throws an `ArgumentError` for a seed that is not an integer ≥ 0.
 *
 * @example
 * ```ts
 * import { Linear, manualSeed } from "@tangents/ntk/nn";
 * manualSeed(1);
 * const first = new Linear(2, 2);
 * manualSeed(1);
 * console.log(await first.weight.equal(new Linear(2, 2).weight).all().toArray()); // true
 * ```
 */
export function manualSeed(seed: number): void {
  globalGenerator = { seed: checkSeed(seed, "manualSeed"), count: 0 };
}

/** What a layer draws its initial values from. */
export class Initializer {
  /** The dtype of what is drawn. */
  readonly dtype: DType;
  readonly #generator: Generator;

  /** From a layer's options. Throws an `ArgumentError` or a `DTypeError` for options that are not valid. */
  constructor(options: ParameterOptions, where: string) {
    const { dtype = "float32", seed } = options;
    if (dtype !== "float32" && dtype !== "float64") {
      throw new DTypeError(`${where}: dtype is ${String(dtype)}; expected float32 or float64`);
    }
    this.dtype = dtype;
    this.#generator = seed === undefined
      ? globalGenerator
      : { seed: checkSeed(seed, where), count: 0 };
  }

  /** The next key. */
  #key(): Tensor {
    const { seed } = this.#generator;
    // Threefry takes any two words as a key; the count is far below the bits that a large seed adds to it.
    const high = Math.floor(seed / 2 ** 32) * 2 ** 11;
    const words = Uint32Array.of(seed, (high + this.#generator.count++) >>> 0);
    return fromHost(words, [2], "uint32");
  }

  /** Uniform numbers from −bound to bound. */
  uniform(shape: Shape, bound: number): Tensor {
    const bits = apply("randomBits", { length: sizeOf(shape) }, this.#key());
    const shifted = apply(
      "shiftRight",
      {},
      bits,
      tensor([8], { dtype: "uint32" }).broadcastTo(bits.shape),
    );
    return shifted.to(this.dtype).mul(2 ** -24).sub(0.5).mul(2 * bound).reshape(shape);
  }
}

/**
 * PyTorch's default for a weight of linear and convolutional layers and for their biases: uniform within 1 / √fanIn. For
 * weights it is the Kaiming distribution of He et al. (2015) with a = √5.
 */
export function uniformByFanIn(init: Initializer, shape: Shape, fanIn: number): Tensor {
  return init.uniform(shape, fanIn > 0 ? 1 / Math.sqrt(fanIn) : 0);
}
