import { AssertionError } from "./assertion_error.ts";
import { suffix } from "./message.ts";

type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

/** Fails unless the function throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Fails unless the function throws an instance of the class whose message contains the text. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludesOrMsg?: string,
  msg?: string,
): unknown {
  const message = typeof classOrMsg === "string" ? classOrMsg : msg;
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
    checkThrown(thrown, classOrMsg, msgIncludesOrMsg, message);
    return thrown;
  }
  throw new AssertionError(`Expected function to throw${suffix(message)}`);
}

/** Fails unless the promise of the function rejects; resolves to what it rejected with. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Fails unless the promise rejects with an instance of the class whose message contains the text. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludesOrMsg?: string,
  msg?: string,
): Promise<unknown> {
  const message = typeof classOrMsg === "string" ? classOrMsg : msg;
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch {
    throw new AssertionError(`Function throws when expected to reject${suffix(message)}`);
  }
  if (typeof promise?.then !== "function") {
    throw new AssertionError(`Function returned no promise${suffix(message)}`);
  }
  try {
    await promise;
  } catch (error) {
    checkThrown(error, classOrMsg, msgIncludesOrMsg, message);
    return error;
  }
  throw new AssertionError(`Expected function to reject${suffix(message)}`);
}

function checkThrown(
  error: unknown,
  expected: ErrorClass<Error> | string | undefined,
  includes: string | undefined,
  msg: string | undefined,
): void {
  if (expected === undefined || typeof expected === "string") return;
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was thrown or rejected${suffix(msg)}`);
  }
  const { constructor, message } = error;
  if (!(error instanceof expected)) {
    throw new AssertionError(
      `Expected error to be instance of "${expected.name}", but was "${constructor?.name}" (${message})${
        suffix(msg)
      }`,
      { cause: error },
    );
  }
  if (includes !== undefined && !message.includes(includes)) {
    throw new AssertionError(
      `Expected error message to include "${includes}", but got "${message}"${suffix(msg)}`,
      { cause: error },
    );
  }
}
