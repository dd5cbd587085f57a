/**
 * Pooling of regions of images.
 *
 * @module
 */

import { allocate } from "../../base/dtype.ts";
import { range } from "../../base/shape.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { fromHost, zeros } from "../../core/operations/creation.ts";
import { concat, stack } from "../../core/operations/shapes.ts";
import type { Tensor } from "../../core/tensor.ts";
import { float, integer, integers, required, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { linearTaps, sampleParts } from "./sampling.ts";

/** More samples than any network takes along an axis of a region. */
const mostSamples = 1 << 16;

/** Attributes of an aligned pooling. */
interface AlignValues {
  readonly coordinate_transformation_mode: string;
  readonly mode: string;
  readonly output_height: number;
  readonly output_width: number;
  readonly sampling_ratio: number;
  readonly spatial_scale: number;
}

/** Regions [R, 4] with as many samples a bin each: [R, C, height, width]. */
function alignRegions(
  context: OperatorContext,
  images: Tensor,
  regions: Tensor,
  [rows, columns]: readonly [number, number],
  values: AlignValues,
): Tensor {
  const { output_height: height, output_width: width, mode } = values;
  const halfPixel = context.version >= 16 &&
    values.coordinate_transformation_mode === "half_pixel";
  const [count, channels] = images.shape;
  const scaled = regions.mul(values.spatial_scale).sub(halfPixel ? 0.5 : 0);
  const edges = [0, 1, 2, 3].map((i) => scaled.slice(null, [i, i + 1]));
  /** The places of all samples along one axis, [R, bins · samples], and which of them lie inside. */
  const along = (
    [start, end]: readonly [Tensor, Tensor],
    bins: number,
    samples: number,
    size: number,
  ): [place: Tensor, valid: Tensor] => {
    if (bins * samples > mostSamples) context.fail(`${bins * samples} samples of a region`);
    const extent = halfPixel ? end.sub(start) : end.sub(start).maximum(1);
    const steps = allocate(images.dtype, bins * samples);
    steps.set(range(steps.length).map((i) => (i + 0.5) / steps.length));
    const ramp = fromHost(steps, [1, steps.length], images.dtype);
    const place = start.add(extent.mul(ramp));
    const valid = place.greaterEqual(-1).logicalAnd(place.lessEqual(size));
    return [place.clip(0, size - 1), valid];
  };
  const [y, yValid] = along([edges[1], edges[3]], height, rows, images.shape[2]);
  const [x, xValid] = along([edges[0], edges[2]], width, columns, images.shape[3]);
  const [down, across] = [height * rows, width * columns];
  const spread = (t: Tensor, vertical: boolean): Tensor =>
    t.reshape(vertical ? [count, down, 1] : [count, 1, across])
      .broadcastTo([count, down, across]).reshape([count, down * across]);
  const valid = spread(yValid, true).logicalAnd(spread(xValid, false)).unsqueeze(2);
  const axes = [linearTaps(spread(y, true)), linearTaps(spread(x, false))];
  const sampled = sampleParts(images, axes).map((part) =>
    where(valid, part, 0).reshape([count, height, rows, width, columns, channels])
  );
  if (mode === "avg") {
    return sampled.reduce((a, b) => a.add(b)).mean([2, 4]).permute([0, 3, 1, 2]);
  }
  if (mode !== "max") context.fail(`mode is ${JSON.stringify(mode)}, expected "avg" or "max"`);
  // The largest of the weighed elements, not of their sums: that is how it is defined.
  return sampled.reduce((a, b) => a.maximum(b)).max([2, 4]).permute([0, 3, 1, 2]);
}

function roiAlign(context: OperatorContext, values: AlignValues): Tensor {
  const [x, regions, which] = context.tensors();
  const { output_height: height, output_width: width, sampling_ratio: ratio } = values;
  const known = x.rank === 4 && regions.rank === 2 && regions.shape[1] === 4 && height >= 1 &&
    width >= 1 && ratio >= 0;
  if (!known) {
    context.fail(`regions [${regions.shape.join(", ")}] of [${x.shape.join(", ")}]`);
  }
  const images = x.take(which, 0);
  if (ratio > 0) return alignRegions(context, images, regions, [ratio, ratio], values);
  // As many samples as there are elements, which differs from region to region.
  const numbers = context.numbers(1);
  const parts = range(regions.shape[0]).map((r) => {
    const [left, top, right, bottom] = numbers.slice(4 * r, 4 * r + 4)
      .map((n) => n * values.spatial_scale);
    const least = context.version >= 16 && values.coordinate_transformation_mode === "half_pixel"
      ? 0
      : 1;
    const samples = (from: number, to: number, bins: number): number =>
      Math.max(1, Math.ceil(Math.max(to - from, least) / bins));
    const counts = [samples(top, bottom, height), samples(left, right, width)] as const;
    const own = (t: Tensor): Tensor => t.slice([r, r + 1]);
    return alignRegions(context, own(images), own(regions), counts, values);
  });
  return parts.length === 0
    ? zeros([0, x.shape[1], height, width], { dtype: x.dtype })
    : concat(parts);
}

/** The largest elements of parts of regions, which are known. */
function maxRegions(
  context: OperatorContext,
  scale: number,
  [height, width]: readonly [number, number],
): Tensor {
  const x = context.tensor(0);
  const numbers = context.numbers(1);
  const [, channels, rows, columns] = x.shape;
  const regions = range(numbers.length / 5).map((r) => {
    const [which, left, top, right, bottom] = numbers.slice(5 * r, 5 * r + 5)
      .map((n, i) => i === 0 ? n : Math.round(Math.fround(n * scale)));
    const bins = (from: number, to: number, count: number, size: number): [number, number][] =>
      range(count).map((i) => {
        const step = Math.max(to - from + 1, 1) / count;
        const limit = (place: number): number => Math.min(Math.max(place + from, 0), size);
        return [limit(Math.floor(i * step)), limit(Math.ceil((i + 1) * step))];
      });
    const across = bins(left, right, width, columns);
    const cells = bins(top, bottom, height, rows).flatMap((down) =>
      across.map((over) => {
        const empty = down[0] >= down[1] || over[0] >= over[1];
        return empty
          ? zeros([channels], { dtype: x.dtype })
          : x.slice(which, null, down, over).max([1, 2]);
      })
    );
    return stack(cells, 1).reshape([channels, height, width]);
  });
  return regions.length === 0
    ? zeros([0, channels, height, width], { dtype: x.dtype })
    : stack(regions);
}

/** Pooling of regions. */
export const regions: readonly Operator[] = [
  operator({
    name: "RoiAlign",
    since: [10, 16, 22],
    inputs: 3,
    attributes: {
      coordinate_transformation_mode: text("half_pixel"),
      mode: text("avg"),
      output_height: integer(1),
      output_width: integer(1),
      sampling_ratio: integer(0),
      spatial_scale: float(1),
    },
    run: (c, values) => roiAlign(c, values),
  }),
  operator({
    name: "MaxRoiPool",
    since: [1, 22],
    inputs: 2,
    attributes: { pooled_shape: required(integers()), spatial_scale: float(1) },
    run: (c, { pooled_shape, spatial_scale }) => {
      const [height, width] = pooled_shape;
      const known = pooled_shape.length === 2 && height >= 1 && width >= 1 &&
        height * width <= mostSamples && c.shape(0).length === 4 && c.shape(1)[1] === 5;
      if (!known) c.fail(`pooled_shape [${pooled_shape.join(", ")}] of [${c.shape(0).join(", ")}]`);
      return maxRegions(c, spatial_scale, [height, width]);
    },
  }),
];
