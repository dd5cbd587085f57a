/**
 * A module as a pure function of its parameters.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { describeValue } from "../core/tree.ts";
import { Module } from "./module.ts";
import { type Slot, stateOf } from "./state.ts";

/** Slots by the tensor in them now: those that share one are tied. */
function groupTied(slots: readonly Slot[]): Map<Tensor, Slot[]> {
  const groups = new Map<Tensor, Slot[]>();
  for (const slot of slots) {
    const value = slot.get();
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [slot]);
    else group.push(slot);
  }
  return groups;
}

/** What to put where: each given tensor for all slots of its group. */
function replacements(
  module: Module,
  given: Readonly<Record<string, Tensor>>,
): [slot: Slot, value: Tensor][] {
  if (!(module instanceof Module)) {
    throw new ArgumentError(
      `functionalCall: expected a Module as the first argument, got ${describeValue(module)}`,
    );
  }
  if (typeof given !== "object" || given === null || given instanceof Tensor) {
    throw new ArgumentError(
      `functionalCall: expected an object of tensors by name, got ${String(given)}`,
    );
  }
  const { slots } = stateOf(module);
  const result: [Slot, Tensor][] = [];
  const seen = new Set<string>();
  for (const [old, group] of groupTied(slots)) {
    const named = group.filter(({ name }) => Object.hasOwn(given, name));
    named.forEach(({ name }) => seen.add(name));
    if (named.length === 0) continue;
    const value = given[named[0].name];
    for (const { name } of named) {
      const other = given[name];
      if (!(other instanceof Tensor)) {
        throw new ArgumentError(
          `functionalCall: parameter ${JSON.stringify(name)} is ${
            String(other)
          }; expected a Tensor`,
        );
      }
      if (other !== value) {
        throw new ArgumentError(
          `functionalCall: ${
            named[0].name
          } and ${name} are one tied parameter, but two tensors were given; give one of them`,
        );
      }
    }
    if (!sameShape(value.shape, old.shape)) {
      throw new ShapeError(
        `functionalCall: parameter ${JSON.stringify(named[0].name)} has shape ${
          formatShape(value.shape)
        }; expected ${formatShape(old.shape)} (under vmap: is its inAxes right?)`,
      );
    }
    group.forEach((slot) => result.push([slot, value]));
  }
  const unknown = Object.keys(given).filter((name) => !seen.has(name));
  if (unknown.length > 0) {
    throw new ArgumentError(
      `functionalCall: ${module.constructor.name} has no parameter or buffer ${
        unknown.map((name) => JSON.stringify(name)).join(", ")
      }; it has ${slots.map(({ name }) => name).join(", ")}`,
    );
  }
  return result;
}

/**
 * Calls a module's `forward` with parameters (and buffers) replaced by those given, as `torch.func.functional_call`. The
 * module is as before afterwards, also where `forward` throws. Those that are not named keep the module's own values; a
 * parameter that stands in two places is replaced in both.
 *
 * Throws an `ArgumentError` that lists the known names for an unknown one, a `ShapeError` for another shape.
 *
 * @example
 * ```ts
 * import { jacrev, ones } from "@tangents/ntk";
 * import { functionalCall, Linear } from "@tangents/ntk/nn";
 * const layer = new Linear(3, 2);
 * const params = layer.namedParameters();
 * const jacobian = jacrev((p: typeof params) => functionalCall(layer, p, ones([3])))(params);
 * console.log(jacobian.weight.shape, jacobian.bias.shape); // [2, 2, 3] [2, 2]
 * ```
 */
export function functionalCall<Args extends unknown[], Out>(
  module: Module & { forward(...args: Args): Out },
  params: Readonly<Record<string, Tensor>>,
  ...args: Args
): Out {
  const swaps = replacements(module, params);
  const old = swaps.map(([slot]) => slot.get());
  try {
    for (const [slot, value] of swaps) slot.set(value);
    return module.forward(...args);
  } finally {
    swaps.forEach(([slot], i) => slot.set(old[i]));
  }
}
