/**
 * What each parameter's share of the kernel costs by each method, and the choice between them.
 *
 * @module
 */

import { sizeOf } from "../base/shape.ts";
import { buildProgram } from "../compiler/build.ts";
import type { Backend } from "../compiler/backend.ts";
import { estimateSeconds, type Rates } from "../compiler/estimate.ts";
import { lower } from "../compiler/lower.ts";
import { simplify } from "../compiler/simplify.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree } from "../core/tree.ts";
import type { Step } from "../transforms/walk.ts";
import { kernelBy, type NtkMethod } from "./methods.ts";
import type { KernelProblem } from "./problem.ts";
import { calibrate, ratesOf, usualRatesOf } from "./rates.ts";
import { planStructured, type StructuredPlan } from "./structured/structured_derivatives.ts";

/** One parameter's share of the kernel. */
export interface ParameterShare {
  /** Its path in the parameter tree. */
  readonly name: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** In how many ways it enters the network; uses of one structure, as those of a recurrent weight, count once. */
  readonly uses: number;
  /** Why its structure is not known, or null. Structured derivatives then contract its Jacobian as it is. */
  readonly unstructured: string | null;
  /**
   * What its share costs by each method, in floating point operations of a matrix product that take as long, without the
   * forward pass and the reverse pass, which all methods need. For NTK-vector products the forward-mode pass behind the
   * parameter is left out too: all parameters share it.
   */
  readonly operations: Readonly<Record<NtkMethod, number>>;
  /** The method that computes it. */
  readonly method: NtkMethod;
}

/** How a kernel is computed. */
export interface KernelPlan {
  /** One entry a parameter. */
  readonly shares: readonly ParameterShare[];
  /** Operations of the passes through the network that the shares need. */
  readonly passes: number;
  /** The one method for all parameters, or "mixed". */
  readonly method: NtkMethod | "mixed";
}

/** Elements that an elementwise operation writes, in operations of a matrix product that take as long. */
const elementWork = 16;

/** Operations of a step for one example: those of its contraction, or what its elements take. */
function stepWork({ output, operation: { primitive, inputs } }: Step): number {
  const size = sizeOf(output.shape);
  switch (primitive) {
    case "dotGeneral": {
      // m·n·k from the sizes of the two operands and the result: √(mk·kn·mn), batch axes counted once.
      const [a, b] = inputs.map((x) => sizeOf(x.shape));
      return 2 * Math.sqrt(a * b * size);
    }
    case "conv":
      return 2 * size * sizeOf(inputs[1].shape.slice(1));
    case "reshape":
    case "permute":
    case "broadcast":
    case "slice":
    case "alias":
      return 0;
    default:
      return elementWork * size;
  }
}

/**
 * For each parameter, the operations of carrying one tangent from where it enters to the outputs: a forward-mode pass
 * through what depends on it.
 */
function tangentWork(
  steps: readonly Step[],
  aliases: readonly Tensor[],
  fixed: ReadonlySet<Tensor>,
): number[] {
  const work = aliases.map(() => 0);
  const below = new Map<Tensor, ReadonlySet<number>>(aliases.map((x, i) => [x, new Set([i])]));
  for (const step of steps) {
    const { output, operation: { inputs } } = step;
    const sets = inputs.flatMap((input) => below.get(input) ?? []);
    // Most steps have one input that matters: its set is shared, not copied.
    const all = sets.length === 1 ? sets[0] : new Set(sets.flatMap((set) => [...set]));
    below.set(output, all);
    if (fixed.has(output)) continue;
    const carried = new Set(
      inputs.filter((x) => !fixed.has(x)).flatMap((x) => [...below.get(x) ?? []]),
    );
    if (carried.size === 0) continue;
    const cost = stepWork(step);
    for (const i of carried) work[i] += cost;
  }
  return work;
}

/** What the parameters' shares cost by each method. */
interface Costs {
  readonly operations: readonly Readonly<Record<NtkMethod, number>>[];
  /** For each parameter, the forward-mode pass that NTK-vector products over it need. */
  readonly tangents: readonly number[];
  readonly passes: number;
}

function costsOf(problem: KernelProblem, plan: StructuredPlan): Costs {
  const { n1, n2, outputSize } = problem;
  const { first, second, parameters } = plan;
  const pairs = n1 * n2 * outputSize;
  const operations = parameters.map((parameter) => ({
    "jacobian-contraction": parameter.contraction(),
    "ntk-vector-products": parameter.products(),
    "structured-derivatives": parameter.cost,
  }));
  const forward = first.steps.reduce((sum, step) => sum + stepWork(step), 0);
  return {
    operations,
    tangents: tangentWork(first.steps, first.aliases, first.fixed).map((work) => pairs * work),
    // A forward pass an example, a reverse pass an example and output.
    passes: forward * (n1 + (first === second ? 0 : n2)) * (1 + outputSize),
  };
}

/** A method for each parameter, and what it is expected to cost with the passes through the network. */
interface Candidate {
  readonly choices: readonly NtkMethod[];
  readonly cost: number;
}

/**
 * What may be cheapest: structured derivatives for all parameters, or NTK-vector products for those behind which some pass
 * starts and the rest by structured derivatives, or products for all.
 */
function candidatesOf({ operations, tangents, passes }: Costs): Candidate[] {
  const structured = operations.map((cost) => cost["structured-derivatives"]);
  const products = operations.map((cost) => cost["ntk-vector-products"]);
  const candidate = (byProducts: readonly boolean[]): Candidate => ({
    choices: byProducts.map((yes) => yes ? "ntk-vector-products" : "structured-derivatives"),
    cost: byProducts.reduce(
      (sum, yes, i) => sum + (yes ? products[i] : structured[i]),
      passes + Math.max(0, ...tangents.filter((_, i) => byProducts[i])),
    ),
  });
  // One pass serves all parameters behind which it starts: take those up to some depth that gain.
  const mixed = [...new Set(tangents)].map((depth) =>
    candidate(structured.map((cost, i) => tangents[i] <= depth && products[i] < cost))
  );
  const best = mixed.reduce((a, b) => b.cost < a.cost ? b : a);
  const all = [false, true].map((yes) => candidate(structured.map(() => yes)));
  const different = [...new Set(best.choices)].length > 1;
  return different ? [...all, best] : all;
}

/** Candidates that are expected to cost less than this many times the best are built, and their programs' time estimated. */
const closeCall = 2;

/** The seconds that the program of a kernel is expected to take. */
export function expectedSeconds(kernel: Tensor, rates: Rates): number {
  const { program } = buildProgram([kernel]);
  return estimateSeconds(lower(simplify(program)), rates);
}

/** The cheapest choice: what is expected to be, or, where it is close, the one whose program takes the least time. */
function cheapest(problem: KernelProblem, costs: Costs, rates: Rates): readonly NtkMethod[] {
  const candidates = candidatesOf(costs);
  const least = Math.min(...candidates.map(({ cost }) => cost));
  const close = candidates.filter(({ cost }) => cost <= closeCall * least);
  if (close.length === 1) return close[0].choices;
  const seconds = close.map(({ choices }) => expectedSeconds(kernelBy(problem, choices), rates));
  return close[seconds.indexOf(Math.min(...seconds))].choices;
}

/** The plan of a kernel without elements. */
function emptyPlan({ params, names }: KernelProblem): KernelPlan {
  const method = "structured-derivatives";
  const operations = { "jacobian-contraction": 0, "ntk-vector-products": 0, [method]: 0 };
  const shares = params.map(({ shape }, i): ParameterShare => ({
    name: names[i],
    shape,
    uses: 0,
    unstructured: null,
    operations,
    method,
  }));
  return { shares, passes: 0, method };
}

/**
 * Plans a kernel: by one method, or with "auto" by the cheapest for each parameter. Costs are counted on the graph and on
 * the contractions that would run; nothing is computed.
 *
 * @param rates decide between choices that are close; the usual ones if none are given
 */
export function planKernel(
  problem: KernelProblem,
  method: NtkMethod | "auto",
  rates: Rates = usualRatesOf(problem.dtype),
): KernelPlan {
  if (problem.n1 * problem.n2 * problem.outputSize === 0) return emptyPlan(problem);
  const plan = planStructured(problem);
  const costs = costsOf(problem, plan);
  const choices = method === "auto"
    ? cheapest(problem, costs, rates)
    : problem.params.map(() => method);
  const shares = problem.params.map((parameter, i): ParameterShare => ({
    name: problem.names[i],
    shape: parameter.shape,
    uses: plan.parameters[i].uses,
    unstructured: plan.parameters[i].unstructured,
    operations: costs.operations[i],
    method: choices[i],
  }));
  const used = new Set(choices);
  const pushed = Math.max(
    0,
    ...costs.tangents.filter((_, i) => choices[i] === "ntk-vector-products"),
  );
  return {
    shares,
    passes: costs.passes + pushed,
    method: used.size === 1 ? choices[0] : "mixed",
  };
}

/** What was chosen for a network's kernels of one kind: planning takes longer than a small kernel. */
const remembered = new WeakMap<object, Map<string, readonly NtkMethod[]>>();
/** Kinds of kernels of one network that are remembered. */
const mostKinds = 64;

/** A text that two kernels of one network share only if their shapes and all that is wanted of them are the same. */
function kindOf(problem: KernelProblem): string {
  const { form, params, names, x1, x2, symmetric, output, dtype } = problem;
  const shapeOf = ({ shape, dtype }: Tensor): unknown => [shape, dtype];
  return JSON.stringify([
    [output, dtype, symmetric, form.axes, form.order, form.outputShape, names],
    [params, flattenTree(x1, "").leaves, flattenTree(x2, "").leaves].map((all) => all.map(shapeOf)),
  ]);
}

/** Operations of a kernel that takes seconds: measuring this machine first is worth its time. */
const worthMeasuring = 3e11;

/**
 * The cheapest method for each parameter. For a network that was asked about before it is what was chosen then: should the
 * function compute something else by now, every choice is exact, and only time is lost.
 */
export async function chooseMethods(
  problem: KernelProblem,
  backend: Backend,
): Promise<readonly NtkMethod[]> {
  let kinds = remembered.get(problem.network);
  if (kinds === undefined) remembered.set(problem.network, kinds = new Map());
  const kind = `${backend.name} ${kindOf(problem)}`;
  let choices = kinds.get(kind);
  if (choices === undefined) {
    const { dtype } = problem;
    let plan = planKernel(problem, "auto", ratesOf(backend, dtype));
    const operations = plan.shares.reduce(
      (sum, share) => sum + share.operations[share.method],
      plan.passes,
    );
    if (operations > worthMeasuring) {
      plan = planKernel(problem, "auto", await calibrate(backend, dtype));
    }
    choices = plan.shares.map(({ method }) => method);
    if (kinds.size >= mostKinds) kinds.delete(kinds.keys().next().value!);
    kinds.set(kind, choices);
  }
  return choices;
}
