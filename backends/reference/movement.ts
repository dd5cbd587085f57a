/**
 * Primitives that move elements and compute nothing.
 *
 * @module
 */

import { allocate, castScalar, type TypedArray } from "../../lib/base/dtype.ts";
import type { MovementName } from "../../lib/base/primitives.ts";
import { contiguousStrides, sizeOf } from "../../lib/base/shape.ts";
import { offsetsOf, pick } from "./offsets.ts";
import type { Operand, Rules } from "./rule.ts";

/** The elements of the operand at the offsets. */
export function elementsAt({ data, dtype }: Operand, offsets: Int32Array): TypedArray {
  const out = allocate(dtype, offsets.length);
  for (let i = 0; i < out.length; i++) out[i] = data[offsets[i]];
  return out;
}

/** A copy: every node owns its elements. */
function copy(_node: unknown, [x]: readonly Operand[]): TypedArray {
  return x.data.slice();
}

/** Changes of shape, and identities. */
export const movementRules: Rules<MovementName> = {
  reshape: copy,
  alias: copy,
  stopGradient: copy,
  customDerivative: copy,
  permute: ({ shape, params }, [x]) =>
    elementsAt(x, offsetsOf(shape, pick(contiguousStrides(x.shape), params.permutation))),
  broadcast: ({ shape }, [x]) => {
    const strides = contiguousStrides(x.shape).map((stride, d) => x.shape[d] === 1 ? 0 : stride);
    return elementsAt(x, offsetsOf(shape, strides));
  },
  slice: ({ shape, params: { start, step } }, [x]) => {
    const strides = contiguousStrides(x.shape);
    const first = start.reduce((sum, at, d) => sum + at * strides[d], 0);
    return elementsAt(x, offsetsOf(shape, strides.map((stride, d) => stride * step[d]), first));
  },
  flip: ({ shape, params: { axes } }, [x]) => {
    const strides = contiguousStrides(x.shape);
    const first = axes.reduce((sum, axis) => sum + (shape[axis] - 1) * strides[axis], 0);
    const reversed = strides.map((stride, d) => axes.includes(d) ? -stride : stride);
    return elementsAt(x, offsetsOf(shape, reversed, first));
  },
  pad: ({ shape, dtype, params: { low, interior, value } }, [x]) => {
    const out = allocate(dtype, sizeOf(shape)).fill(castScalar(value, dtype));
    const strides = contiguousStrides(shape);
    const first = low.reduce((sum, at, d) => sum + at * strides[d], 0);
    const spread = strides.map((stride, d) => stride * (interior[d] + 1));
    offsetsOf(x.shape, spread, first).forEach((offset, i) => out[offset] = x.data[i]);
    return out;
  },
  concat: ({ shape, dtype, params: { axis } }, inputs) => {
    const out = allocate(dtype, sizeOf(shape));
    const strides = contiguousStrides(shape);
    let first = 0;
    for (const { data, shape: part } of inputs) {
      offsetsOf(part, strides, first).forEach((offset, i) => out[offset] = data[i]);
      first += part[axis] * strides[axis];
    }
    return out;
  },
};
