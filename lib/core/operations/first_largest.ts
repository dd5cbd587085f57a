/**
 * The largest element along an axis, as pooling means it.
 *
 * @module
 */

import { apply } from "../apply.ts";
import { fullLike, iota, restoreAxes, select, sum } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";

/**
 * The largest element along an axis. Its derivative goes to the first of equal elements, as in PyTorch's pooling; that of
 * the primitive would be shared.
 */
export function firstLargest(x: Tensor, axis: number): Tensor {
  const place = apply("argmax", { axis }, apply("stopGradient", {}, x));
  const mask = apply(
    "equal",
    {},
    iota(x.shape, "int32", axis),
    restoreAxes(place, [axis], x.shape),
  );
  return sum(select(mask, x, fullLike(x, 0)), [axis]);
}
