/**
 * The inverse of the error function, for draws from a truncated normal distribution.
 *
 * @module
 */

import { full } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { where } from "./arithmetic.ts";

/** Coefficients of Giles (2010), "Approximating the erfinv function", for single precision: center and tails. */
const erfinvCenter = [
  2.81022636e-8,
  3.43273939e-7,
  -3.5233877e-6,
  -4.39150654e-6,
  2.1858087e-4,
  -1.25372503e-3,
  -4.17768164e-3,
  0.246640727,
  1.50140941,
];
const erfinvTail = [
  -2.00214257e-4,
  1.00950558e-4,
  1.34934322e-3,
  -3.67342844e-3,
  5.73950773e-3,
  -7.6224613e-3,
  9.43887047e-3,
  1.00167406,
  2.83297682,
];

function polynomial(x: Tensor, coefficients: readonly number[]): Tensor {
  const [first, ...rest] = coefficients;
  return rest.reduce(
    (sum, coefficient) => sum.mul(x).add(coefficient),
    full(x.shape, x.dtype, first),
  );
}

/** The inverse of the error function, inside (−1, 1); float64 takes Halley's steps from the approximation. */
export function inverseErf(y: Tensor): Tensor {
  const w = y.neg().log1p().add(y.log1p()).neg();
  const central = w.less(5);
  const factor = where(
    central,
    polynomial(w.sub(2.5), erfinvCenter),
    polynomial(where(central, 9, w).sqrt().sub(3), erfinvTail),
  );
  let x = y.mul(factor);
  if (y.dtype === "float32") return x;
  for (let step = 0; step < 2; step++) {
    const error = x.erf().sub(y).div(x.square().neg().exp().mul(2 / Math.sqrt(Math.PI)));
    x = x.sub(error.div(x.mul(error).add(1)));
  }
  return x;
}

/** erf, once, on the host: only for the two limits of a truncated normal distribution, so a series does. */
export function erfOf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  // erf x = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n + 1)!!, whose terms have one sign.
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-17; n++) {
    term *= 2 * x * x / (2 * n + 1);
    sum += term;
  }
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}
