/**
 * Elementwise primitives: their partial derivatives in one table each.
 *
 * @module
 */

import { type DType, isFloat, isInteger } from "../../base/dtype.ts";
import { DTypeError, ShapeError } from "../../base/errors.ts";
import type {
  BinaryName,
  CompareName,
  PrimitiveName,
  PrimitiveParams,
  UnaryName,
} from "../../base/primitives.ts";
import { formatShape, sameShape } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import type { Tensor } from "../tensor.ts";
import {
  add,
  addDerivatives,
  binary,
  broadcast,
  cast,
  full,
  fullLike,
  insertAxis,
  moveAxis,
  mul,
  neg,
  scale,
  select,
  unary,
} from "./build.ts";
import type { Batched, Derivative, Rule, RuleTable } from "./rule.ts";

const div = (a: Tensor, b: Tensor): Tensor => binary("div", a, b);
const sub = (a: Tensor, b: Tensor): Tensor => binary("sub", a, b);
const square = (x: Tensor): Tensor => mul(x, x);
const plus = (x: Tensor, value: number): Tensor => add(x, fullLike(x, value));
/** value − x. */
const from = (value: number, x: Tensor): Tensor => sub(fullLike(x, value), x);

/** d y / d x of each unary primitive, from the operand x and the result y; null where it is zero everywhere. */
const unaryDerivatives: { [P in UnaryName]: ((x: Tensor, y: Tensor) => Tensor) | null } = {
  neg: (x) => fullLike(x, -1),
  abs: (x) => unary("sign", x),
  sign: null,
  floor: null,
  ceil: null,
  round: null,
  exp: (_, y) => y,
  expm1: (_, y) => plus(y, 1),
  log: (x) => div(fullLike(x, 1), x),
  log1p: (x) => div(fullLike(x, 1), plus(x, 1)),
  sqrt: (_, y) => div(fullLike(y, 0.5), y),
  rsqrt: (x, y) => scale(div(y, x), -0.5),
  sin: (x) => unary("cos", x),
  cos: (x) => neg(unary("sin", x)),
  atan: (x) => div(fullLike(x, 1), plus(square(x), 1)),
  tanh: (_, y) => from(1, square(y)),
  sigmoid: (_, y) => mul(y, from(1, y)),
  erf: (x) => scale(unary("exp", neg(square(x))), 2 / Math.sqrt(Math.PI)),
};

type Partial = ((a: Tensor, b: Tensor, y: Tensor) => Tensor) | null;

/** The share of a maximum's or minimum's derivative that goes to `winner`: 1, ½ at a tie, 0. */
function share(winner: Tensor, y: Tensor, loser: Tensor): Tensor {
  const tie = binary("equal", winner, loser);
  const one = select(tie, fullLike(y, 0.5), fullLike(y, 1));
  return select(binary("equal", winner, y), one, fullLike(y, 0));
}

/** ∂y/∂a and ∂y/∂b of each binary primitive; null where zero everywhere (or where the dtype is discrete). */
const binaryDerivatives: { [P in BinaryName]: readonly [Partial, Partial] } = {
  add: [(_a, _b, y) => fullLike(y, 1), (_a, _b, y) => fullLike(y, 1)],
  sub: [(_a, _b, y) => fullLike(y, 1), (_a, _b, y) => fullLike(y, -1)],
  mul: [(_a, b) => b, (a) => a],
  div: [(_a, b) => div(fullLike(b, 1), b), (_a, b, y) => neg(div(y, b))],
  quotient: [null, null],
  remainder: [
    (_a, _b, y) => fullLike(y, 1),
    (a, b) => {
      const ratio = div(a, b);
      const truncated = select(
        binary("less", ratio, fullLike(ratio, 0)),
        unary("ceil", ratio),
        unary("floor", ratio),
      );
      return neg(truncated);
    },
  ],
  pow: [
    // b·a^(b − 1). Where both are 0 that is 0·∞: another exponent makes it 0, and keeps ∞ out of its own derivatives.
    (a, b) => {
      const less = plus(b, -1);
      const atZero = select(binary("equal", a, fullLike(a, 0)), fullLike(b, 1), less);
      // Nested, so that with a known exponent the outer choice is made when the program is compiled.
      const exponent = select(binary("equal", b, fullLike(b, 0)), atZero, less);
      return mul(b, binary("pow", a, exponent));
    },
    // y·log a, and 0 where a = 0 and y = 0, as the limit from above is.
    (a, _b, y) => {
      const zero = fullLike(a, 0);
      const isZero = binary("equal", a, zero);
      return select(isZero, zero, mul(y, unary("log", select(isZero, fullLike(a, 1), a))));
    },
  ],
  atan2: [
    (a, b) => div(b, add(square(a), square(b))),
    (a, b) => neg(div(a, add(square(a), square(b)))),
  ],
  maximum: [(a, b, y) => share(a, y, b), (a, b, y) => share(b, y, a)],
  minimum: [(a, b, y) => share(a, y, b), (a, b, y) => share(b, y, a)],
  bitAnd: [null, null],
  bitOr: [null, null],
  bitXor: [null, null],
  shiftLeft: [null, null],
  shiftRight: [null, null],
};

/** The product of a derivative with a constant 1 or −1 needs no multiplication. */
function times(derivative: Tensor, factor: Tensor): Tensor {
  const operation = factor.operation;
  if (operation?.primitive === "full") {
    const { value } = operation.params as PrimitiveParams["full"];
    if (value === 1) return derivative;
    if (value === -1) return neg(derivative);
  }
  return mul(derivative, factor);
}

/** Brings operands of an elementwise primitive to one shape with the examples along axis 0. */
export function alignBatch(
  inputs: readonly Tensor[],
  axes: readonly (number | null)[],
  size: number,
): Tensor[] {
  return inputs.map((x, i) => {
    const axis = axes[i];
    if (axis !== null) return moveAxis(x, axis, 0);
    return broadcast(insertAxis(x, 0), [size, ...x.shape]);
  });
}

/**
 * The batching rule of every elementwise primitive. Where all operands that carry examples carry them along one axis,
 * they stay there, so that no axis is moved for nothing.
 */
function batchElementwise<P extends PrimitiveName>(primitive: P): Rule<P>["batch"] {
  return (inputs, axes, params, size): Batched => {
    const axis = axes.find((a) => a !== null)!;
    if (axes.every((a) => a === axis)) {
      return { tensor: apply(primitive, params, ...inputs), axis };
    }
    return { tensor: apply(primitive, params, ...alignBatch(inputs, axes, size)), axis: 0 };
  };
}

function dtypeError(name: string, inputs: readonly Tensor[], expected: string): DTypeError {
  return new DTypeError(
    `${name}: expected ${expected}, got ${inputs.map((x) => x.dtype).join(" and ")}`,
  );
}

function checkPair(name: string, a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) throw dtypeError(name, [a, b], "operands of one dtype");
  if (!sameShape(a.shape, b.shape)) {
    throw new ShapeError(
      `${name}: expected operands of one shape, got ${formatShape(a.shape)} and ${
        formatShape(b.shape)
      }`,
    );
  }
}

const signedUnary: readonly UnaryName[] = ["neg", "abs", "sign"];

function unaryRule<P extends UnaryName>(name: P): Rule<P> {
  const derivative = unaryDerivatives[name];
  return {
    infer([x]) {
      if (!isFloat(x.dtype) && !(signedUnary.includes(name) && isInteger(x.dtype))) {
        throw dtypeError(name, [x], "a floating point operand");
      }
      return x;
    },
    jvp: ({ inputs: [x], output }, [tangent]) =>
      derivative === null ? null : times(tangent!, derivative(x, output)),
    vjp: ({ inputs: [x], output }, cotangent) => [
      derivative === null ? null : times(cotangent, derivative(x, output)),
    ],
    batch: batchElementwise<P>(name),
  };
}

const onlyFloat: readonly BinaryName[] = ["div", "pow", "atan2"];
const onlyInteger: readonly BinaryName[] = ["quotient", "shiftLeft", "shiftRight"];
const onlyBits: readonly BinaryName[] = ["bitAnd", "bitOr", "bitXor"];

function checkBinaryDType(name: BinaryName, dtype: DType): string | null {
  if (onlyFloat.includes(name)) return isFloat(dtype) ? null : "floating point operands";
  if (onlyInteger.includes(name)) return isInteger(dtype) ? null : "integer operands";
  if (onlyBits.includes(name)) return isFloat(dtype) ? "integer or bool operands" : null;
  if (dtype === "bool" && name !== "add" && name !== "mul") return "numbers, not bool";
  return null;
}

function binaryRule<P extends BinaryName>(name: P): Rule<P> {
  const [first, second] = binaryDerivatives[name];
  return {
    infer([a, b]) {
      checkPair(name, a, b);
      const expected = checkBinaryDType(name, a.dtype);
      if (expected !== null) throw dtypeError(name, [a, b], expected);
      return a;
    },
    jvp({ inputs: [a, b], output }, [ta, tb]) {
      const fromA = ta === null || first === null ? null : times(ta, first(a, b, output));
      const fromB = tb === null || second === null ? null : times(tb, second(a, b, output));
      return addDerivatives(fromA, fromB);
    },
    vjp({ inputs: [a, b], output }, cotangent, wanted) {
      return [
        wanted[0] && first !== null ? times(cotangent, first(a, b, output)) : null,
        wanted[1] && second !== null ? times(cotangent, second(a, b, output)) : null,
      ];
    },
    batch: batchElementwise<P>(name),
  };
}

function compareRule<P extends CompareName>(name: P): Rule<P> {
  return {
    infer([a, b]) {
      checkPair(name, a, b);
      return { shape: a.shape, dtype: "bool" };
    },
    jvp: () => null,
    vjp: () => [null, null],
    batch: batchElementwise<P>(name),
  };
}

function tableOf<P extends PrimitiveName>(
  names: readonly P[],
  rule: (name: P) => Rule<P>,
): RuleTable<P> {
  return Object.fromEntries(names.map((name) => [name, rule(name)])) as unknown as RuleTable<P>;
}

/** Rules of all unary primitives. */
export const unaryRules: RuleTable<UnaryName> = tableOf(
  Object.keys(unaryDerivatives) as UnaryName[],
  unaryRule,
);

/** Rules of all binary primitives. */
export const binaryRules: RuleTable<BinaryName> = tableOf(
  Object.keys(binaryDerivatives) as BinaryName[],
  binaryRule,
);

/** Rules of the comparisons. */
export const compareRules: RuleTable<CompareName> = tableOf(
  ["equal", "less", "lessEqual"],
  compareRule,
);

/** Rules of select, cast and bitcast. */
export const selectRules: RuleTable<"select" | "cast" | "bitcast"> = {
  select: {
    infer([condition, a, b]) {
      if (condition.dtype !== "bool") throw dtypeError("select", [condition], "a bool condition");
      checkPair("select", a, b);
      if (!sameShape(condition.shape, a.shape)) {
        throw new ShapeError(
          `select: the condition has shape ${formatShape(condition.shape)}, the operands ${
            formatShape(a.shape)
          }; they must be equal`,
        );
      }
      return a;
    },
    jvp({ inputs: [condition, a] }, [, ta, tb]) {
      if (ta === null && tb === null) return null;
      const zero = full(a.shape, a.dtype, 0);
      return select(condition, ta ?? zero, tb ?? zero);
    },
    vjp({ inputs: [condition] }, cotangent, wanted) {
      const zero = fullLike(cotangent, 0);
      return [
        null,
        wanted[1] ? select(condition, cotangent, zero) : null,
        wanted[2] ? select(condition, zero, cotangent) : null,
      ];
    },
    batch: batchElementwise("select"),
  },
  cast: {
    infer: ([x], { dtype }) => ({ shape: x.shape, dtype }),
    jvp: ({ params, inputs: [x] }, [tangent]): Derivative =>
      isFloat(params.dtype) && isFloat(x.dtype) ? cast(tangent!, params.dtype) : null,
    vjp: ({ params, inputs: [x] }, cotangent) => [
      isFloat(params.dtype) && isFloat(x.dtype) ? cast(cotangent, x.dtype) : null,
    ],
    batch: batchElementwise("cast"),
  },
  bitcast: {
    infer([x], { dtype }) {
      for (const type of [x.dtype, dtype]) {
        if (type === "float64" || type === "bool") {
          throw dtypeError("bitcast", [x], "dtypes of 4 bytes (float32, int32, uint32)");
        }
      }
      return { shape: x.shape, dtype };
    },
    jvp: () => null,
    vjp: () => [null],
    batch: batchElementwise("bitcast"),
  },
};
