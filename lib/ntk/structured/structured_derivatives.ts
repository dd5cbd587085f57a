/**
 * Method 3: structured derivatives.
 *
 * @module
 */

import { zeros } from "../../core/operations/creation.ts";
import { concat } from "../../core/operations/shapes.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flattenTree, leavesLike, unflattenTree } from "../../core/tree.ts";
import { jacobianContraction } from "../jacobian_contraction.ts";
import { type KernelProblem, withParameters } from "../problem.ts";
import { denseKernelWork } from "./cost.ts";
import { type Side, withFreshLabels } from "./join.ts";
import { type PairPlan, planPair, productsWork, sumShares } from "./pair.ts";
import { stackUses } from "./stack.ts";
import { Unstructured } from "./term.ts";
import {
  someExamples,
  type StructuredJacobians,
  structuredJacobians,
  type TracedNetwork,
  traceNetwork,
} from "./uses.ts";

/** How the kernel is computed. */
export interface StructuredPlan {
  /** The Jacobians on the first examples. */
  readonly first: StructuredJacobians;
  /** Those on the second; the same object where both sets are one. */
  readonly second: StructuredJacobians;
  /** One entry a parameter. */
  readonly parameters: readonly ParameterPlan[];
}

/** How the share of one parameter in the kernel is computed. */
export interface ParameterPlan {
  /** Products of terms that meet. */
  readonly pairs: readonly PairPlan[];
  /** Whether the Jacobians are made dense and contracted in the place of the pairs. */
  readonly dense: boolean;
  /** Why part of the structure is not known, or null. */
  readonly unstructured: string | null;
  /** Number of terms of the first examples' Jacobian. */
  readonly uses: number;
  /** Operations, in the unit of `bestOrder`. */
  readonly cost: number;
  /** Operations if the Jacobians are made dense and contracted. */
  contraction(): number;
  /** Operations that NTK-vector products spend on it, the passes through the network left out. */
  products(): number;
}

/** A number that is computed when it is first asked for. */
function once(compute: () => number): () => number {
  let known: number | undefined;
  return () => known ??= compute();
}

/** No intermediate result of a term's contraction has more elements than this, where an order allows it. */
const mostElements = 1 << 26;

/** More pairs of uses than this are not worth their structure. */
const mostPairs = 512;

/**
 * The structured Jacobians of both sets of examples. x1 with itself has one; those of two sets share the labels of one
 * trace, and may be parts of one.
 */
function bothJacobians(problem: KernelProblem): [StructuredJacobians, StructuredJacobians] {
  const { f, f2, x1, x2, symmetric, n1, n2 } = problem;
  const traced = traceNetwork(problem, f, x1);
  if (!symmetric && f === f2 && weightsDominate(problem, traced)) {
    const { leaves, structure } = flattenTree(x1, "empiricalNtk");
    const others = leavesLike(x2, structure, "empiricalNtk");
    const joined = unflattenTree(structure, leaves.map((x, i) => concat([x, others[i]], 0)));
    const both = structuredJacobians(traced, joined);
    return [someExamples(both, 0, n1), someExamples(both, n1, n2)];
  }
  const first = structuredJacobians(traced, x1);
  if (symmetric) return [first, first];
  const other = f === f2 ? traced : traceNetwork(problem, f2, x2);
  return [first, structuredJacobians(other, x2)];
}

/**
 * Whether the parameters are larger than all that is computed from them: the time then goes into reading them, and one pass
 * through the network for both sets of examples reads them once.
 */
function weightsDominate(
  { params, n1, n2, outputSize }: KernelProblem,
  { steps, fixed }: TracedNetwork,
): boolean {
  const weights = params.reduce((n, { size }) => n + size, 0);
  const computed = steps.reduce((n, { output }) => n + (fixed.has(output) ? 0 : output.size), 0);
  return weights > (n1 + n2) * (1 + outputSize) * computed;
}

function sidesOf({ parameters, example, outputs }: StructuredJacobians, i: number): Side[] {
  return stackUses(parameters[i].terms, [example, ...outputs])
    .map((term) => ({ term, example, outputs }));
}

const plans = new WeakMap<KernelProblem, StructuredPlan>();

/** Plans every parameter's share of the kernel; once for a problem. */
export function planStructured(problem: KernelProblem): StructuredPlan {
  let plan = plans.get(problem);
  if (plan === undefined) plans.set(problem, plan = makePlan(problem));
  return plan;
}

function makePlan(problem: KernelProblem): StructuredPlan {
  const [first, second] = bothJacobians(problem);
  const { n1, n2, outputSize, params, form, dtype } = problem;
  const shared = first.outputs === second.outputs;
  const parameters = params.map((parameter, i): ParameterPlan => {
    const left = sidesOf(first, i);
    const right = sidesOf(second, i).map((side) => shared ? withFreshLabels(side) : side);
    const uses = left.length;
    const opaque = first.parameters[i].opaque ?? second.parameters[i].opaque;
    const contraction = once(() => denseKernelWork(problem, first, second, i));
    // The cotangent for each first example, its product with a tangent for each pair.
    const unstructuredProducts = 2 * parameter.size * outputSize * (n1 + n1 * n2);
    try {
      if (uses * right.length > mostPairs) {
        throw new Unstructured(`more than ${mostPairs} pairs of uses`);
      }
      const both = left.flatMap((a) => right.map((b) => [a, b] as const));
      const pairs = both.flatMap(([a, b]) => planPair(a, b, form, dtype, mostElements) ?? []);
      const cost = pairs.reduce((sum, pair) => sum + pair.cost, 0);
      const products = once(() => {
        try {
          return both.reduce((sum, [a, b]) => sum + productsWork(a, b, dtype), 0);
        } catch (error) {
          if (!(error instanceof Unstructured)) throw error;
          return unstructuredProducts;
        }
      });
      // Of many different uses, the sum is contracted rather than every pair, where that is clearly cheaper.
      const dense = pairs.length > 1 && contraction() < 0.75 * cost;
      return {
        pairs,
        dense,
        unstructured: opaque,
        uses,
        cost: dense ? contraction() : cost,
        contraction,
        products,
      };
    } catch (error) {
      if (!(error instanceof Unstructured)) throw error;
      return {
        pairs: [],
        dense: true,
        unstructured: error.message,
        uses,
        cost: contraction(),
        contraction,
        products: () => unstructuredProducts,
      };
    }
  });
  return { first, second, parameters };
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
  const shape = [n1, n2, diagonal, full, full];
  if (n1 === 0 || n2 === 0 || outputSize === 0) return zeros(shape, { dtype });
  const { parameters } = planStructured(problem);
  const places = parameters.flatMap(({ dense }, i) => dense ? [i] : []);
  const shares = parameters.flatMap(({ pairs, dense }) =>
    dense ? [] : pairs.map((pair) => pair.build())
  );
  const structured = sumShares(shares, shape, dtype);
  const contracted = places.length === 0
    ? null
    : jacobianContraction(withParameters(problem, places));
  if (structured === null) return contracted ?? zeros(shape, { dtype });
  return contracted === null ? structured : structured.add(contracted);
}
