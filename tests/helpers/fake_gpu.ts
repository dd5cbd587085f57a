/**
 * Adapters and devices that misbehave: real ones, with a part replaced.
 *
 * @module
 */

import type { AdapterSource } from "../../backends/webgpu/mod.ts";

/** The object with some properties replaced; methods run on the object itself. */
function replace<T extends object>(object: T, parts: Partial<Record<keyof T, unknown>>): T {
  return new Proxy(object, {
    get(target, name) {
      if (name in parts) return parts[name as keyof T];
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A device of this machine. */
export async function realDevice(): Promise<GPUDevice> {
  const adapter = await navigator.gpu.requestAdapter();
  return await adapter!.requestDevice();
}

/** A device that says its limits are lower. */
export async function deviceWithLimits(
  limits: Partial<Record<keyof GPUSupportedLimits, number>>,
): Promise<GPUDevice> {
  const device = await realDevice();
  return replace(device, { limits: replace(device.limits, limits) });
}

/** A device without memory for buffers above a size: they are made small, and an error is reported. */
export async function deviceWithoutMemory(most: number): Promise<GPUDevice> {
  const device = await realDevice();
  const scopes: { filter: GPUErrorFilter; failed: boolean }[] = [];
  return replace(device, {
    pushErrorScope(filter: GPUErrorFilter) {
      scopes.push({ filter, failed: false });
      device.pushErrorScope(filter);
    },
    async popErrorScope() {
      const { failed } = scopes.pop()!;
      const error = await device.popErrorScope();
      return failed ? new GPUOutOfMemoryError("not enough memory left") : error;
    },
    createBuffer(descriptor: GPUBufferDescriptor) {
      if (descriptor.size <= most) return device.createBuffer(descriptor);
      const scope = scopes.findLast(({ filter }) => filter === "out-of-memory");
      if (scope !== undefined) scope.failed = true;
      return device.createBuffer({ ...descriptor, size: 256 });
    },
  });
}

/** A source of adapters that do as told with requests for devices; counts these. */
export function adapterSource(
  requestDevice: (adapter: GPUAdapter, descriptor?: GPUDeviceDescriptor) => Promise<GPUDevice>,
): AdapterSource & { readonly devices: GPUDevice[] } {
  const devices: GPUDevice[] = [];
  return {
    devices,
    async requestAdapter(options) {
      const adapter = await navigator.gpu.requestAdapter(options);
      return adapter && replace(adapter, {
        async requestDevice(descriptor?: GPUDeviceDescriptor) {
          const device = await requestDevice(adapter, descriptor);
          devices.push(device);
          return device;
        },
      });
    },
  };
}
