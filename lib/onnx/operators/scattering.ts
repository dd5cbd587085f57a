/**
 * Tensors with some elements replaced, or combined with others.
 *
 * @module
 */

import { normalizeAxis, sizeOf } from "../../base/shape.ts";
import { apply } from "../../core/apply.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { broadcast, fullLike, iota, moveAxis, pad, select } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { integer, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { placesInput } from "./gathering.ts";
import { indexInput, limited } from "./limits.ts";
import { limitOf } from "./types.ts";

/** Updates [B…, I, R…] for the places [B…, I] of an axis of `size` after the axes B…. */
interface Updates {
  readonly places: Tensor;
  readonly values: Tensor;
  readonly size: number;
}

/** The sums of updates by place; bool counts as int32. */
function sums({ places, values, size }: Updates): Tensor {
  const counted = values.dtype === "bool" ? values.to("int32") : values;
  return apply("scatterAdd", { batchDims: places.rank - 1, size }, places, counted);
}

/** Updates combined by place in another way: each place looks at all of them. */
function combined(
  c: OperatorContext,
  { places, values, size }: Updates,
  reduction: "reduceProd" | "reduceMax" | "reduceMin",
  nothing: number,
): Tensor {
  const at = places.rank - 1;
  const [batch, rest] = [places.shape.slice(0, at), values.shape.slice(at + 1)];
  const shape = limited(c, [...batch, size, places.shape[at], ...rest]);
  const ones = rest.map(() => 1);
  const index = places.reshape([...batch, 1, places.shape[at], ...ones]);
  const spread = broadcast(values.unsqueeze(at), shape);
  const hit = apply("equal", {}, iota(shape, "int32", at), broadcast(index, shape));
  return apply(reduction, { axes: [at + 1] }, select(hit, spread, fullLike(spread, nothing)));
}

/** The data with updates at places, which may lie in a part of the other axes that begins where these begin. */
function scattered(
  c: OperatorContext,
  data: Tensor,
  updates: Updates,
  reduction: string,
): Tensor {
  if (updates.places.size === 0) return data;
  const fit = (x: Tensor, value: number): Tensor => {
    const missing = data.shape.map((n, i) => n - x.shape[i]);
    return pad(x, missing.map(() => 0), missing, undefined, value);
  };
  switch (reduction) {
    case "none": {
      const { places, size } = updates;
      const hits = sums({ places, values: fullLike(places, 1), size }).greater(0);
      const mask = hits.reshape([...hits.shape, ...data.shape.slice(hits.rank).map(() => 1)]);
      const missing = data.shape.map((n, i) => i < hits.rank ? n - mask.shape[i] : 0);
      const whole = pad(mask, missing.map(() => 0), missing);
      return where(whole, fit(sums(updates), 0).to(data.dtype), data);
    }
    case "add":
      return data.add(fit(sums(updates), 0));
    case "mul":
      return data.mul(fit(combined(c, updates, "reduceProd", 1), 1));
    case "max": {
      const least = limitOf(c.type(0), false);
      return data.maximum(fit(combined(c, updates, "reduceMax", least), least));
    }
    case "min": {
      const most = limitOf(c.type(0), true);
      return data.minimum(fit(combined(c, updates, "reduceMin", most), most));
    }
    default:
      return c.fail(
        `reduction is ${JSON.stringify(reduction)}, expected none, add, mul, max or min`,
      );
  }
}

function scatterElements(name: string, since: readonly number[]): Operator {
  return operator({
    name,
    since,
    inputs: 3,
    attributes: { axis: integer(0), reduction: text("none") },
    run: (c, { axis, reduction }) => {
      const [x, values] = [c.tensor(0), c.tensor(2)];
      const at = normalizeAxis(axis, x.rank, "axis");
      const shape = c.shape(1);
      const fits = shape.join() === values.shape.join() && shape.length === x.rank &&
        shape.every((n, i) => i === at || n <= x.shape[i]);
      if (!fits) c.fail(`indices [${shape}] and updates [${values.shape}] for [${x.shape}]`);
      const last = x.rank - 1;
      const updates = {
        places: moveAxis(indexInput(c, 1, x.shape[at]), at, last),
        values: moveAxis(values, at, last),
        size: x.shape[at],
      };
      return moveAxis(scattered(c, moveAxis(x, at, last), updates, reduction), last, at);
    },
  });
}

/** Tensors with some elements replaced, or combined with others. */
export const scattering: readonly Operator[] = [
  scatterElements("Scatter", [9, 11]),
  scatterElements("ScatterElements", [11, 13, 16, 18]),
  operator({
    name: "ScatterND",
    since: [11, 13, 16, 18],
    inputs: 3,
    attributes: { reduction: text("none") },
    run: (c, { reduction }) => {
      const [x, own, values] = [c.tensor(0), c.shape(1), c.tensor(2)];
      const k = own.length === 0 ? 0 : own[own.length - 1];
      const [outer, rest] = [own.slice(0, -1), x.shape.slice(k)];
      if (!(k >= 1 && k <= x.rank) || values.shape.join() !== [...outer, ...rest].join()) {
        c.fail(`indices [${own}] and updates [${values.shape}] for [${x.shape}]`);
      }
      const sizes = x.shape.slice(0, k);
      const size = sizeOf(sizes);
      const updates = {
        places: placesInput(c, 1, sizes).reshape([sizeOf(outer)]),
        values: values.reshape([sizeOf(outer), ...rest]),
        size,
      };
      return scattered(c, x.reshape([size, ...rest]), updates, reduction).reshape(x.shape);
    },
  }),
  operator({
    name: "TensorScatter",
    since: [24],
    inputs: [2, 3],
    attributes: { axis: integer(-2), mode: text("linear") },
    run: (c, { axis, mode }) => {
      const [past, update] = [c.tensor(0), c.tensor(1)];
      const at = normalizeAxis(axis, past.rank, "axis");
      if (mode !== "linear" && mode !== "circular") c.fail(`mode is ${JSON.stringify(mode)}`);
      const [size, count] = [past.shape[at], update.shape[at]];
      if (at === 0 || count < 1 || count > size) {
        c.fail(`updates [${update.shape}] for [${past.shape}] along axis ${axis}`);
      }
      const along = (i: number, n: number): number[] => past.shape.map((_, j) => i === j ? n : 1);
      const place = iota(along(at, size), "int32", at);
      const first = c.optionalTensor(2)?.to("int32").reshape(along(0, past.shape[0]));
      const distance = first === undefined ? place : place.sub(first);
      const offset = mode === "circular" ? distance.remainder(size) : distance;
      const inside = offset.greaterEqual(0).logicalAnd(offset.less(count));
      return where(inside, update.takeAlongAxis(offset.clip(0, count - 1), at), past);
    },
  }),
];
