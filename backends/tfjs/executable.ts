/**
 * Runs a program node by node.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import { isInteger } from "../../lib/base/dtype.ts";
import type { PrimitiveName } from "../../lib/base/primitives.ts";
import { formatShape, sizeOf } from "../../lib/base/shape.ts";
import type { Backend, DeviceBuffer, Executable } from "../../lib/compiler/backend.ts";
import { lastUses } from "../../lib/compiler/last_uses.ts";
import type { Program, ProgramNode } from "../../lib/compiler/program.ts";
import { type BufferPool, TfjsBuffer } from "./buffer.ts";
import { messageOf } from "../message.ts";
import type { TensorInfo } from "./load.ts";
import { denseHost, type Operations } from "./operations.ts";
import type { Verdict } from "./gpu_errors.ts";
import { onHost } from "./host.ts";
import { placeNode } from "./placement.ts";
import { rules } from "./rules.ts";
import { storedBytes } from "./storage.ts";
import type { Value } from "./value.ts";

/** Their results repeat what is stored once, and take no memory to speak of. */
const small: ReadonlySet<PrimitiveName> = new Set(["broadcast", "full", "iota"]);

/** A program on TensorFlow.js's kernels. */
export class TfjsExecutable implements Executable {
  readonly scratchBytes: number;
  readonly #backend: Backend;
  readonly #on: Operations;
  readonly #pool: BufferPool;
  readonly #program: Program;
  readonly #last: readonly number[];

  /**
   * @throws BackendError when the program has float64 in it, or a tensor that is too large.
   */
  constructor(backend: Backend, on: Operations, pool: BufferPool, program: Program) {
    this.#backend = backend;
    this.#on = on;
    this.#pool = pool;
    this.#program = program;
    this.#last = lastUses(program);
    for (const { primitive, shape, dtype } of program.nodes) {
      const type = on.typeOf(dtype);
      if (!small.has(primitive)) on.kernels.checkSize(shape, type);
    }
    this.scratchBytes = this.#mostBytes();
  }

  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[] {
    const given = this.#bind(inputs);
    const own = inputs as readonly TfjsBuffer[];
    try {
      const watched = this.#pool.errors.watch(() => this.#describe(), () => this.#evaluate(given));
      const verdict = together([watched.verdict, ...own.map((buffer) => buffer.verdict)]);
      return watched.result.map((value) => this.#pool.create(this.#backend, value, verdict));
    } finally {
      own.forEach((buffer, i) => this.#takeBack(buffer, given[i]));
    }
  }

  /** Computes the outputs, which own their tensors. */
  #evaluate(given: readonly Value[]): Value[] {
    const { nodes, outputs } = this.#program;
    const values: (Value | null)[] = nodes.map(() => null);
    const results: Value[] = [];
    this.#program.inputs.forEach((id, i) => values[id] = given[i]);
    try {
      nodes.forEach((node, i) => {
        values[i] ??= this.#compute(node, node.inputs.map((input) => values[input]!));
        for (const j of new Set([...node.inputs, i])) {
          if (this.#last[j] === i && !given.includes(values[j]!)) {
            this.#release(values[j]!);
            values[j] = null;
          }
        }
      });
      for (const output of outputs) results.push(this.#output(values[output]!));
      return results;
    } catch (error) {
      results.forEach((value) => this.#release(value));
      throw error;
    } finally {
      for (const value of new Set(values)) {
        if (value !== null && !given.includes(value)) this.#release(value);
      }
    }
  }

  /** The program in a few words: what it computes with, most frequent first. */
  #describe(): string {
    const counts = Map.groupBy(this.#program.nodes, ({ primitive }) => primitive);
    const most = [...counts].sort(([, a], [, b]) => b.length - a.length).slice(0, 4);
    return `${this.#program.nodes.length} operations: ${most.map(([name]) => name).join(", ")}`;
  }

  /** The inputs' values in the shapes of their nodes. */
  #bind(inputs: readonly DeviceBuffer[]): Value[] {
    const { nodes, inputs: ids } = this.#program;
    const { name } = this.#backend;
    if (inputs.length !== ids.length) {
      throw new BackendError(
        `${name}: the program takes ${ids.length} inputs, got ${inputs.length}`,
      );
    }
    return inputs.map((buffer, i) => {
      const { shape, dtype } = nodes[ids[i]];
      const { tensor, host, bound } = ownBuffer(this.#backend, buffer).value;
      if (buffer.dtype !== dtype || buffer.length !== sizeOf(shape)) {
        throw new BackendError(
          `${name}: input ${i} should be ${
            sizeOf(shape)
          } elements of ${dtype}, got ${buffer.length} of ${buffer.dtype}`,
        );
      }
      return { shape, dtype, stored: shape, tensor: tensor && { ...tensor, shape }, host, bound };
    });
  }

  /** What a run brought to the device stays there for the next. */
  #takeBack(buffer: TfjsBuffer, { tensor, host, dtype }: Value): void {
    if (tensor === null || buffer.value.tensor !== null) return;
    // Integers are kept on the host too: what has no exact kernel on a GPU is computed there.
    buffer.moved({ ...tensor, shape: [buffer.length] }, dtype === "float32" ? null : host);
  }

  #compute(node: ProgramNode, inputs: readonly Value[]): Value {
    const { kernels } = this.#on;
    const { shape, dtype } = node;
    let value: Value | null = null;
    try {
      kernels.reserve(2 * sizeOf(shape) * storedBytes(this.#on.typeOf(dtype)));
      const { host, bound } = placeNode(node, inputs, this.#on);
      if (host) return onHost(node, inputs, this.#on);
      const tensor = kernels.scope(() => {
        const result = apply(node, inputs, this.#on);
        const made = "dataId" in result ? result : result.tensor;
        value = "dataId" in result
          ? { shape, dtype, stored: result.shape, tensor: null, host: null }
          : { ...result, shape, dtype };
        // An operand's tensor may be the result as it is.
        const owned = made === null || !inputs.some((x) => x.tensor === made);
        return owned ? made : kernels.share(made);
      });
      if (tensor !== null) kernels.keep(tensor);
      value!.tensor = tensor;
      if (isInteger(dtype)) value!.bound ??= bound;
      return value!;
    } catch (error) {
      if (error instanceof BackendError) throw error;
      const operands = inputs.map((x) => `${x.dtype} ${formatShape(x.shape)}`).join(", ");
      throw new BackendError(
        `${this.#backend.name}: ${node.primitive} of ${operands} to ${dtype} ${
          formatShape(shape)
        } failed: ${messageOf(error)}`,
        { cause: error },
      );
    }
  }

  /** A node's value with all elements one after the other. */
  #output(value: Value): Value {
    const { kernels } = this.#on;
    const { shape, dtype, bound } = value;
    const flat = [sizeOf(shape)];
    const dense = { shape: flat, dtype, stored: flat, bound };
    const elements = this.#on.readable ? null : this.#on.hostOf(value);
    if (elements !== null) {
      const host = denseHost(elements, value);
      return { ...dense, tensor: null, host };
    }
    const tensor = kernels.scope(() => kernels.reshape(this.#on.dense(value), flat));
    return { ...dense, tensor: kernels.keep(tensor), host: null };
  }

  #release({ tensor }: Value): void {
    if (tensor !== null) this.#on.kernels.release(tensor);
  }

  /** The most bytes that are alive at once, beside inputs, if every node that is not small is stored. */
  #mostBytes(): number {
    const { nodes, inputs } = this.#program;
    const given = new Set(inputs);
    const bytes = nodes.map(({ primitive, shape, dtype }, i) =>
      given.has(i) || small.has(primitive) ? 0 : sizeOf(shape) * storedBytes(this.#on.typeOf(dtype))
    );
    let alive = 0;
    let most = 0;
    nodes.forEach((node, i) => {
      alive += bytes[i];
      most = Math.max(most, alive);
      for (const j of new Set([...node.inputs, i])) if (this.#last[j] === i) alive -= bytes[j];
    });
    return most;
  }
}

/** Applies the rule of a node's primitive. */
function apply<P extends PrimitiveName>(
  node: ProgramNode<P>,
  inputs: readonly Value[],
  on: Operations,
): TensorInfo | Value {
  return rules[node.primitive](node, inputs, on);
}

/** Whether nothing was wrong with any of several computations. */
function together(verdicts: readonly (Verdict | null)[]): Verdict | null {
  const open = [...new Set(verdicts)].filter((verdict) => verdict !== null);
  if (open.length < 2) return open[0] ?? null;
  return Promise.all(open).then((errors) => errors.find((error) => error !== null) ?? null);
}

/** The buffer as one of the backend's. */
export function ownBuffer(backend: Backend, buffer: DeviceBuffer): TfjsBuffer {
  if (buffer instanceof TfjsBuffer && buffer.backend === backend) return buffer;
  throw new BackendError(
    `${backend.name}: the buffer belongs to another backend (${buffer.backend.name}); read it with its own, and upload it here`,
  );
}
