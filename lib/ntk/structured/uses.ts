/**
 * The terms of a network's Jacobian: one for each use of a parameter, for all examples and outputs at once.
 *
 * @module
 */

import { apply } from "../../core/apply.ts";
import { eye } from "../../core/operations/creation.ts";
import { moveAxis, sliceAxis } from "../../core/primitives/build.ts";
import type { Batched } from "../../core/primitives/rule.ts";
import type { Operation, Tensor } from "../../core/tensor.ts";
import { flattenTree, leavesLike, type TreeStructure, unflattenTree } from "../../core/tree.ts";
import { batchSteps } from "../../transforms/vmap.ts";
import { record, type Step, stepsBetween } from "../../transforms/walk.ts";
import type { KernelProblem, VectorFunction } from "../problem.ts";
import {
  changeLabel,
  type Factor,
  factorOf,
  type Label,
  type ParameterAxis,
  relabel,
  type Term,
} from "./term.ts";
import { type Traced, traceParameters } from "./trace.ts";

/** The Jacobian over one parameter. */
export interface StructuredJacobian {
  /** Its terms; none where the output does not depend on the parameter. */
  readonly terms: readonly Term[];
  /** What has no rule, so that a whole cotangent is among the terms, or null. */
  readonly opaque: string | null;
}

/** The Jacobians over all parameters for a set of examples. */
export interface StructuredJacobians {
  /** The label of the examples. */
  readonly example: Label;
  /** The labels of the outputs, one an output axis in the form's order. */
  readonly outputs: readonly Label[];
  /** In the order of the parameters. */
  readonly parameters: readonly StructuredJacobian[];
  /** The network's graph for one example, from the parameters on. */
  readonly steps: readonly Step[];
  /** The parameters in it. */
  readonly aliases: readonly Tensor[];
  /** What in it does not depend on the example. */
  readonly fixed: ReadonlySet<Tensor>;
}

/** A network's Jacobian before its examples are known. */
export interface TracedNetwork {
  /** How examples are made of tensors. */
  readonly structure: TreeStructure;
  /** One example's tensors. */
  readonly placeholders: readonly Tensor[];
  /** The cotangent of its result. */
  readonly basis: Tensor;
  /** The labels of the outputs, one an output axis in the form's order. */
  readonly outputs: readonly Label[];
  /** What depends on the cotangent, for all of the outputs. */
  readonly overOutputs: ReadonlyMap<Tensor, Batched>;
  /** What of all this depends on the example. */
  readonly exampleSteps: readonly Step[];
  /** In the order of the parameters, for one example and a cotangent. */
  readonly parameters: readonly Traced[];
  /** The network's graph for one example, from the parameters on. */
  readonly steps: readonly Step[];
  /** The parameters in it. */
  readonly aliases: readonly Tensor[];
  /** What in it does not depend on the example. */
  readonly fixed: ReadonlySet<Tensor>;
}

/** What a factor's tensor is for all examples and outputs. */
class Batcher {
  private readonly basis: Tensor;
  private readonly outputs: readonly Label[];
  private readonly overOutputs: ReadonlyMap<Tensor, Batched>;
  private readonly overExamples: Map<Tensor, Batched>;

  constructor(
    { basis, outputs, overOutputs, placeholders, exampleSteps }: TracedNetwork,
    private readonly example: Label,
    examples: readonly Tensor[],
  ) {
    this.basis = basis;
    this.outputs = outputs.filter(({ size }) => size > 1);
    this.overOutputs = overOutputs;
    this.overExamples = new Map(
      placeholders.map((x, i) => [x, { tensor: examples[i], axis: 0 }]),
    );
    batchSteps(exampleSteps, this.overExamples, example.size);
  }

  /** The factor with the labels of examples and outputs where it depends on them. */
  factor({ tensor, labels }: Factor): Factor {
    const outer = this.overOutputs.get(tensor);
    let x = outer?.tensor ?? tensor;
    const inner = this.overExamples.get(x);
    let axis = outer?.axis ?? null;
    if (inner !== undefined) {
      x = moveAxis(inner.tensor, inner.axis, 0);
      if (axis !== null) axis++;
    }
    const front = inner === undefined ? 0 : 1;
    if (axis !== null) x = moveAxis(x, axis, front);
    const all = [
      ...(inner === undefined ? [] : [this.example]),
      ...(axis === null ? [] : this.outputs),
      ...labels,
    ];
    return factorOf(x, all.map((label) => [label]));
  }

  /** The term for all examples and outputs; a factor that is the identity over outputs becomes labels that coincide. */
  term(term: Term): Term {
    const identity = term.factors.findIndex((factor) => this.isIdentity(factor));
    const coinciding = identity < 0 ? [] : term.factors[identity].labels;
    const whole: Term = {
      scale: term.scale,
      factors: term.factors.filter((_, i) => i !== identity).map((f) => this.factor(f)),
      axes: term.axes.map((axis): ParameterAxis =>
        axis.kind === "index" ? { ...axis, index: this.factor(axis.index) } : axis
      ),
    };
    return coinciding.reduce((t, label, i) => relabel(t, label, [this.places[i]]), whole);
  }

  /** The output labels in the order of the axes of the identity factor that was found last. */
  private places: readonly Label[] = [];

  /** Whether a factor is the basis vector itself, its axes rearranged. */
  private isIdentity({ tensor, labels }: Factor): boolean {
    const order = arrangementOf(tensor, this.basis, this.outputs.map(({ size }) => size));
    if (order === null || order.length !== labels.length) return false;
    this.places = order.map((i) => this.outputs[i]);
    return this.places.every(({ size }, i) => size === labels[i].size);
  }
}

/**
 * How the axes of a tensor that is a vector's elements in another arrangement correspond to the digits of the vector's
 * index, or null where the tensor is something else. Axes of size 1 are left out.
 */
function arrangementOf(x: Tensor, vector: Tensor, digits: readonly number[]): number[] | null {
  const chain: Operation[] = [];
  for (let y = x; y !== vector; y = y.operation.inputs[0]) {
    if (y.operation?.primitive !== "reshape" && y.operation?.primitive !== "permute") return null;
    chain.push(y.operation);
  }
  // Which digits each axis holds, from the vector onward.
  let axes: number[][] = [digits.map((_, i) => i)];
  for (const { primitive, params } of chain.reverse()) {
    if (primitive === "permute") {
      axes = (params as { permutation: readonly number[] }).permutation.map((i) => axes[i]);
      continue;
    }
    const queue = axes.flat();
    const regrouped: number[][] = [];
    for (const size of (params as { shape: readonly number[] }).shape) {
      const own: number[] = [];
      for (let rest = size; rest > 1;) {
        const digit = queue.shift()!;
        if (rest % digits[digit] !== 0) return null;
        rest /= digits[digit];
        own.push(digit);
      }
      regrouped.push(own);
    }
    axes = regrouped;
  }
  return axes.every((own) => own.length < 2) ? axes.flat() : null;
}

function tensorsOf(term: Term): Tensor[] {
  return [
    ...term.factors.map(({ tensor }) => tensor),
    ...term.axes.flatMap((axis) => axis.kind === "index" ? [axis.index.tensor] : []),
  ];
}

/**
 * Traces a network on an example like those of `x`: the terms of its outputs' Jacobian over its parameters. Nothing is
 * computed.
 */
export function traceNetwork(
  { params, outputSize, form, dtype }: KernelProblem,
  f: VectorFunction,
  x: unknown,
): TracedNetwork {
  const { leaves, structure } = flattenTree(x, "empiricalNtk");
  const placeholders = leaves.map((leaf) =>
    apply("placeholder", { shape: leaf.shape.slice(1), dtype: leaf.dtype })
  );
  const basis = apply("placeholder", { shape: [outputSize], dtype });
  const aliases = params.map((p) => apply("alias", {}, p));
  const { outputs: [result], steps } = record(
    f,
    [aliases, unflattenTree(structure, placeholders)],
    aliases,
    "empiricalNtk",
  );
  // An alias of the result, so that a result that is a parameter has a use too.
  const end = apply("alias", {}, result);
  const all = stepsBetween(aliases, [end]);
  const moving = new Set(stepsBetween(placeholders, [end]).map(({ output }) => output));
  const fixed = new Set<Tensor>(aliases);
  for (const { output } of steps) if (!moving.has(output)) fixed.add(output);
  const parameters = traceParameters(aliases, all, fixed, end, basis);
  const tensors = parameters.flatMap(({ terms }) => terms.flatMap(tensorsOf));
  const identity = eye(outputSize, outputSize, { dtype });
  const overOutputs = new Map<Tensor, Batched>([[basis, { tensor: identity, axis: 0 }]]);
  batchSteps(stepsBetween([basis], tensors), overOutputs, outputSize);
  return {
    structure,
    placeholders,
    basis,
    outputs: form.order.map((axis): Label => ({ size: form.outputShape[axis] })),
    overOutputs,
    exampleSteps: stepsBetween(
      placeholders,
      tensors.map((x) => overOutputs.get(x)?.tensor ?? x),
    ),
    parameters,
    steps: all,
    aliases,
    fixed,
  };
}

/** The structured Jacobians of a traced network on the examples of `x`. Nothing is computed. */
export function structuredJacobians(traced: TracedNetwork, x: unknown): StructuredJacobians {
  const { structure, outputs, parameters, steps, aliases, fixed } = traced;
  const leaves = leavesLike(x, structure, "empiricalNtk");
  const example: Label = { size: leaves[0].shape[0] };
  const batcher = new Batcher(traced, example, leaves);
  return {
    example,
    outputs,
    parameters: parameters.map(({ terms, opaque }) => ({
      terms: terms.map((term) => batcher.term(term)),
      opaque,
    })),
    steps,
    aliases,
    fixed,
  };
}

/** The Jacobians on some of the examples: `count` from `start` on. */
export function someExamples(
  whole: StructuredJacobians,
  start: number,
  count: number,
): StructuredJacobians {
  const example: Label = { size: count };
  return {
    ...whole,
    example,
    parameters: whole.parameters.map(({ terms, opaque }) => ({
      terms: terms.map((term) =>
        changeLabel(
          term,
          whole.example,
          example,
          (tensor, axis) => sliceAxis(tensor, axis, start, start + count),
        )
      ),
      opaque,
    })),
  };
}
