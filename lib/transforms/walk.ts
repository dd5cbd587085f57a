/**
 * The walk that every transform makes: over the part of a graph that depends on its own inputs.
 *
 * @module
 */

import { DTypeError, ShapeError, TreeError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import { apply } from "../core/apply.ts";
import { flattenTree, type TreeStructure, unflattenTree } from "../core/tree.ts";
import type { Operation, Tensor } from "../core/tensor.ts";
import { whileTracing } from "../core/trace.ts";

/** One node of the recorded graph. It keeps its operation, so that computing the tensor in between breaks nothing. */
export interface Step {
  /** The result. */
  readonly output: Tensor;
  /** What made it. */
  readonly operation: Operation;
  /** Which of its inputs depend on the sources. */
  readonly depends: readonly boolean[];
}

/**
 * Everything between sources and outputs: the nodes that depend on a source and that an output depends on, inputs before
 * results. Nodes older than the oldest source are never visited, so a walk costs what the function built, however large
 * the graph around it is.
 */
export function stepsBetween(sources: readonly Tensor[], outputs: readonly Tensor[]): Step[] {
  if (sources.length === 0) return [];
  const oldest = Math.min(...sources.map((x) => x.id));
  const dependent = new Set<Tensor>(sources);
  const seen = new Set<Tensor>(sources);
  const nodes: Tensor[] = [];
  const stack: Tensor[] = [];
  const visit = (x: Tensor): void => {
    if (x.id <= oldest || seen.has(x)) return;
    seen.add(x);
    stack.push(x);
  };
  outputs.forEach(visit);
  while (stack.length > 0) {
    const x = stack.pop()!;
    if (x.operation === null) continue;
    nodes.push(x);
    x.operation.inputs.forEach(visit);
  }
  // Ids increase with creation, and inputs are made before results.
  nodes.sort((a, b) => a.id - b.id);
  const steps: Step[] = [];
  for (const output of nodes) {
    const operation = output.operation!;
    const depends = operation.inputs.map((input) => dependent.has(input));
    if (!depends.includes(true)) continue;
    dependent.add(output);
    steps.push({ output, operation, depends });
  }
  return steps;
}

/** A function called on stand-ins for its arguments, and the graph that it built. */
export interface Recording {
  /** The stand-ins. */
  readonly sources: readonly Tensor[];
  /** The result, as the function gave it. */
  readonly output: unknown;
  /** Its tensors. */
  readonly outputs: readonly Tensor[];
  /** Its structure. */
  readonly outputStructure: TreeStructure;
  /** The graph from sources to outputs. */
  readonly steps: readonly Step[];
}

/** Calls a function on the arguments and records what depends on `sources`, which are among the arguments' leaves. */
export function record(
  f: (...args: never[]) => unknown,
  args: readonly unknown[],
  sources: readonly Tensor[],
  where: string,
): Recording {
  return whileTracing(() => {
    const output = f(...args as never[]);
    if (output instanceof Promise) {
      // Nobody waits for it: a failure of its own would end the program behind this error's back.
      output.catch(() => {});
      throw new TreeError(
        `${where}: the function returned a Promise; a transform needs a function that builds its result without waiting ` +
          "(inside it, read values with dataSync())",
      );
    }
    const { leaves, structure } = flattenTree(output, `${where}: result of the function`);
    return {
      sources,
      output,
      outputs: leaves,
      outputStructure: structure,
      steps: stepsBetween(sources, leaves),
    };
  });
}

/** Calls a function on fresh aliases of its arguments, so that nested transforms never confuse their perturbations. */
export function recordOnAliases(
  f: (...args: never[]) => unknown,
  args: readonly unknown[],
  where: string,
): Recording {
  const { leaves, structure } = flattenTree(args, where);
  const aliases = leaves.map((x) => apply("alias", {}, x));
  return record(f, unflattenTree(structure, aliases) as unknown[], aliases, where);
}

/** Throws unless a tangent or cotangent has the shape and dtype of its primal. */
export function checkLike(given: Tensor, primal: Tensor, where: string): void {
  if (!sameShape(given.shape, primal.shape)) {
    throw new ShapeError(
      `${where}: expected shape ${formatShape(primal.shape)}, got ${formatShape(given.shape)}`,
    );
  }
  if (given.dtype !== primal.dtype) {
    throw new DTypeError(`${where}: expected dtype ${primal.dtype}, got ${given.dtype}`);
  }
}

/** Throws a `TreeError` unless the argument is a function. */
export function checkFunction(f: unknown, where: string): void {
  if (typeof f !== "function") {
    throw new TreeError(`${where}: expected a function, got ${f === null ? "null" : typeof f}`);
  }
}
