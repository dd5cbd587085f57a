/** Small networks of many kinds, in float64, for tests of the kernel. */
import {
  avgPool2d,
  concat,
  conv2d,
  layerNorm,
  maxPool2d,
  silu,
  softmax,
  softplus,
  stack,
  take,
  type Tensor,
  tensor,
  zeros,
} from "../../mod.ts";
import { randomSource } from "./differences.ts";

/** A network with parameters and examples. */
export interface SmallNetwork {
  // deno-lint-ignore no-explicit-any -- every network has its own trees
  f: (params: any, x: any) => Tensor;
  params: unknown;
  x1: unknown;
  x2: unknown;
}

const random = randomSource(7);

/** Numbers in [−1, 1), float64. */
export function uniform(...shape: number[]): Tensor {
  const size = shape.reduce((n, s) => n * s, 1);
  return tensor(Float64Array.from({ length: size }, () => 2 * random() - 1), { shape });
}

const tokens = (rows: number[][]): Tensor => tensor(rows, { dtype: "int32" });

const perceptron = (
  { w, b, v }: { w: Tensor; b: Tensor; v: Tensor },
  x: Tensor,
): Tensor => v.matmul(w.matmul(x).add(b).tanh());

const perceptronParams = { w: uniform(4, 3), b: uniform(4), v: uniform(2, 4) };

/** Networks by name. */
export const smallNetworks: Readonly<Record<string, SmallNetwork>> = {
  "a perceptron": {
    f: perceptron,
    params: perceptronParams,
    x1: uniform(3, 3),
    x2: uniform(2, 3),
  },
  "one example on each side": {
    f: perceptron,
    params: perceptronParams,
    x1: uniform(1, 3),
    x2: uniform(1, 3),
  },
  "one parameter, one output, no axes": {
    f: ({ a }, x) => a.mul(x).sin(),
    params: { a: tensor(0.3, { dtype: "float64" }) },
    x1: uniform(3),
    x2: uniform(2),
  },
  "parameters as a lone tensor, a scalar output": {
    f: (w, x) => w.mul(x).sum().tanh(),
    params: uniform(4),
    x1: uniform(3, 4),
    x2: uniform(2, 4),
  },
  "a matrix as output": {
    f: ({ w, b }, x) => x.reshape([2, 2]).matmul(w).exp().add(b),
    params: { w: uniform(2, 3), b: uniform(2, 1) },
    x1: uniform(3, 4),
    x2: uniform(2, 4),
  },
  "convolutions with pooling": {
    f: ({ conv1, conv2, fc }, x) => {
      x = conv2d(x, conv1.weight, conv1.bias, { padding: 1 }).tanh();
      x = maxPool2d(x, { kernelSize: 2 });
      x = silu(conv2d(x, conv2.weight, null, { stride: 2, padding: 1 }));
      x = avgPool2d(x, { kernelSize: 2, stride: 1 });
      return fc.matmul(x.flatten());
    },
    params: {
      conv1: { weight: uniform(2, 1, 3, 3), bias: uniform(2) },
      conv2: { weight: uniform(3, 2, 2, 2) },
      fc: uniform(3, 3),
    },
    x1: uniform(2, 1, 6, 6),
    x2: uniform(3, 1, 6, 6),
  },
  "a convolution in groups, dilated": {
    f: ({ weight }, x) => conv2d(x, weight, null, { groups: 2, dilation: 2 }).tanh().mean([-1, -2]),
    params: { weight: uniform(4, 1, 2, 2) },
    x1: uniform(2, 2, 4, 5),
    x2: uniform(1, 2, 4, 5),
  },
  "tied weights": {
    f: ({ w }, x) => w.transpose().matmul(w.matmul(x).tanh()),
    params: { w: uniform(4, 3) },
    x1: uniform(3, 3),
    x2: uniform(2, 3),
  },
  "one weight at every step of a recurrence": {
    f: ({ w, u }, x) => {
      let h = zeros([2], { dtype: "float64" });
      for (const row of [0, 1, 2]) h = w.matmul(h).add(u.matmul(take(x, row))).tanh();
      return h;
    },
    params: { w: uniform(2, 2), u: uniform(2, 3) },
    x1: uniform(2, 3, 3),
    x2: uniform(2, 3, 3),
  },
  "parameters in nested trees and arrays": {
    f: ({ layers, head: [scale, { shift }] }, x) => {
      for (const { w, b } of layers) x = softplus(w.matmul(x).add(b));
      return x.mul(scale).add(shift);
    },
    params: {
      layers: [
        { w: uniform(3, 2), b: uniform(3) },
        { w: uniform(2, 3), b: uniform(2) },
      ],
      head: [uniform(2), { shift: uniform() }],
    },
    x1: uniform(3, 2),
    x2: uniform(2, 2),
  },
  "examples as a tree of two tensors": {
    f: ({ w, v }, { left, right: [right] }) => w.matmul(left).add(v.matmul(right)).tanh(),
    params: { w: uniform(2, 3), v: uniform(2, 4) },
    x1: { left: uniform(3, 3), right: [uniform(3, 4)] },
    x2: { left: uniform(2, 3), right: [uniform(2, 4)] },
  },
  "parameters that the network does not use": {
    f: ({ w }, x) => w.matmul(x).tanh(),
    params: { unused: uniform(5), w: uniform(2, 3), alsoUnused: [uniform(2, 2)] },
    x1: uniform(3, 3),
    x2: uniform(2, 3),
  },
  "no parameter is used": {
    f: (_, x) => x.tanh(),
    params: { w: uniform(2, 3) },
    x1: uniform(3, 2),
    x2: uniform(2, 2),
  },
  "parameters that only a constant of the output depends on": {
    f: ({ w, b }, x) => stack([w.matmul(x).sum(), b.exp().sum(), x.sum()]),
    params: { w: uniform(2, 3), b: uniform(2) },
    x1: uniform(3, 3),
    x2: uniform(2, 3),
  },
  "the output does not depend on the example": {
    f: ({ b }, _) => b.exp(),
    params: { b: uniform(3) },
    x1: uniform(3, 2),
    x2: uniform(2, 2),
  },
  "the output is the parameter itself": {
    f: ({ b }, _) => b,
    params: { b: uniform(3) },
    x1: uniform(3, 2),
    x2: uniform(2, 2),
  },
  "an embedding of tokens": {
    f: ({ table, w }, x) => w.matmul(take(table, x).tanh().mean(0)),
    params: { table: uniform(5, 3), w: uniform(2, 3) },
    x1: tokens([[0, 1, 1], [4, 2, 0]]),
    x2: tokens([[3, 3, 1], [0, 1, 2], [4, 4, 4]]),
  },
  "integers among the parameters": {
    f: ({ order, w }, x) => take(w, order).matmul(x).tanh(),
    params: { order: tensor([2, 0, 0], { dtype: "int32" }), w: uniform(3, 2) },
    x1: uniform(3, 2),
    x2: uniform(2, 2),
  },
  "attention": {
    f: ({ q, k, v, gain }, x) => {
      const scores = x.matmul(q).matmul(x.matmul(k).transpose());
      const y = softmax(scores, -1).matmul(x.matmul(v));
      return layerNorm(y, [3], { weight: gain }).mean(0);
    },
    params: { q: uniform(3, 2), k: uniform(3, 2), v: uniform(3, 3), gain: uniform(3) },
    x1: uniform(2, 4, 3),
    x2: uniform(2, 4, 3),
  },
  "a parameter used as it is and transposed, joined": {
    f: ({ w }, x) => concat([w.matmul(x), w.transpose().matmul(x), x]),
    params: { w: uniform(2, 2) },
    x1: uniform(2, 2),
    x2: uniform(2, 2),
  },
  "parameters without elements": {
    f: ({ w, none }, x) => w.matmul(x).add(none.sum()).tanh(),
    params: { w: uniform(2, 3), none: uniform(0, 2) },
    x1: uniform(2, 3),
    x2: uniform(2, 3),
  },
  "slices of one parameter that are outputs, and overlap": {
    f: ({ w }, x) => w.slice([0, 3]).add(w.slice([1, 4]).mul(x)),
    params: { w: uniform(4) },
    x1: uniform(2, 3),
    x2: uniform(2, 3),
  },
  "slices with other steps that are outputs": {
    f: ({ w }, x) => w.slice([0, 3]).add(w.slice([0, 5, 2]).mul(x)).add(w.slice([1, 3]).sum()),
    params: { w: uniform(6) },
    x1: uniform(2, 3),
    x2: uniform(2, 3),
  },
  "a parameter as output, whole and by index": {
    f: ({ e }, x) => e.mul(x.sum()).add(take(e, tensor([2, 0, 2], { dtype: "int32" }))),
    params: { e: uniform(3, 2) },
    x1: uniform(2, 3),
    x2: uniform(2, 3),
  },
  "multiples of a parameter as output": {
    f: ({ w }) => w.mul(2).add(w.mul(3)),
    params: { w: uniform(3) },
    x1: uniform(2, 3),
    x2: uniform(2, 3),
  },
  "a parameter as output, and in another shape": {
    f: ({ w }, x) => w.add(w.reshape([2, 3]).matmul(x).sum()).add(w.reshape([3, 2]).square().sum()),
    params: { w: uniform(6) },
    x1: uniform(2, 3),
    x2: uniform(2, 3),
  },
  "a parameter summed by index and as a whole": {
    f: ({ e }, x) => take(e, x).sum().add(e.sum().mul(2)).add(e.slice([1, 3]).sum()),
    params: { e: uniform(4, 2) },
    x1: tokens([[0, 1, 1], [3, 2, 0]]),
    x2: tokens([[3, 3, 1], [0, 1, 2], [2, 2, 2]]),
  },
  "a parameter of one axis for all layers": {
    f: ({ theta }, x) => {
      const [w, b, v] = [theta.slice([0, 12]), theta.slice([12, 16]), theta.slice([16, 28])];
      const h = w.reshape([4, 3]).matmul(x).add(b).tanh();
      return v.reshape([3, 4]).matmul(h).add(theta.slice([10, 13]));
    },
    params: { theta: uniform(28) },
    x1: uniform(2, 3),
    x2: uniform(2, 3),
  },
  "a concatenation of tables, scaled and read by index": {
    f: ({ u, v, scales }, x) => take(concat([u, v.flip(0)]).tanh().mul(scales), x).sum(0),
    params: { u: uniform(2, 3), v: uniform(3, 3), scales: uniform(5, 1) },
    x1: tokens([[0, 1, 1], [4, 2, 0]]),
    x2: tokens([[3, 3, 1], [0, 1, 2], [4, 4, 4]]),
  },
  "a table read by index and by slices": {
    f: ({ e }, x) =>
      take(e, x).add(e.slice([1, 4])).tanh().mul(take(e.slice([0, 5, 2]), x.sub(2).abs())),
    params: { e: uniform(5, 2) },
    x1: tokens([[0, 1, 1], [4, 2, 0]]),
    x2: tokens([[3, 3, 1], [0, 1, 2], [4, 4, 4]]),
  },
  "a product of parameters read by index": {
    f: ({ u, v }, x) => take(u.matmul(v), x).mean(0),
    params: { u: uniform(5, 2), v: uniform(2, 3) },
    x1: tokens([[0, 1, 1], [4, 2, 0]]),
    x2: tokens([[3, 3, 1], [0, 1, 2], [4, 4, 4]]),
  },
};
