/**
 * The base of every network and layer.
 *
 * @module
 */

import { type DType, isFloat } from "../base/dtype.ts";
import { ArgumentError, DTypeError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { StateDictError } from "./errors.ts";
import { stateOf } from "./state.ts";

/** Options of `Module.loadStateDict`. */
export interface LoadStateDictOptions {
  /** Throw for names that are missing or unknown; true by default. Shapes must always fit. */
  strict?: boolean;
}

/**
 * The base class of networks and layers, as `torch.nn.Module`: a subclass has its layers and parameters as fields and
 * computes in `forward`.
 *
 * Fields that hold a tensor made by `parameter` or `buffer`, a `Module`, or an array or plain object of these are found
 * by themselves; private `#fields` are not. Names are PyTorch's, dotted: `conv1.weight`.
 *
 * @example
 * ```ts
 * import { ones, Tensor } from "@tangents/ntk";
 * import { Linear, Module } from "@tangents/ntk/nn";
 * class Net extends Module {
 *   first = new Linear(4, 8);
 *   second = new Linear(8, 2);
 *   forward(x: Tensor): Tensor {
 *     return this.second.forward(this.first.forward(x).relu());
 *   }
 * }
 * const net = new Net();
 * console.log(Object.keys(net.namedParameters())); // first.weight, first.bias, second.weight, second.bias
 * console.log(net.forward(ones([5, 4])).shape); // [5, 2]
 * ```
 */
export abstract class Module {
  /**
   * Names of fields in state dicts where they are not the fields' own: `{ runningMean: "running_mean" }`. An empty name
   * leaves the level out.
   */
  static readonly stateNames: Readonly<Record<string, string>> = {};
  /** Names that PyTorch stores beside this module's state and that have no meaning here; `loadStateDict` skips them. */
  static readonly ignoredState: readonly string[] = [];

  /** Whether the module is in training mode; see `train` and `eval`. */
  training = true;

  /** Computes the module's result. */
  abstract forward(...args: never[]): unknown;

  /**
   * The parameters by name, each once: a parameter in two places has the first of its names.
   *
   * @example
   * ```ts
   * import { Linear } from "@tangents/ntk/nn";
   * const { weight, bias } = new Linear(3, 2).namedParameters();
   * console.log(weight.shape, bias.shape); // [2, 3] [2]
   * ```
   */
  namedParameters(): Record<string, Tensor> {
    return this.#named("parameter");
  }

  /** The buffers by name, each once. */
  namedBuffers(): Record<string, Tensor> {
    return this.#named("buffer");
  }

  #named(kind: "parameter" | "buffer"): Record<string, Tensor> {
    const found = new Map<Tensor, string>();
    for (const slot of stateOf(this).slots) {
      const value = slot.get();
      if (slot.kind === kind && !found.has(value)) found.set(value, slot.name);
    }
    return Object.fromEntries([...found].map(([value, name]) => [name, value]));
  }

  /** The parameters, each once. */
  parameters(): Tensor[] {
    return Object.values(this.namedParameters());
  }

  /** The number of trained numbers. */
  parameterCount(): number {
    return this.parameters().reduce((sum, { size }) => sum + size, 0);
  }

  /** This module and all below it, by name; its own name is "". */
  namedModules(): Record<string, Module> {
    return Object.fromEntries(stateOf(this).modules);
  }

  /**
   * The modules and the shapes of what they hold, one a line.
   *
   * @example
   * ```ts
   * import { Linear, ReLU, Sequential } from "@tangents/ntk/nn";
   * console.log(new Sequential(new Linear(4, 8), new ReLU()));
   * // Sequential, 40 parameters
   * //   0: Linear, weight [8, 4], bias [8]
   * //   1: ReLU
   * ```
   */
  toString(): string {
    const { slots, modules } = stateOf(this);
    // A tensor in an array or object belongs to the module around it, the one with the longest path.
    const inside = (name: string, path: string): boolean =>
      path === "" || name.startsWith(`${path}.`);
    const ownerOf = (name: string): string =>
      modules.map(([path]) => path).filter((path) => inside(name, path))
        .reduce((a, b) => a.length >= b.length ? a : b);
    const lines = modules.map(([path, module]) => {
      const own = slots.filter(({ name }) => ownerOf(name) === path);
      const shapes = own.map(({ name, get }) =>
        `${path === "" ? name : name.slice(path.length + 1)} ${formatShape(get().shape)}`
      );
      const title = path === ""
        ? `${module.constructor.name}, ${this.parameterCount()} parameters`
        : `  ${path}: ${module.constructor.name}`;
      return [title, ...shapes].join(", ");
    });
    return lines.join("\n");
  }

  /** What `console.log` shows in Deno. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  /** What `console.log` shows in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  /** Sets training mode here and below; returns the module. */
  train(mode = true): this {
    for (const [, module] of stateOf(this).modules) module.training = mode;
    return this;
  }

  /** Sets evaluation mode here and below: dropout passes, batch normalization uses its stored statistics. */
  eval(): this {
    return this.train(false);
  }

  /** Parameters and buffers by name; a shared one under all its names. */
  stateDict(): Record<string, Tensor> {
    return Object.fromEntries(stateOf(this).slots.map((slot) => [slot.name, slot.get()]));
  }

  /**
   * Takes parameters and buffers from a dictionary, converted to the dtypes that the module has. Nothing changes if
   * anything does not fit. Returns the module.
   *
   * Throws a `StateDictError` that lists every missing and unknown name (unless `strict` is false) and every wrong shape.
   *
   * @example
   * ```ts
   * import { ones, zeros } from "@tangents/ntk";
   * import { Linear } from "@tangents/ntk/nn";
   * const layer = new Linear(2, 1).loadStateDict({ weight: ones([1, 2]), bias: zeros([1]) });
   * console.log(await layer.forward(ones([2])).toArray()); // [2]
   * ```
   */
  loadStateDict(
    dict: Readonly<Record<string, Tensor>>,
    options: LoadStateDictOptions = {},
  ): this {
    const { strict = true } = options;
    if (typeof dict !== "object" || dict === null) {
      throw new ArgumentError(
        `loadStateDict: expected an object of tensors by name, got ${String(dict)}`,
      );
    }
    const { slots, modules } = stateOf(this);
    const ignored = new Set(
      modules.flatMap(([name, module]) =>
        (module.constructor as typeof Module).ignoredState.map((key) =>
          name === "" ? key : `${name}.${key}`
        )
      ),
    );
    const names = new Set(slots.map(({ name }) => name));
    const missing = slots.map(({ name }) => name).filter((name) => !Object.hasOwn(dict, name));
    const unexpected = Object.keys(dict).filter((name) => !names.has(name) && !ignored.has(name));
    const mismatched: string[] = [];
    const shapes: string[] = [];
    const fitting = slots.filter(({ name }) => Object.hasOwn(dict, name));
    for (const { name, get } of fitting) {
      const given = dict[name];
      if (!(given instanceof Tensor)) {
        throw new ArgumentError(
          `loadStateDict: ${JSON.stringify(name)} is ${String(given)}; expected a Tensor`,
        );
      }
      if (sameShape(given.shape, get().shape)) continue;
      mismatched.push(name);
      shapes.push(
        `${name} has shape ${formatShape(given.shape)}, expected ${formatShape(get().shape)}`,
      );
    }
    const problems = [
      ...strict && missing.length > 0 ? [`missing: ${missing.join(", ")}`] : [],
      ...strict && unexpected.length > 0 ? [`unknown: ${unexpected.join(", ")}`] : [],
      ...shapes,
    ];
    if (problems.length > 0) {
      throw new StateDictError(
        `loadStateDict: the dictionary does not fit ${this.constructor.name}: ${
          problems.join("; ")
        }`,
        missing,
        unexpected,
        mismatched,
      );
    }
    for (const { name, get, set } of fitting) set(retainedAs(dict[name], get().dtype));
    return this;
  }

  /**
   * Converts all floating point parameters and buffers to a dtype; returns the module.
   *
   * Throws a `DTypeError` for a dtype that is not floating point.
   *
   * @example
   * ```ts
   * import { Linear } from "@tangents/ntk/nn";
   * console.log(new Linear(2, 2).to("float64").weight.dtype); // float64
   * ```
   */
  to(dtype: DType): this {
    if (!isFloat(dtype)) {
      throw new DTypeError(`Module.to: expected float32 or float64, got ${String(dtype)}`);
    }
    const converted = new Map<Tensor, Tensor>();
    for (const { get, set } of stateOf(this).slots) {
      const value = get();
      if (!isFloat(value.dtype)) continue;
      if (!converted.has(value)) converted.set(value, retainedAs(value, dtype));
      set(converted.get(value)!);
    }
    return this;
  }
}

/** The tensor in a dtype, computed once. */
function retainedAs(x: Tensor, dtype: DType): Tensor {
  const result = x.to(dtype);
  if (result !== x) result.retained = true;
  return result;
}
