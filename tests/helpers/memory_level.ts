/**
 * Whether a long run holds its memory.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";

const script = new URL("./memory_loop.ts", import.meta.url).pathname;
const mebibyte = 2 ** 20;

/** What a loop held after each kernel, and the most at once. */
export interface Run {
  samples: { used: number; rss: number }[];
  peak: number;
}

/** The loop in a process of its own, so that nothing else is counted. */
export async function loop(...args: (string | number)[]): Promise<Run> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-env", script, ...args.map(String)],
    stderr: "inherit",
  }).output();
  assertEquals(output.code, 0);
  return JSON.parse(new TextDecoder().decode(output.stdout));
}

/** Throws where a run holds more than its first few kernels did, and some more that the engine collects late. */
export function assertLevel({ samples }: Run, kernels: number, kernelBytes: number): void {
  assertEquals(samples.length, kernels);
  const most = (key: "used" | "rss", from: number, to: number): number =>
    Math.max(...samples.slice(from, to).map((sample) => sample[key]));
  const [usedSlack, rssSlack] = [64 * mebibyte, 192 * mebibyte];
  // What a leak of the kernels alone would add.
  assert(kernels * kernelBytes > 1.5 * rssSlack);
  const used = most("used", 0, kernels) - most("used", 0, 5);
  assert(used <= usedSlack, `the backend holds ${used / mebibyte} MiB more`);
  const rss = most("rss", 0, kernels) - most("rss", 0, 5);
  assert(rss <= rssSlack, `the process holds ${rss / mebibyte} MiB more`);
}

/** Bytes of the loop's kernel of so many examples. */
export const kernelBytes = (examples: number): number => 4 * (10 * examples) ** 2;
