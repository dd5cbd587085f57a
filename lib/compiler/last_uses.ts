/**
 * How long values are needed, for backends that run a program node by node.
 *
 * @module
 */

import type { Program } from "./program.ts";

/** For each node, the last node that reads it; the number of nodes for outputs, which must stay. */
export function lastUses(program: Program): number[] {
  const last = program.nodes.map((_, i) => i);
  program.nodes.forEach((node, i) => node.inputs.forEach((input) => last[input] = i));
  program.outputs.forEach((output) => last[output] = program.nodes.length);
  return last;
}
