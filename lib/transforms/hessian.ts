/**
 * Second derivatives.
 *
 * @module
 */

import type { Tensor } from "../core/tensor.ts";
import type { ArgumentNumbers, ChosenArguments, Jacobian } from "./jacobian.ts";
import { jacfwd } from "./jacfwd.ts";
import { jacrev } from "./jacrev.ts";

/**
 * The Hessian of a function: the Jacobian, by forward mode, of its Jacobian by reverse mode. For an output of shape [O…]
 * and an input of shape [I…] the result has shape [O…, I…, I…].
 *
 * @example
 * ```ts
 * import { hessian, tensor } from "@tangents/ntk";
 * const second = hessian((x) => x.pow(3).sum())(tensor([1, 2]));
 * console.log(await second.toArray()); // [[6, 0], [0, 12]]
 * ```
 */
export function hessian<
  Args extends readonly Tensor[],
  Out,
  const Positions extends ArgumentNumbers = 0,
>(
  f: (...args: Args) => Out,
  argnums?: Positions,
): (
  ...args: Args
) => Jacobian<
  Jacobian<Out, ChosenArguments<Args, Positions>>,
  ChosenArguments<Args, Positions>
>;
/** The Hessian of a function of trees. */
export function hessian<
  Args extends readonly unknown[],
  Out,
  const Positions extends ArgumentNumbers = 0,
>(
  f: (...args: Args) => Out,
  argnums?: Positions,
): (
  ...args: Args
) => Jacobian<
  Jacobian<Out, ChosenArguments<Args, Positions>>,
  ChosenArguments<Args, Positions>
>;
export function hessian(
  f: (...args: never[]) => unknown,
  argnums: ArgumentNumbers = 0,
): (...args: readonly unknown[]) => unknown {
  const general = f as (...args: readonly unknown[]) => unknown;
  return jacfwd<readonly unknown[], unknown, ArgumentNumbers>(
    jacrev<readonly unknown[], unknown, ArgumentNumbers>(general, argnums),
    argnums,
  );
}
