/**
 * Reading and writing NumPy's `.npy` files, as typed arrays with a shape.
 *
 * Follows {@link https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html | numpy.lib.format}, versions 1
 * to 3. `parseNpy` and `formatNpy` work on bytes and run everywhere; `readNpy` and `writeNpy` need Deno's file system.
 *
 * ```ts
 * import { formatNpy, parseNpy } from "@tangents/ntk/npy";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = formatNpy({ shape: [2, 2], data: new Float32Array([1, 2, 3, 4]) });
 * const { dtype, shape, data } = parseNpy(bytes);
 * assertEquals([dtype, shape, data], ["float32", [2, 2], new Float32Array([1, 2, 3, 4])]);
 * ```
 *
 * @module
 */

export { TangentsError } from "../base/errors.ts";
export { NpyError } from "./error.ts";
export type { NpyArray, NpyData, NpyDType } from "./types.ts";
export { parseNpy } from "./parse.ts";
export { formatNpy } from "./format.ts";
export { readNpy, writeNpy } from "./file.ts";
