/**
 * What a primitive is here: a function from operands' values to the result's.
 *
 * @module
 */

import type { PrimitiveName } from "../../lib/base/primitives.ts";
import type { ProgramNode } from "../../lib/compiler/program.ts";
import type { TensorInfo } from "./load.ts";
import type { Operations } from "./operations.ts";
import type { Value } from "./value.ts";

/**
 * Computes one node. A tensor is the result as it is stored: of the node's shape, or smaller where elements repeat. A value
 * may also be on the host.
 */
export type Rule<P extends PrimitiveName> = (
  node: ProgramNode<P>,
  inputs: readonly Value[],
  on: Operations,
) => TensorInfo | Value;

/** A rule for each of some primitives. */
export type Rules<Names extends PrimitiveName> = { readonly [P in Names]: Rule<P> };
