/** The program that computes a kernel, and the sizes of what it holds. */
import { buildProgram } from "../../lib/compiler/build.ts";
import { lower } from "../../lib/compiler/lower.ts";
import type { Program } from "../../lib/compiler/program.ts";
import { simplify } from "../../lib/compiler/simplify.ts";
import type { OutputOptions } from "../../lib/ntk/compute.ts";
import { methods, type NtkMethod } from "../../lib/ntk/methods.ts";
import { kernelProblem, type NetworkFunction } from "../../lib/ntk/problem.ts";

/** A network with parameters and examples. */
export interface KernelCase {
  // deno-lint-ignore no-explicit-any -- every network has its own trees
  f: NetworkFunction<any, any>;
  params: unknown;
  x1: unknown;
  x2: unknown;
}

/** The program of a kernel by one method, as it would run. */
export function kernelProgram(
  { f, params, x1, x2 }: KernelCase,
  method: NtkMethod,
  outputs: OutputOptions = {},
): Program {
  const problem = kernelProblem(f, params, x1, x2, undefined, outputs);
  return simplify(buildProgram([methods[method](problem)]).program);
}

/** Elements of the largest intermediate or final result, before and after lowering. */
export function largestResult(program: Program): number {
  const sizeOf = (shape: readonly number[]): number => shape.reduce((n, s) => n * s, 1);
  const inputs = new Set(program.inputs);
  const nodes = program.nodes.filter((_, id) => !inputs.has(id)).map(({ shape }) => sizeOf(shape));
  const buffers = lower(program).buffers.flatMap(({ role, length }) =>
    role === "input" ? [] : [length]
  );
  return Math.max(...nodes, ...buffers);
}
