/**
 * Assertions for tests.
 *
 * @module
 */

export * from "./assert.ts";
export * from "./assertion_error.ts";
export * from "./compare.ts";
export * from "./equal.ts";
export * from "./equals.ts";
export * from "./strings.ts";
export * from "./throws.ts";
