/**
 * Method 3: structured derivatives.
 *
 * @module
 */

import { zeros } from "../../core/operations/creation.ts";
import type { Tensor } from "../../core/tensor.ts";
import { jacobianContraction } from "../jacobian_contraction.ts";
import { type KernelProblem, withParameters } from "../problem.ts";
import { type PairPlan, planPair, type Side, withFreshLabels } from "./pair.ts";
import { stackUses } from "./stack.ts";
import { Unstructured } from "./term.ts";
import { type StructuredJacobians, structuredJacobians } from "./uses.ts";

/** How the share of one parameter in the kernel is computed. */
export interface ParameterPlan {
  /** Products of terms; none where the parameter has no share, or where the Jacobian is dense. */
  readonly pairs: readonly PairPlan[];
  /** Why the Jacobian is dense, or null. */
  readonly dense: string | null;
  /** Number of terms of the first examples' Jacobian. */
  readonly terms: number;
}

/** No intermediate result of a term's contraction has more elements than this, where an order allows it. */
const mostElements = 1 << 26;

/** More pairs of uses than this are not worth their structure. */
const mostPairs = 512;

/** The structured Jacobians of both sets of examples; x1 with itself has one. */
function bothJacobians(problem: KernelProblem): [StructuredJacobians, StructuredJacobians] {
  const first = structuredJacobians(problem, problem.x1);
  return [first, problem.symmetric ? first : structuredJacobians(problem, problem.x2)];
}

function sidesOf({ parameters, example, outputs }: StructuredJacobians, i: number): Side[] {
  return stackUses(parameters[i].terms, [example, ...outputs])
    .map((term) => ({ term, example, outputs }));
}

/** Plans every parameter's share of the kernel. */
export function planStructured(problem: KernelProblem): ParameterPlan[] {
  const [first, second] = bothJacobians(problem);
  return problem.params.map((_, i): ParameterPlan => {
    const left = sidesOf(first, i);
    const right = sidesOf(second, i).map((side) => first === second ? withFreshLabels(side) : side);
    try {
      const pairs: PairPlan[] = [];
      for (const a of left) {
        for (const b of right) {
          const pair = planPair(a, b, problem.form, problem.dtype, mostElements);
          if (pair !== null && pairs.push(pair) > mostPairs) {
            throw new Unstructured(`more than ${mostPairs} pairs of uses`);
          }
        }
      }
      return { pairs, dense: null, terms: left.length };
    } catch (error) {
      if (!(error instanceof Unstructured)) throw error;
      return { pairs: [], dense: error.message, terms: left.length };
    }
  });
}

/**
 * The kernel by structured derivatives: for each parameter and each pair of its uses, cotangents and the small tensors that
 * the primitive's derivative is made of, contracted in the cheapest order; no Jacobian over a parameter is made unless that
 * is the cheapest order, or where no rule shows the structure of a primitive. A parameter with too many pairs of uses is left
 * to Jacobian contraction.
 *
 * Result: [N, M, diagonal, full, full].
 */
export function structuredDerivatives(problem: KernelProblem): Tensor {
  const { n1, n2, outputSize, form: { diagonal, full }, dtype } = problem;
  const shares: Tensor[] = [];
  if (n1 > 0 && n2 > 0 && outputSize > 0) {
    const plans = planStructured(problem);
    const dense = plans.flatMap((plan, i) => plan.dense === null ? [] : [i]);
    shares.push(...plans.flatMap(({ pairs }) => pairs.map((pair) => pair.build())));
    if (dense.length > 0) shares.push(jacobianContraction(withParameters(problem, dense)));
  }
  return shares.length > 0
    ? shares.reduce((a, b) => a.add(b))
    : zeros([n1, n2, diagonal, full, full], { dtype });
}
