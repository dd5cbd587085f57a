/**
 * What the engine at hand can do: relaxed SIMD, shared memory, blocking, cores.
 *
 * @module
 */

import { ModuleBuilder } from "./assembler.ts";

/** What the engine at hand can do. */
export interface Capabilities {
  /** Whether it has the fixed-width vector instructions that every kernel uses. */
  readonly simd: boolean;
  /** Whether it has the relaxed vector instructions (fused multiply-add). */
  readonly relaxedSimd: boolean;
  /** Whether its relaxed multiply-add rounds once, which the processor decides. */
  readonly fused: boolean;
  /** Whether WebAssembly memory can be shared among threads. */
  readonly sharedMemory: boolean;
  /** Whether the calling thread may sleep in `Atomics.wait`: not a browser page's main thread. */
  readonly mayBlock: boolean;
  /** Logical processors, at least 1. */
  readonly cores: number;
}

/** Whether the engine accepts a module whose one function makes a vector in the given way. */
function acceptsVector(relaxed: boolean): boolean {
  const module = new ModuleBuilder();
  module.addFunction("probe", [], ["v128"], (f) => {
    f.f32x4Splat(1);
    if (relaxed) f.f32x4Splat(1).f32x4Splat(1).op("f32x4.relaxed_madd");
  });
  return WebAssembly.validate(module.build());
}

/** Whether relaxed multiply-adds of both float types round once: a·a − fl(a·a) is what a product alone rounds away. */
function roundsOnce(): boolean {
  const module = new ModuleBuilder();
  module.addFunction("lost32", ["f32"], ["f32"], (f) => {
    const a = f.local("v128");
    f.get(f.parameter(0)).op("f32x4.splat").set(a);
    f.get(a).get(a).get(a).get(a).op("f32x4.mul").op("f32x4.neg").op("f32x4.relaxed_madd");
    f.lane("f32x4.extract_lane", 0);
  }, { export: true });
  module.addFunction("lost64", ["f64"], ["f64"], (f) => {
    const a = f.local("v128");
    f.get(f.parameter(0)).op("f64x2.splat").set(a);
    f.get(a).get(a).get(a).get(a).op("f64x2.mul").op("f64x2.neg").op("f64x2.relaxed_madd");
    f.lane("f64x2.extract_lane", 0);
  }, { export: true });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()));
  const { lost32, lost64 } = instance.exports as Record<string, (a: number) => number>;
  return lost32(1 + 2 ** -12) === 2 ** -24 && lost64(1 + 2 ** -27) === 2 ** -54;
}

/** Whether a shared WebAssembly memory can be made; it is absent where a page is not isolated. */
function canShare(): boolean {
  if (typeof SharedArrayBuffer === "undefined" || typeof Atomics === "undefined") return false;
  try {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return memory.buffer instanceof SharedArrayBuffer;
  } catch {
    return false;
  }
}

/** Whether `Atomics.wait` is allowed here. */
function canBlock(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0);
    return true;
  } catch {
    return false;
  }
}

let detected: Capabilities | undefined;

/** Detects the engine's capabilities, once. */
export function capabilities(): Capabilities {
  if (detected === undefined) {
    const sharedMemory = canShare();
    const relaxedSimd = acceptsVector(true);
    detected = {
      simd: acceptsVector(false),
      relaxedSimd,
      fused: relaxedSimd && roundsOnce(),
      sharedMemory,
      mayBlock: sharedMemory && canBlock(),
      cores: Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1),
    };
  }
  return detected;
}
