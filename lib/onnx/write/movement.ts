/**
 * Primitives that move elements, as nodes.
 *
 * @module
 */

import { castScalar, type DType } from "../../base/dtype.ts";
import type { MovementName } from "../../base/primitives.ts";
import { range, sameShape, type Shape, sizeOf } from "../../base/shape.ts";
import type { WriteRule, WriteRules } from "./rule.ts";
import { carrierOf, type GraphWriter, type Value } from "./writer.ts";

/** The value's elements, seen otherwise. */
function same({ shape, dtype }: { shape: Shape; dtype: DType }, [x]: readonly Value[]): Value {
  return { ...x, shape, dtype };
}

/** `count` zeros (or other values) between neighbours along axes, then some around all of them. */
export function padded(
  name: string,
  shape: Shape,
  { low, high, interior, value }: {
    readonly low: readonly number[];
    readonly high: readonly number[];
    readonly interior: readonly number[];
    readonly value: string;
  },
  to: GraphWriter,
): string {
  const spread = range(shape.length).filter((axis) => interior[axis] > 0 && shape[axis] > 1);
  let current = name;
  let sizes = shape;
  if (spread.length > 0) {
    // Each element gets an axis of its own, which is filled up.
    const apart = shape.flatMap((n, axis) => spread.includes(axis) ? [n, 1] : [n]);
    const after = shape.flatMap((_, axis) => spread.includes(axis) ? [0, interior[axis]] : [0]);
    current = to.reshape(current, apart);
    current = to.op("Pad", [current, to.int64s([...after.map(() => 0), ...after]), value]);
    const joined = shape.map((n, axis) => spread.includes(axis) ? n * (interior[axis] + 1) : n);
    current = to.reshape(current, joined);
    sizes = joined.map((n, axis) => spread.includes(axis) ? n - interior[axis] : n);
    const ends = spread.map((axis) => sizes[axis]);
    current = to.slice(current, spread, spread.map(() => 0), ends);
  }
  if (low.every((n) => n === 0) && high.every((n) => n === 0)) return current;
  return to.op("Pad", [current, to.int64s([...low, ...high]), value]);
}

const slice: WriteRule<"slice"> = ({ shape, dtype, params }, [x], to) => {
  // Where elements repeat, any of them will do, and one is enough.
  const axes = range(shape.length).filter((axis) =>
    x.stored[axis] === x.shape[axis] && shape[axis] !== x.shape[axis]
  );
  const stored = shape.map((n, axis) => x.stored[axis] === x.shape[axis] ? n : 1);
  const pick = (list: readonly number[]): number[] => axes.map((axis) => list[axis]);
  const name = axes.length === 0
    ? x.name
    : to.slice(x.name, axes, pick(params.start), pick(params.limit), pick(params.step));
  return { name, dtype, shape, stored };
};

/** Changes of shape and of places, and identities. */
export const movementRules: WriteRules<MovementName> = {
  reshape: ({ shape, dtype }, [x], to) => {
    if (x.stored.every((n) => n === 1)) {
      const stored = shape.map(() => 1);
      return { name: to.reshape(x.name, stored), dtype, shape, stored };
    }
    return sameShape(shape, x.shape) ? x : to.reshape(to.dense(x), shape);
  },
  permute: ({ shape, dtype, params: { permutation } }, [x], to) => ({
    name: to.transpose(x.name, permutation),
    dtype,
    shape,
    stored: permutation.map((axis) => x.stored[axis]),
  }),
  broadcast: same,
  slice,
  pad: ({ shape, dtype, params }, [x], to) => {
    const cast = castScalar(params.value, dtype);
    const element = dtype === "uint32" ? cast | 0 : cast;
    if (sizeOf(x.shape) === 0) return to.filled(carrierOf(dtype), shape, element);
    const value = to.scalar(carrierOf(dtype), element);
    return padded(to.dense(x), x.shape, { ...params, value }, to);
  },
  flip: ({ shape, dtype, params }, [x], to) => {
    const axes = params.axes.filter((axis) => x.stored[axis] > 1);
    if (axes.length === 0) return { ...x, shape, dtype };
    const name = to.slice(
      x.name,
      axes,
      axes.map(() => -1),
      axes.map(() => -(2 ** 31) + 1),
      axes.map(() => -1),
    );
    return { name, dtype, shape, stored: x.stored };
  },
  concat: ({ params: { axis } }, inputs, to) => {
    const parts = inputs.filter(({ shape }) => shape[axis] > 0).map((x) => to.dense(x));
    return parts.length === 1 ? parts[0] : to.op("Concat", parts, { axis });
  },
  alias: same,
  stopGradient: same,
  customDerivative: same,
};
