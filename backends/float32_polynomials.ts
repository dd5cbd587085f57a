/**
 * Polynomials of the functions that backends compute themselves in float32; their coefficients, of the lowest power first.
 *
 * @module
 */

/** Of (exp(r) − 1 − r) / r² in r, on |r| ≤ ln(2) / 2. */
export const exponentialCurve: readonly number[] = [
  0.4999999403953552,
  0.1666652113199234,
  0.04166838899254799,
  0.00836874544620514,
  0.001381453825160861,
];

/** Of (log(1 + f) − f + f²/2) / f³ in f: Cephes' polynomial of `logf`. */
export const logarithmCurve: readonly number[] = [
  3.3333331174e-1,
  -2.4999993993e-1,
  2.0000714765e-1,
  -1.6668057665e-1,
  1.4249322787e-1,
  -1.2420140846e-1,
  1.1676998740e-1,
  -1.1514610310e-1,
  7.0376836292e-2,
];

/** Of (tanh(x) / x − 1) / x² in x², on |x| < 0.625. */
export const tangentCurve: readonly number[] = [
  -0.3333328068256378,
  0.13331441581249237,
  -0.05373971164226532,
  0.020639074966311455,
  -0.005704974289983511,
];

/** Of (sin(y) / y − 1) / y² in y², on |y| ≤ π / 4: Cephes'. */
export const sineCurve: readonly number[] = [-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4];

/** Of (cos(y) − 1 + y²/2) / y⁴ in y², on |y| ≤ π / 4: Cephes'. */
export const cosineCurve: readonly number[] = [
  4.166664568298827e-2,
  -1.388731625493765e-3,
  2.443315711809948e-5,
];

/** Of erf(x) / x − 1 in x², on |x| ≤ 1. */
export const errorFunctionCurve: readonly number[] = [
  0.1283791657295594,
  -0.376126258374651,
  0.11283585248605635,
  -0.02685381458207252,
  0.005188330482592488,
  -0.0008010202699272506,
  7.853849828429409e-05,
];

/** Of log(erfc(x)) in x, on [1, 4]. */
export const complementExponent: readonly number[] = [
  0.00018344515498124855,
  -1.1295568360378818,
  -0.6332625993221782,
  -0.1083724941360915,
  0.025178978580898903,
  -0.004193615381822152,
  0.0004391072843145356,
  -2.149619303136119e-05,
];
