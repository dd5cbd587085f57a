/**
 * One node of a program in plain loops.
 *
 * @module
 */

import { dtypeOf, type TypedArray } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { PrimitiveName } from "../../lib/base/primitives.ts";
import { sizeOf } from "../../lib/base/shape.ts";
import type { ProgramNode } from "../../lib/compiler/program.ts";
import { contractRules } from "./contract.ts";
import { elementwiseRules } from "./elementwise.ts";
import { indexingRules } from "./indexing.ts";
import { movementRules } from "./movement.ts";
import { randomRules } from "./random.ts";
import { reduceRules } from "./reduce.ts";
import type { Operand, Rules } from "./rule.ts";
import { windowRules } from "./windows.ts";

/** A leaf has no rule: its value comes from outside. */
function neverExecuted(node: ProgramNode): never {
  throw new BackendError(
    `reference backend: a ${node.primitive} node cannot be executed; make it one of the program's inputs`,
  );
}

/** One rule a primitive; a missing one does not compile. */
const rules: Rules<PrimitiveName> = {
  constant: neverExecuted,
  placeholder: neverExecuted,
  ...elementwiseRules,
  ...movementRules,
  ...reduceRules,
  ...contractRules,
  ...windowRules,
  ...indexingRules,
  ...randomRules,
};

/**
 * Runs one node, and checks that its rule made what the node says.
 *
 * @throws BackendError when the primitive is not defined on the operands' dtypes, or is a leaf.
 */
export function execute<P extends PrimitiveName>(
  node: ProgramNode<P>,
  inputs: readonly Operand[],
): TypedArray {
  const result = rules[node.primitive](node, inputs);
  if (result.length !== sizeOf(node.shape) || dtypeOf(result) !== node.dtype) {
    throw new BackendError(
      `reference backend: ${node.primitive} gave ${result.length} elements of ${
        dtypeOf(result)
      }, but the ` +
        `program says ${
          sizeOf(node.shape)
        } of ${node.dtype}; the program's shapes or dtypes are wrong`,
    );
  }
  return result;
}
