/**
 * Resizing one axis: where each element of the result comes from.
 *
 * @module
 */

import { range } from "../../base/shape.ts";

/** How coordinates are found and what is done between elements. */
export interface ResizeValues {
  readonly antialias: number;
  readonly coordinate_transformation_mode: string;
  readonly cubic_coeff_a: number;
  readonly exclude_outside: number;
  readonly mode: string;
  readonly nearest_mode: string;
}

/** One axis that changes. */
export interface ResizedAxis {
  /** The axis. */
  readonly axis: number;
  /** Its size before. */
  readonly size: number;
  /** Its size after. */
  readonly target: number;
  /** The ratio by which coordinates are mapped, which need not be that of the sizes. */
  readonly scale: number;
  /** The part of the input [start, end] from 0 to 1 that "tf_crop_and_resize" takes. */
  readonly region: readonly [start: number, end: number];
}

/** For each element of the result: the elements of the input that it is made of, and their weights. */
export interface Taps {
  /** Indices [target][taps]. */
  readonly indices: readonly (readonly number[])[];
  /** Weights [target][taps]; null where all are 1 and there is one tap. */
  readonly weights: readonly (readonly number[])[] | null;
  /** Which elements lie outside the input, where that counts. */
  readonly outside: readonly boolean[] | null;
}

/** The place in the input of element `x` of the result; null for a mode that is unknown. */
function placeOf(
  x: number,
  { size, target, scale, region: [start, end] }: ResizedAxis,
  mode: string,
): number | null {
  const length = scale * size;
  switch (mode) {
    case "half_pixel":
      return (x + 0.5) / scale - 0.5;
    case "half_pixel_symmetric":
      return size / 2 * (1 - target / length) + (x + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return length === 1 ? -0.5 : (x + 0.5) / scale - 0.5;
    case "align_corners":
      return length === 1 ? 0 : x * (size - 1) / (length - 1);
    case "asymmetric":
      return x / scale;
    case "tf_half_pixel_for_nn":
      return (x + 0.5) / scale;
    case "tf_crop_and_resize":
      return length === 1
        ? (start + end) * (size - 1) / 2
        : start * (size - 1) + x * (end - start) * (size - 1) / (length - 1);
    default:
      return null;
  }
}

/** The nearest integer to a place; null for a mode that is unknown. */
function nearest(exact: number, mode: string, scale: number): number | null {
  // Halves and integers, which rounding would move to either side.
  const close = Math.round(2 * exact) / 2;
  const place = Math.abs(exact - close) < 1e-9 ? close : exact;
  switch (mode) {
    case "round_prefer_floor":
      return Math.ceil(place - 0.5);
    case "round_prefer_ceil":
      return Math.floor(place + 0.5);
    case "floor":
      return Math.floor(place);
    case "ceil":
      return Math.ceil(place);
    // Version 10, which has no such attribute.
    case "simple":
      return scale < 1 ? Math.ceil(place) : Math.floor(place);
    default:
      return null;
  }
}

/** Keys' cubic kernel. */
function cubic(x: number, a: number): number {
  const d = Math.abs(x);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/** Weights of the elements around a place. */
function around(place: number, { size, scale }: ResizedAxis, values: ResizeValues) {
  const radius = values.mode === "cubic" ? 2 : 1;
  // A wider kernel takes in what would be left out between the elements of a smaller result.
  const stretch = values.antialias !== 0 ? Math.max(1, 1 / scale) : 1;
  const kernel = (d: number): number =>
    values.mode === "cubic" ? cubic(d, values.cubic_coeff_a) : Math.max(0, 1 - Math.abs(d));
  const reach = Math.ceil(radius * stretch);
  const places = range(2 * reach).map((i) => Math.floor(place) + 1 - reach + i);
  const weights = places.map((at) => {
    const left = values.exclude_outside !== 0 && (at < 0 || at >= size);
    return left ? 0 : kernel((at - place) / stretch);
  });
  const total = weights.reduce((a, b) => a + b, 0);
  const normalize = (values.antialias !== 0 || values.exclude_outside !== 0) && total !== 0;
  return {
    indices: places.map((at) => Math.min(Math.max(at, 0), size - 1)),
    weights: normalize ? weights.map((w) => w / total) : weights,
  };
}

/** The taps of an axis; null where a mode is unknown. */
export function tapsOf(resized: ResizedAxis, values: ResizeValues): Taps | null {
  const { size, target } = resized;
  const mode = values.coordinate_transformation_mode;
  const places = range(target).map((x) => placeOf(x, resized, mode));
  if (!places.every((place) => place !== null)) return null;
  const crops = mode === "tf_crop_and_resize";
  const outside = crops ? places.map((place) => place < 0 || place > size - 1) : null;
  if (values.mode === "nearest") {
    const chosen = places.map((place) => nearest(place, values.nearest_mode, resized.scale));
    if (!chosen.every((index) => index !== null)) return null;
    const indices = chosen.map((index) => [Math.min(Math.max(index, 0), size - 1)]);
    return { indices, weights: null, outside };
  }
  if (values.mode !== "linear" && values.mode !== "cubic") return null;
  const all = places.map((place) => around(place, resized, values));
  return {
    indices: all.map(({ indices }) => indices),
    weights: all.map(({ weights }) => weights),
    outside,
  };
}
