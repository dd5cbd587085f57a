/**
 * The same elements in another shape.
 *
 * @module
 */

import { broadcastShapes, normalizeAxes, normalizeAxis, sizeOf } from "../../base/shape.ts";
import { flag, integer, integers } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";

/** The axes of an operator that has them as an input from version 13 on, and as an attribute before. */
export function axesOf(
  context: OperatorContext,
  input: number,
  attribute: readonly number[] | undefined,
): readonly number[] | null {
  return context.optionalNumbers(input) ?? attribute ?? null;
}

/** A shape with 0 for the input's own size (unless zeros are allowed) and −1 for what is left. */
function resolveShape(
  context: OperatorContext,
  asked: readonly number[],
  zerosAllowed: boolean,
): number[] {
  const own = context.shape(0);
  const fail = (): never =>
    context.fail(`shape [${own.join(", ")}] cannot become [${asked.join(", ")}]`);
  const shape = asked.map((n, i) => n === 0 && !zerosAllowed ? own[i] ?? fail() : n);
  const free = shape.indexOf(-1);
  if (free >= 0) {
    const rest = sizeOf(shape.filter((_, i) => i !== free));
    shape[free] = rest === 0 ? 0 : sizeOf(own) / rest;
  }
  const valid = shape.every((n) => Number.isSafeInteger(n) && n >= 0);
  return valid ? shape : fail();
}

/** The same elements in another shape. */
export const shapes: readonly Operator[] = [
  operator({
    name: "Reshape",
    since: [5, 13, 14, 19, 21, 23, 24, 25],
    inputs: 2,
    attributes: { allowzero: flag(false) },
    passes: [0],
    run: (c, { allowzero }) => {
      const asked = c.withoutBatch(c.numbers(1), "order");
      return c.tensor(0).reshape(resolveShape(c, asked, allowzero !== 0));
    },
  }),
  operator({
    name: "Flatten",
    since: [1, 9, 11, 13, 21, 23, 24, 25],
    inputs: 1,
    attributes: { axis: integer(1) },
    passes: [0],
    run: (c, { axis }) => {
      const x = c.tensor(0);
      const at = axis === x.rank ? axis : normalizeAxis(axis, x.rank, "axis");
      return x.reshape([sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))]);
    },
  }),
  operator({
    name: "Squeeze",
    since: [1, 11, 13, 21, 23, 24, 25],
    inputs: [1, 2],
    attributes: { axes: integers() },
    passes: [0],
    run: (c, { axes }) => {
      const x = c.tensor(0);
      const gone = axesOf(c, 1, axes);
      return x.squeeze(gone ?? undefined);
    },
  }),
  operator({
    name: "Unsqueeze",
    since: [1, 11, 13, 21, 23, 24, 25],
    inputs: [1, 2],
    attributes: { axes: integers() },
    passes: [0],
    run: (c, { axes }) => {
      const x = c.tensor(0);
      const given = axesOf(c, 1, axes) ?? c.fail("the axes are missing");
      const added = normalizeAxes(given, x.rank + given.length, "axes");
      const shape = [...x.shape];
      for (const axis of added) shape.splice(axis, 0, 1);
      return x.reshape(shape);
    },
  }),
  operator({
    name: "Transpose",
    since: [1, 13, 21, 23, 24, 25],
    inputs: 1,
    attributes: { perm: integers() },
    passes: [0],
    run: (c, { perm }) => c.tensor(0).permute(perm),
  }),
  operator({
    name: "Expand",
    since: [8, 13],
    inputs: 2,
    passes: [0],
    run: (c) => {
      const x = c.tensor(0);
      const asked = c.withoutBatch(c.numbers(1), "axes");
      return x.broadcastTo(broadcastShapes(x.shape, asked, "Expand"));
    },
  }),
];
