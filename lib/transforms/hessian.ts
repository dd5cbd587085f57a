/**
 * Second derivatives.
 *
 * @module
 */

import type { ArgumentNumbers, Jacobian } from "./jacobian.ts";
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
export function hessian<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  argnums?: 0,
): (...args: Args) => Jacobian<Jacobian<Out, Args[0]>, Args[0]>;
/** The Hessian by the argument at the given position. */
export function hessian<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  argnums: ArgumentNumbers,
  // deno-lint-ignore no-explicit-any -- the tree's type depends on the positions' values
): (...args: Args) => any;
export function hessian(
  f: (...args: unknown[]) => unknown,
  argnums: ArgumentNumbers = 0,
): (...args: unknown[]) => unknown {
  return jacfwd(jacrev(f, argnums), argnums);
}
