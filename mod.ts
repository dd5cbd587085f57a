/**
 * Tangents: neural tangent kernels, and the function transforms under them.
 *
 * @module
 */

export { type BackendName, backendNames, setBackend } from "./backends/registry.ts";
export type { Backend, DeviceBuffer, Executable, MemoryReport } from "./lib/compiler/backend.ts";
export * from "./lib/core/mod.ts";
export * from "./lib/ntk/mod.ts";
export * from "./lib/transforms/mod.ts";
