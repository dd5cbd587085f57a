/**
 * Initial values of parameters: PyTorch's default distributions, from a seed.
 *
 * @module
 */

import { ArgumentError, DTypeError } from "../base/errors.ts";
import type { Shape } from "../base/shape.ts";
import { fromHost, ones, zeros } from "../core/operations/creation.ts";
import { normal, uniform } from "../core/operations/random.ts";
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

/**
 * The generator's next key. It is made on the host by SplitMix64 (Steele, Lea, Flood 2014): as data rather than as part
 * of the graph, so that all layers of one shape share a program, and unlike any key of `randomKey` with a small seed.
 */
function takeKey(generator: Generator): Tensor {
  const wrap = (x: bigint): bigint => BigInt.asUintN(64, x);
  let z = wrap(BigInt(generator.seed) + BigInt(++generator.count) * 0x9e3779b97f4a7c15n);
  z = wrap((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = wrap((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  z ^= z >> 31n;
  return fromHost(Uint32Array.of(Number(z >> 32n), Number(z & 0xffffffffn)), [2], "uint32");
}

/**
 * The next key after `manualSeed`: for the initial values of parameters of one's own, and for layers that draw while they
 * run.
 *
 * @example
 * ```ts
 * import { random } from "@tangents/ntk";
 * import { nextKey, parameter } from "@tangents/ntk/nn";
 * const positions = parameter(random.normal(nextKey(), [12, 32], { std: 0.02 }));
 * console.log(positions.shape); // [12, 32]
 * ```
 */
export function nextKey(): Tensor {
  return takeKey(globalGenerator);
}

/** What a layer takes its initial values from. */
export class Initializer {
  /** The dtype of what is made. */
  readonly dtype: "float32" | "float64";
  readonly #generator: Generator;

  /** From a layer's options. Throws an `ArgumentError` or a `DTypeError` for options that are not valid. */
  constructor(options: ParameterOptions, where: string) {
    if (typeof options !== "object" || options === null) {
      throw new ArgumentError(`${where}: expected an object of options, got ${String(options)}`);
    }
    const { dtype = "float32", seed } = options;
    if (dtype !== "float32" && dtype !== "float64") {
      throw new DTypeError(`${where}: dtype is ${String(dtype)}; expected float32 or float64`);
    }
    this.dtype = dtype;
    this.#generator = seed === undefined
      ? globalGenerator
      : { seed: checkSeed(seed, where), count: 0 };
  }

  /** Uniform numbers from −bound to bound. */
  uniform(shape: Shape, bound: number): Tensor {
    const range = { low: -bound, high: bound, dtype: this.dtype };
    return uniform(takeKey(this.#generator), shape, range);
  }

  /** Standard normal numbers. */
  normal(shape: Shape): Tensor {
    return normal(takeKey(this.#generator), shape, { dtype: this.dtype });
  }

  /** Ones. */
  ones(shape: Shape): Tensor {
    return ones(shape, { dtype: this.dtype });
  }

  /** Zeros. */
  zeros(shape: Shape): Tensor {
    return zeros(shape, { dtype: this.dtype });
  }
}

/**
 * PyTorch's default for a weight of linear and convolutional layers and for their biases: uniform within 1 / √fanIn. For
 * weights it is the Kaiming distribution of He et al. (2015) with a = √5.
 */
export function uniformByFanIn(init: Initializer, shape: Shape, fanIn: number): Tensor {
  return init.uniform(shape, 1 / Math.sqrt(fanIn));
}
