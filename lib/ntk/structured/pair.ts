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
import { binary, broadcast, moveAxis, reshape, scale } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { OutputForm } from "../compute.ts";
import {
  type Factor,
  type Label,
  type ParameterAxis,
  relabel,
  singleLabel,
  sliceLabel,
  type Term,
  Unstructured,
  withoutRanges,
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
}

type Axis<Kind extends ParameterAxis["kind"]> = Extract<ParameterAxis, { kind: Kind }>;

/** Makes two lists of labels the same list, splitting labels where they factor differently. */
function joinLabels(joint: Joint, axis: number): void {
  for (;;) {
    const left = (joint.a.axes[axis] as Axis<"labels">).labels;
    const right = (joint.b.axes[axis] as Axis<"labels">).labels;
    const at = left.findIndex((label, i) => label.size !== right[i]?.size);
    if (at < 0) {
      left.forEach((label, i) => joint.equal.push([label, right[i]]));
      return;
    }
    const [l, r] = [left[at], right[at]];
    const [outer, whole] = [Math.min(l.size, r.size), Math.max(l.size, r.size)];
    const split = l.size > r.size ? l : r;
    if (whole % outer !== 0 || joint.equal.some((pair) => pair.includes(split))) {
      throw new Unstructured("uses that divide an axis differently");
    }
    const parts = [{ size: outer }, { size: whole / outer }];
    if (split === l) joint.a = relabel(joint.a, split, parts);
    else joint.b = relabel(joint.b, split, parts);
  }
}

/** Cuts two slices of one axis to where they overlap. Returns false where they do not. */
function joinRanges(joint: Joint, axis: number): boolean {
  const [left, right] = [joint.a, joint.b].map((term) => term.axes[axis] as Axis<"range">);
  const { step } = left;
  if (right.step !== step) {
    joint.a = withoutRanges(joint.a);
    joint.b = withoutRanges(joint.b);
    joinLabels(joint, axis);
    return true;
  }
  if ((left.start - right.start) % step !== 0) return false;
  const start = Math.max(left.start, right.start);
  const end = Math.min(
    left.start + left.label.size * step,
    right.start + right.label.size * step,
  );
  const count = (end - start) / step;
  if (count <= 0) return false;
  const a = sliceLabel(joint.a, left.label, (start - left.start) / step, 1, count);
  const b = sliceLabel(joint.b, right.label, (start - right.start) / step, 1, count);
  joint.a = a.term;
  joint.b = b.term;
  joint.equal.push([a.label, b.label]);
  return true;
}

/** The part of a plain axis that the other term's slice covers. */
function restrict(term: Term, axis: number, { start, step, label }: Axis<"range">): {
  term: Term;
  label: Label;
} {
  const single = singleLabel(term, (term.axes[axis] as Axis<"labels">).labels);
  const own = single.label ?? { size: 1 };
  return sliceLabel(single.term, own, start, step, label.size);
}

/** The entries of a plain axis that the other term reads by index. */
function readByIndex(term: Term, axis: number, index: Factor): Term {
  const single = singleLabel(term, (term.axes[axis] as Axis<"labels">).labels);
  const { label } = single;
  if (label === null) return single.term;
  const count = sizeOf(index.tensor.shape);
  const read = (factor: Factor): Factor => {
    const at = factor.labels.indexOf(label);
    if (at < 0) return factor;
    const rest = factor.labels.filter((l) => l !== label);
    const taken = apply(
      "gather",
      { batchDims: 0 },
      moveAxis(factor.tensor, at, 0),
      reshape(index.tensor, [count]),
    );
    return {
      tensor: reshape(taken, [...index.tensor.shape, ...rest.map(({ size }) => size)]),
      labels: [...index.labels, ...rest],
    };
  };
  return { ...single.term, factors: single.term.factors.map(read) };
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
function joinAxis(joint: Joint, axis: number, dtype: Tensor["dtype"]): boolean {
  const [left, right] = [joint.a.axes[axis], joint.b.axes[axis]];
  if (left.kind === "range" && right.kind === "range") return joinRanges(joint, axis);
  if (left.kind === "index" && right.kind === "index") {
    joint.factors.push(sameIndex(left.index, right.index, dtype));
    return true;
  }
  if (left.kind === "index" || right.kind === "index") {
    if (left.kind === "index") {
      joint.b = readByIndex(withoutRanges(joint.b), axis, left.index);
    } else joint.a = readByIndex(withoutRanges(joint.a), axis, (right as Axis<"index">).index);
    return true;
  }
  if (left.kind === "range") {
    const part = restrict(joint.b, axis, left);
    joint.b = part.term;
    joint.equal.push([left.label, part.label]);
  } else if (right.kind === "range") {
    const part = restrict(joint.a, axis, right);
    joint.a = part.term;
    joint.equal.push([part.label, right.label]);
  } else joinLabels(joint, axis);
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
  const joint: Joint = { a: left.term, b: right.term, equal: [], factors: [] };
  for (const axis of range(joint.a.axes.length)) {
    if (!joinAxis(joint, axis, dtype)) return null;
  }
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
  const summed = [joint.a, joint.b].flatMap((term) =>
    term.axes.flatMap((axis) =>
      axis.kind === "labels" ? axis.labels : axis.kind === "range" ? [axis.label] : []
    )
  );
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
            return { kind: "labels", labels: axis.labels.map(renew) };
          case "range":
            return { ...axis, label: renew(axis.label) };
          case "index":
            return { ...axis, index: factor(axis.index) };
        }
      }),
    },
  };
}
