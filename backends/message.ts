/**
 * What went wrong, in words.
 *
 * @module
 */

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
