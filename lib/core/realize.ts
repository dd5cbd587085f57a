/**
 * From tensors to values: one program for everything that is asked for.
 *
 * @module
 */

import { bytesPerElement, type TypedArray } from "../base/dtype.ts";
import { BackendError, TraceError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import type { Backend, DeviceBuffer, Executable } from "../compiler/backend.ts";
import { buildProgram } from "../compiler/build.ts";
import { currentBackend } from "../../backends/registry.ts";
import type { Tensor } from "./tensor.ts";
import { dropOperation, isTracing } from "./trace.ts";

/** Executables kept for each backend; the oldest go first. */
const cacheSize = 512;
const caches = new WeakMap<Backend, Map<string, Executable>>();

function executableOf(backend: Backend, program: Parameters<Backend["compile"]>[0]): Executable {
  let cache = caches.get(backend);
  if (cache === undefined) caches.set(backend, cache = new Map());
  const known = cache.get(program.key);
  const executable = known ?? backend.compile(program);
  // Deleted and set again, an entry is the youngest.
  cache.delete(program.key);
  cache.set(program.key, executable);
  if (cache.size > cacheSize) cache.delete(cache.keys().next().value!);
  return executable;
}

function describe(x: Tensor): string {
  return `${x.dtype} tensor of shape ${formatShape(x.shape)}`;
}

/** Throws where a tensor has no value: it was disposed of, or stands for an example inside vmap. */
function checkReadable(x: Tensor): void {
  if (x.operation === null && x.buffer === null && x.host === null) {
    throw new TraceError(`this ${describe(x)} was disposed of; its value cannot be used any more`);
  }
  if (x.operation?.primitive === "placeholder") {
    throw new TraceError(
      "a value was read inside vmap or toOnnx: the tensor depends on an input that stands for one example of many and has no " +
        "value of its own; use where(...) instead of if, or move the reading outside vmap",
    );
  }
}

/** What stands between tensors and their values. */
interface Inspection {
  /** Retained tensors without a value yet, in the order of their creation. */
  readonly retained: Tensor[];
  /** Tensors with a value that are read. */
  readonly leaves: Tensor[];
}

/** Walks over what must be computed, and checks that it can be. */
function inspectGraph(outputs: readonly Tensor[]): Inspection {
  const seen = new Set<Tensor>(outputs);
  const stack = [...outputs];
  const retained: Tensor[] = [];
  const leaves: Tensor[] = [];
  while (stack.length > 0) {
    const x = stack.pop()!;
    if (x.buffer !== null || x.host !== null) {
      leaves.push(x);
      continue;
    }
    checkReadable(x);
    if (x.retained) retained.push(x);
    for (const input of x.operation!.inputs) {
      if (!seen.has(input)) {
        seen.add(input);
        stack.push(input);
      }
    }
  }
  return { retained: retained.sort((a, b) => a.id - b.id), leaves };
}

/** Whether the elements must be waited for before another backend can have them. */
function isElsewhere({ buffer, host }: Tensor, backend: Backend): boolean {
  return buffer !== null && host === null && buffer.backend !== backend &&
    buffer.backend.readSync === undefined;
}

/**
 * Fetches the elements of those tensors that lie on other backends and cannot be read there without waiting. Null where there is
 * nothing to wait for.
 */
function fetchFrom(leaves: readonly Tensor[], backend: Backend): Promise<unknown> | null {
  const elsewhere = leaves.filter((x) => isElsewhere(x, backend));
  if (elsewhere.length === 0) return null;
  return Promise.all(elsewhere.map(async (x) => {
    x.host = await x.buffer!.backend.read(x.buffer!);
  }));
}

/**
 * The tensor's buffer on the backend, uploaded or moved there if it is not yet. Where elements cannot be read back without
 * waiting, or can be lost with a device, they stay on the host as well.
 */
function bufferOn(backend: Backend, x: Tensor): DeviceBuffer {
  const { buffer } = x;
  if (buffer !== null && buffer.backend === backend && !buffer.lost) return buffer;
  checkReadable(x);
  if (x.host === null) {
    const { backend: other, lost } = buffer!;
    if (lost) {
      throw new BackendError(
        `a ${
          describe(x)
        } was lost with the device of ${other.name} that computed it; compute it again`,
      );
    }
    if (other.readSync === undefined) {
      throw new BackendError(
        `a ${
          describe(x)
        } lives on the backend ${other.name}, which cannot be read without waiting; await data() or realize() of what is computed from it, or read it there first`,
      );
    }
    x.host = other.readSync(buffer!);
  }
  const moved = backend.upload(x.host, x.dtype);
  buffer?.dispose();
  if (backend.readSync !== undefined) x.host = null;
  return x.buffer = moved;
}

/** Tensors about to be computed: their program is compiled, nothing has run. */
export interface Prepared {
  /** Bytes that the run needs beside the tensors that it reads: intermediate and final results, where the backend knows. */
  readonly bytes: number;
  /** Computes them. */
  run(): void;
}

function prepareOn(backend: Backend, outputs: readonly Tensor[]): Prepared {
  const { program, leaves } = buildProgram(outputs);
  const executable = executableOf(backend, program);
  const results = outputs.reduce((n, { size, dtype }) => n + size * bytesPerElement(dtype), 0);
  return {
    bytes: results + (executable.scratchBytes ?? 0),
    run() {
      const inputs = (leaves as Tensor[]).map((leaf) => bufferOn(backend, leaf));
      const buffers = executable.run(inputs);
      outputs.forEach((x, i) => {
        x.buffer = buffers[i];
        dropOperation(x);
      });
    },
  };
}

/** The tensors without values. */
function missingOf(tensors: Iterable<Tensor>): Tensor[] {
  return [...new Set(tensors)].filter((x) => x.buffer === null && x.host === null);
}

/** Makes ready to compute tensors without values, of which a walk found what stands between. */
function prepareMissing(
  missing: readonly Tensor[],
  { retained }: Inspection,
  backend: Backend,
): Prepared {
  if (missing.length === 0) return { bytes: 0, run() {} };
  const first = retained.filter((x) => !missing.includes(x));
  if (first.length > 0) prepareOn(backend, first).run();
  return prepareOn(backend, missing);
}

/**
 * Makes ready to compute tensors, in one program. Retained tensors among what they need are computed at once. Throws a
 * `BackendError` where a backend cannot compute them, or would have to wait for elements on another one.
 *
 * @param backend the current one if none is given
 */
export function prepare(tensors: Iterable<Tensor>, backend: Backend = currentBackend()): Prepared {
  const missing = missingOf(tensors);
  return prepareMissing(missing, inspectGraph(missing), backend);
}

/**
 * The same, and waits for elements on other backends where that is needed. A promise only then: the caller may dispose of what
 * is read as soon as this returns.
 */
function prepareWhenThere(
  tensors: Iterable<Tensor>,
  backend: Backend,
): Prepared | Promise<Prepared> {
  const missing = missingOf(tensors);
  const inspection = inspectGraph(missing);
  const fetching = fetchFrom(inspection.leaves, backend);
  return fetching === null
    ? prepareMissing(missing, inspection, backend)
    // Others may have computed some of it in the meantime.
    : fetching.then(() => prepare(missing, backend));
}

/** Makes ready to compute tensors, and waits for elements on other backends where that is needed. */
export async function prepareAll(
  tensors: Iterable<Tensor>,
  backend: Backend = currentBackend(),
): Promise<Prepared> {
  return await prepareWhenThere(tensors, backend);
}

/** Computes tensors, in one program; see `prepare`. */
export function realizeSync(tensors: Iterable<Tensor>, backend?: Backend): void {
  prepare(tensors, backend).run();
}

/** Computes tensors, in one program, and waits until they are computed. */
export async function realizeAll(
  tensors: Iterable<Tensor>,
  backend: Backend = currentBackend(),
): Promise<void> {
  const prepared = prepareWhenThere(tensors, backend);
  (prepared instanceof Promise ? await prepared : prepared).run();
  await backend.synchronize?.();
}

/** The tensor's buffer on a backend, once it is computed and there. */
export async function bufferForReading(
  x: Tensor,
  backend: Backend = currentBackend(),
): Promise<DeviceBuffer> {
  await realizeAll([x], backend);
  await fetchFrom([x], backend);
  return bufferOn(backend, x);
}

/** The tensor's elements. */
export function readTensorSync(x: Tensor): TypedArray {
  if (x.host === null) realizeSync([x]);
  if (x.host !== null) return x.host.slice();
  const { backend } = x.buffer!;
  if (backend.readSync === undefined) {
    throw new BackendError(
      `the backend ${backend.name} cannot be read without waiting; use await data()`,
    );
  }
  return backend.readSync(x.buffer!);
}

/** The tensor's elements, when they are there. */
export async function readTensor(x: Tensor): Promise<TypedArray> {
  if (x.host !== null) return x.host.slice();
  const prepared = prepareWhenThere([x], currentBackend());
  (prepared instanceof Promise ? await prepared : prepared).run();
  return x.buffer!.backend.read(x.buffer!);
}

/** The tensor's elements, or a few words about why there are none; for printing, which must not throw. */
export function tryReadTensorSync(x: Tensor): TypedArray | string {
  try {
    return readTensorSync(x);
  } catch (error) {
    if (error instanceof TraceError) {
      return x.operation === null ? "disposed of" : "no value inside vmap";
    }
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * Returns the tensor's memory. Inside a transform a tensor keeps the operation that made it, because the derivative of
 * what was built on it may need its value again.
 */
export function disposeTensor(x: Tensor): void {
  x.buffer?.dispose();
  x.buffer = null;
  x.host = null;
  if (!isTracing()) x.operation = null;
}
