/**
 * What the examples need of linear algebra.
 *
 * @module
 */

/**
 * Solves A·X = B for a symmetric positive definite A [n, n] and B [n, k] by Cholesky's factorization, in float64. Throws
 * where A is not positive definite.
 */
export function solvePositiveDefinite(
  a: Float64Array,
  b: Float64Array,
  n: number,
  k: number,
): Float64Array {
  const l = a.slice();
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = l[i * n + j];
      for (let p = 0; p < j; p++) sum -= l[i * n + p] * l[j * n + p];
      if (i === j && !(sum > 0)) throw new Error(`the matrix is not positive definite (row ${j})`);
      l[i * n + j] = i === j ? Math.sqrt(sum) : sum / l[j * n + j];
    }
  }
  const x = b.slice();
  for (let c = 0; c < k; c++) {
    for (let i = 0; i < n; i++) {
      let sum = x[i * k + c];
      for (let p = 0; p < i; p++) sum -= l[i * n + p] * x[p * k + c];
      x[i * k + c] = sum / l[i * n + i];
    }
    for (let i = n - 1; i >= 0; i--) {
      let sum = x[i * k + c];
      for (let p = i + 1; p < n; p++) sum -= l[p * n + i] * x[p * k + c];
      x[i * k + c] = sum / l[i * n + i];
    }
  }
  return x;
}
