/**
 * What terms cost, in operations of a matrix product that take as long.
 *
 * @module
 */

import { bestOrder, pairCost } from "../../compiler/contraction_order.ts";
import type { KernelProblem } from "../problem.ts";
import { type Label, labelsOf, type Term } from "./term.ts";
import type { StructuredJacobians } from "./uses.ts";

/** All labels of a term. */
function labelsOfTerm(term: Term): Label[] {
  const factors = term.factors.flatMap((factor) => factor.labels);
  return [...new Set([...factors, ...term.axes.flatMap(labelsOf)])];
}

/** Operations of making the Jacobian over a parameter dense, for all examples and outputs. */
function denseWork(
  terms: readonly Term[],
  example: Label,
  outputs: readonly Label[],
): number {
  return terms.reduce((total, term) => {
    const labels = labelsOfTerm(term);
    if (labels.length > 30) return Infinity;
    const set = (list: readonly Label[]): number =>
      list.reduce(
        (bits, label) => bits | (labels.includes(label) ? 1 << labels.indexOf(label) : 0),
        0,
      );
    const axes = term.axes.flatMap(labelsOf);
    const order = bestOrder({
      sizes: labels.map(({ size }) => size),
      operands: term.factors.map((factor) => set(factor.labels)),
      output: set([example, ...outputs, ...axes]),
      limit: Infinity,
    });
    return total + (order?.cost ?? 0);
  }, 0);
}

/** Operations of making the Jacobians over parameter `i` dense and contracting them. */
export function denseKernelWork(
  problem: KernelProblem,
  first: StructuredJacobians,
  second: StructuredJacobians,
  i: number,
): number {
  const { n1, n2, form, params } = problem;
  const of = ({ parameters, example, outputs }: StructuredJacobians): number =>
    denseWork(parameters[i].terms, example, outputs);
  const dense = of(first) + (first === second ? 0 : of(second));
  return dense +
    pairCost(form.diagonal, n1 * form.full, n2 * form.full, form.traced * params[i].size);
}
