/**
 * Values between the elements of images.
 *
 * @module
 */

import { range, sizeOf } from "../../base/shape.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { apply } from "../../core/apply.ts";
import type { Tensor } from "../../core/tensor.ts";

/** What lies outside an image: zeros, its border, or its reflection at ends that `reflect` knows. */
export type Outside = "zeros" | "border" | "reflection";

/** One element near a place along one axis. */
interface Tap {
  /** Its index, a real number that is an integer; it may lie outside. */
  readonly index: Tensor;
  /** Its weight; null for 1. */
  readonly weight: Tensor | null;
}

/** A coordinate folded back into the interval. */
export function reflect(x: Tensor, low: number, high: number): Tensor {
  const span = high - low;
  if (span <= 0) return x.mul(0).add(low);
  // The distance from one end in a zigzag of twice the span.
  const turn = x.sub(low).abs().remainder(2 * span);
  return turn.sub(span).abs().neg().add(span + low);
}

/** The elements on both sides of each place. */
export function linearTaps(place: Tensor): Tap[] {
  const index = place.floor();
  const ahead = place.sub(index);
  return [
    { index, weight: ahead.neg().add(1) },
    { index: index.add(1), weight: ahead },
  ];
}

/** Two elements on each side of each place, weighed by Keys' kernel. */
export function cubicTaps(place: Tensor, a: number): Tap[] {
  const index = place.floor();
  const ahead = place.sub(index);
  const near = (d: Tensor): Tensor => d.mul(a + 2).sub(a + 3).mul(d).mul(d).add(1);
  const far = (d: Tensor): Tensor => d.mul(a).sub(5 * a).mul(d).add(8 * a).mul(d).sub(4 * a);
  const behind = ahead.neg().add(1);
  return [
    { index: index.sub(1), weight: far(ahead.add(1)) },
    { index, weight: near(ahead) },
    { index: index.add(1), weight: near(behind) },
    { index: index.add(2), weight: far(behind.add(1)) },
  ];
}

/** The nearest element, ties to even. */
export function nearestTaps(place: Tensor): Tap[] {
  return [{ index: place.round(), weight: null }];
}

/** All choices of one tap an axis. */
function products(axes: readonly (readonly Tap[])[]): Tap[][] {
  return axes.reduce<Tap[][]>(
    (lists, taps) => lists.flatMap((list) => taps.map((tap) => [...list, tap])),
    [[]],
  );
}

/**
 * The taps' elements of images [N, C, sizes…] at places [N, P], one list of taps an axis: a list of [N, P, C], weighed. What
 * lies outside counts as zero; `inside` maps indices into the image otherwise.
 */
export function sampleParts(
  x: Tensor,
  axes: readonly (readonly Tap[])[],
  inside?: (index: Tensor, axis: number) => Tensor,
): Tensor[] {
  const [n, channels, ...sizes] = x.shape;
  const rows = x.reshape([n, channels, sizeOf(sizes)]).permute([0, 2, 1]);
  return products(axes).map((taps) => {
    let flat: Tensor | null = null;
    let valid: Tensor | null = null;
    let weight: Tensor | null = null;
    for (const [axis, tap] of taps.entries()) {
      const size = sizes[axis];
      if (tap.weight !== null) weight = weight === null ? tap.weight : weight.mul(tap.weight);
      const index = inside?.(tap.index, axis) ?? tap.index;
      if (inside === undefined) {
        const within = index.greaterEqual(0).logicalAnd(index.lessEqual(size - 1));
        valid = valid === null ? within : valid.logicalAnd(within);
      }
      const place = index.clip(0, size - 1).to("int32");
      flat = flat === null ? place : flat.mul(size).add(place);
    }
    const picked = apply("gather", { batchDims: 1 }, rows, flat!);
    const kept = valid === null ? picked : where(valid.unsqueeze(2), picked, 0);
    return weight === null ? kept : kept.mul(weight.unsqueeze(2));
  });
}

/** Images [N, C, sizes…] at places [N, P], one tensor an axis: [N, C, P]. */
export function sample(
  x: Tensor,
  axes: readonly (readonly Tap[])[],
  inside?: (index: Tensor, axis: number) => Tensor,
): Tensor {
  return sampleParts(x, axes, inside).reduce((a, b) => a.add(b)).permute([0, 2, 1]);
}

/** The places of a regular grid along each of its axes, as real numbers from −1 to 1. */
export function gridLine(count: number, alignCorners: boolean): number[] {
  return range(count).map((i) =>
    alignCorners ? (count === 1 ? 0 : 2 * i / (count - 1) - 1) : (2 * i + 1) / count - 1
  );
}
