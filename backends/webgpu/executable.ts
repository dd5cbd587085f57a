/**
 * Programs as recorded commands.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import type { DeviceBuffer, Executable } from "../../lib/compiler/backend.ts";
import type { LoweredProgram } from "../../lib/compiler/kernel.ts";
import type { WebgpuBuffer } from "./buffer.ts";
import type { Device, Pipeline } from "./device.ts";
import { type Plan, planProgram, type Step } from "./emit.ts";
import type { Outcome } from "./outcome.ts";
import type { Piece } from "./pool.ts";

/** Steps that are recorded before the device gets them: it starts while the rest is recorded. */
const stepsOfSubmission = 128;

/** What an executable needs of its backend. */
export interface Host {
  /** The device; throws where there is none. */
  current(): Device;
  /** A buffer for results. */
  create(device: Device, dtype: WebgpuBuffer["dtype"], length: number, label: string): WebgpuBuffer;
  /** Checks that a buffer can be read on the device. */
  own(buffer: DeviceBuffer, device: Device): WebgpuBuffer;
  /** Remembers what was enqueued. */
  enqueued(outcome: Outcome): void;
}

/** A program on one device. */
interface Prepared {
  readonly device: Device;
  readonly plan: Plan;
  /** One for each dispatch, null for a copy. */
  readonly pipelines: readonly (Pipeline | null)[];
}

/** A compiled program. */
export class WebgpuExecutable implements Executable {
  readonly #host: Host;
  readonly #lowered: LoweredProgram;
  /** Outputs that are inputs too or repeat: they are copied. */
  readonly #copied: readonly boolean[];
  #prepared: Prepared | null = null;

  /**
   * Emits the program's shaders.
   *
   * @throws BackendError where the device cannot run it.
   */
  constructor(host: Host, lowered: LoweredProgram) {
    this.#host = host;
    this.#lowered = lowered;
    const claimed = new Set<number>();
    this.#copied = lowered.outputs.map((buffer) => {
      const owns = lowered.buffers[buffer].role === "output" && !claimed.has(buffer);
      claimed.add(buffer);
      return !owns;
    });
    this.#prepare(host.current());
  }

  get scratchBytes(): number {
    return this.#prepared!.plan.scratchBytes;
  }

  /** The program on a device; made anew when the device is another. */
  #prepare(device: Device): Prepared {
    if (this.#prepared?.device === device) return this.#prepared;
    const plan = planProgram(this.#lowered, device.limits);
    const pipelines = plan.steps.map((step) => "source" in step ? device.pipeline(step) : null);
    return this.#prepared = { device, plan, pipelines };
  }

  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[] {
    const host = this.#host;
    const { device, plan, pipelines } = this.#prepare(host.current());
    const { inputs: inputIds, outputs: outputIds, buffers } = this.#lowered;
    if (inputs.length !== inputIds.length) {
      throw new BackendError(`webgpu: ${inputs.length} inputs; expected ${inputIds.length}`);
    }
    const bound: (GPUBuffer | null)[] = plan.buffers.map(() => null);
    const before: Outcome[] = [];
    inputs.forEach((input, i) => {
      const buffer = host.own(input, device);
      bound[inputIds[i]] = buffer.gpuBuffer;
      if (buffer.outcome !== null) {
        if (buffer.outcome.settled && buffer.outcome.error === null) buffer.outcome = null;
        else before.push(buffer.outcome);
      }
    });
    for (const pipeline of pipelines) {
      const outcome = pipeline?.outcome;
      if (outcome !== undefined && !(outcome.settled && outcome.error === null)) {
        before.push(outcome);
      }
    }
    const label = labelOf(plan.steps);
    const outputs: WebgpuBuffer[] = [];
    const open = new Map<number, Piece>();
    const recorder = new Recorder(device.gpu);
    try {
      const outcome = device.guard(label, before, () => {
        device.pool.record(plan.scratchBytes, () => recorder.submit(), () => {
          outputIds.forEach((id, i) => {
            const { dtype, length } = buffers[id];
            const output = host.create(device, dtype, length, label);
            outputs.push(output);
            if (!this.#copied[i]) bound[id] = output.gpuBuffer;
          });
          plan.steps.forEach((step, i) => {
            for (const id of plan.opens[i]) {
              const piece = device.pool.acquire(4 * plan.buffers[id].length, step.label);
              open.set(id, piece);
              bound[id] = piece.buffer;
            }
            recorder.record(step, pipelines[i], bound, plan);
            for (const id of plan.closes[i]) {
              device.pool.release(open.get(id)!);
              open.delete(id);
            }
          });
          outputIds.forEach((id, i) => {
            if (!this.#copied[i]) return;
            recorder.copy(bound[id]!, outputs[i].gpuBuffer, 0, buffers[id].length);
          });
        });
      });
      for (const output of outputs) output.outcome = outcome;
      host.enqueued(outcome);
      return outputs;
    } catch (error) {
      for (const output of outputs) output.dispose();
      for (const piece of open.values()) device.pool.release(piece);
      throw error;
    }
  }
}

/** Names a program by the step that writes most, for errors. */
function labelOf(steps: readonly Step[]): string {
  const last = steps.at(-1);
  if (last === undefined) return "copying";
  return steps.length === 1 ? last.label : `a program of ${steps.length} steps up to ${last.label}`;
}

/** Records steps, and submits them. */
class Recorder {
  readonly #gpu: GPUDevice;
  #encoder: GPUCommandEncoder | null = null;
  #pass: GPUComputePassEncoder | null = null;
  #steps = 0;

  constructor(gpu: GPUDevice) {
    this.#gpu = gpu;
  }

  record(
    step: Step,
    pipeline: Pipeline | null,
    bound: readonly (GPUBuffer | null)[],
    plan: Plan,
  ): void {
    if (!("source" in step)) {
      this.copy(bound[step.from]!, bound[step.to]!, step.first, step.count);
      return;
    }
    this.#encoder ??= this.#gpu.createCommandEncoder();
    const pass = this.#pass ??= this.#encoder.beginComputePass();
    const entries = step.bindings.map(({ buffer, first, count }, binding) => ({
      binding,
      resource: {
        buffer: bound[buffer]!,
        offset: 4 * first,
        size: 4 * Math.max(1, count ?? plan.buffers[buffer].length),
      },
    }));
    pass.setPipeline(pipeline!.pipeline);
    pass.setBindGroup(
      0,
      this.#gpu.createBindGroup({ label: step.label, layout: pipeline!.layout, entries }),
    );
    pass.dispatchWorkgroups(...step.workgroups);
    if (++this.#steps >= stepsOfSubmission) this.submit();
  }

  /** Copies elements. */
  copy(from: GPUBuffer, to: GPUBuffer, first: number, count: number): void {
    if (count === 0) return;
    this.#encoder ??= this.#gpu.createCommandEncoder();
    this.#pass?.end();
    this.#pass = null;
    this.#encoder.copyBufferToBuffer(from, 0, to, 4 * first, 4 * count);
  }

  /** Hands the device what was recorded. */
  submit(): void {
    this.#pass?.end();
    if (this.#encoder !== null) this.#gpu.queue.submit([this.#encoder.finish()]);
    this.#pass = null;
    this.#encoder = null;
    this.#steps = 0;
  }
}
