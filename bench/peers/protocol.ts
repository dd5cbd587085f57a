/**
 * What the processes share that compute kernels for the report: their command line, memory, and the exchange of lines.
 *
 * @module
 */

/** What a kernel is asked of a process. */
export interface KernelRequest {
  readonly method: string;
  readonly compute: string;
  /** File to write the kernel to, as .npy. */
  readonly out?: string;
}

/** What a process that computes a single kernel says. */
export interface OnceReply {
  /** Seconds of the kernel alone. */
  readonly seconds: number;
  /** Bytes of resident memory after the imports. */
  readonly start: number;
  /** Most bytes of resident memory. */
  readonly peak: number;
  readonly version: string;
}

/** The command line of such a process. */
export interface WorkerArguments {
  readonly problem: string;
  readonly threads: number;
  readonly data: string | null;
  readonly once: KernelRequest | null;
}

/** Parses `PROBLEM [--threads N] [--data FOLDER] [--once METHOD COMPUTE]`. */
export function workerArguments(): WorkerArguments {
  const [problem, ...rest] = Deno.args;
  const after = (name: string, offset: number): string | null => {
    const at = rest.indexOf(name);
    return at < 0 ? null : rest[at + offset];
  };
  const method = after("--once", 1);
  return {
    problem,
    threads: Number(after("--threads", 1) ?? 2),
    data: after("--data", 1),
    once: method === null ? null : { method, compute: after("--once", 2)! },
  };
}

function status(name: string): number {
  try {
    const text = Deno.readTextFileSync("/proc/self/status");
    return Number(text.match(new RegExp(`^${name}:\\s*(\\d+) kB`, "m"))?.[1] ?? 0) * 1024;
  } catch {
    return NaN;
  }
}

/** Computes one kernel, or answers requests until there are no more. `make` gives what computes a kernel. */
export async function serve(
  version: string,
  once: KernelRequest | null,
  make: () => Promise<(request: KernelRequest) => Promise<Float32Array>>,
  write: (path: string, kernel: Float32Array) => Promise<void>,
): Promise<void> {
  const start = status("VmRSS");
  try {
    // The peak counts from here.
    Deno.writeTextFileSync("/proc/self/clear_refs", "5");
  } catch {
    // Then it may be that of the imports, which is more.
  }
  const compute = await make();
  const timed = async (request: KernelRequest): Promise<[Float32Array, number]> => {
    const begin = performance.now();
    const kernel = await compute(request);
    return [kernel, (performance.now() - begin) / 1000];
  };
  if (once !== null) {
    const [, seconds] = await timed(once);
    console.log(JSON.stringify({ seconds, start, peak: status("VmHWM"), version }));
    return;
  }
  console.log(JSON.stringify({ version }));
  let pending = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (pending + text).split("\n");
    pending = lines.pop()!;
    for (const line of lines) {
      try {
        const request: KernelRequest = JSON.parse(line);
        const [kernel, seconds] = await timed(request);
        if (request.out !== undefined) await write(request.out, kernel);
        console.log(JSON.stringify({ seconds }));
      } catch (error) {
        console.log(JSON.stringify({ error: String(error) }));
      }
    }
  }
}
