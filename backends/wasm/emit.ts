/**
 * The code for every kind of kernel but contractions.
 *
 * @module
 */
import type { BufferSpec, ContractKernel, Kernel } from "../../lib/compiler/kernel.ts";
import { emitArgsort } from "./argsort.ts";
import type { ModuleBuilder } from "./assembler.ts";
import { capabilities } from "./capabilities.ts";
import { emitLoop } from "./loop.ts";
import type { EmittedKernel } from "./loop_interface.ts";
import { emitRandomBits } from "./random.ts";
import { emitScan } from "./scan.ts";
import { emitScatterAdd } from "./scatter.ts";

export type { EmittedKernel } from "./loop_interface.ts";

/** Choices that hold for a whole module. */
export interface EmitOptions {
  /** Whether instructions of relaxed SIMD may be used. */
  readonly relaxed: boolean;
}

/** Adds a kernel's functions to a module. `buffers` are the program's; views refer to them by index. */
export function emitKernel(
  module: ModuleBuilder,
  kernel: Exclude<Kernel, ContractKernel>,
  _buffers: readonly BufferSpec[],
  { relaxed }: EmitOptions,
): EmittedKernel {
  switch (kernel.kind) {
    case "loop":
      return emitLoop(module, kernel, relaxed && capabilities().fused);
    case "scan":
      return emitScan(module, kernel);
    case "scatterAdd":
      return emitScatterAdd(module, kernel);
    case "argsort":
      return emitArgsort(module, kernel);
    case "randomBits":
      return emitRandomBits(module, kernel);
  }
}
