/**
 * What the operations say about arguments that do not fit: the class of the error, and that it names the function and
 * the argument.
 *
 * @module
 */

import { assertStringIncludes, assertThrows } from "@std/assert";
import * as t from "../lib/core/mod.ts";
import {
  ArgumentError,
  AxisError,
  DTypeError,
  ShapeError,
  type Tensor,
  zeros,
} from "../lib/core/mod.ts";

const index = (...values: number[]): Tensor => t.tensor(values, { dtype: "int32" });
const wrong = "text" as unknown as Tensor;

/** A call, the class of its error, and words that the message must have. */
type Case = [run: () => unknown, type: typeof ArgumentError, ...words: string[]];

const cases: Record<string, Case[]> = {
  "values of a dtype": [
    [() => t.tensor([1, NaN], { dtype: "int32" }), ArgumentError, "tensor: int32", "got NaN"],
    [() => t.tensor(3e9, { dtype: "int32" }), ArgumentError, "tensor: int32", "3000000000"],
    [() => t.tensor([-1], { dtype: "uint32" }), ArgumentError, "from 0 to 4294967295", "got -1"],
    [() => t.tensor(new Float64Array([-Infinity]), { dtype: "int32" }), ArgumentError, "-Infinity"],
    [() => t.full([2], 2 ** 32, { dtype: "uint32" }), ArgumentError, "full: uint32"],
    [() => t.arange(-1, 2, 1, { dtype: "uint32" }), ArgumentError, "arange: uint32"],
    [() => index(1).add(2 ** 31), ArgumentError, "add: int32", "2147483648"],
    [() => t.where(t.tensor([true]), 2 ** 31, 1), ArgumentError, "where: int32"],
    [() => t.pad(index(1), [[1, 1]], 3e9), ArgumentError, "pad: value: int32"],
    [() => t.pad(zeros([2, 2]), [1, 1] as never), ArgumentError, "pad", "[1,1]"],
    [() => t.pad(zeros([2]), null as never), ArgumentError, "pad", "null"],
  ],
  elementwise: [
    [() => t.clip(zeros([2]), NaN, 1), ArgumentError, "clip: low", "NaN"],
    [() => t.clip(zeros([2]), 0, undefined as unknown as null), ArgumentError, "clip: high"],
    [() => t.pow(index(2), -1), ArgumentError, "pow", "-1", "cast"],
    [() => t.isclose(zeros([2]), zeros([2]), { rtol: -1 }), ArgumentError, "isclose: rtol", "-1"],
    [() => t.isclose(zeros([2]), zeros([2]), { atol: NaN }), ArgumentError, "isclose: atol"],
    [() => (zeros([2]) as unknown as number) + 1, ArgumentError, "operators", "a.add(b)"],
    [() => (zeros([2]) as unknown as number) > 0, ArgumentError, "a.less(b)", "itemSync()"],
  ],
  matmul: [
    [() => t.matmul(zeros([2, 3]), zeros([2, 3])), ShapeError, "matmul", "[2, 3]"],
    [() => t.matmul(zeros([]), zeros([2])), ShapeError, "matmul", "scalar"],
    [() => t.matmul(zeros([2, 2, 3]), zeros([3, 3, 2])), ShapeError, "matmul", "batch", "2 and 3"],
    [() => t.matmul(wrong, zeros([2])), ArgumentError, "matmul: first operand", "string"],
    [() => t.dot(zeros([2]), zeros([3])), ShapeError, "dot", "[3]"],
    [() => t.outer(zeros([2]), wrong), ArgumentError, "outer: second operand"],
    [() => t.tensordot(zeros([2, 3]), zeros([2, 3]), 1), ShapeError, "tensordot", "3 and 2"],
    [() => t.tensordot(zeros([2]), zeros([2]), 2), ArgumentError, "tensordot", "axes is 2"],
    [() => t.tensordot(zeros([2]), zeros([2]), [[5], [0]]), AxisError, "tensordot: axes[0]"],
    [() => t.tensordot(zeros([2]), zeros([2]), [[0], []]), ArgumentError, "tensordot: axes"],
    [
      () => t.tensordot(zeros([2, 2]), zeros([2, 2]), [[0, 0], [0, 1]]),
      ArgumentError,
      "tensordot: axes[0]",
      "twice",
    ],
  ],
  einsum: [
    [() => t.einsum("ij,jk->ik", zeros([2, 3])), ArgumentError, "2 terms", "1 operands"],
    [() => t.einsum("ij,jk->ik"), ArgumentError, "no operand"],
    [() => t.einsum("ij->ijk", zeros([2, 3])), ArgumentError, '"k"', "no operand has"],
    [() => t.einsum("ij->ii", zeros([2, 3])), ArgumentError, '"i" twice'],
    [() => t.einsum("i1", zeros([2, 3])), ArgumentError, 'term "i1"'],
    [() => t.einsum("......", zeros([2, 3])), ArgumentError, 'term "......"'],
    [() => t.einsum("i->j->k", zeros([2])), ArgumentError, '"->"'],
    [() => t.einsum("ij", zeros([2])), ShapeError, 'term "ij"', "operand 0", "[2]"],
    [() => t.einsum("i", zeros([2, 3])), ShapeError, 'term "i"', "..."],
    [
      () => t.einsum("ij,jk->ik", zeros([2, 3]), zeros([4, 2])),
      ShapeError,
      'term "jk"',
      '"j"',
      "operand 1",
      "size 4",
      "3 elsewhere",
    ],
    [() => t.einsum("ii", zeros([2, 3])), ShapeError, '"i"', "operand 0"],
    [() => t.einsum("ii", zeros([3, 1])), ShapeError, '"i"', "operand 0"],
    [() => t.einsum("...,...", zeros([2]), zeros([3])), ShapeError, "ellipsis", "operand 1"],
    [() => t.einsum("i", wrong), ArgumentError, "einsum: operand 0"],
    [() => t.einsum(3 as unknown as string, zeros([2])), ArgumentError, "einsum", "3"],
  ],
  indexing: [
    [() => t.take(zeros([3]), 3), ArgumentError, "take: index", "size 3"],
    [() => t.take(zeros([3]), [0, -4]), ArgumentError, "index -4"],
    [() => t.take(zeros([3]), index(5)), ArgumentError, "index 5"],
    [() => t.take(zeros([3]), 0.5), ArgumentError, "index 0.5"],
    [() => t.take(zeros([3]), t.tensor([0])), DTypeError, "take: index", "float32"],
    [() => t.take(zeros([0]), [0]), ArgumentError, "take", "empty"],
    [() => t.take(zeros([3]), 0, 1), AxisError, "take"],
    [() => t.take(zeros([]), 0), AxisError, "take", "scalar"],
    [() => t.takeAlongAxis(zeros([3, 2]), index(0), 0), ShapeError, "takeAlongAxis", "rank 2"],
    [() => t.gather(zeros([2]), 0, index(2)), ArgumentError, "index 2"],
    [() => t.gather(zeros([2, 1]), 0, index(0, 0).reshape([1, 2])), ShapeError, "gather", "axis 1"],
    [() => t.scatterAdd(zeros([2]), 0, index(0, 1), zeros([1])), ShapeError, "updates"],
    [() => t.indexAdd(zeros([2]), 0, index(0), zeros([2])), ShapeError, "indexAdd", "[1]"],
    [() => t.indexAdd(zeros([2]), 0, zeros([2]), zeros([2])), DTypeError, "indexAdd: index"],
    [() => t.oneHot(zeros([2]), 3), DTypeError, "oneHot: index"],
    [() => t.oneHot(index(1), -1), ArgumentError, "oneHot: count"],
    [() => t.topK(zeros([3]), 4), ArgumentError, "topK", "4"],
    [() => t.sort(zeros([3]), 2), AxisError, "sort"],
    [() => t.argsort(zeros([])), AxisError, "argsort"],
  ],
  convolution: [
    [() => t.conv2d(zeros([1, 3, 4, 4]), zeros([2, 2, 3, 3])), ShapeError, "conv2d", "3 channels"],
    [
      () => t.conv2d(zeros([4, 4]), zeros([2, 2, 3, 3])),
      ShapeError,
      "conv2d: input",
      "rank 3 or 4",
    ],
    [() => t.conv2d(zeros([1, 2, 4, 4]), zeros([2, 2, 3])), ShapeError, "conv2d: weight"],
    [
      () => t.conv2d(zeros([1, 2, 2, 2]), zeros([2, 2, 3, 3])),
      ShapeError,
      "larger than the padded",
    ],
    [() => t.conv1d(zeros([1, 2, 4]), zeros([2, 2, 3]), zeros([3])), ShapeError, "bias", "[2]"],
    [
      () => t.conv1d(zeros([1, 2, 4]), zeros([3, 1, 3]), null, { groups: 2 }),
      ArgumentError,
      "3 output channels",
    ],
    [
      () => t.conv1d(zeros([1, 2, 4]), zeros([2, 2, 3]), null, { stride: 0 }),
      ArgumentError,
      "conv1d: stride",
    ],
    [
      () => t.conv1d(zeros([1, 2, 4]), zeros([2, 2, 3]), null, { stride: 2, padding: "same" }),
      ArgumentError,
      '"same" needs stride 1',
    ],
    [
      () => t.conv1d(zeros([1, 2, 4]), zeros([2, 2, 3]), null, { padding: -1 }),
      ArgumentError,
      "conv1d: padding",
    ],
    [
      () => t.conv2d(zeros([1, 2, 4, 4]), zeros([2, 2, 3, 3]), null, { padding: [[1, 1]] }),
      ArgumentError,
      "1 pairs",
    ],
    [
      () => t.conv1d(zeros([1, 2, 4]), zeros([2, 2, 3]), null, { padding: "full" as "same" }),
      ArgumentError,
      '"full"',
    ],
    [() => t.convTranspose1d(zeros([1, 2, 4]), zeros([3, 2, 3])), ShapeError, "2 channels"],
    [
      () => t.convTranspose1d(zeros([1, 2, 4]), zeros([2, 2, 3]), null, { outputPadding: 1 }),
      ArgumentError,
      "outputPadding 1",
    ],
    [
      () => t.convTranspose1d(zeros([1, 2, 1]), zeros([2, 2, 1]), null, { padding: 1 }),
      ShapeError,
      "less padding",
    ],
  ],
  pooling: [
    [() => t.maxPool2d(zeros([1, 2, 2]), { kernelSize: 3 }), ShapeError, "maxPool2d", "no window"],
    [() => t.maxPool2d(zeros([2, 2]), { kernelSize: 1 }), ShapeError, "maxPool2d: input"],
    [() => t.maxPool1d(zeros([1, 4]), { kernelSize: 0 }), ArgumentError, "maxPool1d: kernelSize"],
    [
      () => t.maxPool1d(zeros([1, 4]), { kernelSize: 2, padding: 2 }),
      ArgumentError,
      "padding 2",
      "half",
    ],
    [
      () => t.maxPool1d(zeros([1, 4]), undefined as unknown as t.MaxPoolOptions),
      ArgumentError,
      "kernelSize",
    ],
    [
      () => t.avgPool2d(zeros([1, 4, 4]), { kernelSize: [2] }),
      ArgumentError,
      "avgPool2d: kernelSize",
      "list of 2",
    ],
    [
      () => t.avgPool1d(zeros([1, 4]), { kernelSize: 2, divisorOverride: 0 }),
      ArgumentError,
      "divisorOverride",
    ],
    [() => t.adaptiveAvgPool2d(zeros([1, 4, 4]), [2]), ArgumentError, "outputSize"],
    [() => t.adaptiveMaxPool1d(zeros([1, 4]), 0), ArgumentError, "outputSize"],
    [() => t.adaptiveAvgPool1d(zeros([1, 0]), 1), ShapeError, "empty"],
  ],
  activations: [
    [() => t.softmax(zeros([2]), 1), AxisError, "softmax"],
    [() => t.glu(zeros([3])), ShapeError, "glu", "3"],
    [() => t.prelu(zeros([2, 3]), zeros([2])), ShapeError, "prelu", "[2]"],
    [() => t.hardtanh(zeros([2]), 1, 0), ArgumentError, "hardtanh"],
    [() => t.softplus(zeros([2]), { beta: 0 }), ArgumentError, "softplus: beta"],
    [() => t.celu(zeros([2]), 0), ArgumentError, "celu: alpha"],
    [() => t.elu(zeros([2]), NaN), ArgumentError, "elu: alpha"],
    [() => t.softshrink(zeros([2]), -1), ArgumentError, "softshrink: lambda"],
    [
      () => t.gelu(zeros([2]), { approximate: "fast" as "tanh" }),
      ArgumentError,
      "gelu: approximate",
    ],
    [() => t.relu(wrong), ArgumentError, "relu"],
    [() => t.silu(wrong), ArgumentError, "silu"],
  ],
  normalization: [
    [() => t.layerNorm(zeros([2, 3]), 2), ShapeError, "layerNorm", "[2, 3]"],
    [() => t.layerNorm(zeros([2, 3]), []), ShapeError, "layerNorm"],
    [
      () => t.layerNorm(zeros([2, 3]), 3, { weight: zeros([2]) }),
      ShapeError,
      "layerNorm",
      "weight of shape [3]",
    ],
    [() => t.layerNorm(zeros([2, 3]), 3, { epsilon: -1 }), ArgumentError, "layerNorm: epsilon"],
    [() => t.groupNorm(zeros([2, 3]), 2), ArgumentError, "groupNorm", "3 channels"],
    [() => t.groupNorm(zeros([2]), 2), ShapeError, "groupNorm"],
    [() => t.instanceNorm(zeros([2, 3])), ShapeError, "instanceNorm"],
    [() => t.batchNorm(zeros([2, 3]), zeros([2]), zeros([3])), ShapeError, "mean of shape [3]"],
    [() => t.batchNorm(zeros([2, 3]), zeros([3]), zeros([2])), ShapeError, "variance of shape [3]"],
    [() => t.rmsNorm(zeros([2, 3]), 3, { weight: zeros([2]) }), ShapeError, "rmsNorm"],
  ],
  attention: [
    [
      () => t.scaledDotProductAttention(zeros([2, 3]), zeros([2, 4]), zeros([2, 4])),
      ShapeError,
      "scaledDotProductAttention",
      "[2, 4]",
    ],
    [
      () =>
        t.scaledDotProductAttention(zeros([2, 3]), zeros([2, 3]), zeros([2, 3]), {
          isCausal: true,
          mask: zeros([2, 2]),
        }),
      ArgumentError,
      "not both",
    ],
    [
      () =>
        t.scaledDotProductAttention(zeros([2, 3]), zeros([2, 3]), zeros([2, 3]), {
          mask: zeros([3, 2]),
        }),
      ShapeError,
      "mask",
    ],
    [() => t.embedding(zeros([2]), zeros([2, 2])), DTypeError, "embedding: index"],
    [() => t.embedding(index(2), zeros([2, 2])), ArgumentError, "index 2"],
    [() => t.embedding(index(0), zeros([2])), ShapeError, "embedding: weight"],
    [() => t.dropout(zeros([2])), ArgumentError, "dropout", "key"],
    [() => t.dropout(zeros([2]), { p: 1.5 }), ArgumentError, "dropout: p"],
  ],
  losses: [
    [() => t.mseLoss(zeros([2]), zeros([3])), ShapeError, "mseLoss", "[3]"],
    [
      () => t.l1Loss(zeros([2]), zeros([2]), { reduction: "average" as "mean" }),
      ArgumentError,
      "l1Loss",
      "average",
    ],
    [() => t.nllLoss(zeros([2, 3]), index(0)), ShapeError, "nllLoss", "[2]"],
    [() => t.nllLoss(zeros([2, 3]), zeros([2])), DTypeError, "nllLoss: target"],
    [() => t.nllLoss(zeros([1, 3]), index(3)), ArgumentError, "nllLoss: target 3", "3 classes"],
    [() => t.crossEntropy(zeros([1, 3]), index(-1)), ArgumentError, "target -1"],
    [() => t.crossEntropy(zeros([]), index(0)), ShapeError, "crossEntropy"],
    [
      () => t.crossEntropy(zeros([1, 2]), index(0), { labelSmoothing: 2 }),
      ArgumentError,
      "crossEntropy: labelSmoothing",
    ],
    [
      () => t.crossEntropy(zeros([1, 2]), index(0), { weight: zeros([3]) }),
      ShapeError,
      "crossEntropy",
      "weight of shape [2]",
    ],
  ],
};

for (const [group, list] of Object.entries(cases)) {
  Deno.test(`${group}: errors name the function and what does not fit`, () => {
    for (const [run, type, ...words] of list) {
      const error = assertThrows(run, type) as Error;
      for (const word of words) assertStringIncludes(error.message, word);
    }
  });
}
