/**
 * The table of all primitives.
 *
 * @module
 */

import type { PrimitiveName } from "../../base/primitives.ts";
import { binaryRules, compareRules, selectRules, unaryRules } from "./elementwise.ts";
import { contractionRules } from "./contraction.ts";
import { indexingRules } from "./indexing.ts";
import { leafRules } from "./leaves.ts";
import { markerRules } from "./markers.ts";
import { reductionRules } from "./reduction.ts";
import { shapeRules } from "./shape.ts";
import { windowRules } from "./windows.ts";
import type { RuleTable } from "./rule.ts";

let rules: RuleTable<PrimitiveName> | undefined;

/** Every primitive's rules, by name. Made on first use, because the rules themselves build nodes. */
export function table(): RuleTable<PrimitiveName> {
  return rules ??= {
    ...leafRules,
    ...unaryRules,
    ...binaryRules,
    ...compareRules,
    ...selectRules,
    ...shapeRules,
    ...reductionRules,
    ...contractionRules,
    ...windowRules,
    ...indexingRules,
    ...markerRules,
  };
}
