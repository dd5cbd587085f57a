/**
 * What a primitive of the reference backend is: a function from operands to the result's elements.
 *
 * @module
 */

import { allocate, type DType, isFloat, type TypedArray } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { PrimitiveName } from "../../lib/base/primitives.ts";
import type { Shape } from "../../lib/base/shape.ts";
import type { ProgramNode } from "../../lib/compiler/program.ts";

/** The value of a node: its elements in row-major order. */
export interface Operand {
  /** The elements. */
  readonly data: TypedArray;
  /** Sizes along the axes. */
  readonly shape: Shape;
  /** Type of the elements. */
  readonly dtype: DType;
}

/** Computes one node; the result is a new array of the node's dtype and size. */
export type Rule<P extends PrimitiveName> = (
  node: ProgramNode<P>,
  inputs: readonly Operand[],
) => TypedArray;

/** A rule for each of some primitives. */
export type Rules<Names extends PrimitiveName> = { readonly [P in Names]: Rule<P> };

/**
 * Zeros to add up in: float64 for floats, so that a sum is rounded once, when it is copied to the result. Integers
 * wrap whenever they are stored, which gives the same as wrapping once.
 */
export function allocateSums(dtype: DType, length: number): TypedArray {
  return isFloat(dtype) ? new Float64Array(length) : allocate(dtype, length);
}

/** The sums of `allocateSums`, rounded to the dtype. */
export function roundSums(sums: TypedArray, dtype: DType): TypedArray {
  if (dtype !== "float32") return sums;
  return new Float32Array(sums);
}

/** The product in the dtype; integers wrap to 32 bits. */
export function multiplication(dtype: DType): (a: number, b: number) => number {
  return isFloat(dtype) ? (a, b) => a * b : Math.imul;
}

/** The error for a primitive that has no meaning on a dtype. */
export function unsupported(node: ProgramNode, dtype: DType): BackendError {
  return new BackendError(
    `reference backend: ${node.primitive} is not defined on ${dtype}; cast the operand to a dtype that it takes`,
  );
}
