/**
 * Dropout as it is outside training.
 *
 * @module
 */

import { full } from "../../core/operations/creation.ts";
import { float, integer } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";

/** Dropout as it is outside training. */
export const dropout: readonly Operator[] = [
  operator({
    name: "Dropout",
    since: [7, 10, 12, 13, 22],
    inputs: [1, 3],
    attributes: { ratio: float(0.5), seed: integer() },
    passes: [0],
    run: (c) => {
      const x = c.tensor(0);
      const training = c.version >= 12 && (c.optionalNumber(2) ?? 0) !== 0;
      if (training && (c.optionalNumber(1) ?? 0.5) !== 0) {
        c.fail(
          "the file was exported in training mode, with random numbers; export it for evaluation",
        );
      }
      const mask = full(x.shape, 1, { dtype: c.version >= 10 ? "bool" : x.dtype });
      return [c.value(0), mask];
    },
  }),
];
