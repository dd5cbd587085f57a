/**
 * The choice between methods.
 *
 * @module
 */

import { buildProgram } from "../compiler/build.ts";
import { countOperations } from "../compiler/print.ts";
import { simplify } from "../compiler/simplify.ts";
import { methodNames, methods, type NtkMethod } from "./methods.ts";
import type { KernelProblem } from "./problem.ts";

/** Multiply-adds that a contraction does in the time in which an elementwise operation passes one element through memory. */
const operationsPerElement = 16;

/**
 * The method whose program, as it would run, has the fewest operations. Both programs are built and simplified, neither
 * is run.
 */
export function chooseMethod(problem: KernelProblem): NtkMethod {
  const costs = methodNames.map((method) => {
    const { program } = buildProgram([methods[method](problem)]);
    const { contractions, elementwise } = countOperations(simplify(program));
    return contractions + operationsPerElement * elementwise;
  });
  return methodNames[costs.indexOf(Math.min(...costs))];
}
