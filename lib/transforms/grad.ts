/**
 * Gradients of scalar functions.
 *
 * @module
 */

import { ShapeError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import { onesLike, zerosLike } from "../core/operations/creation.ts";
import { Tensor } from "../core/tensor.ts";
import { flattenTree, unflattenTree } from "../core/tree.ts";
import {
  type ArgumentNumbers,
  checkDifferentiable,
  type ChosenArguments,
  selectArguments,
} from "./jacobian.ts";
import { pullback } from "./vjp.ts";
import { checkFunction, recordOnAliases } from "./walk.ts";

function differentiate(
  f: (...args: never[]) => unknown,
  args: readonly unknown[],
  argnums: ArgumentNumbers,
  where: string,
): [value: Tensor, gradient: unknown] {
  const { chosen, of } = selectArguments(f, args, argnums, where);
  const { leaves, structure } = flattenTree(chosen, `${where}: arguments`);
  const recording = recordOnAliases(of, chosen, where);
  const value = recording.output;
  if (!(value instanceof Tensor) || value.size !== 1) {
    throw new ShapeError(
      `${where}: expected a function that returns a tensor of one element, got ${
        value instanceof Tensor ? `shape ${formatShape(value.shape)}` : "a tree"
      }; use jacrev for several outputs`,
    );
  }
  checkDifferentiable([value], where);
  const gradients = pullback(recording, [onesLike(value)])
    .map((x, i) => x ?? zerosLike(leaves[i]));
  const byArgument = unflattenTree(structure, gradients) as unknown[];
  return [value, typeof argnums === "number" ? byArgument[0] : byArgument];
}

/**
 * The gradient of a function whose result is one element, by its first argument, or those at `argnums` (a list gives a
 * tuple). Throws a `ShapeError` where the result has several elements, a `DTypeError` where it is not floating point.
 *
 * @example
 * ```ts
 * import { grad, tensor } from "@tangents/ntk";
 * const gradient = grad((x) => x.mul(x).sum())(tensor([1, 2]));
 * console.log(await gradient.toArray()); // [2, 4]
 * ```
 */
export function grad<
  Args extends readonly Tensor[],
  const Positions extends ArgumentNumbers = 0,
>(
  f: (...args: Args) => Tensor,
  argnums?: Positions,
): (...args: Args) => ChosenArguments<Args, Positions>;
/** The gradient of a function of trees. */
export function grad<
  Args extends readonly unknown[],
  const Positions extends ArgumentNumbers = 0,
>(
  f: (...args: Args) => Tensor,
  argnums?: Positions,
): (...args: Args) => ChosenArguments<Args, Positions>;
export function grad(
  f: (...args: never[]) => Tensor,
  argnums: ArgumentNumbers = 0,
): (...args: readonly unknown[]) => unknown {
  checkFunction(f, "grad");
  return (...args) => differentiate(f, args, argnums, "grad")[1];
}

/**
 * The value and the gradient of a function whose result is one element. See `grad`.
 *
 * @example
 * ```ts
 * import { tensor, valueAndGrad } from "@tangents/ntk";
 * const [value, gradient] = valueAndGrad((x) => x.mul(x).sum())(tensor([1, 2]));
 * console.log(await value.item(), await gradient.toArray()); // 5 [2, 4]
 * ```
 */
export function valueAndGrad<
  Args extends readonly Tensor[],
  const Positions extends ArgumentNumbers = 0,
>(
  f: (...args: Args) => Tensor,
  argnums?: Positions,
): (...args: Args) => [Tensor, ChosenArguments<Args, Positions>];
/** The value and the gradient of a function of trees. */
export function valueAndGrad<
  Args extends readonly unknown[],
  const Positions extends ArgumentNumbers = 0,
>(
  f: (...args: Args) => Tensor,
  argnums?: Positions,
): (...args: Args) => [Tensor, ChosenArguments<Args, Positions>];
export function valueAndGrad(
  f: (...args: never[]) => Tensor,
  argnums: ArgumentNumbers = 0,
): (...args: readonly unknown[]) => [Tensor, unknown] {
  checkFunction(f, "valueAndGrad");
  return (...args) => differentiate(f, args, argnums, "valueAndGrad");
}
