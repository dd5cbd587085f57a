/**
 * Short names for applying primitives, and the small compositions that rules are written in.
 *
 * These take tensors whose shapes and dtypes fit already; the operations that users call do the broadcasting and
 * promotion, and complain in words.
 *
 * @module
 */

import type { DType } from "../../base/dtype.ts";
import type { BinaryName, CompareName, UnaryName } from "../../base/primitives.ts";
import { invertPermutation, range, sameShape, type Shape } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import type { Tensor } from "../tensor.ts";
import type { Derivative } from "./rule.ts";

/** Applies an elementwise primitive of one operand. */
export function unary(name: UnaryName, x: Tensor): Tensor {
  return apply(name, {}, x);
}

/** Applies an elementwise primitive of two operands of one shape and dtype. */
export function binary(name: BinaryName | CompareName, a: Tensor, b: Tensor): Tensor {
  return apply(name, {}, a, b);
}

/** Every element is the value. */
export function full(shape: Shape, dtype: DType, value: number): Tensor {
  return apply("full", { shape, dtype, value });
}

/** A tensor like x, filled with the value. */
export function fullLike(x: Tensor, value: number): Tensor {
  return full(x.shape, x.dtype, value);
}

/** Each element's index along the axis. */
export function iota(shape: Shape, dtype: DType, axis: number): Tensor {
  return apply("iota", { shape, dtype, axis });
}

/** a + b. */
export function add(a: Tensor, b: Tensor): Tensor {
  return binary("add", a, b);
}

/** a · b, elementwise. */
export function mul(a: Tensor, b: Tensor): Tensor {
  return binary("mul", a, b);
}

/** x times a number. */
export function scale(x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : binary("mul", x, fullLike(x, factor));
}

/** −x. */
export function neg(x: Tensor): Tensor {
  return unary("neg", x);
}

/** a where the condition holds, else b. */
export function select(condition: Tensor, a: Tensor, b: Tensor): Tensor {
  return apply("select", {}, condition, a, b);
}

/** x in another dtype. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : apply("cast", { dtype }, x);
}

/** x in another shape of the same size. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply("reshape", { shape }, x);
}

/** x with its axes reordered: axis i of the result is axis permutation[i] of x. */
export function permute(x: Tensor, permutation: readonly number[]): Tensor {
  return permutation.every((axis, i) => axis === i) ? x : apply("permute", { permutation }, x);
}

/** The permutation that moves one axis to another place and keeps the order of the rest. */
export function movingAxis(rank: number, from: number, to: number): number[] {
  const permutation = range(rank).filter((axis) => axis !== from);
  permutation.splice(to, 0, from);
  return permutation;
}

/** x with one axis moved. */
export function moveAxis(x: Tensor, from: number, to: number): Tensor {
  return permute(x, movingAxis(x.shape.length, from, to));
}

/** x with its axes put back from a permutation. */
export function unpermute(x: Tensor, permutation: readonly number[]): Tensor {
  return permute(x, invertPermutation(permutation));
}

/** x with axes of size 1 repeated to the shape, which has the same rank. */
export function broadcast(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply("broadcast", { shape }, x);
}

/** x with an axis of size 1 inserted. */
export function insertAxis(x: Tensor, axis: number): Tensor {
  return reshape(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
}

/** x repeated along a new axis. */
export function repeatAlong(x: Tensor, axis: number, size: number): Tensor {
  const inserted = insertAxis(x, axis);
  return broadcast(inserted, inserted.shape.map((n, i) => i === axis ? size : n));
}

/** Sum over axes, which leave the shape. */
export function sum(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply("reduceSum", { axes }, x);
}

/** The reduced value put back along the axes that left: the shape of `like`. */
export function restoreAxes(x: Tensor, axes: readonly number[], like: Shape): Tensor {
  const kept = like.map((n, i) => axes.includes(i) ? 1 : n);
  return broadcast(reshape(x, kept), like);
}

/** Elements from start to limit in steps, along every axis. */
export function slice(
  x: Tensor,
  start: readonly number[],
  limit: readonly number[],
  step: readonly number[] = start.map(() => 1),
): Tensor {
  const whole = x.shape.every((n, i) => start[i] === 0 && limit[i] === n && step[i] === 1);
  return whole ? x : apply("slice", { start, limit, step }, x);
}

/** Elements from start to limit along one axis. */
export function sliceAxis(x: Tensor, axis: number, start: number, limit: number): Tensor {
  return slice(
    x,
    x.shape.map((_, i) => i === axis ? start : 0),
    x.shape.map((n, i) => i === axis ? limit : n),
  );
}

/** x with a value around it, and between its elements. */
export function pad(
  x: Tensor,
  low: readonly number[],
  high: readonly number[],
  interior: readonly number[] = low.map(() => 0),
  value = 0,
): Tensor {
  const nothing = [...low, ...high, ...interior].every((n) => n === 0);
  return nothing ? x : apply("pad", { low, high, interior, value }, x);
}

/** x reversed along the axes. */
export function flip(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply("flip", { axes }, x);
}

/** a + b where null is zero. */
export function addDerivatives(a: Derivative, b: Derivative): Derivative {
  return a === null ? b : b === null ? a : add(a, b);
}
