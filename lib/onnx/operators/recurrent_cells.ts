/**
 * One step of each kind of recurrent network.
 *
 * @module
 */

import { matmul } from "../../core/operations/contractions.ts";
import type { Tensor } from "../../core/tensor.ts";

/** What a step is made of. */
export interface CellParts {
  /** The activations, in ONNX's order. */
  readonly activations: readonly ((x: Tensor) => Tensor)[];
  /** Biases [gates · H] of the input's and the state's part. */
  readonly biases: readonly [input: Tensor, state: Tensor] | null;
  /** What goes into the gates' activations is limited to ±this. */
  readonly clip: number | null;
  /** H. */
  readonly hidden: number;
  /** Attributes of the kind. */
  readonly options: Readonly<Record<string, number>>;
  /** Weights [3 · H] by which an LSTM's gates see its cell. */
  readonly peepholes: Tensor | null;
  /** The state's weights [gates · H, H]. */
  readonly recurrence: Tensor;
}

/** New states [B, H] from the input's part [B, gates · H] and the states before. */
export type Step = (projected: Tensor, states: readonly Tensor[]) => Tensor[];

/** Makes the step of one direction. */
export type Cell = (parts: CellParts) => Step;

/** The activations with what goes into them limited. */
function limited({ activations, clip }: CellParts): ((x: Tensor) => Tensor)[] {
  return activations.map((f) => clip === null ? f : (x: Tensor) => f(x.clip(-clip, clip)));
}

/** Gate `i` of the last axis. */
function gateOf(x: Tensor, i: number, hidden: number): Tensor {
  return x.slice(...x.shape.slice(1).map(() => null), [i * hidden, (i + 1) * hidden]);
}

/** Ht = f(Xt·Wᵀ + Ht−1·Rᵀ + biases). */
export function rnn(parts: CellParts): Step {
  const [f] = limited(parts);
  const weight = parts.recurrence.transpose();
  const bias = parts.biases === null ? null : parts.biases[0].add(parts.biases[1]);
  return (projected, [state]) => {
    const sum = projected.add(matmul(state, weight));
    return [f(bias === null ? sum : sum.add(bias))];
  };
}

/** Update and reset gates: Ht = (1 − z)·h + z·Ht−1. */
export function gru(parts: CellParts): Step {
  const { hidden, recurrence, biases, options } = parts;
  const [f, g] = limited(parts);
  const rows = (from: number, to: number): Tensor =>
    recurrence.slice([from * hidden, to * hidden]).transpose();
  const [gates, candidate] = [rows(0, 2), rows(2, 3)];
  const biased = (x: Tensor, which: 0 | 1, from: number, to: number): Tensor =>
    biases === null ? x : x.add(biases[which].slice([from * hidden, to * hidden]));
  return (projected, [state]) => {
    const both = biased(
      biased(projected.slice(null, [0, 2 * hidden]).add(matmul(state, gates)), 0, 0, 2),
      1,
      0,
      2,
    );
    const [z, r] = [0, 1].map((i) => f(gateOf(both, i, hidden)));
    const own = biased(gateOf(projected, 2, hidden), 0, 2, 3);
    const fromState = options.linear_before_reset !== 0
      ? r.mul(biased(matmul(state, candidate), 1, 2, 3))
      : biased(matmul(r.mul(state), candidate), 1, 2, 3);
    const h = g(own.add(fromState));
    return [h.sub(z.mul(h)).add(z.mul(state))];
  };
}

/** Input, output and forget gates around a cell: Ct = f·Ct−1 + i·c, Ht = o·h(Ct). */
export function lstm(parts: CellParts): Step {
  const { hidden, recurrence, biases, options, peepholes } = parts;
  const [f, g] = limited(parts);
  // As in onnxruntime, the cell itself is not limited.
  const h = parts.activations[2];
  const weight = recurrence.transpose();
  const bias = biases === null ? null : biases[0].add(biases[1]);
  const peeped = (x: Tensor, i: number, cell: Tensor): Tensor =>
    peepholes === null ? x : x.add(gateOf(peepholes, i, hidden).mul(cell));
  return (projected, [state, cell]) => {
    const sum = projected.add(matmul(state, weight));
    const all = bias === null ? sum : sum.add(bias);
    const [inputs, outputs, forgets, candidates] = [0, 1, 2, 3].map((i) => gateOf(all, i, hidden));
    const i = f(peeped(inputs, 0, cell));
    const forget = options.input_forget !== 0 ? i.neg().add(1) : f(peeped(forgets, 2, cell));
    const next = forget.mul(cell).add(i.mul(g(candidates)));
    const o = f(peeped(outputs, 1, next));
    return [o.mul(h(next)), next];
  };
}
