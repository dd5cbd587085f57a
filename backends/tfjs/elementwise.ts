/**
 * Elementwise primitives and leaves.
 *
 * @module
 */

import { allocate, castScalar, type DType } from "../../lib/base/dtype.ts";
import type {
  BinaryName,
  CompareName,
  ElementwiseName,
  UnaryName,
} from "../../lib/base/primitives.ts";
import type { ProgramNode } from "../../lib/compiler/program.ts";
import { onHost } from "./host.ts";
import type { TensorInfo } from "./load.ts";
import type { Operations } from "./operations.ts";
import type { Rule, Rules } from "./rule.ts";
import type { Value } from "./value.ts";

/** A kernel that does what the primitive says. */
function unary(kernel: string): Rule<UnaryName> {
  return (_node, [x], on) => on.unary(kernel, on.tensorOf(x));
}

/** A kernel that is too inexact in WebAssembly, where the host computes instead. */
function inexact(kernel: string): Rule<UnaryName> {
  return (node, inputs, on) => (on.readable ? onHost : unary(kernel))(node, inputs, on);
}

/** The same for two operands. */
function binary(kernel: string): Rule<BinaryName | CompareName> {
  return (_node, [a, b], on) => on.binary(kernel, on.tensorOf(a), on.tensorOf(b));
}

/** One rule for bool, another for the other dtypes. */
function withBool(numbers: Rule<BinaryName>, bool: string): Rule<BinaryName> {
  return (node, inputs, on) =>
    node.dtype === "bool" ? binary(bool)(node, inputs, on) : numbers(node, inputs, on);
}

/** Whether no element can be NaN. */
function isNeverNaN({ dtype, constant }: Value): boolean {
  return dtype !== "float32" || (constant !== undefined && !Number.isNaN(constant));
}

/** uint32 as int32 of the same order: moved by half the range, as adding wraps. */
export function inSignedOrder(x: TensorInfo, dtype: DType, on: Operations): TensorInfo {
  if (dtype !== "uint32" || !on.readable) return x;
  return on.binary("Add", x, scalar(x, -2147483648, on));
}

/** The larger or smaller of two. In WebAssembly the kernel keeps a NaN of its first operand only. */
function extreme(kernel: "Maximum" | "Minimum"): Rule<BinaryName> {
  return ({ dtype }, [a, b], on) => {
    const [x, y] = [a, b].map((value) => inSignedOrder(on.tensorOf(value), dtype, on));
    if (dtype === "uint32") return inSignedOrder(on.binary(kernel, x, y), dtype, on);
    if (kernel === "Maximum" && b.constant === 0 && dtype === "float32") return on.unary("Relu", x);
    if (isNeverNaN(b)) return on.binary(kernel, x, y);
    if (isNeverNaN(a)) return on.binary(kernel, y, x);
    // Where the second is NaN it comes first.
    const better = on.binary(kernel, x, y);
    const second = on.repeat(y, better.shape);
    return on.select(on.isNaN(second), second, better);
  };
}

/** A comparison; uint32 are brought to the order of int32. */
function compare(kernel: string): Rule<CompareName> {
  return (_node, inputs, on) => {
    const [x, y] = inputs.map((value) => inSignedOrder(on.tensorOf(value), value.dtype, on));
    return on.binary(kernel, x, y);
  };
}

/** One number that repeats to the shape of another tensor, in its type. */
function scalar(like: TensorInfo, value: number, on: Operations): TensorInfo {
  return on.fill(like.shape.map(() => 1), like.dtype, value);
}

/** The kernel takes integers through floats. */
function neg(node: ProgramNode, [x]: readonly Value[], on: Operations): TensorInfo {
  const tensor = on.tensorOf(x);
  return node.dtype === "float32"
    ? on.unary("Neg", tensor)
    : on.binary("Sub", scalar(tensor, 0, on), tensor);
}

const unaryRules: Rules<UnaryName> = {
  neg,
  abs: (node, [x], on) => {
    if (node.dtype === "float32") return unary("Abs")(node, [x], on);
    return node.dtype === "uint32"
      ? on.tensorOf(x)
      : on.binary("Maximum", on.tensorOf(x), neg(node, [x], on));
  },
  sign: (node, inputs, on) => {
    if (node.dtype === "uint32") return onHost(node, inputs, on);
    const x = on.tensorOf(inputs[0]);
    const zero = scalar(x, 0, on);
    const [above, below] = [on.binary("Less", zero, x), on.binary("Less", x, zero)].map((mask) =>
      on.cast(mask, x.dtype)
    );
    const sign = on.binary("Sub", above, below);
    return node.dtype === "float32" ? on.select(on.isNaN(x), x, sign) : sign;
  },
  floor: unary("Floor"),
  ceil: unary("Ceil"),
  round: unary("Round"),
  exp: unary("Exp"),
  expm1: unary("Expm1"),
  log: unary("Log"),
  log1p: inexact("Log1p"),
  sqrt: unary("Sqrt"),
  rsqrt: unary("Rsqrt"),
  sin: inexact("Sin"),
  cos: inexact("Cos"),
  atan: unary("Atan"),
  tanh: unary("Tanh"),
  sigmoid: unary("Sigmoid"),
  erf: unary("Erf"),
};

const binaryRules: Rules<BinaryName> = {
  add: withBool(binary("Add"), "LogicalOr"),
  sub: binary("Sub"),
  mul: withBool(binary("Multiply"), "LogicalAnd"),
  div: binary("RealDiv"),
  // Its integer division goes through floats, and its remainder has the divisor's sign.
  quotient: onHost,
  remainder: onHost,
  pow: binary("Pow"),
  atan2: binary("Atan2"),
  maximum: withBool(extreme("Maximum"), "LogicalOr"),
  minimum: withBool(extreme("Minimum"), "LogicalAnd"),
  bitAnd: withBool(binary("BitwiseAnd"), "LogicalAnd"),
  bitOr: withBool(onHost, "LogicalOr"),
  bitXor: withBool(onHost, "NotEqual"),
  shiftLeft: onHost,
  shiftRight: onHost,
};

const compareRules: Rules<CompareName> = {
  equal: binary("Equal"),
  less: compare("Less"),
  lessEqual: compare("LessEqual"),
};

/**
 * Casts. Kernels wrap floats that an integer cannot hold, and keep what is not 0 or 1 in a bool. On WebGPU what comes here is
 * stored as it is already, as integers are floats there.
 */
const cast: Rule<"cast"> = (node, inputs, on) => {
  const [{ dtype: from }] = inputs;
  const { dtype: to } = node;
  const type = on.typeOf(to);
  const x = on.tensorOf(inputs[0]);
  if (from === to || (x.dtype === type && type === "int32")) return x;
  if (to === "bool") return on.binary("NotEqual", x, scalar(x, 0, on));
  if (from === "bool" || (from === "int32" && to === "float32")) return on.cast(x, to);
  if (!on.readable && from !== "float32") return x;
  return onHost(node, inputs, on);
};

/** Elementwise primitives, and the leaves that need no operand. */
export const elementwiseRules: Rules<ElementwiseName> = {
  ...unaryRules,
  ...binaryRules,
  ...compareRules,
  select: (_node, [condition, a, b], on) =>
    on.select(on.dense(condition), on.dense(a), on.dense(b)),
  cast,
  bitcast: (node, inputs, on) =>
    inputs[0].dtype === node.dtype ||
      on.typeOf(inputs[0].dtype) === "int32" && on.typeOf(node.dtype) === "int32"
      ? on.tensorOf(inputs[0])
      : onHost(node, inputs, on),
  full: ({ shape, dtype, params: { value } }) => ({
    shape,
    dtype,
    stored: shape.map(() => 1),
    tensor: null,
    host: null,
    constant: castScalar(value, dtype),
  }),
  // Repeats along the other axes.
  iota: ({ shape, dtype, params: { axis } }) => {
    const host = allocate(dtype, shape[axis]);
    for (let i = 0; i < host.length; i++) host[i] = i;
    const stored = shape.map((n, d) => d === axis ? n : 1);
    return { shape, dtype, stored, tensor: null, host };
  },
};
