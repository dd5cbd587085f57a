/** Runs a program as the compiler leaves it, and on the reference backend. */

import { referenceBackend } from "../../backends/reference/mod.ts";
import type { TypedArray } from "../../lib/base/dtype.ts";
import type { LoweredProgram } from "../../lib/compiler/kernel.ts";
import type { Program } from "../../lib/compiler/program.ts";
import { interpretLowered } from "./interpret_kernel_program.ts";

/** Runs on the reference backend. */
export function runReference(program: Program, inputs: readonly TypedArray[]): TypedArray[] {
  const buffers = inputs.map((data, i) =>
    referenceBackend.upload(data, program.nodes[program.inputs[i]].dtype)
  );
  return referenceBackend.compile(program).run(buffers).map((buffer) =>
    referenceBackend.readSync!(buffer)
  );
}

/** The first difference beyond rounding between a lowered program and the reference results, or null. */
export function differs(
  expected: readonly TypedArray[],
  lowered: LoweredProgram,
  inputs: readonly TypedArray[],
): string | null {
  return firstDifference(expected, interpretLowered(lowered, inputs));
}

/** The first difference beyond rounding, or null. */
export function firstDifference(
  expected: readonly TypedArray[],
  results: readonly TypedArray[],
): string | null {
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [expected[i], results[i]];
    if (a.length !== b.length) return `output ${i}: ${b.length} elements, expected ${a.length}`;
    let scale = 1;
    for (const value of a) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
    for (let j = 0; j < a.length; j++) {
      if (Object.is(a[j], b[j])) continue;
      if (!(Math.abs(a[j] - b[j]) <= 1e-9 * scale)) {
        return `output ${i}: element ${j} is ${b[j]}, expected ${a[j]}`;
      }
    }
  }
  return null;
}
