/**
 * Whether a transform is calling a user's function right now.
 *
 * @module
 */

let depth = 0;

/**
 * Runs a function under a transform. Meanwhile a tensor that is computed (for control flow on its value) keeps the
 * operation that made it, because the transform has yet to walk over it.
 */
export function whileTracing<T>(run: () => T): T {
  depth++;
  try {
    return run();
  } finally {
    depth--;
  }
}

/** Whether a transform is calling a user's function. */
export function isTracing(): boolean {
  return depth > 0;
}
