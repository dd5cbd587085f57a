/**
 * What structured derivatives claim of each primitive: terms, multiplied out in plain loops, are the Jacobian of central
 * differences; and the structure that is claimed is the one that there is.
 */
import { assertEquals } from "@std/assert";
import {
  concat,
  conv1d,
  conv2d,
  convTranspose2d,
  layerNorm,
  stopGradient,
  take,
  takeAlongAxis,
  type Tensor,
  tensor,
  where,
} from "../mod.ts";
import { kernelProblem } from "../lib/ntk/problem.ts";
import type { Label, Term } from "../lib/ntk/structured/term.ts";
import { structuredJacobians, traceNetwork } from "../lib/ntk/structured/uses.ts";
import { assertNear } from "./helpers/differences.ts";
import { uniform } from "./helpers/small_networks.ts";

/** A network of one or more parameters, and how many terms each should have. */
interface Case {
  f: (params: Record<string, Tensor>, x: Tensor) => Tensor;
  params: Record<string, Tensor>;
  x: Tensor;
  terms: Record<string, number>;
  /** What passes whole cotangents on, by parameter. */
  opaque?: Record<string, string>;
}

const tokens = tensor([[0, 2, 1], [2, 2, 0], [1, 0, 0]], { dtype: "int32" });

const cases: Record<string, Case> = {
  "a matrix on the left": {
    f: ({ w }, x) => w.matmul(x).tanh(),
    params: { w: uniform(3, 4) },
    x: uniform(2, 4),
    terms: { w: 1 },
  },
  "a matrix on the right, transposed": {
    f: ({ w }, x) => x.matmul(w.transpose()).tanh(),
    params: { w: uniform(3, 4) },
    x: uniform(2, 5, 4),
    terms: { w: 1 },
  },
  "a batched product": {
    f: ({ w }, x) => w.matmul(x.reshape([2, 3, 2])).exp(),
    params: { w: uniform(2, 4, 3) },
    x: uniform(2, 12),
    terms: { w: 1 },
  },
  "a convolution with padding, stride and dilation": {
    f: ({ w, b }, x) =>
      conv2d(x.unsqueeze(0), w, b, { padding: 1, stride: 2, dilation: [1, 2] }).tanh(),
    params: { w: uniform(3, 2, 3, 2), b: uniform(3) },
    x: uniform(2, 2, 5, 6),
    terms: { w: 1, b: 1 },
  },
  "a grouped convolution": {
    f: ({ w, b }, x) => conv1d(x.unsqueeze(0), w, b, { groups: 2 }).tanh(),
    params: { w: uniform(4, 2, 3), b: uniform(4) },
    x: uniform(2, 4, 6),
    terms: { w: 1, b: 1 },
  },
  "a depthwise convolution": {
    f: ({ w }, x) => conv1d(x.unsqueeze(0), w, undefined, { groups: 3 }).tanh(),
    params: { w: uniform(3, 1, 2) },
    x: uniform(2, 3, 4),
    terms: { w: 1 },
  },
  "a transposed convolution": {
    f: ({ w, b }, x) => convTranspose2d(x.unsqueeze(0), w, b, { stride: 2, padding: 1 }).tanh(),
    params: { w: uniform(2, 3, 3, 3), b: uniform(3) },
    x: uniform(2, 2, 3, 3),
    terms: { w: 1, b: 1 },
  },
  "scales and shifts": {
    f: ({ scale, shift }, x) => layerNorm(x, [4], { weight: scale, bias: shift }).tanh(),
    params: { scale: uniform(4), shift: uniform(4) },
    x: uniform(2, 3, 4),
    terms: { scale: 1, shift: 1 },
  },
  "broadcasts of a scalar and of a column": {
    f: ({ a, c }, x) => x.mul(a).add(c).exp(),
    params: { a: uniform(), c: uniform(3, 1) },
    x: uniform(2, 3, 2),
    terms: { a: 1, c: 1 },
  },
  "slices of one parameter, with steps, apart and overlapping": {
    f: ({ w }, x) =>
      concat([
        w.slice([0, 2]).matmul(x).tanh(),
        w.slice([1, 5, 2]).matmul(x).exp(),
        w.slice([4, 6]).matmul(x),
      ]),
    params: { w: uniform(6, 3) },
    x: uniform(2, 3),
    terms: { w: 3 },
  },
  "a concatenation of parameters": {
    f: ({ u, v }, x) => concat([u, v]).matmul(x).tanh(),
    params: { u: uniform(2, 3), v: uniform(4, 3) },
    x: uniform(2, 3),
    terms: { u: 1, v: 1 },
  },
  "a slice of a concatenation": {
    f: ({ u, v }, x) => concat([u, v]).slice([1, 4]).matmul(x).tanh(),
    params: { u: uniform(2, 3), v: uniform(4, 3) },
    x: uniform(2, 3),
    terms: { u: 1, v: 1 },
  },
  "padding, flips and reshapes of a parameter": {
    f: ({ w }, x) => w.pad([[1, 2], [0, 1]]).flip(0).reshape([6, 4]).matmul(x).tanh(),
    params: { w: uniform(3, 3) },
    x: uniform(2, 4),
    terms: { w: 1 },
  },
  "a parameter times numbers, tensors and functions of itself": {
    f: ({ w }, x) => w.mul(0.3).mul(tensor([[1], [2], [3]], { dtype: "float64" })).matmul(x).exp(),
    params: { w: uniform(3, 3) },
    x: uniform(2, 3),
    terms: { w: 1 },
  },
  "elementwise functions of parameters": {
    f: ({ u, v }, x) => u.exp().mul(v.tanh()).div(u.mul(u).add(1)).matmul(x),
    params: { u: uniform(2, 3), v: uniform(2, 3) },
    x: uniform(2, 3),
    // The two factors of u·u are one term.
    terms: { u: 2, v: 1 },
  },
  "a product of parameters": {
    f: ({ u, v }, x) => u.matmul(v).matmul(x).tanh(),
    params: { u: uniform(3, 2), v: uniform(2, 4) },
    x: uniform(2, 4),
    terms: { u: 1, v: 1 },
  },
  "a sum of a parameter": {
    f: ({ w }, x) => w.sum(1).mul(x).tanh(),
    params: { w: uniform(3, 4) },
    x: uniform(2, 3),
    terms: { w: 1 },
  },
  "an embedding": {
    f: ({ e }, x) => take(e, x).tanh(),
    params: { e: uniform(4, 2) },
    x: tokens,
    terms: { e: 1 },
  },
  "an embedding that is scaled, and tied to the output": {
    f: ({ e }, x) => take(e.mul(2), x).tanh().sum(0).matmul(e.transpose()),
    params: { e: uniform(4, 3) },
    x: tokens,
    terms: { e: 2 },
  },
  "a recurrent weight": {
    f: ({ w, u }, x) => {
      let h = u.mul(0);
      for (let t = 0; t < 4; t++) h = w.matmul(h).add(u.mul(x.slice(t))).tanh();
      return h;
    },
    params: { w: uniform(3, 3), u: uniform(3) },
    x: uniform(2, 4),
    // The first product is with u·0: neither it nor that use of u has an effect.
    terms: { w: 3, u: 4 },
  },
  "selections by conditions on the input": {
    f: ({ u, v }, x) => where(x.greater(0), u, v).mul(x).exp(),
    params: { u: uniform(4), v: uniform(4) },
    x: uniform(2, 4),
    terms: { u: 1, v: 1 },
  },
  "a parameter as the result, and one that is cut off": {
    f: ({ u, v, w }, x) => concat([u, v.add(1), stopGradient(w).mul(x)]),
    params: { u: uniform(2), v: uniform(3), w: uniform(2) },
    x: uniform(2, 2),
    terms: { u: 1, v: 1, w: 0 },
  },
  "an operation without a rule, and only its parameter is dense": {
    f: ({ u, v }, x) => u.tanh().cumsum(0).mul(x).add(v.mul(x)),
    params: { u: uniform(3), v: uniform(3) },
    x: uniform(2, 3),
    terms: { u: 1, v: 1 },
    opaque: { u: "the primitive cumsum" },
  },
  "operations without a rule, by index and by slices": {
    f: ({ e, w }, x) => take(e.cumsum(0), x).tanh().sum(0).mul(w.cumsum(0).slice([1, 5, 2])),
    params: { e: uniform(4, 2), w: uniform(6) },
    x: tokens,
    terms: { e: 1, w: 1 },
    opaque: { e: "the primitive cumsum", w: "the primitive cumsum" },
  },
  "an operation without a rule, each row read by an index of its own": {
    f: ({ w }, x) =>
      takeAlongAxis(w.cumsum(1), tensor([[0, 2, 2], [1, 0, 1]], { dtype: "int32" }), 1).mul(x),
    params: { w: uniform(2, 3) },
    x: uniform(2, 3),
    terms: { w: 1 },
    opaque: { w: "the primitive cumsum" },
  },
  "a parameter that is convolved": {
    f: ({ w, u }, x) => conv1d(w.mul(2), x.reshape([2, 1, 2])).matmul(u).tanh(),
    params: { w: uniform(1, 1, 4), u: uniform(3) },
    x: uniform(2, 4),
    terms: { w: 1, u: 1 },
    opaque: { w: "the input of a convolution" },
  },
  "a filter that is a convolution of two parameters": {
    f: ({ u, v }, x) =>
      conv1d(x.unsqueeze(0), conv1d(u, v, null, { padding: 1 }).reshape([2, 1, 3])).tanh(),
    params: { u: uniform(1, 1, 3), v: uniform(2, 1, 3) },
    x: uniform(2, 1, 5),
    terms: { u: 1, v: 1 },
    opaque: { u: "the input of a convolution" },
  },
  "the product and the largest of a parameter's elements": {
    f: ({ w }, x) => w.prod(1).mul(x).add(w.max(0).sum()),
    params: { w: uniform(3, 4) },
    x: uniform(2, 3),
    terms: { w: 2 },
    opaque: { w: "the primitive reduceMax" },
  },
  "many uses of what is computed from one parameter": {
    f: ({ w }, x) => {
      const u = w.tanh();
      return Array.from(
        { length: 40 },
        (_, i) => u.slice([i % 3, i % 3 + 1 + (i % 4)]).sum().mul(x),
      )
        .reduce((a, b) => a.add(b));
    },
    params: { w: uniform(6) },
    x: uniform(2),
    terms: { w: 12 },
  },
  "sums that double at every step": {
    f: ({ w }, x) => {
      let u = w;
      for (let i = 0; i < 40; i++) u = u.add(u.mul(i % 2 === 0 ? -0.5 : 1));
      return u.mul(x);
    },
    params: { w: uniform(3) },
    x: uniform(2, 3),
    terms: { w: 1 },
  },
  "outputs with two axes": {
    f: ({ w, b }, x) => x.reshape([2, 2]).matmul(w).add(b),
    params: { w: uniform(2, 3), b: uniform(2, 3) },
    x: uniform(2, 4),
    terms: { w: 1, b: 1 },
  },
};

/** Each position of the labels in turn. */
function* positions(labels: readonly Label[]): Generator<Map<Label, number>> {
  const at = new Map(labels.map((label) => [label, 0]));
  for (;;) {
    yield at;
    let i = labels.length - 1;
    for (; i >= 0; i--) {
      const next = at.get(labels[i])! + 1;
      if (next < labels[i].size) {
        at.set(labels[i], next);
        break;
      }
      at.set(labels[i], 0);
    }
    if (i < 0) return;
  }
}

/** The Jacobian [N, O, parameter…] that terms stand for, in plain loops. */
function multiplyOut(
  terms: readonly Term[],
  example: Label,
  outputs: readonly Label[],
  shape: readonly number[],
): number[] {
  const size = (list: readonly number[]): number => list.reduce((n, k) => n * k, 1);
  const count = size(outputs.map((label) => label.size));
  const result = new Array<number>(example.size * count * size(shape)).fill(0);
  for (const { scale, factors, axes } of terms) {
    const indices = axes.flatMap((axis) => axis.kind === "index" ? [axis.index] : []);
    const all = new Set([example, ...outputs]);
    for (const { labels } of [...factors, ...indices]) labels.forEach((label) => all.add(label));
    for (const axis of axes) {
      if (axis.kind !== "index") axis.labels.forEach((label) => all.add(label));
    }
    const data = new Map([...factors, ...indices].map((f) => [f, f.tensor.dataSync()]));
    for (const at of positions([...all])) {
      const element = (f: (typeof factors)[number]): number =>
        data.get(f)![f.labels.reduce((i, label) => i * label.size + at.get(label)!, 0)];
      let place = outputs.reduce((i, l) => i * l.size + at.get(l)!, at.get(example)!);
      axes.forEach((axis, i) => {
        const digits = axis.kind === "index"
          ? 0
          : axis.labels.reduce((p, label) => p * label.size + at.get(label)!, 0);
        const position = axis.kind === "labels"
          ? digits
          : axis.kind === "range"
          ? axis.start + axis.step * digits
          : element(axis.index);
        place = place * shape[i] + position;
      });
      result[place] += factors.reduce((product, f) => product * element(f), scale);
    }
  }
  return result;
}

/** The Jacobian [N, O, parameter…] by central differences of fourth order. */
function byDifferences({ f, params, x }: Case, name: string): number[] {
  const h = 1e-3;
  const rows: number[] = [];
  for (let n = 0; n < x.shape[0]; n++) {
    const values = (element: number, step: number): number[] => {
      const data = Float64Array.from(params[name].dataSync());
      data[element] += step;
      const moved = { ...params, [name]: tensor(data, { shape: params[name].shape }) };
      return [...f(moved, x.slice(n)).dataSync()];
    };
    const columns = Array.from({ length: params[name].size }, (_, element) => {
      const [a, b, c, d] = [h, -h, 2 * h, -2 * h].map((step) => values(element, step));
      return a.map((_, o) => (8 * (a[o] - b[o]) - (c[o] - d[o])) / (12 * h));
    });
    for (let o = 0; o < columns[0].length; o++) columns.forEach((column) => rows.push(column[o]));
  }
  return rows;
}

for (const [what, network] of Object.entries(cases)) {
  Deno.test(`structure of ${what}`, () => {
    const { f, params, x, terms, opaque = {} } = network;
    const problem = kernelProblem(f, params, x, x);
    const { parameters, example, outputs } = structuredJacobians(
      traceNetwork(problem, problem.f, x),
      x,
    );
    const names = Object.keys(params);
    assertEquals(
      Object.fromEntries(names.map((name, i) => [name, parameters[i].opaque])),
      Object.fromEntries(names.map((name) => [name, opaque[name] ?? null])),
    );
    assertEquals(
      Object.fromEntries(names.map((name, i) => [name, parameters[i].terms.length])),
      terms,
    );
    names.forEach((name, i) => {
      const { shape } = params[name];
      if (name === "w" && terms.w === 0) return;
      const expected = byDifferences(network, name);
      const actual = multiplyOut(parameters[i].terms, example, outputs, shape);
      assertNear(actual, expected, 1e-9, name);
    });
  });
}
