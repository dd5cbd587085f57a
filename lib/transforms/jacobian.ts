/**
 * What `jacrev`, `jacfwd`, `grad` and `hessian` share: the arguments that they differentiate by.
 *
 * @module
 */

import { isFloat } from "../base/dtype.ts";
import { ArgumentError, DTypeError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree } from "../core/tree.ts";

/** Which arguments to differentiate by: one position, or several. */
export type ArgumentNumbers = number | readonly number[];

/** The argument at a position, or a tuple of those at several. */
export type ChosenArguments<Args extends readonly unknown[], Positions> =
  // Where the result's type is given and no positions are, the compiler infers the widest type for them, not the default.
  ArgumentNumbers extends Positions ? Args[0] : Positions extends number ? Args[Positions]
  : { -readonly [K in keyof Positions]: Positions[K] extends number ? Args[Positions[K]] : never };

/** A tree like the output with, in the place of each tensor, a tree like the argument. */
export type Jacobian<Out, In> = Out extends Tensor ? In
  : { [K in keyof Out]: Jacobian<Out[K], In> };

/** Positions counted from the front. Throws an `ArgumentError` for a position without an argument. */
export function argumentPositions(
  argnums: ArgumentNumbers,
  count: number,
  where: string,
): number[] {
  const list = typeof argnums === "number" ? [argnums] : [...argnums];
  const positions = list.map((n) => {
    const at = n < 0 ? n + count : n;
    if (Number.isInteger(n) && at >= 0 && at < count) return at;
    throw new ArgumentError(`${where}: argument ${n} was asked for, but ${count} were given`);
  });
  if (new Set(positions).size < positions.length) {
    throw new ArgumentError(
      `${where}: argnums ${formatShape(list)} name an argument twice; name each once`,
    );
  }
  return positions;
}

/** The chosen arguments, and the function of them alone. */
export interface Selection {
  /** The arguments, in the order asked for. */
  readonly chosen: unknown[];
  /** The function with the others held fixed. */
  readonly of: (...chosen: unknown[]) => unknown;
}

/** Holds all arguments but the chosen ones fixed. Throws a `DTypeError` where a chosen one is not differentiable. */
export function selectArguments(
  f: (...args: never[]) => unknown,
  args: readonly unknown[],
  argnums: ArgumentNumbers,
  where: string,
): Selection {
  const positions = argumentPositions(argnums, args.length, where);
  const chosen = positions.map((i) => args[i]);
  for (const { dtype } of flattenTree(chosen, `${where}: arguments`).leaves) {
    if (!isFloat(dtype)) {
      throw new DTypeError(
        `${where}: cannot differentiate by a tensor of dtype ${dtype}; cast it to float32 or leave it out of the argument`,
      );
    }
  }
  const of = (...values: unknown[]): unknown => {
    const all = [...args];
    positions.forEach((at, i) => all[at] = values[i]);
    return f(...all as never[]);
  };
  return { chosen, of };
}

/** Throws a `DTypeError` unless all results are floating point. */
export function checkDifferentiable(outputs: readonly Tensor[], where: string): void {
  for (const { dtype } of outputs) {
    if (!isFloat(dtype)) {
      throw new DTypeError(
        `${where}: the function returned a ${dtype} tensor, which has no derivative; cast it to float32`,
      );
    }
  }
}
