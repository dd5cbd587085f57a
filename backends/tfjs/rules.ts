/**
 * The rule of every primitive.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import type { PrimitiveName } from "../../lib/base/primitives.ts";
import type { ProgramNode } from "../../lib/compiler/program.ts";
import { contractRules } from "./contract.ts";
import { elementwiseRules } from "./elementwise.ts";
import { onHost } from "./host.ts";
import { indexingRules } from "./indexing.ts";
import { movementRules } from "./movement.ts";
import { reduceRules } from "./reduce.ts";
import type { Rules } from "./rule.ts";
import { windowRules } from "./windows.ts";

/** A leaf has no rule: its value comes from outside. */
function neverExecuted({ primitive }: ProgramNode): never {
  throw new BackendError(
    `tfjs: a ${primitive} node cannot be executed; make it one of the program's inputs`,
  );
}

/** One rule a primitive; a missing one does not compile. */
export const rules: Rules<PrimitiveName> = {
  constant: neverExecuted,
  placeholder: neverExecuted,
  ...elementwiseRules,
  ...movementRules,
  ...reduceRules,
  ...contractRules,
  ...windowRules,
  ...indexingRules,
  // There are no kernels that rotate and mix the bits of integers.
  randomBits: onHost,
};
