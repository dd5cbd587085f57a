/**
 * Bits and remainders.
 *
 * @module
 */

import { isFloat } from "../../base/dtype.ts";
import { applyBinary, broadcastPair, remainder } from "../../core/operations/arithmetic.ts";
import { apply } from "../../core/apply.ts";
import { fullLike, select } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, integer, required, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { bitsOf, wrap } from "./types.ts";

/** A bitwise operator of two operands. */
function bitwise(name: string, primitive: "bitAnd" | "bitOr" | "bitXor"): Operator {
  return operator({
    name,
    since: [18],
    inputs: 2,
    run: (c) => applyBinary(primitive, c.tensor(0), c.tensor(1), name),
  });
}

/** x with its bits moved; what leaves the type is lost, and counts outside the type move everything out. */
function shift(c: OperatorContext, left: boolean): Tensor {
  const [x, count] = broadcastPair(c.tensor(0), c.tensor(1), "BitShift");
  const bits = bitsOf(c.type(0));
  // As uint32, a negative count is a large one.
  const unsigned = count.dtype === "int32" ? apply("bitcast", { dtype: "uint32" }, count) : count;
  const inside = apply("less", {}, unsigned, fullLike(unsigned, bits));
  if (left) {
    const moved = wrap(apply("shiftLeft", {}, x, count), c.type(0));
    return select(inside, moved, fullLike(x, 0));
  }
  const out = x.dtype === "uint32" ? fullLike(x, 0) : apply("shiftRight", {}, x, fullLike(x, 31));
  return select(inside, apply("shiftRight", {}, x, count), out);
}

/** Bits and remainders. */
export const integers: readonly Operator[] = [
  bitwise("BitwiseAnd", "bitAnd"),
  bitwise("BitwiseOr", "bitOr"),
  bitwise("BitwiseXor", "bitXor"),
  operator({
    name: "BitwiseNot",
    since: [18],
    inputs: 1,
    run: (c) => {
      const x = c.tensor(0);
      const ones = fullLike(x, x.dtype === "uint32" ? 2 ** 32 - 1 : -1);
      return wrap(apply("bitXor", {}, x, ones), c.type(0));
    },
  }),
  operator({
    name: "BitShift",
    since: [11, 28],
    inputs: 2,
    attributes: { direction: required(text()) },
    run: (c, { direction }) => {
      if (direction === "LEFT" || direction === "RIGHT") return shift(c, direction === "LEFT");
      return c.fail(`direction is ${JSON.stringify(direction)}, expected "LEFT" or "RIGHT"`);
    },
  }),
  operator({
    name: "Mod",
    since: [10, 13, 28],
    inputs: 2,
    attributes: { fmod: flag(false) },
    run: (c, { fmod }) => {
      const [a, b] = [c.tensor(0), c.tensor(1)];
      return fmod === 0 ? remainder(a, b) : applyBinary("remainder", a, b, "Mod");
    },
  }),
  operator({
    name: "BitCast",
    since: [26],
    inputs: 1,
    attributes: { to: required(integer()) },
    run: (c, { to }) => {
      const [x, from, type] = [c.tensor(0), c.type(0), c.typeOfCode(to)];
      if (from === type) return x;
      const dtype = c.dtypeFor(type);
      const whole = ["float32", "int32", "uint32"];
      const bothWhole = whole.includes(from) && whole.includes(type) && dtype !== "float64";
      const bothIntegers = !isFloat(x.dtype) && !isFloat(dtype) && type !== "bool" &&
        from !== "bool" && from.replace("u", "") === type.replace("u", "");
      if (!bothWhole && !bothIntegers) c.fail(`the bits of ${from} as ${type} are not known here`);
      const bits = x.dtype === dtype ? x : apply("bitcast", { dtype }, x);
      return c.typed(wrap(bits, type), type);
    },
  }),
];
