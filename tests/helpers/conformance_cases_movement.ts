/**
 * Conformance cases of primitives that move elements: shapes, windows, indexing.
 *
 * @module
 */

import { type DType, dtypes, isFloat } from "../../lib/base/dtype.ts";
import { range, sizeOf } from "../../lib/base/shape.ts";
import {
  indicesAround,
  ordinary,
  specialValues,
  tied,
  tiedWithNaN,
  typedArray,
} from "./conformance_data.ts";
import { awkwardShapes, Draft, viewsInTurn } from "./conformance_draft.ts";
import type { ConformanceCase, Tolerance } from "./conformance_run.ts";

const exact: Tolerance = { kind: "exact", signedZeros: true };
const numbers: readonly DType[] = ["float32", "float64", "int32", "uint32"];
/** Sums of a few elements whose order is not prescribed. */
const sums: Tolerance = { kind: "magnitude", factor: 8 };

/** Permutations of an axis count that move axes in different ways. */
function permutations(rank: number): number[][] {
  const identity = range(rank);
  if (rank < 2) return [identity];
  const rotated = [...identity.slice(1), 0];
  return [identity, identity.toReversed(), rotated];
}

function* shapeCases(): Iterable<ConformanceCase> {
  const nextView = viewsInTurn();
  for (const dtype of dtypes) {
    for (const shape of awkwardShapes) {
      const start = (label: string) => {
        const { name, view } = nextView();
        const draft = new Draft(`${dtype} [${shape}] ${label} ${name}`);
        return { draft, x: view(draft, shape, dtype) };
      };
      for (const target of [[sizeOf(shape)], [1, sizeOf(shape), 1], shape.toReversed()]) {
        const { draft, x } = start(`to [${target}]`);
        yield draft.finish("reshape", exact, draft.add("reshape", { shape: target }, x));
      }
      for (const permutation of permutations(shape.length)) {
        const { draft, x } = start(`by [${permutation}]`);
        yield draft.finish("permute", exact, draft.add("permute", { permutation }, x));
      }
      const larger = shape.map((n) => n === 1 ? 3 : n);
      const widened = start(`to [${larger}]`);
      yield widened.draft.finish(
        "broadcast",
        exact,
        widened.draft.add("broadcast", { shape: larger }, widened.x),
      );
      for (const axes of [[], [shape.length - 1], range(shape.length)]) {
        if (shape.length === 0 && axes.length > 0) continue;
        const { draft, x } = start(`axes [${axes}]`);
        yield draft.finish("flip", exact, draft.add("flip", { axes }, x));
      }
      for (const step of [1, 2, 5]) {
        const { draft, x } = start(`step ${step}`);
        const first = shape.map((n) => Math.min(1, n >> 1));
        const params = { start: first, limit: [...shape], step: shape.map(() => step) };
        yield draft.finish("slice", exact, draft.add("slice", params, x));
      }
      const empty = start("nothing left");
      yield empty.draft.finish(
        "slice",
        exact,
        empty.draft.add("slice", { start: shape, limit: shape, step: shape.map(() => 1) }, empty.x),
      );
      for (const [low, high, interior] of [[0, 0, 0], [1, 2, 0], [0, 1, 2], [2, 0, 1]]) {
        const value = dtype === "bool" ? 1 : isFloat(dtype) && low > 0 ? -Infinity : 3;
        const { draft, x } = start(`pad ${low} ${high} ${interior}`);
        const params = {
          low: shape.map((_, i) => i % 2 === 0 ? low : 0),
          high: shape.map(() => high),
          interior: shape.map(() => interior),
          value,
        };
        yield draft.finish("pad", exact, draft.add("pad", params, x));
      }
      for (let axis = 0; axis < shape.length; axis++) {
        const { draft, x } = start(`concat axis ${axis}`);
        const other = shape.map((n, i) => i === axis ? 2 : n);
        const parts = [x, nextView().view(draft, other, dtype), x, draft.filled(shape, dtype)];
        yield draft.finish("concat", exact, draft.add("concat", { axis }, ...parts));
      }
      const single = start("concat of one");
      if (shape.length > 0) {
        const joined = single.draft.add("concat", { axis: 0 }, single.x);
        yield single.draft.finish("concat", exact, joined);
      }
      for (const identity of ["alias", "stopGradient"] as const) {
        const { draft, x } = start(identity);
        yield draft.finish(identity, exact, draft.add(identity, {}, x));
      }
      const custom = start("");
      const primal = custom.draft.filled([2], dtype);
      const value = custom.draft.add("customDerivative", { rule: {}, output: 0 }, custom.x, primal);
      yield custom.draft.finish("customDerivative", exact, value);
    }
    const special = typedArray(specialValues(dtype), dtype);
    const draft = new Draft(`${dtype} special values survive moving`);
    const x = draft.data([special.length], dtype, special);
    const flipped = draft.add("flip", { axes: [0] }, x);
    yield draft.finish("concat", exact, draft.add("concat", { axis: 0 }, flipped, x));
  }
}

/** Windows: leading sizes, windowed sizes, kernel, strides, dilation. */
const windows: readonly (readonly [number[], number[], number[], number[], number[]])[] = [
  [[], [7], [3], [1], [1]],
  [[4], [9], [2], [3], [1]],
  [[2, 3], [11], [3], [2], [3]],
  [[], [5], [5], [1], [1]],
  [[3], [5], [1], [2], [1]],
  [[0], [5], [2], [1], [1]],
  [[2], [6, 7], [3, 2], [1, 1], [1, 1]],
  [[2, 1], [9, 8], [3, 3], [2, 3], [1, 1]],
  [[1, 2], [8, 9], [2, 3], [1, 2], [3, 2]],
  [[2], [8, 8], [2, 2], [2, 2], [1, 1]],
  [[1, 2], [5, 4, 6], [2, 3, 2], [1, 1, 2], [2, 1, 1]],
  [[2], [4, 4, 4], [2, 2, 2], [2, 2, 2], [1, 1, 1]],
];

function* windowCases(): Iterable<ConformanceCase> {
  const nextView = viewsInTurn();
  for (const [leading, sizes, kernel, strides, dilation] of windows) {
    const params = { kernel, strides, dilation };
    const places = sizes.map((n, d) =>
      Math.floor((n - (kernel[d] - 1) * dilation[d] - 1) / strides[d]) + 1
    );
    const label = `[${leading}; ${sizes}] kernel ${kernel} strides ${strides} dilation ${dilation}`;
    for (const dtype of dtypes) {
      const { name, view } = nextView();
      const draft = new Draft(`${dtype} ${label} ${name}`);
      const x = view(draft, [...leading, ...sizes], dtype);
      yield draft.finish("patches", exact, draft.add("patches", params, x));
    }
    for (const dtype of numbers) {
      for (let i = 0; i < 2; i++) {
        const { name, view } = nextView();
        const draft = new Draft(`${dtype} ${label} ${name}`);
        const y = view(draft, [...leading, ...kernel, ...places], dtype);
        const x = draft.add("patchesTranspose", { ...params, sizes }, y);
        yield draft.finish("patchesTranspose", sums, x);
      }
    }
  }
}

/** Batch sizes, size of the indexed axis, number of indices, sizes of a row. */
const lookups: readonly (readonly [number[], number, number, number[]])[] = [
  [[], 5, 7, []],
  [[], 1, 4, [3]],
  [[], 13, 0, [2]],
  [[], 6, 11, [3, 5]],
  [[3], 4, 5, []],
  [[2], 7, 3, [1, 4]],
  [[2, 3], 5, 4, [2]],
  [[0], 4, 2, [3]],
  [[], 3, 40, [17]],
  [[], 100, 1, [2, 1, 3]],
  [[2], 5, 6, [0]],
];

function* indexingCases(): Iterable<ConformanceCase> {
  const nextView = viewsInTurn();
  for (const [batch, size, count, row] of lookups) {
    const batchDims = batch.length;
    for (const dtype of dtypes) {
      const [data, index] = [nextView(), nextView()];
      const label =
        `${dtype} [${batch}; ${size}; ${row}] ${count} indices ${data.name}, ${index.name}`;
      const gathered = new Draft(label);
      const operands = [
        data.view(gathered, [...batch, size, ...row], dtype),
        index.view(gathered, [...batch, count], "int32", indicesAround(size)),
      ];
      yield gathered.finish("gather", exact, gathered.add("gather", { batchDims }, ...operands));
      if (dtype === "bool") continue;
      const scattered = new Draft(label);
      const updates = [
        index.view(scattered, [...batch, count], "int32", indicesAround(size)),
        data.view(scattered, [...batch, count, ...row], dtype),
      ];
      const result = scattered.add("scatterAdd", { batchDims, size }, ...updates);
      yield scattered.finish("scatterAdd", sums, result);
    }
  }
  const draft = new Draft("indices far outside");
  const far = draft.data([5], "int32", Int32Array.of(-2147483648, 2147483647, -1, 3, 1000000));
  const rows = draft.add("gather", { batchDims: 0 }, draft.filled([3, 2], "float32"), far);
  const back = draft.add("scatterAdd", { batchDims: 0, size: 3 }, far, rows);
  yield draft.finish("gather", sums, rows, back);
}

function* sortCases(): Iterable<ConformanceCase> {
  const nextView = viewsInTurn();
  const shapes = [[0], [1], [2], [5], [31], [64], [1000], [3, 17], [2, 0], [0, 3], [4, 1], [
    2,
    3,
    33,
  ]];
  for (const dtype of dtypes) {
    for (const shape of shapes) {
      for (const [label, fill] of [["", ordinary], ["ties", tied], ["NaN", tiedWithNaN]] as const) {
        const { name, view } = nextView();
        for (const descending of [false, true]) {
          const draft = new Draft(`${dtype} [${shape}] ${label} ${name} descending=${descending}`);
          const order = draft.add("argsort", { descending }, view(draft, shape, dtype, fill));
          yield draft.finish("argsort", exact, order);
        }
      }
    }
    const special = typedArray(specialValues(dtype), dtype);
    for (const descending of [false, true]) {
      const draft = new Draft(`${dtype} special values descending=${descending}`);
      const x = draft.data([special.length], dtype, special);
      yield draft.finish("argsort", exact, draft.add("argsort", { descending }, x));
    }
  }
}

/** All cases of this family. */
export function* movementCases(): Iterable<ConformanceCase> {
  yield* shapeCases();
  yield* windowCases();
  yield* indexingCases();
  yield* sortCases();
}
