/**
 * Comparing a kernel with the same kernel by another method.
 *
 * @module
 */

import { TangentsError } from "../base/errors.ts";
import { formatShape } from "../base/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { NtkMethod } from "./methods.ts";

/** How far two kernels may differ: |a − b| ≤ atol + rtol·|b|. */
export interface CheckTolerances {
  /** Relative to each entry; 1e-4 in float32, 1e-9 in float64 by default. */
  rtol?: number;
  /** Absolute; by default 1e-5 (float32) or 1e-11 (float64) of the kernel's largest entry. */
  atol?: number;
}

/** Where two kernels differ most. */
export interface KernelDifference {
  /** Largest |a − b|. */
  readonly largestDifference: number;
  /** Its index. */
  readonly index: readonly number[];
  /** Entry of the kernel there. */
  readonly value: number;
  /** Entry of the kernel by the other method. */
  readonly otherValue: number;
  /** Largest finite entry of both kernels, by size. */
  readonly largestEntry: number;
}

/** Two methods gave kernels that differ by more than rounding explains. */
export class NtkMismatchError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "NtkMismatchError";
  /** Where the kernels differ most. */
  readonly difference: KernelDifference;
  /** The method that was asked for. */
  readonly method: NtkMethod | "mixed";
  /** The method that it was compared with. */
  readonly otherMethod: NtkMethod;

  /** Made by `empiricalNtk` with `check: true`. */
  constructor(method: NtkMethod | "mixed", otherMethod: NtkMethod, difference: KernelDifference) {
    const { largestDifference, index, value, otherValue, largestEntry } = difference;
    super(
      Number.isNaN(value) && Number.isNaN(otherValue)
        ? `the kernel by ${method} and the kernel by ${otherMethod} are both NaN at ${
          formatShape(index)
        }; look for NaN or infinities in the parameters and examples, and for overflow in the network`
        : `the kernel by ${method} and the kernel by ${otherMethod} differ by up to ${
          largestDifference.toExponential(2)
        } at ${formatShape(index)} (${value} and ${otherValue}; the largest entry is ${
          largestEntry.toPrecision(4)
        }); look for a custom derivative that is not linear, or a network that is not the same function at every call; for a badly conditioned one give check: { rtol, atol }`,
    );
    this.method = method;
    this.otherMethod = otherMethod;
    this.difference = difference;
  }
}

function unravel(flat: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  let rest = flat;
  for (let i = shape.length - 1; i >= 0; i--) {
    index.unshift(rest % shape[i]);
    rest = Math.floor(rest / shape[i]);
  }
  return index;
}

/**
 * Where two kernels of one shape differ most, and whether they agree to the tolerances: those given, or those that fit
 * float64 (`double`) or float32. NaN agrees with nothing.
 */
export async function compareKernels(
  kernel: Tensor,
  other: Tensor,
  tolerances: CheckTolerances,
  double: boolean,
): Promise<{ agrees: boolean; difference: KernelDifference }> {
  const [a, b] = [await kernel.data(), await other.data()];
  let largestEntry = 0;
  for (let i = 0; i < a.length; i++) {
    // Infinities would make any difference small beside them.
    if (Number.isFinite(a[i])) largestEntry = Math.max(largestEntry, Math.abs(a[i]));
    if (Number.isFinite(b[i])) largestEntry = Math.max(largestEntry, Math.abs(b[i]));
  }
  const rtol = tolerances.rtol ?? (double ? 1e-9 : 1e-4);
  const atol = tolerances.atol ?? (double ? 1e-11 : 1e-5) * largestEntry;
  let agrees = true;
  let worst = 0;
  let largestDifference = 0;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= atol + rtol * Math.abs(b[i]))) agrees = false;
    // A NaN is as different as can be.
    const size = Number.isNaN(difference) ? Infinity : difference;
    if (size > largestDifference) [largestDifference, worst] = [size, i];
  }
  const difference = {
    largestDifference,
    index: unravel(worst, kernel.shape),
    value: a[worst] ?? 0,
    otherValue: b[worst] ?? 0,
    largestEntry,
  };
  return { agrees, difference };
}
