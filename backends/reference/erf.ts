/**
 * The error function, which `Math` lacks.
 *
 * @module
 */

/**
 * erf(x) = 2/√π ∫₀ˣ exp(−t²) dt, to about one unit in the last place of float64.
 *
 * Below 1 the Taylor series is used, where its alternating terms barely cancel. Above 1, the result is 1 − erfc(x)
 * with Laplace's continued fraction for erfc (Abramowitz and Stegun 7.1.14); erfc is at most 0.16 there, so its own
 * error counts little.
 */
export function erf(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude < 1) return erfSeries(x);
  if (magnitude >= 6) return Math.sign(x);
  const complement = erfcFraction(magnitude);
  return x < 0 ? complement - 1 : 1 - complement; // NaN ends here and stays NaN.
}

/** 2/√π Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)), added from the smallest term. */
function erfSeries(x: number): number {
  const square = x * x;
  let sum = 0;
  // The terms from n = 1 on, by Horner's rule; the 22nd is below 2⁻⁷⁰. The leading term is added last.
  for (let n = 21; n >= 1; n--) sum = -(square / n) * (1 / (2 * n + 1) + sum);
  return 2 / Math.sqrt(Math.PI) * (x * (1 + sum));
}

/** exp(−x²)/√π · 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …)))), evaluated from its end. */
function erfcFraction(x: number): number {
  const terms = Math.ceil(20 + 230 / (x * x));
  let denominator = x;
  for (let n = terms; n >= 1; n--) denominator = x + n / 2 / denominator;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / denominator;
}
