/**
 * How often what is repeated may be.
 *
 * @module
 */

import type { OperatorContext } from "../operator.ts";

/** Every step becomes nodes of the graph: of more than these nobody trains, but a file may ask for any number. */
const mostSteps = 1 << 13;

/** Throws an `OnnxError` for a sequence that is too long to be run step by step. */
export function checkSteps(context: OperatorContext, steps: number): void {
  if (steps > mostSteps) {
    context.fail(
      `a sequence of ${steps} steps; they are unrolled, which is done for up to ${mostSteps}`,
    );
  }
}
