/**
 * The padding of a convolution, in all the forms that users give.
 *
 * @module
 */

import { ArgumentError } from "../../base/errors.ts";
import type { Padding } from "../../base/primitives.ts";
import { formatShape } from "../../base/shape.ts";
import { checkCounts } from "./checks.ts";
import type { ConvPadding } from "./convolution.ts";

/** Pairs of padding for a filter; throws an `ArgumentError` for what is no padding. */
export function resolvePadding(
  padding: ConvPadding,
  kernel: readonly number[],
  strides: readonly number[],
  dilation: readonly number[],
  where: string,
): Padding[] {
  if (padding === "valid") return kernel.map(() => [0, 0]);
  if (padding === "same") {
    if (strides.some((s) => s !== 1)) {
      throw new ArgumentError(
        `${where}: padding "same" needs stride 1, got ${
          formatShape(strides)
        }; give the padding in numbers`,
      );
    }
    return kernel.map((k, i) => {
      const total = (k - 1) * dilation[i];
      const low = Math.floor(total / 2);
      return [low, total - low];
    });
  }
  if (Array.isArray(padding) && padding.length > 0 && padding.every((p) => Array.isArray(p))) {
    const pairs = padding as readonly (readonly number[])[];
    if (pairs.length === kernel.length) {
      return pairs.map((pair, i) => {
        const [low, high] = checkCounts(pair, 2, 0, `${where}: padding[${i}]`);
        return [low, high];
      });
    }
    throw new ArgumentError(
      `${where}: padding has ${pairs.length} pairs; expected one for each of the ${kernel.length} spatial axes`,
    );
  }
  if (typeof padding === "string") {
    throw new ArgumentError(
      `${where}: padding is "${padding}"; expected "same", "valid", a number, a list of numbers or of pairs`,
    );
  }
  const counts = checkCounts(
    padding as number | readonly number[],
    kernel.length,
    0,
    `${where}: padding`,
  );
  return counts.map((p) => [p, p]);
}
