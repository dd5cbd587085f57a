/** What neural-tangents computes for a small network, made by tests/data/ntk/generate.py. */
import { einsum, type Tensor, tensor } from "../../mod.ts";

interface StoredArray {
  shape: number[];
  data: number[];
}

interface Stored {
  params: Record<"w" | "b" | "v" | "c", StoredArray>;
  x1: StoredArray;
  x2: StoredArray;
  kernels: { traceAxes: number[]; diagonalAxes: number[]; kernel: StoredArray }[];
  vector: StoredArray;
  product: StoredArray;
  moved: Stored["params"];
  linearized: StoredArray;
  expansions: StoredArray[];
}

const url = new URL("../data/ntk/neural-tangents.json", import.meta.url);
const stored: Stored = JSON.parse(await Deno.readTextFile(url));

const asTensor = ({ shape, data }: StoredArray): Tensor =>
  tensor(Float64Array.from(data), { shape });

/** Parameters of the network. */
export interface Params {
  w: Tensor;
  b: Tensor;
  v: Tensor;
  c: Tensor;
}

const asParams = ({ w, b, v, c }: Stored["params"]): Params => ({
  w: asTensor(w),
  b: asTensor(b),
  v: asTensor(v),
  c: asTensor(c),
});

/** The network for one example: [2, 4] → [2, 3, 2]. */
export function network({ w, b, v, c }: Params, x: Tensor): Tensor {
  return einsum("ik,jkl->ijl", x.matmul(w).add(b).tanh(), v).add(c).exp();
}

/** Parameters, examples and results, all in float64. */
export const neuralTangents = {
  params: asParams(stored.params),
  x1: asTensor(stored.x1),
  x2: asTensor(stored.x2),
  kernels: stored.kernels.map(({ traceAxes, diagonalAxes, kernel }) => ({
    traceAxes,
    diagonalAxes,
    kernel: asTensor(kernel),
  })),
  vector: asTensor(stored.vector),
  product: asTensor(stored.product),
  moved: asParams(stored.moved),
  linearized: asTensor(stored.linearized),
  expansions: stored.expansions.map(asTensor),
} as const;
