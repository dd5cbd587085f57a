/**
 * Leaves: tensors that depend on no other. They carry no derivative and no batch axis, so only their shape is a rule.
 *
 * @module
 */

import { MissingRuleError, ShapeError } from "../../base/errors.ts";
import type { PrimitiveName } from "../../base/primitives.ts";
import { formatShape } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { moveAxis } from "./build.ts";
import type { Rule, RuleTable } from "./rule.ts";

function leaf<P extends PrimitiveName>(infer: Rule<P>["infer"]): Rule<P> {
  return {
    infer,
    jvp: () => null,
    vjp: () => [],
    batch() {
      throw new MissingRuleError("a leaf has no operands, so it never carries a batch axis");
    },
  };
}

/** Rules of constants, fills, index ramps and random bits. */
export const leafRules: RuleTable<"constant" | "placeholder" | "full" | "iota" | "randomBits"> = {
  constant: leaf((_, { shape, dtype }) => ({ shape, dtype })),
  placeholder: leaf((_, { shape, dtype }) => ({ shape, dtype })),
  full: leaf((_, { shape, dtype }) => ({ shape, dtype })),
  iota: leaf((_, { shape, dtype }) => ({ shape, dtype })),
  randomBits: {
    infer([key], { length }) {
      if (key.dtype !== "uint32" || key.shape.at(-1) !== 2) {
        throw new ShapeError(
          `randomBits: expected a uint32 key of shape [..., 2], got ${key.dtype} ${
            formatShape(key.shape)
          }`,
        );
      }
      return { shape: [...key.shape.slice(0, -1), length], dtype: "uint32" };
    },
    jvp: () => null,
    vjp: () => [null],
    batch: ([key], [axis], params) => ({
      tensor: apply("randomBits", params, moveAxis(key, axis!, 0)),
      axis: 0,
    }),
  },
};
