/**
 * Operations on values, from TensorFlow.js's kernels: axes are merged so that ranks stay low, and what the kernels of a
 * backend get wrong is put together from others.
 *
 * @module
 */

import { allocate, type DType, type TypedArray } from "../../lib/base/dtype.ts";
import { sameShape, type Shape, sizeOf } from "../../lib/base/shape.ts";
import { execute } from "../reference/execute.ts";
import { mergeAxes, mergePermutation } from "./axes.ts";
import type { Kernels } from "./kernels.ts";
import type { TensorInfo, TfjsDType } from "./load.ts";
import { fromStorage, storageType, toStorage } from "./storage.ts";
import type { Value } from "./value.ts";

/** Kernels handle this many axes everywhere; WebGPU's some more. */
const mostAxes = 4;
/** Rows of so many elements are best copied whole. */
const longRow = 16;
/** WebAssembly's vector kernels of two operands; the others take 70 ns for an element where one operand repeats. */
const vectorKernels: ReadonlySet<string> = new Set(["Add", "Sub", "Multiply", "RealDiv"]);

/** What does the same where truth values are stored as floats. */
const logicalFloats: Readonly<Record<string, string>> = {
  LogicalAnd: "Multiply",
  LogicalOr: "Maximum",
};

/** Operations on values. What they make lives until the kernels' scope ends. */
export class Operations {
  readonly kernels: Kernels;

  constructor(kernels: Kernels) {
    this.kernels = kernels;
  }

  /** Whether kernels run in WebAssembly, where data can be read at once. */
  get readable(): boolean {
    return this.kernels.kind === "wasm";
  }

  /** The stored elements as a tensor of shape `value.stored`. */
  tensorOf(value: Value): TensorInfo {
    if (value.tensor === null) {
      const { stored, dtype } = value;
      value.tensor = value.host === null
        ? this.fill(stored, dtype, value.constant!)
        : this.upload(value.host, stored, dtype);
      // The value keeps it; whoever owns the value releases it.
      this.kernels.keep(value.tensor);
    }
    return value.tensor;
  }

  /** All elements, as a tensor of shape `value.shape`. */
  dense(value: Value): TensorInfo {
    if (sameShape(value.shape, value.stored)) return this.tensorOf(value);
    if (value.constant !== undefined) return this.fill(value.shape, value.dtype, value.constant);
    return this.repeat(this.tensorOf(value), value.shape);
  }

  /** The tensor with its axes of size 1 repeated to the shape. */
  repeat(x: TensorInfo, shape: Shape): TensorInfo {
    if (sameShape(x.shape, shape)) return x;
    if (sizeOf(shape) === 0) return this.empty(shape, x.dtype);
    const [from, to] = mergeAxes([x.shape, shape], (i) => x.shape[i] === shape[i]);
    if (this.readable) return this.reshape(this.#repeatByAdding(this.reshape(x, from), to), shape);
    if (to.length <= mostAxes) {
      const reps = to.map((n, i) => from[i] === n ? 1 : n);
      const tiled = this.kernels.call("Tile", { x: this.reshape(x, from) }, { reps });
      return this.reshape(tiled, shape);
    }
    return this.reshape(
      this.#eachAxis(
        this.reshape(x, from),
        to,
        (rows, count) => this.kernels.call("Tile", { x: rows }, { reps: [1, count, 1] }),
      ),
      shape,
    );
  }

  /** Repeats axis after axis, from the innermost, each between the axes around it. */
  #eachAxis(
    x: TensorInfo,
    shape: Shape,
    repeat: (rows: TensorInfo, count: number) => TensorInfo,
  ): TensorInfo {
    return shape.reduceRight((current, count, axis) => {
      if (current.shape[axis] === count) return current;
      const inner = sizeOf(current.shape.slice(axis + 1));
      const rows = this.reshape(current, [sizeOf(current.shape) / inner, 1, inner]);
      return this.reshape(repeat(rows, count), current.shape.with(axis, count));
    }, x);
  }

  /**
   * The same in WebAssembly, where Tile takes 50 ns for an element: adding −0, which changes nothing, is a vector kernel.
   */
  #repeatByAdding(x: TensorInfo, shape: Shape): TensorInfo {
    if (x.dtype === "float32") {
      return this.#eachAxis(
        x,
        shape,
        (rows, count) =>
          this.kernels.call("Add", { a: rows, b: this.fill([1, count, 1], "float32", -0) }),
      );
    }
    return this.#eachAxis(x, shape, (rows, count) => {
      const [outer, , inner] = rows.shape;
      const one = this.reshape(rows, [outer, inner]);
      if (inner >= longRow) {
        const all = new Array<TensorInfo>(count).fill(one);
        return this.kernels.call("Concat", all, { axis: 1 });
      }
      if (x.dtype === "bool") {
        const floats = this.#repeatByAdding(this.cast(rows, "float32"), [outer, count, inner]);
        return this.cast(floats, "bool");
      }
      const indices = this.kernels.upload(new Int32Array(count), [count], "int32");
      return this.kernels.call("GatherV2", { x: rows, indices }, { axis: 1, batchDims: 0 });
    });
  }

  /** The same elements in another shape. */
  reshape(x: TensorInfo, shape: Shape): TensorInfo {
    return sameShape(x.shape, shape) ? x : this.kernels.reshape(x, shape);
  }

  /** The type that holds elements of a dtype. */
  typeOf(dtype: DType): TfjsDType {
    return storageType(dtype, this.kernels.kind);
  }

  /** Host elements as a tensor. */
  upload(data: TypedArray, shape: Shape, dtype: DType): TensorInfo {
    return this.kernels.upload(toStorage(data, this.kernels.kind), shape, this.typeOf(dtype));
  }

  /** A tensor without elements. */
  empty(shape: Shape, dtype: TensorInfo["dtype"]): TensorInfo {
    const none = dtype === "float32"
      ? new Float32Array(0)
      : dtype === "int32"
      ? new Int32Array(0)
      : new Uint8Array(0);
    return this.kernels.upload(none, shape, dtype);
  }

  /** A tensor of one value. */
  fill(shape: Shape, dtype: DType, value: number): TensorInfo {
    const type = this.typeOf(dtype);
    if (sizeOf(shape) === 0) return this.empty(shape, type);
    this.kernels.checkSize(shape, type);
    const stored = type === "int32" ? value | 0 : value;
    const flat = this.kernels.call("Fill", {}, {
      shape: [sizeOf(shape)],
      value: stored,
      dtype: type,
    });
    return this.reshape(flat, shape);
  }

  /** A kernel with one operand, element by element. */
  unary(kernel: string, x: TensorInfo): TensorInfo {
    if (sizeOf(x.shape) === 0) return x;
    const flat = this.reshape(x, [sizeOf(x.shape)]);
    return this.reshape(this.#numbers(this.kernels.call(kernel, { x: flat })), x.shape);
  }

  /** Where numbers are stored as floats, so are truth values and indices. */
  #numbers(x: TensorInfo): TensorInfo {
    return this.readable ? x : this.#convert(x, "float32");
  }

  #convert(x: TensorInfo, dtype: TfjsDType): TensorInfo {
    if (x.dtype === dtype) return x;
    if (this.readable || dtype !== "float32") return this.kernels.call("Cast", { x }, { dtype });
    // WebGPU's Cast to float only says that it is one, and kernels then read what it was.
    const a = this.kernels.reshape(x, [sizeOf(x.shape)]);
    return this.reshape(
      this.kernels.call("Multiply", { a, b: this.fill([1], "float32", 1) }),
      x.shape,
    );
  }

  /** A kernel with two operands, element by element; axes of size 1 are repeated. */
  binary(kernel: string, a: TensorInfo, b: TensorInfo): TensorInfo {
    const shape = a.shape.map((n, i) => n === 1 ? b.shape[i] : n);
    const comparison = /Equal|Less|Logical/.test(kernel);
    if (sizeOf(shape) === 0) return this.empty(shape, comparison ? this.typeOf("bool") : a.dtype);
    if (!this.readable && kernel in logicalFloats) kernel = logicalFloats[kernel];
    const repeats = !this.readable || (vectorKernels.has(kernel) && a.dtype === "float32");
    if (!repeats && !sameShape(a.shape, b.shape)) {
      return this.binary(kernel, this.repeat(a, shape), this.repeat(b, shape));
    }
    const [left, right] = mergeAxes(
      [a.shape, b.shape],
      (i) =>
        a.shape[i] === b.shape[i] ? "equal" : a.shape[i] === 1 ? "left repeats" : "right repeats",
    );
    if (left.length > mostAxes) {
      return this.binary(kernel, this.repeat(a, shape), this.repeat(b, shape));
    }
    const operands = { a: this.reshape(a, left), b: this.reshape(b, right) };
    return this.reshape(this.#numbers(this.kernels.call(kernel, operands)), shape);
  }

  /** a where the condition holds, else b; all of one shape. */
  select(condition: TensorInfo, a: TensorInfo, b: TensorInfo): TensorInfo {
    const { shape } = a;
    const size = sizeOf(shape);
    if (size === 0) return a;
    const [c, t, e] = [condition, a, b].map((x) => this.reshape(x, [size]));
    if (a.dtype !== "bool" || !this.readable) {
      return this.reshape(this.kernels.call("Select", { condition: c, t, e }), shape);
    }
    // The kernel moves four bytes for each element.
    const kept = this.binary("LogicalAnd", c, t);
    const other = this.binary("LogicalAnd", this.unary("LogicalNot", c), e);
    return this.reshape(this.binary("LogicalOr", kept, other), shape);
  }

  /** The tensor as it is stored in another dtype; for values that both have. */
  cast(x: TensorInfo, dtype: DType): TensorInfo {
    const type = this.typeOf(dtype);
    return sizeOf(x.shape) === 0 ? this.empty(x.shape, type) : this.#convert(x, type);
  }

  /** Integers as kernels take indices. */
  indices(x: TensorInfo): TensorInfo {
    return this.#convert(x, "int32");
  }

  /**
   * Calls a kernel with weights under an identity of their own. In WebAssembly products keep the packed right operand for its
   * identity, whatever its shape: the same data as another matrix would be multiplied as the first one was.
   */
  withWeights(weights: TensorInfo, f: (weights: TensorInfo) => TensorInfo): TensorInfo {
    return this.readable ? this.kernels.withPart(weights, 0, weights.shape, f) : f(weights);
  }

  /** A reducing kernel along the rows of a matrix that has elements. */
  reduce(kernel: string, rows: TensorInfo): TensorInfo {
    const attrs = { axis: [1], reductionIndices: [1], keepDims: false };
    return this.kernels.call(kernel, { x: rows }, attrs);
  }

  /** The order that sorts each row of a matrix, largest first. */
  topIndices(rows: TensorInfo): TensorInfo {
    return this.#numbers(
      this.kernels.callAll("TopK", { x: rows }, { k: rows.shape[1], sorted: true })[1],
    );
  }

  /** From each row of a matrix the elements at the places that the row of another says. */
  pick(rows: TensorInfo, places: TensorInfo): TensorInfo {
    const indices = this.indices(places);
    return this.kernels.call("GatherV2", { x: rows, indices }, { axis: 1, batchDims: 1 });
  }

  /** The first index of the largest or smallest element of each row of a matrix. */
  firstIndex(kernel: "ArgMax" | "ArgMin", rows: TensorInfo): TensorInfo {
    if (this.readable) return this.kernels.call(kernel, { x: rows }, { axis: 1 });
    // On WebGPU any of several equal ones may be found. A NaN is the only element that its row's best is not equal to.
    const [count, size] = rows.shape;
    const best = this.reduce(kernel === "ArgMax" ? "Max" : "Min", rows);
    const equal = this.binary("Equal", rows, this.reshape(best, [count, 1]));
    const found = this.binary("Maximum", equal, this.isNaN(rows));
    const place = this.upload(
      Float32Array.from({ length: size }, (_, i) => i),
      [1, size],
      "float32",
    );
    const none = this.fill([1, 1], "float32", size);
    return this.reduce(
      "Min",
      this.select(found, this.repeat(place, rows.shape), this.repeat(none, rows.shape)),
    );
  }

  /** Whether each element is NaN; bool. */
  isNaN(x: TensorInfo): TensorInfo {
    return this.unary("IsNan", x);
  }

  /** Axis i of the result is axis permutation[i] of x. */
  transpose(x: TensorInfo, permutation: readonly number[]): TensorInfo {
    const shape = permutation.map((axis) => x.shape[axis]);
    if (sizeOf(shape) === 0) return this.empty(shape, x.dtype);
    const { sizes, order } = mergePermutation(x.shape, permutation);
    if (order.every((axis, i) => axis === i)) return this.reshape(x, shape);
    if (sizes.length <= mostAxes) {
      const merged = this.reshape(x, sizes);
      return this.reshape(this.kernels.call("Transpose", { x: merged }, { perm: order }), shape);
    }
    // Axis after axis goes to its place: the ones before it, the ones it passes, itself, and the ones behind it.
    let current = x;
    let axes = order.toSorted((a, b) => a - b);
    order.forEach((axis, i) => {
      const at = axes.indexOf(axis);
      if (at === i) return;
      const size = (from: number, to: number): number =>
        sizeOf(axes.slice(from, to).map((a) => sizes[a]));
      const parts = [size(0, i), size(i, at), sizes[axis], size(at + 1, axes.length)];
      current = this.transpose(this.reshape(current, parts), [0, 2, 1, 3]);
      axes = axes.toSpliced(at, 1).toSpliced(i, 0, axis);
    });
    return this.reshape(current, shape);
  }

  /** The elements on the host; null where they are on a device that cannot be read at once. */
  hostOf(value: Value): TypedArray | null {
    const { constant, stored, dtype } = value;
    if (value.host !== null) return value.host;
    if (constant !== undefined) return allocate(dtype, sizeOf(stored)).fill(constant);
    const heap = this.kernels.backend.typedArrayFromHeap;
    if (heap === undefined) return null;
    return fromStorage(heap.call(this.kernels.backend, value.tensor!), dtype, this.kernels.kind);
  }
}

/** All elements of a value that is on the host, in order. */
export function denseHost(data: TypedArray, { stored, shape, dtype }: Value): TypedArray {
  if (sameShape(stored, shape)) return data;
  const node = { primitive: "broadcast", params: { shape }, inputs: [0], shape, dtype } as const;
  return execute(node, [{ data, shape: stored, dtype }]);
}
