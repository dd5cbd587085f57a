/**
 * Recurrent networks of one layer, step by step.
 *
 * @module
 */

import { range } from "../../base/shape.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { matmul } from "../../core/operations/contractions.ts";
import { zeros } from "../../core/operations/creation.ts";
import { stack } from "../../core/operations/shapes.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, float, floats, integer, text, texts } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { resolveActivations } from "./recurrent_activations.ts";
import { type Cell, gru, lstm, rnn } from "./recurrent_cells.ts";
import { checkSteps } from "./steps.ts";

const attributes = {
  activation_alpha: floats([]),
  activation_beta: floats([]),
  activations: texts(),
  clip: float(),
  direction: text("forward"),
  hidden_size: integer(),
  layout: integer(0),
};

/** Their values. */
interface Values {
  readonly activation_alpha: readonly number[];
  readonly activation_beta: readonly number[];
  readonly activations: readonly string[] | undefined;
  readonly clip: number | undefined;
  readonly direction: string;
  readonly hidden_size: number | undefined;
  readonly layout: number;
}

/** A kind of recurrent network. */
interface Kind {
  /** Gates in the weights. */
  readonly gates: number;
  /** States: the hidden one, and the cell's for an LSTM. */
  readonly states: number;
  /** The activations where the file names none. */
  readonly activations: readonly string[];
  /** The step. */
  readonly cell: Cell;
}

/** Results of one direction: the hidden state after each step, and all states after the last. */
interface Direction {
  readonly outputs: readonly Tensor[];
  readonly last: readonly Tensor[];
}

/** An input of one direction; null where it is left out. */
function partOf(context: OperatorContext, input: number, direction: number): Tensor | null {
  return context.optionalTensor(input)?.take(direction, 0) ?? null;
}

/** Runs the layer over inputs [T, B, I] in one direction. */
function runDirection(
  context: OperatorContext,
  kind: Kind,
  values: Values & { readonly options: Readonly<Record<string, number>> },
  x: Tensor,
  direction: number,
  reverse: boolean,
): Direction {
  const [steps, batch] = x.shape;
  checkSteps(context, steps);
  const [weight, recurrence] = [1, 2].map((i) => context.tensor(i).take(direction, 0));
  const hidden = recurrence.shape[1];
  if (values.hidden_size !== undefined && values.hidden_size !== hidden) {
    context.fail(`hidden_size is ${values.hidden_size}, but the weights have ${hidden}`);
  }
  const rows = kind.gates * hidden;
  if (weight.shape[0] !== rows || recurrence.shape[0] !== rows) {
    context.fail(`weights of ${weight.shape[0]} and ${recurrence.shape[0]} rows, expected ${rows}`);
  }
  const bias = partOf(context, 3, direction);
  const projected = matmul(x, weight.transpose());
  const lengths = context.optionalTensor(4);
  const initial = (input: number): Tensor => {
    const given = context.optionalTensor(input);
    const none = zeros([batch, hidden], { dtype: x.dtype });
    return given === null ? none : given.take(direction, values.layout === 0 ? 0 : 1);
  };
  let states = range(kind.states).map((i) => initial(5 + i));
  const step = kind.cell({
    activations: resolveActivations(context, values, kind.activations, direction),
    biases: bias === null ? null : [bias.slice([0, rows]), bias.slice([rows, null])],
    clip: values.clip ?? null,
    hidden,
    options: values.options,
    peepholes: kind.states === 2 ? partOf(context, 7, direction) : null,
    recurrence,
  });
  const outputs: Tensor[] = [];
  for (const t of reverse ? range(steps).toReversed() : range(steps)) {
    const next = step(projected.take(t, 0), states);
    // Behind the end of its sequence an example keeps its state and gives zeros.
    const within = lengths === null ? null : lengths.greater(t).unsqueeze(1);
    const before = states;
    states = within === null ? next : next.map((state, i) => where(within, state, before[i]));
    outputs[t] = within === null ? next[0] : where(within, next[0], 0);
  }
  return { outputs, last: states };
}

/** Outputs [T, directions, B, H], and the last states [directions, B, H]; the batch first in layout 1. */
function run(
  context: OperatorContext,
  kind: Kind,
  values: Values,
  options: Readonly<Record<string, number>>,
): Tensor[] {
  const { direction, layout } = values;
  const reversed = { forward: [false], reverse: [true], bidirectional: [false, true] }[direction] ??
    context.fail(`direction is ${JSON.stringify(direction)}`);
  if (layout !== 0 && layout !== 1) context.fail(`layout is ${layout}, expected 0 or 1`);
  const given = context.tensor(0);
  const count = context.shape(1)[0];
  if (given.rank !== 3 || count !== reversed.length) {
    context.fail(
      `an input of shape [${
        given.shape.join(", ")
      }] and weights of ${count} directions, expected three axes and ${reversed.length}`,
    );
  }
  const x = layout === 0 ? given : given.permute([1, 0, 2]);
  const directions = reversed.map((reverse, d) =>
    runDirection(context, kind, { ...values, options }, x, d, reverse)
  );
  const states = range(kind.states).map((i) => {
    const last = stack(directions.map((result) => result.last[i]));
    return layout === 0 ? last : last.permute([1, 0, 2]);
  });
  if (!context.wants(0)) return [states[0], ...states];
  const outputs = stack(directions.map((result) => stack(result.outputs)), 1);
  return [layout === 0 ? outputs : outputs.permute([2, 0, 1, 3]), ...states];
}

/** Recurrent networks. */
export const recurrent: readonly Operator[] = [
  operator({
    name: "RNN",
    since: [7, 14, 22],
    inputs: [3, 6],
    attributes,
    trainable: [1, 2, 3],
    run: (c, values) =>
      run(c, { gates: 1, states: 1, activations: ["Tanh"], cell: rnn }, values, {}),
  }),
  operator({
    name: "GRU",
    since: [7, 14, 22],
    inputs: [3, 6],
    attributes: { ...attributes, linear_before_reset: flag(false) },
    trainable: [1, 2, 3],
    run: (c, { linear_before_reset, ...values }) => {
      const kind = { gates: 3, states: 1, activations: ["Sigmoid", "Tanh"], cell: gru };
      return run(c, kind, values, { linear_before_reset });
    },
  }),
  operator({
    name: "LSTM",
    since: [7, 14, 22],
    inputs: [3, 8],
    attributes: { ...attributes, input_forget: flag(false) },
    trainable: [1, 2, 3, 7],
    run: (c, { input_forget, ...values }) => {
      const kind = { gates: 4, states: 2, activations: ["Sigmoid", "Tanh", "Tanh"], cell: lstm };
      return run(c, kind, values, { input_forget });
    },
  }),
];
