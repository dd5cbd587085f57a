/**
 * An estimate of a kernel's error: some of it once more, in float64.
 *
 * @module
 */

import { backendByName } from "../../backends/registry.ts";
import { isFloat } from "../base/dtype.ts";
import { range } from "../base/shape.ts";
import type { Backend } from "../compiler/backend.ts";
import { cast } from "../core/operations/arithmetic.ts";
import { realizeOn } from "../core/realize_tree.ts";
import type { Tensor } from "../core/tensor.ts";
import { treeMap } from "../core/tree.ts";
import type { OutputOptions } from "./compute.ts";
import { execute } from "./execute.ts";
import type { NtkMethod } from "./methods.ts";
import {
  examplesBetween,
  kernelProblems,
  type NetworkFunction,
  type ParameterChoice,
} from "./problem.ts";
import { requestOf, type ResultOptions } from "./results.ts";

/** Which part of a kernel is recomputed. */
export interface ErrorEstimateOptions {
  /** How many pairs of examples, with all their entries; 3 by default, at most all. */
  pairs?: number;
  /** Which pairs: other seeds take others; 0 by default. */
  seed?: number;
}

/** How far a kernel is from float64. */
export interface ErrorEstimate {
  /** Pairs of examples whose entries were recomputed. */
  readonly pairs: number;
  /** Largest difference, over the largest entry of the whole kernel. */
  readonly relativeError: number;
  /** Largest difference. */
  readonly largestError: number;
}

/** What a kernel is recomputed from. */
export interface KernelArguments<Params, X> {
  readonly f: NetworkFunction<Params, X, unknown>;
  readonly params: Params;
  readonly x1: X;
  readonly x2: X;
  readonly parameters: ParameterChoice | undefined;
  readonly outputs: OutputOptions;
  readonly results: ResultOptions;
}

const largestOf = (data: ArrayLike<number>): number => {
  let largest = 0;
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) largest = Math.max(largest, Math.abs(data[i]));
  }
  return largest;
};

/** Different numbers from 0 to `count` − 1, a given number of them, by a seed. */
function choose(count: number, size: number, seed: number): number[] {
  // The first steps of a shuffle, by the mixing function of MurmurHash3.
  const order = new Map<number, number>();
  const at = (i: number): number => order.get(i) ?? i;
  return range(size).map((i) => {
    let hash = (seed * 0x9e3779b1 + i + 1) | 0;
    for (const factor of [0x85ebca6b, 0xc2b2ae35]) {
      hash = Math.imul(hash ^ (hash >>> 16), factor);
    }
    const other = i + Math.floor((((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32) * (count - i));
    const chosen = at(other);
    order.set(other, at(i));
    return chosen;
  });
}

const inFloat64 = <T>(tree: T): T =>
  treeMap((x) => isFloat(x.dtype) ? cast(x, "float64") : x, tree);

const exampleOf = <T>(tree: T, n: number): T => examplesBetween(tree, n, n + 1);

/**
 * Recomputes the entries of some pairs of examples by Jacobian contraction with parameters and examples cast to float64,
 * and compares; on the WebAssembly backend where the kernel's own has no float64, and in blocks where the memory limit asks
 * for them. Constants that the network holds in float32 become float64 where they meet these; what it casts to float32
 * itself stays so, and is not seen.
 */
export async function estimateError<Params, X>(
  kernels: readonly Tensor[],
  { f, params, x1, x2, parameters, outputs, results }: KernelArguments<Params, X>,
  { pairs = 3, seed = 0 }: ErrorEstimateOptions,
  memoryLimit: number,
  backend: Backend,
): Promise<ErrorEstimate> {
  const [n1, n2] = kernels[0].shape;
  const chosen = choose(n1 * n2, Math.min(pairs, n1 * n2), seed);
  const exactly = backend.dtypes.includes("float64") ? backend : await backendByName("wasm");
  const exactParams = await realizeOn(inFloat64(params), exactly);
  const found = await Promise.all(kernels.map((kernel) => kernel.data()));
  const errors = kernels.map(() => 0);
  for (const pair of chosen) {
    // Data, so that one program serves all pairs.
    const [a, b] = await realizeOn([
      inFloat64(exampleOf(x1, Math.floor(pair / n2))),
      inFloat64(exampleOf(x2, pair % n2)),
    ], exactly);
    const all = kernelProblems(f, exactParams, a, b, parameters, outputs);
    const request = requestOf(all, results);
    const choices = request.problems.map((problem) =>
      problem.params.map((): NtkMethod => "jacobian-contraction")
    );
    const again = await execute(request, choices, memoryLimit, exactly);
    for (const [k, kernel] of again.kernels.entries()) {
      const exact = await kernel.data();
      const { size } = kernel;
      const part = found[k].subarray(pair * size, (pair + 1) * size);
      for (let i = 0; i < size; i++) {
        const error = Math.abs(part[i] - exact[i]);
        errors[k] = Math.max(errors[k], Number.isNaN(error) ? Infinity : error);
      }
    }
  }
  return {
    pairs: chosen.length,
    largestError: Math.max(0, ...errors),
    relativeError: Math.max(0, ...errors.map((e, k) => e === 0 ? 0 : e / largestOf(found[k]))),
  };
}
