/**
 * The Jacobian by forward mode.
 *
 * @module
 */

import { eye, zerosLike } from "../core/operations/creation.ts";
import { moveAxis, reshape } from "../core/primitives/build.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree, unflattenTree } from "../core/tree.ts";
import {
  type ArgumentNumbers,
  checkDifferentiable,
  type ChosenArguments,
  type Jacobian,
  selectArguments,
} from "./jacobian.ts";
import { pushforward } from "./jvp.ts";
import { vmap } from "./vmap.ts";
import { checkFunction, recordOnAliases } from "./walk.ts";

/**
 * The Jacobian of a function, one column (input element) at a time, all columns in one batch: cheapest where there are
 * fewer inputs than outputs. Shapes, trees and errors are those of `jacrev`.
 *
 * @example
 * ```ts
 * import { jacfwd, tensor } from "@tangents/ntk";
 * const jacobian = jacfwd((x) => x.mul(x))(tensor([1, 2]));
 * console.log(await jacobian.toArray()); // [[2, 0], [0, 4]]
 * ```
 */
export function jacfwd<
  Args extends readonly Tensor[],
  Out,
  const Positions extends ArgumentNumbers = 0,
>(
  f: (...args: Args) => Out,
  argnums?: Positions,
): (...args: Args) => Jacobian<Out, ChosenArguments<Args, Positions>>;
/** The Jacobian of a function of trees. */
export function jacfwd<
  Args extends readonly unknown[],
  Out,
  const Positions extends ArgumentNumbers = 0,
>(
  f: (...args: Args) => Out,
  argnums?: Positions,
): (...args: Args) => Jacobian<Out, ChosenArguments<Args, Positions>>;
export function jacfwd(
  f: (...args: never[]) => unknown,
  argnums: ArgumentNumbers = 0,
): (...args: readonly unknown[]) => unknown {
  checkFunction(f, "jacfwd");
  return (...args) => {
    const { chosen, of } = selectArguments(f, args, argnums, "jacfwd");
    const { leaves, structure } = flattenTree(chosen, "jacfwd: arguments");
    const recording = recordOnAliases(of, chosen, "jacfwd");
    checkDifferentiable(recording.outputs, "jacfwd");
    // For each input tensor, the derivatives of all outputs by its elements.
    const columns = leaves.map((leaf, k) => {
      const basis = reshape(
        eye(leaf.size, leaf.size, { dtype: leaf.dtype }),
        [leaf.size, ...leaf.shape],
      );
      const derivatives = vmap((tangent: Tensor): Tensor[] => {
        const tangents = leaves.map((_, i) => i === k ? tangent : null);
        return pushforward(recording, tangents)
          .map((x, i) => x ?? zerosLike(recording.outputs[i]));
      })(basis);
      return derivatives.map((x, i) => {
        const { shape } = recording.outputs[i];
        return reshape(moveAxis(x, 0, shape.length), [...shape, ...leaf.shape]);
      });
    });
    const rows = recording.outputs.map((_, i) => {
      const byArgument = unflattenTree(structure, columns.map((list) => list[i])) as unknown[];
      return typeof argnums === "number" ? byArgument[0] : byArgument;
    });
    return unflattenTree(recording.outputStructure, rows);
  };
}
