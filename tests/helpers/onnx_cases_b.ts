/** Cases of ONNX's operators of layers: what to differentiate, at values away from kinks. */
import { Constant, int64Constant } from "../../lib/onnx/constant.ts";
import { type Tensor, tensor } from "../../mod.ts";
import { randomSource } from "./differences.ts";
import type { OperatorCall } from "./onnx_operator.ts";

/** One operator on some operands. */
export interface OperatorCase extends OperatorCall {
  /** Names the case among those of its operator. */
  readonly name?: string;
  /** Operands that are differentiated by and mapped over, as shapes; numbers away from 0 and from each other. */
  readonly operands: readonly (readonly number[])[];
  /** What else stands among the inputs: by place, the operands in the places that are left. */
  readonly fixed?: Readonly<Record<number, Tensor | Constant | null>>;
  /** What is done to the operands' numbers, which lie between 0.2 and 1 or −1 and −0.2. */
  readonly values?: (x: number) => number;
  /** Which operands may carry examples; all by default. */
  readonly mapped?: readonly boolean[];
}

/** The operands of a case: all numbers differ by more than differences step. */
export function operandsOf(given: OperatorCase, seed: number): Tensor[] {
  const random = randomSource(seed);
  return given.operands.map((shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const order = Array.from({ length: size }, (_, i) => i);
    for (let i = size - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    const data = order.map((i) => {
      const x = 0.2 + 0.8 * (i + 0.5 * random()) / Math.max(1, size);
      return (given.values ?? ((y) => y))(random() < 0.5 ? -x : x);
    });
    return tensor(Float64Array.from(data), { shape });
  });
}

const int32 = (data: number[], shape: number[] = [data.length]): Tensor =>
  tensor(data, { dtype: "int32", shape });
const real = (data: number[], shape: number[]): Tensor =>
  tensor(Float64Array.from(data), { shape });
const positive = Math.abs;
const scaled = (shape: number[], ...data: number[]): Constant =>
  new Constant("float32", shape, Float32Array.from(data));
const scales = (...data: number[]): Constant => scaled([data.length], ...data);
const wide = (x: number): number => 4 * x;

const activation = (operator: string, attributes = {}): OperatorCase => ({
  operator,
  attributes,
  operands: [[2, 3]],
  values: wide,
});

const image = [1, 2, 5, 6];

const recurrent = (
  operator: string,
  gates: number,
  attributes: Record<string, unknown>,
  more: Partial<OperatorCase> = {},
): OperatorCase => {
  const directions = attributes.direction === "bidirectional" ? 2 : 1;
  return {
    operator,
    name: JSON.stringify(attributes),
    attributes: { hidden_size: 2, ...attributes },
    operands: [
      [3, 1, 2],
      [directions, gates * 2, 2],
      [directions, gates * 2, 2],
      [directions, gates * 4],
    ],
    outputs: 2,
    ...more,
  };
};

/** Cases of all differentiable operators of layers. */
export const layerCases: readonly OperatorCase[] = [
  ...["Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Mish", "HardSwish", "Celu", "Elu"]
    .map((name) => activation(name)),
  ...["Selu", "LeakyRelu", "HardSigmoid", "ThresholdedRelu", "Swish", "Gelu", "Shrink"]
    .map((name) => activation(name)),
  ...["Softmax", "LogSoftmax"].map((name) => activation(name)),
  { operator: "Softmax", name: "of version 11", version: 11, operands: [[2, 3, 2]] },
  activation("Gelu", { approximate: "tanh" }),
  activation("Celu", { alpha: 0.7 }),
  { operator: "PRelu", operands: [[2, 3, 2], [3, 1]], values: wide },
  { operator: "SwiGLU", operands: [[2, 3], [2, 3]] },

  { operator: "Conv", attributes: { pads: [1, 0, 2, 1] }, operands: [image, [3, 2, 3, 2], [3]] },
  {
    operator: "Conv",
    name: "with auto_pad",
    attributes: { auto_pad: "SAME_LOWER", strides: [2], group: 2 },
    operands: [[1, 4, 6], [2, 2, 4]],
  },
  {
    operator: "ConvTranspose",
    attributes: { strides: [2, 1], output_padding: [1, 0], pads: [1, 0, 0, 1] },
    operands: [[1, 2, 3, 3], [2, 2, 3, 2], [2]],
  },
  {
    operator: "ConvTranspose",
    name: "with an output shape",
    attributes: { strides: [3], output_shape: [10], group: 2 },
    operands: [[1, 2, 3], [2, 1, 2]],
  },
  {
    operator: "CausalConvWithState",
    attributes: { activation: "silu" },
    operands: [[1, 2, 4], [2, 1, 3], [2], [1, 2, 2]],
    outputs: 2,
  },

  {
    operator: "MaxPool",
    attributes: { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1, pads: [1, 0, 1, 0] },
    operands: [image],
  },
  {
    operator: "AveragePool",
    attributes: {
      kernel_shape: [2, 3],
      dilations: [2, 1],
      count_include_pad: 1,
      pads: [1, 1, 0, 1],
    },
    operands: [image],
  },
  ...[1, 2, 3].map((p): OperatorCase => ({
    operator: "LpPool",
    name: `of power ${p}`,
    attributes: { kernel_shape: [2, 2], p },
    operands: [image],
  })),
  ...["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"].map((operator) => ({
    operator,
    operands: [image],
  })),
  {
    operator: "MaxUnpool",
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    operands: [[1, 1, 2, 2]],
    fixed: { 1: int32([1, 6, 8, 15], [1, 1, 2, 2]) },
  },

  {
    operator: "BatchNormalization",
    operands: [image, [2], [2]],
    fixed: { 3: real([0.1, -0.2], [2]), 4: real([0.5, 2], [2]) },
  },
  { operator: "InstanceNormalization", operands: [image, [2], [2]] },
  ...[2, 4].map((size): OperatorCase => ({
    operator: "GroupNormalization",
    name: `with a weight of ${size}`,
    attributes: { num_groups: 2 },
    operands: [[1, 4, 3], [size], [size]],
  })),
  {
    operator: "LayerNormalization",
    attributes: { axis: 1 },
    operands: [[2, 3, 2], [3, 2], [3, 2]],
  },
  { operator: "RMSNormalization", operands: [[2, 3], [3]] },
  { operator: "LRN", attributes: { size: 3, alpha: 0.5 }, operands: [[1, 4, 3]] },
  { operator: "MeanVarianceNormalization", operands: [[2, 2, 2, 3]] },
  ...[1, 2].map((p): OperatorCase => ({
    operator: "LpNormalization",
    name: `of power ${p}`,
    attributes: { p },
    operands: [[2, 3]],
  })),

  { operator: "MatMul", operands: [[2, 3], [3, 2]] },
  {
    operator: "Gemm",
    attributes: { alpha: 0.5, beta: 2, transA: 1 },
    operands: [[3, 2], [3, 4], [4]],
  },
  {
    operator: "Attention",
    name: "with heads packed and grouped",
    attributes: { q_num_heads: 4, kv_num_heads: 2, is_causal: 1, softcap: 2 },
    operands: [[1, 3, 8], [1, 3, 4], [1, 3, 6]],
  },
  {
    operator: "Attention",
    name: "with a mask, past keys and a window",
    attributes: { left_window_size: 2 },
    operands: [[1, 2, 2, 3], [1, 2, 2, 3], [1, 2, 2, 3], [2, 3], [1, 2, 1, 3], [1, 2, 1, 3]],
    outputs: 3,
  },
  {
    operator: "LinearAttention",
    attributes: { q_num_heads: 4, kv_num_heads: 2 },
    operands: [[1, 3, 8], [1, 3, 4], [1, 3, 6], [1, 2, 2, 3], [1, 3, 4], [1, 3, 2]],
    outputs: 2,
  },
  {
    operator: "RotaryEmbedding",
    attributes: { interleaved: 1, rotary_embedding_dim: 4 },
    operands: [[1, 2, 3, 6], [5, 2], [5, 2]],
    fixed: { 3: int32([0, 2, 4], [1, 3]) },
  },

  recurrent("RNN", 1, { direction: "reverse", layout: 0 }),
  recurrent("GRU", 3, { direction: "bidirectional" }),
  recurrent("GRU", 3, { linear_before_reset: 1, activations: ["HardSigmoid", "Softsign"] }),
  recurrent("LSTM", 4, { direction: "bidirectional" }),
  recurrent("LSTM", 4, { clip: 5, input_forget: 1 }, {
    operands: [[3, 1, 2], [1, 8, 2], [1, 8, 2], [1, 16], [1, 1, 2], [1, 1, 2], [1, 6]],
    fixed: { 4: int32([2]) },
    outputs: 3,
  }),

  {
    operator: "NegativeLogLikelihoodLoss",
    attributes: { ignore_index: 2 },
    operands: [[3, 4], [4]],
    fixed: { 1: int32([1, 2, 3]) },
    values: positive,
  },
  {
    operator: "SoftmaxCrossEntropyLoss",
    attributes: { reduction: "sum" },
    operands: [[2, 3, 2]],
    fixed: { 1: int32([1, 2, 0, 1], [2, 2]) },
    outputs: 2,
  },
  { operator: "Dropout", operands: [[2, 3]] },

  ...["nearest", "linear", "cubic"].map((mode): OperatorCase => ({
    operator: "Resize",
    name: `in mode ${mode}`,
    attributes: { mode },
    operands: [[1, 2, 3, 4]],
    fixed: { 1: null, 2: scales(1, 1, 1.7, 0.6) },
  })),
  {
    operator: "Resize",
    name: "with antialiasing, of axes",
    attributes: { mode: "cubic", antialias: 1, axes: [2, 3], exclude_outside: 1 },
    operands: [[1, 1, 5, 4]],
    fixed: { 1: null, 2: null, 3: int64Constant([2, 3]) },
  },
  {
    operator: "Resize",
    name: "by picking elements of a long axis",
    attributes: { mode: "linear", axes: [0], coordinate_transformation_mode: "align_corners" },
    operands: [[130]],
    fixed: { 1: null, 2: null, 3: int64Constant([129]) },
  },
  {
    operator: "Resize",
    name: "of a region",
    attributes: {
      mode: "linear",
      coordinate_transformation_mode: "tf_crop_and_resize",
      extrapolation_value: 3,
    },
    operands: [[3, 4]],
    fixed: { 1: scales(0.2, -0.1, 1.2, 0.8), 2: null, 3: int64Constant([4, 3]) },
  },
  {
    operator: "Upsample",
    version: 9,
    operands: [[1, 2, 3, 2]],
    fixed: { 1: scales(1, 1, 2, 3) },
  },
  ...["zeros", "border", "reflection"].flatMap((padding_mode) =>
    ["linear", "cubic"].map((mode): OperatorCase => ({
      operator: "GridSample",
      name: `${mode} with ${padding_mode}`,
      attributes: { mode, padding_mode },
      operands: [[1, 2, 3, 4], [1, 2, 3, 2]],
      values: (x) => 1.27 * x,
    }))
  ),
  {
    operator: "GridSample",
    name: "nearest in three dimensions",
    attributes: { mode: "nearest", align_corners: 1 },
    operands: [[1, 1, 3, 2, 2], [1, 2, 2, 1, 3]],
  },
  {
    operator: "AffineGrid",
    operands: [[1, 2, 3]],
    fixed: { 1: int64Constant([1, 1, 3, 2]) },
  },
  {
    operator: "DeformConv",
    attributes: { offset_group: 2, group: 2, pads: [1, 0, 0, 1] },
    operands: [[1, 4, 3, 3], [2, 2, 2, 2], [1, 16, 3, 3], [2], [1, 8, 3, 3]],
    values: (x) => 0.7 * x,
  },
  {
    operator: "RoiAlign",
    attributes: { output_height: 2, output_width: 2, sampling_ratio: 2, spatial_scale: 0.9 },
    operands: [[1, 2, 5, 5], [1, 4]],
    fixed: { 2: int32([0]) },
    values: (x) => 3 * Math.abs(x),
  },
  {
    operator: "RoiAlign",
    name: "of the largest, with as many samples as there are elements",
    attributes: { output_height: 2, output_width: 1, mode: "max" },
    operands: [[2, 1, 5, 6]],
    fixed: { 1: scaled([2, 4], 0.3, 0.4, 3.6, 4.1, 1.2, 0.1, 4.2, 3.3), 2: int32([1, 0]) },
  },
  {
    operator: "MaxRoiPool",
    attributes: { pooled_shape: [2, 2] },
    operands: [[1, 2, 5, 6]],
    fixed: { 1: scaled([1, 5], 0, 1, 0, 4, 3) },
  },
  {
    operator: "DFT",
    attributes: { onesided: 1 },
    operands: [[2, 5, 1]],
    fixed: { 1: int64Constant([6], []) },
  },
  {
    operator: "DFT",
    name: "back to real numbers",
    attributes: { onesided: 1, inverse: 1 },
    operands: [[2, 4, 2]],
  },
  {
    operator: "STFT",
    operands: [[1, 8, 1], [4]],
    fixed: { 1: int64Constant([2], []) },
  },
];
