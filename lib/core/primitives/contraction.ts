/**
 * Contractions: general matrix products and convolutions. Both are bilinear.
 *
 * @module
 */

import { isFloat } from "../../base/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../../base/errors.ts";
import type { ConvParams, DotGeneralParams, Padding } from "../../base/primitives.ts";
import { formatShape, invertPermutation, range, sizeOf } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import type { Tensor } from "../tensor.ts";
import { addDerivatives, flip, full, moveAxis, pad, permute, reshape, slice } from "./build.ts";
import type { Batched, Derivative, RuleTable } from "./rule.ts";

/** Axes that are neither batch nor contracted, in order. */
function freeAxes(rank: number, batch: readonly number[], contract: readonly number[]): number[] {
  return range(rank).filter((axis) => !batch.includes(axis) && !contract.includes(axis));
}

function dot(params: DotGeneralParams, lhs: Tensor, rhs: Tensor): Tensor {
  return apply("dotGeneral", params, lhs, rhs);
}

const shift = (list: readonly number[], axis: number): number[] =>
  list.map((a) => a < axis ? a : a + 1);

function batchDot(
  [lhs, rhs]: readonly Tensor[],
  [left, right]: readonly (number | null)[],
  { lhsBatch, rhsBatch, lhsContract, rhsContract }: DotGeneralParams,
): Batched {
  if (left !== null && right !== null) {
    const up = (list: readonly number[]): number[] => list.map((a) => a + 1);
    const params = {
      lhsBatch: [0, ...up(lhsBatch)],
      rhsBatch: [0, ...up(rhsBatch)],
      lhsContract: up(lhsContract),
      rhsContract: up(rhsContract),
    };
    return { tensor: dot(params, moveAxis(lhs, left, 0), moveAxis(rhs, right, 0)), axis: 0 };
  }
  if (left !== null) {
    const params = {
      lhsBatch: shift(lhsBatch, left),
      rhsBatch,
      lhsContract: shift(lhsContract, left),
      rhsContract,
    };
    const free = freeAxes(lhs.shape.length, params.lhsBatch, params.lhsContract);
    return { tensor: dot(params, lhs, rhs), axis: lhsBatch.length + free.indexOf(left) };
  }
  const params = {
    lhsBatch,
    rhsBatch: shift(rhsBatch, right!),
    lhsContract,
    rhsContract: shift(rhsContract, right!),
  };
  const free = freeAxes(rhs.shape.length, params.rhsBatch, params.rhsContract);
  const leftFree = lhs.shape.length - lhsBatch.length - lhsContract.length;
  return {
    tensor: dot(params, lhs, rhs),
    axis: lhsBatch.length + leftFree + free.indexOf(right!),
  };
}

/** The cotangent of the left operand: the result's cotangent contracted with the right operand's free axes. */
function dotCotangentLeft(
  { lhsBatch, rhsBatch, lhsContract, rhsContract }: DotGeneralParams,
  lhs: Tensor,
  rhs: Tensor,
  cotangent: Tensor,
): Tensor {
  const lhsFree = freeAxes(lhs.shape.length, lhsBatch, lhsContract);
  const rhsFree = freeAxes(rhs.shape.length, rhsBatch, rhsContract);
  const result = dot(
    {
      lhsBatch: range(lhsBatch.length),
      rhsBatch,
      lhsContract: rhsFree.map((_, i) => lhsBatch.length + lhsFree.length + i),
      rhsContract: rhsFree,
    },
    cotangent,
    rhs,
  );
  // The result's axes are lhs's batch, lhs's free, and the contracted ones in the order that they have in rhs.
  const byRhs = [...rhsContract].sort((a, b) => a - b)
    .map((axis) => lhsContract[rhsContract.indexOf(axis)]);
  return permute(result, invertPermutation([...lhsBatch, ...lhsFree, ...byRhs]));
}

/** The cotangent of the right operand, likewise. */
function dotCotangentRight(
  { lhsBatch, rhsBatch, lhsContract, rhsContract }: DotGeneralParams,
  lhs: Tensor,
  rhs: Tensor,
  cotangent: Tensor,
): Tensor {
  const lhsFree = freeAxes(lhs.shape.length, lhsBatch, lhsContract);
  const rhsFree = freeAxes(rhs.shape.length, rhsBatch, rhsContract);
  const result = dot(
    {
      lhsBatch,
      rhsBatch: range(lhsBatch.length),
      lhsContract: lhsFree,
      rhsContract: lhsFree.map((_, i) => lhsBatch.length + i),
    },
    lhs,
    cotangent,
  );
  const byLhs = [...lhsContract].sort((a, b) => a - b)
    .map((axis) => rhsContract[lhsContract.indexOf(axis)]);
  return permute(result, invertPermutation([...rhsBatch, ...byLhs, ...rhsFree]));
}

/** Size of a dilated axis: elements and the gaps between them. */
function dilated(size: number, dilation: number): number {
  return size === 0 ? 0 : (size - 1) * dilation + 1;
}

/** The sizes of a convolution's output along its spatial axes. */
export function convOutputSizes(
  sizes: readonly number[],
  kernel: readonly number[],
  { strides, padding, lhsDilation, rhsDilation }: ConvParams,
): number[] {
  return sizes.map((size, i) => {
    const padded = dilated(size, lhsDilation[i]) + padding[i][0] + padding[i][1];
    const room = padded - dilated(kernel[i], rhsDilation[i]);
    return room < 0 ? 0 : Math.floor(room / strides[i]) + 1;
  });
}

/** The input with its zeros: around it from padding, between its elements from dilation. */
function paddedInput(x: Tensor, { padding, lhsDilation }: ConvParams): Tensor {
  return pad(
    x,
    [0, 0, ...padding.map(([low]) => low)],
    [0, 0, ...padding.map(([, high]) => high)],
    [0, 0, ...lhsDilation.map((n) => n - 1)],
  );
}

function conv(params: ConvParams, input: Tensor, filter: Tensor): Tensor {
  return apply("conv", params, input, filter);
}

/** The windows that the filter meets, split by group: [N, G, C / G, K…, P…]. */
export function groupedPatches(
  params: ConvParams,
  input: Tensor,
  kernel: readonly number[],
): Tensor {
  const windows = apply("patches", {
    kernel,
    strides: params.strides,
    dilation: params.rhsDilation,
  }, paddedInput(input, params));
  const [n, c, ...rest] = windows.shape;
  return reshape(windows, [n, params.groups, c / params.groups, ...rest]);
}

/** Cotangent of the filter: the output's cotangent times the input's patches, summed over examples and positions. */
function convCotangentFilter(
  params: ConvParams,
  input: Tensor,
  filter: Tensor,
  cotangent: Tensor,
): Tensor {
  const { groups } = params;
  const spatial = input.shape.length - 2;
  const [n, o, ...positions] = cotangent.shape;
  const windows = groupedPatches(params, input, filter.shape.slice(2));
  const split = reshape(cotangent, [n, groups, o / groups, ...positions]);
  const result = dot(
    {
      lhsBatch: [1],
      rhsBatch: [1],
      lhsContract: [0, ...range(spatial).map((i) => 3 + i)],
      rhsContract: [0, ...range(spatial).map((i) => 3 + spatial + i)],
    },
    split,
    windows,
  );
  return reshape(result, filter.shape);
}

/** The filter with input and output channels exchanged inside each group: [C, O / G, K…]. */
function exchangeChannels(filter: Tensor, groups: number): Tensor {
  const [o, c, ...kernel] = filter.shape;
  const split = reshape(filter, [groups, o / groups, c, ...kernel]);
  const swapped = permute(split, [0, 2, 1, ...kernel.map((_, i) => 3 + i)]);
  return reshape(swapped, [groups * c, o / groups, ...kernel]);
}

/**
 * Cotangent of the input: a convolution of the output's cotangent, dilated by the stride, with the flipped filter.
 *
 * Where the padding reaches further than the filter (low > (K − 1)·dilation) the flipped convolution would start
 * inside the cotangent; such a start is cut from the result of one that starts at its edge.
 */
function convCotangentInput(
  params: ConvParams,
  input: Tensor,
  filter: Tensor,
  cotangent: Tensor,
): Tensor {
  const { strides, lhsDilation, rhsDilation, padding, groups } = params;
  if ([input, filter, cotangent].some((x) => sizeOf(x.shape) === 0)) {
    return full(input.shape, input.dtype, 0);
  }
  const kernel = filter.shape.slice(2);
  const sizes = input.shape.slice(2);
  const extents = kernel.map((k, i) => dilated(k, rhsDilation[i]));
  const skip = padding.map(([low], i) => Math.max(0, low - (extents[i] - 1)));
  const low = padding.map(([given], i) => Math.max(0, extents[i] - 1 - given));
  // With a skip, the transposed convolution is computed at every position and the wanted ones are sliced out.
  const steps = lhsDilation.map((step, i) => skip[i] === 0 ? step : 1);
  const reach = sizes.map((size, i) => skip[i] + (size - 1) * lhsDilation[i]);
  const adjusted: Padding[] = reach.map((last, i) => {
    const length = dilated(cotangent.shape[2 + i], strides[i]);
    return [low[i], Math.max(0, last + extents[i] - length - low[i])];
  });
  const result = conv(
    { strides: steps, padding: adjusted, lhsDilation: strides, rhsDilation, groups },
    cotangent,
    flip(exchangeChannels(filter, groups), kernel.map((_, i) => 2 + i)),
  );
  const step = lhsDilation.map((n, i) => skip[i] === 0 ? 1 : n);
  const limit = sizes.map((size, i) => skip[i] + (size - 1) * step[i] + 1);
  return slice(
    result,
    [0, 0, ...skip],
    [...result.shape.slice(0, 2), ...limit],
    [1, 1, ...step],
  );
}

function batchConv(
  [input, filter]: readonly Tensor[],
  [left, right]: readonly (number | null)[],
  params: ConvParams,
  size: number,
): Batched {
  const { groups } = params;
  const spatial = input.shape.length - 2 - (left === null ? 0 : 1);
  if (right === null) {
    // Examples of the input join the batch.
    const moved = moveAxis(input, left!, 0);
    const merged = reshape(moved, [size * moved.shape[1], ...moved.shape.slice(2)]);
    const result = conv(params, merged, filter);
    return { tensor: reshape(result, [size, moved.shape[1], ...result.shape.slice(1)]), axis: 0 };
  }
  const filters = moveAxis(filter, right, 0);
  const [, o, c, ...kernel] = filters.shape;
  if (left === null) {
    // Examples of the filter join the output channels, inside each group.
    const split = reshape(filters, [size, groups, o / groups, c, ...kernel]);
    const merged = reshape(moveAxis(split, 0, 1), [groups * size * (o / groups), c, ...kernel]);
    const result = conv(params, input, merged);
    const [n, , ...positions] = result.shape;
    const parted = reshape(result, [n, groups, size, o / groups, ...positions]);
    return { tensor: reshape(moveAxis(parted, 2, 0), [size, n, o, ...positions]), axis: 0 };
  }
  // Both: one matrix product over patches for each example; a grouped convolution would be slow everywhere.
  const inputs = moveAxis(input, left, 0);
  const n = inputs.shape[1];
  const flat = reshape(inputs, [size * n, ...inputs.shape.slice(2)]);
  const windows = groupedPatches(params, flat, kernel);
  const positions = windows.shape.slice(3 + spatial);
  const rhs = reshape(windows, [size, n, ...windows.shape.slice(1)]);
  const lhs = reshape(filters, [size, groups, o / groups, c, ...kernel]);
  const result = dot(
    {
      lhsBatch: [0, 1],
      rhsBatch: [0, 2],
      lhsContract: range(1 + spatial).map((i) => 3 + i),
      rhsContract: range(1 + spatial).map((i) => 3 + i),
    },
    lhs,
    rhs,
  );
  // [size, G, O / G, N, P…] → [size, N, G, O / G, P…]
  const ordered = permute(result, [0, 3, 1, 2, ...positions.map((_, i) => 4 + i)]);
  return { tensor: reshape(ordered, [size, n, o, ...positions]), axis: 0 };
}

function checkConv(input: Tensor, filter: Tensor, params: ConvParams): void {
  const spatial = input.shape.length - 2;
  const { strides, padding, lhsDilation, rhsDilation, groups } = params;
  if (input.dtype !== filter.dtype || !isFloat(input.dtype)) {
    throw new DTypeError(
      `conv: expected an input and a filter of one floating point dtype, got ${input.dtype} and ${filter.dtype}`,
    );
  }
  if (spatial < 0 || filter.shape.length !== input.shape.length) {
    throw new ShapeError(
      `conv: expected input [N, C, ...] and filter [O, C / groups, ...] of equal rank, got ${
        formatShape(input.shape)
      } and ${formatShape(filter.shape)}`,
    );
  }
  const lists = [strides, padding, lhsDilation, rhsDilation];
  if (
    lists.some((list) => list.length !== spatial) ||
    [...strides, ...lhsDilation, ...rhsDilation].some((n) => !Number.isInteger(n) || n < 1) ||
    padding.flat().some((n) => !Number.isInteger(n) || n < 0)
  ) {
    throw new ArgumentError(
      `conv: strides and dilations must be integers ≥ 1 and padding integers ≥ 0, one for each of ${spatial} spatial axes`,
    );
  }
  const [channels, outputs] = [input.shape[1], filter.shape[0]];
  if (
    !Number.isInteger(groups) || groups < 1 || outputs % groups !== 0 ||
    filter.shape[1] * groups !== channels
  ) {
    throw new ShapeError(
      `conv: with groups ${groups}, input ${formatShape(input.shape)} needs a filter of shape [O, ${
        channels / groups
      }, ...] with O divisible by the groups, got ${formatShape(filter.shape)}`,
    );
  }
}

/** Rules of dotGeneral and conv. */
export const contractionRules: RuleTable<"dotGeneral" | "conv"> = {
  dotGeneral: {
    infer([lhs, rhs], { lhsBatch, rhsBatch, lhsContract, rhsContract }) {
      if (lhs.dtype !== rhs.dtype || lhs.dtype === "bool") {
        throw new DTypeError(
          `dotGeneral: expected two operands of one numeric dtype, got ${lhs.dtype} and ${rhs.dtype}`,
        );
      }
      const matches = (left: readonly number[], right: readonly number[]): boolean =>
        left.length === right.length && left.every((a, i) => lhs.shape[a] === rhs.shape[right[i]]);
      if (!matches(lhsBatch, rhsBatch) || !matches(lhsContract, rhsContract)) {
        throw new ShapeError(
          `dotGeneral: shapes ${formatShape(lhs.shape)} and ${
            formatShape(rhs.shape)
          } do not match along batch axes ${formatShape(lhsBatch)}, ${
            formatShape(rhsBatch)
          } and contracted axes ${formatShape(lhsContract)}, ${formatShape(rhsContract)}`,
        );
      }
      return {
        shape: [
          ...lhsBatch.map((a) => lhs.shape[a]),
          ...freeAxes(lhs.shape.length, lhsBatch, lhsContract).map((a) => lhs.shape[a]),
          ...freeAxes(rhs.shape.length, rhsBatch, rhsContract).map((a) => rhs.shape[a]),
        ],
        dtype: lhs.dtype,
      };
    },
    jvp: ({ inputs: [lhs, rhs], params }, [tl, tr]) =>
      addDerivatives(
        tl === null ? null : dot(params, tl, rhs),
        tr === null ? null : dot(params, lhs, tr),
      ),
    vjp: ({ inputs: [lhs, rhs], params }, cotangent, wanted): Derivative[] => [
      wanted[0] ? dotCotangentLeft(params, lhs, rhs, cotangent) : null,
      wanted[1] ? dotCotangentRight(params, lhs, rhs, cotangent) : null,
    ],
    batch: batchDot,
  },
  conv: {
    infer([input, filter], params) {
      checkConv(input, filter, params);
      const sizes = convOutputSizes(input.shape.slice(2), filter.shape.slice(2), params);
      return { shape: [input.shape[0], filter.shape[0], ...sizes], dtype: input.dtype };
    },
    jvp: ({ inputs: [input, filter], params }, [ti, tf]) =>
      addDerivatives(
        ti === null ? null : conv(params, ti, filter),
        tf === null ? null : conv(params, input, tf),
      ),
    vjp: ({ inputs: [input, filter], params }, cotangent, wanted): Derivative[] => [
      wanted[0] ? convCotangentInput(params, input, filter, cotangent) : null,
      wanted[1] ? convCotangentFilter(params, input, filter, cotangent) : null,
    ],
    batch: batchConv,
  },
};
