/**
 * Primitives that combine elements along axes.
 *
 * @module
 */

import { ArgumentError, AxisError, DTypeError } from "../../base/errors.ts";
import { formatShape } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import type { Tensor } from "../tensor.ts";
import {
  binary,
  cast,
  fullLike,
  moveAxis,
  mul,
  pad,
  reshape,
  restoreAxes,
  sliceAxis,
  sum,
} from "./build.ts";
import type { Application, Batched, Rule, RuleTable } from "./rule.ts";

type Reduction = "reduceSum" | "reduceProd" | "reduceMax" | "reduceMin";
type Search = "argmax" | "argmin";

function checkAxes(name: string, x: Tensor, axes: readonly number[]): void {
  const sorted = axes.every((a, i) => i === 0 || axes[i - 1] < a);
  if (!sorted || axes.some((a) => !Number.isInteger(a) || a < 0 || a >= x.shape.length)) {
    throw new AxisError(
      `${name}: axes ${formatShape(axes)} must be sorted, distinct and inside ${
        formatShape(x.shape)
      }`,
    );
  }
}

/** Axes after a batch axis was inserted, and where that axis stands in the result. */
function shiftAxes(axes: readonly number[], axis: number): { axes: number[]; axis: number } {
  return {
    axes: axes.map((a) => a < axis ? a : a + 1),
    axis: axis - axes.filter((a) => a < axis).length,
  };
}

function reduction<P extends Reduction>(
  name: P,
  rules: Pick<Rule<P>, "jvp" | "vjp">,
): Rule<P> {
  return {
    infer([x], { axes }) {
      checkAxes(name, x, axes);
      const extremum = name === "reduceMax" || name === "reduceMin";
      if (x.dtype === "bool" && !extremum) {
        throw new DTypeError(`${name}: expected numbers, got bool; cast to int32 first`);
      }
      if (extremum && axes.some((a) => x.shape[a] === 0)) {
        throw new ArgumentError(
          `${name}: the largest or smallest of no elements is not defined; shape ${
            formatShape(x.shape)
          }`,
        );
      }
      return { shape: x.shape.filter((_, i) => !axes.includes(i)), dtype: x.dtype };
    },
    ...rules,
    batch([x], [axis], params): Batched {
      const shifted = shiftAxes(params.axes, axis!);
      return { tensor: apply(name, { ...params, axes: shifted.axes }, x), axis: shifted.axis };
    },
  };
}

/** Ones where an element equals the extremum of its group, divided by how many do: a tie shares its derivative. */
function extremumWeights<P extends "reduceMax" | "reduceMin">(
  { inputs: [x], output, params: { axes } }: Application<P>,
): Tensor {
  const hit = binary("equal", x, restoreAxes(output, axes, x.shape));
  const mask = cast(hit, x.dtype);
  return binary("div", mask, restoreAxes(sum(mask, axes), axes, x.shape));
}

function extremum<P extends "reduceMax" | "reduceMin">(name: P): Rule<P> {
  return reduction<P>(name, {
    jvp: (application, [tangent]) =>
      sum(mul(tangent!, extremumWeights(application)), application.params.axes),
    vjp: (application, cotangent) => {
      const { inputs: [x], params: { axes } } = application;
      return [mul(restoreAxes(cotangent, axes, x.shape), extremumWeights(application))];
    },
  });
}

/** Products of all elements before each (or after, if reverse) along an axis, by doubling; the first is 1. */
function exclusiveProducts(x: Tensor, axis: number, reverse: boolean): Tensor {
  const rank = x.shape.length;
  const size = x.shape[axis];
  const shift = (y: Tensor, by: number): Tensor => {
    const kept = reverse ? sliceAxis(y, axis, by, size) : sliceAxis(y, axis, 0, size - by);
    const amount = Array.from({ length: rank }, (_, i) => i === axis ? by : 0);
    const none = amount.map(() => 0);
    return pad(kept, reverse ? none : amount, reverse ? amount : none, none, 1);
  };
  let products = shift(x, 1);
  for (let by = 1; by < size; by *= 2) products = mul(products, shift(products, by));
  return products;
}

/** ∂ prod / ∂ x: the product of all the other elements, without dividing, so that zeros are right. */
function productOfOthers({ inputs: [x], params: { axes } }: Application<"reduceProd">): Tensor {
  if (axes.length === 0) return fullLike(x, 1);
  const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const order = [...kept, ...axes];
  const moved = apply("permute", { permutation: order }, x);
  const flat = reshape(moved, [
    ...kept.map((i) => x.shape[i]),
    axes.reduce((n, i) => n * x.shape[i], 1),
  ]);
  const axis = kept.length;
  if (flat.shape[axis] === 0) return x;
  const others = mul(exclusiveProducts(flat, axis, false), exclusiveProducts(flat, axis, true));
  const inverse = order.map((_, i) => order.indexOf(i));
  return apply("permute", { permutation: inverse }, reshape(others, moved.shape));
}

function search<P extends Search>(name: P): Rule<P> {
  return {
    infer([x], { axis }) {
      checkAxes(name, x, [axis]);
      if (x.shape[axis] === 0) {
        throw new ArgumentError(`${name}: axis ${axis} of ${formatShape(x.shape)} is empty`);
      }
      return { shape: x.shape.filter((_, i) => i !== axis), dtype: "int32" };
    },
    jvp: () => null,
    vjp: () => [null],
    batch([x], [axis], params): Batched {
      const shifted = shiftAxes([params.axis], axis!);
      return {
        tensor: apply(name, { ...params, axis: shifted.axes[0] }, x),
        axis: shifted.axis,
      };
    },
  };
}

/** Rules of the reductions and running sums. */
export const reductionRules: RuleTable<Reduction | Search | "cumsum"> = {
  reduceSum: reduction("reduceSum", {
    jvp: ({ params }, [tangent]) => sum(tangent!, params.axes),
    vjp: ({ inputs: [x], params }, cotangent) => [restoreAxes(cotangent, params.axes, x.shape)],
  }),
  reduceProd: reduction("reduceProd", {
    jvp: (application, [tangent]) =>
      sum(mul(tangent!, productOfOthers(application)), application.params.axes),
    vjp: (application, cotangent) => {
      const { inputs: [x], params: { axes } } = application;
      return [mul(restoreAxes(cotangent, axes, x.shape), productOfOthers(application))];
    },
  }),
  reduceMax: extremum("reduceMax"),
  reduceMin: extremum("reduceMin"),
  argmax: search("argmax"),
  argmin: search("argmin"),
  cumsum: {
    infer([x], { axis }) {
      checkAxes("cumsum", x, [axis]);
      if (x.dtype === "bool") throw new DTypeError("cumsum: expected numbers, got bool");
      return x;
    },
    jvp: ({ params }, [tangent]) => apply("cumsum", params, tangent!),
    vjp: ({ params: { axis, reverse } }, cotangent) => [
      apply("cumsum", { axis, reverse: !reverse }, cotangent),
    ],
    batch: ([x], [at], { axis, reverse }) => ({
      tensor: apply("cumsum", { axis: axis + 1, reverse }, moveAxis(x, at!, 0)),
      axis: 0,
    }),
  },
};
