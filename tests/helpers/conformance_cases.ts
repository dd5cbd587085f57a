/**
 * The conformance suite: programs that every backend runs as the reference backend does.
 *
 * @module
 */

import { compositionCases } from "./conformance_cases_composition.ts";
import { elementwiseCases } from "./conformance_cases_elementwise.ts";
import { largeCases } from "./conformance_cases_large.ts";
import { movementCases } from "./conformance_cases_movement.ts";
import { numericCases } from "./conformance_cases_numeric.ts";
import type { ConformanceCase } from "./conformance_run.ts";

/** Every case, each with a name of its own. */
export function* conformanceCases(): Iterable<ConformanceCase> {
  yield* elementwiseCases();
  yield* movementCases();
  yield* numericCases();
  yield* compositionCases();
  yield* largeCases();
}

/** The cases by primitive; "composition" and "large" hold programs of several. */
export function conformanceGroups(): Map<string, ConformanceCase[]> {
  return Map.groupBy(conformanceCases(), ({ group }) => group);
}
