/**
 * Processes that compute kernels: ours and the peers', spoken to in lines of JSON.
 *
 * @module
 */

import type { KernelRequest } from "./peers/protocol.ts";

/** How to start a process that computes kernels. */
export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** A process that waits for requests. */
export interface Worker {
  readonly name: string;
  /** The version of what computes. */
  readonly version: string;
  /** Computes a kernel and returns the seconds that it took. */
  ask(request: KernelRequest): Promise<number>;
  /** Ends it. */
  close(): Promise<void>;
}

/** Starts a process; throws where it cannot compute kernels. */
export async function startWorker(program: Program, more: readonly string[]): Promise<Worker> {
  const process = new Deno.Command(program.command, {
    args: [...program.args, ...more],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const writer = process.stdin.getWriter();
  let pending = "";
  const line = async (): Promise<Record<string, unknown>> => {
    while (!pending.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`${program.name}: the process ended`);
      pending += value;
    }
    const end = pending.indexOf("\n");
    const text = pending.slice(0, end);
    pending = pending.slice(end + 1);
    return JSON.parse(text);
  };
  const { version } = await line();
  return {
    name: program.name,
    version: String(version),
    async ask(request) {
      await writer.write(new TextEncoder().encode(JSON.stringify(request) + "\n"));
      const { seconds, error } = await line();
      if (typeof seconds !== "number") throw new Error(`${program.name}: ${error}`);
      return seconds;
    },
    async close() {
      await writer.close();
      // The rest must be read, or the process may wait for it.
      while (!(await reader.read()).done);
      await process.status;
    },
  };
}

/** A script of this folder as a program; `flags` are those of `deno run`. */
export function script(name: string, path: string, flags: readonly string[] = []): Program {
  const file = new URL(path, import.meta.url).pathname;
  return {
    name,
    command: Deno.execPath(),
    args: ["run", "-A", "--no-lock", "--no-check", ...flags, file],
  };
}

/** A whole process that measures something once: its seconds from start to end, and what it says in JSON. */
export async function runOnce<Reply>(
  program: Program,
  more: readonly string[],
): Promise<Reply & { readonly wall: number }> {
  const from = performance.now();
  const { success, stdout } = await new Deno.Command(program.command, {
    args: [...program.args, ...more],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).output();
  const wall = (performance.now() - from) / 1000;
  if (!success) throw new Error(`${program.name}: the process failed`);
  return { ...JSON.parse(new TextDecoder().decode(stdout)), wall };
}

/** The first of the Python interpreters that can import the modules, or null. */
export async function findPython(modules: string): Promise<string | null> {
  // Several interpreters may be given, as the peers may need environments of their own.
  const given = Deno.env.get("TANGENTS_PYTHON")?.split(",") ?? [];
  for (const command of [...given, "python3"]) {
    try {
      const { success } = await new Deno.Command(command, {
        args: ["-c", `import ${modules}`],
        stdout: "null",
        stderr: "null",
      }).output();
      if (success) return command;
    } catch {
      // Not there: the next one.
    }
  }
  return null;
}
