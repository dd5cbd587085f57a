/**
 * Matrix products.
 *
 * @module
 */

import { matmul } from "../mod.ts";
import type { PrimitiveCase } from "./primitive_cases.ts";

interface ProductOptions {
  readonly batch?: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** Whether memory rather than arithmetic limits it. */
  readonly memoryBound?: boolean;
}

/** [batch, m, k] times [batch, k, n], each side stored as it is or transposed. */
function product(
  name: string,
  [m, n, k]: readonly [number, number, number],
  options: ProductOptions = {},
): PrimitiveCase {
  const { batch, transposeA = false, transposeB = false, memoryBound = false } = options;
  const lead = batch === undefined ? [] : [batch];
  const count = batch ?? 1;
  const plain = !transposeA && !transposeB;
  return {
    name,
    group: "matrix products",
    work: memoryBound
      ? { bytes: 4 * count * (m * n + m * k + k * n) }
      : { operations: 2 * count * m * n * k },
    inputs: [
      [...lead, ...(transposeA ? [k, m] : [m, k])],
      [...lead, ...(transposeB ? [n, k] : [k, n])],
    ],
    tangents: (a, b) =>
      matmul(transposeA ? a.transpose(-2, -1) : a, transposeB ? b.transpose(-2, -1) : b),
    onnx: {
      rank: lead.length + 2,
      nodes: [
        plain ? { op: "MatMul", inputs: ["x0", "x1"], output: "y" } : {
          op: "FusedMatMul",
          domain: "com.microsoft",
          inputs: ["x0", "x1"],
          output: "y",
          attributes: { transA: Number(transposeA), transB: Number(transposeB) },
        },
      ],
    },
    tfjs: { run: (tf, [a, b]) => tf.matMul(a, b, transposeA, transposeB) },
  };
}

/** Matrix products of all kinds of shapes. */
export const productCases: readonly PrimitiveCase[] = [
  product("1024³", [1024, 1024, 1024]),
  product("1024³, A transposed", [1024, 1024, 1024], { transposeA: true }),
  product("1024³, B transposed", [1024, 1024, 1024], { transposeB: true }),
  product("64 × 128³", [128, 128, 128], { batch: 64 }),
  product("64 × 128³, B transposed", [128, 128, 128], { batch: 64, transposeB: true }),
  product("1024 × 1024 × 16 (k = 16)", [1024, 1024, 16]),
  product("8 × 2048 × 2048 (m = 8)", [8, 2048, 2048]),
  product("2048 × 8 × 2048 (n = 8)", [2048, 8, 2048]),
  product("4096 × 8³", [8, 8, 8], { batch: 4096 }),
  product("matrix × vector, 4096²", [4096, 1, 4096], { memoryBound: true }),
  product("vector × matrix, 4096²", [1, 4096, 4096], { memoryBound: true }),
];
