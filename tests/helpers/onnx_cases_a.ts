/** Cases of ONNX's operators of elements, reductions and movement: what to differentiate, at values away from kinks. */
import { Constant, int64Constant } from "../../lib/onnx/constant.ts";
import type { OperatorCase } from "./onnx_cases_b.ts";

const indices = (...data: number[]): Constant => int64Constant(data);
const matrix = (rows: number, ...data: number[]): Constant =>
  int64Constant(data, [rows, data.length / rows]);
const scalar = (value: number): Constant => int64Constant([value], []);
const real = (...data: number[]): Constant =>
  new Constant("float32", [data.length], Float32Array.from(data));
const flags = (...data: number[]): Constant =>
  new Constant("bool", [data.length], Uint8Array.from(data));
const positive = Math.abs;
const wide = (x: number): number => 4 * x;
/** Between −0.8 and 0.8, away from 0. */
const inside = (x: number): number => 0.8 * x;

const unary = (operator: string, values = wide): OperatorCase => ({
  operator,
  operands: [[2, 3]],
  values,
});
const binary = (operator: string, more: Partial<OperatorCase> = {}): OperatorCase => ({
  operator,
  operands: [[2, 1, 3], [4, 1]],
  ...more,
});
const reduction = (operator: string, more: Partial<OperatorCase> = {}): OperatorCase => ({
  operator,
  operands: [[2, 3, 2]],
  fixed: { 1: indices(-2, 0) },
  ...more,
});

/** What reads `axes` from an attribute and what leaves empty axes alone is the same code for all. */
const elements: readonly OperatorCase[] = [
  ...["Neg", "Abs", "Exp", "Erf", "Sin", "Cos", "Tanh", "Sinh", "Cosh", "Asinh", "Atan", "Sigmoid"]
    .map((name) => unary(name)),
  ...["Floor", "Ceil", "Round", "Sign"].map((name) => unary(name, (x) => 4 * x + 0.123)),
  unary("Reciprocal", (x) => x),
  unary("Tan", (x) => x),
  ...["Log", "Sqrt"].map((name) => unary(name, positive)),
  ...["Acos", "Asin", "Atanh"].map((name) => unary(name, inside)),
  unary("Acosh", (x) => 1.2 + 2 * Math.abs(x)),
  unary("Identity"),
  ...["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"].map((name) => binary(name)),
  { operator: "Sum", name: "of three", operands: [[2, 3], [3], [1, 1]] },
  { operator: "Max", name: "of three", operands: [[2, 3], [3], [1, 1]] },
  binary("Pow", { values: (x) => 1 + Math.abs(x) }),
  { operator: "Pow", name: "of a known exponent", operands: [[2, 3]], fixed: { 1: real(3) } },
  binary("Mod", { attributes: { fmod: 1 }, values: wide }),
  binary("Mod", { name: "with the divisor's sign", values: wide }),
  { operator: "Clip", operands: [[2, 3]], fixed: { 1: real(-0.5), 2: real(0.7) } },
  { operator: "Clip", name: "by tensors", operands: [[2, 3], []], fixed: { 1: null } },
  {
    operator: "Clip",
    name: "of version 6",
    version: 6,
    attributes: { min: -0.5, max: 0.6 },
    operands: [[2, 3]],
  },
  { operator: "Where", operands: [[2, 3], [3]], fixed: { 0: flags(1, 0, 1) } },
  { operator: "Cast", attributes: { to: 1 }, operands: [[2, 3]] },
  { operator: "CastLike", operands: [[2, 3], []] },
  { operator: "CumSum", operands: [[2, 3]], fixed: { 1: scalar(1) } },
  {
    operator: "CumSum",
    name: "exclusive, from the end",
    attributes: { exclusive: 1, reverse: 1 },
    operands: [[3, 2]],
    fixed: { 1: scalar(0) },
  },
  { operator: "CumProd", operands: [[2, 5]], fixed: { 1: scalar(-1) } },
  {
    operator: "CumProd",
    name: "exclusive, from the end",
    attributes: { exclusive: 1, reverse: 1 },
    operands: [[5, 2]],
    fixed: { 1: scalar(0) },
  },
];

const reductions: readonly OperatorCase[] = [
  ...["Sum", "Mean", "Prod", "Max", "Min", "L1", "L2", "SumSquare", "LogSumExp"]
    .map((name) => reduction(`Reduce${name}`)),
  reduction("ReduceLogSum", { values: positive }),
  reduction("ReduceL2", {
    name: "without keepdims, by an attribute",
    attributes: { axes: [1], keepdims: 0 },
    fixed: {},
  }),
  reduction("ReduceSumSquare", {
    name: "over no axes",
    attributes: { noop_with_empty_axes: 1 },
    fixed: {},
  }),
  {
    operator: "TopK",
    operands: [[3, 5]],
    fixed: { 1: indices(2) },
  },
  {
    operator: "TopK",
    name: "of the smallest",
    attributes: { largest: 0, axis: 0 },
    operands: [[4, 2]],
    fixed: { 1: indices(3) },
  },
  { operator: "Hardmax", operands: [[2, 4]] },
];

const products: readonly OperatorCase[] = [
  { operator: "MatMul", operands: [[2, 1, 2, 3], [3, 3, 2]] },
  {
    operator: "Gemm",
    attributes: { alpha: 0.5, beta: 2, transA: 1, transB: 1 },
    operands: [[3, 2], [4, 3], [4]],
  },
  {
    operator: "Einsum",
    attributes: { equation: "bij,...jk->...bik" },
    operands: [[2, 2, 3], [2, 3, 2]],
  },
  { operator: "Einsum", name: "of a diagonal", attributes: { equation: "ii" }, operands: [[3, 3]] },
  { operator: "Det", operands: [[2, 3, 3]] },
  { operator: "Det", name: "of one number", operands: [[2, 1, 1]] },
  {
    operator: "DequantizeLinear",
    attributes: { axis: 0 },
    operands: [[2]],
    fixed: { 0: matrix(2, 1, 2, 3, 4, 5, 6), 2: indices(3, 4) },
  },
];

const moved: readonly OperatorCase[] = [
  { operator: "Concat", attributes: { axis: 1 }, operands: [[2, 3], [2, 1]] },
  {
    operator: "Slice",
    operands: [[3, 5]],
    fixed: { 1: indices(2, 4), 2: indices(-4, 0), 3: indices(0, 1), 4: indices(-1, -2) },
  },
  { operator: "Split", attributes: { axis: 1, num_outputs: 2 }, operands: [[2, 5]], outputs: 2 },
  { operator: "Reshape", operands: [[2, 3]], fixed: { 1: indices(0, -1, 1) } },
  { operator: "Flatten", attributes: { axis: 2 }, operands: [[2, 3, 2]] },
  { operator: "Squeeze", operands: [[2, 1, 3]], fixed: { 1: indices(1) } },
  { operator: "Unsqueeze", operands: [[2, 3]], fixed: { 1: indices(0, -1) } },
  { operator: "Transpose", attributes: { perm: [2, 0, 1] }, operands: [[2, 3, 4]] },
  { operator: "Expand", operands: [[2, 1]], fixed: { 1: indices(3, 1, 4) } },
  { operator: "Tile", operands: [[2, 3]], fixed: { 1: indices(2, 3) } },
  ...["constant", "reflect", "edge", "wrap"].map((mode): OperatorCase => ({
    operator: "Pad",
    name: `of mode ${mode}`,
    attributes: { mode },
    operands: [[2, 3, 4]],
    fixed: { 1: indices(1, 2, 0, -1), 2: real(0.5), 3: indices(0, 2) },
  })),
  { operator: "CenterCropPad", operands: [[4, 3]], fixed: { 1: indices(3, 6) } },
  ...["DCR", "CRD"].flatMap((mode): OperatorCase[] => [
    {
      operator: "DepthToSpace",
      name: mode,
      attributes: { blocksize: 2, mode },
      operands: [[1, 8, 2, 3]],
    },
    {
      operator: "SpaceToDepth",
      name: mode,
      attributes: { blocksize: 2, mode },
      operands: [[1, 2, 4, 2]],
    },
  ]),
  { operator: "ReverseSequence", operands: [[4, 3]], fixed: { 1: indices(4, 2, 1) } },
  { operator: "Trilu", operands: [[2, 3, 4]], fixed: { 1: scalar(1) } },
  { operator: "Trilu", name: "of the lower part", attributes: { upper: 0 }, operands: [[3, 3]] },
  { operator: "OneHot", operands: [[2]], fixed: { 0: indices(0, -1, 2), 1: scalar(4) } },
  {
    operator: "Col2Im",
    attributes: { pads: [1, 0, 0, 1], strides: [2, 1] },
    operands: [[1, 8, 8]],
    fixed: { 1: indices(3, 4), 2: indices(2, 2) },
  },
  {
    operator: "Compress",
    attributes: { axis: 1 },
    operands: [[2, 3]],
    fixed: { 1: flags(1, 0, 1) },
  },
  { operator: "Compress", name: "of all", operands: [[2, 2]], fixed: { 1: flags(0, 1, 1) } },
];

const indexed: readonly OperatorCase[] = [
  {
    operator: "Gather",
    attributes: { axis: 1 },
    operands: [[2, 3]],
    fixed: { 1: matrix(2, 0, -1, 2, 2) },
  },
  {
    operator: "GatherElements",
    attributes: { axis: 1 },
    operands: [[3, 3]],
    fixed: { 1: matrix(2, 0, -1, 0, 2, 1, 1) },
  },
  { operator: "GatherND", operands: [[2, 3, 2]], fixed: { 1: matrix(3, 1, -1, 0, 0, 1, -1) } },
  {
    operator: "GatherND",
    name: "with batch axes",
    attributes: { batch_dims: 1 },
    operands: [[2, 3, 2]],
    fixed: { 1: matrix(2, 2, -3) },
    mapped: [true],
  },
  ...["none", "add", "mul", "max", "min"].flatMap((reduction): OperatorCase[] => [
    {
      operator: "ScatterElements",
      name: reduction,
      attributes: { axis: 1, reduction },
      operands: [[3, 4], [2, 2]],
      // Equal places have no meaning without a reduction.
      fixed: { 1: matrix(2, 1, -1, 0, reduction === "none" ? 2 : 0) },
    },
    {
      operator: "ScatterND",
      name: reduction,
      attributes: { reduction },
      operands: [[4, 2], [3, 2]],
      fixed: { 1: matrix(3, 1, -1, reduction === "none" ? 0 : 1) },
    },
  ]),
  {
    operator: "Scatter",
    operands: [[3, 2], [1, 2]],
    fixed: { 1: matrix(1, 2, 0) },
  },
  ...["linear", "circular"].map((mode): OperatorCase => ({
    operator: "TensorScatter",
    name: mode,
    attributes: { mode },
    operands: [[2, 4, 2], [2, 2, 2]],
    fixed: { 2: indices(mode === "linear" ? 2 : 3, 1) },
  })),
];

/** Cases of all differentiable operators of elements, reductions, products and movement. */
export const elementCases: readonly OperatorCase[] = [
  ...elements,
  ...reductions,
  ...products,
  ...moved,
  ...indexed,
];

/** Operators of these families whose results are integers, bools, sequences or do not depend on numbers. */
export const withoutDerivatives: readonly string[] = [
  ...["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "Not"],
  ...["IsNaN", "IsInf", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot", "BitShift"],
  ...["BitCast", "ArgMax", "ArgMin", "NonZero", "Unique", "EyeLike", "QuantizeLinear"],
  ...["DynamicQuantizeLinear", "MatMulInteger", "QLinearMatMul", "ConvInteger", "QLinearConv"],
  ...["Constant", "ConstantOfShape", "Shape", "Size", "Range"],
];

/** Operators of subgraphs and sequences, which stand in tests of their own. */
export const elsewhere: readonly string[] = [
  ...["If", "Loop", "Scan", "SequenceMap", "SequenceEmpty", "SequenceConstruct"],
  ...["SequenceInsert", "SequenceErase", "SequenceAt", "SequenceLength", "SplitToSequence"],
  ...["ConcatFromSequence", "Optional", "OptionalGetElement", "OptionalHasElement"],
];
