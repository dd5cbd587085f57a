/**
 * Parts of tensors and terms: what a slice or an index reads, digits merged to one label, slices written out.
 *
 * @module
 */

import { cast } from "../../core/operations/arithmetic.ts";
import { contractPair, type Labeled, sumLabels } from "../../core/operations/labeled.ts";
import { diagonal } from "../../core/operations/shapes.ts";
import { apply } from "../../core/apply.ts";
import {
  binary,
  broadcast,
  full,
  fullLike,
  moveAxis,
  pad,
  permute,
  reshape,
  scale,
  slice,
} from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import {
  along,
  changeLabel,
  type Factor,
  factorOf,
  type Label,
  labelsOf,
  type ParameterAxis,
  sizeOfLabels,
  type Term,
  Unstructured,
} from "./term.ts";

/** A factor in which labels that stand twice stand once: the diagonal of their axes. */
function withoutRepeats({ tensor, labels }: Factor): Factor {
  const list = [...labels];
  for (;;) {
    const second = list.findIndex((label, i) => list.indexOf(label) < i);
    if (second < 0) return { tensor, labels: list };
    const first = list.indexOf(list[second]);
    tensor = diagonal(tensor, 0, first, second);
    const [label] = list.splice(second, 1);
    list.splice(first, 1);
    list.push(label);
  }
}

/** The entries of one axis that an index reads; the index's own axes stand in its place. */
function gatherAlong(tensor: Tensor, axis: number, index: Tensor): Tensor {
  const flat = reshape(index, [index.size]);
  const taken = apply("gather", { batchDims: 0 }, moveAxis(tensor, axis, 0), flat);
  return moveAxis(taken, 0, axis);
}

/** What the positions of a term's axes read of a tensor of the axes' sizes. */
export function readPart(x: Tensor, axes: readonly ParameterAxis[]): Factor {
  const start = x.shape.map(() => 0);
  const limit = [...x.shape];
  const step = x.shape.map(() => 1);
  axes.forEach((axis, i) => {
    if (axis.kind !== "range") return;
    start[i] = axis.start;
    limit[i] = axis.start + (sizeOfLabels(axis.labels) - 1) * axis.step + 1;
    step[i] = axis.step;
  });
  let part = slice(x, start, limit, step);
  axes.forEach((axis, i) => {
    if (axis.kind === "index") part = gatherAlong(part, i, axis.index.tensor);
  });
  return withoutRepeats(factorOf(part, axes.map(labelsOf)));
}

/** The term's factors with one axis's label read by index. */
export function readLabel(factor: Factor, label: Label, index: Factor): Factor {
  const at = factor.labels.indexOf(label);
  if (at < 0) return factor;
  const part = gatherAlong(factor.tensor, at, index.tensor);
  return withoutRepeats(
    factorOf(part, factor.labels.map((l) => l === label ? index.labels : [l])),
  );
}

/**
 * An index into positions start, start + step, … (`count` of them) of what it indexed before: which of these it reads, and
 * 1 where it reads one, else 0.
 */
export function indexWithin(
  { tensor, labels }: Factor,
  { start, step, count }: { start: number; step: number; count: number },
  dtype: Tensor["dtype"],
): { index: Factor; inside: Factor } {
  const offset = tensor.sub(start);
  const among = offset.greaterEqual(0).mul(offset.less(count * step));
  const on = step === 1 ? among : among.mul(offset.remainder(step).equal(0));
  const place = step === 1 ? offset : binary("quotient", offset, fullLike(offset, step));
  return {
    index: { tensor: place.clip(0, count - 1), labels },
    inside: { tensor: cast(on, dtype), labels },
  };
}

/** The product of factors as one; labels that are not kept are summed. */
export function multiplyFactors(factors: readonly Factor[], kept: ReadonlySet<Label>): Factor {
  const labels: Label[] = [];
  const nameOf = (label: Label): string => {
    let at = labels.indexOf(label);
    if (at < 0) at = labels.push(label) - 1;
    return `${at}`;
  };
  const dtype = factors.some(({ tensor }) => tensor.dtype === "float64")
    ? "float64"
    : factors[0].tensor.dtype;
  const operands = factors.map(({ tensor, labels }): Labeled => ({
    tensor: cast(tensor, dtype),
    labels: labels.map(nameOf),
  }));
  let product = operands[0];
  for (let i = 0; i < operands.length; i++) {
    const later = new Set(operands.slice(i + 1).flatMap((operand) => operand.labels));
    const wanted = labels.map(nameOf).filter((name) => kept.has(labels[+name]) || later.has(name));
    product = i === 0
      ? sumLabels(product, product.labels.filter((name) => !wanted.includes(name)))
      : contractPair(product, operands[i], wanted);
  }
  return { tensor: product.tensor, labels: product.labels.map((name) => labels[+name]) };
}

/** A factor with all of the digits as one label, repeated along those that it lacks. */
function mergeIn(factor: Factor, digits: readonly Label[], merged: Label): Factor {
  const own = digits.filter((l) => factor.labels.includes(l));
  if (own.length === 0) return factor;
  const rest = factor.labels.filter((l) => !digits.includes(l));
  const sizes = rest.map(({ size }) => size);
  const moved = permute(factor.tensor, [...own, ...rest].map((l) => factor.labels.indexOf(l)));
  const spread = reshape(moved, [...digits.map((l) => own.includes(l) ? l.size : 1), ...sizes]);
  const whole = broadcast(spread, [...digits.map(({ size }) => size), ...sizes]);
  return { tensor: reshape(whole, [merged.size, ...sizes]), labels: [merged, ...rest] };
}

/**
 * Digits as one label in every factor and index. Where they stand in several factors, and not all in each, these factors
 * are multiplied first: `kept` are the labels that must remain.
 */
export function mergeDigits(
  term: Term,
  digits: readonly Label[],
  kept: ReadonlySet<Label>,
): { term: Term; label: Label } {
  const merged: Label = { size: sizeOfLabels(digits) };
  const has = (factor: Factor): boolean => digits.some((l) => factor.labels.includes(l));
  const apart = term.factors.filter(has);
  let { factors } = term;
  if (apart.length > 1 && apart.some((f) => digits.some((l) => !f.labels.includes(l)))) {
    const others = factors.filter((factor) => !has(factor));
    const needed = new Set([...kept, ...digits, ...others.flatMap(({ labels }) => labels)]);
    factors = [...others, multiplyFactors(apart, needed)];
  }
  return {
    label: merged,
    term: {
      scale: term.scale,
      factors: factors.map((factor) => mergeIn(factor, digits, merged)),
      axes: term.axes.map((axis) =>
        axis.kind === "index" ? { ...axis, index: mergeIn(axis.index, digits, merged) } : axis
      ),
    },
  };
}

/** The labels of a term's axes. */
export function axisLabels(term: Term): Label[] {
  return term.axes.flatMap(labelsOf);
}

/** One axis with one label instead of several digits; none for a single position. */
export function singleLabel(
  term: Term,
  axis: number,
  kept: ReadonlySet<Label> = new Set(),
): { term: Term; label: Label | null } {
  const own = term.axes[axis] as Exclude<ParameterAxis, { kind: "index" }>;
  if (own.labels.length < 2) return { term, label: own.labels[0] ?? null };
  const { term: result, label } = mergeDigits(
    term,
    own.labels,
    new Set([...kept, ...axisLabels(term)]),
  );
  const axes = result.axes.map((other, i): ParameterAxis =>
    i === axis ? { ...own, labels: [label] } : other
  );
  return { term: { ...result, axes }, label };
}

/** The term with one axis, a slice, written as a label over the whole axis: factors are zero outside the slice. */
export function withoutRange(
  term: Term,
  axis: number,
  kept: ReadonlySet<Label>,
  dtype: Tensor["dtype"],
): Term {
  const single = singleLabel(term, axis, kept);
  const { start, step, size } = single.term.axes[axis] as Extract<ParameterAxis, { kind: "range" }>;
  const label = single.label ?? { size: 1 };
  let { factors } = single.term;
  if (!factors.some(({ labels }) => labels.includes(label))) {
    factors = [...factors, { tensor: full([label.size], dtype, 1), labels: [label] }];
  }
  const axes = single.term.axes.map((other, i): ParameterAxis =>
    i === axis ? { kind: "labels", labels: [label] } : other
  );
  const high = size - (start + (label.size - 1) * step + 1);
  return changeLabel(
    { ...single.term, factors, axes },
    label,
    { size },
    (tensor, i) =>
      pad(
        tensor,
        along(tensor, i, start, 0),
        along(tensor, i, high, 0),
        along(tensor, i, step - 1, 0),
      ),
  );
}

/** The labels of each axis, slices written out. Throws `Unstructured` where an axis is indexed. */
export function plainAxes(term: Term): { term: Term; axes: readonly (readonly Label[])[] } {
  let plain = term;
  term.axes.forEach((axis, i) => {
    if (axis.kind === "index") throw new Unstructured("an operation on what was read by index");
    if (axis.kind === "range") {
      plain = withoutRange(plain, i, new Set(), term.factors[0].tensor.dtype);
    }
  });
  return { term: plain, axes: plain.axes.map(labelsOf) };
}

/** The factor repeated along labels that it lacks, with its axes in the order of the labels. */
function spreadOver({ tensor, labels }: Factor, order: readonly Label[]): Tensor {
  const own = order.filter((label) => labels.includes(label));
  const moved = permute(tensor, own.map((label) => labels.indexOf(label)));
  const wide = order.map((label) => labels.includes(label) ? label.size : 1);
  return broadcast(reshape(moved, wide), order.map(({ size }) => size));
}

/** Adds up what an index puts at the same position: the axis gets a label of its own. */
function scatterAxis(product: Factor, axes: readonly ParameterAxis[], axis: number): {
  product: Factor;
  label: Label;
} {
  const { index, size } = axes[axis] as Extract<ParameterAxis, { kind: "index" }>;
  const elsewhere = new Set(axes.flatMap((other, i) => i === axis ? [] : labelsOf(other)));
  const batch = index.labels.filter((label) => elsewhere.has(label));
  const own = index.labels.filter((label) => !elsewhere.has(label));
  const rest = product.labels.filter((label) => !index.labels.includes(label));
  const count = sizeOfLabels(own);
  const sizes = (labels: readonly Label[]): number[] => labels.map((label) => label.size);
  const updates = spreadOver(product, [...batch, ...own, ...rest]);
  const label: Label = { size };
  const sum = apply(
    "scatterAdd",
    { batchDims: batch.length, size },
    reshape(spreadOver(index, [...batch, ...own]), [...sizes(batch), count]),
    reshape(updates, [...sizes(batch), count, ...sizes(rest)]),
  );
  return { label, product: { tensor: sum, labels: [...batch, label, ...rest] } };
}

/** The tensor that a term stands for: what its axes are, multiplied out and added up. `like` has its shape and dtype. */
export function tensorOf(term: Term, like: Tensor): Tensor {
  let plain = term;
  term.axes.forEach((axis, i) => {
    if (axis.kind === "range") {
      plain = withoutRange(plain, i, new Set(), term.factors[0].tensor.dtype);
    }
  });
  let product = multiplyFactors(plain.factors, new Set(axisLabels(plain)));
  const axes = [...plain.axes];
  axes.forEach((axis, i) => {
    if (axis.kind !== "index") return;
    const scattered = scatterAxis(product, axes, i);
    product = scattered.product;
    axes[i] = { kind: "labels", labels: [scattered.label] };
  });
  const whole = spreadOver(product, axes.flatMap(labelsOf));
  return scale(cast(reshape(whole, like.shape), like.dtype), term.scale);
}
