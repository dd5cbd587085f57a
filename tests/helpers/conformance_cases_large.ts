/**
 * Conformance cases that are worth several threads, with sizes that no thread count and no tile divides.
 *
 * @module
 */

import { indicesAround, ordinary, positive } from "./conformance_data.ts";
import { Draft, views } from "./conformance_draft.ts";
import type { ConformanceCase, Tolerance } from "./conformance_run.ts";

const group = "large";
const dtype = "float32";

/** Rounding of sums of so many terms. */
function sumOf(terms: number): Tolerance {
  return { kind: "magnitude", factor: 6 + Math.sqrt(terms) / 2 };
}

function* contractions(): Iterable<ConformanceCase> {
  const matrix = { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] };
  for (const [m, k, n] of [[251, 263, 241], [3, 20011, 5], [1009, 67, 3], [2, 1021, 1031]]) {
    const draft = new Draft(`[${m}, ${k}] × [${k}, ${n}]`);
    const operands = [views.permuted(draft, [m, k], dtype), draft.filled([k, n], dtype)];
    yield draft.finish(group, sumOf(k), draft.add("dotGeneral", matrix, ...operands));
  }
  const batched = { lhsBatch: [0], rhsBatch: [1], lhsContract: [2], rhsContract: [0] };
  const batch = new Draft("37 products of [41, 43] × [43, 31]");
  const product = batch.add(
    "dotGeneral",
    batched,
    batch.filled([37, 41, 43], dtype),
    batch.filled([43, 37, 31], dtype),
  );
  yield batch.finish(group, sumOf(43), product);

  const conv = new Draft("3 × 3 convolution, 17 to 29 channels, 31 × 33");
  const params = {
    strides: [1, 1],
    padding: [[1, 1], [1, 1]] as const,
    lhsDilation: [1, 1],
    rhsDilation: [1, 1],
    groups: 1,
  };
  const image = conv.filled([3, 17, 31, 33], dtype);
  const out = conv.add("conv", params, image, conv.filled([29, 17, 3, 3], dtype));
  yield conv.finish(group, sumOf(17 * 9), out, conv.add("reduceSum", { axes: [0, 2, 3] }, out));

  const depthwise = new Draft("depthwise convolution, 97 channels");
  const filtered = depthwise.add(
    "conv",
    { ...params, groups: 97 },
    depthwise.filled([2, 97, 29, 29], dtype),
    depthwise.filled([97, 1, 3, 3], dtype),
  );
  yield depthwise.finish(group, sumOf(9), filtered);

  const gradient = new Draft("a filter gradient for each of 13 examples");
  const seen = gradient.add(
    "patches",
    { kernel: [3, 3], strides: [1, 1], dilation: [1, 1] },
    gradient.filled([13, 19, 20, 20], dtype),
  );
  const perExample = gradient.add(
    "dotGeneral",
    { lhsBatch: [0], rhsBatch: [0], lhsContract: [2, 3], rhsContract: [4, 5] },
    gradient.filled([13, 23, 18, 18], dtype),
    seen,
  );
  yield gradient.finish(group, sumOf(324), perExample);
}

function* loops(): Iterable<ConformanceCase> {
  for (
    const [shape, axes] of [
      [[600011], [0]],
      [[1009, 601], [1]],
      [[1009, 601], [0]],
      [[7, 30011, 3], [1]],
      [[83, 89, 97], [0, 2]],
    ]
  ) {
    const draft = new Draft(`sums of squares of [${shape}] over [${axes}]`);
    const x = draft.filled(shape, dtype);
    const terms = axes.reduce((product, axis) => product * shape[axis], 1);
    const sum = draft.add("reduceSum", { axes }, draft.add("mul", {}, x, x));
    yield draft.finish(group, sumOf(terms), sum);
    const extremes = new Draft(`extremes of [${shape}] over [${axes}]`);
    const y = extremes.filled(shape, dtype);
    const results = [
      extremes.add("reduceMax", { axes }, y),
      extremes.add("reduceMin", { axes }, y),
      extremes.add("argmax", { axis: axes[0] }, y),
    ];
    yield extremes.finish(group, { kind: "exact" }, ...results);
  }
  const softmax = new Draft("softmax of [701, 503]");
  const shape = [701, 503];
  const x = softmax.filled(shape, dtype);
  const along = (value: number) =>
    softmax.add("broadcast", { shape }, softmax.add("reshape", { shape: [701, 1] }, value));
  const top = along(softmax.add("reduceMax", { axes: [1] }, x));
  const e = softmax.add("exp", {}, softmax.add("sub", {}, x, top));
  const total = along(softmax.add("reduceSum", { axes: [1] }, e));
  yield softmax.finish(group, { kind: "scale", factor: 64 }, softmax.add("div", {}, e, total));

  const scan = new Draft("running sums of [257, 1021], along both axes");
  const y = scan.filled([257, 1021], dtype);
  yield scan.finish(
    group,
    sumOf(4 * 1021),
    scan.add("cumsum", { axis: 0, reverse: false }, y),
    scan.add("cumsum", { axis: 1, reverse: true }, y),
  );

  const scatter = new Draft("100003 rows added into 127");
  const index = scatter.filled([100003], "int32", indicesAround(127));
  const updates = scatter.filled([100003, 5], dtype, ordinary);
  const added = scatter.add("scatterAdd", { batchDims: 0, size: 127 }, index, updates);
  yield scatter.finish(group, sumOf(4 * 800), added);

  const sort = new Draft("sorting [31, 10007]");
  const z = sort.filled([31, 10007], dtype, positive);
  const order = sort.add("argsort", { descending: true }, z);
  yield sort.finish(
    group,
    { kind: "exact" },
    sort.add("gather", { batchDims: 1 }, z, order),
    order,
  );

  const random = new Draft("300007 random words for each of 3 keys");
  const words = random.add("randomBits", { length: 300007 }, random.filled([3, 2], "uint32"));
  yield random.finish(group, { kind: "exact" }, words);
}

/** All cases of this family. */
export function* largeCases(): Iterable<ConformanceCase> {
  yield* contractions();
  yield* loops();
}
