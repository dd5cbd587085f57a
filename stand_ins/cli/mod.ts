/**
 * Command line arguments.
 *
 * @module
 */

export * from "./parse_args.ts";
