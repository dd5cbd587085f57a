/**
 * Contractions of tensors whose axes have names: what `einsum`, `matmul` and `tensordot` are made of.
 *
 * @module
 */

import { range } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { broadcast, mul, permute, reshape, sum } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { diagonal } from "./shapes.ts";

/** A tensor and the name of each of its axes; no name stands twice. */
export interface Labeled {
  /** The value. */
  readonly tensor: Tensor;
  /** One name an axis. */
  readonly labels: readonly string[];
}

/** A tensor with named axes: of a name that stands twice, the diagonal is taken. */
export function takeDiagonals(tensor: Tensor, labels: readonly string[]): Labeled {
  const second = labels.findIndex((l, i) => labels.indexOf(l) !== i);
  if (second < 0) return { tensor, labels };
  const label = labels[second];
  const first = labels.indexOf(label);
  const rest = labels.filter((_, i) => i !== first && i !== second);
  return takeDiagonals(diagonal(tensor, 0, first, second), [...rest, label]);
}

/** The tensor without some of its axes, which are summed over. */
export function sumLabels({ tensor, labels }: Labeled, gone: readonly string[]): Labeled {
  const axes = range(labels.length).filter((i) => gone.includes(labels[i]));
  return { tensor: sum(tensor, axes), labels: labels.filter((l) => !gone.includes(l)) };
}

/** The tensor without some axes of size 1. */
export function dropLabels({ tensor, labels }: Labeled, gone: readonly string[]): Labeled {
  const kept = range(labels.length).filter((i) => !gone.includes(labels[i]));
  return {
    tensor: reshape(tensor, kept.map((i) => tensor.shape[i])),
    labels: kept.map((i) => labels[i]),
  };
}

/** The tensor with its axes in the order of the labels, which are the same set. */
export function orderLabels({ tensor, labels }: Labeled, order: readonly string[]): Tensor {
  return permute(tensor, order.map((l) => labels.indexOf(l)));
}

/** The size of each named axis. */
function sizesOf({ tensor, labels }: Labeled): Map<string, number> {
  return new Map(labels.map((l, i) => [l, tensor.shape[i]]));
}

/** The elementwise product, with axes in the order of the labels; nothing is summed. */
function multiply(a: Labeled, b: Labeled, order: readonly string[]): Labeled {
  const sizes = new Map([...sizesOf(a), ...sizesOf(b)]);
  const shape = order.map((l) => sizes.get(l)!);
  const [left, right] = [a, b].map((x) => {
    const present = order.filter((l) => x.labels.includes(l));
    const spread = order.map((l) => x.labels.includes(l) ? sizes.get(l)! : 1);
    return broadcast(reshape(orderLabels(x, present), spread), shape);
  });
  return { tensor: mul(left, right), labels: order };
}

/**
 * Multiplies two tensors of one dtype and sums over every name that `kept` lacks. An axis of size 1 meets one of any
 * size. The result has the names of `kept` that either operand has, in no particular order.
 */
export function contractPair(a: Labeled, b: Labeled, kept: readonly string[]): Labeled {
  // A side's axis of size 1 says nothing where the other side has the name too.
  const [sizesA, sizesB] = [sizesOf(a), sizesOf(b)];
  const idle = (mine: Map<string, number>, other: Map<string, number>): string[] =>
    [...mine].filter(([l, n]) => n === 1 && other.has(l) && other.get(l) !== 1).map(([l]) => l);
  let lhs = dropLabels(a, idle(sizesA, sizesB));
  let rhs = dropLabels(b, idle(sizesB, sizesA));
  const alone = (x: Labeled, other: Labeled): string[] =>
    x.labels.filter((l) => !kept.includes(l) && !other.labels.includes(l));
  [lhs, rhs] = [sumLabels(lhs, alone(lhs, rhs)), sumLabels(rhs, alone(rhs, lhs))];
  // The side whose free axis the result begins with goes first, so that the product needs no transpose.
  const free = kept.find((l) => lhs.labels.includes(l) !== rhs.labels.includes(l));
  if (free !== undefined && rhs.labels.includes(free)) [lhs, rhs] = [rhs, lhs];
  const shared = lhs.labels.filter((l) => rhs.labels.includes(l));
  const contracted = shared.filter((l) => !kept.includes(l));
  if (contracted.length === 0) {
    const order = kept.filter((l) => lhs.labels.includes(l) || rhs.labels.includes(l));
    return multiply(lhs, rhs, order);
  }
  const batch = kept.filter((l) => shared.includes(l));
  const axesOf = (x: Labeled, list: readonly string[]): number[] =>
    list.map((l) => x.labels.indexOf(l));
  const tensor = apply(
    "dotGeneral",
    {
      lhsBatch: axesOf(lhs, batch),
      rhsBatch: axesOf(rhs, batch),
      lhsContract: axesOf(lhs, contracted),
      rhsContract: axesOf(rhs, contracted),
    },
    lhs.tensor,
    rhs.tensor,
  );
  const freeOf = (x: Labeled): string[] => x.labels.filter((l) => !shared.includes(l));
  return { tensor, labels: [...batch, ...freeOf(lhs), ...freeOf(rhs)] };
}
