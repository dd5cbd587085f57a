/**
 * The functions of a module that compute transcendental functions on vectors, added when first asked for.
 *
 * There are two forms. The strict one uses no relaxed instructions, so that all engines and processors agree to the last
 * bit. The fused one needs multiply-adds that round once, and is only made where they do: then it is the same everywhere
 * too, faster, and no less accurate.
 *
 * @module
 */
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import {
  exponential,
  exponentialMinusOne,
  hyperbolicTangent,
  logarithm,
  logarithmOfOnePlus,
  logisticSigmoid,
} from "./math_exponential.ts";
import { Lanes, type LaneShape, type LaneStyle, type Term } from "./math_lanes.ts";
import { addRemainder, errorFunction, power } from "./math_power.ts";
import {
  addReduceHuge,
  arcTangent,
  arcTangent2,
  promoteHalf,
  sineOrCosine,
  sineOrCosine32,
} from "./math_trigonometric.ts";

/** Primitives that need more than one instruction or two on floats. */
export type MathName =
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "sin"
  | "cos"
  | "atan"
  | "tanh"
  | "sigmoid"
  | "erf"
  | "pow"
  | "atan2"
  | "remainder";

/** All of them. */
export const mathNames: readonly MathName[] = [
  "exp",
  "expm1",
  "log",
  "log1p",
  "sin",
  "cos",
  "atan",
  "tanh",
  "sigmoid",
  "erf",
  "pow",
  "atan2",
  "remainder",
];

/** Whether a primitive on floats is one of them. */
export function isMathName(name: string): name is MathName {
  return (mathNames as readonly string[]).includes(name);
}

/** The ones with two operands. */
const binaryNames: readonly MathName[] = ["pow", "atan2", "remainder"];

/** What was added to a module so far. */
const added = new WeakMap<ModuleBuilder, Map<string, FunctionReference>>();

/** The module's function of that key, made when it is not there yet. */
export function sharedFunction(
  module: ModuleBuilder,
  key: string,
  make: () => FunctionReference,
): FunctionReference {
  let functions = added.get(module);
  if (functions === undefined) added.set(module, functions = new Map());
  let reference = functions.get(key);
  if (reference === undefined) functions.set(key, reference = make());
  return reference;
}

/** The function that computes `name` on vectors of the shape: v128 (or two) → v128. */
export function mathFunction(
  module: ModuleBuilder,
  name: MathName,
  shape: LaneShape,
  fused: boolean,
): FunctionReference {
  return sharedFunction(module, `${name} ${shape} ${fused}`, () => {
    const parameters = binaryNames.includes(name) ? ["v128", "v128"] as const : ["v128"] as const;
    const helpers = helpersOf(module, name);
    return module.addFunction(`${name}_${shape}`, parameters, ["v128"], (f) => {
      const operands = parameters.map((_, i) => f.parameter(i));
      const l = new Lanes(f, shape, { fused, pool: null });
      l.push(
        shape === "f64x2" ? body64(l, name, operands, helpers) : body32(l, name, operands, helpers),
      );
    });
  });
}

/**
 * Pushes `name` of a vector, by code in place where that is short and constants can be shared, else by a call. The result
 * is the same to the last bit.
 */
export function emitMath(
  module: ModuleBuilder,
  f: FunctionBuilder,
  name: MathName,
  shape: LaneShape,
  operands: readonly Local[],
  style: LaneStyle,
): void {
  const l = new Lanes(f, shape, style);
  const term = style.pool === null ? null : common(l, name, operands[0]);
  if (term !== null) {
    l.push(term);
    return;
  }
  for (const operand of operands) f.get(operand);
  f.call(mathFunction(module, name, shape, style.fused));
}

/** Whether `emitMath` writes the function in place. */
export function isInlined(name: string): boolean {
  return inlinedNames.includes(name);
}

const inlinedNames: readonly string[] = [
  "exp",
  "expm1",
  "log",
  "log1p",
  "tanh",
  "sigmoid",
  "erf",
];

/** The scalar functions that a body calls; they are added before it. */
function helpersOf(module: ModuleBuilder, name: MathName): FunctionReference[] {
  if (name === "sin" || name === "cos") {
    return [sharedFunction(module, "reduceHuge", () => addReduceHuge(module))];
  }
  if (name === "remainder") {
    return [sharedFunction(module, "remainder", () => addRemainder(module))];
  }
  return [];
}

/** The terms that float32 and float64 share. */
function common(l: Lanes, name: MathName, x: Local): Term | null {
  switch (name) {
    case "exp":
      return exponential(l, x);
    case "expm1":
      return exponentialMinusOne(l, x);
    case "log":
      return logarithm(l, x);
    case "log1p":
      return logarithmOfOnePlus(l, x);
    case "tanh":
      return hyperbolicTangent(l, x);
    case "sigmoid":
      return logisticSigmoid(l, x);
    case "erf":
      return errorFunction(l, x);
    default:
      return null;
  }
}

/** The computation in float64, `precise` as far as float64 goes or only enough for a float32. */
function body64(
  l: Lanes,
  name: MathName,
  operands: readonly Local[],
  helpers: readonly FunctionReference[],
  precise = true,
): Term {
  const [x, y] = operands;
  switch (name) {
    case "sin":
      return sineOrCosine(l, x, false, helpers[0]);
    case "cos":
      return sineOrCosine(l, x, true, helpers[0]);
    case "atan":
      return arcTangent(l, x);
    case "atan2":
      return arcTangent2(l, x, y);
    case "pow":
      return power(l, x, y, precise);
    case "remainder":
      return precise ? remainderByLane(l.f, x, y, helpers[0]) : quickRemainder(l, x, y, helpers[0]);
    default:
      return common(l, name, x)!;
  }
}

/** The computation in float32, or in float64 on halves where that is simpler and nearly exact. */
function body32(
  l: Lanes,
  name: MathName,
  operands: readonly Local[],
  helpers: readonly FunctionReference[],
): Term {
  if (name === "sin" || name === "cos") {
    return sineOrCosine32(l, operands[0], name === "cos", helpers[0]);
  }
  const native = common(l, name, operands[0]);
  if (native !== null) return native;
  return () => {
    const wide = new Lanes(l.f, "f64x2", { fused: l.fused, pool: null });
    const halves = [false, true].map((upper) => {
      const promoted = operands.map((x) => wide.keep(promoteHalf(l.f, x, upper)));
      return wide.keep(body64(wide, name, promoted, helpers, false));
    });
    for (const half of halves) l.f.get(half).op("f32x4.demote_f64x2_zero");
    l.f.shuffle32([0, 1, 4, 5]);
  };
}

/** Each lane by the scalar function. */
function remainderByLane(f: FunctionBuilder, x: Local, y: Local, scalar: FunctionReference): Term {
  return () => {
    for (const lane of [0, 1]) {
      if (lane === 1) f.op("f64x2.splat");
      f.get(x).lane("f64x2.extract_lane", lane).get(y).lane("f64x2.extract_lane", lane);
      f.call(scalar);
    }
    f.lane("f64x2.replace_lane", 1);
  };
}

/** For operands of 24 bits: one step is exact where the quotient is below 2^28; other lanes go one by one. */
function quickRemainder(l: Lanes, x: Local, y: Local, scalar: FunctionReference): Term {
  return () => {
    const a = l.keep(l.abs(x));
    const b = l.keep(l.abs(y));
    const q = l.keep(l.float("trunc", l.div(a, b)));
    const r = l.keep(l.sub(a, l.mul(q, b)));
    // Rounding may have taken the quotient up to the next integer.
    const fixed = l.keep(l.pick(l.float("lt", r, 0), l.add(r, b), r));
    const result = l.keep(l.withSign(fixed, l.signOf(x)));
    const easy = l.bits("and", l.float("lt", q, 2 ** 28), l.float("lt", b, Infinity));
    l.anyTrue(l.bits("not", easy));
    l.f.if_(() => {
      l.push(remainderByLane(l.f, x, y, scalar));
      l.f.set(result);
    });
    l.f.get(result);
  };
}
