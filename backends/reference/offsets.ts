/**
 * Strided views as lists of offsets.
 *
 * @module
 */

import { type Shape, sizeOf } from "../../lib/base/shape.ts";

/**
 * Where each element of a strided view stands: `start + Σ strides[d]·i[d]` for every index i of the shape, in
 * row-major order. Almost every primitive is a loop over one or two such lists.
 */
export function offsetsOf(shape: Shape, strides: readonly number[], start = 0): Int32Array {
  if (sizeOf(shape) === 0) return new Int32Array(0);
  let offsets = Int32Array.of(start);
  shape.forEach((size, axis) => {
    const longer = new Int32Array(offsets.length * size);
    let at = 0;
    for (const offset of offsets) {
      for (let i = 0; i < size; i++) longer[at++] = offset + i * strides[axis];
    }
    offsets = longer;
  });
  return offsets;
}

/** The entries of a list at some positions. */
export function pick(list: readonly number[], positions: readonly number[]): number[] {
  return positions.map((position) => list[position]);
}
