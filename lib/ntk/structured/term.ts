/**
 * Jacobians as sums over products: one term for each way on which a parameter enters the network.
 *
 * A term is the Jacobian of the outputs over one use of a parameter, written as a product of small tensors whose axes have
 * labels, summed over every label that belongs neither to the examples, nor to the outputs, nor to the parameter:
 * for a linear layer δ[n, o, w]·h[n, k], for a convolution δ[n, o, w, p]·patches[n, k, p]. Identities are labels that
 * coincide; they are never tensors. This is the structure of ∂y/∂θ that Novak, Sohl-Dickstein and Schoenholz, "Fast Finite
 * Width Neural Tangent Kernel" (ICML 2022), exploit.
 *
 * @module
 */

import { sizeOf } from "../../base/shape.ts";
import { flip, reshape, slice } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";

/** A name of an axis; two labels are the same only if they are the same object. */
export interface Label {
  /** Size of the axis. */
  readonly size: number;
}

/** A tensor with one label an axis, each once. */
export interface Factor {
  /** The value. */
  readonly tensor: Tensor;
  /** What its axes are. */
  readonly labels: readonly Label[];
}

/** What the position along an axis of the parameter is, as a function of labels. */
export type ParameterAxis =
  /** The labels as digits, the most significant first; none where the axis has size 1. */
  | { readonly kind: "labels"; readonly labels: readonly Label[] }
  /** start + step·(the number with the labels as digits): a slice. */
  | {
    readonly kind: "range";
    readonly labels: readonly Label[];
    readonly start: number;
    readonly step: number;
    readonly size: number;
  }
  /** The entries of an int32 tensor: a gather. */
  | { readonly kind: "index"; readonly index: Factor; readonly size: number };

/** One term of a Jacobian. */
export interface Term {
  /** A number that the product is multiplied with. */
  readonly scale: number;
  /** What is multiplied. */
  readonly factors: readonly Factor[];
  /** What each axis of the parameter (or of what was computed from it, on the way back to it) is. */
  readonly axes: readonly ParameterAxis[];
}

/** Thrown where no rule shows the structure; the parameter's Jacobian is then computed as it is. */
export class Unstructured extends Error {
  /** The class name, for messages and logs. */
  override name = "Unstructured";
}

/** Labels for the axes of a shape: none for axes of size 1. */
export function freshLabels(shape: readonly number[]): Label[][] {
  return shape.map((size) => size === 1 ? [] : [{ size }]);
}

/** A factor from a tensor and the labels of each of its axes, which are split accordingly. */
export function factorOf(tensor: Tensor, axes: readonly (readonly Label[])[]): Factor {
  const labels = axes.flat();
  return { tensor: reshape(tensor, labels.map(({ size }) => size)), labels };
}

/** Plain axes. */
export function labelAxes(axes: readonly (readonly Label[])[]): ParameterAxis[] {
  return axes.map((labels) => ({ kind: "labels", labels }));
}

function replaceIn(labels: readonly Label[], from: Label, to: readonly Label[]): readonly Label[] {
  return labels.includes(from) ? labels.flatMap((l) => l === from ? to : [l]) : labels;
}

/** The factor with a label replaced by others whose sizes multiply to its own. */
export function relabelFactor(factor: Factor, from: Label, to: readonly Label[]): Factor {
  if (!factor.labels.includes(from)) return factor;
  const labels = replaceIn(factor.labels, from, to);
  return { tensor: reshape(factor.tensor, labels.map(({ size }) => size)), labels };
}

/** The term with a label replaced by others whose sizes multiply to its own: split, or renamed. */
export function relabel(term: Term, from: Label, to: readonly Label[]): Term {
  return {
    scale: term.scale,
    factors: term.factors.map((factor) => relabelFactor(factor, from, to)),
    axes: term.axes.map((axis): ParameterAxis => {
      switch (axis.kind) {
        case "labels":
        case "range":
          return { ...axis, labels: replaceIn(axis.labels, from, to) };
        case "index":
          return { ...axis, index: relabelFactor(axis.index, from, to) };
      }
    }),
  };
}

/** The term with positions of a label changed in every factor that has it, and the label replaced in the axes. */
export function changeLabel(
  term: Term,
  from: Label,
  to: Label,
  change: (tensor: Tensor, axis: number) => Tensor,
): Term {
  const changed = (factor: Factor): Factor => {
    const at = factor.labels.indexOf(from);
    return at < 0 ? factor : {
      tensor: change(factor.tensor, at),
      labels: factor.labels.map((l) => l === from ? to : l),
    };
  };
  return {
    scale: term.scale,
    factors: term.factors.map(changed),
    axes: term.axes.map((axis): ParameterAxis =>
      axis.kind === "index"
        ? { ...axis, index: changed(axis.index) }
        : { ...axis, labels: replaceIn(axis.labels, from, [to]) }
    ),
  };
}

/** Along one axis a list's entry, along the others what holds for all. */
export function along(
  tensor: Tensor,
  axis: number,
  value: number,
  other: number | "size",
): number[] {
  return tensor.shape.map((n, i) => i === axis ? value : other === "size" ? n : other);
}

/** The term at the positions start, start + step, … of a label only; `count` of them. */
export function sliceLabel(
  term: Term,
  label: Label,
  start: number,
  step: number,
  count: number,
): { term: Term; label: Label } {
  if (start === 0 && step === 1 && count === label.size) return { term, label };
  const part: Label = { size: count };
  const sliced = changeLabel(term, label, part, (tensor, axis) =>
    slice(
      tensor,
      along(tensor, axis, start, 0),
      along(tensor, axis, start + (count - 1) * step + 1, "size"),
      along(tensor, axis, step, 1),
    ));
  return { term: sliced, label: part };
}

/** The term with the positions of a label in reverse. */
export function flipLabel(term: Term, label: Label): Term {
  return changeLabel(term, label, label, (tensor, axis) => flip(tensor, [axis]));
}

/** The number of positions along an axis. */
export function axisSize(axis: ParameterAxis): number {
  return axis.kind === "labels" ? sizeOfLabels(axis.labels) : axis.size;
}

/** The labels that an axis is made of, those of an index included. */
export function labelsOf(axis: ParameterAxis): readonly Label[] {
  return axis.kind === "index" ? axis.index.labels : axis.labels;
}

/** The number of positions that labels count. */
export function sizeOfLabels(labels: readonly Label[]): number {
  return sizeOf(labels.map(({ size }) => size));
}
