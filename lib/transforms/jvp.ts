/**
 * Forward-mode differentiation: Jacobian-vector products.
 *
 * @module
 */

import { isFloat } from "../base/dtype.ts";
import { TreeError } from "../base/errors.ts";
import { ruleOf } from "../core/apply.ts";
import { zerosLike } from "../core/operations/creation.ts";
import type { Derivative } from "../core/primitives/rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree, leavesLike, unflattenTree } from "../core/tree.ts";
import { checkFunction, checkLike, type Recording, recordOnAliases } from "./walk.ts";

/** Tangents of a recording's outputs from those of its sources; null is zero. The walk only builds nodes. */
export function pushforward(
  recording: Recording,
  sourceTangents: readonly Derivative[],
): Derivative[] {
  const tangents = new Map<Tensor, Tensor>();
  recording.sources.forEach((x, i) => {
    const tangent = sourceTangents[i];
    if (tangent !== null && isFloat(x.dtype)) tangents.set(x, tangent);
  });
  for (const { output, operation: { primitive, params, inputs } } of recording.steps) {
    if (!isFloat(output.dtype)) continue;
    const given = inputs.map((input) => tangents.get(input) ?? null);
    if (given.every((tangent) => tangent === null)) continue;
    const tangent = ruleOf(primitive).jvp({ params, inputs, output }, given);
    if (tangent !== null) tangents.set(output, tangent);
  }
  return recording.outputs.map((x) => tangents.get(x) ?? null);
}

/** Tangents as the user gives them, checked against the primals. */
export function tangentLeaves(
  primals: readonly unknown[],
  tangents: readonly unknown[],
  where: string,
): Tensor[] {
  for (const [name, tuple] of Object.entries({ primals, tangents })) {
    if (!Array.isArray(tuple)) {
      throw new TreeError(`${where}: ${name} must be an array with one entry an argument`);
    }
  }
  const flat = flattenTree(primals, `${where}: primals`);
  const given = leavesLike(tangents, flat.structure, `${where}: tangents`);
  given.forEach((x, i) => checkLike(x, flat.leaves[i], `${where}: tangents`));
  return given;
}

/** Output tangents as a tree like the output. */
export function outputTangents(recording: Recording, tangents: readonly Derivative[]): unknown {
  const dense = tangents.map((x, i) => x ?? zerosLike(recording.outputs[i]));
  return unflattenTree(recording.outputStructure, dense);
}

/**
 * The result of a function, and the product of its Jacobian with tangents: J·v, a tree like the result. Primals and
 * tangents are tuples with one entry an argument, as in `torch.func.jvp`.
 *
 * Throws a `ShapeError` or `DTypeError` for a tangent unlike its primal and a `TreeError` for another structure.
 *
 * @example
 * ```ts
 * import { jvp, tensor } from "@tangents/ntk";
 * const [y, tangent] = jvp((x) => x.mul(x), [tensor([1, 2])], [tensor([1, 0])]);
 * console.log(await y.toArray(), await tangent.toArray()); // [1, 4] [2, 0]
 * ```
 */
export function jvp<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  primals: readonly [...Args],
  tangents: readonly [...Args],
): [output: Out, tangent: Out] {
  checkFunction(f, "jvp");
  const given = tangentLeaves(primals, tangents, "jvp");
  const recording = recordOnAliases(f as (...args: never[]) => unknown, primals, "jvp");
  const results = pushforward(recording, given);
  return [recording.output as Out, outputTangents(recording, results) as Out];
}
