/**
 * Windows over spatial axes as convolutions and poolings describe them.
 *
 * @module
 */

import type { Padding } from "../../base/primitives.ts";
import { range, sizeOf } from "../../base/shape.ts";
import { apply } from "../../core/apply.ts";
import { pad } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { integers, text } from "../attributes.ts";
import type { OperatorContext } from "../operator.ts";

/** The attributes that all of them share. */
export const windowAttributes = {
  auto_pad: text("NOTSET"),
  dilations: integers(),
  kernel_shape: integers(),
  pads: integers(),
  strides: integers(),
} as const;

/** Their values. */
export interface WindowValues {
  readonly auto_pad: string;
  readonly dilations: readonly number[] | undefined;
  readonly pads: readonly number[] | undefined;
  readonly strides: readonly number[] | undefined;
}

/** Windows with everything written out; each list has one entry a spatial axis. */
export interface Windows {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilation: readonly number[];
  /** Padding that the file asks for. */
  readonly padding: readonly Padding[];
  /** How many windows there are. */
  readonly counts: readonly number[];
}

/** Larger sizes are no network's; they would only ask for absurd amounts of memory. */
const largest = 1 << 24;
const mostWindows = 2 ** 28;

/** A list of integers, one or two a spatial axis. */
export function listOf(
  context: OperatorContext,
  given: readonly number[] | undefined,
  count: number,
  initial: number,
  name: string,
  least: number,
): readonly number[] {
  if (given === undefined || given.length === 0) return range(count).map(() => initial);
  if (given.length === count && given.every((n) => n >= least && n <= largest)) return given;
  return context.fail(
    `${name} is [${given.join(", ")}], expected ${count} integers from ${least} to ${largest}`,
  );
}

/** Padding so that there are ⌈size / stride⌉ windows; the odd one goes after ("SAME_UPPER") or before. */
function samePadding(size: number, extent: number, stride: number, upper: boolean): Padding {
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + extent - size);
  const half = Math.floor(total / 2);
  return upper ? [half, total - half] : [total - half, half];
}

/** The windows over the spatial axes of a tensor [N, C, …]. */
export function resolveWindows(
  context: OperatorContext,
  x: Tensor,
  kernel: readonly number[],
  { auto_pad, dilations, pads, strides }: WindowValues,
  ceilMode = false,
): Windows {
  const n = kernel.length;
  if (x.rank !== n + 2) {
    context.fail(`windows of ${n} axes over an input of shape [${x.shape.join(", ")}]`);
  }
  listOf(context, kernel, n, 1, "the kernel's shape", 1);
  const sizes = x.shape.slice(2);
  const step = listOf(context, strides, n, 1, "strides", 1);
  const dilation = listOf(context, dilations, n, 1, "dilations", 1);
  const extents = kernel.map((k, i) => (k - 1) * dilation[i] + 1);
  const given = listOf(context, pads, 2 * n, 0, "pads", 0);
  const padding = range(n).map((i): Padding => {
    if (auto_pad === "NOTSET" || auto_pad === "") return [given[i], given[n + i]];
    if (auto_pad === "VALID") return [0, 0];
    if (auto_pad !== "SAME_UPPER" && auto_pad !== "SAME_LOWER") {
      return context.fail(`auto_pad is ${JSON.stringify(auto_pad)}`);
    }
    return samePadding(sizes[i], extents[i], step[i], auto_pad === "SAME_UPPER");
  });
  const counts = sizes.map((size, i) => {
    const [low, high] = padding[i];
    const room = size + low + high - extents[i];
    if (!ceilMode) return Math.floor(room / step[i]) + 1;
    const count = Math.ceil(room / step[i]) + 1;
    // A window that would start behind the input is left out.
    return (count - 1) * step[i] >= size + low ? count - 1 : count;
  });
  if (sizeOf(counts) > mostWindows) context.fail(`${counts.join(" × ")} windows`);
  if (counts.some((count) => count < 1)) {
    context.fail(
      `no window of [${kernel.join(", ")}] fits into an input of shape [${x.shape.join(", ")}]`,
    );
  }
  return { kernel, strides: step, dilation, padding, counts };
}

/** The windows' elements along axis 2 of [N, C, K, P…]; the value stands around the input. */
export function windowElements(x: Tensor, windows: Windows, value: number): Tensor {
  const { kernel, strides, dilation, padding, counts } = windows;
  const high = counts.map((count, i) =>
    Math.max(
      0,
      (count - 1) * strides[i] + (kernel[i] - 1) * dilation[i] + 1 - x.shape[2 + i] - padding[i][0],
    )
  );
  const low = padding.map(([l]) => l);
  const padded = pad(x, [0, 0, ...low], [0, 0, ...high], undefined, value);
  const patches = apply("patches", { kernel, strides, dilation }, padded);
  return patches.reshape([x.shape[0], x.shape[1], sizeOf(kernel), ...counts]);
}
