/**
 * Adapters and devices: asking for them, and what they are.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import { messageOf } from "../message.ts";

/** Which adapter computes. */
export interface AdapterReport {
  /** Its name, as far as the browser tells. */
  readonly name: string;
  /** Whether it is no graphics processor but a program that imitates one. */
  readonly software: boolean;
}

/** Where adapters come from: `navigator.gpu`, or something like it. */
export interface AdapterSource {
  /** As `GPU.requestAdapter`. */
  requestAdapter(options?: GPURequestAdapterOptions): Promise<GPUAdapter | null>;
}

/** What is asked of an adapter. */
export interface AdapterWish {
  readonly adapter: "any" | "hardware" | "software";
  readonly powerPreference?: GPUPowerPreference;
}

/** Names of programs that imitate a graphics processor, where the adapter does not say what it is. */
const softwareNames = /llvmpipe|lavapipe|swiftshader|softpipe|warp|basic render/i;

/** What an adapter is. */
export function reportOf(info: GPUAdapterInfo | undefined, fallback?: boolean): AdapterReport {
  const { description = "", vendor = "", architecture = "", device = "" } = info ?? {};
  const name = description !== ""
    ? description
    : [vendor, architecture, device].filter((part) => part !== "").join(" ") || "unnamed adapter";
  const software = fallback === true || info?.isFallbackAdapter === true ||
    softwareNames.test(`${name} ${architecture}`);
  return { name, software };
}

/** The limits that are asked for where the adapter has more than every device must have. */
const wantedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
] as const;

/**
 * A device of an adapter as wished.
 *
 * @throws BackendError (the promise rejects) where there is none.
 */
export async function requestDevice(
  source: AdapterSource | undefined,
  wish: AdapterWish,
): Promise<{ device: GPUDevice; report: AdapterReport }> {
  if (source === undefined) {
    throw new BackendError(
      'webgpu: this environment has no navigator.gpu; use Deno, a browser with WebGPU, or the CPU (setBackend("wasm"))',
    );
  }
  const { adapter: kind, powerPreference } = wish;
  const preference = powerPreference === undefined ? {} : { powerPreference };
  let found: GPUAdapter | null = null;
  let report: AdapterReport | null = null;
  // A software adapter comes only when it is forced, or when there is no other.
  for (const forceFallbackAdapter of kind === "software" ? [true, false] : [false]) {
    found = await source.requestAdapter({ ...preference, forceFallbackAdapter });
    if (found === null) continue;
    const { isFallbackAdapter } = found as { isFallbackAdapter?: boolean };
    report = reportOf(found.info, isFallbackAdapter);
    if (kind !== "software" || report.software) break;
    found = null;
  }
  if (found === null || report === null || (kind === "hardware" && report.software)) {
    const wished = kind === "any" ? "adapter" : `${kind} adapter`;
    const seen = report === null ? "" : ` (there is ${report.name})`;
    throw new BackendError(
      `webgpu: no ${wished} was found${seen}; install a driver (Vulkan on Linux; Mesa's lavapipe is one in software), take ` +
        'another adapter (adapter: "any"), or the CPU (setBackend("wasm"))',
    );
  }
  const requiredLimits: Record<string, number> = {};
  for (const name of wantedLimits) requiredLimits[name] = found.limits[name];
  try {
    return { device: await found.requestDevice({ requiredLimits }), report };
  } catch (first) {
    // An adapter may refuse its own limits; and may be used up by a refusal.
    try {
      const { isFallbackAdapter } = found as { isFallbackAdapter?: boolean };
      const again = await source.requestAdapter({
        ...preference,
        forceFallbackAdapter: kind === "software" && isFallbackAdapter !== false && report.software,
      }) ?? found;
      return { device: await again.requestDevice(), report };
    } catch (cause) {
      throw new BackendError(
        `webgpu: the adapter ${report.name} gives no device: ${
          messageOf(first)
        }; with default limits: ${messageOf(cause)}`,
        { cause },
      );
    }
  }
}
