/**
 * Kernels of trees of outputs and of single parameters, put together.
 *
 * @module
 */

import { ArgumentError, DTypeError } from "../base/errors.ts";
import { reshape, slice } from "../core/primitives/build.ts";
import { concat } from "../core/operations/shapes.ts";
import type { Tensor } from "../core/tensor.ts";
import { unflattenTree } from "../core/tree.ts";
import type { Jacobian } from "../transforms/jacobian.ts";
import { outputForm } from "./compute.ts";
import {
  type KernelProblem,
  type KernelProblems,
  type VectorFunction,
  withParameters,
} from "./problem.ts";

/** What is wanted beside one kernel for each output. */
export interface ResultOptions {
  /**
   * Each parameter's share by itself: a record by parameter name (path in the tree) of what would be returned without. The
   * shares add up to the whole kernel.
   */
  perParameter?: boolean;
  /**
   * For a network that returns a tree: the kernels between every two of its outputs, a tree like the output with, in the
   * place of each tensor, a tree like the output. Of full kernels only.
   */
  crossOutputs?: boolean;
}

/** The type of no such options. */
export type NoResultOptions = Record<never, never>;

/** A tree of kernels like the network's output: with `crossOutputs`, a tree of such trees. */
export type KernelTree<Out, Options> = Options extends { crossOutputs: true } ? Jacobian<Out, Out>
  : Out;

/** What `empiricalNtk` returns: a kernel, a tree of kernels, or, with `perParameter`, a record of either. */
export type NtkResult<Out, Options> = Options extends { perParameter: true }
  ? Record<string, KernelTree<Out, Options>>
  : Options extends { perParameter: false } ? KernelTree<Out, Options>
  : Options extends { perParameter: boolean }
    ? KernelTree<Out, Options> | Record<string, KernelTree<Out, Options>>
  : KernelTree<Out, Options>;

/** All outputs as one vector, of which the full kernel is wanted. */
function joined({ problems }: KernelProblems): KernelProblem {
  const [first] = problems;
  const outputSize = problems.reduce((n, problem) => n + problem.outputSize, 0);
  for (const { form, dtype } of problems) {
    if (form.compute !== "full") {
      throw new ArgumentError(
        `empiricalNtk: crossOutputs gives full kernels between outputs of any shapes; leave out ${
          form.compute === "axes" ? "traceAxes and diagonalAxes" : `compute: "${form.compute}"`
        }`,
      );
    }
    if (dtype !== first.dtype) {
      throw new DTypeError(
        `empiricalNtk: crossOutputs needs outputs of one dtype, got ${first.dtype} and ${dtype}; cast them`,
      );
    }
  }
  const f: VectorFunction = (values, x) =>
    concat(problems.map((problem) => problem.f(values, x)), 0);
  return {
    ...first,
    output: -1,
    f,
    f2: f,
    form: outputForm({}, [outputSize]),
    outputSize,
    double: problems.every(({ double }) => double),
  };
}

/** The blocks [N, M, O…, O…] of the kernel between all outputs: for each output a list with one for each. */
function blocksOf(kernel: Tensor, { problems }: KernelProblems): Tensor[][] {
  const [n1, n2] = kernel.shape;
  let end = 0;
  const parts = problems.map(({ outputSize, form }) => {
    const start = end;
    end += outputSize;
    return { start, end, shape: form.outputShape };
  });
  return parts.map((a) =>
    parts.map((b) => {
      const block = slice(kernel, [0, 0, a.start, b.start], [n1, n2, a.end, b.end]);
      return reshape(block, [n1, n2, ...a.shape, ...b.shape]);
    })
  );
}

/** The kernels to compute for what was asked for. */
export interface KernelRequest {
  /** What to compute. */
  readonly problems: readonly KernelProblem[];
  /** What is returned, from the kernels in the order of the problems. */
  assemble(kernels: readonly Tensor[]): unknown;
}

/** The kernels that the options ask for. */
export function requestOf(
  all: KernelProblems,
  { perParameter = false, crossOutputs = false }: ResultOptions,
): KernelRequest {
  const { structure } = all;
  const problems = crossOutputs ? [joined(all)] : all.problems;
  const tree = (kernels: readonly Tensor[]): unknown => {
    if (!crossOutputs) return unflattenTree(structure, kernels);
    const blocks = blocksOf(kernels[0], all);
    return unflattenTree(structure, blocks.map((row) => unflattenTree(structure, row)));
  };
  if (!perParameter) return { problems, assemble: tree };
  const { names } = all.problems[0];
  return {
    problems: names.flatMap((_, i) => problems.map((problem) => withParameters(problem, [i]))),
    assemble: (kernels) =>
      Object.fromEntries(names.map((name, i) => {
        const start = i * problems.length;
        return [name, tree(kernels.slice(start, start + problems.length))];
      })),
  };
}
