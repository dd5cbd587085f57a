/**
 * Control flow whose course is known while loading.
 *
 * @module
 */

import { required, subgraph } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";

/** Control flow whose course is known while loading. */
export const control: readonly Operator[] = [
  operator({
    name: "If",
    since: [1, 11, 13, 16, 19, 21, 23, 24, 25],
    inputs: 1,
    attributes: { then_branch: required(subgraph()), else_branch: required(subgraph()) },
    run: (c, { then_branch, else_branch }) =>
      c.runGraph(c.number(0) === 0 ? else_branch : then_branch, []),
  }),
];
