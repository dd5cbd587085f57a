/**
 * Which tensors of a module are parameters and which are buffers.
 *
 * @module
 */

import { isFloat } from "../base/dtype.ts";
import { ArgumentError, DTypeError } from "../base/errors.ts";
import { type NestedNumbers, tensor } from "../core/operations/creation.ts";
import { Tensor } from "../core/tensor.ts";

/** What a tensor of a module is: trained, or stored beside what is trained. */
export type StateKind = "parameter" | "buffer";

const marks = new WeakMap<Tensor, StateKind>();

function mark(value: Tensor | NestedNumbers, kind: StateKind): Tensor {
  if (value === null || value === undefined) {
    throw new ArgumentError(`${kind}: expected a Tensor or numbers, got ${String(value)}`);
  }
  const result = value instanceof Tensor ? value : tensor(value);
  // Random initial values are drawn once, not again in every program that reads them.
  result.retained = true;
  marks.set(result, kind);
  return result;
}

/** What a tensor was marked as, if it was. */
export function markOf(x: Tensor): StateKind | undefined {
  return marks.get(x);
}

/**
 * Marks a tensor as a parameter: assigned to a field of a `Module`, it is listed by `namedParameters` and replaced by
 * `functionalCall`. As `torch.nn.Parameter`. Numbers become a float32 tensor.
 *
 * Throws a `DTypeError` for a tensor that is not of a floating point dtype: it has no derivative.
 *
 * @example
 * ```ts
 * import { ones, Tensor } from "@tangents/ntk";
 * import { Module, parameter } from "@tangents/ntk/nn";
 * class Scale extends Module {
 *   factor = parameter(ones([3]));
 *   forward(x: Tensor): Tensor {
 *     return x.mul(this.factor);
 *   }
 * }
 * console.log(Object.keys(new Scale().namedParameters())); // ["factor"]
 * ```
 */
export function parameter(value: Tensor | NestedNumbers): Tensor {
  const result = mark(value, "parameter");
  if (isFloat(result.dtype)) return result;
  throw new DTypeError(
    `parameter: expected a float32 or float64 tensor, got ${result.dtype}; buffer(...) takes any dtype`,
  );
}

/**
 * Marks a tensor as a buffer: part of a module's state that is not trained, such as running statistics. As
 * `register_buffer` of `torch.nn.Module`.
 *
 * @example
 * ```ts
 * import { Tensor, zeros } from "@tangents/ntk";
 * import { buffer, Module } from "@tangents/ntk/nn";
 * class Center extends Module {
 *   mean = buffer(zeros([3]));
 *   forward(x: Tensor): Tensor {
 *     return x.sub(this.mean);
 *   }
 * }
 * console.log(Object.keys(new Center().namedBuffers())); // ["mean"]
 * ```
 */
export function buffer(value: Tensor | NestedNumbers): Tensor {
  return mark(value, "buffer");
}
