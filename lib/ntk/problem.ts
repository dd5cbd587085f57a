/**
 * A kernel to be computed: the network as a function of the chosen parameters and of one example, and the examples.
 *
 * @module
 */

import { isFloat } from "../base/dtype.ts";
import { ArgumentError, DTypeError, ShapeError, TreeError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  flattenTree,
  type FlatTree,
  leafPaths,
  leavesLike,
  treeMap,
  type TreeStructure,
  unflattenTree,
} from "../core/tree.ts";
import { apply } from "../core/apply.ts";
import { sliceAxis } from "../core/primitives/build.ts";
import { record } from "../transforms/walk.ts";
import { type OutputForm, outputForm, type OutputOptions, outputVector } from "./compute.ts";

/** A network: its result for one example, from its parameters. */
export type NetworkFunction<Params, X, Out = Tensor> = (params: Params, x: X) => Out;

/** Which parameters the kernel sums over: names, or a test of a name. */
export type ParameterChoice = readonly string[] | RegExp | ((name: string) => boolean);

/** A network from its chosen parameters and one example to a vector. */
export type VectorFunction = (params: readonly Tensor[], x: unknown) => Tensor;

/** A kernel to be computed, with everything checked. */
export interface KernelProblem {
  /** The user's function; what is remembered about it goes with it. */
  readonly network: object;
  /** Which of the network's results it is; −1 for all of them as one vector. */
  readonly output: number;
  /** The network's result for one example as a vector, in the form's order, from the chosen parameters. */
  readonly f: VectorFunction;
  /** The same for the second examples; another function only where a part of the outputs is computed at a time. */
  readonly f2: VectorFunction;
  /** The chosen parameters. */
  readonly params: readonly Tensor[];
  /** Their names: paths in the parameter tree. */
  readonly names: readonly string[];
  /** First examples, along axis 0 of every tensor. */
  readonly x1: unknown;
  /** Second examples. */
  readonly x2: unknown;
  /** Whether the second examples are the first, tensor by tensor. */
  readonly symmetric: boolean;
  /** How many first examples there are. */
  readonly n1: number;
  /** How many second examples there are. */
  readonly n2: number;
  /** What of the kernel is wanted, for the shape of the network's result for one example. */
  readonly form: OutputForm;
  /** Number of elements of the network's result for one example. */
  readonly outputSize: number;
  /** Its dtype, which is the kernel's. */
  readonly dtype: Tensor["dtype"];
  /** Whether everything that takes part is float64; where float32 takes part, rounding is that of float32. */
  readonly double: boolean;
}

/** How many examples a tree holds along the first axis of every tensor. */
export function countExamples(x: unknown, where: string): number {
  const { leaves } = flattenTree(x, where);
  if (leaves.length === 0) {
    throw new TreeError(`${where}: expected at least one tensor, got an empty tree`);
  }
  const count = leaves[0].shape[0];
  for (const leaf of leaves) {
    if (leaf.rank === 0 || leaf.shape[0] !== count) {
      throw new ShapeError(
        `${where}: examples stand along the first axis of every tensor; got shapes ${
          leaves.map((y) => formatShape(y.shape)).join(", ")
        }`,
      );
    }
  }
  return count;
}

/** Throws unless examples on both sides are alike. Returns whether they are the same tensors. */
function checkSameExample(x1: unknown, x2: unknown, where: string): boolean {
  const { leaves, structure } = flattenTree(x1, `${where}: x1`);
  const others = leavesLike(x2, structure, `${where}: x2, which must be like x1`);
  leaves.forEach((leaf, i) => {
    const other = others[i];
    if (!sameShape(leaf.shape.slice(1), other.shape.slice(1)) || leaf.dtype !== other.dtype) {
      throw new ShapeError(
        `${where}: an example of x1 is ${leaf.dtype} ${
          formatShape(leaf.shape.slice(1))
        }, one of x2 is ${other.dtype} ${formatShape(other.shape.slice(1))}; they must be alike`,
      );
    }
  });
  return leaves.every((leaf, i) => leaf === others[i]);
}

function chooser(
  choice: ParameterChoice,
  names: readonly string[],
  leaves: readonly Tensor[],
  where: string,
): (name: string) => boolean {
  if (typeof choice === "function") return choice;
  if (choice instanceof RegExp) return (name) => name.search(choice) >= 0;
  if (!Array.isArray(choice)) {
    throw new ArgumentError(
      `${where}: parameters must be an array of names, a regular expression or a function, got ${typeof choice} ${
        String(choice)
      }`,
    );
  }
  const unknown = choice.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new ArgumentError(
      `${where}: no parameters named ${unknown.join(", ")}; there are ${names.join(", ")}`,
    );
  }
  for (const name of choice) {
    const { dtype } = leaves[names.indexOf(name)];
    if (!isFloat(dtype)) {
      throw new DTypeError(
        `${where}: parameter ${name} is ${dtype}; the kernel sums over floating point parameters, leave it out`,
      );
    }
  }
  return (name) => choice.includes(name);
}

/** The results for one example, found by calling the network on placeholders; nothing is computed. */
function probe(
  f: (params: never, x: never) => unknown,
  params: unknown,
  x: unknown,
  where: string,
): FlatTree {
  const { leaves, structure } = flattenTree(x, `${where}: x1`);
  const one = leaves.map(({ shape, dtype }) =>
    apply("placeholder", { shape: shape.slice(1), dtype })
  );
  const { outputs, outputStructure } = record(
    f as (...args: never[]) => unknown,
    [params, unflattenTree(structure, one)],
    one,
    where,
  );
  if (outputs.length === 0) {
    throw new TreeError(`${where}: the network returned an empty tree; expected tensors`);
  }
  outputs.forEach(({ dtype }, i) => {
    if (isFloat(dtype)) return;
    const path = leafPaths(outputStructure)[i];
    throw new DTypeError(
      `${where}: the network returned a ${dtype} tensor${
        path === "" ? "" : ` (${path})`
      }, which has no derivative; cast it to float32${path === "" ? "" : " or leave it out"}`,
    );
  });
  return { leaves: [...outputs], structure: outputStructure };
}

/** A network and examples, checked. */
export interface CheckedNetwork<Params> {
  /** The parameters with other values for the chosen ones. */
  readonly withChosen: (values: readonly Tensor[]) => Params;
  /** The chosen parameters. */
  readonly chosen: readonly Tensor[];
  /** Their names. */
  readonly names: readonly string[];
  /** What the network returns for one example, without values. */
  readonly results: FlatTree;
  /** All tensors that it depends on. */
  readonly inputs: readonly Tensor[];
  /** Whether the second examples are the first. */
  readonly symmetric: boolean;
  /** How many examples there are. */
  readonly counts: readonly [number, number];
}

/** Checks a network and its arguments; errors name the function `where` they were given. */
export function checkNetwork<Params, X>(
  f: NetworkFunction<Params, X, unknown>,
  params: Params,
  x1: X,
  x2: X,
  choice: ParameterChoice | undefined,
  where: string,
): CheckedNetwork<Params> {
  if (typeof f !== "function") {
    throw new ArgumentError(
      `${where}: expected a function f(params, x) of one example, got ${typeof f}`,
    );
  }
  const { leaves, structure } = flattenTree(params, `${where}: params`);
  const names = leafPaths(structure);
  const counts = [countExamples(x1, `${where}: x1`), countExamples(x2, `${where}: x2`)] as const;
  const symmetric = checkSameExample(x1, x2, where);
  const isChosen = choice === undefined ? () => true : chooser(choice, names, leaves, where);
  const chosen = leaves.map((leaf, i) => isFloat(leaf.dtype) && isChosen(names[i]));
  const places = leaves.flatMap((_, i) => chosen[i] ? [i] : []);
  if (places.length === 0) {
    const there = leaves.map(({ dtype }, i) => `${names[i]} ${dtype}`.trim()).join(", ");
    throw new ArgumentError(
      `${where}: the kernel needs at least one floating point parameter; ${
        leaves.some(({ dtype }) => isFloat(dtype))
          ? `chosen were none of ${there}`
          : `params holds ${there === "" ? "no tensors" : `only ${there}`}`
      }`,
    );
  }
  return {
    withChosen: (values) => {
      const all = [...leaves];
      places.forEach((at, i) => all[at] = values[i]);
      return unflattenTree(structure, all) as Params;
    },
    chosen: places.map((i) => leaves[i]),
    names: places.map((i) => names[i]),
    results: probe(f as (params: never, x: never) => unknown, params, x1, where),
    inputs: [...leaves, ...flattenTree(x1, `${where}: x1`).leaves],
    symmetric,
    counts,
  };
}

/** The kernels to be computed for a network whose result is a tree: one for each of its tensors. */
export interface KernelProblems {
  /** In the order of the result's tensors. */
  readonly problems: readonly KernelProblem[];
  /** The result's structure. */
  readonly structure: TreeStructure;
}

/** Checks the arguments of a kernel and holds fixed the parameters that it does not sum over. */
export function kernelProblems<Params, X>(
  f: NetworkFunction<Params, X, unknown>,
  params: Params,
  x1: X,
  x2: X,
  choice?: ParameterChoice,
  options: OutputOptions = {},
): KernelProblems {
  const checked = checkNetwork(f, params, x1, x2, choice, "empiricalNtk");
  const { withChosen, chosen, names, results, inputs, symmetric, counts: [n1, n2] } = checked;
  const problems = results.leaves.map((output, k): KernelProblem => {
    const form = outputForm(options, output.shape);
    const vector: VectorFunction = (values, x) => {
      const result = f(withChosen(values), x as X);
      return outputVector(flattenTree(result, "empiricalNtk: result").leaves[k], form);
    };
    return {
      network: f,
      output: k,
      f: vector,
      f2: vector,
      params: chosen,
      names,
      x1,
      x2,
      n1,
      n2,
      symmetric,
      form,
      outputSize: output.size,
      dtype: output.dtype,
      double: [output, ...inputs].every(({ dtype }) => dtype !== "float32"),
    };
  });
  return { problems, structure: results.structure };
}

/** The kernel of a network whose result is one tensor. */
export function kernelProblem<Params, X>(
  f: NetworkFunction<Params, X>,
  params: Params,
  x1: X,
  x2: X,
  choice?: ParameterChoice,
  options: OutputOptions = {},
): KernelProblem {
  return kernelProblems(f, params, x1, x2, choice, options).problems[0];
}

/** Some of the examples of a tree, from one to before another. */
export function examplesBetween<X>(x: X, start: number, limit: number): X {
  return treeMap((leaf) => sliceAxis(leaf, 0, start, limit), x);
}

/** The problem with only some of its parameters, by position; the others are held fixed. */
export function withParameters(problem: KernelProblem, places: readonly number[]): KernelProblem {
  const { f, f2, params, names } = problem;
  const holding = (g: VectorFunction): VectorFunction => (values, x) => {
    const all = [...params];
    places.forEach((at, i) => all[at] = values[i]);
    return g(all, x);
  };
  const inner = holding(f);
  return {
    ...problem,
    f: inner,
    f2: f2 === f ? inner : holding(f2),
    params: places.map((i) => params[i]),
    names: places.map((i) => names[i]),
  };
}
