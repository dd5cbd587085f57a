/**
 * Whether a kernel of examples with themselves is positive semidefinite.
 *
 * @module
 */

import type { Tensor } from "../core/tensor.ts";
import { kernelMatrices } from "./compute.ts";
import { extremeEigenvalues } from "./eigenvalues.ts";
import type { KernelProblem } from "./problem.ts";

/** The ends of the spectrum of a kernel of examples with themselves, as computed in float64 from its entries. */
export interface KernelSpectrum {
  /** The smallest eigenvalue; not `exact`, an upper bound of it. */
  readonly smallest: number;
  /** The largest eigenvalue; not `exact`, a lower bound of it. */
  readonly largest: number;
  /**
   * How far below zero rounding may put an eigenvalue: 16 units of rounding of each entry, relative to the diagonal entries
   * of its row and column, change no eigenvalue by more than 16 units times the kernel's trace.
   */
  readonly bound: number;
  /** Whether no eigenvalue is further below zero than the bound. */
  readonly positiveSemidefinite: boolean;
  /** Whether the eigenvalues are exact but for rounding in float64: they are for up to 1500 rows. */
  readonly exact: boolean;
}

/** Rounding of one entry: the largest error in the golden kernels is 12 units. */
const units = 16;

/**
 * The spectrum of a kernel with the outputs' own axes. Along axes of which only the diagonal is wanted there is a matrix
 * for each index; then the one whose smallest eigenvalue is furthest below its bound, or nearest to it, stands for all.
 */
export async function kernelSpectrum(
  kernel: Tensor,
  { form, double }: KernelProblem,
): Promise<KernelSpectrum> {
  const matrices = kernelMatrices(kernel, form);
  const [count, n] = matrices.shape;
  const data = await matrices.data();
  const rounding = units * 2 ** (double ? -53 : -24);
  let worst: KernelSpectrum | null = null;
  for (let k = 0; k < count; k++) {
    const matrix = Float64Array.from(data.subarray(k * n * n, (k + 1) * n * n));
    let trace = 0;
    for (let i = 0; i < n; i++) trace += Math.abs(matrix[i * n + i]);
    const bound = rounding * trace;
    const { smallest, largest, exact } = extremeEigenvalues(matrix, n);
    const positiveSemidefinite = smallest >= -bound;
    const spectrum = { smallest, largest, bound, positiveSemidefinite, exact };
    if (worst === null || isWorse(spectrum, worst)) worst = spectrum;
  }
  return worst ??
    { smallest: 0, largest: 0, bound: 0, positiveSemidefinite: true, exact: true };
}

/** Whether the smallest eigenvalue is lower than another's, each beside its bound; NaN is lower than any. */
export function isWorse(a: KernelSpectrum, b: KernelSpectrum): boolean {
  if (Number.isNaN(b.smallest)) return false;
  return !(a.smallest * b.bound >= b.smallest * a.bound);
}
