/**
 * Loops whose number of steps is known while loading: they are unrolled.
 *
 * @module
 */

import { normalizeAxis, range } from "../../base/shape.ts";
import { slice, stack } from "../../core/operations/shapes.ts";
import type { Tensor } from "../../core/tensor.ts";
import { integer, integers, required, subgraph } from "../attributes.ts";
import { int64Constant } from "../constant.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { Value } from "../value.ts";

/** Results of all steps along a new axis. */
function stacked(c: OperatorContext, steps: readonly Value[], axis = 0, reversed = false): Value {
  if (steps.length === 0) c.fail("there are no steps, so that the shapes of results are not known");
  const tensors = steps.map((value) => c.tensorOf(value));
  const ordered = reversed ? tensors.toReversed() : tensors;
  return c.typed(stack(ordered, axis), steps[0].type);
}

/** Loops that are unrolled. */
export const loops: readonly Operator[] = [
  operator({
    name: "Loop",
    since: [1, 11, 13, 16, 19, 21, 23, 24, 25],
    inputs: [2, Infinity],
    attributes: { body: required(subgraph()) },
    run: (c, { body }) => {
      const count = c.optionalNumber(0) ?? Infinity;
      const states = c.inputCount - 2;
      const results = body.outputs.length - 1 - states;
      if (body.inputs.length !== 2 + states || results < 0) {
        c.fail(
          `${states} values are carried, but the body has ${body.inputs.length} inputs and ${body.outputs.length} outputs`,
        );
      }
      let going = (c.optionalNumber(1) ?? 1) !== 0;
      let state = range(states).map((i) => c.value(2 + i));
      const steps: Value[][] = [];
      for (let i = 0; i < count && going; i++) {
        const [condition, ...rest] = c.runGraph(body, [
          Value.ofConstant(int64Constant([i], [])),
          Value.ofConstant(c.makeConstant("bool", [], [1])),
          ...state,
        ]);
        const known = condition.constant ??
          c.fail("whether the loop goes on must be known before the network runs");
        going = known.data[0] !== 0;
        state = rest.slice(0, states);
        steps.push(rest.slice(states));
      }
      const all = range(results).map((i) =>
        c.wants(states + i) ? stacked(c, steps.map((list) => list[i])) : null
      );
      return [...state, ...all];
    },
  }),
  operator({
    name: "Scan",
    since: [9, 11, 16, 19, 21, 23, 24, 25],
    inputs: [1, Infinity],
    attributes: {
      body: required(subgraph()),
      num_scan_inputs: required(integer()),
      scan_input_axes: integers(),
      scan_input_directions: integers(),
      scan_output_axes: integers(),
      scan_output_directions: integers(),
    },
    run: (c, { body, num_scan_inputs: scans, ...given }) => {
      const states = c.inputCount - scans;
      const results = body.outputs.length - states;
      if (!(scans >= 1 && states >= 0 && results >= 0 && body.inputs.length === c.inputCount)) {
        c.fail(`num_scan_inputs is ${scans} of ${c.inputCount} inputs, and the body has others`);
      }
      const sequences = range(scans).map((i) => {
        const x = c.tensor(states + i);
        const axis = normalizeAxis(given.scan_input_axes?.[i] ?? 0, x.rank, "scan_input_axes");
        const backward = given.scan_input_directions?.[i] === 1;
        return { x, axis, backward, type: c.type(states + i), length: x.shape[axis] };
      });
      const { length } = sequences[0];
      if (sequences.some((other) => other.length !== length)) {
        c.fail("the scanned inputs have different lengths");
      }
      const element = (x: Tensor, axis: number, i: number): Tensor =>
        slice(x, ...x.shape.map((_, at) => at === axis ? i : null));
      let state = range(states).map((i) => c.value(i));
      const steps: Value[][] = [];
      for (let i = 0; i < length; i++) {
        const elements = sequences.map(({ x, axis, backward, type }) =>
          c.typed(element(x, axis, backward ? length - 1 - i : i), type)
        );
        const rest = c.runGraph(body, [...state, ...elements]);
        state = rest.slice(0, states);
        steps.push(rest.slice(states));
      }
      const all = range(results).map((i) => {
        if (!c.wants(states + i)) return null;
        const backward = given.scan_output_directions?.[i] === 1;
        return stacked(c, steps.map((list) => list[i]), given.scan_output_axes?.[i] ?? 0, backward);
      });
      return [...state, ...all];
    },
  }),
];
