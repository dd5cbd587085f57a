/**
 * Conformance cases of elementwise primitives and of leaves.
 *
 * @module
 */

import { castScalar, type DType, dtypes, isFloat } from "../../lib/base/dtype.ts";
import type { BinaryName, CompareName, UnaryName } from "../../lib/base/primitives.ts";
import {
  type Fill,
  ordinary,
  positive,
  specialPairs,
  specialValues,
  sweep,
  tied,
  tiedWithNaN,
  typedArray,
} from "./conformance_data.ts";
import { awkwardShapes, Draft, viewsInTurn } from "./conformance_draft.ts";
import type { ConformanceCase, Tolerance } from "./conformance_run.ts";

const floats: readonly DType[] = ["float32", "float64"];
const integers: readonly DType[] = ["int32", "uint32"];
const exact: Tolerance = { kind: "exact", signedZeros: true };
const ulp = (count: number): Tolerance => ({ kind: "ulp", ulp: count });

/** How a unary primitive is tested: dtypes, tolerance, and the exponents of the arguments in float32. */
interface UnaryTest {
  readonly dtypes: readonly DType[];
  readonly tolerance: Tolerance;
  readonly exponents: readonly [low: number, high: number];
  readonly fill?: Fill;
}

const unaryTests: { readonly [P in UnaryName]: UnaryTest } = {
  neg: { dtypes: [...floats, ...integers], tolerance: exact, exponents: [-126, 127] },
  abs: { dtypes: [...floats, ...integers], tolerance: exact, exponents: [-126, 127] },
  sign: { dtypes: [...floats, ...integers], tolerance: { kind: "exact" }, exponents: [-126, 127] },
  floor: { dtypes: floats, tolerance: exact, exponents: [-5, 60] },
  ceil: { dtypes: floats, tolerance: exact, exponents: [-5, 60] },
  round: { dtypes: floats, tolerance: exact, exponents: [-5, 60] },
  exp: { dtypes: floats, tolerance: ulp(3), exponents: [-26, 8] },
  expm1: { dtypes: floats, tolerance: ulp(3), exponents: [-40, 8] },
  log: { dtypes: floats, tolerance: ulp(3), exponents: [-126, 127], fill: positive },
  log1p: { dtypes: floats, tolerance: ulp(3), exponents: [-40, 127], fill: positive },
  sqrt: { dtypes: floats, tolerance: exact, exponents: [-126, 127], fill: positive },
  rsqrt: { dtypes: floats, tolerance: ulp(2), exponents: [-126, 127], fill: positive },
  sin: { dtypes: floats, tolerance: ulp(3), exponents: [-26, 12] },
  cos: { dtypes: floats, tolerance: ulp(3), exponents: [-26, 12] },
  atan: { dtypes: floats, tolerance: ulp(3), exponents: [-26, 40] },
  tanh: { dtypes: floats, tolerance: ulp(4), exponents: [-26, 7] },
  sigmoid: { dtypes: floats, tolerance: ulp(4), exponents: [-26, 7] },
  erf: { dtypes: floats, tolerance: ulp(4), exponents: [-26, 4] },
};

function* unaryCases(): Iterable<ConformanceCase> {
  for (const [name, test] of Object.entries(unaryTests)) {
    const primitive = name as UnaryName;
    const nextView = viewsInTurn();
    for (const dtype of test.dtypes) {
      const sweepDraft = new Draft(`${dtype} sweep and special values`);
      const data = isFloat(dtype)
        ? sweep(dtype, ...test.exponents)
        : typedArray(specialValues(dtype), dtype);
      const x = sweepDraft.data([data.length], dtype, data);
      yield sweepDraft.finish(primitive, test.tolerance, sweepDraft.add(primitive, {}, x));
      for (const shape of awkwardShapes) {
        const { name: viewName, view } = nextView();
        const draft = new Draft(`${dtype} [${shape}] ${viewName}`);
        const operand = view(draft, shape, dtype, test.fill);
        yield draft.finish(primitive, test.tolerance, draft.add(primitive, {}, operand));
      }
    }
  }
  for (const primitive of ["sin", "cos"] as const) {
    for (const [dtype, top] of [["float32", 127], ["float64", 1000]] as const) {
      const draft = new Draft(`${dtype} huge arguments`);
      const data = sweep(dtype, 12, top, 301);
      const x = draft.data([data.length], dtype, data);
      yield draft.finish(primitive, ulp(3), draft.add(primitive, {}, x));
    }
  }
}

/** How a binary primitive or a comparison is tested. */
interface BinaryTest {
  readonly dtypes: readonly DType[];
  readonly tolerance: Tolerance;
  readonly left?: Fill;
  readonly right?: Fill;
}

const bits: readonly DType[] = [...integers, "bool"];
const numbers: readonly DType[] = [...floats, ...integers];

const binaryTests: { readonly [P in BinaryName | CompareName]: BinaryTest } = {
  add: { dtypes, tolerance: exact },
  sub: { dtypes: numbers, tolerance: exact },
  mul: { dtypes, tolerance: exact },
  div: { dtypes: floats, tolerance: exact },
  quotient: { dtypes: integers, tolerance: exact, right: tied },
  remainder: { dtypes: numbers, tolerance: { kind: "exact" }, right: tied },
  pow: { dtypes: floats, tolerance: ulp(4), left: positive },
  atan2: { dtypes: floats, tolerance: ulp(4) },
  maximum: { dtypes, tolerance: { kind: "exact" }, left: tiedWithNaN, right: tied },
  minimum: { dtypes, tolerance: { kind: "exact" }, left: tied, right: tiedWithNaN },
  bitAnd: { dtypes: bits, tolerance: exact },
  bitOr: { dtypes: bits, tolerance: exact },
  bitXor: { dtypes: bits, tolerance: exact },
  shiftLeft: { dtypes: integers, tolerance: exact },
  shiftRight: { dtypes: integers, tolerance: exact },
  equal: { dtypes, tolerance: exact, left: tied, right: tied },
  less: { dtypes, tolerance: exact, left: tied, right: tiedWithNaN },
  lessEqual: { dtypes, tolerance: exact, left: tiedWithNaN, right: tied },
};

function* binaryCases(): Iterable<ConformanceCase> {
  for (const [name, test] of Object.entries(binaryTests)) {
    const primitive = name as BinaryName | CompareName;
    const nextLeft = viewsInTurn();
    const nextRight = viewsInTurn();
    for (let i = 0; i < 3; i++) nextRight();
    for (const dtype of test.dtypes) {
      const { a, b } = specialPairs(dtype);
      const pairs = new Draft(`${dtype} special values`);
      const result = pairs.add(
        primitive,
        {},
        pairs.data([a.length], dtype, a),
        pairs.data([b.length], dtype, b),
      );
      yield pairs.finish(primitive, test.tolerance, result);
      for (const shape of awkwardShapes) {
        const left = nextLeft();
        const right = nextRight();
        const draft = new Draft(`${dtype} [${shape}] ${left.name}, ${right.name}`);
        const operands = [
          left.view(draft, shape, dtype, test.left),
          right.view(draft, shape, dtype, test.right),
        ];
        yield draft.finish(primitive, test.tolerance, draft.add(primitive, {}, ...operands));
      }
      const draft = new Draft(`${dtype} one operand twice`);
      const x = draft.filled([37], dtype, test.left);
      yield draft.finish(primitive, test.tolerance, draft.add(primitive, {}, x, x));
    }
    nextRight(); // Another pairing of views for the next primitive.
  }
}

/** Floats near the edges of the integer ranges, and halves. */
const edges = [
  -2147483649,
  -2147483648,
  -1.5,
  -1,
  -0.5,
  0.5,
  1.5,
  2147483520,
  2147483647,
  4294967040,
  4294967295,
];

function* mixedDtypeCases(): Iterable<ConformanceCase> {
  const nextView = viewsInTurn();
  for (const from of dtypes) {
    for (const to of dtypes) {
      const special = new Draft(`${from} to ${to} special values`);
      const values = isFloat(from) ? [...specialValues(from), ...edges] : specialValues(from);
      const data = typedArray(values, from);
      const x = special.data([data.length], from, data);
      yield special.finish("cast", exact, special.add("cast", { dtype: to }, x));
      for (const shape of awkwardShapes.slice(0, -2)) {
        const { name, view } = nextView();
        const draft = new Draft(`${from} to ${to} [${shape}] ${name}`);
        yield draft.finish(
          "cast",
          exact,
          draft.add("cast", { dtype: to }, view(draft, shape, from)),
        );
      }
      if ([from, to].some((dtype) => dtype === "float64" || dtype === "bool")) continue;
      for (const shape of awkwardShapes) {
        const { name, view } = nextView();
        const draft = new Draft(`${from} to ${to} [${shape}] ${name}`);
        const bitsOf = draft.add("bitcast", { dtype: to }, view(draft, shape, from, tied));
        yield draft.finish("bitcast", exact, bitsOf);
      }
    }
  }
  for (const dtype of dtypes) {
    for (const shape of awkwardShapes) {
      const [c, a, b] = [nextView(), nextView(), nextView()];
      const draft = new Draft(`${dtype} [${shape}] ${c.name}, ${a.name}, ${b.name}`);
      const operands = [
        c.view(draft, shape, "bool"),
        a.view(draft, shape, dtype, tiedWithNaN),
        b.view(draft, shape, dtype),
      ];
      yield draft.finish("select", exact, draft.add("select", {}, ...operands));
    }
  }
}

function* leafCases(): Iterable<ConformanceCase> {
  for (const dtype of dtypes) {
    const values = [...specialValues(dtype), 0.1, -3.75, 7e9].map((x) => castScalar(x, dtype));
    for (const value of new Set(values)) {
      const draft = new Draft(`${dtype} ${Object.is(value, -0) ? "-0" : value}`);
      yield draft.finish("full", exact, draft.add("full", { shape: [3, 2], dtype, value }));
    }
    for (const shape of awkwardShapes) {
      const draft = new Draft(`${dtype} [${shape}]`);
      const value = dtype === "bool" ? 1 : 5;
      yield draft.finish("full", exact, draft.add("full", { shape, dtype, value }));
      if (dtype === "bool") continue;
      for (let axis = 0; axis < shape.length; axis++) {
        const counting = new Draft(`${dtype} [${shape}] axis ${axis}`);
        yield counting.finish("iota", exact, counting.add("iota", { shape, dtype, axis }));
      }
    }
    if (dtype === "bool") continue;
    const draft = new Draft(`${dtype} seen through a chain of views`);
    let x = draft.add("iota", { shape: [6, 7, 5], dtype, axis: 1 });
    x = draft.add("slice", { start: [1, 1, 0], limit: [6, 7, 5], step: [2, 3, 1] }, x);
    x = draft.add("flip", { axes: [1, 2] }, draft.add("permute", { permutation: [2, 1, 0] }, x));
    yield draft.finish("iota", exact, draft.add("add", {}, x, x));
  }
}

function* randomCases(): Iterable<ConformanceCase> {
  const nextView = viewsInTurn();
  for (const batch of [[], [1], [3], [2, 2], [0]]) {
    for (const length of [0, 1, 2, 7, 64, 1001]) {
      const { name, view } = nextView();
      const draft = new Draft(`keys [${batch}], ${length} words, ${name}`);
      const key = view(draft, [...batch, 2], "uint32", ordinary);
      const words = draft.add("randomBits", { length }, key);
      yield draft.finish("randomBits", exact, words);
    }
  }
  const draft = new Draft("uniform floats, through a shift and a bitcast");
  const word = draft.add("randomBits", { length: 501 }, draft.filled([2], "uint32"));
  const constant = (value: number) => draft.add("full", { shape: [501], dtype: "uint32", value });
  const mantissa = draft.add("shiftRight", {}, word, constant(9));
  const bitsOfFloat = draft.add("bitOr", {}, mantissa, constant(0x3f800000));
  const float = draft.add("bitcast", { dtype: "float32" }, bitsOfFloat);
  yield draft.finish("randomBits", exact, float);
}

/** All cases of this family. */
export function* elementwiseCases(): Iterable<ConformanceCase> {
  yield* unaryCases();
  yield* binaryCases();
  yield* mixedDtypeCases();
  yield* leafCases();
  yield* randomCases();
}
