/**
 * Lists of tensors whose lengths are known while loading, and values that may be absent.
 *
 * @module
 */

import { normalizeAxis, range } from "../../base/shape.ts";
import { concat, split, stack } from "../../core/operations/shapes.ts";
import { flag, integer, required, subgraph } from "../attributes.ts";
import { int64Constant } from "../constant.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { Value } from "../value.ts";

/** Lists of more tensors are refused. */
const mostParts = 1 << 16;

/** A place in a list, from an input that may be left out; negative ones count from the end. */
function placeIn(c: OperatorContext, input: number, size: number, absent: number): number {
  const given = c.optionalNumber(input) ?? absent;
  const place = given < 0 ? given + size : given;
  return place >= 0 && place <= size ? place : c.fail(`place ${given} in a list of ${size}`);
}

/** Lists of tensors, and values that may be absent. */
export const sequences: readonly Operator[] = [
  operator({
    name: "SequenceEmpty",
    since: [11],
    inputs: 0,
    attributes: { dtype: integer() },
    run: () => Value.ofSequence([]),
  }),
  operator({
    name: "SequenceConstruct",
    since: [11],
    inputs: [1, Infinity],
    run: (c) => Value.ofSequence(range(c.inputCount).map((i) => c.value(i))),
  }),
  operator({
    name: "SequenceInsert",
    since: [11],
    inputs: [2, 3],
    run: (c) => {
      const elements = c.sequence(0);
      const at = placeIn(c, 2, elements.length, elements.length);
      return Value.ofSequence(elements.toSpliced(at, 0, c.value(1)));
    },
  }),
  operator({
    name: "SequenceErase",
    since: [11],
    inputs: [1, 2],
    run: (c) => {
      const elements = c.sequence(0);
      const at = placeIn(c, 1, elements.length, elements.length - 1);
      if (at >= elements.length) c.fail(`place ${at} in a list of ${elements.length}`);
      return Value.ofSequence(elements.toSpliced(at, 1));
    },
  }),
  operator({
    name: "SequenceAt",
    since: [11],
    inputs: 2,
    run: (c) => {
      const elements = c.sequence(0);
      const at = placeIn(c, 1, elements.length, 0);
      return elements[at] ?? c.fail(`place ${at} in a list of ${elements.length}`);
    },
  }),
  operator({
    name: "SequenceLength",
    since: [11],
    inputs: 1,
    run: (c) => int64Constant([c.sequence(0).length], []),
  }),
  operator({
    name: "SplitToSequence",
    since: [11, 24],
    inputs: [1, 2],
    attributes: { axis: integer(0), keepdims: flag(true) },
    run: (c, { axis, keepdims }) => {
      const x = c.tensor(0);
      const at = normalizeAxis(axis, x.rank, "axis");
      const given = c.optionalConstant(1);
      const whole = given === null ? 1 : given.shape.length === 0 ? given.data[0] : null;
      if (whole !== null && !(whole >= 1)) c.fail(`parts of size ${whole}`);
      if (whole !== null && x.shape[at] / whole > mostParts) {
        c.fail(`axis ${axis} of [${x.shape.join(", ")}] in parts of ${whole}`);
      }
      const parts = split(x, whole ?? Array.from(given!.data), at);
      const dropped = given === null && keepdims === 0;
      return Value.ofSequence(
        parts.map((part) => c.typed(dropped ? part.squeeze(at) : part, c.type(0))),
      );
    },
  }),
  operator({
    name: "ConcatFromSequence",
    since: [11],
    inputs: 1,
    attributes: { axis: required(integer()), new_axis: flag(false) },
    run: (c, { axis, new_axis }) => {
      const elements = c.sequence(0);
      if (elements.length === 0) c.fail("the list is empty");
      const tensors = elements.map((element) => c.tensorOf(element));
      return c.typed((new_axis === 0 ? concat : stack)(tensors, axis), elements[0].type);
    },
  }),
  operator({
    name: "SequenceMap",
    since: [17],
    inputs: [1, Infinity],
    attributes: { body: required(subgraph()) },
    run: (c, { body }) => {
      const given = range(c.inputCount).map((i) => c.value(i));
      const results = c.sequence(0).map((_, i) =>
        c.runGraph(
          body,
          given.map((value) => {
            if (value.elements === null) return value;
            return value.elements[i] ?? c.fail("the lists have different lengths");
          }),
        )
      );
      return range(c.outputCount).map((i) => Value.ofSequence(results.map((list) => list[i])));
    },
  }),
  operator({
    name: "Optional",
    since: [15, 28],
    inputs: 1,
    run: (c) => c.value(0),
  }),
  operator({
    name: "OptionalGetElement",
    since: [15, 18, 28],
    inputs: 1,
    run: (c) => c.value(0),
  }),
  operator({
    name: "OptionalHasElement",
    since: [15, 18, 28],
    inputs: [0, 1],
    run: (c) => c.makeConstant("bool", [], [c.has(0) ? 1 : 0]),
  }),
];
