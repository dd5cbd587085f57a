/**
 * Matrix products.
 *
 * @module
 */

import { matmul } from "../../core/operations/contractions.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, float } from "../attributes.ts";
import { type Operator, operator } from "../operator.ts";

const scaled = (x: Tensor, factor: number): Tensor => factor === 1 ? x : x.mul(factor);

/** Matrix products. */
export const contractions: readonly Operator[] = [
  operator({
    name: "MatMul",
    since: [1, 9, 13],
    inputs: 2,
    trainable: "all",
    run: (c) => matmul(c.tensor(0), c.tensor(1)),
  }),
  operator({
    name: "Gemm",
    since: [7, 9, 11, 13],
    inputs: [2, 3],
    attributes: { alpha: float(1), beta: float(1), transA: flag(false), transB: flag(false) },
    trainable: "all",
    run: (c, { alpha, beta, transA, transB }) => {
      const [a, b, bias] = [c.tensor(0), c.tensor(1), c.optionalTensor(2)];
      const product = matmul(transA ? a.transpose() : a, transB ? b.transpose() : b);
      const result = scaled(product, alpha);
      return bias === null ? result : result.add(scaled(bias, beta));
    },
  }),
];
