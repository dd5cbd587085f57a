/**
 * Contractions of a lowered program as matrix products: shapes, offset tables and descriptors.
 *
 * @module
 */

import { sizeOf } from "../../lib/base/shape.ts";
import {
  type ContractKernel,
  type LoopKernel,
  storageBytes,
  type View,
} from "../../lib/compiler/kernel.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { ModuleBuilder } from "./assembler.ts";
import {
  axisLayout,
  emitGemm,
  type GemmCache,
  gemmDescriptor,
  type GemmKernel,
  offsetTable,
} from "./gemm.ts";
import { planMasked } from "./gemm_masked_plan.ts";
import type { GemmShape, Window } from "./gemm_shape.ts";
import { groupRows } from "./masks.ts";
import { convolutionTasks } from "./winograd.ts";

/** A word of a descriptor that holds the address of a view's first element. */
export interface ViewEntry {
  /** Index of the word in the descriptor. */
  readonly word: number;
  /** The program's buffer. */
  readonly buffer: number;
  /** Bytes from the buffer's start. */
  readonly offset: number;
}

/** A word of a descriptor that holds the address of an offset table. */
export interface TableEntry {
  /** Index of the word in the descriptor. */
  readonly word: number;
  /** Equal for equal tables. */
  readonly key: string;
  /** Its entries. */
  readonly length: number;
  /** Writes the table to the words, from `at` on. */
  readonly write: (words: Int32Array, at: number) => void;
}

/** Writes the offset table of an axis made of several dimensions: what `offsetTable` gives, without the copy. */
function writeOffsets(
  words: Int32Array,
  at: number,
  dims: readonly number[],
  strides: readonly number[],
  bytes: number,
): void {
  const inner = dims.length - 1;
  const count = dims[inner] ?? 1;
  const step = (strides[inner] ?? 0) * bytes;
  for (const offset of offsetTable(dims.slice(0, inner), strides, bytes)) {
    for (let i = 0; i < count; i++) words[at++] = offset + i * step;
  }
}

/** A contraction in a module, and what its descriptor has to hold. */
export interface EmittedContract {
  /** The code. */
  readonly gemm: GemmKernel;
  /** Addresses that change with each run. */
  readonly views: readonly ViewEntry[];
  /** Tables that are written once. */
  readonly tables: readonly TableEntry[];
}

/** What makes a contraction a convolution with 3 × 3 windows and stride 1, or its filter gradient, if it is one. */
function windowOf(kernel: ContractKernel, bytes: number): Window | undefined {
  const { batch, m, n, k, a, b, out } = kernel;
  const last = (list: readonly number[]) => list.slice(-2);
  const isWindow = (dims: readonly number[]) =>
    dims.length > 2 && last(dims).every((size) => size === 3);
  /** Strides of B along the two dimensions of images, and along those of the window. */
  const inner = [last(b.strides.slice(0, batch.length + k.length)), last(b.strides)];
  const unit = inner[0][0] === inner[1][0] && inner[0][1] === 1 && inner[1][1] === 1;
  if (!unit) return undefined;
  const rowBytes = inner[0][0] * bytes;
  if (batch.length === 0 && k.length === 3 && isWindow(k) && n.length >= 2) {
    const [outputRow, outputColumn] = last(out.strides);
    if (outputColumn !== 1) return undefined;
    const [height, width] = last(n);
    return {
      of: "output",
      images: sizeOf(n.slice(0, -2)),
      channels: k[0],
      height,
      width,
      rowBytes,
      outputRowBytes: outputRow * bytes,
    };
  }
  if (k.length === 2 && isWindow(n) && m.length > 0) {
    const [outputRow, outputColumn] = last(a.strides);
    if (outputColumn !== 1) return undefined;
    const [height, width] = k;
    const channels = sizeOf(n.slice(0, -2));
    return {
      of: "filter",
      images: 1,
      channels,
      height,
      width,
      rowBytes,
      outputRowBytes: outputRow * bytes,
    };
  }
  return undefined;
}

/** The same contraction with its sides exchanged: Cᵀ = Bᵀ · Aᵀ. */
function exchanged(kernel: ContractKernel): ContractKernel {
  const { batch, m, n, k, a, b, out } = kernel;
  const turned = (view: View, first: number, second: number): View => {
    const split = batch.length + first;
    const [shared, left, right] = [
      view.strides.slice(0, batch.length),
      view.strides.slice(batch.length, split),
      view.strides.slice(split, split + second),
    ];
    return { ...view, strides: [...shared, ...right, ...left] };
  };
  return {
    ...kernel,
    m: n,
    n: m,
    a: turned(b, k.length, n.length),
    b: turned(a, m.length, k.length),
    out: turned(out, m.length, n.length),
  };
}

/** The contraction with its sides as convolutions have them, and what makes it one; or as it is. */
function orient(
  kernel: ContractKernel,
  bytes: number,
): { kernel: ContractKernel; window: Window | undefined } {
  for (const way of [kernel, exchanged(kernel)]) {
    const window = windowOf(way, bytes);
    if (window !== undefined) return { kernel: way, window };
  }
  return { kernel, window: undefined };
}

/** Strides of a view along lists of dimensions that follow one another. */
function axes(view: View, ...lists: (readonly number[])[]): number[][] {
  let at = 0;
  return lists.map((dims) => view.strides.slice(at, at += dims.length));
}

/** What a matrix product's code depends on. */
function shapeOf(
  kernel: ContractKernel,
  dtype: "float32" | "float64",
  relaxed: boolean,
): GemmShape {
  const { batch, m, n, k } = kernel;
  const [, aRows, aColumns] = axes(kernel.a, batch, m, k);
  const [, bRows, bColumns] = axes(kernel.b, batch, k, n);
  const [, cRows, cColumns] = axes(kernel.out, batch, m, n);
  return {
    dtype,
    batch: sizeOf(batch),
    m: sizeOf(m),
    n: sizeOf(n),
    k: sizeOf(k),
    a: { rows: axisLayout(m, aRows), columns: axisLayout(k, aColumns) },
    b: { rows: axisLayout(k, bRows), columns: axisLayout(n, bColumns) },
    c: { rows: axisLayout(m, cRows), columns: axisLayout(n, cColumns) },
    accumulate: false,
    relaxed,
  };
}

/** The contraction as it is best computed, and its shape as a matrix product. */
function shaped(
  given: ContractKernel,
  dtype: "float32" | "float64",
  relaxed: boolean,
  writers: ReadonlyMap<number, LoopKernel>,
): { kernel: ContractKernel; shape: GemmShape } {
  const { kernel, window } = orient(given, storageBytes(dtype));
  if (window !== undefined) {
    return { kernel, shape: { ...shapeOf(kernel, dtype, relaxed), window } };
  }
  for (const way of [given, exchanged(given)]) {
    const masked = groupRows(way, writers);
    if (masked === null) continue;
    const shape = { ...shapeOf(masked.kernel, dtype, relaxed), zeroGroup: masked.group };
    if (planMasked(shape) !== null) return { kernel: masked.kernel, shape };
  }
  return { kernel, shape: shapeOf(kernel, dtype, relaxed) };
}

/** A convolution whose tasks are the images, so many to an image, and its sides as convolutions have them. */
export interface ImageConvolution {
  readonly kernel: ContractKernel;
  readonly images: number;
  readonly tasksPerImage: number;
}

/** The contraction as a convolution that goes image by image, if it is one. */
export function imageConvolution(
  given: ContractKernel,
  relaxed: boolean,
): ImageConvolution | null {
  if (given.dtype !== "float32") return null;
  const { kernel, window } = orient(given, storageBytes(given.dtype));
  if (window?.of !== "output") return null;
  const tasksPerImage = convolutionTasks({ ...shapeOf(kernel, given.dtype, relaxed), window });
  return tasksPerImage === null ? null : { kernel, images: window.images, tasksPerImage };
}

/**
 * Emits a contraction. `writers` has the loops that write its operands, where nothing else does.
 *
 * @throws BackendError when the dtype is not a float: integer products are lowered to loops.
 */
export function emitContract(
  module: ModuleBuilder,
  given: ContractKernel,
  relaxed: boolean,
  cache: GemmCache,
  writers: ReadonlyMap<number, LoopKernel> = new Map(),
): EmittedContract {
  const { dtype } = given;
  if (dtype !== "float32" && dtype !== "float64") {
    throw new BackendError(`wasm: a contraction of ${dtype}; expected float32 or float64`);
  }
  const bytes = storageBytes(dtype);
  const { kernel, shape } = shaped(given, dtype, relaxed, writers);
  const { batch, m, n, k } = kernel;
  const a = axes(kernel.a, batch, m, k);
  const b = axes(kernel.b, batch, k, n);
  const c = axes(kernel.out, batch, m, n);
  const gemm = emitGemm(module, shape, cache);
  const view = (word: number, { buffer, offset }: View): ViewEntry => ({
    word,
    buffer,
    offset: offset * bytes,
  });
  const table = (
    word: number,
    dims: readonly number[],
    strides: readonly number[],
  ): TableEntry => ({
    word,
    key: `${dims}/${strides}/${bytes}`,
    length: sizeOf(dims),
    write: (words, at) => writeOffsets(words, at, dims, strides, bytes),
  });
  return {
    gemm,
    views: [
      view(gemmDescriptor.a, kernel.a),
      view(gemmDescriptor.b, kernel.b),
      view(gemmDescriptor.c, kernel.out),
    ],
    tables: [
      table(gemmDescriptor.aBatch, batch, a[0]),
      table(gemmDescriptor.aRows, m, a[1]),
      table(gemmDescriptor.aColumns, k, a[2]),
      table(gemmDescriptor.bBatch, batch, b[0]),
      table(gemmDescriptor.bRows, k, b[1]),
      table(gemmDescriptor.bColumns, n, b[2]),
      table(gemmDescriptor.cBatch, batch, c[0]),
      table(gemmDescriptor.cRows, m, c[1]),
      table(gemmDescriptor.cColumns, n, c[2]),
    ],
  };
}
