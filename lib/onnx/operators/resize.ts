/**
 * Resizing.
 *
 * @module
 */

import { allocate, isFloat } from "../../base/dtype.ts";
import { normalizeAxis, range, sizeOf } from "../../base/shape.ts";
import { where } from "../../core/operations/arithmetic.ts";
import { matmul } from "../../core/operations/contractions.ts";
import { fromHost } from "../../core/operations/creation.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, float, floats, integers, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { type ResizedAxis, type ResizeValues, type Taps, tapsOf } from "./resize_axis.ts";

/** More elements than any network's image has. */
const mostElements = 2 ** 28;
/** Matrices of at most this many entries are cheaper than picking elements. */
const largestMatrix = 1 << 14;

/** Numbers as a tensor, which is put along an axis of another. */
function along(x: Tensor, axis: number, numbers: readonly number[], dtype = x.dtype): Tensor {
  const data = allocate(dtype, numbers.length);
  data.set(numbers);
  return fromHost(data, x.shape.map((_, i) => i === axis ? numbers.length : 1), dtype);
}

/** Each element of the axis several times in a row. */
function repeated(x: Tensor, axis: number, times: number): Tensor {
  const spread = x.unsqueeze(axis + 1);
  const wide = spread.broadcastTo(spread.shape.map((n, i) => i === axis + 1 ? times : n));
  return wide.reshape(x.shape.map((n, i) => i === axis ? n * times : n));
}

/** One axis made of its taps. */
function combine(x: Tensor, axis: number, { indices, weights }: Taps): Tensor {
  const [size, target] = [x.shape[axis], indices.length];
  if (weights === null) {
    const times = target / size;
    const even = Number.isInteger(times) &&
      indices.every(([at], i) => at === Math.floor(i / times));
    return even ? repeated(x, axis, times) : x.take(indices.map(([at]) => at), axis);
  }
  const taps = indices[0].length;
  if (size * target <= largestMatrix || taps > 4) {
    const matrix = allocate(x.dtype, size * target);
    indices.forEach((list, i) => list.forEach((at, k) => matrix[at * target + i] += weights[i][k]));
    return matmul(x.moveAxis(axis, -1), fromHost(matrix, [size, target], x.dtype))
      .moveAxis(-1, axis);
  }
  return range(taps).map((k) =>
    x.take(indices.map((list) => list[k]), axis).mul(along(x, axis, weights.map((w) => w[k])))
  ).reduce((a, b) => a.add(b));
}

/** Resizes axis after axis; all modes are products of one dimension's. */
function resizeAll(
  context: OperatorContext,
  x: Tensor,
  axes: readonly ResizedAxis[],
  values: ResizeValues & { readonly extrapolation_value: number },
): Tensor {
  const shape = [...x.shape];
  for (const { axis, target } of axes) shape[axis] = target;
  if (sizeOf(shape) > mostElements || axes.some(({ size }) => size === 0)) {
    context.fail(`[${x.shape.join(", ")}] cannot become [${shape.join(", ")}]`);
  }
  const real = isFloat(x.dtype) ? x : x.to("float32");
  const taps = axes.map((resized) =>
    tapsOf(resized, values) ??
      context.fail(
        `mode ${values.mode} with coordinates ${values.coordinate_transformation_mode} and ${values.nearest_mode} is unknown`,
      )
  );
  // Smaller axes first: then there is less to do for the others.
  const order = range(axes.length).toSorted((a, b) =>
    axes[a].target / axes[a].size - axes[b].target / axes[b].size
  );
  let result = real;
  for (const i of order) result = combine(result, axes[i].axis, taps[i]);
  for (const [i, { axis }] of axes.entries()) {
    const { outside } = taps[i];
    if (outside === null || !outside.includes(true)) continue;
    const mask = along(result, axis, outside.map(Number), "bool");
    result = where(mask, values.extrapolation_value, result);
  }
  return isFloat(x.dtype) ? result : result.to(x.dtype);
}

/** Scales, or sizes from which they follow, for some axes. */
function resolveAxes(
  context: OperatorContext,
  x: Tensor,
  given: readonly number[] | undefined,
  scales: readonly number[] | null,
  sizes: readonly number[] | null,
  policy: string,
): ResizedAxis[] {
  const axes = given?.map((axis) => normalizeAxis(axis, x.rank, "axes")) ?? range(x.rank);
  const numbers = scales ?? sizes;
  if (numbers === null || numbers.length !== axes.length || numbers.some((n) => !(n > 0))) {
    return context.fail(
      `scales or sizes [${
        numbers?.join(", ") ?? ""
      }] for ${axes.length} axes, expected one number above 0 for each`,
    );
  }
  const ratios = axes.map((axis, i) => scales?.[i] ?? sizes![i] / x.shape[axis]);
  const common = policy === "not_larger"
    ? Math.min(...ratios)
    : policy === "not_smaller"
    ? Math.max(...ratios)
    : null;
  if (common === null && policy !== "stretch") {
    context.fail(`keep_aspect_ratio_policy is ${JSON.stringify(policy)}`);
  }
  return axes.map((axis, i): ResizedAxis => {
    const size = x.shape[axis];
    const scale = scales === null && common !== null ? common : ratios[i];
    const target = scales !== null
      ? Math.floor(size * scale)
      : common !== null
      ? Math.floor(size * common + 0.5)
      : sizes![i];
    return { axis, size, target, scale, region: [0, 1] };
  });
}

/** Axes whose size or region changes. */
function changing(axes: readonly ResizedAxis[], crops: boolean): ResizedAxis[] {
  return axes.filter(({ size, target, scale, region }) =>
    target !== size || scale !== 1 || (crops && (region[0] !== 0 || region[1] !== 1))
  );
}

function resize(
  context: OperatorContext,
  values: ResizeValues & {
    readonly axes: readonly number[] | undefined;
    readonly extrapolation_value: number;
    readonly keep_aspect_ratio_policy: string;
  },
): Tensor {
  const x = context.tensor(0);
  const optional = (input: number): number[] | null => {
    const numbers = context.optionalNumbers(input);
    return numbers === null || numbers.length === 0 ? null : numbers;
  };
  const old = context.version < 11;
  const scales = optional(old ? 1 : 2);
  const asked = old || scales !== null ? null : optional(3);
  const sizes = asked !== null && values.axes === undefined
    ? context.withoutBatch(asked, "axes")
    : asked;
  const axes = resolveAxes(context, x, values.axes, scales, sizes, values.keep_aspect_ratio_policy);
  const crops = values.coordinate_transformation_mode === "tf_crop_and_resize";
  const region = crops ? optional(1) : null;
  if (crops && region?.length !== 2 * axes.length) {
    context.fail("the region of interest is missing");
  }
  const placed = axes.map((resized, i): ResizedAxis =>
    region === null ? resized : { ...resized, region: [region[i], region[i + axes.length]] }
  );
  const modes = old ? { coordinate_transformation_mode: "asymmetric", nearest_mode: "simple" } : {};
  return resizeAll(context, x, changing(placed, crops), { ...values, ...modes });
}

/** Resizing. */
export const resizing: readonly Operator[] = [
  operator({
    name: "Resize",
    since: [10, 11, 13, 18, 19],
    inputs: [1, 4],
    attributes: {
      antialias: flag(false),
      axes: integers(),
      coordinate_transformation_mode: text("half_pixel"),
      cubic_coeff_a: float(-0.75),
      exclude_outside: flag(false),
      extrapolation_value: float(0),
      keep_aspect_ratio_policy: text("stretch"),
      mode: text("nearest"),
      nearest_mode: text("round_prefer_floor"),
    },
    run: (c, values) => resize(c, values),
  }),
  operator({
    name: "Upsample",
    since: [7, 9, 10],
    inputs: [1, 2],
    attributes: { mode: text("nearest"), scales: floats() },
    run: (c, { mode, scales }) => {
      const x = c.tensor(0);
      const given = scales ?? c.optionalNumbers(1);
      const axes = resolveAxes(c, x, undefined, given, null, "stretch");
      return resizeAll(c, x, changing(axes, false), {
        antialias: 0,
        coordinate_transformation_mode: "asymmetric",
        cubic_coeff_a: -0.75,
        exclude_outside: 0,
        extrapolation_value: 0,
        mode: mode === "bilinear" ? "linear" : mode,
        nearest_mode: "simple",
      });
    },
  }),
];
