/**
 * Programs written by hand, for tests of backends: no tensors, no rules of lib/core. The shapes of results are worked
 * out here a second time, so that a mistake in one place does not hide in the other.
 *
 * @module
 */

import type { DType } from "../../lib/base/dtype.ts";
import type { PrimitiveName, PrimitiveParams } from "../../lib/base/primitives.ts";
import type { Program, ProgramNode } from "../../lib/compiler/program.ts";

/** Shape and dtype of a value. */
export interface ValueType {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

type TypeRule<P extends PrimitiveName> = (
  params: PrimitiveParams[P],
  inputs: readonly ValueType[],
) => ValueType;

const same = (_params: unknown, [x]: readonly ValueType[]): ValueType => x;
const compared = (_params: unknown, [x]: readonly ValueType[]): ValueType => ({
  shape: x.shape,
  dtype: "bool",
});
const leaf = ({ shape, dtype }: ValueType): ValueType => ({ shape, dtype });
const without = (shape: readonly number[], axes: readonly number[]): number[] =>
  shape.filter((_, axis) => !axes.includes(axis));
const reduced = ({ axes }: { readonly axes: readonly number[] }, [x]: readonly ValueType[]) => ({
  shape: without(x.shape, axes),
  dtype: x.dtype,
});
const argReduced = (
  { axis }: { readonly axis: number },
  [x]: readonly ValueType[],
): ValueType => ({ shape: without(x.shape, [axis]), dtype: "int32" });

const unaryTypes = {
  neg: same,
  abs: same,
  sign: same,
  floor: same,
  ceil: same,
  round: same,
  exp: same,
  expm1: same,
  log: same,
  log1p: same,
  sqrt: same,
  rsqrt: same,
  sin: same,
  cos: same,
  atan: same,
  tanh: same,
  sigmoid: same,
  erf: same,
};
const binaryTypes = {
  add: same,
  sub: same,
  mul: same,
  div: same,
  quotient: same,
  remainder: same,
  pow: same,
  atan2: same,
  maximum: same,
  minimum: same,
  bitAnd: same,
  bitOr: same,
  bitXor: same,
  shiftLeft: same,
  shiftRight: same,
  equal: compared,
  less: compared,
  lessEqual: compared,
};

const typeRules: { readonly [P in PrimitiveName]: TypeRule<P> } = {
  ...unaryTypes,
  ...binaryTypes,
  constant: leaf,
  placeholder: leaf,
  full: leaf,
  iota: leaf,
  randomBits: ({ length }, [key]) => ({
    shape: [...key.shape.slice(0, -1), length],
    dtype: "uint32",
  }),
  select: (_, [, a]) => a,
  cast: ({ dtype }, [x]) => ({ shape: x.shape, dtype }),
  bitcast: ({ dtype }, [x]) => ({ shape: x.shape, dtype }),
  reshape: ({ shape }, [x]) => ({ shape, dtype: x.dtype }),
  permute: ({ permutation }, [x]) => ({
    shape: permutation.map((axis) => x.shape[axis]),
    dtype: x.dtype,
  }),
  broadcast: ({ shape }, [x]) => ({ shape, dtype: x.dtype }),
  slice: ({ start, limit, step }, [x]) => ({
    shape: start.map((from, d) => Math.max(0, Math.ceil((limit[d] - from) / step[d]))),
    dtype: x.dtype,
  }),
  pad: ({ low, high, interior }, [x]) => ({
    shape: x.shape.map((n, d) => low[d] + high[d] + n + Math.max(0, n - 1) * interior[d]),
    dtype: x.dtype,
  }),
  flip: same,
  concat: ({ axis }, inputs) => ({
    shape: inputs[0].shape.map((n, d) =>
      d === axis ? inputs.reduce((sum, { shape }) => sum + shape[d], 0) : n
    ),
    dtype: inputs[0].dtype,
  }),
  reduceSum: reduced,
  reduceProd: reduced,
  reduceMax: reduced,
  reduceMin: reduced,
  argmax: argReduced,
  argmin: argReduced,
  cumsum: same,
  dotGeneral: ({ lhsBatch, rhsBatch, lhsContract, rhsContract }, [lhs, rhs]) => ({
    shape: [
      ...lhsBatch.map((axis) => lhs.shape[axis]),
      ...without(lhs.shape, [...lhsBatch, ...lhsContract]),
      ...without(rhs.shape, [...rhsBatch, ...rhsContract]),
    ],
    dtype: lhs.dtype,
  }),
  conv: ({ strides, padding, lhsDilation, rhsDilation }, [input, filter]) => ({
    shape: [
      input.shape[0],
      filter.shape[0],
      ...strides.map((stride, d) => {
        const spread = Math.max(0, (input.shape[d + 2] - 1) * lhsDilation[d] + 1) +
          padding[d][0] + padding[d][1];
        const extent = (filter.shape[d + 2] - 1) * rhsDilation[d] + 1;
        return Math.floor((spread - extent) / stride) + 1;
      }),
    ],
    dtype: input.dtype,
  }),
  patches: ({ kernel, strides, dilation }, [x]) => {
    const leading = x.shape.length - kernel.length;
    return {
      shape: [
        ...x.shape.slice(0, leading),
        ...kernel,
        ...kernel.map((size, d) =>
          Math.floor((x.shape[leading + d] - (size - 1) * dilation[d] - 1) / strides[d]) + 1
        ),
      ],
      dtype: x.dtype,
    };
  },
  patchesTranspose: ({ kernel, sizes }, [y]) => ({
    shape: [...y.shape.slice(0, y.shape.length - 2 * kernel.length), ...sizes],
    dtype: y.dtype,
  }),
  gather: ({ batchDims }, [x, index]) => ({
    shape: [...index.shape, ...x.shape.slice(batchDims + 1)],
    dtype: x.dtype,
  }),
  scatterAdd: ({ batchDims, size }, [, updates]) => ({
    shape: [...updates.shape.slice(0, batchDims), size, ...updates.shape.slice(batchDims + 1)],
    dtype: updates.dtype,
  }),
  argsort: (_, [x]) => ({ shape: x.shape, dtype: "int32" }),
  alias: same,
  stopGradient: same,
  customDerivative: same,
};

/** Every primitive that a backend runs. */
export const executedPrimitives: readonly PrimitiveName[] = (Object.keys(
  typeRules,
) as PrimitiveName[]).filter((name) => name !== "constant" && name !== "placeholder");

/** Builds a program node by node; a value is the index of its node. */
export class ProgramBuilder {
  readonly #nodes: ProgramNode[] = [];
  readonly #inputs: number[] = [];

  /** A new input of the program. */
  input(shape: readonly number[], dtype: DType): number {
    this.#nodes.push({ primitive: "constant", params: { shape, dtype }, inputs: [], shape, dtype });
    this.#inputs.push(this.#nodes.length - 1);
    return this.#nodes.length - 1;
  }

  /** A new operation. */
  add<P extends PrimitiveName>(
    primitive: P,
    params: PrimitiveParams[P],
    ...inputs: number[]
  ): number {
    const { shape, dtype } = typeRules[primitive](params, inputs.map((i) => this.#nodes[i]));
    this.#nodes.push({ primitive, params, inputs, shape, dtype });
    return this.#nodes.length - 1;
  }

  /** Shape and dtype of a value. */
  type(value: number): ValueType {
    const { shape, dtype } = this.#nodes[value];
    return { shape, dtype };
  }

  /** The program that computes some values. */
  build(...outputs: number[]): Program {
    const nodes = [...this.#nodes];
    const inputs = [...this.#inputs];
    // JSON has no NaN, infinities or −0, which `full` and `pad` may hold.
    const key = JSON.stringify(
      { nodes, inputs, outputs },
      (_, value) =>
        typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
          ? `number ${Object.is(value, -0) ? "-0" : value}`
          : value,
    );
    return { nodes, inputs, outputs, key };
  }
}
