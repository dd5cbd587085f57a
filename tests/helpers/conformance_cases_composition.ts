/**
 * Conformance cases of several primitives together: what fusion, layout choices and memory planning could break.
 *
 * @module
 */

import type { DType } from "../../lib/base/dtype.ts";
import type { BinaryName, DotGeneralParams, UnaryName } from "../../lib/base/primitives.ts";
import { range } from "../../lib/base/shape.ts";
import { indicesAround, positive, tied } from "./conformance_data.ts";
import { Draft, viewNames, views } from "./conformance_draft.ts";
import type { ConformanceCase, Tolerance } from "./conformance_run.ts";

const group = "composition";
const floats: readonly DType[] = ["float32", "float64"];
const exact: Tolerance = { kind: "exact" };
const scaled = (factor: number): Tolerance => ({ kind: "scale", factor });

const matrixProduct: DotGeneralParams = {
  lhsBatch: [],
  rhsBatch: [],
  lhsContract: [1],
  rhsContract: [0],
};

/** Plain 2-D convolution with one padding on all sides. */
function conv(draft: Draft, x: number, w: number, padding = 0): number {
  return draft.add(
    "conv",
    {
      strides: [1, 1],
      padding: [[padding, padding], [padding, padding]],
      lhsDilation: [1, 1],
      rhsDilation: [1, 1],
      groups: 1,
    },
    x,
    w,
  );
}

/** The value repeated to the shape of another: its axes stand at `at`. */
function spread(draft: Draft, x: number, like: number, at: readonly number[]): number {
  const { shape } = draft.type(like);
  const withOnes = shape.map((n, axis) => at.includes(axis) ? n : 1);
  return draft.add("broadcast", { shape }, draft.add("reshape", { shape: withOnes }, x));
}

/** A constant of the type of another value. */
function constant(draft: Draft, value: number, like: number): number {
  return draft.add("full", { ...draft.type(like), value });
}

function relu(draft: Draft, x: number): number {
  return draft.add("maximum", {}, x, constant(draft, 0, x));
}

function* fusionCases(): Iterable<ConformanceCase> {
  for (const dtype of floats) {
    for (const viewName of viewNames) {
      for (const shape of [[], [37], [5, 19], [3, 4, 2, 5], [2, 0, 3]]) {
        const draft = new Draft(`${dtype} [${shape}] chain and reductions, ${viewName}`);
        const x = views[viewName](draft, shape, dtype);
        const y = draft.filled(shape, dtype, positive);
        let z = draft.add("mul", {}, draft.add("tanh", {}, x), y);
        z = draft.add("add", {}, z, draft.add("exp", {}, draft.add("neg", {}, y)));
        const chosen = draft.add("select", {}, draft.add("less", {}, x, y), z, x);
        const axes = shape.length > 1 ? [0, shape.length - 1] : range(shape.length);
        const sum = draft.add("reduceSum", { axes }, chosen);
        const root = draft.add("sqrt", {}, draft.add("abs", {}, sum));
        yield draft.finish(group, scaled(32), z, root, chosen);
      }
      const draft = new Draft(`${dtype} softmax along the last axis, ${viewName}`);
      const x = views[viewName](draft, [7, 23], dtype);
      const top = spread(draft, draft.add("reduceMax", { axes: [1] }, x), x, [0]);
      const e = draft.add("exp", {}, draft.add("sub", {}, x, top));
      const total = spread(draft, draft.add("reduceSum", { axes: [1] }, e), x, [0]);
      yield draft.finish(group, scaled(32), draft.add("div", {}, e, total));
    }
    const centered = new Draft(`${dtype} mean removed, then variance, over axes 0 and 2`);
    const x = views.permuted(centered, [6, 5, 7], dtype);
    const mean = centered.add(
      "div",
      {},
      centered.add("reduceSum", { axes: [0, 2] }, x),
      centered.add("full", { shape: [5], dtype, value: 42 }),
    );
    const rest = centered.add("sub", {}, x, spread(centered, mean, x, [1]));
    const squares = centered.add("mul", {}, rest, rest);
    yield centered.finish(
      group,
      scaled(32),
      centered.add("reduceSum", { axes: [0, 2] }, squares),
      rest,
    );

    const large = new Draft(`${dtype} 100003 elements`);
    const a = large.filled([100003], dtype);
    const b = large.add("flip", { axes: [0] }, a);
    const c = large.add("add", {}, large.add("sin", {}, a), b);
    yield large.finish(group, scaled(600), c, large.add("reduceSum", { axes: [0] }, c));

    const chain = new Draft(`${dtype} 300 operations in a row, and two of them kept`);
    let value = chain.filled([33], dtype);
    const other = chain.filled([33], dtype);
    const kept: number[] = [];
    const unary: UnaryName[] = ["tanh", "sin", "neg", "abs", "atan"];
    const binary: BinaryName[] = ["add", "sub", "maximum", "mul"];
    for (let i = 0; i < 150; i++) {
      value = chain.add(binary[i % 4], {}, value, i % 3 === 0 ? value : other);
      value = chain.add(unary[i % 5], {}, value);
      if (i === 70 || i === 149) kept.push(value);
    }
    yield chain.finish(group, scaled(4096), ...kept);
  }
}

function* contractionCases(): Iterable<ConformanceCase> {
  for (const dtype of floats) {
    const layer = new Draft(`${dtype} two layers: product, bias, relu, product`);
    const x = views.permuted(layer, [17, 29], dtype);
    const hidden = layer.add("dotGeneral", matrixProduct, x, layer.filled([29, 31], dtype));
    const biased = layer.add(
      "add",
      {},
      hidden,
      spread(layer, layer.filled([31], dtype), hidden, [1]),
    );
    const out = layer.add(
      "dotGeneral",
      matrixProduct,
      relu(layer, biased),
      layer.filled([31, 5], dtype),
    );
    yield layer.finish(group, scaled(64), out, hidden);

    const batch = new Draft(`${dtype} one operand the same for the whole batch`);
    const w = batch.filled([1, 7, 11], dtype);
    const shared = batch.add("broadcast", { shape: [6, 7, 11] }, w);
    const params = { lhsBatch: [0], rhsBatch: [0], lhsContract: [2], rhsContract: [1] };
    const product = batch.add("dotGeneral", params, batch.filled([6, 9, 7], dtype), shared);
    yield batch.finish(group, scaled(32), product);

    const sum = new Draft(`${dtype} product of a sum and a scaled operand, summed`);
    const p = sum.add("add", {}, sum.filled([13, 8], dtype), sum.filled([13, 8], dtype));
    const q = sum.filled([8, 21], dtype);
    const half = sum.add("mul", {}, q, constant(sum, 0.5, q));
    const pq = sum.add("dotGeneral", matrixProduct, p, half);
    yield sum.finish(group, scaled(64), sum.add("reduceSum", { axes: [1] }, pq));

    const identity = new Draft(`${dtype} identity matrix from iota, times a matrix`);
    const row = identity.add("iota", { shape: [9, 9], dtype: "int32", axis: 0 });
    const column = identity.add("iota", { shape: [9, 9], dtype: "int32", axis: 1 });
    const eye = identity.add("cast", { dtype }, identity.add("equal", {}, row, column));
    const m = identity.filled([9, 4], dtype);
    yield identity.finish(group, exact, identity.add("dotGeneral", matrixProduct, eye, m), eye);

    const large = new Draft(`${dtype} 150 × 170 × 130`);
    const left = views.flipped(large, [150, 170], dtype);
    const right = views.permuted(large, [170, 130], dtype);
    yield large.finish(group, scaled(64), large.add("dotGeneral", matrixProduct, left, right));
  }
}

function* convolutionCases(): Iterable<ConformanceCase> {
  for (const dtype of floats) {
    const padded = new Draft(`${dtype} explicit padding, then a convolution`);
    const x = padded.filled([2, 3, 6, 5], dtype);
    const grown = padded.add("pad", {
      low: [0, 0, 1, 2],
      high: [0, 0, 2, 0],
      interior: [0, 0, 1, 0],
      value: 0,
    }, x);
    yield padded.finish(
      group,
      scaled(32),
      conv(padded, grown, padded.filled([4, 3, 3, 2], dtype), 1),
    );

    const network = new Draft(
      `${dtype} two convolutions, channels last in between, bias, relu, pooling`,
    );
    const image = views.permuted(network, [2, 3, 10, 9], dtype);
    let y = conv(network, image, network.filled([8, 3, 3, 3], dtype), 1);
    y = network.add("add", {}, y, spread(network, network.filled([8], dtype), y, [1]));
    y = relu(network, y);
    y = network.add("permute", { permutation: [0, 2, 3, 1] }, y);
    y = network.add("mul", {}, y, constant(network, 0.25, y));
    y = network.add("permute", { permutation: [0, 3, 1, 2] }, y);
    y = conv(network, y, network.filled([5, 8, 3, 3], dtype));
    const windows = { kernel: [2, 2], strides: [2, 2], dilation: [1, 1] };
    const pooled = network.add("reduceMax", { axes: [2, 3] }, network.add("patches", windows, y));
    const average = network.add("reduceSum", { axes: [2, 3] }, pooled);
    yield network.finish(group, scaled(128), average, pooled, y);

    const columns = new Draft(
      `${dtype} a convolution as patches and a product, beside the convolution`,
    );
    const input = columns.filled([2, 3, 7, 6], dtype);
    const filter = columns.filled([4, 3, 3, 2], dtype);
    const unit = { kernel: [3, 2], strides: [1, 1], dilation: [1, 1] };
    const patches = columns.add("patches", unit, input);
    const product = columns.add(
      "dotGeneral",
      {
        lhsBatch: [],
        rhsBatch: [],
        lhsContract: [1, 2, 3],
        rhsContract: [1, 2, 3],
      },
      patches,
      filter,
    );
    const moved = columns.add("permute", { permutation: [0, 3, 1, 2] }, product);
    yield columns.finish(group, scaled(32), moved, conv(columns, input, filter));

    const gradient = new Draft(
      `${dtype} filter gradient for each example: patches times a cotangent`,
    );
    const seen = gradient.add("patches", unit, gradient.filled([3, 2, 6, 5], dtype));
    const cotangent = views.permuted(gradient, [3, 7, 4, 4], dtype);
    const perExample = gradient.add(
      "dotGeneral",
      {
        lhsBatch: [0],
        rhsBatch: [0],
        lhsContract: [2, 3],
        rhsContract: [4, 5],
      },
      cotangent,
      seen,
    );
    yield gradient.finish(group, scaled(32), perExample);

    const overlap = new Draft(`${dtype} how often each element is in a window`);
    const ones = overlap.add("full", { shape: [2, 3, 3, 4, 3], dtype, value: 1 });
    const counts = { kernel: [3, 3], strides: [2, 1], dilation: [1, 2], sizes: [9, 7] };
    yield overlap.finish(group, exact, overlap.add("patchesTranspose", counts, ones));
  }
}

function* indexingCases(): Iterable<ConformanceCase> {
  for (const dtype of floats) {
    const sorted = new Draft(`${dtype} sorting: argsort, then gather`);
    const x = sorted.filled([4, 27], dtype, tied);
    const order = sorted.add("argsort", { descending: false }, x);
    yield sorted.finish(group, exact, sorted.add("gather", { batchDims: 1 }, x, order), order);

    const largest = new Draft(`${dtype} the row of each argmax, through computed indices`);
    const scores = views.permuted(largest, [6, 9], dtype);
    const best = largest.add("argmax", { axis: 1 }, scores);
    const next = largest.add("add", {}, best, constant(largest, 1, best));
    const table = views.flipped(largest, [9, 5], dtype);
    const rows = largest.add("gather", { batchDims: 0 }, table, next);
    yield largest.finish(group, exact, largest.add("mul", {}, rows, rows), best);

    const histogram = new Draft(`${dtype} weighted histogram, then normalized`);
    const bins = histogram.filled([200], "int32", indicesAround(7));
    const weights = histogram.filled([200], dtype, positive);
    const sums = histogram.add("scatterAdd", { batchDims: 0, size: 7 }, bins, weights);
    const total = histogram.add("reduceSum", { axes: [0] }, sums);
    yield histogram.finish(
      group,
      scaled(64),
      histogram.add("div", {}, sums, spread(histogram, total, sums, [])),
    );

    const running = new Draft(`${dtype} running sums of running sums, both ways`);
    const y = views.stepped(running, [5, 31], dtype);
    const down = running.add("cumsum", { axis: 0, reverse: true }, y);
    const both = running.add("cumsum", { axis: 1, reverse: false }, down);
    yield running.finish(group, scaled(64), both, down);
  }
}

function* dtypeCases(): Iterable<ConformanceCase> {
  const draft = new Draft("through every dtype");
  const x = views.permuted(draft, [9, 7], "float32");
  const scaledUp = draft.add("mul", {}, x, constant(draft, 100, x));
  const integer = draft.add("cast", { dtype: "int32" }, scaledUp);
  const word = draft.add("cast", { dtype: "uint32" }, integer);
  const mixed = draft.add(
    "bitXor",
    {},
    word,
    draft.add("shiftRight", {}, word, constant(draft, 3, word)),
  );
  const double = draft.add("cast", { dtype: "float64" }, mixed);
  const mask = draft.add("less", {}, double, constant(draft, 2 ** 31, double));
  const count = draft.add("reduceSum", { axes: [0] }, draft.add("cast", { dtype: "int32" }, mask));
  const any = draft.add("reduceMax", { axes: [1] }, mask);
  const sum = draft.add("reduceSum", { axes: [0, 1] }, double);
  yield draft.finish(group, scaled(64), integer, mixed, double, mask, count, any, sum);
}

function* outputCases(): Iterable<ConformanceCase> {
  for (const dtype of ["float32", "float64", "int32", "uint32", "bool"] as const) {
    const repeated = new Draft(`${dtype} outputs that repeat, are inputs, or are views of inputs`);
    const x = repeated.filled([5, 3], dtype);
    const y = repeated.filled([5, 3], dtype);
    const sum = repeated.add("add", {}, x, y);
    const flipped = repeated.add("flip", { axes: [0] }, x);
    const flat = repeated.add("reshape", { shape: [15] }, sum);
    const same = repeated.add("reshape", { shape: [3, 5] }, y);
    yield repeated.finish(group, exact, x, sum, sum, flipped, x, flat, y, same);

    const unread = new Draft(`${dtype} an input that nothing reads, and no operation`);
    unread.filled([4], dtype);
    yield unread.finish(group, exact, unread.filled([0, 2], dtype));
    const passed = new Draft(`${dtype} inputs are the outputs`);
    const [first, second] = [passed.filled([4], dtype), passed.filled([3], dtype)];
    yield passed.finish(group, exact, second, first);

    const leaves = new Draft(`${dtype} no inputs`);
    const full = leaves.add("full", { shape: [2, 3], dtype, value: 1 });
    const both = leaves.add("mul", {}, full, full);
    yield leaves.finish(group, exact, full, both, leaves.add("reshape", { shape: [6] }, full));
  }
  const many = new Draft("temporaries that live long, in an order that tempts reuse");
  let [older, old] = [many.filled([50], "float32"), many.filled([50], "float32")];
  const kept: number[] = [];
  for (let i = 0; i < 40; i++) {
    const turned = many.add("flip", { axes: [0] }, older);
    const next = many.add(
      "cumsum",
      { axis: 0, reverse: i % 2 === 0 },
      many.add("tanh", {}, many.add("add", {}, old, turned)),
    );
    [older, old] = [old, next];
    if (i % 13 === 0) kept.push(turned);
  }
  // The values are chaotic: small differences grow, so only a few steps are compared.
  yield many.finish(group, scaled(1 << 16), ...kept.slice(0, 2));
  const empty = new Draft("a sum over nothing, used afterwards");
  const none = empty.filled([3, 0, 2], "float32");
  const zero = empty.add("reduceSum", { axes: [1] }, none);
  yield empty.finish(
    group,
    exact,
    empty.add("cumsum", { axis: 0, reverse: false }, empty.add("exp", {}, zero)),
  );
}

/** All cases of this family. */
export function* compositionCases(): Iterable<ConformanceCase> {
  yield* fusionCases();
  yield* contractionCases();
  yield* convolutionCases();
  yield* indexingCases();
  yield* dtypeCases();
  yield* outputCases();
}
