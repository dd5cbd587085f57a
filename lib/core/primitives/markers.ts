/**
 * Identities that mean something to a transform.
 *
 * @module
 */

import { apply } from "../apply.ts";
import { moveAxis, repeatAlong } from "./build.ts";
import type { Tensor } from "../tensor.ts";
import type { Batched, Derivative, RuleTable } from "./rule.ts";

/** A derivative that the caller of `customVjp` or `customJvp` gave, as the rules see it. */
export interface CustomRule {
  /** Tangent of output number `output`. */
  jvp(output: number, primals: readonly Tensor[], tangents: readonly Derivative[]): Derivative;
  /** Cotangents of the primals, from that of output number `output`. */
  vjp(output: number, primals: readonly Tensor[], cotangent: Tensor): readonly Derivative[];
  /** The rule for primals that carry examples along the axes; outputs carry them along axis 0. */
  batch(axes: readonly (number | null)[], size: number): CustomRule;
}

/** Rules of `alias`, `stopGradient` and `customDerivative`. */
export const markerRules: RuleTable<"alias" | "stopGradient" | "customDerivative"> = {
  alias: {
    infer: ([x]) => x,
    jvp: (_, [tangent]) => tangent,
    vjp: (_, cotangent) => [cotangent],
    batch: ([x], [axis]) => ({ tensor: apply("alias", {}, x), axis: axis! }),
  },
  stopGradient: {
    infer: ([x]) => x,
    jvp: () => null,
    vjp: () => [null],
    batch: ([x], [axis]) => ({ tensor: apply("stopGradient", {}, x), axis: axis! }),
  },
  customDerivative: {
    infer: ([value]) => value,
    jvp: ({ inputs, params }, tangents) =>
      (params.rule as CustomRule).jvp(params.output, inputs.slice(1), tangents.slice(1)),
    vjp: ({ inputs, params }, cotangent) => [
      null,
      ...(params.rule as CustomRule).vjp(params.output, inputs.slice(1), cotangent),
    ],
    batch(inputs, axes, { rule, output }, size): Batched {
      const batchedRule = (rule as CustomRule).batch(axes.slice(1), size);
      // The value may be the same for all examples while a primal is not: the mark must carry a batch axis then, or
      // its derivative would lose the examples.
      const value = axes[0] === null
        ? repeatAlong(inputs[0], 0, size)
        : moveAxis(inputs[0], axes[0], 0);
      return {
        tensor: apply("customDerivative", { rule: batchedRule, output }, value, ...inputs.slice(1)),
        axis: 0,
      };
    },
  },
};
