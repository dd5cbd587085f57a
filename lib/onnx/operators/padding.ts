/**
 * Elements around tensors, and parts from their middle.
 *
 * @module
 */

import { normalizeAxis, range } from "../../base/shape.ts";
import { slice, type SliceRange } from "../../core/operations/shapes.ts";
import { pad } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { float, integers, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { limited } from "./limits.ts";

/** Elements added before and after along each axis; negative amounts are taken away. */
type Amounts = readonly (readonly [before: number, after: number])[];

/** The longest axis whose elements are named one by one. */
const longest = 1 << 22;

/** Where the elements of a padded axis come from. */
const sources: Record<string, (place: number, size: number) => number> = {
  edge: (place, size) => Math.min(Math.max(place, 0), size - 1),
  wrap: (place, size) => ((place % size) + size) % size,
  reflect: (place, size) => {
    const period = Math.max(1, 2 * (size - 1));
    const at = ((place % period) + period) % period;
    return at < size ? at : period - at;
  },
};

function padded(
  c: OperatorContext,
  x: Tensor,
  amounts: Amounts,
  mode: string,
  value: number,
): Tensor {
  limited(c, x.shape.map((n, i) => Math.max(0, n + amounts[i][0] + amounts[i][1])));
  if (mode === "constant") {
    const [low, high] = [0, 1].map((side) => amounts.map((pair) => Math.max(0, pair[side])));
    limited(c, x.shape.map((n, i) => n + low[i] + high[i]));
    const around = pad(x, low, high, undefined, value);
    const ranges = amounts.map(([before, after], i): SliceRange => {
      const size = around.shape[i];
      return [Math.min(size, Math.max(0, -before)), Math.max(0, size + Math.min(0, after))];
    });
    return slice(around, ...ranges);
  }
  if (!Object.hasOwn(sources, mode)) {
    c.fail(
      `mode is ${JSON.stringify(mode)}, expected constant, ${Object.keys(sources).join(", ")}`,
    );
  }
  return amounts.reduce((result, [before, after], axis) => {
    const size = x.shape[axis];
    if (before === 0 && after === 0) return result;
    const count = Math.max(0, size + before + after);
    if (count > longest) c.fail(`mode ${mode} along an axis of ${count} elements`);
    if (size === 0 && count > 0) c.fail(`mode ${mode} has nothing to repeat along axis ${axis}`);
    return result.take(range(count).map((i) => sources[mode](i - before, size)), axis);
  }, x);
}

/** Elements around tensors, and parts from their middle. */
export const padding: readonly Operator[] = [
  operator({
    name: "Pad",
    since: [2, 11, 13, 18, 19, 21, 23, 24, 25],
    inputs: [1, 4],
    attributes: { mode: text("constant"), pads: integers(), value: float(0) },
    passes: [0],
    run: (c, { mode, pads, value }) => {
      const x = c.tensor(0);
      const given = pads ?? c.numbers(1);
      const axes = (c.optionalNumbers(3) ?? range(x.rank))
        .map((axis) => normalizeAxis(axis, x.rank, "axes"));
      if (given.length !== 2 * axes.length) {
        c.fail(`${given.length} pads, expected two for each of ${axes.length} axes`);
      }
      const amounts = x.shape.map((_, axis): [number, number] => {
        const at = axes.indexOf(axis);
        return at < 0 ? [0, 0] : [given[at], given[axes.length + at]];
      });
      return padded(c, x, amounts, mode, c.optionalNumber(2) ?? value);
    },
  }),
  operator({
    name: "CenterCropPad",
    since: [18],
    inputs: 2,
    attributes: { axes: integers() },
    passes: [0],
    run: (c, { axes }) => {
      const x = c.tensor(0);
      const sizes = c.numbers(1);
      const amounts = x.shape.map((): [number, number] => [0, 0]);
      (axes ?? range(x.rank)).forEach((given, i) => {
        const axis = normalizeAxis(given, x.rank, "axes");
        const more = (sizes[i] ?? c.fail("a size for each axis is missing")) - x.shape[axis];
        // The odd element is added after, and taken from the end.
        const before = more >= 0 ? Math.floor(more / 2) : -Math.floor(-more / 2);
        amounts[axis] = [before, more - before];
      });
      return padded(c, x, amounts, "constant", 0);
    },
  }),
];
