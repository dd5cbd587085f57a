/**
 * The form of a primitive's rules.
 *
 * @module
 */

import type { DType } from "../../base/dtype.ts";
import type { PrimitiveName, PrimitiveParams } from "../../base/primitives.ts";
import type { Shape } from "../../base/shape.ts";
import type { Tensor } from "../tensor.ts";

/** A tangent or cotangent; null is a symbolic zero. */
export type Derivative = Tensor | null;

/** A tensor that carries a batch axis. */
export interface Batched {
  /** The value for all examples. */
  readonly tensor: Tensor;
  /** Where the examples lie. */
  readonly axis: number;
}

/** What a rule sees of one application of the primitive. */
export interface Application<P extends PrimitiveName = PrimitiveName> {
  /** The primitive's static parameters. */
  readonly params: PrimitiveParams[P];
  /** The operands. */
  readonly inputs: readonly Tensor[];
  /** The result. */
  readonly output: Tensor;
}

/** All that the transforms know of a primitive. */
export interface Rule<P extends PrimitiveName = PrimitiveName> {
  /** Shape and dtype of the result; throws where the operands do not fit. */
  infer(inputs: readonly Tensor[], params: PrimitiveParams[P]): { shape: Shape; dtype: DType };
  /** Tangent of the result from the tangents of the operands, of which at least one is not null. */
  jvp(application: Application<P>, tangents: readonly Derivative[]): Derivative;
  /** Cotangents of the operands (null where zero or not wanted) from that of the result. */
  vjp(
    application: Application<P>,
    cotangent: Tensor,
    wanted: readonly boolean[],
  ): readonly Derivative[];
  /**
   * The primitive for `size` examples at once. `axes` says where each operand carries the examples, null where the
   * operand is the same for all; at least one is not null.
   */
  batch(
    inputs: readonly Tensor[],
    axes: readonly (number | null)[],
    params: PrimitiveParams[P],
    size: number,
  ): Batched;
}

/** Rules of a set of primitives. */
export type RuleTable<P extends PrimitiveName> = { readonly [Name in P]: Rule<Name> };
