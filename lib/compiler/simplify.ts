/**
 * From a program to an equal one that does less.
 *
 * @module
 */

import { reassociate } from "./contractions.ts";
import { elementwiseFolds } from "./fold_elementwise.ts";
import { reduceFolds } from "./fold_reduce.ts";
import { shapeFolds } from "./fold_shape.ts";
import type { Program } from "./program.ts";
import { type FoldRules, rewrite } from "./rewriter.ts";

/** All folding rules. */
const folds: FoldRules = { ...elementwiseFolds, ...shapeFolds, ...reduceFolds };

/**
 * The program with constants folded, identities removed, shape operations joined, and contractions in the cheapest order. It has the same inputs and
 * outputs and the same key; results differ by rounding only.
 */
export function simplify(program: Program): Program {
  return reassociate(rewrite(program, folds), folds);
}
