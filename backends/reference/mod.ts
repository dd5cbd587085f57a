/**
 * The reference backend: every primitive in plain loops, node by node, in float64 arithmetic rounded to the node's
 * dtype as it is stored. It is slow and simple on purpose: other backends are compared with it.
 *
 * @module
 */

import { allocate, type DType, dtypeOf, dtypes, type TypedArray } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import { sizeOf } from "../../lib/base/shape.ts";
import type {
  Backend,
  DeviceBuffer,
  Executable,
  MemoryReport,
} from "../../lib/compiler/backend.ts";
import { lastUses } from "../../lib/compiler/last_uses.ts";
import type { Program } from "../../lib/compiler/program.ts";
import { execute } from "./execute.ts";
import type { Operand } from "./rule.ts";

/** A buffer on the host. */
class ReferenceBuffer implements DeviceBuffer {
  readonly backend: Backend;
  readonly dtype: DType;
  readonly length: number;
  #data: TypedArray | null;
  readonly #meter: MemoryMeter;

  constructor(backend: Backend, dtype: DType, data: TypedArray, meter: MemoryMeter) {
    this.backend = backend;
    this.dtype = dtype;
    this.length = data.length;
    this.#data = data;
    this.#meter = meter;
    meter.add(data.byteLength);
  }

  get data(): TypedArray {
    if (this.#data === null) {
      throw new BackendError("reference backend: a disposed buffer was used; keep it until then");
    }
    return this.#data;
  }

  dispose(): void {
    if (this.#data !== null) this.#meter.add(-this.#data.byteLength);
    this.#data = null;
  }
}

/** Counts bytes, and remembers the most. */
class MemoryMeter implements MemoryReport {
  used = 0;
  peak = 0;

  add(bytes: number): void {
    this.used += bytes;
    this.peak = Math.max(this.peak, this.used);
  }
}

/** The backend's state is its memory meter; nothing is shared between two of them. */
class ReferenceBackend implements Backend {
  readonly name = "reference";
  readonly dtypes: readonly DType[] = dtypes;
  readonly #meter = new MemoryMeter();

  compile(program: Program): Executable {
    const last = lastUses(program);
    return { run: (inputs) => this.#run(program, last, inputs) };
  }

  upload(data: TypedArray, dtype: DType): DeviceBuffer {
    if (dtypeOf(data) !== dtype) {
      throw new BackendError(
        `reference backend: upload of ${dtype} expects a ${
          allocate(dtype, 0).constructor.name
        }, got a ` +
          `${data.constructor.name}`,
      );
    }
    return new ReferenceBuffer(this, dtype, data.slice(), this.#meter);
  }

  readSync(buffer: DeviceBuffer): TypedArray {
    return this.#own(buffer).data.slice();
  }

  read(buffer: DeviceBuffer): Promise<TypedArray> {
    return Promise.resolve(this.readSync(buffer));
  }

  memory(): MemoryReport {
    return { used: this.#meter.used, peak: this.#meter.peak };
  }

  #run(
    program: Program,
    last: readonly number[],
    inputs: readonly DeviceBuffer[],
  ): DeviceBuffer[] {
    const values = this.#bindInputs(program, inputs);
    const given = new Set(program.inputs);
    program.nodes.forEach((node, i) => {
      if (!given.has(i)) {
        const data = execute(node, node.inputs.map((input) => values[input]!));
        this.#meter.add(data.byteLength);
        values[i] = { data, shape: node.shape, dtype: node.dtype };
      }
      for (const j of new Set([...node.inputs, i])) {
        if (last[j] === i && !given.has(j)) {
          this.#meter.add(-values[j]!.data.byteLength);
          values[j] = null;
        }
      }
    });
    const results = program.outputs.map((output) => {
      const { data, dtype } = values[output]!;
      return new ReferenceBuffer(this, dtype, data.slice(), this.#meter);
    });
    for (const output of new Set(program.outputs)) {
      if (!given.has(output)) this.#meter.add(-values[output]!.data.byteLength);
    }
    return results;
  }

  /** The values of the input nodes; null elsewhere. */
  #bindInputs(program: Program, inputs: readonly DeviceBuffer[]): (Operand | null)[] {
    if (inputs.length !== program.inputs.length) {
      throw new BackendError(
        `reference backend: the program takes ${program.inputs.length} inputs, got ${inputs.length}`,
      );
    }
    const values: (Operand | null)[] = program.nodes.map(() => null);
    inputs.forEach((buffer, i) => {
      const { shape, dtype } = program.nodes[program.inputs[i]];
      const { data } = this.#own(buffer);
      if (buffer.dtype !== dtype || data.length !== sizeOf(shape)) {
        throw new BackendError(
          `reference backend: input ${i} should be ${sizeOf(shape)} elements of ${dtype}, got ` +
            `${data.length} of ${buffer.dtype}`,
        );
      }
      values[program.inputs[i]] = { data, shape, dtype };
    });
    return values;
  }

  /** The buffer as one of this backend's. */
  #own(buffer: DeviceBuffer): ReferenceBuffer {
    if (buffer instanceof ReferenceBuffer && buffer.backend === this) return buffer;
    throw new BackendError(
      `reference backend: a buffer of the ${buffer.backend.name} backend was given; read it there and upload it here`,
    );
  }
}

/** Runs programs node by node in plain loops: slow, simple, and what other backends are tested against. */
export const referenceBackend: Backend = new ReferenceBackend();
