/**
 * Backends, for those who choose more than a name: WebAssembly with a number of threads of one's own, the reference in
 * float64, and what a backend written elsewhere implements.
 *
 * @example
 * ```ts
 * import { setBackend, tensor } from "@tangents/ntk";
 * import { createWasmBackend } from "@tangents/ntk/backends";
 * setBackend(createWasmBackend({ threads: 1, relaxed: false }));
 * console.log(await tensor([1, 2]).sum().item()); // 3
 * ```
 *
 * @module
 */

export type { DType, TypedArray } from "../lib/base/dtype.ts";
export type * from "../lib/base/primitives.ts";
export type { Shape } from "../lib/base/shape.ts";
export type { Backend, DeviceBuffer, Executable, MemoryReport } from "../lib/compiler/backend.ts";
export type { Program, ProgramNode } from "../lib/compiler/program.ts";
export {
  createOnnxruntimeBackend,
  type OnnxruntimeBackend,
  type OnnxruntimeBackendOptions,
} from "./onnxruntime/mod.ts";
export { referenceBackend } from "./reference/mod.ts";
export { createTfjsBackend, type TfjsBackend, type TfjsBackendOptions } from "./tfjs/mod.ts";
export {
  type AdapterReport,
  type AdapterSource,
  createWebgpuBackend,
  type ShaderObserver,
  type WebgpuBackend,
  type WebgpuBackendOptions,
} from "./webgpu/mod.ts";
export {
  createWasmBackend,
  type KernelObserver,
  type KernelTime,
  type WasmBackend,
  type WasmBackendOptions,
} from "./wasm/mod.ts";
