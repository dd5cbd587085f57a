/**
 * Convolutions in one, two and three dimensions, as `torch.nn.functional` defines them.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../../base/errors.ts";
import type { ConvParams } from "../../base/primitives.ts";
import { formatShape, range } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { flip, permute, reshape, slice } from "../primitives/build.ts";
import { convOutputSizes } from "../primitives/contraction.ts";
import type { Tensor } from "../tensor.ts";
import { add, checkTensor } from "./arithmetic.ts";
import { checkCount, checkCounts, checkRank, promoteFloats } from "./checks.ts";
import { resolvePadding } from "./conv_padding.ts";

/**
 * Zeros around the input: as many on every side, as many along each axis, [before, after] along each axis, "valid" for
 * none, or "same" for as many as leave the size unchanged at stride 1 (the odd one goes after, as in PyTorch).
 */
export type ConvPadding =
  | number
  | readonly number[]
  | readonly (readonly [number, number])[]
  | "same"
  | "valid";

/** Options of a convolution; a number stands for all spatial axes. */
export interface ConvOptions {
  /** Step of the filter; 1 by default. */
  stride?: number | readonly number[];
  /** Zeros around the input; none by default. */
  padding?: ConvPadding;
  /** Spacing of the filter's elements; 1 by default. */
  dilation?: number | readonly number[];
  /** Groups of channels that do not mix; 1 by default. */
  groups?: number;
}

/** Options of a transposed convolution; a number stands for all spatial axes. */
export interface ConvTransposeOptions {
  /** Step of the convolution that this one transposes: the spacing of the input's elements. 1 by default. */
  stride?: number | readonly number[];
  /** Padding of the convolution that this one transposes: cut from the result. 0 by default. */
  padding?: number | readonly number[];
  /** Elements added after the result, fewer than the stride or the dilation. 0 by default. */
  outputPadding?: number | readonly number[];
  /** Spacing of the filter's elements; 1 by default. */
  dilation?: number | readonly number[];
  /** Groups of channels that do not mix; 1 by default. */
  groups?: number;
}

const layouts = ["", "length", "height, width", "depth, height, width"];

/** The operands of a convolution in `n` dimensions, of one dtype and with an axis of examples. */
interface Operands {
  readonly input: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  /** Whether the input came without an axis of examples. */
  readonly single: boolean;
}

function checkOperands(
  n: number,
  where: string,
  input: Tensor,
  weight: Tensor,
  bias: Tensor | null | undefined,
): Operands {
  checkTensor(input, `${where}: input`);
  checkTensor(weight, `${where}: weight`);
  const layout = `[N, channels, ${layouts[n]}] or without N`;
  checkRank(input, [n + 1, n + 2], `${where}: input`, layout);
  checkRank(weight, [n + 2], `${where}: weight`);
  if (bias !== undefined && bias !== null) checkTensor(bias, `${where}: bias`);
  const given = bias === undefined || bias === null ? [input, weight] : [input, weight, bias];
  const [x, w, b] = promoteFloats(given);
  const single = x.shape.length === n + 1;
  return {
    input: single ? reshape(x, [1, ...x.shape]) : x,
    weight: w,
    bias: b ?? null,
    single,
  };
}

function checkBias(bias: Tensor | null, channels: number, where: string): void {
  if (bias === null || (bias.shape.length === 1 && bias.shape[0] === channels)) return;
  throw new ShapeError(
    `${where}: expected a bias of shape [${channels}], one for each output channel, got ${
      formatShape(bias.shape)
    }`,
  );
}

function checkGroups(groups: number, channels: number, what: string, where: string): void {
  checkCount(groups, 1, `${where}: groups`);
  if (channels % groups === 0) return;
  throw new ArgumentError(
    `${where}: ${channels} ${what} channels cannot be divided into ${groups} groups`,
  );
}

/** Adds a bias to each channel and drops the axis of examples if there was none. */
function finish(result: Tensor, bias: Tensor | null, single: boolean): Tensor {
  const ones = range(result.shape.length - 2).map(() => 1);
  const biased = bias === null ? result : add(result, reshape(bias, [bias.shape[0], ...ones]));
  return single ? reshape(biased, biased.shape.slice(1)) : biased;
}

function convolve(
  n: number,
  where: string,
  given: Tensor,
  filter: Tensor,
  offset: Tensor | null | undefined,
  options: ConvOptions,
): Tensor {
  const { input, weight, bias, single } = checkOperands(n, where, given, filter, offset);
  const { groups = 1, padding = 0 } = options;
  const strides = checkCounts(options.stride ?? 1, n, 1, `${where}: stride`);
  const dilation = checkCounts(options.dilation ?? 1, n, 1, `${where}: dilation`);
  const [outputs, channels, ...kernel] = weight.shape;
  checkGroups(groups, outputs, "output", where);
  checkBias(bias, outputs, where);
  if (input.shape[1] !== channels * groups) {
    throw new ShapeError(
      `${where}: input ${formatShape(given.shape)} has ${input.shape[1]} channels, but weight ${
        formatShape(weight.shape)
      } with ${groups} group${groups === 1 ? "" : "s"} takes ${channels * groups}`,
    );
  }
  const params: ConvParams = {
    strides,
    padding: resolvePadding(padding, kernel, strides, dilation, where),
    lhsDilation: kernel.map(() => 1),
    rhsDilation: dilation,
    groups,
  };
  const sizes = convOutputSizes(input.shape.slice(2), kernel, params);
  if (sizes.some((size) => size < 1)) {
    throw new ShapeError(
      `${where}: the filter ${formatShape(kernel)} with dilation ${
        formatShape(dilation)
      } is larger than the padded input ${
        formatShape(given.shape)
      }; add padding or make it smaller`,
    );
  }
  return finish(apply("conv", params, input, weight), bias, single);
}

/** The filter of the transposed convolution: flipped, [Cin, Cout / G, K…] → [Cout, Cin / G, K…]. */
function transposedFilter(weight: Tensor, groups: number): Tensor {
  const [inputs, outputs, ...kernel] = weight.shape;
  const split = reshape(weight, [groups, inputs / groups, outputs, ...kernel]);
  const swapped = permute(split, [0, 2, 1, ...kernel.map((_, i) => 3 + i)]);
  const filter = reshape(swapped, [groups * outputs, inputs / groups, ...kernel]);
  return flip(filter, kernel.map((_, i) => 2 + i));
}

function convolveTransposed(
  n: number,
  where: string,
  given: Tensor,
  filter: Tensor,
  offset: Tensor | null | undefined,
  options: ConvTransposeOptions,
): Tensor {
  const { input, weight, bias, single } = checkOperands(n, where, given, filter, offset);
  const { groups = 1 } = options;
  const strides = checkCounts(options.stride ?? 1, n, 1, `${where}: stride`);
  const dilation = checkCounts(options.dilation ?? 1, n, 1, `${where}: dilation`);
  const padding = checkCounts(options.padding ?? 0, n, 0, `${where}: padding`);
  const extra = checkCounts(options.outputPadding ?? 0, n, 0, `${where}: outputPadding`);
  const [channels, outputs, ...kernel] = weight.shape;
  checkGroups(groups, channels, "input", where);
  checkBias(bias, outputs * groups, where);
  if (input.shape[1] !== channels) {
    throw new ShapeError(
      `${where}: input ${formatShape(given.shape)} has ${input.shape[1]} channels, but weight ${
        formatShape(weight.shape)
      } takes ${channels}; its layout is [input channels, output channels / groups, ...]`,
    );
  }
  const wrong = extra.findIndex((e, i) => e >= Math.max(strides[i], dilation[i]));
  if (wrong >= 0) {
    throw new ArgumentError(
      `${where}: outputPadding ${
        extra[wrong]
      } at spatial axis ${wrong} must be less than the stride ${strides[wrong]} or the dilation ${
        dilation[wrong]
      }`,
    );
  }
  const sizes = input.shape.slice(2).map((size, i) =>
    (size - 1) * strides[i] - 2 * padding[i] + dilation[i] * (kernel[i] - 1) + extra[i] + 1
  );
  if (sizes.some((size) => size < 1)) {
    throw new ShapeError(
      `${where}: the result of input ${formatShape(given.shape)} and filter ${
        formatShape(kernel)
      } would have spatial sizes ${formatShape(sizes)}; take less padding`,
    );
  }
  // Padding beyond the filter's reach is negative here: it is cut from the result, whose step is 1.
  const low = kernel.map((k, i) => dilation[i] * (k - 1) - padding[i]);
  const params: ConvParams = {
    strides: kernel.map(() => 1),
    padding: low.map((l, i) => [Math.max(0, l), Math.max(0, l + extra[i])]),
    lhsDilation: strides,
    rhsDilation: dilation,
    groups,
  };
  const whole = apply("conv", params, input, transposedFilter(weight, groups));
  const start = [0, 0, ...low.map((l) => Math.max(0, -l))];
  const limit = whole.shape.map((size, i) => i < 2 ? size : start[i] + sizes[i - 2]);
  return finish(slice(whole, start, limit), bias, single);
}

/**
 * The one-dimensional convolution (cross-correlation) of input [N, C, L] or [C, L] with weight [O, C / groups, K], plus a
 * bias [O]: [N, O, L'] or [O, L']. As `torch.nn.functional.conv1d`.
 *
 * Throws a `ShapeError` where shapes do not fit or the filter is larger than the padded input, an `ArgumentError` for
 * options out of range.
 *
 * @example
 * ```ts
 * import { conv1d, tensor } from "@tangents/ntk";
 * const y = conv1d(tensor([[1, 2, 4, 8]]), tensor([[[1, -1]]]));
 * console.log(await y.toArray()); // [[-1, -2, -4]]
 * ```
 */
export function conv1d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  options: ConvOptions = {},
): Tensor {
  return convolve(1, "conv1d", input, weight, bias, options);
}

/**
 * The two-dimensional convolution (cross-correlation) of input [N, C, H, W] or [C, H, W] with weight
 * [O, C / groups, KH, KW], plus a bias [O]: [N, O, H', W'] or [O, H', W']. As `torch.nn.functional.conv2d`.
 *
 * Throws a `ShapeError` where shapes do not fit or the filter is larger than the padded input, an `ArgumentError` for
 * options out of range.
 *
 * @example
 * ```ts
 * import { conv2d, ones } from "@tangents/ntk";
 * const y = conv2d(ones([8, 3, 32, 32]), ones([16, 3, 3, 3]), ones([16]), { stride: 2, padding: 1 });
 * console.log(y.shape); // [8, 16, 16, 16]
 * ```
 */
export function conv2d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  options: ConvOptions = {},
): Tensor {
  return convolve(2, "conv2d", input, weight, bias, options);
}

/**
 * The three-dimensional convolution (cross-correlation) of input [N, C, D, H, W] or [C, D, H, W] with weight
 * [O, C / groups, KD, KH, KW], plus a bias [O]. As `torch.nn.functional.conv3d`.
 *
 * Throws a `ShapeError` where shapes do not fit or the filter is larger than the padded input, an `ArgumentError` for
 * options out of range.
 *
 * @example
 * ```ts
 * import { conv3d, ones } from "@tangents/ntk";
 * const y = conv3d(ones([1, 2, 4, 4, 4]), ones([3, 2, 3, 3, 3]), null, { padding: "same" });
 * console.log(y.shape); // [1, 3, 4, 4, 4]
 * ```
 */
export function conv3d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  options: ConvOptions = {},
): Tensor {
  return convolve(3, "conv3d", input, weight, bias, options);
}

/**
 * The transpose of `conv1d`: input [N, C, L] or [C, L] with weight [C, O / groups, K], plus a bias [O]. The result has
 * length (L − 1)·stride − 2·padding + dilation·(K − 1) + outputPadding + 1. As `torch.nn.functional.conv_transpose1d`.
 *
 * Throws a `ShapeError` where shapes do not fit, an `ArgumentError` for options out of range.
 *
 * @example
 * ```ts
 * import { convTranspose1d, tensor } from "@tangents/ntk";
 * const y = convTranspose1d(tensor([[1, 2]]), tensor([[[1, 10]]]), null, { stride: 2 });
 * console.log(await y.toArray()); // [[1, 10, 2, 20]]
 * ```
 */
export function convTranspose1d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  options: ConvTransposeOptions = {},
): Tensor {
  return convolveTransposed(1, "convTranspose1d", input, weight, bias, options);
}

/**
 * The transpose of `conv2d`: input [N, C, H, W] or [C, H, W] with weight [C, O / groups, KH, KW], plus a bias [O]. As
 * `torch.nn.functional.conv_transpose2d`.
 *
 * Throws a `ShapeError` where shapes do not fit, an `ArgumentError` for options out of range.
 *
 * @example
 * ```ts
 * import { convTranspose2d, ones } from "@tangents/ntk";
 * const y = convTranspose2d(ones([1, 4, 8, 8]), ones([4, 2, 2, 2]), null, { stride: 2 });
 * console.log(y.shape); // [1, 2, 16, 16]
 * ```
 */
export function convTranspose2d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  options: ConvTransposeOptions = {},
): Tensor {
  return convolveTransposed(2, "convTranspose2d", input, weight, bias, options);
}

/**
 * The transpose of `conv3d`: input [N, C, D, H, W] or [C, D, H, W] with weight [C, O / groups, KD, KH, KW], plus a bias
 * [O]. As `torch.nn.functional.conv_transpose3d`.
 *
 * Throws a `ShapeError` where shapes do not fit, an `ArgumentError` for options out of range.
 *
 * @example
 * ```ts
 * import { convTranspose3d, ones } from "@tangents/ntk";
 * const y = convTranspose3d(ones([1, 2, 3, 3, 3]), ones([2, 1, 3, 3, 3]), null, { padding: 1 });
 * console.log(y.shape); // [1, 1, 3, 3, 3]
 * ```
 */
export function convTranspose3d(
  input: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  options: ConvTransposeOptions = {},
): Tensor {
  return convolveTransposed(3, "convTranspose3d", input, weight, bias, options);
}
