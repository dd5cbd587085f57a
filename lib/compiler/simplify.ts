/**
 * From a program to an equal one that does less.
 *
 * @module
 */

import { elementwiseFolds } from "./fold_elementwise.ts";
import { reduceFolds } from "./fold_reduce.ts";
import { shapeFolds } from "./fold_shape.ts";
import type { Program } from "./program.ts";
import { type FoldRules, rewrite } from "./rewriter.ts";

/** All folding rules. */
const folds: FoldRules = { ...elementwiseFolds, ...shapeFolds, ...reduceFolds };

/**
 * The program with constants folded, identities removed and shape operations joined. It has the same inputs and
 * outputs and the same key; results differ by rounding only.
 */
export function simplify(program: Program): Program {
  return rewrite(program, folds);
}
