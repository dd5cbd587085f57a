/**
 * Reading and adding by index, and sorting.
 *
 * @module
 */

import { ArgumentError, DTypeError, ShapeError } from "../../base/errors.ts";
import { formatShape, sameShape } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import type { Tensor } from "../tensor.ts";
import { moveAxis, repeatAlong, reshape } from "./build.ts";
import type { Batched, RuleTable } from "./rule.ts";

function gather(x: Tensor, index: Tensor, batchDims: number): Tensor {
  return apply("gather", { batchDims }, x, index);
}

function scatterAdd(index: Tensor, updates: Tensor, batchDims: number, size: number): Tensor {
  return apply("scatterAdd", { batchDims, size }, index, updates);
}

function checkIndex(name: string, index: Tensor, batchDims: number): void {
  if (index.dtype !== "int32") {
    throw new DTypeError(`${name}: expected an int32 index, got ${index.dtype}`);
  }
  if (index.shape.length !== batchDims + 1) {
    throw new ShapeError(
      `${name}: expected an index of rank ${batchDims + 1} (${batchDims} batch axes and one), got ${
        formatShape(index.shape)
      }`,
    );
  }
}

/** Rules of gather, scatterAdd and argsort. */
export const indexingRules: RuleTable<"gather" | "scatterAdd" | "argsort"> = {
  gather: {
    infer([x, index], { batchDims }) {
      checkIndex("gather", index, batchDims);
      const batch = index.shape.slice(0, batchDims);
      if (x.shape.length < batchDims + 1 || !sameShape(x.shape.slice(0, batchDims), batch)) {
        throw new ShapeError(
          `gather: ${formatShape(x.shape)} does not begin with the index's batch axes ${
            formatShape(batch)
          } and an axis to index`,
        );
      }
      if (x.shape[batchDims] === 0 && index.shape[batchDims] !== 0) {
        throw new ArgumentError(`gather: axis ${batchDims} of ${formatShape(x.shape)} is empty`);
      }
      return {
        shape: [...index.shape, ...x.shape.slice(batchDims + 1)],
        dtype: x.dtype,
      };
    },
    jvp: ({ inputs: [, index], params }, [tangent]) => gather(tangent!, index, params.batchDims),
    vjp: ({ inputs: [x, index], params: { batchDims } }, cotangent) => [
      scatterAdd(index, cotangent, batchDims, x.shape[batchDims]),
      null,
    ],
    batch([x, index], [left, right], { batchDims }): Batched {
      if (right === null) {
        const last = x.shape.length - 1;
        const tensor = gather(moveAxis(x, left!, last), index, batchDims);
        return { tensor, axis: tensor.shape.length - 1 };
      }
      if (left === null) {
        const moved = moveAxis(index, right, batchDims);
        const batch = moved.shape.slice(0, batchDims);
        const [size, count] = moved.shape.slice(batchDims);
        const flat = gather(x, reshape(moved, [...batch, size * count]), batchDims);
        const rest = x.shape.slice(batchDims + 1);
        return { tensor: reshape(flat, [...batch, size, count, ...rest]), axis: batchDims };
      }
      const tensor = gather(moveAxis(x, left, 0), moveAxis(index, right, 0), batchDims + 1);
      return { tensor, axis: 0 };
    },
  },
  scatterAdd: {
    infer([index, updates], { batchDims, size }) {
      checkIndex("scatterAdd", index, batchDims);
      if (!sameShape(updates.shape.slice(0, batchDims + 1), index.shape)) {
        throw new ShapeError(
          `scatterAdd: updates ${formatShape(updates.shape)} must begin with the index's shape ${
            formatShape(index.shape)
          }`,
        );
      }
      if (!Number.isInteger(size) || size < 0 || (size === 0 && index.shape[batchDims] !== 0)) {
        throw new ArgumentError(`scatterAdd: size ${size} cannot take the updates`);
      }
      if (updates.dtype === "bool") {
        throw new DTypeError("scatterAdd: expected updates that are numbers, got bool");
      }
      const shape = [
        ...index.shape.slice(0, batchDims),
        size,
        ...updates.shape.slice(batchDims + 1),
      ];
      return { shape, dtype: updates.dtype };
    },
    jvp: ({ inputs: [index], params }, [, tangent]) =>
      scatterAdd(index, tangent!, params.batchDims, params.size),
    vjp: ({ inputs: [index], params }, cotangent) => [
      null,
      gather(cotangent, index, params.batchDims),
    ],
    batch([index, updates], [left, right], { batchDims, size }, count): Batched {
      if (left === null) {
        const last = updates.shape.length - 1;
        const tensor = scatterAdd(index, moveAxis(updates, right!, last), batchDims, size);
        return { tensor, axis: tensor.shape.length - 1 };
      }
      const batched = right === null ? repeatAlong(updates, 0, count) : moveAxis(updates, right, 0);
      return {
        tensor: scatterAdd(moveAxis(index, left, 0), batched, batchDims + 1, size),
        axis: 0,
      };
    },
  },
  argsort: {
    infer([x]) {
      if (x.shape.length === 0) {
        throw new ShapeError("argsort: expected a tensor of rank at least 1, got a scalar");
      }
      return { shape: x.shape, dtype: "int32" };
    },
    jvp: () => null,
    vjp: () => [null],
    batch: ([x], [axis], params) => ({
      tensor: apply("argsort", params, moveAxis(x, axis!, 0)),
      axis: 0,
    }),
  },
};
