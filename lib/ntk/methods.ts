/**
 * The methods by name.
 *
 * @module
 */

import { ArgumentError } from "../base/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { jacobianContraction } from "./jacobian_contraction.ts";
import { ntkVectorProducts } from "./ntk_vector_products.ts";
import { type KernelProblem, withParameters } from "./problem.ts";
import { structuredDerivatives } from "./structured/structured_derivatives.ts";
import { mirrored } from "./symmetric.ts";

/** How the kernel is computed. */
export type NtkMethod = "jacobian-contraction" | "ntk-vector-products" | "structured-derivatives";

/** What each method does: a lazy kernel [N, M, diagonal, full, full] over outputs as vectors in the form's order. */
export const methods: Readonly<Record<NtkMethod, (problem: KernelProblem) => Tensor>> = {
  "jacobian-contraction": jacobianContraction,
  "ntk-vector-products": ntkVectorProducts,
  "structured-derivatives": structuredDerivatives,
};

/**
 * The kernel [N, M, diagonal, full, full], each parameter's share by the method chosen for it; symmetric to the last bit
 * where the examples are the same.
 */
export function kernelBy(problem: KernelProblem, choices: readonly NtkMethod[]): Tensor {
  const kernel = [...new Set(choices)]
    .map((method) => {
      const places = choices.flatMap((choice, i) => choice === method ? [i] : []);
      return methods[method](
        places.length === choices.length ? problem : withParameters(problem, places),
      );
    })
    .reduce((a, b) => a.add(b));
  return problem.symmetric ? mirrored(kernel) : kernel;
}

/** Names of the methods. */
export const methodNames: readonly NtkMethod[] = Object.keys(methods) as NtkMethod[];

/** Throws an `ArgumentError` unless the value names a method or is "auto". */
export function checkMethod(value: unknown): NtkMethod | "auto" {
  if (value === "auto" || methodNames.includes(value as NtkMethod)) {
    return value as NtkMethod | "auto";
  }
  throw new ArgumentError(
    `empiricalNtk: method must be one of auto, ${methodNames.join(", ")}, got ${String(value)}`,
  );
}
