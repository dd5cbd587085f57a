/**
 * What dotGeneral and conv have in common: Σ over k of two operands read through affine maps.
 *
 * @module
 */

import type { PrimitiveParams } from "../base/primitives.ts";
import type { Shape } from "../base/shape.ts";
import type { Program } from "./program.ts";
import type { IndexMap, IndexRow } from "./view.ts";

/** A contraction over named dimensions. */
export interface ContractionSpec {
  /** Sizes of all dimensions: those of the result in row-major order, then the summed ones. */
  readonly sizes: readonly number[];
  /** How many of them index the result. */
  readonly outerRank: number;
  /** Dimensions that both operands share and the result has. */
  readonly batch: readonly number[];
  /** Dimensions of `a` and the result. */
  readonly m: readonly number[];
  /** Dimensions of `b` and the result. */
  readonly n: readonly number[];
  /** The summed dimensions. */
  readonly k: readonly number[];
  /** Left operand: its node, and a row over the dimensions for each of its axes. */
  readonly a: { readonly id: number; readonly map: IndexMap };
  /** Right operand. */
  readonly b: { readonly id: number; readonly map: IndexMap };
  /** A row over the dimensions for each axis of the result. */
  readonly out: IndexMap;
}

/** The contraction that a dotGeneral, or a conv without padding and input dilation, computes. */
export function contractionOf(program: Program, id: number): ContractionSpec {
  const node = program.nodes[id];
  const [first, second] = node.inputs;
  const firstShape = program.nodes[first].shape;
  const secondShape = program.nodes[second].shape;
  return node.primitive === "conv"
    ? convContraction(node.params as PrimitiveParams["conv"], node.shape, {
      input: first,
      filter: second,
      inputShape: firstShape,
      filterShape: secondShape,
    })
    : dotContraction(
      node.params as PrimitiveParams["dotGeneral"],
      { id: first, shape: firstShape },
      { id: second, shape: secondShape },
    );
}

function dotContraction(
  params: PrimitiveParams["dotGeneral"],
  lhs: { id: number; shape: Shape },
  rhs: { id: number; shape: Shape },
): ContractionSpec {
  const sizes: number[] = [];
  const lhsDims = new Array<number>(lhs.shape.length).fill(-1);
  const rhsDims = new Array<number>(rhs.shape.length).fill(-1);
  const batch = params.lhsBatch.map((axis, i) => {
    const d = sizes.push(lhs.shape[axis]) - 1;
    lhsDims[axis] = d;
    rhsDims[params.rhsBatch[i]] = d;
    return d;
  });
  const m: number[] = [];
  lhs.shape.forEach((size, axis) => {
    if (lhsDims[axis] < 0 && !params.lhsContract.includes(axis)) {
      lhsDims[axis] = sizes.push(size) - 1;
      m.push(lhsDims[axis]);
    }
  });
  const n: number[] = [];
  rhs.shape.forEach((size, axis) => {
    if (rhsDims[axis] < 0 && !params.rhsContract.includes(axis)) {
      rhsDims[axis] = sizes.push(size) - 1;
      n.push(rhsDims[axis]);
    }
  });
  const outerRank = sizes.length;
  const k = params.lhsContract.map((axis, i) => {
    const d = sizes.push(lhs.shape[axis]) - 1;
    lhsDims[axis] = d;
    rhsDims[params.rhsContract[i]] = d;
    return d;
  });
  const rows = (dims: readonly number[]): IndexMap =>
    dims.map((d) => combination(sizes.length, [[d, 1]]));
  return {
    sizes,
    outerRank,
    batch,
    m,
    n,
    k,
    a: { id: lhs.id, map: rows(lhsDims) },
    b: { id: rhs.id, map: rows(rhsDims) },
    out: rows(sizes.slice(0, outerRank).map((_, d) => d)),
  };
}

function convContraction(
  params: PrimitiveParams["conv"],
  shape: Shape,
  operands: { input: number; filter: number; inputShape: Shape; filterShape: Shape },
): ContractionSpec {
  const { groups, strides, rhsDilation } = params;
  const { inputShape, filterShape } = operands;
  const spatial = inputShape.length - 2;
  const perGroup = filterShape[0] / groups;
  // Result: N, G, O / G, P…; summed: C / G, K….
  const sizes = [
    shape[0],
    groups,
    perGroup,
    ...shape.slice(2),
    filterShape[1],
    ...filterShape.slice(2),
  ];
  const rank = sizes.length;
  const outerRank = 3 + spatial;
  const position = (i: number): number => 3 + i;
  const offset = (i: number): number => outerRank + 1 + i;
  const axes = Array.from({ length: spatial }, (_, i) => i);
  return {
    sizes,
    outerRank,
    batch: [1],
    m: [2],
    n: [0, ...axes.map(position)],
    k: [outerRank, ...axes.map(offset)],
    a: {
      id: operands.filter,
      map: [
        combination(rank, [[1, perGroup], [2, 1]]),
        combination(rank, [[outerRank, 1]]),
        ...axes.map((i) => combination(rank, [[offset(i), 1]])),
      ],
    },
    b: {
      id: operands.input,
      map: [
        combination(rank, [[0, 1]]),
        combination(rank, [[1, filterShape[1]], [outerRank, 1]]),
        ...axes.map((i) =>
          combination(rank, [[position(i), strides[i]], [offset(i), rhsDilation[i]]])
        ),
      ],
    },
    out: [
      combination(rank, [[0, 1]]),
      combination(rank, [[1, perGroup], [2, 1]]),
      ...axes.map((i) => combination(rank, [[position(i), 1]])),
    ],
  };
}

function combination(rank: number, terms: readonly (readonly [number, number])[]): IndexRow {
  const coefs = new Array<number>(rank).fill(0);
  for (const [d, c] of terms) coefs[d] += c;
  return { offset: 0, coefs };
}
