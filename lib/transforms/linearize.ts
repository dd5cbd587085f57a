/**
 * A function's linear approximation at a point.
 *
 * @module
 */

import { checkFunction, recordOnAliases } from "./walk.ts";
import { outputTangents, pushforward, tangentLeaves } from "./jvp.ts";

/**
 * The result of a function, and its derivative at that point as a linear function of tangents. Like `jvp`, but the
 * function is called once however many tangents follow.
 *
 * @example
 * ```ts
 * import { linearize, tensor } from "@tangents/ntk";
 * const [y, jvpFn] = linearize((x) => x.exp(), tensor([0]));
 * console.log(await y.toArray(), await jvpFn(tensor([3])).toArray()); // [1] [3]
 * ```
 */
export function linearize<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  ...primals: Args
): [output: Out, jvpFn: (...tangents: Args) => Out] {
  checkFunction(f, "linearize");
  const recording = recordOnAliases(f as (...args: never[]) => unknown, primals, "linearize");
  const jvpFn = (...tangents: Args): Out => {
    const given = tangentLeaves(primals, tangents, "linearize");
    return outputTangents(recording, pushforward(recording, given)) as Out;
  };
  return [recording.output as Out, jvpFn];
}
