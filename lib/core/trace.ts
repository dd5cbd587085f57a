/**
 * Whether a transform is calling a user's function right now.
 *
 * @module
 */

import type { Tensor } from "./tensor.ts";

let depth = 0;
const computed: Tensor[] = [];

/**
 * Runs a function under a transform. Meanwhile a tensor that is computed (for control flow on its value) keeps the
 * operation that made it, because the transform has yet to walk over it. Once the outermost transform has recorded what
 * it walks over, such tensors are data like all others: a state that is only ever read inside transforms would drag its
 * whole past along otherwise.
 */
export function whileTracing<T>(run: () => T): T {
  depth++;
  try {
    return run();
  } finally {
    depth--;
    if (depth === 0) {
      for (const x of computed.splice(0)) if (x.buffer !== null) x.operation = null;
    }
  }
}

/** Whether a transform is calling a user's function. */
export function isTracing(): boolean {
  return depth > 0;
}

/** Drops how a computed tensor was made, as soon as no transform needs it. */
export function dropOperation(x: Tensor): void {
  if (isTracing()) computed.push(x);
  else x.operation = null;
}
