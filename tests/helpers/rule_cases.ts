/**
 * Cases for the rules of every primitive: parameters, shapes, and float64 values kept away from kinks.
 *
 * The type of `ruleCases` has one entry for each primitive, so that a new primitive without cases does not compile.
 */
import type { DType } from "../../lib/base/dtype.ts";
import type {
  ConvParams,
  None,
  PrimitiveName,
  PrimitiveParams,
} from "../../lib/base/primitives.ts";
import { sizeOf } from "../../lib/base/shape.ts";
import { apply } from "../../lib/core/apply.ts";
import { customJvp, customVjp, type Tensor, tensor } from "../../mod.ts";
import { randomSource, type TensorFunction } from "./differences.ts";

/** One operand of a case. */
export interface OperandSpec {
  /** Its shape. */
  readonly shape: readonly number[];
  /** Its dtype; float64 where left out. */
  readonly dtype?: DType;
  /** Its elements for a seed. */
  readonly values: (count: number, random: () => number, operand: number) => number[];
}

/** One application of a primitive. */
export interface RuleCase<Params extends object> {
  /** Names the case in failures. */
  readonly name: string;
  /** The primitive's parameters. */
  readonly params: Params;
  /** Its operands. */
  readonly operands: readonly OperandSpec[];
  /** Which operands are differentiated by, where not all floating point ones are. */
  readonly by?: readonly boolean[];
  /** Where the primitive's derivative differs from that of its value: how it is called, or that it is zero. */
  readonly call?: TensorFunction;
  /** Every derivative is zero, whatever the differences are. */
  readonly zero?: boolean;
  /** Step and tolerance for less than float64. */
  readonly step?: number;
  /** Tolerance against differences. */
  readonly tolerance?: number;
}

/** The operands of a case as tensors. */
export function operandsOf(
  { operands }: RuleCase<object>,
  seed: number,
): Tensor[] {
  const random = randomSource(seed);
  return operands.map(({ shape, dtype = "float64", values }, i) =>
    tensor(values(sizeOf(shape), random, i), { shape, dtype })
  );
}

type Values = OperandSpec["values"];

const filled = (make: (random: () => number) => number): Values => (count, random) =>
  Array.from({ length: count }, () => make(random));
/** In [low, high). */
const between = (low: number, high: number): Values =>
  filled((random) => low + (high - low) * random());
const real = between(-1, 1);
const positive = between(0.5, 2);
/** Of either sign, at least 0.2 from zero. */
const nonzero = filled((random) => (random() < 0.5 ? -1 : 1) * (0.2 + random()));
/** At least 0.2 from every integer and every half. */
const fractional = filled((random) =>
  Math.floor(random() * 8) - 4 + (random() < 0.5 ? 0.25 : 0.7) + 0.05 * random()
);
/** All different: steps of 0.25 in random order, so that no two change places within a difference's step. */
const distinct: Values = (count, random, operand) => {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order.map((n) => 0.25 * (n - count / 2) + 0.1 * operand);
};
const integers = (low: number, high: number): Values =>
  filled((random) => low + Math.floor((high - low) * random()));
const booleans = integers(0, 2);
const listed = (...values: number[]): Values => () => values;

const op = (shape: readonly number[], values: Values = real, dtype?: DType): OperandSpec => ({
  shape,
  values,
  dtype,
});

const none = {};
/** Shapes for elementwise primitives: scalar, empty, size 1 and rank 5. */
const shapes: readonly (readonly number[])[] = [[], [0], [1], [3], [2, 3], [2, 0, 3], [
  1,
  2,
  1,
  3,
  2,
]];

function elementwise(
  ...values: readonly (Values | readonly [Values, DType])[]
): RuleCase<None>[] {
  return shapes.map((shape) => ({
    name: `shape [${shape}]`,
    params: none,
    operands: values.map((v) => typeof v === "function" ? op(shape, v) : op(shape, v[0], v[1])),
  }));
}

/** One discrete case and one small: for primitives that only take integers or bool. */
function discrete(
  dtype: DType,
  ...values: readonly Values[]
): RuleCase<None>[] {
  return [[], [2, 3], [0, 2]].map((shape) => ({
    name: `${dtype} [${shape}]`,
    params: none,
    operands: values.map((v) => op(shape, v, dtype)),
  }));
}

const unary = (values: Values) => elementwise(values);
const withIntegers = (values: Values) => [
  ...elementwise(values),
  ...discrete("int32", integers(-5, 5)),
];

function reductions(values: Values, empty: boolean): RuleCase<PrimitiveParams["reduceSum"]>[] {
  const cases: [readonly number[], readonly number[]][] = [
    [[3], [0]],
    [[2, 3], [0]],
    [[2, 3], [1]],
    [[2, 3], [0, 1]],
    [[2, 3], []],
    [[], []],
    [[2, 3, 2], [0, 2]],
    [[1, 3, 1], [0, 2]],
    [[2, 1, 3, 2, 1], [1, 3]],
    [[2, 1, 2, 2, 1], [0, 1, 2, 3, 4]],
    [[0, 3], [1]],
  ];
  if (empty) cases.push([[0, 3], [0]], [[2, 0], [0, 1]]);
  return cases.map(([shape, axes]) => ({
    name: `[${shape}] over [${axes}]`,
    params: { axes },
    operands: [op(shape, values)],
  }));
}

interface ConvCase extends Partial<ConvParams> {
  readonly input: readonly number[];
  readonly filter: readonly number[];
}

function convolution(name: string, given: ConvCase): RuleCase<PrimitiveParams["conv"]> {
  const { input, filter, ...rest } = given;
  const every = input.slice(2).map(() => 1);
  const params = {
    strides: every,
    padding: every.map((): [number, number] => [0, 0]),
    lhsDilation: every,
    rhsDilation: every,
    groups: 1,
    ...rest,
  };
  return { name, params, operands: [op(input), op(filter)] };
}

const convolutions: RuleCase<PrimitiveParams["conv"]>[] = [
  convolution("no spatial axis", { input: [2, 3], filter: [4, 3] }),
  convolution("1-d", { input: [2, 2, 5], filter: [3, 2, 3] }),
  convolution("1-d pointwise", { input: [2, 2, 4], filter: [3, 2, 1] }),
  convolution("1-d stride 2, a remainder", { input: [1, 2, 8], filter: [2, 2, 3], strides: [2] }),
  convolution("1-d stride beyond the kernel", {
    input: [1, 1, 9],
    filter: [2, 1, 2],
    strides: [4],
  }),
  convolution("1-d asymmetric padding", { input: [1, 2, 4], filter: [2, 2, 3], padding: [[2, 1]] }),
  convolution("1-d padding beyond the kernel's reach", {
    input: [1, 2, 3],
    filter: [2, 2, 2],
    padding: [[4, 3]],
  }),
  convolution("1-d padding beyond the reach, stride and both dilations", {
    input: [1, 2, 3],
    filter: [2, 2, 2],
    padding: [[6, 5]],
    strides: [2],
    lhsDilation: [3],
    rhsDilation: [2],
  }),
  convolution("1-d low padding only, stride 3", {
    input: [2, 1, 5],
    filter: [1, 1, 3],
    padding: [[5, 0]],
    strides: [3],
  }),
  convolution("1-d high padding beyond the reach", {
    input: [2, 1, 4],
    filter: [1, 1, 2],
    padding: [[0, 5]],
    strides: [2],
  }),
  convolution("1-d left dilation", { input: [1, 2, 4], filter: [2, 2, 3], lhsDilation: [2] }),
  convolution("1-d left dilation, stride, padding", {
    input: [1, 1, 4],
    filter: [1, 1, 4],
    lhsDilation: [3],
    strides: [2],
    padding: [[2, 3]],
  }),
  convolution("1-d right dilation", { input: [1, 2, 8], filter: [2, 2, 3], rhsDilation: [3] }),
  convolution("1-d filter as long as the input", { input: [2, 2, 3], filter: [2, 2, 3] }),
  convolution("1-d filter longer than the input: empty output", {
    input: [2, 2, 3],
    filter: [2, 2, 4],
  }),
  convolution("1-d filter longer than the input, padded", {
    input: [1, 2, 2],
    filter: [2, 2, 5],
    padding: [[2, 2]],
  }),
  convolution("no examples", { input: [0, 2, 4], filter: [3, 2, 2] }),
  convolution("no input channels", { input: [2, 0, 4], filter: [3, 0, 2] }),
  convolution("no output channels", { input: [2, 2, 4], filter: [0, 2, 2] }),
  convolution("empty input, padded", { input: [1, 2, 0], filter: [2, 2, 2], padding: [[2, 1]] }),
  convolution("empty input, padded beyond the reach, dilated", {
    input: [1, 2, 0],
    filter: [2, 2, 2],
    padding: [[4, 1]],
    lhsDilation: [2],
  }),
  convolution("2-d", { input: [2, 3, 4, 5], filter: [2, 3, 3, 2] }),
  convolution("2-d everything", {
    input: [2, 2, 4, 5],
    filter: [2, 2, 2, 3],
    strides: [2, 1],
    padding: [[1, 2], [0, 3]],
    lhsDilation: [1, 2],
    rhsDilation: [2, 1],
  }),
  convolution("2-d, one axis padded beyond the reach", {
    input: [1, 2, 3, 3],
    filter: [2, 2, 2, 3],
    strides: [2, 2],
    padding: [[3, 0], [1, 1]],
    lhsDilation: [2, 2],
  }),
  convolution("2-d groups", { input: [2, 4, 3, 4], filter: [6, 2, 2, 2], groups: 2 }),
  convolution("2-d groups, stride, padding, dilations", {
    input: [1, 4, 4, 4],
    filter: [2, 2, 2, 2],
    groups: 2,
    strides: [2, 1],
    padding: [[1, 0], [2, 2]],
    lhsDilation: [2, 1],
    rhsDilation: [1, 2],
  }),
  convolution("2-d depthwise", { input: [2, 3, 4, 4], filter: [3, 1, 3, 3], groups: 3 }),
  convolution("2-d depthwise, two filters a channel", {
    input: [1, 2, 4, 3],
    filter: [4, 1, 2, 2],
    groups: 2,
    padding: [[1, 1], [1, 1]],
  }),
  convolution("3-d", {
    input: [1, 2, 3, 3, 2],
    filter: [2, 2, 2, 2, 1],
    strides: [1, 2, 1],
    padding: [[1, 0], [0, 1], [1, 1]],
    rhsDilation: [1, 1, 2],
  }),
];

function dots(): RuleCase<PrimitiveParams["dotGeneral"]>[] {
  const dot = (
    name: string,
    left: readonly number[],
    right: readonly number[],
    batch: readonly (readonly [number, number])[],
    contract: readonly (readonly [number, number])[],
  ): RuleCase<PrimitiveParams["dotGeneral"]> => ({
    name,
    params: {
      lhsBatch: batch.map(([a]) => a),
      rhsBatch: batch.map(([, b]) => b),
      lhsContract: contract.map(([a]) => a),
      rhsContract: contract.map(([, b]) => b),
    },
    operands: [op(left), op(right)],
  });
  return [
    dot("matrix product", [2, 3], [3, 4], [], [[1, 0]]),
    dot("both transposed", [3, 2], [4, 3], [], [[0, 1]]),
    dot("inner product", [3], [3], [], [[0, 0]]),
    dot("outer product", [2, 2], [3], [], []),
    dot("scalars", [], [], [], []),
    dot("scalar by matrix", [], [2, 3], [], []),
    dot("elementwise", [2, 3], [3, 2], [[0, 1], [1, 0]], []),
    dot("batch and contract, scrambled", [2, 3, 4, 2, 3], [3, 2, 2, 4, 3], [[3, 1], [1, 4]], [
      [2, 3],
      [0, 2],
    ]),
    dot("contracted in opposite orders", [2, 3, 4], [4, 2, 3], [], [[2, 0], [0, 1]]),
    dot("three contracted, scrambled", [2, 3, 4], [3, 4, 2], [], [[1, 0], [0, 2], [2, 1]]),
    dot("three batch axes", [2, 3, 2, 2], [2, 2, 3, 2], [[2, 0], [0, 1], [1, 2]], []),
    dot("free axes around", [2, 3, 4], [5, 3, 2], [[0, 2]], [[1, 1]]),
    dot("nothing to sum", [2, 0], [0, 3], [], [[1, 0]]),
    dot("empty free axis", [0, 2], [2, 3], [], [[1, 0]]),
    dot("empty batch", [0, 2], [0, 2], [[0, 0]], [[1, 1]]),
    dot("size 1 everywhere", [1, 1, 1], [1, 1, 1], [[1, 2]], [[0, 1]]),
    {
      name: "integers",
      params: { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] },
      operands: [op([2, 3], integers(-4, 4), "int32"), op([3, 2], integers(-4, 4), "int32")],
    },
  ];
}

function windows(): RuleCase<PrimitiveParams["patches"]>[] {
  const window = (
    name: string,
    shape: readonly number[],
    kernel: readonly number[],
    strides = kernel.map(() => 1),
    dilation = kernel.map(() => 1),
  ): RuleCase<PrimitiveParams["patches"]> => ({
    name,
    params: { kernel, strides, dilation },
    operands: [op(shape)],
  });
  return [
    window("overlapping", [2, 5], [3]),
    window("only windows, no leading axis", [6], [2], [2]),
    window("strided with gaps and a remainder", [2, 8], [2], [3]),
    window("dilated", [1, 8], [3], [1], [2]),
    window("dilated, strided, overlapping", [1, 9], [3], [2], [2]),
    window("as long as the axis", [2, 4], [4]),
    window("longer than the axis", [2, 3], [4]),
    window("2-d", [2, 4, 5], [2, 3], [1, 2], [2, 1]),
    window("3-d, rank 5", [1, 2, 3, 3, 4], [2, 2, 2], [1, 1, 2]),
    window("no windowed axis", [2, 3], []),
    window("no leading elements", [0, 4], [2]),
  ];
}

/** The transposes of the same windows. */
function transposedWindows(): RuleCase<PrimitiveParams["patchesTranspose"]>[] {
  return windows().map(({ name, params, operands: [{ shape }] }) => {
    const n = params.kernel.length;
    const leading = shape.slice(0, shape.length - n);
    const sizes = shape.slice(leading.length);
    const counts = sizes.map((size, i) => {
      const room = size - (params.kernel[i] - 1) * params.dilation[i] - 1;
      return room < 0 ? 0 : Math.floor(room / params.strides[i]) + 1;
    });
    return {
      name,
      params: { ...params, sizes },
      operands: [op([...leading, ...params.kernel, ...counts])],
    };
  });
}

const sine = customVjp(
  (x: Tensor) => x.sin(),
  (x) => [x.sin(), x.cos()],
  (cosine, cotangent) => [cotangent.mul(cosine)],
);
const productRule = customJvp(
  (x: Tensor, y: Tensor) => x.mul(y.exp()),
  ([x, y], [tx, ty]) => tx.mul(y.exp()).add(ty.mul(x).mul(y.exp())),
);
const scrambled = (rank: number): number[] =>
  Array.from({ length: rank }, (_, i) => (i * 2 + 1) % rank);

/** Of `customDerivative`, the rule is what is applied; calls go through the public functions. */
const unusedRule = { rule: {}, output: 0 };

/** Cases of every primitive. */
export const ruleCases: { readonly [P in PrimitiveName]: readonly RuleCase<PrimitiveParams[P]>[] } =
  {
    constant: [{ name: "[2]", params: { shape: [2], dtype: "float64" }, operands: [] }],
    placeholder: [{ name: "[2]", params: { shape: [2], dtype: "float64" }, operands: [] }],
    full: [{ name: "[2]", params: { shape: [2], dtype: "float64", value: 3 }, operands: [] }],
    iota: [{ name: "[2]", params: { shape: [2], dtype: "float64", axis: 0 }, operands: [] }],
    randomBits: [0, 1, 5].map((length) => ({
      name: `length ${length}`,
      params: { length },
      operands: [op([2], integers(0, 4294967295), "uint32")],
    })),

    neg: withIntegers(real),
    abs: withIntegers(nonzero),
    sign: withIntegers(nonzero),
    floor: unary(fractional),
    ceil: unary(fractional),
    round: unary(fractional),
    exp: unary(real),
    expm1: unary(real),
    log: unary(positive),
    log1p: unary(between(-0.5, 2)),
    sqrt: unary(positive),
    rsqrt: unary(positive),
    sin: unary(real),
    cos: unary(real),
    atan: unary(nonzero),
    tanh: unary(real),
    sigmoid: unary(between(-3, 3)),
    erf: unary(real),

    add: [
      ...elementwise(real, real),
      ...discrete("bool", booleans, booleans),
    ],
    sub: elementwise(real, real),
    mul: [
      ...elementwise(real, real),
      ...discrete("int32", integers(-4, 4), integers(-4, 4)),
    ],
    div: elementwise(real, nonzero),
    quotient: discrete("int32", integers(-9, 9), integers(-3, 3)),
    remainder: [
      ...[1, -1].map((sign): RuleCase<PrimitiveParams["remainder"]> => ({
        name: `dividend of sign ${sign}`,
        params: none,
        // Quotients of 0.3 to 0.4 and 2.6 to 3.6 times: never near a jump.
        operands: [
          op([2, 2], listed(sign * 0.35, sign * 2.7, sign * 5.2, sign * 1.3)),
          op([2, 2], listed(1, -1.1, 1.2, -0.8)),
        ],
      })),
      ...discrete("int32", integers(-9, 9), integers(-3, 3)),
    ],
    pow: [
      ...elementwise(positive, nonzero),
      {
        name: "negative base, integer exponent",
        params: none,
        operands: [op([4], listed(-1.5, -0.7, -1, -2)), op([4], listed(3, 2, -1, -2))],
        by: [true, false],
      },
      {
        name: "exponents 0, 1, 2 and base 0",
        params: none,
        operands: [op([4], listed(0, 0, 0, 2)), op([4], listed(0, 1, 2, 0))],
        by: [true, false],
      },
    ],
    atan2: elementwise(nonzero, nonzero),
    maximum: elementwise(distinct, distinct),
    minimum: elementwise(distinct, distinct),
    bitAnd: discrete("int32", integers(-99, 99), integers(-99, 99)),
    bitOr: discrete("uint32", integers(0, 99), integers(0, 99)),
    bitXor: discrete("bool", booleans, booleans),
    shiftLeft: discrete("int32", integers(-99, 99), integers(0, 8)),
    shiftRight: discrete("int32", integers(-99, 99), integers(0, 8)),

    equal: elementwise(distinct, distinct),
    less: elementwise(distinct, distinct),
    lessEqual: elementwise(distinct, distinct),

    select: [
      ...elementwise([booleans, "bool"], real, real),
      ...discrete("bool", booleans, booleans, booleans),
    ],
    cast: [
      { name: "float64 to float64", params: { dtype: "float64" }, operands: [op([2, 3])] },
      {
        name: "float64 to float32",
        params: { dtype: "float32" },
        operands: [op([2, 3])],
        step: 0.05,
        tolerance: 1e-5,
      },
      {
        name: "float32 to float64",
        params: { dtype: "float64" },
        operands: [op([2, 3], real, "float32")],
        step: 0.05,
        tolerance: 1e-5,
      },
      { name: "float64 to int32", params: { dtype: "int32" }, operands: [op([2, 3], fractional)] },
      {
        name: "int32 to float64",
        params: { dtype: "float64" },
        operands: [op([2, 3], integers(-5, 5), "int32")],
      },
      {
        name: "bool to float64",
        params: { dtype: "float64" },
        operands: [op([3], booleans, "bool")],
      },
    ],
    bitcast: [
      {
        name: "float32 to int32",
        params: { dtype: "int32" },
        operands: [op([2, 2], real, "float32")],
        by: [false],
      },
      {
        name: "uint32 to float32",
        params: { dtype: "float32" },
        operands: [op([3], integers(0x3f800000, 0x40000000), "uint32")],
      },
    ],

    reshape: [
      [[2, 3], [3, 2]],
      [[6], [1, 2, 1, 3, 1]],
      [[], [1, 1]],
      [[1], []],
      [[0, 3], [2, 0]],
      [[2, 3, 4], [24]],
    ].map(([from, shape]) => ({
      name: `[${from}] to [${shape}]`,
      params: { shape },
      operands: [op(from)],
    })),
    permute: [
      { name: "scalar", params: { permutation: [] }, operands: [op([])] },
      { name: "identity", params: { permutation: [0, 1] }, operands: [op([2, 3])] },
      { name: "matrix", params: { permutation: [1, 0] }, operands: [op([2, 3])] },
      { name: "cycle", params: { permutation: [2, 0, 1] }, operands: [op([2, 3, 4])] },
      { name: "rank 5", params: { permutation: scrambled(5) }, operands: [op([1, 2, 3, 1, 2])] },
      { name: "empty", params: { permutation: [2, 0, 1] }, operands: [op([2, 0, 3])] },
    ],
    broadcast: [
      [[1], [3]],
      [[2, 1], [2, 3]],
      [[1, 3], [2, 3]],
      [[1, 1, 2, 1, 1], [2, 1, 2, 3, 1]],
      [[1], [0]],
      [[1], [1]],
      [[], []],
      [[0, 1], [0, 2]],
    ].map(([from, shape]) => ({
      name: `[${from}] to [${shape}]`,
      params: { shape },
      operands: [op(from)],
    })),
    slice: [
      { start: [1], limit: [3], step: [1], shape: [4] },
      { start: [0], limit: [5], step: [2], shape: [5] },
      { start: [1], limit: [5], step: [3], shape: [6] },
      { start: [2], limit: [2], step: [1], shape: [4] },
      { start: [4], limit: [4], step: [2], shape: [4] },
      { start: [0], limit: [0], step: [1], shape: [0] },
      { start: [], limit: [], step: [], shape: [] },
      { start: [1, 0, 2], limit: [2, 3, 4], step: [1, 2, 1], shape: [2, 3, 4] },
      {
        start: [0, 1, 0, 0, 1],
        limit: [2, 2, 1, 3, 2],
        step: [1, 1, 1, 2, 5],
        shape: [2, 2, 1, 3, 2],
      },
    ].map(({ shape, ...params }) => ({
      name: `[${shape}] from [${params.start}] to [${params.limit}] by [${params.step}]`,
      params,
      operands: [op(shape)],
    })),
    pad: [
      { low: [1], high: [2], interior: [0], value: 0, shape: [3] },
      { low: [0], high: [0], interior: [2], value: 7, shape: [3] },
      { low: [1, 0], high: [0, 2], interior: [1, 3], value: -1, shape: [2, 3] },
      { low: [2], high: [1], interior: [3], value: 5, shape: [0] },
      { low: [2], high: [1], interior: [3], value: 5, shape: [1] },
      { low: [], high: [], interior: [], value: 5, shape: [] },
      {
        low: [0, 1, 0, 2, 0],
        high: [1, 0, 0, 0, 1],
        interior: [0, 1, 0, 0, 2],
        value: 0,
        shape: [1, 2, 2, 1, 2],
      },
    ].map(({ shape, ...params }) => ({
      name:
        `[${shape}] by [${params.low}], [${params.high}], [${params.interior}] with ${params.value}`,
      params,
      operands: [op(shape)],
    })),
    flip: [
      [[3], [0]],
      [[2, 3], [0, 1]],
      [[2, 3], []],
      [[], []],
      [[2, 0], [1]],
      [[1, 2, 3, 2, 1], [1, 3, 4]],
    ].map(([shape, axes]) => ({
      name: `[${shape}] along [${axes}]`,
      params: { axes },
      operands: [op(shape)],
    })),
    concat: [
      { name: "one", params: { axis: 0 }, operands: [op([2])] },
      { name: "rows", params: { axis: 0 }, operands: [op([2, 3]), op([1, 3])] },
      {
        name: "columns, one empty",
        params: { axis: 1 },
        operands: [op([2, 3]), op([2, 0]), op([2, 1])],
      },
      { name: "all empty", params: { axis: 0 }, operands: [op([0, 2]), op([0, 2])] },
      { name: "rank 5", params: { axis: 3 }, operands: [op([1, 2, 1, 2, 2]), op([1, 2, 1, 1, 2])] },
      {
        name: "bool",
        params: { axis: 0 },
        operands: [op([2], booleans, "bool"), op([1], booleans, "bool")],
      },
    ],

    reduceSum: [
      ...reductions(real, true),
      { name: "int32", params: { axes: [1] }, operands: [op([2, 3], integers(-4, 4), "int32")] },
    ],
    reduceProd: [
      ...reductions(nonzero, true),
      { name: "one zero", params: { axes: [0] }, operands: [op([4], listed(2, 0, 3, -1))] },
      { name: "two zeros", params: { axes: [0] }, operands: [op([4], listed(2, 0, 3, 0))] },
      { name: "a long axis", params: { axes: [1] }, operands: [op([2, 9], nonzero)] },
    ],
    reduceMax: [
      ...reductions(distinct, false),
      { name: "bool", params: { axes: [0] }, operands: [op([3, 2], booleans, "bool")] },
    ],
    reduceMin: [
      ...reductions(distinct, false),
      { name: "int32", params: { axes: [0] }, operands: [op([3, 2], integers(-4, 4), "int32")] },
    ],
    argmax: [[[3], 0], [[2, 3], 0], [[2, 3], 1], [[2, 3, 2, 1, 2], 2], [[0, 3], 1]].map((
      [shape, axis],
    ) => ({
      name: `[${shape}] along ${axis}`,
      params: { axis: axis as number },
      operands: [op(shape as number[], distinct)],
    })),
    argmin: [[[3], 0], [[2, 3], 0], [[2, 3], 1], [[2, 1, 2, 3, 1], 3], [[0, 3], 1]].map((
      [shape, axis],
    ) => ({
      name: `[${shape}] along ${axis}`,
      params: { axis: axis as number },
      operands: [op(shape as number[], integers(-2, 2))],
      // Ties: the index jumps under any change.
      by: [false],
    })),
    cumsum: [false, true].flatMap((reverse) =>
      ([[[3], 0], [[2, 3], 0], [[2, 3], 1], [[0, 2], 0], [[1, 2, 3, 2, 1], 2]] as [
        number[],
        number,
      ][])
        .map(([shape, axis]) => ({
          name: `[${shape}] along ${axis}${reverse ? ", from the end" : ""}`,
          params: { axis, reverse },
          operands: [op(shape)],
        }))
    ),

    dotGeneral: dots(),
    conv: convolutions,
    patches: windows(),
    patchesTranspose: transposedWindows(),

    gather: [
      {
        name: "vector",
        params: { batchDims: 0 },
        operands: [op([4]), op([3], listed(2, 0, 2), "int32")],
      },
      {
        name: "rows, repeated, clamped",
        params: { batchDims: 0 },
        operands: [op([3, 2]), op([5], listed(1, 1, 9, -4, 0), "int32")],
      },
      {
        name: "one batch axis",
        params: { batchDims: 1 },
        operands: [op([2, 3]), op([2, 4], integers(0, 3), "int32")],
      },
      {
        name: "two batch axes and two behind",
        params: { batchDims: 2 },
        operands: [op([2, 1, 3, 2, 2]), op([2, 1, 2], integers(0, 3), "int32")],
      },
      {
        name: "no index",
        params: { batchDims: 0 },
        operands: [op([3, 2]), op([0], listed(), "int32")],
      },
      {
        name: "no index, nothing to index",
        params: { batchDims: 0 },
        operands: [op([0, 2]), op([0], listed(), "int32")],
      },
      {
        name: "empty batch",
        params: { batchDims: 1 },
        operands: [op([0, 3]), op([0, 2], listed(), "int32")],
      },
    ],
    scatterAdd: [
      {
        name: "vector, repeated",
        params: { batchDims: 0, size: 4 },
        operands: [op([3], listed(2, 0, 2), "int32"), op([3])],
      },
      {
        name: "rows, clamped",
        params: { batchDims: 0, size: 3 },
        operands: [op([4], listed(1, 7, -2, 1), "int32"), op([4, 2])],
      },
      {
        name: "one batch axis",
        params: { batchDims: 1, size: 3 },
        operands: [op([2, 4], integers(0, 3), "int32"), op([2, 4])],
      },
      {
        name: "two batch axes and two behind",
        params: { batchDims: 2, size: 3 },
        operands: [op([2, 1, 2], integers(0, 3), "int32"), op([2, 1, 2, 2, 2])],
      },
      {
        name: "no updates",
        params: { batchDims: 0, size: 2 },
        operands: [op([0], listed(), "int32"), op([0, 2])],
      },
      {
        name: "integers",
        params: { batchDims: 0, size: 2 },
        operands: [op([3], listed(1, 1, 0), "int32"), op([3], integers(-4, 4), "int32")],
      },
    ],
    argsort: [true, false].flatMap((descending) =>
      [[4], [2, 3], [2, 0], [1, 2, 1, 2, 3]].map((shape) => ({
        name: `[${shape}]${descending ? ", descending" : ""}`,
        params: { descending },
        operands: [op(shape, distinct)],
      }))
    ),

    alias: elementwise(real),
    stopGradient: elementwise(real).map((given) => ({ ...given, zero: true })),
    customDerivative: [
      {
        name: "customVjp",
        params: unusedRule,
        operands: [op([2, 3])],
        call: (x) => sine(x),
      },
      {
        name: "customJvp",
        params: unusedRule,
        operands: [op([2, 2]), op([2, 2])],
        call: (x, y) => productRule(x, y),
      },
      {
        name: "several outputs",
        params: unusedRule,
        operands: [op([3]), op([3])],
        call: (x, y) => {
          const both = customVjp(
            (a: Tensor, b: Tensor): Tensor[] => [a.mul(b), a.sin()],
            (a, b) => [[a.mul(b), a.sin()], [a, b]],
            ([a, b], [first, second]) => [
              first.mul(b).add(second.mul(a.cos())),
              first.mul(a),
            ],
          );
          const [product, wave] = both(x, y);
          return product.mul(wave);
        },
      },
      { name: "scalar", params: unusedRule, operands: [op([])], call: (x) => sine(x) },
      { name: "empty", params: unusedRule, operands: [op([0, 2])], call: (x) => sine(x) },
    ],
  };

/** The function that a case applies. */
export function functionOf<P extends PrimitiveName>(
  primitive: P,
  { params, call }: RuleCase<PrimitiveParams[P]>,
): TensorFunction {
  return call ?? ((...xs) => apply(primitive, params, ...xs));
}
