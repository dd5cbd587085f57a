/**
 * Sums over a window that slides over an image: depthwise convolutions.
 *
 * A few rows of the result are computed side by side, so that each vector of the image is loaded once and used for as many
 * rows as the window has, or as meet there where it is dilated or moves by more than one. The window's factors are loaded
 * before the loops. The additions of each sum keep their order.
 *
 * @module
 */
import { type LoopKernel, storageBytes, type View } from "../../lib/compiler/kernel.ts";
import type { Local } from "./assembler.ts";
import { emitAdd, emitGatherLane, emitLoadLanes, numericOf } from "./gemm_numeric.ts";
import { type Cursors, type Scope, viewKey } from "./loop_cursors.ts";
import { product } from "./loop_normalize.ts";
import { overlappingDims } from "./loop_plan.ts";

/** Most factors of a window. Longer sums are added up in parts. */
const mostFactors = 31;

/** What makes a sum one over a window. */
export interface WindowSum {
  /**
   * The dim of the result along which it is contiguous, and the image is or has every other element, and the one along which rows
   * follow one another.
   */
  readonly vector: number;
  readonly across: number;
  readonly image: View;
  readonly factors: View;
}

/** Whether a normalized kernel is a sum of a window's factors times an image, and how it lies. */
export function windowOf(kernel: LoopKernel): WindowSum | null {
  const { dims, outerRank, body, reduce, out } = kernel;
  if (reduce !== "sum" || dims.length !== outerRank + 2) return null;
  if (product(dims.slice(outerRank)) > mostFactors || overlappingDims(kernel).size > 0) return null;
  const root = body[body.length - 1];
  if (root.op !== "mul" || root.dtype !== "float32" && root.dtype !== "float64") return null;
  const [a, b] = root.args.map((arg) => body[arg]);
  if (a.op !== "load" || b.op !== "load" || a === b) return null;
  for (const [{ view: image }, { view: factors }] of [[a, b], [b, a]]) {
    const vector = out.strides.findIndex((stride, d) =>
      stride === 1 && (image.strides[d] === 1 || image.strides[d] === 2)
    );
    const row = image.strides[outerRank];
    if (vector < 0 || factors.strides[vector] !== 0 || row <= 0) continue;
    // The rows of the result that are nearest, where one row of the window is a whole number of them, or the other way round.
    let across = -1;
    for (let d = 0; d < outerRank; d++) {
      const step = image.strides[d];
      if (d === vector || factors.strides[d] !== 0 || step <= 0) continue;
      if (row % step !== 0 && step % row !== 0) continue;
      if (across < 0 || step < image.strides[across]) across = d;
    }
    if (across < 0) continue;
    return { vector, across, image, factors };
  }
  return null;
}

/** Emits the loading of all factors, each in every lane of a vector. */
export function loadFactors(
  { f, kernel }: Cursors,
  scope: Scope,
  { factors }: WindowSum,
): Local[] {
  const { dtype } = kernel.body[kernel.body.length - 1];
  const [rows, columns] = kernel.dims.slice(kernel.outerRank);
  const [rowStride, columnStride] = factors.strides.slice(kernel.outerRank);
  return Array.from({ length: rows * columns }, (_, i) => {
    const at = Math.floor(i / columns) * rowStride + (i % columns) * columnStride;
    f.get(scope.address(viewKey(factors, dtype)));
    emitAdd(f, at * storageBytes(dtype));
    const local = f.local("v128");
    f.load(dtype === "float64" ? "v128.load64_splat" : "v128.load32_splat").set(local);
    return local;
  });
}

/** Emits the sums of `count` rows of the result; `add` emits the adding of a product to row u's. */
export function emitWindowSums(
  { f, kernel, plan }: Cursors,
  scope: Scope,
  { image }: WindowSum,
  factors: readonly Local[],
  { count, valid }: { readonly count: number; readonly valid: number },
  add: (u: number, factor: Local, value: Local) => void,
): void {
  const { dtype } = kernel.body[kernel.body.length - 1];
  const numeric = numericOf(dtype === "float64" ? "float64" : "float32", true);
  const [rows, columns] = kernel.dims.slice(kernel.outerRank);
  const [rowStride, columnStride] = image.strides.slice(kernel.outerRank);
  const address = f.local("i32");
  const value = f.local("v128");
  // Added before, as all checks of bounds then have the same limit.
  const push = (elements: number) => {
    f.get(scope.address(viewKey(image, dtype)));
    emitAdd(f, elements * numeric.bytes);
  };
  const load = (first: number) => {
    push(first);
    if (image.strides[plan.vector] === 1) {
      if (valid === plan.lanes) return f.load("v128.load").set(value);
      f.set(address);
      return emitLoadLanes(f, numeric, address, value, valid);
    }
    if (valid === 4) {
      // The second vector ends with the last element that counts.
      f.load("v128.load");
      push(first + 3);
      return f.load("v128.load").shuffle32([0, 2, 5, 7]).set(value);
    }
    for (let lane = 0; lane < valid; lane++) {
      if (lane > 0) push(first + 2 * lane);
      emitGatherLane(f, numeric, value, lane);
    }
  };
  /** The image's rows, each with the result's rows and the window's that meet there. */
  const meetings = new Map<number, (readonly [u: number, row: number])[]>();
  for (let u = 0; u < count; u++) {
    for (let row = 0; row < rows; row++) {
      const at = u * image.strides[plan.across!] + row * rowStride;
      meetings.set(at, [...meetings.get(at) ?? [], [u, row]]);
    }
  }
  for (const [at, pairs] of [...meetings].sort(([a], [b]) => a - b)) {
    for (let column = 0; column < columns; column++) {
      load(at + column * columnStride);
      for (const [u, row] of pairs) add(u, factors[row * columns + column], value);
    }
  }
}
