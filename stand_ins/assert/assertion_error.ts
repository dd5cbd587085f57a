/** The error that a failed assertion throws. */
export class AssertionError extends Error {
  /** An error with the message of the assertion. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}
