/**
 * Elements in other places: repeated, reordered, and masks.
 *
 * @module
 */

import { normalizeAxis, range, sizeOf } from "../../base/shape.ts";
import { apply } from "../../core/apply.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { repeat, slice } from "../../core/operations/shapes.ts";
import { fullLike, iota, select } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, integer, integers, required, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { fromStart, limited } from "./limits.ts";

/** The sizes [N, C, H, W] of an image that is cut into or put together from blocks. */
function blockSizes(c: OperatorContext, block: number): readonly number[] {
  const shape = c.shape(0);
  if (shape.length !== 4) c.fail(`input of shape [${shape.join(", ")}], expected [N, C, H, W]`);
  if (!(block >= 1)) c.fail(`blocksize is ${block}`);
  return shape;
}

/** How far each element of a matrix stands right of the diagonal. */
function aboveDiagonal(shape: readonly number[]): Tensor {
  const rank = shape.length;
  return iota(shape, "int32", rank - 1).sub(iota(shape, "int32", rank - 2));
}

/** Diagonals further out than any matrix is large are all the same. */
const furthest = 2 ** 30;
const bounded = (k: number): number => Math.min(Math.max(k, -furthest), furthest);

/** Elements in other places: repeated, reordered, and masks. */
export const movement: readonly Operator[] = [
  operator({
    name: "Tile",
    since: [6, 13],
    inputs: 2,
    passes: [0],
    run: (c) => {
      const [x, counts] = [c.tensor(0), c.numbers(1)];
      if (counts.length !== x.rank) c.fail(`${counts.length} repeats for ${x.rank} axes`);
      limited(c, x.shape.map((n, i) => n * counts[i]));
      return repeat(x, counts);
    },
  }),
  operator({
    name: "DepthToSpace",
    since: [1, 11, 13, 28],
    inputs: 1,
    attributes: { blocksize: required(integer()), mode: text("DCR") },
    passes: [0],
    run: (c, { blocksize: b, mode }) => {
      const [n, depth, h, w] = blockSizes(c, b);
      const channels = depth / (b * b);
      if (mode !== "DCR" && mode !== "CRD") c.fail(`mode is ${JSON.stringify(mode)}`);
      const x = c.tensor(0);
      const moved = mode === "DCR"
        ? x.reshape([n, b, b, channels, h, w]).permute([0, 3, 4, 1, 5, 2])
        : x.reshape([n, channels, b, b, h, w]).permute([0, 1, 4, 2, 5, 3]);
      return moved.reshape([n, channels, h * b, w * b]);
    },
  }),
  operator({
    name: "SpaceToDepth",
    since: [1, 13, 28],
    inputs: 1,
    attributes: { blocksize: required(integer()), mode: text("DCR") },
    passes: [0],
    run: (c, { blocksize: b, mode }) => {
      const [n, channels, height, width] = blockSizes(c, b);
      const [h, w] = [height / b, width / b];
      const blocks = c.tensor(0).reshape([n, channels, h, b, w, b]);
      const moved = blocks.permute(mode === "CRD" ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4]);
      return moved.reshape([n, channels * b * b, h, w]);
    },
  }),
  operator({
    name: "ReverseSequence",
    since: [10, 28],
    inputs: 2,
    attributes: { batch_axis: integer(1), time_axis: integer(0) },
    run: (c, { batch_axis, time_axis }) => {
      const x = c.tensor(0);
      const [batch, time] = [batch_axis, time_axis].map((axis) =>
        normalizeAxis(axis, x.rank, "axis")
      );
      const along = (axis: number): number[] => x.shape.map((n, i) => i === axis ? n : 1);
      const lengths = c.tensor(1).to("int32").reshape(along(batch));
      const at = iota(along(time), "int32", time);
      return x.takeAlongAxis(where(at.less(lengths), lengths.sub(1).sub(at), at), time);
    },
  }),
  operator({
    name: "Trilu",
    since: [14],
    inputs: [1, 2],
    attributes: { upper: flag(true) },
    run: (c, { upper }) => {
      const x = c.tensor(0);
      const k = bounded(c.optionalNumber(1) ?? 0);
      if (x.rank < 2) c.fail(`a matrix is expected, the input has shape [${x.shape.join(", ")}]`);
      const place = aboveDiagonal(x.shape);
      return select(upper !== 0 ? place.greaterEqual(k) : place.lessEqual(k), x, fullLike(x, 0));
    },
  }),
  operator({
    name: "EyeLike",
    since: [9, 22],
    inputs: 1,
    attributes: { dtype: integer(), k: integer(0) },
    run: (c, { dtype, k }) => {
      const shape = c.shape(0);
      if (shape.length !== 2) c.fail(`a matrix is expected, got shape [${shape.join(", ")}]`);
      const type = dtype === undefined ? c.type(0) : c.typeOfCode(dtype);
      return c.typed(aboveDiagonal(shape).equal(bounded(k)).to(c.dtypeFor(type)), type);
    },
  }),
  operator({
    name: "OneHot",
    since: [9, 11, 28],
    inputs: 3,
    attributes: { axis: integer(-1) },
    run: (c, { axis }) => {
      const depth = Math.trunc(c.number(1));
      const own = c.shape(0);
      const at = normalizeAxis(axis, own.length + 1, "axis");
      const shape = limited(c, [...own.slice(0, at), depth, ...own.slice(at)]);
      const index = fromStart(c.tensor(0).to("int32"), depth).unsqueeze(at);
      const values = c.tensor(2);
      if (values.size !== 2) c.fail(`${values.size} values, expected that for off and that for on`);
      const [off, on] = values.split(1);
      const hit = iota(shape, "int32", at).equal(index);
      return c.typed(where(hit, on, off), c.type(2));
    },
  }),
  operator({
    name: "Col2Im",
    since: [18],
    inputs: 3,
    attributes: { dilations: integers(), pads: integers(), strides: integers() },
    run: (c, { dilations, pads, strides: steps }) => {
      const [x, sizes, kernel] = [c.tensor(0), c.numbers(1), c.numbers(2)];
      const n = sizes.length;
      const given = pads ?? range(2 * n).map(() => 0);
      const dilation = dilations ?? sizes.map(() => 1);
      const strides = steps ?? sizes.map(() => 1);
      const lists = [kernel, dilation, strides, given.slice(n), given.slice(0, n)];
      if (x.rank !== 3 || lists.some((list) => list.length !== n || list.some((v) => !(v >= 0)))) {
        c.fail("block_shape, dilations, pads and strides do not fit image_shape");
      }
      if ([kernel, dilation, strides].flat().includes(0)) c.fail("a block of size or step 0");
      const around = limited(c, sizes.map((size, i) => size + given[i] + given[n + i]));
      const counts = around.map((size, i) =>
        Math.floor((size - (kernel[i] - 1) * dilation[i] - 1) / strides[i]) + 1
      );
      const [batch, rows] = x.shape;
      const blocks = x.reshape([batch, rows / sizeOf(kernel), ...kernel, ...counts]);
      const params = { kernel, strides, dilation, sizes: around };
      const whole = apply("patchesTranspose", params, blocks);
      const inside = sizes.map((size, i): [number, number] => [given[i], given[i] + size]);
      return slice(whole, null, null, ...inside);
    },
  }),
];
