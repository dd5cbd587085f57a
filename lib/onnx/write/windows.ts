/**
 * Sliding windows, as nodes: one axis after the other.
 *
 * @module
 */

import type { WindowParams } from "../../base/primitives.ts";
import { range, type Shape, sizeOf } from "../../base/shape.ts";
import { padded } from "./movement.ts";
import type { WriteRule, WriteRules } from "./rule.ts";
import { carrierOf, type GraphWriter } from "./writer.ts";

/** The patches [L…, K…, P…] of a tensor [L…, S…]: along each axis the elements of all windows. */
export function patchesOf(
  x: string,
  shape: Shape,
  { kernel, strides, dilation }: WindowParams,
  to: GraphWriter,
): string {
  const leading = shape.length - kernel.length;
  let current = x;
  kernel.forEach((size, d) => {
    const axis = leading + 2 * d;
    const last = dilation[d] * (size - 1);
    const places = Math.floor((shape[leading + d] - 1 - last) / strides[d]) + 1;
    const index = range(size).flatMap((k) =>
      range(places).map((p) => k * dilation[d] + p * strides[d])
    );
    current = to.op("Gather", [current, to.constant("int64", index, [size, places])], { axis });
  });
  const windows = range(kernel.length);
  return to.transpose(current, [
    ...range(leading),
    ...windows.map((d) => leading + 2 * d),
    ...windows.map((d) => leading + 2 * d + 1),
  ]);
}

/** The transpose: along each axis, every element of the window is put at its places, and these are added. */
const patchesTranspose: WriteRule<"patchesTranspose"> = (
  { shape, dtype, params: { kernel, strides, dilation, sizes } },
  [y],
  to,
) => {
  const type = carrierOf(dtype);
  if (sizeOf(y.shape) === 0) return to.filled(type, shape, 0);
  const leading = shape.length - kernel.length;
  const n = kernel.length;
  const pairs = range(n).flatMap((d) => [leading + d, leading + n + d]);
  let current = to.transpose(to.dense(y), [...range(leading), ...pairs]);
  let around = [...range(leading), ...pairs].map((axis) => y.shape[axis]);
  range(n).forEach((d) => {
    const axis = leading + d;
    // An element is at p · stride + k · dilation: of both, the fewer are put one by one.
    const [count, places] = [around[axis], around[axis + 1]];
    const byTap = count <= places;
    const [own, step, ownStep] = byTap
      ? [axis, strides[d], dilation[d]]
      : [axis + 1, dilation[d], strides[d]];
    const rest = around.toSpliced(own, 1);
    let sum: string | null = null;
    for (const i of range(byTap ? count : places)) {
      const one = to.slice(current, [own], [i], [i + 1]);
      const flat = to.reshape(one, rest);
      const spread = (rest[axis] - 1) * step + 1;
      const zeros = rest.map(() => 0);
      const put = padded(flat, rest, {
        low: zeros.with(axis, i * ownStep),
        high: zeros.with(axis, sizes[d] - i * ownStep - spread),
        interior: zeros.with(axis, step - 1),
        value: to.scalar(type, 0),
      }, to);
      sum = sum === null ? put : to.op("Add", [sum, put]);
    }
    current = sum!;
    around = rest.with(axis, sizes[d]);
  });
  return current;
};

/** patches and patchesTranspose. */
export const windowRules: WriteRules<"patches" | "patchesTranspose"> = {
  patches: ({ params }, [x], to) => patchesOf(to.dense(x), x.shape, params, to),
  patchesTranspose,
};
