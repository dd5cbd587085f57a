/**
 * Matrix products and convolutions, as nodes.
 *
 * @module
 */

import type { ConvParams } from "../../base/primitives.ts";
import { range, sizeOf } from "../../base/shape.ts";
import { padded } from "./movement.ts";
import type { WriteRule, WriteRules } from "./rule.ts";
import { patchesOf } from "./windows.ts";
import { carrierOf, type GraphWriter, type Value } from "./writer.ts";

/** An operand with three groups of axes, each joined to one: batch, rows, columns. */
function matrices(x: Value, groups: readonly (readonly number[])[], to: GraphWriter): string {
  const moved = to.transpose(to.dense(x), groups.flat());
  const shape = groups.map((axes) => sizeOf(axes.map((axis) => x.shape[axis])));
  const [batch, ...matrix] = shape;
  return to.reshape(moved, groups[0].length === 0 ? matrix : [batch, ...matrix]);
}

const dotGeneral: WriteRule<"dotGeneral"> = ({ shape, dtype, params }, [lhs, rhs], to) => {
  const { lhsBatch, rhsBatch, lhsContract, rhsContract } = params;
  if (sizeOf(lhs.shape) === 0 || sizeOf(rhs.shape) === 0) {
    return to.filled(carrierOf(dtype), shape, 0);
  }
  const free = (x: Value, batch: readonly number[], contract: readonly number[]): number[] =>
    range(x.shape.length).filter((axis) => !batch.includes(axis) && !contract.includes(axis));
  const a = matrices(lhs, [lhsBatch, free(lhs, lhsBatch, lhsContract), lhsContract], to);
  const b = matrices(rhs, [rhsBatch, rhsContract, free(rhs, rhsBatch, rhsContract)], to);
  return to.reshape(to.op("MatMul", [a, b]), shape);
};

/** A convolution as patches and products, for types that Conv does not take in practice. */
function convByPatches(
  x: string,
  filter: string,
  sizes: readonly number[],
  { kernel, shape, params }: {
    readonly kernel: readonly number[];
    readonly shape: readonly number[];
    readonly params: ConvParams;
  },
  to: GraphWriter,
): string {
  const { groups, strides, rhsDilation: dilation } = params;
  const [batches, channels] = sizes;
  const [, outputs, ...places] = shape;
  const seen = patchesOf(x, sizes, { kernel, strides, dilation }, to);
  const terms = channels / groups * sizeOf(kernel);
  const columns = to.reshape(seen, [batches, groups, terms, sizeOf(places)]);
  const rows = to.reshape(filter, [1, groups, outputs / groups, terms]);
  return to.reshape(to.op("MatMul", [rows, columns]), shape);
}

const conv: WriteRule<"conv"> = ({ shape, dtype, params }, [input, taps], to) => {
  const type = carrierOf(dtype);
  if (sizeOf(input.shape) === 0 || sizeOf(taps.shape) === 0) return to.filled(type, shape, 0);
  const { strides, padding, lhsDilation, rhsDilation, groups } = params;
  const kernel = taps.shape.slice(2);
  const dilated = lhsDilation.some((n) => n > 1);
  const none = [0, 0];
  const whole = dtype === "float64" || kernel.length === 0;
  const sides = {
    low: [...none, ...padding.map(([low]) => whole ? low : 0)],
    high: [...none, ...padding.map(([, high]) => whole ? high : 0)],
    interior: [...none, ...lhsDilation.map((n) => n - 1)],
    value: to.scalar(type, 0),
  };
  const dense = to.dense(input);
  const x = dilated || whole ? padded(dense, input.shape, sides, to) : dense;
  const filter = to.dense(taps);
  if (whole) {
    const sizes = input.shape.map((n, axis) =>
      Math.max(0, n - 1) * sides.interior[axis] + n + sides.low[axis] + sides.high[axis]
    );
    return convByPatches(x, filter, sizes, { kernel, shape, params }, to);
  }
  return to.op("Conv", [x, filter], {
    kernel_shape: kernel,
    strides,
    dilations: rhsDilation,
    pads: [...padding.map(([low]) => low), ...padding.map(([, high]) => high)],
    group: groups,
  });
};

/** dotGeneral and conv. */
export const contractRules: WriteRules<"dotGeneral" | "conv"> = { dotGeneral, conv };
