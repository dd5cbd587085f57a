/**
 * A program: what a backend is given to run.
 *
 * @module
 */

import type { DType } from "../base/dtype.ts";
import type { PrimitiveName, PrimitiveParams } from "../base/primitives.ts";
import type { Shape } from "../base/shape.ts";

/** One operation of a program. Its inputs are indices of earlier nodes. */
export interface ProgramNode<P extends PrimitiveName = PrimitiveName> {
  /** What is computed; `constant` marks an input of the program. */
  readonly primitive: P;
  /** The primitive's static parameters. */
  readonly params: PrimitiveParams[P];
  /** Indices of the operands in `Program.nodes`. */
  readonly inputs: readonly number[];
  /** Shape of the result. */
  readonly shape: Shape;
  /** Dtype of the result. */
  readonly dtype: DType;
}

/** A straight line of operations in topological order; the unit that is compiled and cached. */
export interface Program {
  /** The operations; every input of a node stands before it. */
  readonly nodes: readonly ProgramNode[];
  /** The nodes (`constant`) whose buffers the caller passes, in this order. */
  readonly inputs: readonly number[];
  /** The nodes whose buffers the caller receives, in this order; may repeat and may be inputs. */
  readonly outputs: readonly number[];
  /** Equal for equal programs: shapes, dtypes, parameters and wiring, never buffer contents. */
  readonly key: string;
}
