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
      "a value was read inside vmap: the tensor depends on an input that stands for one example of many and has no " +
        "value of its own; use where(...) instead of if, or move the reading outside vmap",
    );
  }
}

/**
 * Walks over what must be computed, checks that it can be, and finds the retained tensors in it that have no value yet,
 * in the order of their creation.
 */
function inspectGraph(outputs: readonly Tensor[]): Tensor[] {
  const seen = new Set<Tensor>(outputs);
  const stack = [...outputs];
  const retained: Tensor[] = [];
  while (stack.length > 0) {
    const x = stack.pop()!;
    if (x.buffer !== null || x.host !== null) continue;
    checkReadable(x);
    if (x.retained) retained.push(x);
    for (const input of x.operation!.inputs) {
      if (!seen.has(input)) {
        seen.add(input);
        stack.push(input);
      }
    }
  }
  return retained.sort((a, b) => a.id - b.id);
}

/** The tensor's buffer on the backend, uploaded or moved there if it is not yet. */
function bufferOn(backend: Backend, x: Tensor): DeviceBuffer {
  if (x.buffer !== null && x.buffer.backend === backend) return x.buffer;
  if (x.buffer !== null) {
    const { backend: other } = x.buffer;
    if (other.readSync === undefined) {
      throw new BackendError(
        `a ${
          describe(x)
        } lives on the backend ${other.name}, which cannot be read without waiting; read it with data() and make a new tensor`,
      );
    }
    const moved = backend.upload(other.readSync(x.buffer), x.dtype);
    x.buffer.dispose();
    return x.buffer = moved;
  }
  checkReadable(x);
  const { host } = x;
  x.buffer = backend.upload(host!, x.dtype);
  x.host = null;
  return x.buffer;
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

/**
 * Makes ready to compute tensors, in one program, on the current backend. Retained tensors among what they need are
 * computed at once.
 */
export function prepare(tensors: Iterable<Tensor>): Prepared {
  const backend = currentBackend();
  const missing = [...new Set(tensors)].filter((x) => x.buffer === null && x.host === null);
  if (missing.length === 0) return { bytes: 0, run() {} };
  const retained = inspectGraph(missing).filter((x) => !missing.includes(x));
  if (retained.length > 0) prepareOn(backend, retained).run();
  return prepareOn(backend, missing);
}

/** Computes tensors, in one program, on the current backend. */
export function realizeSync(tensors: Iterable<Tensor>): void {
  prepare(tensors).run();
}

/** The tensor's elements. */
export function readTensorSync(x: Tensor): TypedArray {
  realizeSync([x]);
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
// deno-lint-ignore require-await -- errors become rejections
export async function readTensor(x: Tensor): Promise<TypedArray> {
  realizeSync([x]);
  return x.host !== null ? x.host.slice() : x.buffer!.backend.read(x.buffer!);
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
