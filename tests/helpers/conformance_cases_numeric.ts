/**
 * Conformance cases of reductions and contractions.
 *
 * @module
 */

import { type DType, dtypes } from "../../lib/base/dtype.ts";
import type { ConvParams, DotGeneralParams } from "../../lib/base/primitives.ts";
import { range, sizeOf } from "../../lib/base/shape.ts";
import {
  type Fill,
  ordinary,
  positive,
  specialValues,
  tied,
  tiedWithNaN,
  typedArray,
} from "./conformance_data.ts";
import { awkwardShapes, Draft, viewsInTurn } from "./conformance_draft.ts";
import type { ConformanceCase, Tolerance } from "./conformance_run.ts";

const floats: readonly DType[] = ["float32", "float64"];
const numbers: readonly DType[] = ["float32", "float64", "int32", "uint32"];
const exact: Tolerance = { kind: "exact" };

/** Rounding of a sum of so many terms in any reasonable order: grows as their square root. */
function sumOf(terms: number): Tolerance {
  return { kind: "magnitude", factor: 6 + Math.sqrt(terms) / 2 };
}

/** Sets of axes that leave outer, inner, interleaved or no axes. */
function axisSets(rank: number): number[][] {
  const sets = [[], range(rank)];
  if (rank > 1) sets.push([rank - 1], [0], range(rank).slice(1));
  if (rank > 2) sets.push([1], range(rank).filter((axis) => axis % 2 === 0));
  return sets;
}

function* reductionCases(): Iterable<ConformanceCase> {
  const nextView = viewsInTurn();
  const shapes = [...awkwardShapes, [3, 1501], [1501, 3], [17, 31, 9], [2, 129], [16, 16]];
  for (const shape of shapes) {
    for (const axes of axisSets(shape.length)) {
      const terms = axes.reduce((product, axis) => product * shape[axis], 1);
      for (const dtype of dtypes) {
        const reduce = (
          primitive: "reduceSum" | "reduceProd" | "reduceMax" | "reduceMin",
          tolerance: Tolerance,
          fill: Fill,
        ) => {
          const { name, view } = nextView();
          const draft = new Draft(`${dtype} [${shape}] axes [${axes}] ${name}`);
          const x = view(draft, shape, dtype, fill);
          return draft.finish(primitive, tolerance, draft.add(primitive, { axes }, x));
        };
        if (dtype !== "bool") {
          yield reduce("reduceSum", sumOf(terms), ordinary);
          // Long products leave the range of float32.
          if (terms < 200) yield reduce("reduceProd", { kind: "ulp", ulp: 4 + terms }, positive);
        }
        if (terms > 0) {
          yield reduce("reduceMax", exact, ordinary);
          yield reduce("reduceMin", exact, ordinary);
          yield reduce("reduceMax", exact, terms < 10 ? tiedWithNaN : tied);
          yield reduce("reduceMin", exact, terms < 10 ? tiedWithNaN : tied);
        }
      }
    }
    for (let axis = 0; axis < shape.length; axis++) {
      for (const dtype of dtypes) {
        const start = (label: string, fill: Fill) => {
          const { name, view } = nextView();
          const draft = new Draft(`${dtype} [${shape}] axis ${axis} ${label} ${name}`);
          return { draft, x: view(draft, shape, dtype, fill) };
        };
        for (const fill of [tied, tiedWithNaN]) {
          if (shape[axis] === 0) continue;
          for (const primitive of ["argmax", "argmin"] as const) {
            const { draft, x } = start(fill === tied ? "ties" : "NaN", fill);
            yield draft.finish(primitive, exact, draft.add(primitive, { axis }, x));
          }
        }
        if (dtype === "bool") continue;
        for (const reverse of [false, true]) {
          const { draft, x } = start(`reverse=${reverse}`, ordinary);
          const sums = draft.add("cumsum", { axis, reverse }, x);
          yield draft.finish("cumsum", sumOf(4 * shape[axis]), sums);
        }
      }
    }
  }
  yield* specialReductionCases();
}

/** Reductions of extreme values: each alone with ordinary ones, in rows. */
function* specialReductionCases(): Iterable<ConformanceCase> {
  for (const dtype of dtypes) {
    const special = specialValues(dtype);
    const rows = special.flatMap((value) => [value, 1, 0, value, 1]);
    // Without overflow on the way, whatever the order.
    const factors = special.flatMap((value) => [1, value, 1, 1, dtype === "uint32" ? 3 : -1]);
    const shape = [special.length, 5];
    for (const primitive of ["reduceSum", "reduceProd", "reduceMax", "reduceMin"] as const) {
      if (dtype === "bool" && (primitive === "reduceSum" || primitive === "reduceProd")) continue;
      const draft = new Draft(`${dtype} special values`);
      const data = primitive === "reduceProd" ? factors : rows;
      const x = draft.data(shape, dtype, typedArray(data, dtype));
      // Twice the largest float overflows in float32 and not in float64, which the reference adds in.
      const value = draft.add(primitive, { axes: [1] }, x);
      yield draft.finish(primitive, primitive === "reduceSum" ? sumOf(5) : exact, value);
    }
    for (const primitive of ["argmax", "argmin"] as const) {
      const draft = new Draft(`${dtype} special values`);
      const x = draft.data(shape, dtype, typedArray(rows, dtype));
      yield draft.finish(primitive, exact, draft.add(primitive, { axis: 1 }, x));
      const along = new Draft(`${dtype} special values along the first axis`);
      const y = along.data(shape, dtype, typedArray(rows, dtype));
      yield along.finish(primitive, exact, along.add(primitive, { axis: 0 }, y));
    }
  }
}

/** Contractions: operands' shapes and dimension numbers (lhs batch, rhs batch, lhs contracted, rhs contracted). */
const contractions:
  readonly (readonly [number[], number[], number[], number[], number[], number[]])[] = [
    [[], [], [], [], [], []],
    [[5], [], [], [], [], []],
    [[4], [7], [], [], [], []],
    [[31], [31], [], [], [0], [0]],
    [[1], [1], [], [], [0], [0]],
    [[13, 7], [7], [], [], [1], [0]],
    [[7], [7, 17], [], [], [0], [0]],
    [[1, 1], [1, 1], [], [], [1], [0]],
    [[5, 3], [3, 4], [], [], [1], [0]],
    [[3, 5], [4, 3], [], [], [0], [1]],
    [[13, 31], [31, 17], [], [], [1], [0]],
    [[31, 13], [17, 31], [], [], [0], [1]],
    [[65, 129], [129, 47], [], [], [1], [0]],
    [[7, 300], [300, 9], [], [], [1], [0]],
    [[300, 2], [300, 3], [], [], [0], [0]],
    [[48, 64], [64, 32], [], [], [1], [0]],
    [[3, 0], [0, 4], [], [], [1], [0]],
    [[0, 3], [3, 4], [], [], [1], [0]],
    [[3, 2], [2, 0], [], [], [1], [0]],
    [[3, 5, 4], [3, 4, 6], [0], [0], [2], [1]],
    [[4, 3, 5], [6, 4, 3], [1], [2], [0], [1]],
    [[3, 5], [3, 5], [0], [0], [1], [1]],
    [[3, 5], [3, 5], [0, 1], [0, 1], [], []],
    [[6, 1, 9], [6, 9, 1], [0], [0], [2], [1]],
    [[2, 3, 7, 4], [3, 4, 2, 5], [0, 1], [2, 0], [3], [1]],
    [[2, 5, 3, 4], [4, 6, 2, 5], [0], [2], [1, 3], [3, 0]],
    [[4, 3, 2], [2, 5, 3, 3], [], [], [2, 1], [0, 3]],
    [[2, 3, 4, 2], [3, 3, 5], [], [], [1], [0]],
    [[0, 3, 4], [0, 4, 2], [0], [0], [2], [1]],
    [[1, 20, 33], [1, 33, 18], [0], [0], [2], [1]],
  ];

function* dotCases(): Iterable<ConformanceCase> {
  const nextLeft = viewsInTurn();
  const nextRight = viewsInTurn();
  for (const [lhsShape, rhsShape, lhsBatch, rhsBatch, lhsContract, rhsContract] of contractions) {
    const params: DotGeneralParams = { lhsBatch, rhsBatch, lhsContract, rhsContract };
    const terms = lhsContract.reduce((product, axis) => product * lhsShape[axis], 1);
    const rounds = terms * sizeOf(lhsShape) > 5000 ? 2 : 4;
    for (const dtype of numbers) {
      for (let round = 0; round < rounds; round++) {
        const left = nextLeft();
        const right = nextRight();
        const draft = new Draft(
          `${dtype} [${lhsShape}] x [${rhsShape}], batch ${lhsBatch};${rhsBatch}, ` +
            `contract ${lhsContract};${rhsContract} ${left.name}, ${right.name}`,
        );
        const operands = [
          left.view(draft, lhsShape, dtype),
          right.view(draft, rhsShape, dtype),
        ];
        const result = draft.add("dotGeneral", params, ...operands);
        yield draft.finish("dotGeneral", sumOf(terms), result);
      }
      nextRight();
    }
  }
  for (const dtype of floats) {
    const draft = new Draft(`${dtype} one operand twice, transposed`);
    const x = draft.filled([19, 23], dtype);
    const gram = draft.add(
      "dotGeneral",
      { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [1] },
      x,
      x,
    );
    yield draft.finish("dotGeneral", sumOf(23), gram);
    const nan = new Draft(`${dtype} NaN and infinity reach their rows only`);
    const values = range(35).map((i) => i === 8 ? NaN : i === 20 ? Infinity : i % 5 - 2.5);
    const lhs = nan.data([5, 7], dtype, typedArray(values, dtype));
    const rhs = nan.filled([7, 6], dtype, positive);
    const product = nan.add(
      "dotGeneral",
      { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] },
      lhs,
      rhs,
    );
    yield nan.finish("dotGeneral", sumOf(7), product);
  }
}

/** A convolution; parameters that are left out are 1, or 0 for padding, along each axis. */
interface ConvTest {
  readonly input: readonly number[];
  readonly filter: readonly number[];
  readonly strides?: readonly number[];
  readonly padding?: readonly (readonly [number, number])[];
  readonly lhs?: readonly number[];
  readonly rhs?: readonly number[];
  readonly groups?: number;
}

const convolutions: readonly ConvTest[] = [
  { input: [2, 3, 11], filter: [4, 3, 3] },
  { input: [1, 1, 5], filter: [1, 1, 5] },
  { input: [1, 2, 9], filter: [3, 2, 2], strides: [3], padding: [[2, 0]] },
  {
    input: [2, 4, 7],
    filter: [6, 2, 3],
    strides: [2],
    padding: [[2, 1]],
    lhs: [2],
    rhs: [2],
    groups: 2,
  },
  { input: [1, 3, 6], filter: [3, 1, 2], groups: 3 },
  { input: [2, 3, 8, 7], filter: [5, 3, 3, 3] },
  { input: [1, 3, 12, 12], filter: [32, 3, 3, 3] },
  { input: [1, 16, 9, 9], filter: [17, 16, 3, 3], padding: [[1, 1], [1, 1]] },
  { input: [2, 2, 7, 7], filter: [3, 2, 3, 3], strides: [2, 3], padding: [[1, 1], [2, 0]] },
  { input: [1, 2, 9, 8], filter: [2, 2, 3, 2], rhs: [2, 3], padding: [[1, 0], [0, 3]] },
  { input: [1, 2, 4, 3], filter: [2, 2, 3, 3], lhs: [2, 3], padding: [[2, 1], [2, 2]] },
  {
    input: [1, 3, 5, 4],
    filter: [2, 3, 2, 3],
    strides: [2, 1],
    lhs: [3, 2],
    rhs: [1, 2],
    padding: [[1, 2], [3, 0]],
  },
  { input: [2, 4, 5, 5], filter: [6, 2, 2, 2], groups: 2 },
  { input: [2, 5, 6, 5], filter: [5, 1, 3, 3], groups: 5, padding: [[1, 1], [1, 1]] },
  { input: [1, 3, 5, 4], filter: [6, 1, 2, 2], groups: 3, strides: [2, 2] },
  { input: [2, 7, 3, 5], filter: [9, 7, 1, 1] },
  { input: [3, 4, 6, 6], filter: [5, 4, 1, 1], strides: [2, 2] },
  { input: [1, 2, 4, 4], filter: [3, 2, 4, 4] },
  { input: [1, 1, 3, 3], filter: [1, 1, 5, 5], padding: [[3, 3], [4, 2]] },
  { input: [1, 2, 1, 9], filter: [2, 2, 1, 3] },
  { input: [0, 2, 4, 4], filter: [3, 2, 2, 2] },
  { input: [2, 3, 4, 4], filter: [0, 3, 2, 2] },
  { input: [2, 0, 4, 4], filter: [3, 0, 2, 2] },
  { input: [1, 2, 4, 3, 5], filter: [3, 2, 2, 2, 3] },
  {
    input: [1, 2, 3, 3, 4],
    filter: [4, 1, 2, 2, 2],
    strides: [2, 1, 2],
    padding: [[1, 0], [0, 1], [1, 1]],
    lhs: [2, 1, 2],
    rhs: [1, 2, 1],
    groups: 2,
  },
  { input: [2, 3, 3, 3, 3], filter: [3, 1, 2, 2, 2], groups: 3, padding: [[1, 1], [1, 1], [1, 1]] },
  // Sizes that fill whole register tiles, and that just do not.
  { input: [1, 8, 18, 18], filter: [8, 8, 3, 3] },
  { input: [2, 8, 17, 19], filter: [13, 8, 3, 3], padding: [[1, 1], [1, 1]] },
];

function* convCases(): Iterable<ConformanceCase> {
  const nextInput = viewsInTurn();
  const nextFilter = viewsInTurn();
  nextFilter();
  for (const { input, filter, strides, padding, lhs, rhs, groups = 1 } of convolutions) {
    const spatial = range(input.length - 2);
    const params: ConvParams = {
      strides: strides ?? spatial.map(() => 1),
      padding: padding ?? spatial.map(() => [0, 0]),
      lhsDilation: lhs ?? spatial.map(() => 1),
      rhsDilation: rhs ?? spatial.map(() => 1),
      groups,
    };
    const terms = sizeOf(filter.slice(1));
    for (const dtype of floats) {
      for (let round = 0; round < 4; round++) {
        const x = nextInput();
        const w = nextFilter();
        const draft = new Draft(
          `${dtype} [${input}] * [${filter}] ${JSON.stringify(params)} ${x.name}, ${w.name}`,
        );
        const operands = [x.view(draft, input, dtype), w.view(draft, filter, dtype)];
        const result = draft.add("conv", params, ...operands);
        yield draft.finish("conv", sumOf(terms), result);
      }
      nextFilter();
    }
  }
}

/** All cases of this family. */
export function* numericCases(): Iterable<ConformanceCase> {
  yield* reductionCases();
  yield* dotCases();
  yield* convCases();
}
