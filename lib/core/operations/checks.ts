/**
 * Checks of arguments that several operations share.
 *
 * @module
 */

import { isFloat, isInteger, promote } from "../../base/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../base/errors.ts";
import { formatShape } from "../../base/shape.ts";
import type { Tensor } from "../tensor.ts";
import { cast, checkTensor, toFloat } from "./arithmetic.ts";

/** Throws an `ArgumentError` unless the value is a number that is not NaN. */
export function checkNumber(value: unknown, where: string): number {
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw new ArgumentError(`${where}: expected a number, got ${String(value)}`);
}

/** Throws an `ArgumentError` unless the value is an integer of at least `least`. */
export function checkCount(value: unknown, least: number, where: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return value;
  throw new ArgumentError(`${where}: expected an integer ≥ ${least}, got ${String(value)}`);
}

/** One integer of at least `least` an axis, from a list or from one number for all. */
export function checkCounts(
  value: number | readonly number[],
  length: number,
  least: number,
  where: string,
): number[] {
  const list = typeof value === "number" ? new Array<number>(length).fill(value) : value;
  if (!Array.isArray(list) || list.length !== length) {
    throw new ArgumentError(
      `${where}: expected a number or a list of ${length}, got ${
        Array.isArray(list) ? formatShape(list) : String(value)
      }`,
    );
  }
  return list.map((n) => checkCount(n, least, where));
}

/** The value as a floating point tensor: integers and bool become float32. */
export function checkFloat(value: unknown, where: string): Tensor {
  return toFloat(checkTensor(value, where));
}

/** Throws a `DTypeError` unless the tensor holds integers; the tensor as int32. */
export function checkIndex(value: unknown, where: string): Tensor {
  const index = checkTensor(value, where);
  if (!isInteger(index.dtype)) {
    throw new DTypeError(`${where}: expected an int32 or uint32 tensor, got ${index.dtype}`);
  }
  return cast(index, "int32");
}

/** Throws a `ShapeError` unless the tensor has one of the ranks. */
export function checkRank(x: Tensor, ranks: readonly number[], where: string, layout = ""): Tensor {
  if (ranks.includes(x.shape.length)) return x;
  throw new ShapeError(
    `${where}: expected a tensor of rank ${ranks.join(" or ")}${
      layout === "" ? "" : ` (${layout})`
    }, got shape ${formatShape(x.shape)}`,
  );
}

/** The tensors in the dtype that all promote to; bool counts as int32 (products of bool are numbers here). */
export function promoteAll(tensors: readonly Tensor[]): Tensor[] {
  const common = tensors.map((x) => x.dtype).reduce(promote);
  return tensors.map((x) => cast(x, common === "bool" ? "int32" : common));
}

/** Like `promoteAll`, with integers and bool counted as float32. */
export function promoteFloats(tensors: readonly Tensor[]): Tensor[] {
  const common = tensors.map((x) => x.dtype).reduce(promote);
  return tensors.map((x) => cast(x, isFloat(common) ? common : "float32"));
}
