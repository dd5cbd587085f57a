/**
 * Primitives that move elements and compute nothing. All are linear: each one's vjp is its transpose.
 *
 * @module
 */

import { ArgumentError, DTypeError, ShapeError } from "../../base/errors.ts";
import type { PrimitiveName } from "../../base/primitives.ts";
import { formatShape, invertPermutation, range, sameShape, sizeOf } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import type { Tensor } from "../tensor.ts";
import { alignBatch } from "./elementwise.ts";
import {
  broadcast,
  flip,
  fullLike,
  moveAxis,
  pad,
  permute,
  reshape,
  slice,
  sliceAxis,
  sum,
} from "./build.ts";
import type { Rule, RuleTable } from "./rule.ts";

/** jvp of a linear primitive of one operand: the primitive itself. */
function linear<P extends PrimitiveName>(primitive: P): Rule<P>["jvp"] {
  return ({ params }, [tangent]) => apply(primitive, params, tangent!);
}

/** A list with an entry inserted for the batch axis. */
function insert(list: readonly number[], at: number, value: number): number[] {
  return [...list.slice(0, at), value, ...list.slice(at)];
}

function checkLists(
  name: string,
  x: Tensor,
  lists: Record<string, readonly number[]>,
  least: Record<string, number>,
): void {
  for (const [key, list] of Object.entries(lists)) {
    if (
      list.length !== x.shape.length ||
      !list.every((n) => Number.isSafeInteger(n) && n >= (least[key] ?? 0))
    ) {
      throw new ArgumentError(
        `${name}: ${key} must hold one integer ≥ ${
          least[key] ?? 0
        } for each of the ${x.shape.length} axes of ${formatShape(x.shape)}, got ${
          formatShape(list)
        }`,
      );
    }
  }
}

/** Rules of the primitives that reorder, repeat, drop or surround elements. */
export const shapeRules: RuleTable<
  "reshape" | "permute" | "broadcast" | "slice" | "pad" | "flip" | "concat"
> = {
  reshape: {
    infer([x], { shape }) {
      if (sizeOf(shape) !== sizeOf(x.shape)) {
        throw new ShapeError(
          `reshape: shape ${formatShape(x.shape)} has ${sizeOf(x.shape)} elements, ${
            formatShape(shape)
          } has ${sizeOf(shape)}; they must agree`,
        );
      }
      return { shape, dtype: x.dtype };
    },
    jvp: linear("reshape"),
    vjp: ({ inputs: [x] }, cotangent) => [reshape(cotangent, x.shape)],
    batch: ([x], [axis], { shape }, size) => ({
      tensor: reshape(moveAxis(x, axis!, 0), [size, ...shape]),
      axis: 0,
    }),
  },
  permute: {
    infer([x], { permutation }) {
      const rank = x.shape.length;
      if (!sameShape([...permutation].sort((a, b) => a - b), range(rank))) {
        throw new ArgumentError(
          `permute: expected each of the axes 0 to ${rank - 1} once, got ${
            formatShape(permutation)
          }`,
        );
      }
      return { shape: permutation.map((axis) => x.shape[axis]), dtype: x.dtype };
    },
    jvp: linear("permute"),
    vjp: ({ params }, cotangent) => [permute(cotangent, invertPermutation(params.permutation))],
    batch: ([x], [axis], { permutation }) => ({
      tensor: permute(x, [axis!, ...permutation.map((a) => a < axis! ? a : a + 1)]),
      axis: 0,
    }),
  },
  broadcast: {
    infer([x], { shape }) {
      if (
        shape.length !== x.shape.length || !x.shape.every((n, i) => n === shape[i] || n === 1)
      ) {
        throw new ShapeError(
          `broadcast: ${formatShape(x.shape)} does not repeat to ${formatShape(shape)}`,
        );
      }
      return { shape, dtype: x.dtype };
    },
    jvp: linear("broadcast"),
    vjp({ inputs: [x] }, cotangent) {
      const axes = range(x.shape.length).filter((i) =>
        x.shape[i] === 1 && cotangent.shape[i] !== 1
      );
      return [reshape(sum(cotangent, axes), x.shape)];
    },
    batch: ([x], [axis], { shape }, size) => ({
      tensor: broadcast(x, insert(shape, axis!, size)),
      axis: axis!,
    }),
  },
  slice: {
    infer([x], { start, limit, step }) {
      checkLists("slice", x, { start, limit, step }, { step: 1 });
      const shape = x.shape.map((n, i) => {
        if (limit[i] > n || start[i] > limit[i]) {
          throw new ShapeError(
            `slice: from ${start[i]} to ${limit[i]} is outside axis ${i} of ${
              formatShape(x.shape)
            }`,
          );
        }
        return Math.ceil((limit[i] - start[i]) / step[i]);
      });
      return { shape, dtype: x.dtype };
    },
    jvp: linear("slice"),
    vjp({ inputs: [x], params: { start, step } }, cotangent) {
      const interior = step.map((n, i) => cotangent.shape[i] === 0 ? 0 : n - 1);
      const extent = cotangent.shape.map((n, i) => n === 0 ? 0 : (n - 1) * step[i] + 1);
      // A slice of nothing is padded from nothing, wherever it began.
      const low = start.map((n, i) => cotangent.shape[i] === 0 ? 0 : n);
      const high = x.shape.map((n, i) => n - low[i] - extent[i]);
      return [pad(cotangent, low, high, interior)];
    },
    batch: ([x], [axis], { start, limit, step }, size) => ({
      tensor: slice(x, insert(start, axis!, 0), insert(limit, axis!, size), insert(step, axis!, 1)),
      axis: axis!,
    }),
  },
  pad: {
    infer([x], { low, high, interior }) {
      checkLists("pad", x, { low, high, interior }, {});
      return {
        shape: x.shape.map((n, i) => low[i] + high[i] + n + Math.max(0, n - 1) * interior[i]),
        dtype: x.dtype,
      };
    },
    jvp: ({ params }, [tangent]) => apply("pad", { ...params, value: 0 }, tangent!),
    vjp({ inputs: [x], params: { low, high, interior } }, cotangent) {
      return [slice(
        cotangent,
        low.map((n, i) => x.shape[i] === 0 ? 0 : n),
        cotangent.shape.map((n, i) => x.shape[i] === 0 ? 0 : n - high[i]),
        interior.map((n) => n + 1),
      )];
    },
    batch: ([x], [axis], { low, high, interior, value }) => ({
      tensor: pad(
        x,
        insert(low, axis!, 0),
        insert(high, axis!, 0),
        insert(interior, axis!, 0),
        value,
      ),
      axis: axis!,
    }),
  },
  flip: {
    infer: ([x]) => x,
    jvp: linear("flip"),
    vjp: ({ params }, cotangent) => [flip(cotangent, params.axes)],
    batch: ([x], [axis], { axes }) => ({
      tensor: flip(x, axes.map((a) => a < axis! ? a : a + 1)),
      axis: axis!,
    }),
  },
  concat: {
    infer(inputs, { axis }) {
      if (inputs.length === 0) throw new ArgumentError("concat: expected at least one tensor");
      const [first] = inputs;
      for (const x of inputs) {
        if (x.dtype !== first.dtype) {
          throw new DTypeError(`concat: dtypes ${first.dtype} and ${x.dtype} differ`);
        }
        if (
          x.shape.length !== first.shape.length ||
          !x.shape.every((n, i) => i === axis || n === first.shape[i])
        ) {
          throw new ShapeError(
            `concat: shapes ${formatShape(first.shape)} and ${
              formatShape(x.shape)
            } must agree but for axis ${axis}`,
          );
        }
      }
      const total = inputs.reduce((n, x) => n + x.shape[axis], 0);
      return { shape: first.shape.map((n, i) => i === axis ? total : n), dtype: first.dtype };
    },
    jvp: ({ inputs, params }, tangents) =>
      apply("concat", params, ...inputs.map((x, i) => tangents[i] ?? fullLike(x, 0))),
    vjp({ inputs, params: { axis } }, cotangent, wanted) {
      let start = 0;
      return inputs.map((x, i) => {
        const begin = start;
        start += x.shape[axis];
        return wanted[i] ? sliceAxis(cotangent, axis, begin, start) : null;
      });
    },
    batch: (inputs, axes, { axis }, size) => ({
      tensor: apply("concat", { axis: axis + 1 }, ...alignBatch(inputs, axes, size)),
      axis: 0,
    }),
  },
};
