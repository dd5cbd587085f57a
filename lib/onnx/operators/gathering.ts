/**
 * Elements by their indices.
 *
 * @module
 */

import { normalizeAxis, sizeOf } from "../../base/shape.ts";
import { apply } from "../../core/apply.ts";
import { gather } from "../../core/operations/indexing.ts";
import { slice } from "../../core/operations/shapes.ts";
import type { Tensor } from "../../core/tensor.ts";
import { integer } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { fromStart, indexInput } from "./limits.ts";

/**
 * Places in the row-major order of axes of some sizes, from an input of int32 [Q…, k] with one index for each of k axes. Throws
 * an `OnnxError` for indices that are known and outside.
 */
export function placesInput(c: OperatorContext, input: number, sizes: readonly number[]): Tensor {
  const { constant } = c.value(input);
  const k = sizes.length;
  constant?.data.forEach((index, i) => {
    const size = sizes[i % k];
    if (index >= -size && index < size) return;
    c.fail(`input ${input} holds index ${index}, which is outside an axis of size ${size}`);
  });
  const index = c.tensor(input).to("int32");
  const others = index.shape.slice(0, -1).map(() => null);
  return sizes.reduce<Tensor | null>((total, size, i) => {
    const place = fromStart(slice(index, ...others, i), size);
    return total === null ? place : total.mul(size).add(place);
  }, null) ?? c.fail(`input ${input} has shape [${index.shape.join(", ")}]: no indices`);
}

/** Elements by their indices. */
export const gathering: readonly Operator[] = [
  operator({
    name: "GatherElements",
    since: [11, 13],
    inputs: 2,
    attributes: { axis: integer(0) },
    run: (c, { axis }) => {
      const x = c.tensor(0);
      const at = normalizeAxis(axis, x.rank, "axis");
      return gather(x, at, indexInput(c, 1, x.shape[at]));
    },
  }),
  operator({
    name: "GatherND",
    since: [11, 12, 13],
    inputs: 2,
    attributes: { batch_dims: integer(0) },
    run: (c, { batch_dims: b }) => {
      const [x, own] = [c.tensor(0), c.shape(1)];
      const k = own.length === 0 ? 0 : own[own.length - 1];
      if (!(b >= 0 && b < own.length && b + k <= x.rank && k >= 1)) {
        c.fail(`indices of shape [${own}] into [${x.shape}] with batch_dims ${b}`);
      }
      const sizes = x.shape.slice(b, b + k);
      const rest = x.shape.slice(b + k);
      const outer = x.shape.slice(0, b);
      if (outer.join() !== own.slice(0, b).join()) {
        c.fail(`the first ${b} axes of [${own}] and [${x.shape}] differ`);
      }
      const inner = own.slice(b, -1);
      const batch = b === 0 ? [] : [sizeOf(outer)];
      const places = placesInput(c, 1, sizes).reshape([...batch, sizeOf(inner)]);
      const flat = x.reshape([...batch, sizeOf(sizes), ...rest]);
      const taken = apply("gather", { batchDims: batch.length }, flat, places);
      return taken.reshape([...outer, ...inner, ...rest]);
    },
  }),
];
