/**
 * The WebGPU backend: compute shaders generated for the program at hand.
 *
 * @module
 */

import { allocate, type DType, type TypedArray } from "../../lib/base/dtype.ts";
import { ArgumentError, BackendError, DeviceLostError } from "../../lib/base/errors.ts";
import type {
  Backend,
  DeviceBuffer,
  Executable,
  MemoryReport,
} from "../../lib/compiler/backend.ts";
import { lower } from "../../lib/compiler/lower.ts";
import type { Program } from "../../lib/compiler/program.ts";
import { simplify } from "../../lib/compiler/simplify.ts";
import { checkElements } from "../elements.ts";
import { messageOf } from "../message.ts";
import {
  type AdapterReport,
  type AdapterSource,
  type AdapterWish,
  reportOf,
  requestDevice,
} from "./adapter.ts";
import { BufferPool, WebgpuBuffer } from "./buffer.ts";
import { Device, type ShaderObserver } from "./device.ts";
import { type Host, WebgpuExecutable } from "./executable.ts";
import type { Outcome } from "./outcome.ts";
import { noFloat64 } from "./shader.ts";

export type { AdapterReport, AdapterSource, ShaderObserver };

/** Settings of a WebGPU backend. */
export interface WebgpuBackendOptions {
  /** A device of one's own. When it is lost, so is the backend. */
  readonly device?: GPUDevice;
  /**
   * Which adapters will do: by default any, `"hardware"` for graphics processors only, `"software"` for a program that imitates
   * one.
   */
  readonly adapter?: "any" | "hardware" | "software";
  /** Whether to prefer a fast processor to an economical one, where there are two. */
  readonly powerPreference?: "low-power" | "high-performance";
  /** The most bytes of buffers it takes; by default as many as the device gives. */
  readonly maximumMemory?: number;
  /** Where adapters come from; `navigator.gpu` by default. */
  readonly gpu?: AdapterSource;
  /** Called with the WGSL of each shader when it is first used, and with what it computes. */
  readonly onShader?: ShaderObserver;
}

/** The WebGPU backend's own methods beside those of every backend. */
export interface WebgpuBackend extends Backend {
  /** Which adapter computes. */
  readonly adapter: AdapterReport;
  /** The device that computes now. It is another one after a loss. */
  readonly device: GPUDevice;
  /**
   * Elements that are in a GPU buffer of the backend's device already: `length` of them from its start, 4 bytes each (bool: 0
   * or 1). Nothing is copied. The buffer needs the usages STORAGE and COPY_SRC, stays the caller's, and must not change
   * while tensors use it.
   *
   * @throws BackendError where the buffer is too small or lacks a usage.
   */
  fromGPUBuffer(buffer: GPUBuffer, dtype: DType, length: number): DeviceBuffer;
  /**
   * The GPU buffer that holds the elements, from its start; it may be longer. Nothing is copied. It is only to be read, and
   * as long as the elements are not disposed of.
   *
   * @throws BackendError where they belong to another backend, or were lost with their device.
   */
  gpuBufferOf(buffer: DeviceBuffer): GPUBuffer;
}

/** Bits of GPUBufferUsage. */
const usage = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const;

class Webgpu implements WebgpuBackend {
  readonly name = "webgpu";
  readonly dtypes: readonly DType[] = ["float32", "int32", "uint32", "bool"];
  readonly #options: WebgpuBackendOptions;
  readonly #buffers = new BufferPool(this);
  readonly #host: Host;
  #device: Device;
  /** While a new device is asked for. */
  #recovery: Promise<void> | null = null;
  /** Why there is no new device. */
  #gone: string | null = null;
  readonly #pending = new Set<Outcome>();
  /** The first error that `synchronize` has yet to tell. */
  #failure: Error | null = null;

  constructor(gpu: GPUDevice, report: AdapterReport, options: WebgpuBackendOptions) {
    this.#options = options;
    this.#device = this.#adopt(gpu, report);
    this.#host = {
      current: () => this.#current("computing"),
      create: (device, dtype, length, label) => this.#buffers.create(device, dtype, length, label),
      own: (buffer, device) => this.#own(buffer, device),
      enqueued: (outcome) => this.#enqueued(outcome),
    };
  }

  get adapter(): AdapterReport {
    return this.#device.report;
  }

  get description(): string {
    const { name, software } = this.adapter;
    return `WebGPU, ${name}${software ? " (a software adapter)" : ""}`;
  }

  get device(): GPUDevice {
    return this.#device.gpu;
  }

  compile(program: Program): Executable {
    if (program.nodes.some(({ dtype }) => dtype === "float64")) throw noFloat64();
    return new WebgpuExecutable(this.#host, lower(simplify(program)));
  }

  upload(data: TypedArray, dtype: DType): DeviceBuffer {
    if (dtype === "float64") throw noFloat64();
    checkElements(data, dtype, "upload");
    const device = this.#current("uploading");
    const { length } = data;
    const label = `uploading ${length} ${dtype} elements`;
    if (4 * length > device.limits.bufferBytes) {
      throw new BackendError(
        `webgpu: ${label} takes more than the device's largest buffer (${device.limits.bufferBytes} bytes)`,
      );
    }
    let buffer: WebgpuBuffer;
    const outcome = device.guard(label, [], () => {
      buffer = this.#buffers.create(device, dtype, length, label);
      if (length === 0) return;
      const words = dtype === "bool" ? Uint32Array.from(data) : data;
      // Memory that is shared with threads is not taken by every environment.
      const own = words.buffer instanceof ArrayBuffer ? words : words.slice();
      device.gpu.queue.writeBuffer(
        buffer.gpuBuffer,
        0,
        own.buffer as ArrayBuffer,
        own.byteOffset,
        own.byteLength,
      );
    });
    buffer!.outcome = outcome;
    this.#enqueued(outcome);
    return buffer!;
  }

  async read(buffer: DeviceBuffer): Promise<TypedArray> {
    const own = this.#ours(buffer);
    const { device, dtype, length } = own;
    const label = `reading ${length} ${dtype} elements`;
    if (own.lost) throw await this.#lost(device, label);
    const bytes = 4 * length;
    const { outcome } = own;
    if (length === 0) {
      await this.#known(outcome);
      return allocate(dtype, 0);
    }
    const source = own.gpuBuffer;
    const stage = device.stage(bytes);
    const copying = device.guard(label, outcome === null ? [] : [outcome], () => {
      const encoder = device.gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(source, 0, stage.buffer, 0, bytes);
      device.gpu.queue.submit([encoder.finish()]);
    });
    this.#enqueued(copying);
    try {
      const mapped = stage.buffer.mapAsync(usage.mapRead, 0, bytes).then(() => null, messageOf);
      const problem = await Promise.race([mapped, device.gone]);
      if (device.lost !== null) throw await this.#lost(device, label);
      await this.#known(copying);
      if (problem !== null) throw new BackendError(`webgpu: ${label}: ${problem}`);
      const words = stage.buffer.getMappedRange(0, bytes);
      const result = allocate(dtype, length);
      result.set(
        dtype === "float32"
          ? new Float32Array(words)
          : dtype === "int32"
          ? new Int32Array(words)
          : new Uint32Array(words),
      );
      stage.buffer.unmap();
      device.unstage(stage);
      await this.#buffers.turn();
      return result;
    } catch (error) {
      stage.buffer.destroy();
      throw error;
    }
  }

  async synchronize(): Promise<void> {
    const device = this.#device;
    if (device.lost === null) {
      await Promise.race([device.gpu.queue.onSubmittedWorkDone().catch(() => {}), device.gone]);
    }
    if (device.lost !== null) throw await this.#lost(device, "computing");
    await Promise.all([...this.#pending].map(({ done }) => done));
    await this.#buffers.turn();
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure;
  }

  memory(): MemoryReport {
    const { used, peak } = this.#device.pool;
    return { used, peak };
  }

  fromGPUBuffer(buffer: GPUBuffer, dtype: DType, length: number): DeviceBuffer {
    if (dtype === "float64") throw noFloat64();
    if (!Number.isSafeInteger(length) || length < 0 || 4 * length > buffer.size) {
      throw new BackendError(
        `fromGPUBuffer: ${length} elements of 4 bytes do not fit the buffer's ${buffer.size} bytes`,
      );
    }
    if ((buffer.usage & usage.storage) === 0 || (buffer.usage & usage.copySource) === 0) {
      throw new BackendError(
        "fromGPUBuffer: the buffer needs the usages GPUBufferUsage.STORAGE and GPUBufferUsage.COPY_SRC",
      );
    }
    return this.#buffers.adopt(this.#current("taking a GPU buffer"), dtype, length, buffer);
  }

  gpuBufferOf(buffer: DeviceBuffer): GPUBuffer {
    return this.#own(buffer, this.#current("giving a GPU buffer")).gpuBuffer;
  }

  /** The device that computes; throws where it was lost and there is no other yet. */
  #current(label: string): Device {
    const device = this.#device;
    if (device.lost === null) return device;
    throw this.#lostError(device, label);
  }

  #lostError(device: Device, label: string): DeviceLostError {
    const next = this.#options.device !== undefined
      ? "it was given from outside: make a backend with another one"
      : this.#gone === null
      ? "computing again takes a new device, when a promise of reading or of synchronize() is settled"
      : `and no other is had: ${this.#gone}`;
    return new DeviceLostError(
      `webgpu: the device ${device.report.name} was lost while ${label}: ${device.lost}; ${next}`,
    );
  }

  /** The error for a lost device, when there is a new one or none. */
  async #lost(device: Device, label: string): Promise<DeviceLostError> {
    await device.gone;
    await this.#recovery;
    return this.#lostError(device, label);
  }

  #adopt(gpu: GPUDevice, report: AdapterReport): Device {
    const { maximumMemory = Infinity, onShader } = this.#options;
    const device = new Device(gpu, report, maximumMemory, onShader);
    device.gone.then(() => {
      if (this.#device !== device || this.#options.device !== undefined) return;
      this.#recovery = this.#recover();
    });
    return device;
  }

  /** Takes a new device in place of the lost one. */
  async #recover(): Promise<void> {
    this.#pending.clear();
    try {
      const { device, report } = await requestDevice(
        sourceOf(this.#options),
        wishOf(this.#options),
      );
      this.#device = this.#adopt(device, report);
      this.#gone = null;
    } catch (error) {
      this.#gone = messageOf(error);
    }
  }

  #ours(buffer: DeviceBuffer): WebgpuBuffer {
    if (buffer instanceof WebgpuBuffer && buffer.backend === this) return buffer;
    throw new BackendError(
      `webgpu: the buffer belongs to another backend (${buffer.backend.name}); read it with its own`,
    );
  }

  /** A buffer of ours, on the device. */
  #own(buffer: DeviceBuffer, device: Device): WebgpuBuffer {
    const own = this.#ours(buffer);
    if (own.device === device) return own;
    throw new DeviceLostError(
      `webgpu: ${own.length} ${own.dtype} elements were lost with the device that held them (${own.device.lost}); upload or ` +
        "compute them again",
    );
  }

  #enqueued(outcome: Outcome): void {
    this.#pending.add(outcome);
    outcome.done.then(() => {
      if (this.#pending.delete(outcome)) this.#failure ??= outcome.error;
    });
  }

  /** Throws the outcome's error, when it is known. */
  async #known(outcome: Outcome | null): Promise<void> {
    if (outcome === null) return;
    await outcome.done;
    if (outcome.error === null) return;
    // Told here, it is not told again.
    if (this.#failure === outcome.error) this.#failure = null;
    throw outcome.error;
  }
}

function sourceOf({ gpu }: WebgpuBackendOptions): AdapterSource | undefined {
  return gpu ?? (globalThis.navigator as { gpu?: AdapterSource } | undefined)?.gpu;
}

function wishOf({ adapter = "any", powerPreference }: WebgpuBackendOptions): AdapterWish {
  return { adapter, powerPreference };
}

/**
 * A WebGPU backend on a device of its own, with the adapter's limits; or on a device of the caller's.
 *
 * When its own device is lost, reading what was computed on it rejects with a `DeviceLostError`, and a new device is taken:
 * what is computed afterwards works, and tensors that were made from data are uploaded again. Errors of what was enqueued
 * surface when it is read.
 *
 * @example
 * ```ts ignore
 * import { setBackend, tensor } from "@tangents/ntk";
 * import { createWebgpuBackend } from "@tangents/ntk/backends";
 * const backend = await createWebgpuBackend({ adapter: "hardware" });
 * setBackend(backend);
 * console.log(backend.adapter.name, await tensor([1, 2]).sum().item());
 * ```
 *
 * @throws ArgumentError (the promise rejects) when an option is not what it should be.
 * @throws BackendError (the promise rejects) when there is no such adapter, or it gives no device.
 */
export async function createWebgpuBackend(
  options: WebgpuBackendOptions = {},
): Promise<WebgpuBackend> {
  const { adapter = "any", powerPreference, maximumMemory = Infinity, device } = options;
  check("adapter", adapter, ["any", "hardware", "software"]);
  if (powerPreference !== undefined) {
    check("powerPreference", powerPreference, ["low-power", "high-performance"]);
  }
  if (!(maximumMemory > 0)) {
    throw new ArgumentError(
      `createWebgpuBackend: maximumMemory is ${maximumMemory}; expected a positive number of bytes`,
    );
  }
  if (device !== undefined) {
    const { adapterInfo } = device as { adapterInfo?: GPUAdapterInfo };
    return new Webgpu(device, reportOf(adapterInfo), options);
  }
  const found = await requestDevice(sourceOf(options), wishOf(options));
  return new Webgpu(found.device, found.report, options);
}

/** Throws an `ArgumentError` unless the option is one of its values. */
function check(name: string, value: unknown, values: readonly string[]): void {
  if (values.includes(value as string)) return;
  throw new ArgumentError(
    `createWebgpuBackend: ${name} is ${JSON.stringify(value)}; expected one of ${
      values.join(", ")
    }`,
  );
}
