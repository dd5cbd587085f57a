/**
 * Elementwise chains, reductions and normalizations, which memory limits.
 *
 * @module
 */

import { layerNorm, softmax } from "../mod.ts";
import type { PrimitiveCase } from "./primitive_cases.ts";

const large = 1 << 22;
const rows = 4096;
const columns = 1024;
const group = "elementwise, reductions";

/** A function of one matrix whose result has the given number of elements. */
function ofMatrix(
  name: string,
  results: number,
  implementations: Pick<PrimitiveCase, "tangents" | "onnx" | "tfjs">,
): PrimitiveCase {
  return {
    name,
    group,
    work: { bytes: 4 * (rows * columns + results) },
    inputs: [[rows, columns]],
    ...implementations,
  };
}

/** Operators of ONNX applied one after the other, from x0 to y. */
function chain(...operators: readonly (readonly [op: string, second?: string])[]) {
  return operators.map(([op, second], i) => ({
    op,
    inputs: [i === 0 ? "x0" : `t${i}`, ...(second === undefined ? [] : [second])],
    output: i === operators.length - 1 ? "y" : `t${i + 1}`,
  }));
}

/** Elementwise chains, reductions and normalizations of 4 million elements. */
export const elementwiseCases: readonly PrimitiveCase[] = [
  {
    name: "x + y",
    group,
    work: { bytes: 4 * 3 * large },
    inputs: [[large], [large]],
    tangents: (x, y) => x.add(y),
    onnx: { rank: 1, nodes: chain(["Add", "x1"]) },
    tfjs: { run: (tf, [x, y]) => tf.add(x, y) },
  },
  {
    name: "ten operations in a chain",
    group,
    work: { bytes: 4 * 3 * large },
    inputs: [[large], [large]],
    tangents: (x, y) => x.add(y).mul(x).sub(y).relu().mul(0.5).add(x).mul(y).sub(x).abs().sqrt(),
    onnx: {
      rank: 1,
      constants: { half: 0.5 },
      nodes: chain(
        ["Add", "x1"],
        ["Mul", "x0"],
        ["Sub", "x1"],
        ["Relu"],
        ["Mul", "half"],
        ["Add", "x0"],
        ["Mul", "x1"],
        ["Sub", "x0"],
        ["Abs"],
        ["Sqrt"],
      ),
    },
    tfjs: {
      run: (tf, [x, y]) =>
        tf.tidy(() => {
          const t = tf.relu(tf.sub(tf.mul(tf.add(x, y), x), y));
          return tf.sqrt(tf.abs(tf.sub(tf.mul(tf.add(tf.mul(t, tf.scalar(0.5)), x), y), x)));
        }),
    },
  },
  ofMatrix("exp", rows * columns, {
    tangents: (x) => x.exp(),
    onnx: { rank: 2, nodes: chain(["Exp"]) },
    tfjs: { run: (tf, [x]) => tf.exp(x) },
  }),
  ofMatrix("tanh", rows * columns, {
    tangents: (x) => x.tanh(),
    onnx: { rank: 2, nodes: chain(["Tanh"]) },
    tfjs: { run: (tf, [x]) => tf.tanh(x) },
  }),
  ofMatrix("abs of the transpose", rows * columns, {
    // Transposing alone would be a view; abs makes it a copy.
    tangents: (x) => x.transpose(0, 1).abs(),
    onnx: {
      rank: 2,
      nodes: [
        { op: "Transpose", inputs: ["x0"], output: "t", attributes: { perm: [1, 0] } },
        { op: "Abs", inputs: ["t"], output: "y" },
      ],
    },
    tfjs: { run: (tf, [x]) => tf.tidy(() => tf.abs(tf.transpose(x))) },
  }),
  ofMatrix("sum of all", 1, {
    tangents: (x) => x.sum(),
    onnx: {
      rank: 0,
      nodes: [{ op: "ReduceSum", inputs: ["x0"], output: "y", attributes: { keepdims: 0 } }],
    },
    tfjs: { run: (tf, [x]) => tf.sum(x) },
  }),
  ofMatrix("sum of each row", rows, {
    tangents: (x) => x.sum(1),
    onnx: {
      rank: 1,
      constants: { axes: [1] },
      nodes: [{
        op: "ReduceSum",
        inputs: ["x0", "axes"],
        output: "y",
        attributes: { keepdims: 0 },
      }],
    },
    tfjs: { run: (tf, [x]) => tf.sum(x, 1) },
  }),
  ofMatrix("sum of each column", columns, {
    tangents: (x) => x.sum(0),
    onnx: {
      rank: 1,
      constants: { axes: [0] },
      nodes: [{
        op: "ReduceSum",
        inputs: ["x0", "axes"],
        output: "y",
        attributes: { keepdims: 0 },
      }],
    },
    tfjs: { run: (tf, [x]) => tf.sum(x, 0) },
  }),
  ofMatrix("softmax of each row", rows * columns, {
    tangents: (x) => softmax(x, 1),
    onnx: {
      rank: 2,
      nodes: [{ op: "Softmax", inputs: ["x0"], output: "y", attributes: { axis: 1 } }],
    },
    tfjs: { run: (tf, [x]) => tf.softmax(x) },
  }),
  ofMatrix("layerNorm of each row", rows * columns, {
    tangents: (x) => layerNorm(x, columns),
    onnx: {
      rank: 2,
      constants: { shape: [columns], one: 1 },
      nodes: [
        { op: "Expand", inputs: ["one", "shape"], output: "scale" },
        {
          op: "LayerNormalization",
          inputs: ["x0", "scale"],
          output: "y",
          attributes: { axis: 1, epsilon: { float: 1e-5 } },
        },
      ],
    },
    tfjs: {
      run: (tf, [x]) =>
        tf.tidy(() => {
          const centered = tf.sub(x, tf.mean(x, 1, true));
          const variance = tf.mean(tf.square(centered), 1, true);
          return tf.mul(centered, tf.rsqrt(tf.add(variance, tf.scalar(1e-5))));
        }),
    },
  }),
];
