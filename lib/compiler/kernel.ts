/**
 * Kernels: what a program is lowered to for backends that generate code (WebAssembly, WGSL).
 *
 * A lowered program is a list of buffers and a list of kernels that run in order. A kernel reads strided views of
 * buffers and writes a strided view of one buffer. Offsets and strides count elements; strides may be zero
 * (broadcast) or negative (flip), and views may overlap themselves (patches).
 *
 * @module
 */

import type { DType } from "../base/dtype.ts";
import type { BinaryName, CompareName, UnaryName } from "../base/primitives.ts";

/** Bytes of one element in a lowered program's buffers: bool takes 4 (0 or 1), so that all lanes but float64's agree. */
export function storageBytes(dtype: DType): number {
  return dtype === "float64" ? 8 : 4;
}

/** A buffer of a lowered program. */
export interface BufferSpec {
  /** Dtype of its elements. */
  readonly dtype: DType;
  /** Number of its elements. */
  readonly length: number;
  /** `input` and `output` come from and go to the caller; `temporary` lives inside a run. */
  readonly role: "input" | "output" | "temporary";
}

/** A strided window onto a buffer: element i is at offset + Σ strides[d]·i[d]. */
export interface View {
  /** Index in `LoweredProgram.buffers`. */
  readonly buffer: number;
  /** First element. */
  readonly offset: number;
  /** One stride for each dimension of whatever iterates over the view. */
  readonly strides: readonly number[];
}

/** One scalar operation of a loop's body; operands are indices of earlier instructions. */
export type Instruction =
  | { readonly op: "load"; readonly dtype: DType; readonly view: View }
  /** Loads at the view's element plus clamp(value of `index`, 0, indexSize − 1) · indexStride. */
  | {
    readonly op: "loadIndexed";
    readonly dtype: DType;
    readonly view: View;
    readonly index: number;
    readonly indexStride: number;
    readonly indexSize: number;
  }
  | { readonly op: "constant"; readonly dtype: DType; readonly value: number }
  /** offset + Σ strides[d]·i[d], the loop's own indices. */
  | {
    readonly op: "index";
    readonly dtype: DType;
    readonly offset: number;
    readonly strides: readonly number[];
  }
  | {
    readonly op: UnaryName | BinaryName | CompareName | "select" | "cast" | "bitcast";
    readonly dtype: DType;
    readonly args: readonly number[];
  };

/** How values are combined over the reduced dimensions. */
export type ReduceOp = "sum" | "prod" | "max" | "min" | "argmax" | "argmin";

/**
 * Nested loops around a fused elementwise body, with an optional reduction.
 *
 * `dims[0 … outerRank)` are the dimensions of the result; the rest are reduced (none if there is no reduction, and
 * exactly one for argmax and argmin, whose result is int32). After the reduction, `epilogue` instructions continue the
 * body's numbering: instruction `body.length` is the reduced value, and the ones that follow may use it, and loads whose
 * strides are zero along reduced dimensions.
 */
export interface LoopKernel {
  readonly kind: "loop";
  /** Sizes of the loops, outermost first. Views and index instructions have one stride for each. */
  readonly dims: readonly number[];
  /** How many of the dims index the result. */
  readonly outerRank: number;
  /** The computation for one point. Its last instruction is the value. */
  readonly body: readonly Instruction[];
  /** The reduction over the inner dims, if any. */
  readonly reduce: ReduceOp | null;
  /** Instructions after the reduction; empty if none. The last one is the value stored. */
  readonly epilogue: readonly Instruction[];
  /** Where results go; one stride an outer dimension. */
  readonly out: View;
  /** Whether results replace what stands there or are added to it. */
  readonly mode: "set" | "add";
  /** Dtype of the result. */
  readonly dtype: DType;
}

/** C[b, m, n] = Σ_k A[b, m, k] · B[b, k, n]; each of b, m, n, k is a list of dimensions. */
export interface ContractKernel {
  readonly kind: "contract";
  readonly dtype: DType;
  readonly batch: readonly number[];
  readonly m: readonly number[];
  readonly n: readonly number[];
  readonly k: readonly number[];
  /** Strides for [batch…, m…, k…]. */
  readonly a: View;
  /** Strides for [batch…, k…, n…]. */
  readonly b: View;
  /** Strides for [batch…, m…, n…]. */
  readonly out: View;
}

/** Running sums along the last of the dims; `reverse` runs from its end. */
export interface ScanKernel {
  readonly kind: "scan";
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly input: View;
  readonly out: View;
  readonly reverse: boolean;
}

/** Adds `updates` [B…, I, R…] to `out` [B…, clamp(index [B…, I]), R…], which was filled before. Order: ascending I. */
export interface ScatterAddKernel {
  readonly kind: "scatterAdd";
  readonly dtype: DType;
  /** Sizes B…, I, R…. */
  readonly dims: readonly number[];
  /** How many of them are batch dimensions; the next one is I. */
  readonly batchDims: number;
  /** Strides for B…, I. */
  readonly index: View;
  /** Strides for B…, I, R…. */
  readonly updates: View;
  /** Strides for B…, target axis, R…. */
  readonly out: View;
  /** Size of the target axis. */
  readonly size: number;
}

/** Stable order that sorts along the last of the dims (NaN last); int32. */
export interface ArgsortKernel {
  readonly kind: "argsort";
  /** Dtype of the input. */
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly input: View;
  readonly out: View;
  readonly descending: boolean;
}

/**
 * Threefry-2x32 with 20 rounds: words 2i and 2i + 1 of a row are the two outputs for the counter (i, 0) under the
 * row's key.
 */
export interface RandomBitsKernel {
  readonly kind: "randomBits";
  /** Number of keys. */
  readonly rows: number;
  /** Words drawn for each key. */
  readonly length: number;
  /** Strides for [row, 2]. */
  readonly key: View;
  /** Strides for [row, length]. */
  readonly out: View;
}

/** A unit of work that a backend generates code for. */
export type Kernel =
  | LoopKernel
  | ContractKernel
  | ScanKernel
  | ScatterAddKernel
  | ArgsortKernel
  | RandomBitsKernel;

/** A program as kernels over buffers. */
export interface LoweredProgram {
  /** All buffers; kernels refer to them by index. */
  readonly buffers: readonly BufferSpec[];
  /** The kernels, in an order that respects what they read and write. */
  readonly kernels: readonly Kernel[];
  /** Buffers of the program's inputs, in its order. */
  readonly inputs: readonly number[];
  /** Buffers of the program's outputs, in its order; an output may be an input's buffer or repeat (the backend copies). */
  readonly outputs: readonly number[];
  /** Where each temporary lives in one arena: bytes from its start (64-byte aligned), null for other buffers. */
  readonly arenaOffsets: readonly (number | null)[];
  /** Size of the arena in bytes. */
  readonly arenaBytes: number;
}
