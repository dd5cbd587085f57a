/**
 * Programs compiled to one WebAssembly module each.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import type { DeviceBuffer, Executable } from "../../lib/compiler/backend.ts";
import { type LoweredProgram, storageBytes } from "../../lib/compiler/kernel.ts";
import { WasmBuffer } from "./buffer.ts";
import type { Device } from "./device.ts";
import { type CompiledModule, compileModule } from "./compile.ts";
import { Profile } from "./profile.ts";
import { frameLayout } from "./schedule.ts";
import type { ThreadProgram } from "./threads.ts";

/** What a run needs of a compiled module; the rest can go. */
type RunPlan = Omit<CompiledModule, "bytes" | "tableBytes" | "writeTables" | "segmentKernels">;

/** What is freed when an executable is dropped. */
interface Held {
  readonly device: Device;
  readonly constants: number;
  readonly program: number;
}

const registry = new FinalizationRegistry<Held>(({ device, constants, program }) => {
  device.heap.free(constants);
  device.threads.retire(program);
});

/** A compiled program. */
export class WasmExecutable implements Executable {
  readonly scratchBytes: number;
  readonly #device: Device;
  readonly #lowered: LoweredProgram;
  readonly #plan: RunPlan;
  readonly #program: ThreadProgram;
  readonly #frame: number;
  /** Null unless someone wants to know how long kernels take. */
  readonly #profile: Profile | null;
  /** Address of each program buffer in the present run, then the addresses of the arena and shared scratch. */
  readonly #addresses: Float64Array;
  /** Inputs that are outputs too, and outputs that repeat: they are copied into buffers of their own. */
  readonly #outputOwner: readonly (number | null)[];

  /**
   * Emits and instantiates the program's module, and writes its constants into memory.
   *
   * @throws BackendError when memory is exhausted or a kernel cannot be emitted.
   */
  constructor(device: Device, lowered: LoweredProgram) {
    const { bytes, tableBytes, writeTables, segmentKernels, ...plan } = compileModule(lowered, {
      relaxed: device.relaxed,
      threads: device.threads.size,
      shared: device.memory.shared,
      shareAbove: device.shareAbove,
      marks: device.observer !== null,
    });
    this.#profile = device.observer && new Profile(device.observer, lowered, segmentKernels);
    this.#device = device;
    this.#lowered = lowered;
    this.#plan = plan;
    this.#addresses = new Float64Array(lowered.buffers.length + 1);
    const claimed = new Set<number>();
    this.#outputOwner = lowered.outputs.map((buffer) => {
      const owns = lowered.buffers[buffer].role === "output" && !claimed.has(buffer);
      claimed.add(buffer);
      return owns ? null : buffer;
    });
    const threads = plan.parallelWork > 0 ? device.threads.size : 1;
    this.scratchBytes = lowered.arenaBytes + plan.sharedScratchBytes +
      threads * plan.threadScratchBytes;

    const constants = device.heap.allocate(
      plan.frameBytes + tableBytes +
        (plan.parallelWork > 0 ? bytes.length : 0),
    );
    this.#frame = constants;
    const tablesAddress = constants + plan.frameBytes;
    const moduleAddress = tablesAddress + tableBytes;
    try {
      const { memory } = device;
      writeTables(memory.words, tablesAddress, constants);
      if (plan.parallelWork > 0) memory.bytes.set(bytes, moduleAddress);
      const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
        env: { memory: memory.memory, mark: this.#profile?.mark ?? (() => {}) },
      });
      this.#program = {
        id: device.nextProgram(),
        run: instance.exports.run as ThreadProgram["run"],
        moduleAddress,
        moduleLength: bytes.length,
      };
    } catch (cause) {
      device.heap.free(constants);
      throw new BackendError(`wasm: the emitted module is not accepted: ${cause}`, { cause });
    }
    registry.register(this, { device, constants, program: this.#program.id });
  }

  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[] {
    const { heap, threads, buffers, backend, memory } = this.#device;
    const { arenaOffsets, arenaBytes } = this.#lowered;
    const plan = this.#plan;
    this.#bindInputs(inputs);
    if (plan.parallelWork > 0) this.#device.expect(plan.parallelWork);
    const outputs: WasmBuffer[] = [];
    const borrowed: number[] = [];
    const borrow = (bytes: number): number => {
      if (bytes === 0) return 0;
      const address = heap.allocate(bytes);
      borrowed.push(address);
      return address;
    };
    try {
      const addresses = this.#addresses;
      this.#lowered.outputs.forEach((buffer, i) => {
        const spec = this.#lowered.buffers[buffer];
        const output = buffers.create(backend, spec.dtype, spec.length);
        outputs.push(output);
        if (this.#outputOwner[i] === null) addresses[buffer] = output.address;
      });
      const arena = borrow(arenaBytes);
      for (let i = 0; i < arenaOffsets.length; i++) {
        const offset = arenaOffsets[i];
        if (offset !== null) addresses[i] = arena + offset;
      }
      const parallel = plan.parallelWork > 0 && threads.count > 1;
      const shared = borrow(plan.sharedScratchBytes);
      addresses[addresses.length - 1] = shared;
      const own = borrow(plan.threadScratchBytes * (parallel ? threads.count : 1));
      const words = memory.words;
      const frame = this.#frame / 4;
      words[frame + frameLayout.sharedScratch / 4] = shared;
      words[frame + frameLayout.threadScratch / 4] = own;
      words.fill(0, frame + frameLayout.counters / 4, frame + plan.countersEnd / 4);
      const { entryWords, entryBuffers, entryOffsets } = plan;
      for (let i = 0; i < entryWords.length; i++) {
        words[frame + entryWords[i]] = addresses[entryBuffers[i]] + entryOffsets[i];
      }
      this.#profile?.begin();
      threads.run(this.#program, this.#frame, parallel);
      this.#profile?.report();
      this.#copyOutputs(outputs);
    } catch (error) {
      for (const output of outputs) output.dispose();
      throw error;
    } finally {
      for (const address of borrowed) heap.free(address);
    }
    return outputs;
  }

  /** Checks the inputs and notes where they are. */
  #bindInputs(inputs: readonly DeviceBuffer[]): void {
    const specs = this.#lowered.inputs;
    if (inputs.length !== specs.length) {
      throw new BackendError(
        `wasm: the program takes ${specs.length} inputs, and ${inputs.length} were given`,
      );
    }
    inputs.forEach((input, i) => {
      const { dtype, length } = this.#lowered.buffers[specs[i]];
      if (!(input instanceof WasmBuffer) || input.backend !== this.#device.backend) {
        throw new BackendError(
          `wasm: input ${i} is a buffer of another backend (${input.backend.name}); read it and upload it here`,
        );
      }
      if (input.dtype !== dtype || input.length !== length) {
        throw new BackendError(
          `wasm: input ${i} has ${input.length} ${input.dtype} elements; expected ${length} of ${dtype}`,
        );
      }
      this.#addresses[specs[i]] = input.address;
    });
  }

  /** Fills the outputs that no kernel writes. */
  #copyOutputs(outputs: readonly WasmBuffer[]): void {
    this.#outputOwner.forEach((source, i) => {
      if (source === null) return;
      const { dtype, length } = this.#lowered.buffers[source];
      const start = this.#addresses[source];
      const { bytes } = this.#device.memory;
      bytes.copyWithin(outputs[i].address, start, start + length * storageBytes(dtype));
    });
  }
}
