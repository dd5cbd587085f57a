/**
 * The Jacobian by reverse mode.
 *
 * @module
 */

import { eye, zerosLike } from "../core/operations/creation.ts";
import { reshape } from "../core/primitives/build.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree, unflattenTree } from "../core/tree.ts";
import {
  type ArgumentNumbers,
  checkDifferentiable,
  type ChosenArguments,
  type Jacobian,
  selectArguments,
} from "./jacobian.ts";
import { pullback } from "./vjp.ts";
import { vmap } from "./vmap.ts";
import { checkFunction, recordOnAliases } from "./walk.ts";

/**
 * The Jacobian of a function, one row (output element) at a time, all rows in one batch: cheapest where there are fewer
 * outputs than inputs.
 *
 * For an output of shape [O…] and an input of shape [I…] the result has shape [O…, I…]; trees give trees: like the output,
 * and in the place of each of its tensors, like the argument. `argnums` chooses the arguments (0 by default; a list gives
 * a tuple). Throws a `DTypeError` for arguments or results that are not floating point.
 *
 * @example
 * ```ts
 * import { jacrev, tensor } from "@tangents/ntk";
 * const jacobian = jacrev((x) => x.mul(x))(tensor([1, 2]));
 * console.log(await jacobian.toArray()); // [[2, 0], [0, 4]]
 * ```
 */
export function jacrev<
  Args extends readonly Tensor[],
  Out,
  const Positions extends ArgumentNumbers = 0,
>(
  f: (...args: Args) => Out,
  argnums?: Positions,
): (...args: Args) => Jacobian<Out, ChosenArguments<Args, Positions>>;
/** The Jacobian of a function of trees. */
export function jacrev<
  Args extends readonly unknown[],
  Out,
  const Positions extends ArgumentNumbers = 0,
>(
  f: (...args: Args) => Out,
  argnums?: Positions,
): (...args: Args) => Jacobian<Out, ChosenArguments<Args, Positions>>;
export function jacrev(
  f: (...args: never[]) => unknown,
  argnums: ArgumentNumbers = 0,
): (...args: readonly unknown[]) => unknown {
  checkFunction(f, "jacrev");
  return (...args) => {
    const { chosen, of } = selectArguments(f, args, argnums, "jacrev");
    const { leaves, structure } = flattenTree(chosen, "jacrev: arguments");
    const recording = recordOnAliases(of, chosen, "jacrev");
    checkDifferentiable(recording.outputs, "jacrev");
    const rows = recording.outputs.map((output, k) => {
      const basis = reshape(
        eye(output.size, output.size, { dtype: output.dtype }),
        [output.size, ...output.shape],
      );
      const gradients = vmap((cotangent: Tensor): Tensor[] => {
        const cotangents = recording.outputs.map((_, i) => i === k ? cotangent : null);
        return pullback(recording, cotangents).map((x, i) => x ?? zerosLike(leaves[i]));
      })(basis);
      const jacobians = gradients.map((x, i) => reshape(x, [...output.shape, ...leaves[i].shape]));
      const byArgument = unflattenTree(structure, jacobians) as unknown[];
      return typeof argnums === "number" ? byArgument[0] : byArgument;
    });
    return unflattenTree(recording.outputStructure, rows);
  };
}
