/**
 * The tensor: an immutable node of a lazy graph.
 *
 * @module
 */

import { type DType, isFloat, type TypedArray } from "../base/dtype.ts";
import { ArgumentError, ShapeError } from "../base/errors.ts";
import type { PrimitiveName, PrimitiveParams } from "../base/primitives.ts";
import { formatShape, type Shape, sizeOf } from "../base/shape.ts";
import type { DeviceBuffer } from "../compiler/backend.ts";
import * as activations from "./operations/activations.ts";
import * as arithmetic from "./operations/arithmetic.ts";
import * as comparison from "./operations/comparison.ts";
import * as contractions from "./operations/contractions.ts";
import * as functions from "./operations/functions.ts";
import * as indexing from "./operations/indexing.ts";
import * as reductions from "./operations/reductions.ts";
import * as shapes from "./operations/shapes.ts";
import { formatTensor, nest, type NestedArray } from "./format.ts";
import { disposeTensor, readTensor, readTensorSync } from "./realize.ts";

/** A tensor, or a number that takes part as a scalar of the other operand's dtype. */
export type TensorLike = Tensor | number;

/** Axes as people give them: one, several, or none for all. */
export type Axes = number | readonly number[] | null;

/** Options of a reduction. */
export interface ReductionOptions {
  /** Keep the reduced axes with size 1. */
  keepDims?: boolean;
}

/** How a tensor that is not a realized leaf is computed. */
export interface Operation<P extends PrimitiveName = PrimitiveName> {
  /** What is computed. */
  readonly primitive: P;
  /** Its static parameters. */
  readonly params: PrimitiveParams[P];
  /** Its operands. */
  readonly inputs: readonly Tensor[];
}

let created = 0;

/**
 * A multidimensional array: immutable, lazy, differentiable.
 *
 * Operations build a graph and compute nothing; `await t.data()` compiles what the tensor still needs into one program
 * and runs it. Make tensors with `tensor`, `zeros`, `arange`, … rather than with the constructor.
 *
 * @example
 * ```ts
 * import { tensor } from "@tangents/ntk";
 * const x = tensor([[1, 2], [3, 4]]);
 * const y = x.mul(2).add(1).sum(0);
 * console.log(y.shape, await y.toArray()); // [2] [10, 14]
 * ```
 */
export class Tensor {
  /** Sizes along the axes; empty for a scalar. */
  readonly shape: Shape;
  /** Type of the elements. */
  readonly dtype: DType;
  /** @internal How it is computed; null for data, and after it was computed outside a transform. */
  operation: Operation | null;
  /** @internal Where its elements are, once they are. */
  buffer: DeviceBuffer | null = null;
  /** @internal Elements given by the user, until a backend needs them. */
  host: TypedArray | null;
  /** @internal Increases with creation: an operation's inputs always have smaller numbers. */
  readonly id: number = created++;
  /** @internal Computed once, in a program of its own, and kept: parameters and random draws. */
  retained = false;

  /** @internal */
  constructor(shape: Shape, dtype: DType, operation: Operation | null, host?: TypedArray) {
    this.shape = shape;
    this.dtype = dtype;
    this.operation = operation;
    this.host = host ?? null;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  // Reading.

  /** The elements in row-major order. Computes what is needed. Throws a `TraceError` inside `vmap`. */
  data(): Promise<TypedArray> {
    return readTensor(this);
  }

  /** The elements, without waiting; throws a `BackendError` where the backend cannot (WebGPU). */
  dataSync(): TypedArray {
    return readTensorSync(this);
  }

  /** The single element of a tensor of size 1, as a number. Throws a `ShapeError` for other sizes. */
  async item(): Promise<number> {
    this.#checkScalar();
    return (await this.data())[0];
  }

  /** The single element, without waiting. */
  itemSync(): number {
    this.#checkScalar();
    return this.dataSync()[0];
  }

  #checkScalar(): void {
    if (this.size === 1) return;
    throw new ShapeError(
      `item: expected a tensor of one element, got shape ${
        formatShape(this.shape)
      }; use data() or toArray()`,
    );
  }

  /** The elements as nested arrays of numbers (booleans for bool); a number for a scalar. */
  async toArray(): Promise<NestedArray> {
    return nest(await this.data(), this.shape, this.dtype);
  }

  /**
   * Returns the tensor's memory at once. Reading it afterwards throws a `TraceError`; inside a transform it is computed
   * again where a derivative needs it.
   */
  dispose(): void {
    disposeTensor(this);
  }

  /** Lets `using x = …` dispose of the tensor at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Dtype, shape, and the values if they are there. */
  toString(): string {
    return formatTensor(this);
  }

  /** What `console.log` shows in Deno. */
  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }

  /** What `console.log` shows in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  /**
   * JavaScript calls it where an operator is written between tensors, which would give NaN or a text: throws an
   * `ArgumentError`. As text, in a template, a tensor is its `toString()`.
   */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === "string") return this.toString();
    throw new ArgumentError(
      "operators such as + and < do not work on tensors: write a.add(b), a.less(b); `${a}` is its text, itemSync() its value",
    );
  }

  // Dtypes.

  /** The tensor in another dtype. See `cast`. */
  to(dtype: DType): Tensor {
    return arithmetic.cast(this, dtype);
  }

  /** Whether the dtype is a floating point type. */
  get isFloat(): boolean {
    return isFloat(this.dtype);
  }

  // Arithmetic, with broadcasting and promotion.

  /** this + other. */
  add(other: TensorLike): Tensor {
    return arithmetic.add(this, other);
  }

  /** this − other. */
  sub(other: TensorLike): Tensor {
    return arithmetic.sub(this, other);
  }

  /** this · other, elementwise. */
  mul(other: TensorLike): Tensor {
    return arithmetic.mul(this, other);
  }

  /** this / other; integers give float32. */
  div(other: TensorLike): Tensor {
    return arithmetic.div(this, other);
  }

  /** ⌊this / other⌋. */
  floorDivide(other: TensorLike): Tensor {
    return arithmetic.floorDivide(this, other);
  }

  /** The remainder with the divisor's sign, as in Python. */
  remainder(other: TensorLike): Tensor {
    return arithmetic.remainder(this, other);
  }

  /** this to the power of other. */
  pow(other: TensorLike): Tensor {
    return arithmetic.pow(this, other);
  }

  /** The larger of both; NaN wins. */
  maximum(other: TensorLike): Tensor {
    return arithmetic.maximum(this, other);
  }

  /** The smaller of both; NaN wins. */
  minimum(other: TensorLike): Tensor {
    return arithmetic.minimum(this, other);
  }

  /** The angle of the point (other, this). */
  atan2(other: TensorLike): Tensor {
    return arithmetic.atan2(this, other);
  }

  // Comparisons; results are bool.

  /** this = other. */
  equal(other: TensorLike): Tensor {
    return comparison.equal(this, other);
  }

  /** this ≠ other. */
  notEqual(other: TensorLike): Tensor {
    return comparison.notEqual(this, other);
  }

  /** this < other. */
  less(other: TensorLike): Tensor {
    return comparison.less(this, other);
  }

  /** this ≤ other. */
  lessEqual(other: TensorLike): Tensor {
    return comparison.lessEqual(this, other);
  }

  /** this > other. */
  greater(other: TensorLike): Tensor {
    return comparison.greater(this, other);
  }

  /** this ≥ other. */
  greaterEqual(other: TensorLike): Tensor {
    return comparison.greaterEqual(this, other);
  }

  /** Both are nonzero. */
  logicalAnd(other: TensorLike): Tensor {
    return comparison.logicalAnd(this, other);
  }

  /** One is nonzero. */
  logicalOr(other: TensorLike): Tensor {
    return comparison.logicalOr(this, other);
  }

  /** Exactly one is nonzero. */
  logicalXor(other: TensorLike): Tensor {
    return comparison.logicalXor(this, other);
  }

  /** Is zero. */
  logicalNot(): Tensor {
    return comparison.logicalNot(this);
  }

  /** Is not a number. */
  isNaN(): Tensor {
    return comparison.isNaN(this);
  }

  /** Whether each element is close to the other's: |this − other| ≤ atol + rtol·|other|. */
  isclose(other: TensorLike, options?: comparison.CloseOptions): Tensor {
    return comparison.isclose(this, other, options);
  }

  /** Whether all elements are close to the other's. */
  allclose(other: TensorLike, options?: comparison.CloseOptions): Promise<boolean> {
    return comparison.allclose(this, other, options);
  }

  /** This where the condition holds, else the other. */
  where(condition: Tensor, other: TensorLike): Tensor {
    return arithmetic.where(condition, this, other);
  }

  /** Is neither infinite nor NaN. */
  isFinite(): Tensor {
    return comparison.isFinite(this);
  }

  // Functions of one operand.

  /** −this. */
  neg(): Tensor {
    return functions.neg(this);
  }

  /** |this|. */
  abs(): Tensor {
    return functions.abs(this);
  }

  /** −1, 0 or 1. */
  sign(): Tensor {
    return functions.sign(this);
  }

  /** Rounded down. */
  floor(): Tensor {
    return functions.floor(this);
  }

  /** Rounded up. */
  ceil(): Tensor {
    return functions.ceil(this);
  }

  /** Rounded to the nearest integer, ties to even. */
  round(): Tensor {
    return functions.round(this);
  }

  /** Rounded toward zero. */
  trunc(): Tensor {
    return functions.trunc(this);
  }

  /** eˣ. */
  exp(): Tensor {
    return functions.exp(this);
  }

  /** eˣ − 1, accurate near 0. */
  expm1(): Tensor {
    return functions.expm1(this);
  }

  /** The natural logarithm. */
  log(): Tensor {
    return functions.log(this);
  }

  /** log(1 + x), accurate near 0. */
  log1p(): Tensor {
    return functions.log1p(this);
  }

  /** The logarithm to base 2. */
  log2(): Tensor {
    return functions.log2(this);
  }

  /** The square root. */
  sqrt(): Tensor {
    return functions.sqrt(this);
  }

  /** 1 / sqrt(x). */
  rsqrt(): Tensor {
    return functions.rsqrt(this);
  }

  /** x². */
  square(): Tensor {
    return functions.square(this);
  }

  /** 1 / x. */
  reciprocal(): Tensor {
    return functions.reciprocal(this);
  }

  /** The sine. */
  sin(): Tensor {
    return functions.sin(this);
  }

  /** The cosine. */
  cos(): Tensor {
    return functions.cos(this);
  }

  /** The tangent. */
  tan(): Tensor {
    return functions.tan(this);
  }

  /** The inverse sine. */
  asin(): Tensor {
    return functions.asin(this);
  }

  /** The inverse cosine. */
  acos(): Tensor {
    return functions.acos(this);
  }

  /** The inverse tangent. */
  atan(): Tensor {
    return functions.atan(this);
  }

  /** The hyperbolic sine. */
  sinh(): Tensor {
    return functions.sinh(this);
  }

  /** The hyperbolic cosine. */
  cosh(): Tensor {
    return functions.cosh(this);
  }

  /** The hyperbolic tangent. */
  tanh(): Tensor {
    return functions.tanh(this);
  }

  /** The error function. */
  erf(): Tensor {
    return functions.erf(this);
  }

  /** 1 / (1 + e⁻ˣ). */
  sigmoid(): Tensor {
    return functions.sigmoid(this);
  }

  /** Limited to the range from low to high; null is no limit. */
  clip(low: TensorLike | null, high: TensorLike | null): Tensor {
    return functions.clip(this, low, high);
  }

  /** max(x, 0), with derivative 0 at 0 as in PyTorch. */
  relu(): Tensor {
    return activations.relu(this);
  }

  /** e^x along the axis, divided by its sum. */
  softmax(axis: number): Tensor {
    return activations.softmax(this, axis);
  }

  /** The logarithm of `softmax`, computed stably. */
  logSoftmax(axis: number): Tensor {
    return activations.logSoftmax(this, axis);
  }

  // Reductions.

  /** Sum over axes (all by default). */
  sum(axes?: Axes, options?: ReductionOptions): Tensor {
    return reductions.sum(this, axes, options);
  }

  /** Mean over axes (all by default). */
  mean(axes?: Axes, options?: ReductionOptions): Tensor {
    return reductions.mean(this, axes, options);
  }

  /** Product over axes (all by default). */
  prod(axes?: Axes, options?: ReductionOptions): Tensor {
    return reductions.prod(this, axes, options);
  }

  /** Largest element over axes (all by default); NaN wins. */
  max(axes?: Axes, options?: ReductionOptions): Tensor {
    return reductions.max(this, axes, options);
  }

  /** Smallest element over axes (all by default); NaN wins. */
  min(axes?: Axes, options?: ReductionOptions): Tensor {
    return reductions.min(this, axes, options);
  }

  /** log Σ eˣ over axes (all by default), computed stably. */
  logsumexp(axes?: Axes, options?: ReductionOptions): Tensor {
    return reductions.logsumexp(this, axes, options);
  }

  /** Whether any element is nonzero. */
  any(axes?: Axes, options?: ReductionOptions): Tensor {
    return reductions.any(this, axes, options);
  }

  /** Whether all elements are nonzero. */
  all(axes?: Axes, options?: ReductionOptions): Tensor {
    return reductions.all(this, axes, options);
  }

  /** Variance over axes, divided by n − correction (1 by default, as in PyTorch). */
  var(axes?: Axes, options?: ReductionOptions & { correction?: number }): Tensor {
    return reductions.variance(this, axes, options);
  }

  /** Index of the first largest element along the axis (of the flattened tensor without one). */
  argmax(axis?: number | null, options?: ReductionOptions): Tensor {
    return reductions.argmax(this, axis, options);
  }

  /** Index of the first smallest element along the axis (of the flattened tensor without one). */
  argmin(axis?: number | null, options?: ReductionOptions): Tensor {
    return reductions.argmin(this, axis, options);
  }

  /** Running sums along the axis. */
  cumsum(axis: number): Tensor {
    return reductions.cumsum(this, axis);
  }

  // Shape.

  /** The same elements in another shape; one size may be −1. */
  reshape(shape: Shape): Tensor {
    return shapes.reshape(this, shape);
  }

  /** Axes from start to end (inclusive) joined into one. */
  flatten(startAxis?: number, endAxis?: number): Tensor {
    return shapes.flatten(this, startAxis, endAxis);
  }

  /** Without axes of size 1 (all of them, or those named; a named one of another size stays, as in PyTorch). */
  squeeze(axis?: Axes): Tensor {
    return shapes.squeeze(this, axis);
  }

  /** With an axis of size 1 inserted. */
  unsqueeze(axis: number): Tensor {
    return shapes.unsqueeze(this, axis);
  }

  /** With two axes exchanged (the last two by default). */
  transpose(axis0?: number, axis1?: number): Tensor {
    return shapes.transpose(this, axis0, axis1);
  }

  /** With axes reordered: axis i of the result is axis permutation[i]; reversed by default. */
  permute(permutation?: readonly number[]): Tensor {
    return shapes.permute(this, permutation);
  }

  /** With one axis moved to another place. */
  moveAxis(from: number, to: number): Tensor {
    return shapes.moveAxis(this, from, to);
  }

  /** Repeated along new axes and axes of size 1. */
  broadcastTo(shape: Shape): Tensor {
    return shapes.broadcastTo(this, shape);
  }

  /** Part of the tensor: one range an axis, as in `x.slice([0, 5], null, [null, null, 2])`. */
  slice(...ranges: readonly shapes.SliceRange[]): Tensor {
    return shapes.slice(this, ...ranges);
  }

  /** Reversed along axes (all by default). */
  flip(axes?: Axes): Tensor {
    return shapes.flip(this, axes);
  }

  /** With a value added before and after, one pair an axis. */
  pad(padding: readonly (readonly [number, number])[], value?: number): Tensor {
    return shapes.pad(this, padding, value);
  }

  /** Repeated as a whole, so many times along each axis. */
  repeat(counts: readonly number[]): Tensor {
    return shapes.repeat(this, counts);
  }

  /** Cut into pieces along an axis (of one size, or of the sizes listed). */
  split(sizes: number | readonly number[], axis?: number): Tensor[] {
    return shapes.split(this, sizes, axis);
  }

  /** The diagonal of two axes, as the last axis. */
  diagonal(offset?: number, axis0?: number, axis1?: number): Tensor {
    return shapes.diagonal(this, offset, axis0, axis1);
  }

  // Indexing and sorting.

  /** Elements at the indices along an axis. */
  take(index: Tensor | number | readonly number[], axis?: number): Tensor {
    return indexing.take(this, index, axis);
  }

  /** Elements at an index tensor of the same rank, along an axis, with broadcasting of the others. */
  takeAlongAxis(index: Tensor, axis: number): Tensor {
    return indexing.takeAlongAxis(this, index, axis);
  }

  /** Elements at an index tensor along an axis, as PyTorch's gather. */
  gather(axis: number, index: Tensor): Tensor {
    return indexing.gather(this, axis, index);
  }

  /** With updates added at the indices along an axis, as PyTorch's scatter_add. */
  scatterAdd(axis: number, index: Tensor, updates: Tensor): Tensor {
    return indexing.scatterAdd(this, axis, index, updates);
  }

  /** With slices added at the indices along an axis, as PyTorch's index_add. */
  indexAdd(axis: number, index: Tensor, updates: Tensor): Tensor {
    return indexing.indexAdd(this, axis, index, updates);
  }

  /** Sorted along an axis, stably; NaN last. */
  sort(axis?: number, options?: { descending?: boolean }): Tensor {
    return indexing.sort(this, axis, options);
  }

  /** The indices that sort along an axis, stably; NaN last. */
  argsort(axis?: number, options?: { descending?: boolean }): Tensor {
    return indexing.argsort(this, axis, options);
  }

  /** The k largest elements along an axis, in descending order, and their indices. */
  topK(k: number, axis?: number): { values: Tensor; indices: Tensor } {
    return indexing.topK(this, k, axis);
  }

  // Contractions.

  /** The matrix product, batched and broadcast over leading axes. */
  matmul(other: Tensor): Tensor {
    return contractions.matmul(this, other);
  }

  /** The products of all pairs of elements of two vectors. */
  outer(other: Tensor): Tensor {
    return contractions.outer(this, other);
  }

  /** The inner product of two vectors. */
  dot(other: Tensor): Tensor {
    return contractions.dot(this, other);
  }
}
