/**
 * What of the kernel is wanted, and the shapes that follow.
 *
 * @module
 */

import { ArgumentError } from "../base/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { KernelProblem } from "./problem.ts";

/**
 * What of the kernel is computed for each pair of examples: every pair of outputs ("full"), the sum over equal outputs
 * ("trace"), or each output with itself ("diagonal").
 */
export type NtkCompute = "full" | "trace" | "diagonal";

/** All that can be computed. */
export const computes: readonly NtkCompute[] = ["full", "trace", "diagonal"];

/** Throws an `ArgumentError` unless the value names something to compute. */
export function checkCompute(value: unknown): NtkCompute {
  if (computes.includes(value as NtkCompute)) return value as NtkCompute;
  throw new ArgumentError(
    `empiricalNtk: compute must be one of ${computes.join(", ")}, got ${String(value)}`,
  );
}

/** The kernel [N, M], [N, M, O] or [N, M, O, O] over outputs as vectors, with the outputs' own shape put back. */
export function withOutputShape(
  kernel: Tensor,
  { n1, n2, outputShape }: KernelProblem,
  compute: NtkCompute,
): Tensor {
  if (compute === "trace") return kernel;
  const outputs = compute === "full" ? [...outputShape, ...outputShape] : outputShape;
  return kernel.reshape([n1, n2, ...outputs]);
}
