/**
 * What became of commands that were enqueued: known later, when the device reports errors.
 *
 * @module
 */

/** Whether commands succeeded, once that is known. */
export class Outcome {
  /** The first error; null while there is none. */
  error: Error | null = null;
  /** Whether it is known. */
  settled = false;
  /** Fulfilled when it is known; never rejected. */
  readonly done: Promise<void>;

  /**
   * @param checks what must hold: each gives an error or null
   * @param before what it builds on: an error there is an error here
   */
  constructor(checks: readonly Promise<Error | null>[], before: Iterable<Outcome> = []) {
    // What it builds on comes first: its errors cause the others.
    const open: Promise<Error | null>[] = [];
    for (const outcome of new Set(before)) {
      if (outcome.error !== null) this.error ??= outcome.error;
      else if (!outcome.settled) open.push(outcome.done.then(() => outcome.error));
    }
    this.done = Promise.all([...open, ...checks]).then((errors) => {
      for (const error of errors) this.error ??= error;
      this.settled = true;
    });
  }
}
