/**
 * The product of two terms of the Jacobians of two sets of examples: one small tensor network, contracted in the cheapest
 * order.
 *
 * @module
 */

import { range, sizeOf } from "../../base/shape.ts";
import { bestOrder, type Order } from "../../compiler/contraction_order.ts";
import {
  contractPair,
  type Labeled,
  orderLabels,
  sumLabels,
} from "../../core/operations/labeled.ts";
import { cast } from "../../core/operations/arithmetic.ts";
import { eye } from "../../core/operations/creation.ts";
import { diagonal } from "../../core/operations/shapes.ts";
import { apply } from "../../core/apply.ts";
import { binary, broadcast, reshape, scale } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { OutputForm } from "../compute.ts";
import { axisLabels, indexWithin, readLabel, singleLabel, withoutRange } from "./parts.ts";
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
  Unstructured,
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

/** A product of two terms, planned. */
export interface PairPlan {
  /** Its cost, in the unit of `bestOrder`: two operations of a matrix product are one multiply-add. */
  readonly cost: number;
  /** Elements of its largest intermediate result. */
  readonly largest: number;
  /** The kernel's share [N, M, diagonal, full, full]; nothing is computed. */
  build(): Tensor;
}

/** Two terms on the way to one network: which labels of theirs are the same. */
interface Joint {
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
function joinAxis(joint: Joint, axis: number): boolean {
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

/** Sets of labels that are the same. */
class Labels {
  private readonly parent = new Map<Label, Label>();
  private readonly names = new Map<Label, string>();

  /** The label that stands for all that are the same. */
  find(label: Label): Label {
    const parent = this.parent.get(label);
    return parent === undefined ? label : this.find(parent);
  }

  unite(a: Label, b: Label): void {
    const [p, q] = [this.find(a), this.find(b)];
    if (p !== q) this.parent.set(q, p);
  }

  /** A name for `contractPair`. */
  name(label: Label): string {
    const known = this.find(label);
    let name = this.names.get(known);
    if (name === undefined) this.names.set(known, name = `l${this.names.size}`);
    return name;
  }
}

/** A factor with names, each once; of labels that became the same, the diagonal is taken. */
function nameFactor(labels: Labels, factor: Factor, dtype: Tensor["dtype"]): Labeled {
  const names = factor.labels.map((label) => labels.name(label));
  let tensor = cast(factor.tensor, dtype);
  for (;;) {
    const second = names.findIndex((name, i) => names.indexOf(name) < i);
    if (second < 0) return { tensor, labels: names };
    const first = names.indexOf(names[second]);
    tensor = diagonal(tensor, 0, first, second);
    const [name] = names.splice(second, 1);
    names.splice(first, 1);
    names.push(name);
  }
}

function contractInOrder(
  order: Order,
  operands: readonly Labeled[],
  namesOf: (labels: number) => string[],
): Labeled {
  if ("operand" in order) {
    const operand = operands[order.operand];
    const kept = namesOf(order.labels);
    return sumLabels(operand, operand.labels.filter((name) => !kept.includes(name)));
  }
  return contractPair(
    contractInOrder(order.left, operands, namesOf),
    contractInOrder(order.right, operands, namesOf),
    namesOf(order.labels),
  );
}

function largestOf(order: Order, size: (labels: number) => number, top = true): number {
  if ("operand" in order) return 0;
  return Math.max(
    top ? 0 : size(order.labels),
    largestOf(order.left, size, false),
    largestOf(order.right, size, false),
  );
}

/**
 * Plans the product of two terms: for every pair of examples and the wanted pairs of outputs, the sum over the parameter.
 * Returns null where it is zero. Throws `Unstructured` where the terms' axes cannot be made the same.
 *
 * @param left a term of the first examples' Jacobian
 * @param right one of the second examples', with labels of its own
 * @param form which pairs of outputs are wanted
 * @param dtype the kernel's dtype
 * @param limit no intermediate result may have more elements, where there is an order for which that holds
 */
export function planPair(
  left: Side,
  right: Side,
  form: OutputForm,
  dtype: Tensor["dtype"],
  limit: number,
): PairPlan | null {
  const outer = new Set([left, right].flatMap(({ example, outputs }) => [example, ...outputs]));
  const joint: Joint = { a: left.term, b: right.term, equal: [], factors: [], outer, dtype };
  for (const axis of range(joint.a.axes.length)) if (!joinAxis(joint, axis)) return null;
  const labels = new Labels();
  joint.equal.forEach(([a, b]) => labels.unite(a, b));
  form.order.forEach((axis, i) => {
    if (form.axes[axis] !== "full") labels.unite(left.outputs[i], right.outputs[i]);
  });
  const operands = [...joint.a.factors, ...joint.b.factors, ...joint.factors]
    .map((factor) => nameFactor(labels, factor, dtype));
  const wanted = (side: Side, kind: string): Label[] =>
    side.outputs.filter((_, i) => form.axes[form.order[i]] === kind);
  // Axes of the result; one of the second outputs that is the same as one of the first is put in at the end.
  const result = [
    left.example,
    right.example,
    ...wanted(left, "diagonal"),
    ...wanted(left, "full"),
    ...wanted(right, "full"),
  ];
  const output = [...new Set(result.map((label) => labels.name(label)))];
  const sizes = new Map<string, number>();
  const note = (label: Label): void => void sizes.set(labels.name(label), label.size);
  const summed = [...axisLabels(joint.a), ...axisLabels(joint.b)];
  [...result, ...summed, ...left.outputs, ...right.outputs].forEach(note);
  for (const { tensor, labels: names } of operands) {
    names.forEach((name, i) => sizes.set(name, tensor.shape[i]));
  }
  // A label that is summed over and that no factor has counts as often as it is long.
  const present = new Set([...operands.flatMap((operand) => operand.labels), ...output]);
  let factor = joint.a.scale * joint.b.scale;
  for (const name of new Set([...summed, ...left.outputs].map((label) => labels.name(label)))) {
    if (!present.has(name)) factor *= sizes.get(name)!;
  }
  const all = [...sizes.keys()];
  if (all.length > 30) throw new Unstructured("more than 30 labels");
  const set = (names: readonly string[]): number =>
    names.reduce((bits, name) => bits | 1 << all.indexOf(name), 0);
  const problem = {
    sizes: all.map((name) => sizes.get(name)!),
    operands: operands.map((operand) => set(operand.labels)),
    output: set(output),
  };
  const found = operands.length === 0
    ? null
    : bestOrder({ ...problem, limit }) ?? bestOrder({ ...problem, limit: Infinity })!;
  const sizeOfSet = (bits: number): number =>
    sizeOf(problem.sizes.filter((_, i) => (bits & 1 << i) !== 0));
  const namesOf = (bits: number): string[] => all.filter((_, i) => (bits & 1 << i) !== 0);
  return {
    cost: found?.cost ?? 0,
    largest: found === null ? 0 : largestOf(found.order, sizeOfSet),
    build() {
      const one = (): Labeled => ({
        tensor: apply("full", { shape: [], dtype, value: 1 }),
        labels: [],
      });
      const product = found === null ? one() : contractInOrder(found.order, operands, (bits) => {
        // The result's own axes first, in its order.
        const names = namesOf(bits);
        return [
          ...output.filter((n) => names.includes(n)),
          ...names.filter((n) => !output.includes(n)),
        ];
      });
      const kept = output.filter((name) => product.labels.includes(name));
      const spread = output.map((name) => kept.includes(name) ? sizes.get(name)! : 1);
      const x = broadcast(
        reshape(orderLabels(product, kept), spread),
        output.map((name) => sizes.get(name)!),
      );
      const whole = withIdentities(x, output, result.map((label) => labels.name(label)), dtype);
      const { diagonal: d, full } = form;
      return scale(
        reshape(whole, [left.example.size, right.example.size, d, full, full]),
        factor,
      );
    },
  };
}

/** Puts in the axes that stand for the same label as an earlier one: zero where the two differ. */
function withIdentities(
  x: Tensor,
  names: readonly string[],
  wanted: readonly string[],
  dtype: Tensor["dtype"],
): Tensor {
  const shape = wanted.map((name, i) =>
    wanted.indexOf(name) < i ? 1 : x.shape[names.indexOf(name)]
  );
  let result = reshape(x, shape);
  wanted.forEach((name, i) => {
    const first = wanted.indexOf(name);
    if (first === i) return;
    const size = x.shape[names.indexOf(name)];
    const identity = reshape(
      eye(size, size, { dtype }),
      wanted.map((_, j) => j === first || j === i ? size : 1),
    );
    result = result.mul(identity);
  });
  return result;
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
