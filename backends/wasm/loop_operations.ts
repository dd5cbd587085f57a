/**
 * Code for the scalar operations of a loop's body, on vectors.
 *
 * A vector holds four elements of 32 bits, or two elements of any dtype, where those of 32 bits take the two lower
 * lanes. Bool is a mask of 32 bits while it is in a vector.
 *
 * @module
 */
import type { DType } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type {
  FunctionBuilder,
  FunctionReference,
  Local,
  ModuleBuilder,
  OpName,
} from "./assembler.ts";
import { emitMath, isInlined, isMathName, mathFunction } from "./math.ts";
import { Lanes, type LaneStyle } from "./math_lanes.ts";

/** How many elements a vector holds. */
export type LaneCount = 2 | 4;

/** An operand: where it is, and its value if it is the same constant everywhere. */
export interface Operand {
  readonly local: Local;
  readonly dtype: DType;
  readonly constant?: number;
}

/** Whether an operation's code has constants that are worth keeping in locals. */
export function wantsConstants(op: string, dtype: DType): boolean {
  return isInlined(op) && (dtype === "float32" || dtype === "float64");
}

/** The calls that an operation may need, collected before its function is built. */
export function neededFunction(
  module: ModuleBuilder,
  op: string,
  dtype: DType,
  fused: boolean,
): FunctionReference | null {
  if (!isMathName(op) || (dtype !== "float32" && dtype !== "float64")) return null;
  return mathFunction(module, op, dtype === "float64" ? "f64x2" : "f32x4", fused);
}

/** Pushes a constant of the dtype in every lane. */
export function pushConstant(f: FunctionBuilder, dtype: DType, value: number): void {
  if (dtype === "float32") f.f32x4Splat(value);
  else if (dtype === "float64") f.f64x2Splat(value);
  else if (dtype === "bool") f.i32x4Splat(value === 0 ? 0 : -1);
  else f.i32x4Splat(value | 0);
}

/** mask of 32-bit lanes 0 and 1 → mask of 64-bit lanes. */
function widenMask(f: FunctionBuilder, mask: Local): void {
  f.get(mask).get(mask).shuffle32([0, 0, 1, 1]);
}

/** 64-bit mask on the stack → the same in 32-bit lanes 0 and 1. */
function narrowMask(f: FunctionBuilder): void {
  const wide = f.local("v128");
  f.tee(wide).get(wide).shuffle32([0, 2, 0, 2]);
}

/** Applies a scalar i32 operation lane by lane: the operands are pushed by `lane`. */
function byLane(f: FunctionBuilder, lanes: number, lane: (i: number) => void): void {
  for (let i = 0; i < lanes; i++) {
    if (i > 0) {
      lane(i);
      f.lane("i32x4.replace_lane", i);
    } else {
      lane(0);
      f.op("i32x4.splat");
    }
  }
}

/** Pushes the result of an operation on its operands. */
export function emitOperation(
  module: ModuleBuilder,
  f: FunctionBuilder,
  op: string,
  dtype: DType,
  args: readonly Operand[],
  lanes: LaneCount,
  style: LaneStyle,
): void {
  if (op === "cast") return emitCast(f, args[0], dtype);
  if (op === "bitcast") return emitBitcast(f, args[0], dtype);
  if (op === "select") {
    f.get(args[1].local).get(args[2].local);
    if (dtype === "float64") widenMask(f, args[0].local);
    else f.get(args[0].local);
    f.op(style.fused ? "i32x4.relaxed_laneselect" : "v128.bitselect");
    return;
  }
  switch (args[0].dtype) {
    case "float32":
      return emitFloat(module, f, op, "f32x4", args, style);
    case "float64":
      return emitFloat(module, f, op, "f64x2", args, style);
    case "bool":
      return emitBool(f, op, args);
    default:
      return emitInteger(f, op, args, lanes);
  }
}

/** An operation on floats. */
function emitFloat(
  module: ModuleBuilder,
  f: FunctionBuilder,
  op: string,
  shape: "f32x4" | "f64x2",
  args: readonly Operand[],
  style: LaneStyle,
): void {
  const l = new Lanes(f, shape, style);
  const a = args[0].local;
  const b = args[1]?.local;
  const constant = args[1]?.constant;
  switch (op) {
    case "neg":
    case "abs":
    case "floor":
    case "ceil":
    case "sqrt":
      return l.push(l.float(op, a));
    case "round":
      return l.push(l.float("nearest", a));
    case "rsqrt":
      return l.push(l.div(1, l.float("sqrt", a)));
    case "sign":
      return l.push(
        l.pick(
          l.bits("or", l.float("lt", a, 0), l.float("gt", a, 0)),
          l.withSign(1, l.signOf(a)),
          a,
        ),
      );
    case "add":
    case "sub":
    case "mul":
    case "div":
      return l.push(l.float(op, a, b));
    case "maximum":
    case "minimum": {
      // Against a constant, NaN can only come from the other side, and one comparison decides.
      // (−0 and 0 compare as equal but are ordered: the zero that loses to the other takes the full instruction.)
      const worse = op === "maximum" ? -0 : 0;
      const known = [1, 0].find((i) =>
        !Number.isNaN(args[i].constant ?? NaN) && !Object.is(args[i].constant, worse)
      );
      const name = op === "maximum" ? "max" : "min";
      if (known === undefined) return l.push(l.float(name, a, b));
      const c = args[known].local;
      const x = args[1 - known].local;
      const loses = l.float(op === "maximum" ? "le" : "ge", x, c);
      // Zero: the other's bits are cleared where it loses.
      if (op === "maximum" && args[known].constant === 0) return l.push(l.bits("andnot", x, loses));
      return l.push(l.pick(loses, c, x));
    }
    case "equal":
    case "less":
    case "lessEqual": {
      const name = { equal: "eq", less: "lt", lessEqual: "le" }[op];
      l.push(l.float(name, a, b));
      if (shape === "f64x2") narrowMask(f);
      return;
    }
    case "pow":
      if (constant === 1) return l.push(a);
      if (constant === 2) return l.push(l.mul(a, a));
      if (constant === 3) return l.push(l.mul(l.mul(a, a), a));
      if (constant === -1) return l.push(l.div(1, a));
      break;
  }
  if (!isMathName(op)) throw unknownOperation(op, shape);
  emitMath(module, f, op, shape, args.map((arg) => arg.local), style);
}

/** An operation on masks. */
function emitBool(f: FunctionBuilder, op: string, args: readonly Operand[]): void {
  const a = args[0].local;
  const b = args[1]?.local;
  switch (op) {
    case "add":
    case "bitOr":
    case "maximum":
      f.get(a).get(b).op("v128.or");
      return;
    case "mul":
    case "bitAnd":
    case "minimum":
      f.get(a).get(b).op("v128.and");
      return;
    case "bitXor":
      f.get(a).get(b).op("v128.xor");
      return;
    case "equal":
      f.get(a).get(b).op("i32x4.eq");
      return;
    case "less":
      f.get(b).get(a).op("v128.andnot");
      return;
    case "lessEqual":
      f.get(a).op("v128.not").get(b).op("v128.or");
      return;
    default:
      throw unknownOperation(op, "bool");
  }
}

/** An operation on int32 or uint32. */
function emitInteger(
  f: FunctionBuilder,
  op: string,
  args: readonly Operand[],
  lanes: LaneCount,
): void {
  const signed = args[0].dtype === "int32";
  const suffix = signed ? "_s" : "_u";
  const a = args[0].local;
  const b = args[1]?.local;
  const binary = (name: string) => f.get(a).get(b).op(name as OpName);
  switch (op) {
    case "neg":
      f.get(a).op("i32x4.neg");
      return;
    case "abs":
      f.get(a);
      if (signed) f.op("i32x4.abs");
      return;
    case "sign":
      if (signed) f.get(a).i32x4Splat(-1).op("i32x4.max_s").i32x4Splat(1).op("i32x4.min_s");
      else f.get(a).i32x4Splat(1).op("i32x4.min_u");
      return;
    case "add":
    case "sub":
    case "mul":
      binary(`i32x4.${op}`);
      return;
    case "maximum":
      binary(`i32x4.max${suffix}`);
      return;
    case "minimum":
      binary(`i32x4.min${suffix}`);
      return;
    case "bitAnd":
      binary("v128.and");
      return;
    case "bitOr":
      binary("v128.or");
      return;
    case "bitXor":
      binary("v128.xor");
      return;
    case "equal":
      binary("i32x4.eq");
      return;
    case "less":
      binary(`i32x4.lt${suffix}`);
      return;
    case "lessEqual":
      binary(`i32x4.le${suffix}`);
      return;
    case "shiftLeft":
    case "shiftRight": {
      const name = op === "shiftLeft" ? "shl" : `shr${suffix}`;
      const count = args[1].constant;
      if (count !== undefined) {
        f.get(a).i32(count & 31).op(`i32x4.${name}` as OpName);
        return;
      }
      byLane(f, lanes, (i) => {
        f.get(a).lane("i32x4.extract_lane", i).get(b).lane("i32x4.extract_lane", i);
        f.op(`i32.${name}` as OpName);
      });
      return;
    }
    case "quotient":
      emitQuotient(f, a, b, signed);
      return;
    case "remainder": {
      // a − quotient·b, which is a for a zero divisor: mask it.
      const q = f.local("v128");
      emitQuotient(f, a, b, signed);
      f.set(q);
      f.get(a).get(q).get(b).op("i32x4.mul").op("i32x4.sub");
      f.get(b).i32x4Splat(0).op("i32x4.ne").op("v128.and");
      return;
    }
    default:
      throw unknownOperation(op, args[0].dtype);
  }
}

/** The integer quotient by division in float64, which is exact after truncation for 32 bits. */
function emitQuotient(f: FunctionBuilder, a: Local, b: Local, signed: boolean): void {
  const convert: OpName = signed ? "f64x2.convert_low_i32x4_s" : "f64x2.convert_low_i32x4_u";
  const truncate: OpName = signed ? "i32x4.trunc_sat_f64x2_s_zero" : "i32x4.trunc_sat_f64x2_u_zero";
  const half = (upper: boolean) => {
    for (const x of [a, b]) {
      f.get(x);
      if (upper) f.get(x).shuffle32([2, 3, 2, 3]);
      f.op(convert);
    }
    f.op("f64x2.div").op(truncate);
  };
  const quotient = f.local("v128");
  half(false);
  half(true);
  f.shuffle32([0, 1, 4, 5]);
  // A zero divisor gave infinity or NaN.
  f.get(b).i32x4Splat(0).op("i32x4.ne").op("v128.and");
  if (!signed) return;
  // −2^31 / −1 saturated; wrapped it is −a.
  f.set(quotient);
  f.get(a).op("i32x4.neg").get(quotient).get(b).i32x4Splat(-1).op("i32x4.eq");
  f.op("v128.bitselect");
}

/** A conversion to another dtype: saturating, and x ≠ 0 for bool. */
function emitCast(f: FunctionBuilder, x: Operand, to: DType): void {
  const from = x.dtype;
  f.get(x.local);
  if (from === to) return;
  if (from === "bool") {
    // 0 or 1 of the other type.
    if (to === "float64") f.op("i32x4.neg").op("f64x2.convert_low_i32x4_s");
    else if (to === "float32") f.f32x4Splat(1).op("v128.and");
    else f.op("i32x4.neg");
    return;
  }
  if (to === "bool") {
    if (from === "float32") f.f32x4Splat(0).op("f32x4.ne");
    else if (from === "float64") {
      f.f64x2Splat(0).op("f64x2.ne");
      narrowMask(f);
    } else f.i32x4Splat(0).op("i32x4.ne");
    return;
  }
  const names: Record<string, OpName> = {
    "float32 float64": "f64x2.promote_low_f32x4",
    "float32 int32": "i32x4.trunc_sat_f32x4_s",
    "float32 uint32": "i32x4.trunc_sat_f32x4_u",
    "float64 float32": "f32x4.demote_f64x2_zero",
    "float64 int32": "i32x4.trunc_sat_f64x2_s_zero",
    "float64 uint32": "i32x4.trunc_sat_f64x2_u_zero",
    "int32 float32": "f32x4.convert_i32x4_s",
    "int32 float64": "f64x2.convert_low_i32x4_s",
    "uint32 float32": "f32x4.convert_i32x4_u",
    "uint32 float64": "f64x2.convert_low_i32x4_u",
  };
  // Between int32 and uint32 the bits stay: integers wrap, only floats saturate.
  const name: OpName | undefined = names[`${from} ${to}`];
  if (name !== undefined) f.op(name);
}

/** The same bits as another dtype of 32 bits; bool counts as 0 or 1. */
function emitBitcast(f: FunctionBuilder, x: Operand, to: DType): void {
  if (x.dtype === "float64" || to === "float64") {
    throw new BackendError(
      `bitcast from ${x.dtype} to ${to}: only dtypes of 4 bytes have bits in common`,
    );
  }
  f.get(x.local);
  if (x.dtype === "bool" && to !== "bool") f.op("i32x4.neg");
  else if (to === "bool" && x.dtype !== "bool") f.i32x4Splat(0).op("i32x4.ne");
}

/** The error for an operation that a dtype does not have. */
function unknownOperation(op: string, dtype: string): BackendError {
  return new BackendError(
    `${op} on ${dtype}: the WebAssembly backend has no code for it; cast the operands first`,
  );
}
