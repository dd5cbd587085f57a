/**
 * Sampling images on grids.
 *
 * @module
 */

import { allocate } from "../../base/dtype.ts";
import { range, sizeOf } from "../../base/shape.ts";
import { matmul } from "../../core/operations/contractions.ts";
import { fromHost } from "../../core/operations/creation.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import {
  cubicTaps,
  gridLine,
  linearTaps,
  nearestTaps,
  type Outside,
  reflect,
  sample,
} from "./sampling.ts";

const modes: Readonly<Record<string, "linear" | "nearest" | "cubic">> = {
  bilinear: "linear",
  linear: "linear",
  nearest: "nearest",
  bicubic: "cubic",
  cubic: "cubic",
};

const outsides: readonly string[] = ["zeros", "border", "reflection"];

/** Attributes of a sampling. */
interface SampleValues {
  readonly align_corners: number;
  readonly mode: string;
  readonly padding_mode: string;
}

function gridSample(context: OperatorContext, values: SampleValues): Tensor {
  const [x, grid] = [context.tensor(0), context.tensor(1)];
  const [n, channels, ...sizes] = x.shape;
  const count = sizes.length;
  const mode = Object.hasOwn(modes, values.mode) ? modes[values.mode] : null;
  if (mode === null || !outsides.includes(values.padding_mode)) {
    return context.fail(`mode ${values.mode} with padding ${values.padding_mode} is unknown`);
  }
  if (count < 1 || grid.rank !== count + 2 || grid.shape.at(-1) !== count || grid.shape[0] !== n) {
    context.fail(`a grid of shape [${grid.shape.join(", ")}] for [${x.shape.join(", ")}]`);
  }
  const outside = values.padding_mode as Outside;
  const target = grid.shape.slice(1, -1);
  const align = values.align_corners !== 0;
  const folded = (place: Tensor, axis: number): Tensor => {
    const last = sizes[axis] - 1;
    if (outside === "zeros") return place;
    if (outside === "border") return place.clip(0, last);
    return (align ? reflect(place, 0, last) : reflect(place, -0.5, last + 0.5)).clip(0, last);
  };
  const axes = sizes.map((size, axis) => {
    // The grid's last axis begins with the image's last.
    const place = grid.take(count - 1 - axis, -1).reshape([n, sizeOf(target)]).add(1);
    const at = align ? place.mul((size - 1) / 2) : place.mul(size / 2).sub(0.5);
    // A cubic kernel reaches outside; each of its elements is folded for itself.
    if (mode === "cubic") return cubicTaps(at, -0.75);
    return mode === "linear" ? linearTaps(folded(at, axis)) : nearestTaps(folded(at, axis));
  });
  const inside = mode === "cubic" && outside !== "zeros" ? folded : undefined;
  return sample(x, axes, inside).reshape([n, channels, ...target]);
}

/** Places (x, y[, z], 1) of a regular grid, as the columns of a matrix. */
function homogeneous(
  sizes: readonly number[],
  alignCorners: boolean,
  dtype: Tensor["dtype"],
): Tensor {
  const total = sizeOf(sizes);
  const lines = sizes.map((size) => gridLine(size, alignCorners));
  const data = allocate(dtype, (sizes.length + 1) * total);
  for (let place = 0; place < total; place++) {
    let rest = place;
    for (const axis of range(sizes.length).toReversed()) {
      const at = rest % sizes[axis];
      rest = (rest - at) / sizes[axis];
      data[(sizes.length - 1 - axis) * total + place] = lines[axis][at];
    }
    data[sizes.length * total + place] = 1;
  }
  return fromHost(data, [sizes.length + 1, total], dtype);
}

/** Sampling images on grids. */
export const grids: readonly Operator[] = [
  operator({
    name: "GridSample",
    since: [16, 20, 22],
    inputs: 2,
    attributes: {
      align_corners: flag(false),
      mode: text("linear"),
      padding_mode: text("zeros"),
    },
    run: (c, values) => gridSample(c, values),
  }),
  operator({
    name: "AffineGrid",
    since: [20],
    inputs: 2,
    attributes: { align_corners: flag(false) },
    run: (c, { align_corners }) => {
      const theta = c.tensor(0);
      const [, , ...sizes] = c.numbers(1);
      const n = sizes.length;
      const known = (n === 2 || n === 3) && theta.rank === 3 && theta.shape[1] === n &&
        theta.shape[2] === n + 1;
      if (!known || !sizes.every((size) => size >= 1) || sizeOf(sizes) > 2 ** 24) {
        c.fail(`a transform of shape [${theta.shape.join(", ")}] for sizes [${sizes.join(", ")}]`);
      }
      const places = matmul(theta, homogeneous(sizes, align_corners !== 0, theta.dtype));
      return places.transpose().reshape([theta.shape[0], ...sizes, n]);
    },
  }),
];
