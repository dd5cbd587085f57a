/**
 * Functions that ONNX does not have, or not as exactly, from those that it has.
 *
 * @module
 */

import type { FileType, GraphWriter } from "./writer.ts";

/**
 * exp(x) − 1 without cancellation: with u = exp(x) rounded, (u − 1) · x / log(u), as the errors of u − 1 and of log(u) are
 * the same.
 *
 * @see Kahan's remark in N. Higham, Accuracy and Stability of Numerical Algorithms, section 1.14.1
 */
export function expm1(x: string, type: FileType, to: GraphWriter): string {
  const one = to.scalar(type, 1);
  const u = to.op("Exp", [x]);
  const less = to.op("Sub", [u, one]);
  const small = to.op("Less", [to.op("Abs", [x]), one]);
  // Elsewhere any number between will do: what is computed from it is not taken.
  const inside = to.op("Where", [small, x, to.scalar(type, 0.5)]);
  const power = to.op("Exp", [inside]);
  const ratio = to.op("Div", [inside, to.op("Log", [power])]);
  const near = to.op("Mul", [to.op("Sub", [power, one]), ratio]);
  const tiny = to.op("Equal", [u, one]);
  return to.op("Where", [tiny, x, to.op("Where", [small, near, less])]);
}

/** log(1 + x) without cancellation: with u = 1 + x rounded, log(u) · x / (u − 1). */
export function log1p(x: string, type: FileType, to: GraphWriter): string {
  const one = to.scalar(type, 1);
  const u = to.op("Add", [x, one]);
  const log = to.op("Log", [u]);
  const far = to.op("Or", [
    to.op("Equal", [u, one]),
    to.op("Not", [to.op("Less", [to.op("Abs", [x]), one])]),
  ]);
  const inside = to.op("Where", [far, to.scalar(type, 0.5), x]);
  const sum = to.op("Add", [inside, one]);
  const ratio = to.op("Div", [inside, to.op("Sub", [sum, one])]);
  const near = to.op("Mul", [to.op("Log", [sum]), ratio]);
  const tiny = to.op("Equal", [u, one]);
  return to.op("Where", [tiny, x, to.op("Where", [far, log, near])]);
}

/** 1 / (1 + exp(−x)), by exp(−|x|), which does not overflow: small results keep their digits. */
export function sigmoid(x: string, type: FileType, to: GraphWriter): string {
  const one = to.scalar(type, 1);
  const power = to.op("Exp", [to.op("Neg", [to.op("Abs", [x])])]);
  const positive = to.op("Less", [to.scalar(type, 0), x]);
  const top = to.op("Where", [positive, one, power]);
  return to.op("Div", [top, to.op("Add", [power, one])]);
}

/** Whether the sign bit is set, also of zeros. */
export function isNegative(x: string, type: FileType, to: GraphWriter): string {
  const zero = to.scalar(type, 0);
  const below = to.op("Less", [to.op("Reciprocal", [x]), zero]);
  return to.op("Or", [to.op("Less", [x, zero]), below]);
}

/** The angle of the point (x, y): by the arctangent of a ratio of at most 1, and where the point lies. */
export function atan2(y: string, x: string, type: FileType, to: GraphWriter): string {
  const number = (value: number): string => to.scalar(type, value);
  const [width, height] = [to.op("Abs", [x]), to.op("Abs", [y])];
  const [large, small] = [to.op("Max", [width, height]), to.op("Min", [width, height])];
  // 0 / 0 is 0, and ∞ / ∞ is 1 here.
  const equal = to.op("Equal", [large, small]);
  const none = to.op("Equal", [large, number(0)]);
  const plainRatio = to.op("Div", [small, large]);
  const ratio = to.op("Where", [none, number(0), to.op("Where", [equal, number(1), plainRatio])]);
  const angle = to.op("Atan", [ratio]);
  const steep = to.op("Less", [width, height]);
  const first = to.op("Where", [steep, to.op("Sub", [number(Math.PI / 2), angle]), angle]);
  const left = isNegative(x, type, to);
  const upper = to.op("Where", [left, to.op("Sub", [number(Math.PI), first]), first]);
  const below = isNegative(y, type, to);
  const found = to.op("Where", [below, to.op("Neg", [upper]), upper]);
  const missing = to.op("Or", [to.op("IsNaN", [x]), to.op("IsNaN", [y])]);
  return to.op("Where", [missing, number(NaN), found]);
}
