/**
 * The kernel from its definition: the Jacobian of the network by its parameters as a table of numbers, each entry a
 * central difference in float64, multiplied in plain loops.
 */
import { slice, type Tensor, tensor, treeMap } from "../../mod.ts";
import { flattenTree, unflattenTree } from "../../lib/core/tree.ts";
import { numbers } from "./differences.ts";

/** What a kernel may be of. */
export type Compute = "full" | "trace" | "diagonal";

/** A kernel as numbers. */
export interface ExplicitKernel {
  shape: number[];
  data: number[];
}

type Network = (params: unknown, x: unknown) => Tensor;

/** The example at a position of every tensor of a tree. */
export function exampleAt(x: unknown, n: number): unknown {
  return treeMap((leaf) => slice(leaf, n), x);
}

/** Rows of numbers [outputs][parameters] for one example; only the parameters that are chosen are moved. */
function jacobian(
  f: Network,
  params: unknown,
  x: unknown,
  chosen: readonly boolean[],
): number[][] {
  const { leaves, structure } = flattenTree(params, "params");
  const columns: number[][] = [];
  leaves.forEach((leaf, k) => {
    if (!chosen[k]) return;
    const values = Float64Array.from(leaf.dataSync());
    const at = (index: number, value: number): number[] => {
      const moved = values.slice();
      moved[index] = value;
      const all = [...leaves];
      all[k] = tensor(moved, { shape: leaf.shape });
      return numbers(f(unflattenTree(structure, all), x));
    };
    for (let i = 0; i < leaf.size; i++) {
      const h = 5e-4;
      const [a, b] = [at(i, values[i] + h), at(i, values[i] - h)];
      const [c, d] = [at(i, values[i] + 2 * h), at(i, values[i] - 2 * h)];
      columns.push(a.map((_, o) => (8 * (a[o] - b[o]) - (c[o] - d[o])) / (12 * h)));
    }
  });
  const outputs = numbers(f(params, x)).length;
  return Array.from({ length: outputs }, (_, o) => columns.map((column) => column[o]));
}

/** All of float64; kernels in every form from one pair of Jacobians. */
export function explicitKernels(
  f: Network,
  params: unknown,
  x1: unknown,
  x2: unknown,
  isChosen?: readonly boolean[],
): Record<Compute, ExplicitKernel> {
  const { leaves } = flattenTree(params, "params");
  const chosen = leaves.map((leaf, i) => leaf.isFloat && (isChosen?.[i] ?? true));
  const count = (x: unknown): number => flattenTree(x, "x").leaves[0].shape[0];
  const rows = (x: unknown): number[][][] =>
    Array.from({ length: count(x) }, (_, n) => jacobian(f, params, exampleAt(x, n), chosen));
  const j1 = rows(x1);
  const j2 = x2 === x1 ? j1 : rows(x2);
  const outputShape = [...f(params, exampleAt(x1, 0)).shape];
  const dot = (a: number[], b: number[]): number => a.reduce((sum, v, i) => sum + v * b[i], 0);
  const size = [j1.length, j2.length];
  const full: number[] = [];
  const trace: number[] = [];
  const diagonal: number[] = [];
  for (const a of j1) {
    for (const b of j2) {
      let sum = 0;
      a.forEach((rowA, i) =>
        b.forEach((rowB, j) => {
          const entry = dot(rowA, rowB);
          full.push(entry);
          if (i !== j) return;
          diagonal.push(entry);
          sum += entry;
        })
      );
      trace.push(sum);
    }
  }
  return {
    full: { shape: [...size, ...outputShape, ...outputShape], data: full },
    trace: { shape: size, data: trace },
    diagonal: { shape: [...size, ...outputShape], data: diagonal },
  };
}
