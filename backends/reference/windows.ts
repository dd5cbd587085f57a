/**
 * Sliding windows over the trailing axes: patches is a strided view of its operand, and its transpose adds through
 * the same view.
 *
 * @module
 */

import type { WindowParams } from "../../lib/base/primitives.ts";
import { contiguousStrides, type Shape, sizeOf } from "../../lib/base/shape.ts";
import { elementsAt } from "./movement.ts";
import { offsetsOf } from "./offsets.ts";
import { allocateSums, roundSums, type Rules } from "./rule.ts";

/** Offsets into an array [L…, S…] of all elements of its patches [L…, K…, P…]. */
function patchOffsets(from: Shape, patches: Shape, params: WindowParams): Int32Array {
  const strides = contiguousStrides(from);
  const leading = from.length - params.kernel.length;
  const windowed = strides.slice(leading);
  return offsetsOf(patches, [
    ...strides.slice(0, leading),
    ...windowed.map((stride, d) => stride * params.dilation[d]),
    ...windowed.map((stride, d) => stride * params.strides[d]),
  ]);
}

/** patches and patchesTranspose. */
export const windowRules: Rules<"patches" | "patchesTranspose"> = {
  patches: ({ shape, params }, [x]) => elementsAt(x, patchOffsets(x.shape, shape, params)),
  patchesTranspose: ({ shape, dtype, params }, [y]) => {
    const sums = allocateSums(dtype, sizeOf(shape));
    patchOffsets(shape, y.shape, params).forEach((offset, i) => sums[offset] += y.data[i]);
    return roundSums(sums, dtype);
  },
};
