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
import { invertPermutation, sizeOf } from "../../base/shape.ts";
import { ruleOf } from "../../core/apply.ts";
import { fullLike, slice } from "../../core/primitives/build.ts";
import { groupedPatches } from "../../core/primitives/contraction.ts";
import type { Application } from "../../core/primitives/rule.ts";
import type { Tensor } from "../../core/tensor.ts";
import {
  axisSize,
  type Factor,
  factorOf,
  flipLabel,
  freshLabels,
  type Label,
  labelAxes,
  type ParameterAxis,
  plainAxes,
  relabel,
  singleLabel,
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

/** Factors of a product of tensors with the given axes: constants become a scale, and repeated axes lose their label. */
function productOf(
  x: Tensor,
  axes: readonly (readonly Label[])[],
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
      return productOf(input, axes.map((labels, i) => input.shape[i] === 1 ? [] : labels));
    }
    case "reshape": {
      // Only axes of size 1 come or go.
      const [input] = operation.inputs;
      const own = axes.filter((_, i) => x.shape[i] !== 1);
      const sizes = input.shape.filter((n) => n !== 1);
      if (own.length !== sizes.length || own.some((l, i) => sizeOfLabels(l) !== sizes[i])) break;
      let next = 0;
      return productOf(input, input.shape.map((n) => n === 1 ? [] : own[next++]));
    }
  }
  // An axis without labels was repeated: one of its elements stands for all.
  const start = x.shape.map(() => 0);
  const limit = axes.map((labels, i) => labels.length === 0 ? 1 : x.shape[i]);
  return { scale: 1, factors: [factorOf(slice(x, start, limit), axes)] };
}

function labelsOf(axis: ParameterAxis): readonly Label[] {
  return axis.kind === "labels"
    ? axis.labels
    : axis.kind === "range"
    ? [axis.label]
    : axis.index.labels;
}

function sizeOfLabels(labels: readonly Label[]): number {
  return sizeOf(labels.map(({ size }) => size));
}

/** Elementwise: the derivative is diagonal. */
const elementwise: StructureRule = (application, slot, term) => {
  const { inputs, output: { operation } } = application;
  const tangents = inputs.map((x, i) => i === slot ? fullLike(x, 1) : null);
  const diagonal = ruleOf(operation!.primitive).jvp(application, tangents);
  if (diagonal === null) return null;
  const value = constantValue(diagonal);
  if (value !== null) return { ...term, scale: term.scale * value };
  // A slice of the result needs that part of the diagonal only.
  let part = diagonal;
  const labels = term.axes.map((axis, i): readonly Label[] => {
    if (axis.kind === "labels") return axis.labels;
    if (axis.kind === "index") {
      throw new Unstructured("an elementwise function of what is read by index");
    }
    const { start, step, label } = axis;
    part = slice(
      part,
      part.shape.map((_, j) => i === j ? start : 0),
      part.shape.map((n, j) => i === j ? start + (label.size - 1) * step + 1 : n),
      part.shape.map((_, j) => i === j ? step : 1),
    );
    return [label];
  });
  const { scale, factors } = productOf(part, labels);
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
        if (label.size % rest !== 0) throw new Unstructured("a reshape that cuts across axes");
        split(label, rest);
      }
      rest /= queue[0].size;
      own.push(queue.shift()!);
    }
  }
  return { term, axes: result };
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
      x.shape[i] === output.shape[i] ? axis : { kind: "labels", labels: [] }
    );
    // Labels that are summed over from here on and that no factor has count as often as they are long.
    const left = new Set([...axes.flatMap(labelsOf), ...term.factors.flatMap((f) => f.labels)]);
    const gone = new Set(term.axes.flatMap(labelsOf).filter((label) => !left.has(label)));
    return { ...term, scale: term.scale * sizeOfLabels([...gone]), axes };
  },
  slice({ inputs: [x], params: { start, step } }, _, term) {
    let result = term;
    x.shape.forEach((size, i) => {
      const axis = result.axes[i];
      if (axisSize(axis) === size && start[i] === 0 && step[i] === 1) return;
      let inner: ParameterAxis;
      switch (axis.kind) {
        case "labels": {
          const single = singleLabel(result, axis.labels);
          result = single.term;
          const label = single.label ?? { size: 1 };
          inner = { kind: "range", label, start: start[i], step: step[i], size };
          break;
        }
        case "range":
          inner = {
            ...axis,
            start: start[i] + step[i] * axis.start,
            step: step[i] * axis.step,
            size,
          };
          break;
        case "index": {
          const { tensor, labels } = axis.index;
          inner = {
            kind: "index",
            index: { tensor: tensor.mul(step[i]).add(start[i]), labels },
            size,
          };
        }
      }
      result = { ...result, axes: result.axes.map((other, j) => j === i ? inner : other) };
    });
    return result;
  },
  pad({ inputs: [x], params: { low, interior } }, _, term) {
    let { term: result, axes } = plainAxes(term);
    x.shape.forEach((size, i) => {
      if (sizeOfLabels(axes[i]) === size) return;
      const single = singleLabel(result, axes[i]);
      const sliced = sliceLabel(single.term, single.label!, low[i], 1 + interior[i], size);
      result = sliced.term;
      axes = result.axes.map((axis) => (axis as { labels: readonly Label[] }).labels);
    });
    return result;
  },
  flip({ params }, _, term) {
    let { term: result, axes } = plainAxes(term);
    for (const i of params.axes) for (const label of axes[i]) result = flipLabel(result, label);
    return result;
  },
  concat({ inputs, params: { axis } }, slot, term) {
    const before = inputs.slice(0, slot).reduce((n, x) => n + x.shape[axis], 0);
    const size = inputs[slot].shape[axis];
    const own = term.axes[axis];
    if (own.kind === "range") {
      const first = Math.max(0, Math.ceil((before - own.start) / own.step));
      const end = Math.min(own.label.size, Math.ceil((before + size - own.start) / own.step));
      if (end <= first) return null;
      const { term: part, label } = sliceLabel(term, own.label, first, 1, end - first);
      const start = own.start + first * own.step - before;
      const inner: ParameterAxis = { kind: "range", label, start, step: own.step, size };
      return { ...part, axes: part.axes.map((other, i) => i === axis ? inner : other) };
    }
    if (own.kind === "index") throw new Unstructured("a concatenation that is read by index");
    const single = singleLabel(term, own.labels);
    return single.label === null || size === 0
      ? size === 0 ? null : single.term
      : sliceLabel(single.term, single.label, before, 1, size).term;
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
    const plain = plainAxes(term);
    const { lhsBatch, rhsBatch, lhsContract, rhsContract } = params;
    const [batch, contract] = slot === 0 ? [lhsBatch, lhsContract] : [rhsBatch, rhsContract];
    const [otherBatch, otherContract] = slot === 0
      ? [rhsBatch, rhsContract]
      : [lhsBatch, lhsContract];
    const [own, other] = [inputs[slot], inputs[1 - slot]];
    const ownAxes = new Array<readonly Label[]>(own.rank);
    const otherAxes = new Array<readonly Label[]>(other.rank);
    batch.forEach((axis, i) => ownAxes[axis] = otherAxes[otherBatch[i]] = plain.axes[i]);
    contract.forEach((axis, i) => {
      ownAxes[axis] = otherAxes[otherContract[i]] = freshLabels([own.shape[axis]])[0];
    });
    let next = batch.length;
    // The result has the free axes of the left operand, then those of the right.
    for (const side of slot === 0 ? [ownAxes, otherAxes] : [otherAxes, ownAxes]) {
      for (let axis = 0; axis < side.length; axis++) side[axis] ??= plain.axes[next++];
    }
    return {
      scale: plain.term.scale,
      factors: [...plain.term.factors, factorOf(other, otherAxes)],
      axes: labelAxes(ownAxes),
    };
  },
  conv(application, slot, term) {
    if (slot !== 1) throw new Unstructured("the input of a convolution");
    const { inputs: [input, filter], params } = application;
    const { groups } = params;
    let plain = plainAxes(term);
    // The result's channels are groups of channels: [N, G, O / G, P…].
    const [n, o, ...positions] = application.output.shape;
    const parted = regroup(plain.term, plain.axes, [n, groups, o / groups, ...positions]);
    plain = parted;
    const [batch, group, channel, ...places] = parted.axes;
    const [inner, ...kernel] = freshLabels(filter.shape.slice(1));
    const patches = groupedPatches(params, input, filter.shape.slice(2));
    return {
      scale: plain.term.scale,
      factors: [
        ...plain.term.factors,
        factorOf(patches, [batch, group, inner, ...kernel, ...places]),
      ],
      axes: labelAxes([[...group, ...channel], inner, ...kernel]),
    };
  },
  gather({ inputs: [x, index], params: { batchDims } }, slot, term) {
    if (slot !== 0) return null;
    const plain = plainAxes(term);
    const size = x.shape[batchDims];
    const inRange = index.clip(0, size - 1);
    const axes = labelAxes(plain.axes);
    axes[batchDims] = {
      kind: "index",
      index: factorOf(inRange, plain.axes.slice(0, batchDims + 1)),
      size,
    };
    return { ...plain.term, axes };
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

const elementwiseNames: readonly PrimitiveName[] = [
  "neg",
  "abs",
  "sign",
  "floor",
  "ceil",
  "round",
  "exp",
  "expm1",
  "log",
  "log1p",
  "sqrt",
  "rsqrt",
  "sin",
  "cos",
  "atan",
  "tanh",
  "sigmoid",
  "erf",
  "add",
  "sub",
  "mul",
  "div",
  "remainder",
  "pow",
  "atan2",
  "maximum",
  "minimum",
  "select",
  "cast",
];

/** The rules by primitive; a primitive without one makes the parameter's Jacobian dense. */
export const structureRules: { readonly [P in PrimitiveName]?: StructureRule<P> } = {
  ...structural,
  ...Object.fromEntries(elementwiseNames.map((name) => [name, elementwise])),
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
  const { scale, factors } = productOf(cotangent, labels);
  return { scale, factors, axes: labelAxes(labels) };
}
