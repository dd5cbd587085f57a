/**
 * Folding of elementwise operations.
 *
 * @module
 */

import { castScalar, isFloat } from "../base/dtype.ts";
import type { BinaryName, CompareName, PrimitiveParams, UnaryName } from "../base/primitives.ts";
import { range, sameShape, type Shape, sizeOf } from "../base/shape.ts";
import type { ProgramNode } from "./program.ts";
import type { FoldRule, FoldRules, Rewriter } from "./rewriter.ts";
import { foldScalar } from "./scalar.ts";

/** A constant result, or the operation before its operands are broadcast. */
function foldOperands(r: Rewriter, node: ProgramNode): number | null {
  let constants = 0;
  let narrow: readonly number[] | null = null;
  let same = true;
  for (const input of node.inputs) {
    const operand = r.nodes[input];
    if (operand.primitive === "full") constants++;
    else if (operand.primitive === "broadcast") {
      const shape = r.shape(operand.inputs[0]);
      if (narrow === null) narrow = shape;
      else if (!sameShape(narrow, shape)) same = false;
    } else same = false;
  }
  if (constants === node.inputs.length) {
    const value = foldScalar(
      node.primitive,
      node.inputs.map((input) => r.constantOf(input)!),
      node.dtype,
    );
    return value === null ? null : r.full(node.shape, node.dtype, value);
  }
  if (same && narrow !== null) {
    return r.broadcast(withOperands(r, node, narrow), node.shape);
  }
  return constants === 0 ? foldReshapes(r, node) : null;
}

/** The operation on reshapes of one shape, before they are reshaped. */
function foldReshapes(r: Rewriter, node: ProgramNode): number | null {
  const source = r.operandOf(node.inputs[0], "reshape");
  if (source === null || node.inputs.length < 2) return null;
  const shape = r.shape(source);
  for (const input of node.inputs) {
    const operand = r.operandOf(input, "reshape");
    if (operand === null || !sameShape(r.shape(operand), shape)) return null;
  }
  return r.reshape(withOperands(r, node, shape), node.shape);
}

/** The operation on what the operands' shape operations read; constants take the new shape. */
function withOperands(r: Rewriter, node: ProgramNode, shape: Shape): number {
  const inputs = node.inputs.map((input) => {
    const value = r.constantOf(input);
    return value === null ? r.nodes[input].inputs[0] : r.full(shape, r.dtype(input), value);
  });
  return r.add({ ...node, inputs, shape });
}

const negation: FoldRule = (r, node) => r.operandOf(node.inputs[0], "neg") ?? foldOperands(r, node);

const addition: FoldRule = (r, node) => {
  const [a, b] = node.inputs;
  if (node.dtype === "bool") return foldOperands(r, node);
  if (r.constantOf(b) === 0) return a;
  if (r.constantOf(a) === 0) return b;
  if (isFloat(node.dtype)) {
    const negatedB = r.operandOf(b, "neg");
    if (negatedB !== null) return r.elementwise("sub", a, negatedB);
    const negatedA = r.operandOf(a, "neg");
    if (negatedA !== null) return r.elementwise("sub", b, negatedA);
  }
  return joinPads(r, node) ?? foldOperands(r, node);
};

/** Where a pad puts its operand along the only axis that it pads. */
interface Part {
  readonly operand: number;
  readonly axis: number;
  readonly start: number;
  readonly limit: number;
}

function partOf(r: Rewriter, id: number): Part | null {
  const node = r.nodes[id];
  if (node.primitive !== "pad") return null;
  const { low, high, interior, value } = node.params as PrimitiveParams["pad"];
  if (value !== 0 || interior.some((n) => n !== 0)) return null;
  const padded = range(low.length).filter((a) => low[a] > 0 || high[a] > 0);
  if (padded.length !== 1) return null;
  const [axis] = padded;
  return {
    operand: node.inputs[0],
    axis,
    start: low[axis],
    limit: node.shape[axis] - high[axis],
  };
}

/** Two pads that put their operands beside each other, as the derivative of slices does, are a concat in a pad. */
function joinPads(r: Rewriter, node: ProgramNode): number | null {
  const parts = node.inputs.map((input) => partOf(r, input));
  const [a, b] = parts;
  if (a === null || b === null || a.axis !== b.axis) return null;
  const [first, second] = a.start < b.start ? [a, b] : [b, a];
  if (first.limit > second.start) return null;
  const { axis } = first;
  const sized = (n: number): number[] => node.shape.map((size, d) => d === axis ? n : size);
  const gap = second.start - first.limit;
  const between = gap === 0 ? [] : [r.full(sized(gap), node.dtype, 0)];
  const total = second.limit - first.start;
  const joined = r.add({
    primitive: "concat",
    params: { axis },
    inputs: [first.operand, ...between, second.operand],
    shape: sized(total),
    dtype: node.dtype,
  });
  const only = (n: number): number[] => node.shape.map((_, d) => d === axis ? n : 0);
  return r.add({
    primitive: "pad",
    params: {
      low: only(first.start),
      high: only(node.shape[axis] - second.limit),
      interior: only(0),
      value: 0,
    },
    inputs: [joined],
    shape: node.shape,
    dtype: node.dtype,
  });
}

const subtraction: FoldRule = (r, node) => {
  const [a, b] = node.inputs;
  if (r.constantOf(b) === 0) return a;
  if (isFloat(node.dtype)) {
    const negated = r.operandOf(b, "neg");
    if (negated !== null) return r.elementwise("add", a, negated);
  }
  return foldOperands(r, node);
};

const multiplication: FoldRule = (r, node) => {
  const [a, b] = node.inputs;
  if (node.dtype === "bool") return foldOperands(r, node);
  if (r.constantOf(a) !== null && r.constantOf(b) === null) return r.elementwise("mul", b, a);
  const factor = r.constantOf(b);
  if (factor !== null && r.constantOf(a) === null) {
    if (factor === 1) return a;
    // 0·NaN and 0·∞ are NaN, so the other operand must be finite.
    if (factor === 0 && r.isFinite(a)) return b;
    if (factor === -1 && isFloat(node.dtype)) return r.elementwise("neg", a);
    const inner = r.nodes[a];
    if (inner.primitive === "mul" && isFloat(node.dtype)) {
      const innerFactor = r.constantOf(inner.inputs[1]);
      const product = innerFactor === null ? NaN : castScalar(innerFactor * factor, node.dtype);
      if (Number.isFinite(product) && Math.abs(product) > 1e-30) {
        return r.scale(inner.inputs[0], product);
      }
    }
  }
  return foldOperands(r, node);
};

const division: FoldRule = (r, node) => {
  const [a, b] = node.inputs;
  const divisor = r.constantOf(b);
  if (divisor === 1) return a;
  // Multiplying by the inverse of a power of two is exact.
  if (divisor !== null && r.constantOf(a) === null && isPowerOfTwo(divisor)) {
    return r.scale(a, 1 / divisor);
  }
  return foldOperands(r, node);
};

function isPowerOfTwo(x: number): boolean {
  const exponent = Math.log2(Math.abs(x));
  return Number.isInteger(exponent) && Math.abs(exponent) < 100;
}

const extremum: FoldRule = (r, node) =>
  node.inputs[0] === node.inputs[1] ? node.inputs[0] : foldOperands(r, node);

const selection: FoldRule = (r, node) => {
  const [condition, a, b] = node.inputs;
  if (a === b) return a;
  const value = r.constantOf(condition);
  if (value !== null) return value !== 0 ? a : b;
  const allConstant = r.constantOf(a) !== null && r.constantOf(b) !== null;
  if (allConstant && r.constantOf(a) === 1 && r.constantOf(b) === 0) {
    return r.add({
      primitive: "cast",
      params: { dtype: node.dtype },
      inputs: [condition],
      shape: node.shape,
      dtype: node.dtype,
    });
  }
  return foldOperands(r, node);
};

const casting: FoldRule = (r, node) => {
  const [x] = node.inputs;
  const operand = r.nodes[x];
  if (operand.dtype === node.dtype) return x;
  const value = r.constantOf(x);
  if (value !== null) {
    const result = castScalar(value, node.dtype);
    // Between integers a cast wraps: what does not fit is left to the backend.
    if (isFloat(operand.dtype) || node.dtype === "bool" || result === value) {
      return r.full(node.shape, node.dtype, result);
    }
    return null;
  }
  // Indices up to 2^24 are exact in every dtype.
  if (operand.primitive === "iota" && node.dtype !== "bool" && sizeOf(node.shape) < 1 << 24) {
    const { axis } = operand.params as PrimitiveParams["iota"];
    const params = { shape: node.shape, dtype: node.dtype, axis };
    return r.add({ ...node, primitive: "iota", params, inputs: [] });
  }
  return foldOperands(r, node);
};

const plain: readonly (UnaryName | BinaryName | CompareName)[] = [
  "abs",
  "sign",
  "floor",
  "ceil",
  "round",
  "exp",
  "expm1",
  "log",
  "log1p",
  "sqrt",
  "rsqrt",
  "sin",
  "cos",
  "atan",
  "tanh",
  "sigmoid",
  "erf",
  "quotient",
  "remainder",
  "pow",
  "atan2",
  "bitAnd",
  "bitOr",
  "bitXor",
  "shiftLeft",
  "shiftRight",
  "equal",
  "less",
  "lessEqual",
];

/** Rules of elementwise primitives. */
export const elementwiseFolds: FoldRules = {
  ...Object.fromEntries(plain.map((name) => [name, foldOperands])),
  neg: negation,
  add: addition,
  sub: subtraction,
  mul: multiplication,
  div: division,
  maximum: extremum,
  minimum: extremum,
  select: selection,
  cast: casting,
};
