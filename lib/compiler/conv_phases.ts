/**
 * Convolutions of a dilated input without the zeros: where zeros stand between the input's elements, the output
 * positions of one phase meet every L-th tap of the filter only.
 *
 * This is the input gradient of a strided convolution, and the transposed convolution: with stride 2 in two dimensions
 * three of four products are with a zero.
 *
 * @module
 */

import type { PrimitiveParams } from "../base/primitives.ts";
import { range, sizeOf } from "../base/shape.ts";
import type { ProgramNode } from "./program.ts";
import type { Rewriter } from "./rewriter.ts";

/** Below this many multiplications, the additional kernels cost more than the zeros. */
const smallestWork = 1 << 18;

/** The convolution as one convolution for each phase of a dilated axis, or null where that does not apply. */
export function splitPhases(r: Rewriter, node: ProgramNode, least = smallestWork): number | null {
  const params = node.params as PrimitiveParams["conv"];
  const [input, filter] = node.inputs;
  const axis = params.lhsDilation.findIndex((step, i) =>
    step > 1 && params.strides[i] === 1 && params.rhsDilation[i] === 1
  );
  if (axis < 0 || sizeOf(node.shape) === 0) return null;
  const taps = sizeOf(r.shape(filter).slice(1));
  if (sizeOf(node.shape) * taps < least) return null;
  const at = axis + 2;
  const step = params.lhsDilation[axis];
  const size = r.shape(input)[at];
  const kernel = r.shape(filter)[at];
  const length = node.shape[at];
  if (size === 0 || kernel === 0) return null;
  const [low] = params.padding[axis];
  const longest = Math.ceil(length / step);

  const phase = (remainder: number): number => {
    const count = Math.ceil((length - remainder) / step);
    // Taps k with (remainder + k − low) divisible by the step meet elements, not zeros.
    const first = (((low - remainder) % step) + step) % step;
    const met = Math.ceil((kernel - first) / step);
    const shape = withSize(node.shape, at, count);
    if (count <= 0) return r.full(withSize(shape, at, longest), node.dtype, 0);
    const result = met <= 0
      ? r.full(shape, node.dtype, 0)
      : phaseConv(r, node, { axis, at, size, first, met, count, step, remainder, low });
    return padTo(r, result, at, longest);
  };
  const phases = range(step).map(phase);
  // [N, O, …, longest, step, …] is [N, O, …, longest·step, …].
  const unit = [...node.shape.slice(0, at), longest, 1, ...node.shape.slice(at + 1)];
  const stacked = r.add({
    primitive: "concat",
    params: { axis: at + 1 },
    inputs: phases.map((result) => r.reshape(result, unit)),
    shape: withSize(unit, at + 1, step),
    dtype: node.dtype,
  });
  const joined = r.reshape(stacked, withSize(node.shape, at, longest * step));
  return slice(r, joined, at, 0, length, 1);
}

interface Phase {
  readonly axis: number;
  readonly at: number;
  readonly size: number;
  readonly first: number;
  readonly met: number;
  readonly count: number;
  readonly step: number;
  readonly remainder: number;
  readonly low: number;
}

/** The convolution of the undilated input with every `step`-th tap, for the outputs of one phase. */
function phaseConv(r: Rewriter, node: ProgramNode, p: Phase): number {
  const params = node.params as PrimitiveParams["conv"];
  const [input, filter] = node.inputs;
  const taps = slice(r, filter, p.at, p.first, p.first + (p.met - 1) * p.step + 1, p.step);
  // Output t meets the input's elements t + j + start for the taps j.
  const start = (p.remainder + p.first - p.low) / p.step;
  const end = start + p.count + p.met - 1;
  const from = Math.min(Math.max(start, 0), p.size);
  const to = Math.max(Math.min(end, p.size), from);
  const part = slice(r, input, p.at, from, to, 1);
  const before = Math.min(Math.max(-start, 0), end - start);
  const padding: [number, number] = [before, end - start - before - (to - from)];
  return r.add({
    ...node,
    params: {
      ...params,
      lhsDilation: replaced(params.lhsDilation, p.axis, 1),
      padding: replaced(params.padding, p.axis, padding),
    },
    inputs: [part, taps],
    shape: withSize(node.shape, p.at, p.count),
  });
}

function replaced<T>(list: readonly T[], index: number, value: T): T[] {
  return list.map((item, i) => i === index ? value : item);
}

function withSize(shape: readonly number[], axis: number, size: number): number[] {
  return replaced(shape, axis, size);
}

function slice(
  r: Rewriter,
  x: number,
  axis: number,
  start: number,
  limit: number,
  step: number,
): number {
  const shape = r.shape(x);
  return r.add({
    primitive: "slice",
    params: {
      start: shape.map((_, a) => a === axis ? start : 0),
      limit: shape.map((n, a) => a === axis ? limit : n),
      step: shape.map((_, a) => a === axis ? step : 1),
    },
    inputs: [x],
    shape: withSize(shape, axis, Math.max(0, Math.ceil((limit - start) / step))),
    dtype: r.dtype(x),
  });
}

function padTo(r: Rewriter, x: number, axis: number, size: number): number {
  const shape = r.shape(x);
  const none = shape.map(() => 0);
  return r.add({
    primitive: "pad",
    params: {
      low: none,
      high: withSize(none, axis, size - shape[axis]),
      interior: none,
      value: 0,
    },
    inputs: [x],
    shape: withSize(shape, axis, size),
    dtype: r.dtype(x),
  });
}
