/**
 * Computing what was asked for: in one program where memory allows it, else kernel by kernel and block by block.
 *
 * @module
 */

import type { Backend } from "../compiler/backend.ts";
import { realizeOn } from "../core/realize_tree.ts";
import { prepareAll } from "../core/realize.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree } from "../core/tree.ts";
import { withOutputShape } from "./compute.ts";
import { kernelBy, type NtkMethod } from "./methods.ts";
import type { KernelRequest } from "./results.ts";
import { computeKernel, type TileReport, wholeSizes } from "./tiles.ts";

/** What was computed. */
export interface Execution {
  /** Tree of kernels as it is returned. */
  readonly result: unknown;
  /** Its kernels. */
  readonly kernels: readonly Tensor[];
  /** What was computed at a time. */
  readonly tiles: TileReport;
}

/**
 * Computes the kernels of a request, each by the methods chosen for its parameters. No program needs more than `limit`
 * bytes beside what it reads. Throws a `BackendError` where not even the smallest block stays below the limit.
 */
export async function execute(
  { problems, assemble }: KernelRequest,
  choices: readonly (readonly NtkMethod[])[],
  limit: number,
  backend: Backend,
): Promise<Execution> {
  const whole = assemble(
    problems.map((problem, i) => withOutputShape(kernelBy(problem, choices[i]), problem.form)),
  );
  const { leaves } = flattenTree(whole, "empiricalNtk");
  const prepared = await prepareAll(leaves, backend);
  if (prepared.bytes <= limit) {
    prepared.run();
    await backend.synchronize?.();
    const tiles = { ...wholeSizes(problems[0]), count: 1, bytes: prepared.bytes };
    return { result: whole, kernels: leaves, tiles };
  }
  const kernels: Tensor[] = [];
  let tiles: TileReport | null = null;
  for (const [i, problem] of problems.entries()) {
    const computed = await computeKernel(
      problem,
      (block) => kernelBy(block, choices[i]),
      limit,
      backend,
      problems.length === 1 ? prepared.bytes : null,
    );
    kernels.push(withOutputShape(computed.kernel, problem.form));
    // Of several kernels, the blocks of the one that needed most are reported, and the number of all.
    const count: number = computed.tiles.count + (tiles?.count ?? 0);
    tiles = {
      ...(tiles === null || computed.tiles.bytes > tiles.bytes ? computed.tiles : tiles),
      count,
    };
  }
  const result = await realizeOn(assemble(kernels), backend);
  return { result, kernels: flattenTree(result, "empiricalNtk").leaves, tiles: tiles! };
}
