/**
 * The code for every kind of kernel but contractions.
 *
 * @module
 */
import type { ContractKernel, Kernel } from "../../lib/compiler/kernel.ts";
import { emitArgsort } from "./argsort.ts";
import type { ModuleBuilder } from "./assembler.ts";
import { capabilities } from "./capabilities.ts";
import { emitLoop, emitRows } from "./loop.ts";
import type { EmittedKernel } from "./loop_interface.ts";
import { emitRandomBits } from "./random.ts";
import { emitScan } from "./scan.ts";
import { emitScatterAdd } from "./scatter.ts";

export type { EmittedKernel } from "./loop_interface.ts";

/** How a kernel is to be emitted. */
export interface EmitOptions {
  /** Whether instructions of relaxed SIMD may be used. */
  readonly relaxed: boolean;
  /** Whether one thread does all tasks. */
  readonly alone: boolean;
  /** For loops of a chain: rows in a task, and the first dims, of which they are made. */
  readonly rows?: number;
  readonly rowDims?: number;
}

/** Adds a kernel's functions to a module. */
export function emitKernel(
  module: ModuleBuilder,
  kernel: Exclude<Kernel, ContractKernel>,
  { relaxed, alone, rows, rowDims = 1 }: EmitOptions,
): EmittedKernel {
  const fused = relaxed && capabilities().fused;
  switch (kernel.kind) {
    case "loop":
      return rows === undefined
        ? emitLoop(module, kernel, fused, alone)
        : emitRows(module, { kernel, rowDims }, fused, rows);
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
