/**
 * A conformance case in the making, and the views through which its operands are reached.
 *
 * @module
 */

import type { DType, TypedArray } from "../../lib/base/dtype.ts";
import { sizeOf } from "../../lib/base/shape.ts";
import { ProgramBuilder } from "./conformance_builder.ts";
import { type Fill, hash, ordinary } from "./conformance_data.ts";
import type { ConformanceCase, HostArray, Tolerance } from "./conformance_run.ts";

/** A program builder that also holds the data of the inputs. */
export class Draft extends ProgramBuilder {
  readonly #name: string;
  readonly #inputs: HostArray[] = [];

  /** The name says what the case is, and seeds its data. */
  constructor(name: string) {
    super();
    this.#name = name;
  }

  /** An input that holds the data. */
  data(shape: readonly number[], dtype: DType, data: TypedArray): number {
    this.#inputs.push({ data, dtype });
    return this.input(shape, dtype);
  }

  /** An input of random data. */
  filled(shape: readonly number[], dtype: DType, fill: Fill = ordinary): number {
    const seed = hash(`${this.#name} ${this.#inputs.length}`);
    return this.data(shape, dtype, fill(dtype, sizeOf(shape), seed));
  }

  /** The case that computes some values. */
  finish(group: string, tolerance: Tolerance, ...outputs: number[]): ConformanceCase {
    const program = this.build(...outputs);
    return {
      name: `${group}: ${this.#name}`,
      group,
      program,
      inputs: [...this.#inputs],
      tolerance,
    };
  }
}

/** Makes a value of the shape and dtype from a new input. */
export type View = (draft: Draft, shape: readonly number[], dtype: DType, fill?: Fill) => number;

const ones = (shape: readonly number[]): number[] => shape.map(() => 1);
const zeros = (shape: readonly number[]): number[] => shape.map(() => 0);
const reversed = (shape: readonly number[]): number[] => shape.map((_, i) => shape.length - 1 - i);

/** Every `step`-th element of a larger array, from `start`; of every second axis where there are many. */
function sliced(start: number, step: number): View {
  return (draft, shape, dtype, fill) => {
    const sparse = (n: number, axis: number) => n > 0 && (shape.length <= 3 || axis % 2 === 1);
    const x = draft.filled(
      shape.map((n, axis) => sparse(n, axis) ? start + n * step + 2 : n + start),
      dtype,
      fill,
    );
    return draft.add("slice", {
      start: shape.map(() => start),
      limit: shape.map((n, axis) => sparse(n, axis) ? start + (n - 1) * step + 1 : start + n),
      step: shape.map((n, axis) => sparse(n, axis) ? step : 1),
    }, x);
  };
}

/** Ways to reach an operand; all but the first are not contiguous in the input. */
export const views: { readonly [name: string]: View } = {
  plain: (draft, shape, dtype, fill) => draft.filled(shape, dtype, fill),

  permuted: (draft, shape, dtype, fill) => {
    const x = draft.filled(shape.toReversed(), dtype, fill);
    return draft.add("permute", { permutation: reversed(shape) }, x);
  },

  flipped: (draft, shape, dtype, fill) =>
    draft.add("flip", { axes: shape.map((_, i) => i) }, draft.filled(shape, dtype, fill)),

  stepped: sliced(1, 3),

  broadcast: (draft, shape, dtype, fill) => {
    const small = shape.map((n, i) => i % 2 === (shape.length + 1) % 2 || n === 0 ? n : 1);
    return draft.add("broadcast", { shape }, draft.filled(small, dtype, fill));
  },

  /** Elements of the trailing axes overlap in the input. */
  patches: (draft, shape, dtype, fill) => {
    if (shape.length < 2 || shape.includes(0)) return views.stepped(draft, shape, dtype, fill);
    const [kernel, places] = shape.slice(-2);
    const x = draft.filled([...shape.slice(0, -2), kernel + places - 1], dtype, fill);
    return draft.add("patches", { kernel: [kernel], strides: [1], dilation: [1] }, x);
  },

  /** Strides that grow with each step: a flip of every second row of a transposed, padded array. */
  chained: (draft, shape, dtype, fill) => {
    let x = sliced(0, 2)(draft, shape.toReversed(), dtype, fill);
    x = draft.add("permute", { permutation: reversed(shape) }, x);
    return draft.add("flip", { axes: shape.length > 0 ? [shape.length - 1] : [] }, x);
  },

  /** A reshape of a transposed array, which is no strided view of it. */
  reshaped: (draft, shape, dtype, fill) => {
    const x = draft.filled([...shape, 2, 3], dtype, fill);
    const rank = shape.length + 2;
    const permutation = [rank - 1, rank - 2, ...shape.map((_, i) => i)];
    const moved = draft.add("permute", { permutation }, x);
    const flat = draft.add("reshape", { shape: [6 * sizeOf(shape)] }, moved);
    const part = draft.add("slice", {
      start: [sizeOf(shape)],
      limit: [2 * sizeOf(shape)],
      step: [1],
    }, flat);
    return draft.add("reshape", { shape }, part);
  },

  padded: (draft, shape, dtype, fill) => {
    const low = shape.map((n) => Math.min(1, n >> 1));
    const inner = shape.map((n, i) => n - 2 * low[i]);
    const x = draft.filled(inner, dtype, fill);
    const params = { low, high: low, interior: zeros(shape), value: dtype === "bool" ? 1 : 2 };
    return draft.add("pad", params, x);
  },

  joined: (draft, shape, dtype, fill) => {
    const axis = shape.findLastIndex((n) => n > 1);
    if (axis < 0) return draft.filled(shape, dtype, fill);
    const head = shape.map((n, i) => i === axis ? n >> 1 : n);
    const tail = shape.map((n, i) => i === axis ? n - (n >> 1) : n);
    return draft.add(
      "concat",
      { axis },
      draft.filled(head, dtype, fill),
      draft.filled(tail, dtype, fill),
    );
  },

  /** Elements that stand far apart. */
  distant: (draft, shape, dtype, fill) => {
    const spread = sizeOf(shape) > 64 ? 2 : sizeOf(shape) > 8 ? 97 : 997;
    const x = draft.filled([...shape, spread], dtype, fill);
    const part = draft.add("slice", {
      start: [...zeros(shape), spread - 1],
      limit: [...shape, spread],
      step: [...ones(shape), 1],
    }, x);
    return draft.add("reshape", { shape }, part);
  },
};

/** The names of the views, in their order. */
export const viewNames: readonly string[] = Object.keys(views);

/** The views in turn: the next one at every call. */
export function viewsInTurn(): () => { name: string; view: View } {
  let next = 0;
  return () => {
    const name = viewNames[next++ % viewNames.length];
    return { name, view: views[name] };
  };
}

/** Shapes that kernels stumble over: scalars, size 0, size 1, primes, rank 6. */
export const awkwardShapes: readonly (readonly number[])[] = [
  [],
  [0],
  [1],
  [5],
  [64],
  [131],
  [3, 0, 5],
  [1, 1, 1],
  [13, 5],
  [1, 33],
  [7, 1, 4],
  [2, 3, 5, 1, 2, 3],
];
