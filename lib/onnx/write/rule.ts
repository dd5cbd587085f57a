/**
 * How one primitive is written.
 *
 * @module
 */

import type { PrimitiveName } from "../../base/primitives.ts";
import type { ProgramNode } from "../../compiler/program.ts";
import type { GraphWriter, Value } from "./writer.ts";

/** Adds the nodes of a primitive; gives the name of its result, dense, or a value. */
export type WriteRule<P extends PrimitiveName> = (
  node: ProgramNode<P>,
  inputs: readonly Value[],
  to: GraphWriter,
) => string | Value;

/** A rule for every primitive of a set. */
export type WriteRules<P extends PrimitiveName> = { readonly [K in P]: WriteRule<K> };
