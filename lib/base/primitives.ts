/**
 * The set of primitives: their names, their static parameters, and what each computes.
 *
 * Everything that Tangents computes is a graph of these. `lib/core/primitives` gives each its shape rule and its
 * derivative and batching rules; backends run them. Inputs are listed in brackets; the shape of the result follows
 * the arrow.
 *
 * @module
 */

import type { DType } from "./dtype.ts";

/** Padding along one axis: elements added before and after. */
export type Padding = readonly [low: number, high: number];

/** Dimension numbers of a contraction; each list holds axes of its operand, pairwise matched. */
export interface DotGeneralParams {
  /** Axes of the left operand that are batch axes. */
  readonly lhsBatch: readonly number[];
  /** Axes of the right operand that are batch axes, in the same order. */
  readonly rhsBatch: readonly number[];
  /** Axes of the left operand that are summed over. */
  readonly lhsContract: readonly number[];
  /** Axes of the right operand that are summed over, in the same order. */
  readonly rhsContract: readonly number[];
}

/** Parameters of a convolution; each list has one entry a spatial axis. */
export interface ConvParams {
  /** Step of the window in the dilated, padded input. */
  readonly strides: readonly number[];
  /** Zeros around the input, at least 0, counted after `lhsDilation`. */
  readonly padding: readonly Padding[];
  /** Spacing of the input's elements (1 is dense); zeros stand between them. */
  readonly lhsDilation: readonly number[];
  /** Spacing of the filter's elements. */
  readonly rhsDilation: readonly number[];
  /** Groups of channels that do not mix. */
  readonly groups: number;
}

/** Parameters of a sliding window over the trailing axes; each list has one entry a windowed axis. */
export interface WindowParams {
  /** Size of the window. */
  readonly kernel: readonly number[];
  /** Step of the window. */
  readonly strides: readonly number[];
  /** Spacing of the elements inside the window. */
  readonly dilation: readonly number[];
}

/** No parameters. */
export type None = Record<never, never>;

/** One operand; result of the same shape and dtype. Floats only, except neg, abs, sign (also integers). */
export interface UnaryParams {
  /** −x. */
  neg: None;
  /** |x|. */
  abs: None;
  /** −1, 0 or 1; NaN stays NaN. */
  sign: None;
  /** The largest integer that is not above x. */
  floor: None;
  /** The smallest integer that is not below x. */
  ceil: None;
  /** To the nearest integer, ties to even. */
  round: None;
  /** eˣ. */
  exp: None;
  /** eˣ − 1, accurate near 0. */
  expm1: None;
  /** The natural logarithm. */
  log: None;
  /** log(1 + x), accurate near 0. */
  log1p: None;
  /** The square root. */
  sqrt: None;
  /** 1 / sqrt(x). */
  rsqrt: None;
  /** The sine, of radians. */
  sin: None;
  /** The cosine, of radians. */
  cos: None;
  /** The arctangent, in radians. */
  atan: None;
  /** The hyperbolic tangent. */
  tanh: None;
  /** 1 / (1 + exp(−x)). */
  sigmoid: None;
  /** The error function, 2/√π · ∫₀ˣ exp(−t²) dt. */
  erf: None;
}

/** Two operands of one shape and dtype; result of the same shape and dtype. */
export interface BinaryParams {
  /** On bool: or. */
  add: None;
  /** Not on bool. */
  sub: None;
  /** On bool: and. */
  mul: None;
  /** Floats only. */
  div: None;
  /** Integers only: the quotient truncated toward zero; a zero divisor gives 0. */
  quotient: None;
  /** The remainder with the dividend's sign (C's fmod, and % on integers; a zero divisor gives NaN, 0 on integers). */
  remainder: None;
  /** Floats only. */
  pow: None;
  /** Floats only: the angle of the point (second, first). */
  atan2: None;
  /** NaN if either is NaN. */
  maximum: None;
  /** NaN if either is NaN. */
  minimum: None;
  /** Integers and bool. */
  bitAnd: None;
  /** Integers and bool. */
  bitOr: None;
  /** Integers and bool. */
  bitXor: None;
  /** Integers; the count is taken modulo 32. */
  shiftLeft: None;
  /** Integers; arithmetic on int32, logical on uint32; the count is taken modulo 32. */
  shiftRight: None;
}

/** Two operands of one shape and dtype; a bool result of the same shape. Comparisons with NaN are false. */
export interface CompareParams {
  /** first = second. */
  equal: None;
  /** first < second. */
  less: None;
  /** first ≤ second. */
  lessEqual: None;
}

/** The static parameters of every primitive. */
export interface PrimitiveParams extends UnaryParams, BinaryParams, CompareParams {
  // Leaves.
  /** [] → the shape of the data; a tensor that holds a buffer. Never executed. */
  constant: { readonly shape: readonly number[]; readonly dtype: DType };
  /** [] → shape; vmap's unbatched stand-in for a batched value. Never executed. */
  placeholder: { readonly shape: readonly number[]; readonly dtype: DType };
  /** [] → shape; every element is the value. */
  full: { readonly shape: readonly number[]; readonly dtype: DType; readonly value: number };
  /** [] → shape; every element is its index along the axis. Not bool. */
  iota: { readonly shape: readonly number[]; readonly dtype: DType; readonly axis: number };
  /**
   * [key uint32 [B…, 2]] → uint32 [B…, length]: words 2i and 2i + 1 are the two outputs of Threefry-2x32 (20 rounds,
   * Salmon et al. 2011) for the counter (i, 0) under the key.
   */
  randomBits: { readonly length: number };

  // Elementwise with several dtypes.
  /** [condition bool, a, b], one shape → a where the condition holds, else b. */
  select: None;
  /** [x] → x in another dtype: floats truncate toward zero and saturate, NaN gives 0; to bool is x ≠ 0. */
  cast: { readonly dtype: DType };
  /** [x] → the bits of x as another dtype of 4 bytes. */
  bitcast: { readonly dtype: DType };

  // Shape.
  /** [x] → shape, in row-major order. */
  reshape: { readonly shape: readonly number[] };
  /** [x] → axis i of the result is axis permutation[i] of x. */
  permute: { readonly permutation: readonly number[] };
  /** [x] → shape of the same rank; axes of size 1 are repeated. */
  broadcast: { readonly shape: readonly number[] };
  /** [x] → elements start, start + step, … below limit along each axis; step ≥ 1. */
  slice: {
    readonly start: readonly number[];
    readonly limit: readonly number[];
    readonly step: readonly number[];
  };
  /** [x] → `value` around (low, high ≥ 0) and between (interior ≥ 0) the elements, one entry an axis. */
  pad: {
    readonly low: readonly number[];
    readonly high: readonly number[];
    readonly interior: readonly number[];
    readonly value: number;
  };
  /** [x] → reversed along the axes. */
  flip: { readonly axes: readonly number[] };
  /** [x1, x2, …] → joined along the axis. */
  concat: { readonly axis: number };

  // Reductions; the axes are sorted and leave the shape.
  /** Floats and integers. An empty sum is 0. */
  reduceSum: { readonly axes: readonly number[] };
  /** Floats and integers. An empty product is 1. */
  reduceProd: { readonly axes: readonly number[] };
  /** NaN wins. On bool: or. The axes are not empty. */
  reduceMax: { readonly axes: readonly number[] };
  /** NaN wins. On bool: and. The axes are not empty. */
  reduceMin: { readonly axes: readonly number[] };
  /** [x] → int32, the first index of the largest element along the axis, which leaves the shape; NaN is largest. */
  argmax: { readonly axis: number };
  /** [x] → int32, the first index of the smallest element along the axis, which leaves the shape; NaN is smallest. */
  argmin: { readonly axis: number };
  /** [x] → running sums along the axis, from its end if reverse. */
  cumsum: { readonly axis: number; readonly reverse: boolean };

  // Contractions. Floats of one dtype (dotGeneral also takes integers).
  /** [lhs, rhs] → batch axes, then lhs's free axes, then rhs's free axes, each in its operand's order. */
  dotGeneral: DotGeneralParams;
  /**
   * [input [N, C, S…], filter [O, C / groups, K…]] → [N, O, P…]: cross-correlation, as in PyTorch's conv;
   * P = ⌊((S − 1)·lhsDilation + 1 + low + high − (K − 1)·rhsDilation − 1) / stride⌋ + 1.
   */
  conv: ConvParams;

  // Windows over the trailing axes (as many as the kernel has entries); leading axes are left alone.
  /** [x [L…, S…]] → [L…, K…, P…]: element (k, p) is x[p·stride + k·dilation]. No padding. */
  patches: WindowParams;
  /** [y [L…, K…, P…]] → [L…, sizes…]: the transpose of `patches`, which adds up overlapping elements. */
  patchesTranspose: WindowParams & { readonly sizes: readonly number[] };

  // Indexing. B… stands for the leading `batchDims` axes. Indices are clamped into the range.
  /** [x [B…, A, R…], index int32 [B…, I]] → [B…, I, R…]. */
  gather: { readonly batchDims: number };
  /** [index int32 [B…, I], updates [B…, I, R…]] → [B…, size, R…]: zeros with the updates added. */
  scatterAdd: { readonly batchDims: number; readonly size: number };
  /** [x] → int32: the stable order that sorts x along its last axis; NaN comes last. */
  argsort: { readonly descending: boolean };

  // Identities with a meaning for transforms.
  /** [x] → x; a fresh node that a transform differentiates by. */
  alias: None;
  /** [x] → x; its derivative is zero. */
  stopGradient: None;
  /** [value, primal…] → value, which is output number `output` of a function whose derivative `rule` the caller gave. */
  customDerivative: { readonly rule: object; readonly output: number };
}

/** The name of a primitive. */
export type PrimitiveName = keyof PrimitiveParams;
/** The name of an elementwise primitive with one operand. */
export type UnaryName = keyof UnaryParams;
/** The name of an elementwise primitive with two operands. */
export type BinaryName = keyof BinaryParams;
/** The name of a comparison. */
export type CompareName = keyof CompareParams;
/** The name of an elementwise primitive, or of a leaf that needs no operand. */
export type ElementwiseName =
  | UnaryName
  | BinaryName
  | CompareName
  | "select"
  | "cast"
  | "bitcast"
  | "full"
  | "iota";
/** The name of a change of shape or place, or of an identity. */
export type MovementName =
  | "reshape"
  | "permute"
  | "broadcast"
  | "slice"
  | "pad"
  | "flip"
  | "concat"
  | "alias"
  | "stopGradient"
  | "customDerivative";
/** The name of a reduction, or of the running sum. */
export type ReductionName =
  | "reduceSum"
  | "reduceProd"
  | "reduceMax"
  | "reduceMin"
  | "argmax"
  | "argmin"
  | "cumsum";
