import { NpyError } from "./error.ts";
import { formatNpy } from "./format.ts";
import { parseNpy } from "./parse.ts";
import type { NpyArray, NpyData, NpyDType } from "./types.ts";

/**
 * Reads a `.npy` file; see {@linkcode parseNpy} for what is understood.
 *
 * ```ts
 * import { readNpy, writeNpy } from "@tangents/ntk/npy";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile({ suffix: ".npy" });
 * await writeNpy(path, { shape: [2], data: new Float64Array([0.5, 2]) });
 * assertEquals((await readNpy(path)).data, new Float64Array([0.5, 2]));
 * await Deno.remove(path);
 * ```
 *
 * @throws {NpyError} naming the file, where it cannot be understood.
 * @throws {Deno.errors.NotFound} where there is no such file.
 */
export async function readNpy(path: string | URL): Promise<NpyArray> {
  const bytes = await Deno.readFile(path);
  try {
    return parseNpy(bytes);
  } catch (error) {
    if (error instanceof NpyError) {
      throw new NpyError(`${path}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

/**
 * Writes a `.npy` file; see {@linkcode formatNpy} for the form. The file appears whole: it is written beside its place
 * under another name, then renamed.
 *
 * ```ts
 * import { writeNpy } from "@tangents/ntk/npy";
 *
 * const path = await Deno.makeTempFile({ suffix: ".npy" });
 * await writeNpy(path, { shape: [2, 1], data: new Float32Array([1, 2]) });
 * await Deno.remove(path);
 * ```
 *
 * @throws {NpyError} where the array cannot be written; nothing is then written.
 * @throws {Deno.errors.NotFound} where there is no such folder.
 */
export async function writeNpy(
  path: string | URL,
  array: { dtype?: NpyDType; shape: readonly number[]; data: NpyData },
): Promise<void> {
  const bytes = formatNpy(array);
  const temporary = path instanceof URL ? new URL(path) : `${path}.${crypto.randomUUID()}.tmp`;
  if (temporary instanceof URL) temporary.pathname += `.${crypto.randomUUID()}.tmp`;
  try {
    await Deno.writeFile(temporary, bytes, { createNew: true });
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}
