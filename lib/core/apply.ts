/**
 * The one place where nodes of the graph are made.
 *
 * @module
 */

import { MissingRuleError } from "../base/errors.ts";
import type { PrimitiveName, PrimitiveParams } from "../base/primitives.ts";
import type { Rule } from "./primitives/rule.ts";
import { table } from "./primitives/table.ts";
import { Tensor } from "./tensor.ts";

/** The rules of a primitive. */
export function ruleOf<P extends PrimitiveName>(primitive: P): Rule<P> {
  const rule = table()[primitive] as Rule<P> | undefined;
  if (rule === undefined) {
    throw new MissingRuleError(`no rules for the primitive ${JSON.stringify(primitive)}`);
  }
  return rule;
}

/** Applies a primitive: checks the operands and returns a new node; nothing is computed. */
export function apply<P extends PrimitiveName>(
  primitive: P,
  params: PrimitiveParams[P],
  ...inputs: readonly Tensor[]
): Tensor {
  const { shape, dtype } = ruleOf(primitive).infer(inputs, params);
  return new Tensor(shape, dtype, { primitive, params, inputs });
}
