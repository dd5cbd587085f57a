/**
 * Reverse-mode differentiation: vector-Jacobian products.
 *
 * @module
 */

import { isFloat } from "../base/dtype.ts";
import { ruleOf } from "../core/apply.ts";
import { zerosLike } from "../core/operations/creation.ts";
import { add } from "../core/primitives/build.ts";
import type { Derivative } from "../core/primitives/rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree, leavesLike, unflattenTree } from "../core/tree.ts";
import { checkFunction, checkLike, type Recording, recordOnAliases } from "./walk.ts";

/** Cotangents of a recording's sources from those of its outputs; null is zero. The walk only builds nodes. */
export function pullback(
  recording: Recording,
  outputCotangents: readonly Derivative[],
): Derivative[] {
  const cotangents = new Map<Tensor, Tensor>();
  const accumulate = (x: Tensor, cotangent: Derivative): void => {
    if (cotangent === null) return;
    const known = cotangents.get(x);
    cotangents.set(x, known === undefined ? cotangent : add(known, cotangent));
  };
  recording.outputs.forEach((x, i) => accumulate(x, outputCotangents[i]));
  for (let i = recording.steps.length - 1; i >= 0; i--) {
    const { output, operation: { primitive, params, inputs }, depends } = recording.steps[i];
    const cotangent = cotangents.get(output);
    if (cotangent === undefined || !isFloat(output.dtype)) continue;
    cotangents.delete(output);
    const results = ruleOf(primitive).vjp({ params, inputs, output }, cotangent, depends);
    inputs.forEach((input, j) => {
      if (depends[j]) accumulate(input, results[j]);
    });
  }
  return recording.sources.map((x) => cotangents.get(x) ?? null);
}

/**
 * The result of a function, and the function that multiplies a cotangent with its Jacobian: `vjpFn(v)` is vᵀJ, one
 * cotangent for each argument (a tuple, as in `torch.func.vjp`).
 *
 * The function is called once; nothing is computed until a value is read. Arguments and result are trees of tensors; an
 * argument that the result does not depend on, or that is not of a floating point dtype, has a cotangent of zeros. Throws
 * a `ShapeError` or `DTypeError` for a cotangent unlike the result and a `TreeError` for another structure.
 *
 * @example
 * ```ts
 * import { tensor, vjp } from "@tangents/ntk";
 * const [y, pull] = vjp((x) => x.mul(x), tensor([1, 2, 3]));
 * const [gradient] = pull(tensor([1, 1, 1]));
 * console.log(await y.toArray(), await gradient.toArray()); // [1, 4, 9] [2, 4, 6]
 * ```
 */
export function vjp<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  ...primals: Args
): [output: Out, vjpFn: (cotangent: Out) => Args] {
  checkFunction(f, "vjp");
  const { leaves, structure } = flattenTree(primals, "vjp: arguments");
  const recording = recordOnAliases(f as (...args: never[]) => unknown, primals, "vjp");
  const vjpFn = (cotangent: Out): Args => {
    const given = leavesLike(cotangent, recording.outputStructure, "vjp: cotangent");
    given.forEach((x, i) => checkLike(x, recording.outputs[i], "vjp: cotangent"));
    const results = pullback(recording, given);
    return unflattenTree(
      structure,
      results.map((x, i) => x ?? zerosLike(leaves[i])),
    ) as Args;
  };
  return [recording.output as Out, vjpFn];
}
