/** Runs one matrix product of the WebAssembly backend, for its tests and its benchmark. */
import { ModuleBuilder } from "../backends/wasm/assembler.ts";
import {
  axisLayout,
  emitGemm,
  GemmCache,
  gemmDescriptorLength,
  type GemmKernel,
  offsetTable,
} from "../backends/wasm/gemm.ts";

import type { Window } from "../backends/wasm/gemm_shape.ts";

/** One axis: the dimensions that it is made of, and an operand's strides along them, in elements. */
export interface AxisView {
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

/** A matrix operand: its elements' number, the element where it begins, and its axes. */
export interface MatrixView {
  readonly length: number;
  readonly start?: number;
  readonly batch: AxisView;
  readonly rows: AxisView;
  readonly columns: AxisView;
}

export interface Product {
  readonly dtype: "float32" | "float64";
  readonly a: MatrixView;
  readonly b: MatrixView;
  readonly c: MatrixView;
  readonly accumulate?: boolean;
  readonly relaxed?: boolean;
  /** What is known of a convolution. */
  readonly window?: Window;
  /** Rows of A that are zero together. */
  readonly zeroGroup?: number;
}

/** An axis of one dimension. */
export function axis(size: number, stride: number): AxisView {
  return { dims: [size], strides: [stride] };
}

/** Dense row-major matrices in a batch. */
export function dense(batch: number, rows: number, columns: number): MatrixView {
  return {
    length: batch * rows * columns,
    batch: axis(batch, rows * columns),
    rows: axis(rows, columns),
    columns: axis(columns, 1),
  };
}

/** The same matrices, stored column by column. */
export function transposed(batch: number, rows: number, columns: number): MatrixView {
  const { length, batch: outer, rows: inner, columns: middle } = dense(batch, columns, rows);
  return { length, batch: outer, rows: middle, columns: inner };
}

/** How many indices an axis has. */
export function axisSize(view: AxisView): number {
  return view.dims.reduce((a, b) => a * b, 1);
}

/** A product ready to run: its memory and its code. */
export interface Prepared {
  readonly kernel: GemmKernel;
  readonly a: Float32Array | Float64Array;
  readonly b: Float32Array | Float64Array;
  readonly c: Float32Array | Float64Array;
  /** Runs all phases, each in pieces of the given number of tasks, backward when asked. */
  run(tasksAtOnce?: number, backward?: boolean): void;
}

/** Emits the code, lays out the memory and instantiates the module. */
export function prepare(product: Product, shared = false): Prepared {
  const { dtype, a, b, c } = product;
  const bytes = dtype === "float32" ? 4 : 8;
  const module = new ModuleBuilder();
  const layout = (view: MatrixView) => ({
    rows: axisLayout(view.rows.dims, view.rows.strides),
    columns: axisLayout(view.columns.dims, view.columns.strides),
  });
  const maximumPages = 65536;
  const shape = {
    dtype,
    batch: axisSize(c.batch),
    m: axisSize(c.rows),
    n: axisSize(c.columns),
    k: axisSize(a.columns),
    a: layout(a),
    b: layout(b),
    c: layout(c),
    accumulate: product.accumulate ?? false,
    relaxed: product.relaxed ?? true,
    window: product.window,
    zeroGroup: product.zeroGroup,
  };
  // The memory's size is known once the kernel is, and the import's minimum may be smaller.
  module.importMemory("env", "memory", 1, maximumPages, shared);
  const kernel = emitGemm(module, shape, new GemmCache());
  let end = 64;
  const allocate = (size: number): number => {
    const at = end;
    end = Math.ceil((end + size) / 64) * 64;
    return at;
  };
  const views = [a, b, c];
  const data = views.map((view) => allocate(view.length * bytes));
  const tables = views.flatMap((view) =>
    [view.batch, view.rows, view.columns].map((one) => ({
      at: allocate(4 * axisSize(one)),
      offsets: offsetTable(one.dims, one.strides, bytes),
    }))
  );
  const workspace = allocate(kernel.workspaceBytes);
  const descriptor = allocate(4 * gemmDescriptorLength);
  const scratch = allocate(kernel.scratchBytes);
  const memory = new WebAssembly.Memory({
    initial: Math.ceil(end / 65536),
    maximum: maximumPages,
    shared,
  });
  const integers = new Int32Array(memory.buffer);
  for (const { at, offsets } of tables) integers.set(offsets, at / 4);
  integers.set(
    [
      ...views.map((view, i) => data[i] + (view.start ?? 0) * bytes),
      ...tables.map((table) => table.at),
      workspace,
    ],
    descriptor / 4,
  );
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()), {
    env: { memory },
  });
  const array = (i: number) =>
    dtype === "float32"
      ? new Float32Array(memory.buffer, data[i], views[i].length)
      : new Float64Array(memory.buffer, data[i], views[i].length);
  return {
    kernel,
    a: array(0),
    b: array(1),
    c: array(2),
    run(tasksAtOnce = Infinity, backward = false) {
      for (const { run, tasks } of kernel.phases) {
        const call = instance.exports[run.name] as (...values: number[]) => void;
        const begins: number[] = [];
        for (let begin = 0; begin < tasks; begin += tasksAtOnce) begins.push(begin);
        if (backward) begins.reverse();
        for (const begin of begins) {
          call(descriptor, scratch, begin, Math.min(tasks, begin + tasksAtOnce));
        }
      }
    },
  };
}

/** The elements of an axis, as offsets that count elements. */
function offsets(view: AxisView): Int32Array {
  return offsetTable(view.dims, view.strides, 1);
}

/** The product by plain loops in float64, and the sums of its terms' magnitudes. */
export function referenceProduct(
  product: Product,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  before: ArrayLike<number>,
): { value: Float64Array; magnitude: Float64Array } {
  const value = Float64Array.from(before);
  const magnitude = Float64Array.from(before, Math.abs);
  const all = (view: MatrixView) => ({
    start: view.start ?? 0,
    batch: offsets(view.batch),
    rows: offsets(view.rows),
    columns: offsets(view.columns),
  });
  const [left, right, out] = [all(product.a), all(product.b), all(product.c)];
  for (let batch = 0; batch < out.batch.length; batch++) {
    for (let m = 0; m < out.rows.length; m++) {
      for (let n = 0; n < out.columns.length; n++) {
        const at = out.start + out.batch[batch] + out.rows[m] + out.columns[n];
        let sum = product.accumulate ? before[at] : 0;
        let size = Math.abs(sum);
        for (let k = 0; k < left.columns.length; k++) {
          const term = a[left.start + left.batch[batch] + left.rows[m] + left.columns[k]] *
            b[right.start + right.batch[batch] + right.rows[k] + right.columns[n]];
          sum += term;
          size += Math.abs(term);
        }
        value[at] = sum;
        magnitude[at] = size;
      }
    }
  }
  return { value, magnitude };
}

/** A generator of numbers in [-1, 1) that repeats for a seed (Mulberry32). */
export function randomNumbers(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2147483648 - 1;
  };
}
