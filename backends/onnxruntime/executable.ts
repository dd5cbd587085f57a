/**
 * A program as a session of onnxruntime.
 *
 * @module
 */

import { allocate, type TypedArray } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import { sizeOf } from "../../lib/base/shape.ts";
import type { DeviceBuffer, Executable } from "../../lib/compiler/backend.ts";
import type { Program, ProgramNode } from "../../lib/compiler/program.ts";
import { writeProgram } from "../../lib/onnx/write/program.ts";
import type { OnnxruntimeBuffer } from "./buffer.ts";
import type { OrtTensor } from "./load.ts";
import type { Sessions } from "./sessions.ts";

/** Makes and recognizes the buffers of the backend that an executable is of. */
export interface BufferMaker {
  /** A buffer of elements that will be there. */
  make(node: ProgramNode, data: Promise<TypedArray>): DeviceBuffer;
  /** The buffer as one of this backend's; throws a `BackendError` for others. */
  own(buffer: DeviceBuffer): OnnxruntimeBuffer;
}

/** A program, and the session that runs it. */
export class OnnxruntimeExecutable implements Executable {
  readonly #sessions: Sessions;
  readonly #buffers: BufferMaker;
  readonly #program: Program;
  /** The inputs and outputs that have elements; others onnxruntime does not see. */
  readonly #inputs: readonly number[];
  readonly #outputs: readonly number[];
  readonly #session: ReturnType<Sessions["create"]> | null;

  /** Writes the program; its session is made ready while others compute. */
  constructor(sessions: Sessions, buffers: BufferMaker, program: Program) {
    this.#sessions = sessions;
    this.#buffers = buffers;
    this.#program = program;
    const { nodes, inputs } = program;
    const filled = (id: number): boolean => sizeOf(nodes[id].shape) > 0;
    this.#inputs = inputs.filter(filled);
    this.#outputs = [...new Set(program.outputs.filter(filled))];
    if (this.#outputs.length === 0) {
      this.#session = null;
      return;
    }
    const model = writeProgram(
      { ...program, inputs: this.#inputs, outputs: this.#outputs, nodes: withoutEmpty(program) },
      {
        inputs: this.#inputs.map((id) => `input_${id}`),
        outputs: this.#outputs.map((id) => `output_${id}`),
      },
    );
    this.#session = sessions.create(model);
    sessions.releaseWith(this, this.#session);
  }

  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[] {
    const { nodes, outputs } = this.#program;
    const given = this.#bind(inputs);
    const session = this.#session;
    const names = this.#outputs.map((id) => `output_${id}`);
    const results = session === null
      ? null
      : this.#sessions.run(session, this.#feeds(given), names);
    return outputs.map((id) => {
      const node = nodes[id];
      const at = this.#outputs.indexOf(id);
      const data = at < 0
        ? Promise.resolve(allocate(node.dtype, 0))
        : results!.then((all) => all[at]);
      return this.#buffers.make(node, data);
    });
  }

  /** Checks the inputs; gives the elements of those that have some. */
  #bind(inputs: readonly DeviceBuffer[]): Map<number, Promise<TypedArray>> {
    const { nodes, inputs: ids } = this.#program;
    if (inputs.length !== ids.length) {
      throw new BackendError(
        `onnxruntime: the program takes ${ids.length} inputs, got ${inputs.length}`,
      );
    }
    const given = new Map<number, Promise<TypedArray>>();
    inputs.forEach((buffer, i) => {
      const { shape, dtype } = nodes[ids[i]];
      const { data } = this.#buffers.own(buffer);
      if (buffer.dtype !== dtype || buffer.length !== sizeOf(shape)) {
        throw new BackendError(
          `onnxruntime: input ${i} should be ${
            sizeOf(shape)
          } elements of ${dtype}, got ${buffer.length} of ${buffer.dtype}`,
        );
      }
      given.set(ids[i], data);
    });
    return given;
  }

  async #feeds(
    given: ReadonlyMap<number, Promise<TypedArray>>,
  ): Promise<Record<string, OrtTensor>> {
    const { nodes } = this.#program;
    const feeds: Record<string, OrtTensor> = {};
    for (const id of this.#inputs) {
      const { shape, dtype } = nodes[id];
      feeds[`input_${id}`] = this.#sessions.tensor(dtype, await given.get(id)!, shape);
    }
    return feeds;
  }
}

/** The nodes; inputs without elements become constants, as nobody passes them. */
function withoutEmpty({ nodes, inputs }: Program): ProgramNode[] {
  return nodes.map((node, id) => {
    if (!inputs.includes(id) || sizeOf(node.shape) > 0) return node;
    const { shape, dtype } = node;
    return { ...node, primitive: "full", params: { shape, dtype, value: 0 } };
  });
}
