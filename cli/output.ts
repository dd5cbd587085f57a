/**
 * Writing the kernel.
 *
 * @module
 */

import { TangentsError, type TypedArray } from "../mod.ts";
import { writeNpy } from "../lib/npy/mod.ts";
import { isFolder } from "./network.ts";
import { UsageError } from "./usage.ts";

/** Throws before anything is computed where the kernel could not be written in the end. */
export async function checkWritable(out: string): Promise<void> {
  if (await isFolder(out)) throw new UsageError(`--out ${out}: is a folder; expected a file name`);
  const folder = out.includes("/") ? out.slice(0, out.lastIndexOf("/")) || "/" : ".";
  if (!await isFolder(folder)) {
    throw new UsageError(`--out ${out}: there is no folder ${folder}; make it first`);
  }
  // A device or a pipe would be replaced by the file.
  const other = await Deno.stat(out).then((info) => !info.isFile, () => false);
  if (other) throw new UsageError(`--out ${out}: is no regular file; expected a file name`);
}

/** Does something to its end before signals end the process. */
async function uninterrupted(work: () => Promise<void>): Promise<void> {
  let interrupted = false;
  const note = (): void => {
    interrupted = true;
  };
  Deno.addSignalListener("SIGINT", note);
  try {
    await work();
  } finally {
    Deno.removeSignalListener("SIGINT", note);
  }
  // As a shell reports a process that Ctrl-C ended.
  if (interrupted) Deno.exit(130);
}

/** Writes the kernel; Ctrl-C meanwhile leaves no part of a file. Throws a `TangentsError` where it cannot be written. */
export async function writeKernel(
  out: string,
  data: TypedArray,
  shape: readonly number[],
): Promise<void> {
  try {
    await uninterrupted(() => writeNpy(out, { data, shape }));
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // The system's words, without the temporary name that it was given.
    const reason = error.message.replace(/: writefile .*$/, "");
    throw new TangentsError(`--out ${out}: cannot be written (${reason})`, { cause: error });
  }
}
