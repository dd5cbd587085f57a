/**
 * The eigenvalues of a symmetric matrix, or the smallest and the largest of them, in float64.
 *
 * @module
 */

import { ArgumentError } from "../base/errors.ts";

/** A symmetric tridiagonal matrix. */
interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** Beside the diagonal: entry i stands between rows i and i + 1. */
  readonly beside: Float64Array;
}

/** Up to so many rows all of the matrix is reduced; beyond, Lanczos looks for the ends of its spectrum. */
const mostDense = 1500;
/** Steps of Lanczos, each with one product with the matrix. */
const lanczosSteps = 300;

/** Extreme eigenvalues. */
export interface ExtremeEigenvalues {
  /** The smallest; where it was not found exactly, an upper bound of it. */
  readonly smallest: number;
  /** The largest; where it was not found exactly, a lower bound of it. */
  readonly largest: number;
  /** Whether they are exact but for rounding in float64. */
  readonly exact: boolean;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** target += factor · x. */
function addScaled(target: Float64Array, factor: number, x: Float64Array): void {
  for (let i = 0; i < target.length; i++) target[i] += factor * x[i];
}

/**
 * Householder's reduction to tridiagonal form; the matrix, of n rows, is overwritten. Only what is at and below the
 * diagonal is read.
 */
function tridiagonalize(matrix: Float64Array, n: number): Tridiagonal {
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(Math.max(0, n - 1));
  const row = (i: number, length: number): Float64Array => matrix.subarray(i * n, i * n + length);
  // From the last row up: the reflection of step i makes row i zero but for its last two entries.
  for (let i = n - 1; i > 0; i--) {
    const v = row(i, i);
    diagonal[i] = matrix[i * n + i];
    let scale = 0;
    for (const x of v) scale = Math.max(scale, Math.abs(x));
    if (scale === 0) continue;
    for (let j = 0; j < i; j++) v[j] /= scale;
    const length = Math.sqrt(dot(v, v));
    const last = v[i - 1];
    const target = last > 0 ? -length : length;
    beside[i - 1] = target * scale;
    v[i - 1] = last - target;
    // The reflection is I − v·vᵀ/h; the matrix A becomes A − v·qᵀ − q·vᵀ.
    const h = length * length - last * target;
    const p = new Float64Array(i);
    for (let j = 0; j < i; j++) {
      const lower = row(j, j);
      let sum = matrix[j * n + j] * v[j];
      for (let k = 0; k < j; k++) {
        sum += lower[k] * v[k];
        p[k] += lower[k] * v[j];
      }
      p[j] += sum;
    }
    for (let j = 0; j < i; j++) p[j] /= h;
    addScaled(p, -dot(p, v) / (2 * h), v);
    for (let j = 0; j < i; j++) {
      const lower = row(j, j + 1);
      for (let k = 0; k <= j; k++) lower[k] -= v[j] * p[k] + p[j] * v[k];
    }
  }
  if (n > 0) diagonal[0] = matrix[0];
  return { diagonal, beside };
}

/** How many eigenvalues are below x, by the signs of the pivots of the matrix minus x (Sturm). */
function countBelow({ diagonal, beside }: Tridiagonal, x: number, tiny: number): number {
  let count = 0;
  let pivot = 1;
  for (let i = 0; i < diagonal.length; i++) {
    const square = i === 0 ? 0 : beside[i - 1] ** 2;
    pivot = diagonal[i] - x - square / pivot;
    if (Math.abs(pivot) < tiny) pivot = -tiny;
    if (pivot < 0) count++;
  }
  return count;
}

/** The eigenvalue with so many below it, by bisection. */
function eigenvalueAt(matrix: Tridiagonal, index: number): number {
  const { diagonal, beside } = matrix;
  // Gershgorin's discs hold all eigenvalues.
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < diagonal.length; i++) {
    const radius = Math.abs(beside[i - 1] ?? 0) + Math.abs(beside[i] ?? 0);
    low = Math.min(low, diagonal[i] - radius);
    high = Math.max(high, diagonal[i] + radius);
  }
  const size = Math.max(Math.abs(low), Math.abs(high));
  const tiny = Math.max(size * Number.EPSILON ** 2, Number.MIN_VALUE);
  while (high - low > size * Number.EPSILON) {
    const middle = low + (high - low) / 2;
    if (countBelow(matrix, middle, tiny) > index) high = middle;
    else low = middle;
  }
  return low + (high - low) / 2;
}

/** Lanczos's tridiagonal matrix, each new vector made orthogonal to all before, and whether its space holds all. */
function lanczos(matrix: Float64Array, n: number, steps: number): Tridiagonal & { whole: boolean } {
  const diagonal: number[] = [];
  const beside: number[] = [];
  const basis: Float64Array[] = [];
  // A start without a pattern that a kernel's eigenvectors could be orthogonal to.
  let v = Float64Array.from({ length: n }, (_, i) => Math.sin(i * i + 1));
  let length = Math.sqrt(dot(v, v));
  let size = 0;
  for (let step = 0; step < steps; step++) {
    for (let i = 0; i < n; i++) v[i] /= length;
    basis.push(v);
    const next = new Float64Array(n);
    for (let i = 0; i < n; i++) next[i] = dot(matrix.subarray(i * n, (i + 1) * n), v);
    const along = dot(next, v);
    diagonal.push(along);
    size = Math.max(size, Math.abs(along), length * Number(step > 0));
    // Twice: once leaves what cancellation brings in.
    for (let round = 0; round < 2; round++) {
      for (const b of basis) addScaled(next, -dot(next, b), b);
    }
    length = Math.sqrt(dot(next, next));
    if (length <= size * n * Number.EPSILON) break;
    if (step < steps - 1) beside.push(length);
    v = next;
  }
  return {
    diagonal: Float64Array.from(diagonal),
    beside: Float64Array.from(beside),
    whole: diagonal.length === n,
  };
}

/**
 * Divides a matrix by the size of its largest entry, which becomes 1, so that squares neither overflow nor vanish. Returns the
 * size: 0 for a matrix of zeros and NaN for one with entries that are not finite, which stay as they are.
 */
function normalize(matrix: Float64Array): number {
  let scale = 0;
  for (const x of matrix) scale = Math.max(scale, Math.abs(x));
  if (!Number.isFinite(scale)) return NaN;
  if (scale > 0) { for (let i = 0; i < matrix.length; i++) matrix[i] /= scale; }
  return scale;
}

/**
 * The smallest and the largest eigenvalue of a symmetric matrix of n rows, which is overwritten. Up to 1500 rows by
 * Householder's reduction to tridiagonal form and bisection with Sturm's counts (Golub and Van Loan, "Matrix Computations",
 * chapter 8), in time n³, exact to some n units in the last place of the largest; beyond by 300 steps of Lanczos with full
 * orthogonalization, which finds the largest to as much, and an upper bound of the smallest. Of a matrix with entries that
 * are not finite, NaN.
 */
export function extremeEigenvalues(
  matrix: Float64Array,
  n: number,
  dense = mostDense,
): ExtremeEigenvalues {
  const scale = normalize(matrix);
  // Of a matrix of zeros, or with entries that are not finite, they are the scale itself.
  if (!(scale > 0)) return { smallest: scale, largest: scale, exact: true };
  const exact = n <= dense;
  const reduced = exact
    ? { ...tridiagonalize(matrix, n), whole: true }
    : lanczos(matrix, n, Math.min(n, lanczosSteps));
  return {
    smallest: scale * eigenvalueAt(reduced, 0),
    largest: scale * eigenvalueAt(reduced, reduced.diagonal.length - 1),
    exact: reduced.whole,
  };
}

/**
 * All eigenvalues of a symmetric matrix, from the smallest to the largest, in float64: Householder's reduction to tridiagonal
 * form and bisection with Sturm's counts (Golub and Van Loan, "Matrix Computations", chapter 8), exact to some n units in the
 * last place of the largest. The time is the third power of the rows: 600 take 0.7 s. Of a matrix with entries
 * that are not finite, NaN.
 *
 * The matrix has its rows one after the other, of which only what is at and below the diagonal is read. It is left as it is.
 *
 * Throws an `ArgumentError` where its length is not the square of the rows.
 *
 * @example
 * ```ts
 * import { empiricalNtk, symmetricEigenvalues, type Tensor, tensor } from "@tangents/ntk";
 * const f = ({ w }: { w: Tensor }, x: Tensor) => w.mul(x).sum();
 * const kernel = await empiricalNtk(f, { w: tensor([1, 1]) }, tensor([[1, 0], [0, 2]]), null, { compute: "trace" });
 * console.log(symmetricEigenvalues(await kernel.data(), 2)); // Float64Array [ 1, 4 ]
 * ```
 */
export function symmetricEigenvalues(matrix: ArrayLike<number>, rows: number): Float64Array {
  if (matrix.length !== rows * rows) {
    throw new ArgumentError(
      `symmetricEigenvalues: ${matrix.length} entries are no matrix of ${rows} rows; give ${
        rows * rows
      }, one row after the other`,
    );
  }
  const scaled = Float64Array.from(matrix);
  const scale = normalize(scaled);
  if (!(scale > 0)) return new Float64Array(rows).fill(scale);
  const reduced = tridiagonalize(scaled, rows);
  return Float64Array.from({ length: rows }, (_, i) => scale * eigenvalueAt(reduced, i));
}
