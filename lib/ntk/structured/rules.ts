/**
 * The structure of each primitive's derivative by one of its operands.
 *
 * A rule takes a term over the axes of the primitive's result and gives the term over the axes of the operand: it adds the
 * small tensors that ∂result/∂operand is made of, and says which labels the operand's axes are. Rules never make an
 * identity: they let labels coincide.
 *
 * @module
 */

import type { PrimitiveName } from "../../base/primitives.ts";
import { invertPermutation } from "../../base/shape.ts";
import { ruleOf } from "../../core/apply.ts";
import { fullLike, slice } from "../../core/primitives/build.ts";
import { binaryRules, unaryRules } from "../../core/primitives/elementwise.ts";
import { groupedPatches } from "../../core/primitives/contraction.ts";
import type { Application } from "../../core/primitives/rule.ts";
import type { Tensor } from "../../core/tensor.ts";
import { axisLabels, indexWithin, mergeDigits, plainAxes, readPart, singleLabel } from "./parts.ts";
import {
  axisSize,
  type Factor,
  factorOf,
  flipLabel,
  freshLabels,
  type Label,
  labelAxes,
  type ParameterAxis,
  relabel,
  sizeOfLabels,
  sliceLabel,
  type Term,
  Unstructured,
} from "./term.ts";

/** From a term over the result's axes to one over the axes of operand `slot`; null is zero. */
export type StructureRule<P extends PrimitiveName = PrimitiveName> = (
  application: Application<P>,
  slot: number,
  term: Term,
) => Term | null;

/** The value of a tensor that is the same number everywhere by construction, or null. */
function constantValue(x: Tensor): number | null {
  for (;;) {
    const operation = x.operation;
    if (operation === null) return null;
    switch (operation.primitive) {
      case "full":
        return (operation.params as { value: number }).value;
      case "neg": {
        const value = constantValue(operation.inputs[0]);
        return value === null ? null : -value;
      }
      case "mul": {
        const [a, b] = operation.inputs.map(constantValue);
        return a === null || b === null ? null : a * b;
      }
      case "alias":
      case "broadcast":
      case "reshape":
      case "permute":
        x = operation.inputs[0];
        break;
      default:
        return null;
    }
  }
}

/** An axis along which nothing changes: one element stands for all. */
const repeated: ParameterAxis = { kind: "labels", labels: [] };

function isRepeated(axis: ParameterAxis): boolean {
  return axis.kind === "labels" && axis.labels.length === 0;
}

/**
 * Factors of what a term's axes read of a tensor of their sizes: constants become a scale, and axes along which the tensor
 * is repeated give no labels.
 */
function productOf(
  x: Tensor,
  axes: readonly ParameterAxis[],
): { scale: number; factors: Factor[] } {
  const value = constantValue(x);
  if (value !== null) return { scale: value, factors: [] };
  const operation = x.operation;
  switch (operation?.primitive) {
    case "neg": {
      const { scale, factors } = productOf(operation.inputs[0], axes);
      return { scale: -scale, factors };
    }
    case "mul": {
      const [a, b] = operation.inputs;
      const [left, right] = [constantValue(a), constantValue(b)];
      if (left === null && right === null) break;
      const { scale, factors } = productOf(left === null ? a : b, axes);
      return { scale: scale * (left ?? right!), factors };
    }
    case "broadcast": {
      const [input] = operation.inputs;
      return productOf(input, axes.map((axis, i) => input.shape[i] === 1 ? repeated : axis));
    }
    case "reshape": {
      // Only axes of size 1 come or go.
      const [input] = operation.inputs;
      const own = axes.filter((_, i) => x.shape[i] !== 1);
      const sizes = input.shape.filter((n) => n !== 1);
      const wide = x.shape.filter((n) => n !== 1);
      if (wide.length !== sizes.length || wide.some((n, i) => n !== sizes[i])) break;
      let next = 0;
      return productOf(input, input.shape.map((n) => n === 1 ? repeated : own[next++]));
    }
  }
  const start = x.shape.map(() => 0);
  const limit = axes.map((axis, i) => isRepeated(axis) ? 1 : x.shape[i]);
  return { scale: 1, factors: [readPart(slice(x, start, limit), axes)] };
}

/** The term after a rule; labels that no longer stand anywhere were summed over, and count as often as they are long. */
function settle(before: Term, after: Term): Term {
  const left = new Set([...axisLabels(after), ...after.factors.flatMap(({ labels }) => labels)]);
  const gone = new Set(axisLabels(before).filter((label) => !left.has(label)));
  return { ...after, scale: after.scale * sizeOfLabels([...gone]) };
}

function withAxis(term: Term, at: number, axis: ParameterAxis): Term {
  return { ...term, axes: term.axes.map((other, i) => i === at ? axis : other) };
}

/** Elementwise: the derivative is diagonal. */
const elementwise: StructureRule = (application, slot, term) => {
  const { inputs, output: { operation } } = application;
  const tangents = inputs.map((x, i) => i === slot ? fullLike(x, 1) : null);
  const diagonal = ruleOf(operation!.primitive).jvp(application, tangents);
  if (diagonal === null) return null;
  const { scale, factors } = productOf(diagonal, term.axes);
  return { ...term, scale: term.scale * scale, factors: [...term.factors, ...factors] };
};

const same: StructureRule = (_, __, term) => term;
const zero: StructureRule = () => null;

/** Labels for the axes of another shape of the same size; labels that reach across are split. */
function regroup(
  term: Term,
  axes: readonly (readonly Label[])[],
  shape: readonly number[],
): { term: Term; axes: Label[][] } {
  let queue = axes.flat();
  const result: Label[][] = [];
  const split = (label: Label, outer: number): Label[] => {
    const parts = [{ size: outer }, { size: label.size / outer }];
    term = relabel(term, label, parts);
    const replace = (list: readonly Label[]): Label[] =>
      list.flatMap((l) => l === label ? parts : [l]);
    queue = replace(queue);
    for (const list of result) list.splice(0, list.length, ...replace(list));
    return parts;
  };
  for (const size of shape) {
    const own: Label[] = [];
    result.push(own);
    let rest = size;
    while (rest > 1) {
      const label = queue[0];
      if (rest % label.size !== 0) {
        if (label.size % rest !== 0) {
          // The reshape cuts across two axes: they are made one first.
          const kept = new Set([...queue, ...result.flat()]);
          const merged = mergeDigits(term, queue.slice(0, 2), kept);
          term = merged.term;
          queue.splice(0, 2, merged.label);
          continue;
        }
        split(label, rest);
      }
      rest /= queue[0].size;
      own.push(queue.shift()!);
    }
  }
  return { term, axes: result };
}

/** The part of a term that lies in `size` positions of an axis from `before` on; null where there is none. */
function restrictAxis(term: Term, at: number, before: number, size: number): Term | null {
  const axis = term.axes[at];
  if (size === 0) return null;
  if (before === 0 && size === axisSize(axis)) return term;
  switch (axis.kind) {
    case "labels": {
      const { term: result, label } = singleLabel(term, at);
      return label === null ? result : sliceLabel(result, label, before, 1, size).term;
    }
    case "range": {
      const count = sizeOfLabels(axis.labels);
      const first = Math.max(0, Math.ceil((before - axis.start) / axis.step));
      const end = Math.min(count, Math.ceil((before + size - axis.start) / axis.step));
      if (end <= first) return null;
      let result = term;
      let { labels } = axis;
      if (end - first < count) {
        const single = singleLabel(term, at);
        const part = sliceLabel(single.term, single.label!, first, 1, end - first);
        result = part.term;
        labels = [part.label];
      }
      const start = axis.start + first * axis.step - before;
      return withAxis(result, at, { kind: "range", labels, start, step: axis.step, size });
    }
    case "index": {
      const places = { start: before, step: 1, count: size };
      const { dtype } = term.factors[0].tensor;
      const { index, inside } = indexWithin(axis.index, places, dtype);
      const result = withAxis(term, at, { kind: "index", index, size });
      return { ...result, factors: [...term.factors, inside] };
    }
  }
}

const structural: { readonly [P in PrimitiveName]?: StructureRule<P> } = {
  reshape({ inputs: [x] }, _, term) {
    const wide = term.axes.filter((axis) => axisSize(axis) !== 1);
    const sizes = x.shape.filter((n) => n !== 1);
    if (wide.length === sizes.length && wide.every((axis, i) => axisSize(axis) === sizes[i])) {
      let next = 0;
      const axes = x.shape.map((n): ParameterAxis =>
        n === 1 ? { kind: "labels", labels: [] } : wide[next++]
      );
      return { ...term, axes };
    }
    const plain = plainAxes(term);
    const regrouped = regroup(plain.term, plain.axes, x.shape);
    return { ...regrouped.term, axes: labelAxes(regrouped.axes) };
  },
  permute({ params: { permutation } }, _, term) {
    return { ...term, axes: invertPermutation(permutation).map((i) => term.axes[i]) };
  },
  broadcast({ inputs: [x], output }, _, term) {
    const axes = term.axes.map((axis, i): ParameterAxis =>
      x.shape[i] === output.shape[i] ? axis : repeated
    );
    return settle(term, { ...term, axes });
  },
  slice({ inputs: [x], params: { start, step } }, _, term) {
    const axes = term.axes.map((axis, i): ParameterAxis => {
      const size = x.shape[i];
      if (axisSize(axis) === size && start[i] === 0 && step[i] === 1) return axis;
      switch (axis.kind) {
        case "labels":
          return { kind: "range", labels: axis.labels, start: start[i], step: step[i], size };
        case "range":
          return {
            ...axis,
            start: start[i] + step[i] * axis.start,
            step: step[i] * axis.step,
            size,
          };
        case "index": {
          const { tensor, labels } = axis.index;
          const index = { tensor: tensor.mul(step[i]).add(start[i]), labels };
          return { kind: "index", index, size };
        }
      }
    });
    return { ...term, axes };
  },
  pad({ inputs: [x], params: { low, interior } }, _, term) {
    let result: Term | null = term;
    x.shape.forEach((size, i) => {
      if (result === null || axisSize(result.axes[i]) === size) return;
      if (interior[i] === 0) {
        result = restrictAxis(result, i, low[i], size);
        return;
      }
      const { term: plain } = plainAxes(result);
      const single = singleLabel(plain, i);
      result = sliceLabel(single.term, single.label!, low[i], 1 + interior[i], size).term;
    });
    return result;
  },
  flip({ params }, _, term) {
    let result = term;
    for (const i of params.axes) {
      const axis = result.axes[i];
      if (axis.kind === "index") {
        const { tensor, labels } = axis.index;
        const index = { tensor: tensor.neg().add(axis.size - 1), labels };
        result = withAxis(result, i, { ...axis, index });
        continue;
      }
      if (axis.kind === "range") {
        const last = axis.start + (sizeOfLabels(axis.labels) - 1) * axis.step;
        result = withAxis(result, i, { ...axis, start: axis.size - 1 - last });
      }
      for (const label of axis.labels) result = flipLabel(result, label);
    }
    return result;
  },
  concat({ inputs, params: { axis } }, slot, term) {
    const before = inputs.slice(0, slot).reduce((n, x) => n + x.shape[axis], 0);
    return restrictAxis(term, axis, before, inputs[slot].shape[axis]);
  },
  reduceSum({ inputs: [x], params: { axes } }, _, term) {
    let next = 0;
    const labels = freshLabels(x.shape);
    return {
      ...term,
      axes: x.shape.map((_, i): ParameterAxis =>
        axes.includes(i) ? { kind: "labels", labels: labels[i] } : term.axes[next++]
      ),
    };
  },
  dotGeneral({ inputs, params }, slot, term) {
    const { lhsBatch, rhsBatch, lhsContract, rhsContract } = params;
    const [batch, contract] = slot === 0 ? [lhsBatch, lhsContract] : [rhsBatch, rhsContract];
    const [otherBatch, otherContract] = slot === 0
      ? [rhsBatch, rhsContract]
      : [lhsBatch, lhsContract];
    const [own, other] = [inputs[slot], inputs[1 - slot]];
    const ownAxes = new Array<ParameterAxis>(own.rank);
    const otherAxes = new Array<ParameterAxis>(other.rank);
    batch.forEach((axis, i) => ownAxes[axis] = otherAxes[otherBatch[i]] = term.axes[i]);
    contract.forEach((axis, i) => {
      const labels = freshLabels([own.shape[axis]])[0];
      ownAxes[axis] = otherAxes[otherContract[i]] = { kind: "labels", labels };
    });
    let next = batch.length;
    // The result has the free axes of the left operand, then those of the right.
    for (const side of slot === 0 ? [ownAxes, otherAxes] : [otherAxes, ownAxes]) {
      for (let axis = 0; axis < side.length; axis++) side[axis] ??= term.axes[next++];
    }
    const { scale, factors } = productOf(other, otherAxes);
    return settle(term, {
      scale: term.scale * scale,
      factors: [...term.factors, ...factors],
      axes: ownAxes,
    });
  },
  conv(application, slot, term) {
    if (slot !== 1) throw new Unstructured("the input of a convolution");
    const { inputs: [input, filter], params } = application;
    const { groups } = params;
    const plain = plainAxes(term);
    // The result's channels are groups of channels: [N, G, O / G, P…].
    const [n, o, ...positions] = application.output.shape;
    const parted = regroup(plain.term, plain.axes, [n, groups, o / groups, ...positions]);
    const [batch, group, channel, ...places] = parted.axes;
    const [inner, ...kernel] = freshLabels(filter.shape.slice(1));
    const patches = groupedPatches(params, input, filter.shape.slice(2));
    return {
      scale: parted.term.scale,
      factors: [
        ...parted.term.factors,
        factorOf(patches, [batch, group, inner, ...kernel, ...places]),
      ],
      axes: labelAxes([[...group, ...channel], inner, ...kernel]),
    };
  },
  gather({ inputs: [x, index], params: { batchDims } }, slot, term) {
    if (slot !== 0) return null;
    const size = x.shape[batchDims];
    const inRange = index.clip(0, size - 1);
    const read = readPart(inRange, term.axes.slice(0, batchDims + 1));
    const axes = [...term.axes];
    axes[batchDims] = { kind: "index", index: read, size };
    return { ...term, axes };
  },
  alias: same,
  stopGradient: zero,
  equal: zero,
  less: zero,
  lessEqual: zero,
  argmax: zero,
  argmin: zero,
  argsort: zero,
};

/** The rules by primitive; a primitive without one makes the parameter's Jacobian dense. */
export const structureRules: { readonly [P in PrimitiveName]?: StructureRule<P> } = {
  ...Object.fromEntries(
    [...Object.keys({ ...unaryRules, ...binaryRules }), "select", "cast"]
      .map((name) => [name, elementwise]),
  ),
  ...structural,
};

/** Applies the rule of a step. Throws `Unstructured` where there is none. */
export function structureOf(application: Application, slot: number, term: Term): Term | null {
  const { primitive } = application.output.operation!;
  const rule = structureRules[primitive] as StructureRule | undefined;
  if (rule === undefined) throw new Unstructured(`the primitive ${primitive}`);
  return rule(application, slot, term);
}

/** The term of a tensor itself: its cotangent, with a label an axis. */
export function termOf(cotangent: Tensor): Term {
  const labels = freshLabels(cotangent.shape);
  const axes = labelAxes(labels);
  return { ...productOf(cotangent, axes), axes };
}
