/**
 * Which stored tensors are parameters.
 *
 * @module
 */

import { ArgumentError } from "../base/errors.ts";
import type { Constant } from "./constant.ts";
import type { PreparedGraph, PreparedNode } from "./graph.ts";
import { isReal } from "./types.ts";

/** Which stored tensors are parameters: names, or a test of a name. */
export type OnnxParameterChoice = readonly string[] | RegExp | ((name: string) => boolean);

/** The subgraphs among a node's attributes. */
function subgraphsOf(node: PreparedNode): PreparedGraph[] {
  return Object.values(node.attributes).filter((value): value is PreparedGraph =>
    typeof value === "object" && value !== null && "nodes" in value
  );
}

/** Adds the names whose values reach a place for parameters; some are in the set already, from what comes after. */
function mark(graph: PreparedGraph, reaching: Set<string>): void {
  const single = (name: string): boolean => graph.constants.get(name)?.data.length === 1;
  for (const node of graph.nodes.toReversed()) {
    const { trainable, passes, numbersAreConstants } = node.operator;
    const wanted = node.outputs.some((name) => reaching.has(name));
    node.inputs.forEach((name, i) => {
      const trained = (trainable === "all" || trainable.includes(i)) &&
        !(numbersAreConstants && single(name));
      const passed = wanted && (passes === "all" || passes.includes(i)) &&
        !(numbersAreConstants && single(name));
      if (trained || passed) reaching.add(name);
    });
    for (const inner of subgraphsOf(node)) {
      // A branch's results are the node's; a loop's come behind the condition to go on.
      const before = node.operator.name === "Loop" ? 1 : 0;
      inner.outputs.forEach((name, i) => {
        if (reaching.has(node.outputs[i - before] ?? "")) reaching.add(name);
      });
      mark(inner, reaching);
      // What a loop carries or goes along comes from the node's inputs, in the same order.
      inner.inputs.forEach((name, i) => {
        const from = node.inputs[i] ?? "";
        if (from !== "" && reaching.has(name)) reaching.add(from);
      });
    }
  }
}

/**
 * The names of the stored tensors that are parameters by default: real numbers that reach the place of a weight, a bias, a
 * scale, a table of embeddings or an operand of arithmetic, directly or through operators that only move them. Statistics of
 * batch normalization are none, nor are single numbers in arithmetic, nor what only gives a shape, a bound or an exponent, nor
 * what a node writes down.
 */
export function trainableNames(graph: PreparedGraph, written: ReadonlySet<string>): Set<string> {
  const reaching = new Set<string>();
  mark(graph, reaching);
  const stored = [...graph.constants].filter(([name, { type }]) =>
    isReal(type) && reaching.has(name) && !written.has(name)
  );
  return new Set(stored.map(([name]) => name));
}

/** The names that the caller chose, or those by default. Throws an `ArgumentError` for a name that is no stored tensor. */
export function chooseParameters(
  choice: OnnxParameterChoice | undefined,
  constants: ReadonlyMap<string, Constant>,
  trainable: ReadonlySet<string>,
): Set<string> {
  if (choice === undefined) return new Set(trainable);
  const real = [...constants].filter(([, { type }]) => isReal(type)).map(([name]) => name);
  if (choice instanceof RegExp) return new Set(real.filter((name) => name.search(choice) >= 0));
  if (typeof choice === "function") return new Set(real.filter(choice));
  if (!Array.isArray(choice)) {
    throw new ArgumentError(
      "loadOnnx: parameters must be an array of names, a regular expression or a function",
    );
  }
  const unknown = choice.filter((name) => !real.includes(name));
  if (unknown.length > 0) {
    throw new ArgumentError(
      `loadOnnx: no stored tensors of real numbers named ${unknown.join(", ")}; there are ${
        real.join(", ")
      }`,
    );
  }
  return new Set(choice);
}
