/**
 * Values that nodes write down, and shapes.
 *
 * @module
 */

import { full } from "../../core/operations/creation.ts";
import { sizeOf } from "../../base/shape.ts";
import {
  float,
  floats,
  integer,
  integers,
  storedSparseTensor,
  storedTensor,
  text,
  texts,
} from "../attributes.ts";
import { int64Constant } from "../constant.ts";
import { type Operator, operator } from "../operator.ts";
import { limited } from "./limits.ts";

/** Longer ranges are no shape arithmetic. */
const longest = 1 << 24;

/** Values that nodes write down, and shapes. */
export const constants: readonly Operator[] = [
  operator({
    name: "Constant",
    since: [1, 9, 11, 12, 13, 19, 21, 23, 24, 25],
    inputs: 0,
    attributes: {
      value: storedTensor(),
      sparse_value: storedSparseTensor(),
      value_float: float(),
      value_floats: floats(),
      value_int: integer(),
      value_ints: integers(),
      value_string: text(),
      value_strings: texts(),
    },
    run: (c, given) => {
      const stored = given.value ?? given.sparse_value;
      if (stored !== undefined) return stored;
      if (given.value_float !== undefined) {
        return c.makeConstant("float32", [], [given.value_float]);
      }
      if (given.value_floats !== undefined) {
        return c.makeConstant("float32", [given.value_floats.length], given.value_floats);
      }
      if (given.value_int !== undefined) return int64Constant([given.value_int], []);
      if (given.value_ints !== undefined) return int64Constant(given.value_ints);
      return c.fail("a constant without numbers");
    },
  }),
  operator({
    name: "ConstantOfShape",
    since: [9, 20, 21, 23, 24, 25],
    inputs: 1,
    attributes: { value: storedTensor() },
    run: (c, { value }) => {
      const type = value?.type ?? "float32";
      const number = value?.data[0] ?? 0;
      return c.typed(full(limited(c, c.numbers(0)), number, { dtype: c.dtypeFor(type) }), type);
    },
  }),
  operator({
    name: "Shape",
    since: [1, 13, 15, 19, 21, 23, 24, 25],
    inputs: 1,
    attributes: { start: integer(0), end: integer() },
    run: (c, { start, end }) => int64Constant(c.shape(0).slice(start, end)),
  }),
  operator({
    name: "Size",
    since: [1, 13, 19, 21, 23, 24, 25],
    inputs: 1,
    run: (c) => int64Constant([sizeOf(c.shape(0))], []),
  }),
  operator({
    name: "Range",
    since: [11, 27],
    inputs: 3,
    // The precision of sums of 16-bit floats, which are computed in more here.
    attributes: { stash_type: integer(1) },
    run: (c) => {
      const [start, limit, delta] = [c.number(0), c.number(1), c.number(2)];
      const count = Math.max(0, Math.ceil((limit - start) / delta));
      if (!(count <= longest)) c.fail(`a range from ${start} to ${limit} by ${delta}`);
      const values = Float64Array.from({ length: count }, (_, i) => start + i * delta);
      return c.makeConstant(c.type(0), [count], values);
    },
  }),
];
