/**
 * A device with its pool of buffers and its pipelines. When it is lost, everything here is.
 *
 * @module
 */

import { BackendError, OutOfMemoryError } from "../../lib/base/errors.ts";
import type { AdapterReport } from "./adapter.ts";
import { Outcome } from "./outcome.ts";
import { type Piece, Pool } from "./pool.ts";
import type { Binding, Dispatch, Limits } from "./shader.ts";

// The interfaces' constants, which not every environment has as globals.
const usage = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;
const computeStage = 4;

/** Pipelines that are kept; the oldest go first. */
const mostPipelines = 4096;

/** Called with the text of each shader, once. */
export type ShaderObserver = (source: string, label: string) => void;

/** A pipeline and whether it could be made. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly outcome: Outcome;
}

/** One device. */
export class Device {
  readonly gpu: GPUDevice;
  readonly report: AdapterReport;
  readonly limits: Limits;
  readonly pool: Pool;
  /** Fulfilled when it is lost, with why. */
  readonly gone: Promise<string>;
  /** Why it was lost; null while it is not. */
  lost: string | null = null;
  readonly #observe: ShaderObserver | undefined;
  readonly #pipelines = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();
  readonly #staging: Piece[] = [];
  /** Buffers made since it was last asked, with what the device says of them. */
  #made: Outcome[] = [];

  constructor(
    gpu: GPUDevice,
    report: AdapterReport,
    maximumMemory: number,
    observe: ShaderObserver | undefined,
  ) {
    this.gpu = gpu;
    this.report = report;
    this.#observe = observe;
    const { limits } = gpu;
    this.limits = {
      bindingBytes: limits.maxStorageBufferBindingSize,
      bufferBytes: limits.maxBufferSize,
      bindings: limits.maxStorageBuffersPerShaderStage,
      workgroups: limits.maxComputeWorkgroupsPerDimension,
    };
    this.pool = new Pool(
      (bytes, label) =>
        this.#create(bytes, usage.storage | usage.copySource | usage.copyTarget, label),
      limits.maxBufferSize,
      maximumMemory,
    );
    this.gone = gpu.lost.then(({ reason, message }) =>
      this.lost = `${reason === "destroyed" ? "it was destroyed" : message || "no reason given"}`
    );
  }

  #create(size: number, flags: number, label: string): Piece {
    const { gpu } = this;
    gpu.pushErrorScope("out-of-memory");
    const piece: Piece = {
      buffer: gpu.createBuffer({ size, usage: flags }),
      bytes: size,
      failed: false,
    };
    const check = gpu.popErrorScope().then((error) => {
      if (error === null) return null;
      piece.failed = true;
      this.pool.trim(0);
      return new OutOfMemoryError(
        `webgpu: the device has no memory for ${size} bytes, for ${label}: ${error.message}; compute in smaller parts, or ` +
          "dispose of tensors",
      );
    }, () => null);
    this.#made.push(new Outcome([check]));
    return piece;
  }

  /** Runs commands, and tells what the device says of them. */
  guard(label: string, before: Iterable<Outcome>, commands: () => void): Outcome {
    const { gpu } = this;
    gpu.pushErrorScope("internal");
    gpu.pushErrorScope("out-of-memory");
    gpu.pushErrorScope("validation");
    const made = this.#made;
    let thrown: { error: unknown } | null = null;
    try {
      commands();
    } catch (error) {
      thrown = { error };
    }
    this.#made = [];
    const checks = ["validation", "out-of-memory", "internal"].map((kind) =>
      gpu.popErrorScope().then((error) => {
        if (error === null) return null;
        const message = `webgpu: ${label}: ${error.message.trim()}`;
        return kind === "out-of-memory" ? new OutOfMemoryError(message) : new BackendError(message);
      }, () => null)
    );
    if (thrown !== null) throw thrown.error;
    return new Outcome(checks, [...before, ...made]);
  }

  /** The pipeline of a shader; shaders of equal text share it. */
  pipeline({ source, label, bindings }: Dispatch): Pipeline {
    let found = this.#pipelines.get(source);
    if (found !== undefined) return found;
    this.#observe?.(source, label);
    const { gpu } = this;
    const { group, pipeline: layout } = this.#layout(bindings);
    let pipeline: GPUComputePipeline;
    const outcome = this.guard(label, [], () => {
      const module = gpu.createShaderModule({ label, code: source });
      pipeline = gpu.createComputePipeline({
        label,
        layout,
        compute: { module, entryPoint: "main" },
      });
    });
    found = { pipeline: pipeline!, layout: group, outcome };
    this.#pipelines.set(source, found);
    if (this.#pipelines.size > mostPipelines) {
      this.#pipelines.delete(this.#pipelines.keys().next().value!);
    }
    return found;
  }

  #layout(
    bindings: readonly Binding[],
  ): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    const key = bindings.map(({ written }) => written ? "w" : "r").join("");
    let found = this.#layouts.get(key);
    if (found === undefined) {
      const { gpu } = this;
      const group = gpu.createBindGroupLayout({
        entries: bindings.map(({ written }, binding) => ({
          binding,
          visibility: computeStage,
          buffer: { type: written ? "storage" : "read-only-storage" },
        })),
      });
      const pipeline = gpu.createPipelineLayout({ bindGroupLayouts: [group] });
      this.#layouts.set(key, found = { group, pipeline });
    }
    return found;
  }

  /** A buffer that the host can read. */
  stage(bytes: number): Piece {
    // The smallest that is large enough, and not much larger.
    let best = -1;
    this.#staging.forEach((piece, i) => {
      if (piece.bytes < bytes || piece.bytes > 4 * bytes + 65536) return;
      if (best < 0 || piece.bytes < this.#staging[best].bytes) best = i;
    });
    if (best >= 0) return this.#staging.splice(best, 1)[0];
    return this.#create(
      Math.max(4096, Math.ceil(bytes / 256) * 256),
      usage.mapRead | usage.copyTarget,
      "reading back",
    );
  }

  /** Takes back a buffer that the host has read. */
  unstage(piece: Piece): void {
    if (piece.failed || this.#staging.length >= 8 || piece.bytes > 1 << 26) piece.buffer.destroy();
    else this.#staging.push(piece);
  }
}
