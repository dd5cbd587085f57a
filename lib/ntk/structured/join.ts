/**
 * Two terms brought together at the parameter: their axes made the same labels, cut to where slices overlap, or read by
 * each other's indices.
 *
 * @module
 */

import { cast } from "../../core/operations/arithmetic.ts";
import { eye } from "../../core/operations/creation.ts";
import { binary, broadcast, reshape } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { indexWithin, readLabel, singleLabel, withoutRange } from "./parts.ts";
import {
  axisSize,
  type Factor,
  type Label,
  labelsOf,
  type ParameterAxis,
  relabel,
  sizeOfLabels,
  sliceLabel,
  type Term,
} from "./term.ts";

/** A term with the labels of its examples and of its outputs, in the form's order; axes of size 1 included. */
export interface Side {
  /** The term. */
  readonly term: Term;
  /** The examples. */
  readonly example: Label;
  /** One label an output axis. */
  readonly outputs: readonly Label[];
}

/** Two terms on the way to one network: which labels of theirs are the same. */
export interface Joint {
  a: Term;
  b: Term;
  readonly equal: [Label, Label][];
  readonly factors: Factor[];
  /** Labels of examples and outputs, which must stay as they are. */
  readonly outer: ReadonlySet<Label>;
  readonly dtype: Tensor["dtype"];
}

type Axis<Kind extends ParameterAxis["kind"]> = Extract<ParameterAxis, { kind: Kind }>;

/** Makes two lists of labels the same list, splitting labels where they factor differently. */
function joinLabels(joint: Joint, axis: number): void {
  const listOf = (term: Term): readonly Label[] =>
    labelsOf(term.axes[axis]).filter(({ size }) => size !== 1);
  for (;;) {
    const [left, right] = [listOf(joint.a), listOf(joint.b)];
    const at = left.findIndex((label, i) => label.size !== right[i].size);
    if (at < 0) {
      left.forEach((label, i) => joint.equal.push([label, right[i]]));
      return;
    }
    const [l, r] = [left[at], right[at]];
    const [outer, whole] = [Math.min(l.size, r.size), Math.max(l.size, r.size)];
    if (whole % outer !== 0) {
      // The two cut the axis across each other: each is made one label.
      single(joint, "a", axis);
      single(joint, "b", axis);
      continue;
    }
    const [side, split] = l.size > r.size ? ["a" as const, l] : ["b" as const, r];
    const [label] = detached(joint, side, axis, [split]);
    joint[side] = relabel(joint[side], label, [{ size: outer }, { size: whole / outer }]);
  }
}

/**
 * The axis's labels, or those given, free to be changed: a label of the outputs or of the examples is replaced by one of its
 * own, tied to it by an identity.
 */
function detached(
  joint: Joint,
  side: "a" | "b",
  axis: number,
  labels: readonly Label[] = labelsOf(joint[side].axes[axis]),
): Label[] {
  return labels.map((label) => {
    if (!joint.outer.has(label)) return label;
    const own: Label = { size: label.size };
    const term = joint[side];
    const tie = { tensor: eye(own.size, own.size, { dtype: joint.dtype }), labels: [label, own] };
    joint[side] = {
      scale: term.scale,
      factors: [...term.factors, tie],
      axes: term.axes.map((other, i): ParameterAxis =>
        i !== axis || other.kind === "index"
          ? other
          : { ...other, labels: other.labels.map((l) => l === label ? own : l) }
      ),
    };
    return own;
  });
}

/** Makes an axis one label, free to be changed, and gives it. */
function single(joint: Joint, side: "a" | "b", axis: number): Label {
  detached(joint, side, axis);
  const { term, label } = singleLabel(joint[side], axis, joint.outer);
  joint[side] = term;
  return label ?? { size: 1 };
}

/** Writes a slice as a label over the whole axis. */
function widen(joint: Joint, side: "a" | "b", axis: number): void {
  if (joint[side].axes[axis].kind !== "range") return;
  detached(joint, side, axis);
  joint[side] = withoutRange(joint[side], axis, joint.outer, joint.dtype);
}

/** Cuts a term to positions of an axis, start, start + step, …, and gives their label. */
function cut(
  joint: Joint,
  side: "a" | "b",
  axis: number,
  start: number,
  step: number,
  count: number,
): Label {
  const label = single(joint, side, axis);
  const part = sliceLabel(joint[side], label, start, step, count);
  joint[side] = part.term;
  return part.label;
}

/** Cuts two slices of one axis to where they overlap. Returns false where they do not. */
function joinRanges(joint: Joint, axis: number): boolean {
  const [left, right] = [joint.a, joint.b].map((term) => term.axes[axis] as Axis<"range">);
  const { step } = left;
  if (right.step !== step) {
    widen(joint, "a", axis);
    widen(joint, "b", axis);
    joinLabels(joint, axis);
    return true;
  }
  if ((left.start - right.start) % step !== 0) return false;
  const [n, m] = [left, right].map(({ labels }) => sizeOfLabels(labels));
  const start = Math.max(left.start, right.start);
  const end = Math.min(left.start + n * step, right.start + m * step);
  const count = (end - start) / step;
  if (count <= 0) return false;
  if (count === n && count === m) joinLabels(joint, axis);
  else {
    const a = cut(joint, "a", axis, (start - left.start) / step, 1, count);
    const b = cut(joint, "b", axis, (start - right.start) / step, 1, count);
    joint.equal.push([a, b]);
  }
  return true;
}

/** The part of a plain axis of `side` that the other term's slice covers. */
function restrict(joint: Joint, side: "a" | "b", axis: number, range: Axis<"range">): void {
  const count = sizeOfLabels(range.labels);
  const part = cut(joint, side, axis, range.start, range.step, count);
  // The plain axis has the slice's positions now.
  joint[side] = {
    ...joint[side],
    axes: joint[side].axes.map((other, i) =>
      i === axis ? { kind: "labels", labels: [part] } : other
    ),
  };
  joinLabels(joint, axis);
}

/** The entries of an axis that the other term reads by index: of a slice, those that lie in it. */
function readByIndex(joint: Joint, side: "a" | "b", axis: number, index: Factor): void {
  const label = single(joint, side, axis);
  const { scale, factors, axes } = joint[side];
  const own = axes[axis];
  let place = index;
  if (own.kind === "range") {
    const { start, step } = own;
    const within = indexWithin(index, { start, step, count: label.size }, joint.dtype);
    place = within.index;
    joint.factors.push(within.inside);
  }
  const read: ParameterAxis = { kind: "index", index, size: axisSize(own) };
  joint[side] = {
    scale,
    factors: factors.map((factor) => readLabel(factor, label, place)),
    axes: axes.map((other, i) => i === axis ? read : other),
  };
}

/** 1 where two indices are the same position, else 0. */
function sameIndex(a: Factor, b: Factor, dtype: Tensor["dtype"]): Factor {
  const labels = [...a.labels, ...b.labels];
  const shape = labels.map(({ size }) => size);
  const ones = (list: readonly Label[]): number[] => list.map(() => 1);
  const left = broadcast(reshape(a.tensor, [...a.tensor.shape, ...ones(b.labels)]), shape);
  const right = broadcast(reshape(b.tensor, [...ones(a.labels), ...b.tensor.shape]), shape);
  return { tensor: cast(binary("equal", left, right), dtype), labels };
}

/** Makes one axis of the parameter the same for both terms. Returns false where the terms never meet. */
export function joinAxis(joint: Joint, axis: number): boolean {
  const [left, right] = [joint.a.axes[axis], joint.b.axes[axis]];
  if (left.kind === "range" && right.kind === "range") return joinRanges(joint, axis);
  if (left.kind === "index" && right.kind === "index") {
    joint.factors.push(sameIndex(left.index, right.index, joint.dtype));
  } else if (left.kind === "index") readByIndex(joint, "b", axis, left.index);
  else if (right.kind === "index") readByIndex(joint, "a", axis, right.index);
  else if (left.kind === "range") restrict(joint, "b", axis, left);
  else if (right.kind === "range") restrict(joint, "a", axis, right);
  else joinLabels(joint, axis);
  return true;
}

/** The same term with labels of its own, so that it can be paired with itself. */
export function withFreshLabels({ term, example, outputs }: Side): Side {
  const fresh = new Map<Label, Label>();
  const renew = (label: Label): Label => {
    let known = fresh.get(label);
    if (known === undefined) fresh.set(label, known = { size: label.size });
    return known;
  };
  const factor = ({ tensor, labels }: Factor): Factor => ({ tensor, labels: labels.map(renew) });
  return {
    example: renew(example),
    outputs: outputs.map(renew),
    term: {
      scale: term.scale,
      factors: term.factors.map(factor),
      axes: term.axes.map((axis): ParameterAxis => {
        switch (axis.kind) {
          case "labels":
          case "range":
            return { ...axis, labels: axis.labels.map(renew) };
          case "index":
            return { ...axis, index: factor(axis.index) };
        }
      }),
    },
  };
}
