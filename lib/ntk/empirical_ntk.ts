/**
 * The empirical neural tangent kernel.
 *
 * @module
 */

import { currentBackend } from "../../backends/registry.ts";
import { ArgumentError } from "../base/errors.ts";
import { realize } from "../core/realize_tree.ts";
import type { Tensor } from "../core/tensor.ts";
import { type CheckTolerances, compareKernels, NtkMismatchError } from "./check.ts";
import { chooseMethod } from "./choose.ts";
import { withOutputShape } from "./compute.ts";
import { methodNames, methods, type NtkMethod } from "./methods.ts";
import { checkOptions, looksLikeOptions, type NtkOptions } from "./options.ts";
import { type KernelProblem, kernelProblem, type NetworkFunction } from "./problem.ts";
import type { NtkReport } from "./report.ts";

/** The kernel by one method, computed; nothing of it waits to be done later. */
function computeKernel(
  problem: KernelProblem,
  method: NtkMethod,
): Promise<Tensor> {
  return realize(withOutputShape(methods[method](problem), problem.form));
}

/**
 * The empirical neural tangent kernel Θ(x1, x2) = J(x1)·J(x2)ᵀ of a network, J being the Jacobian of its output over its
 * parameters.
 *
 * `f(params, x)` is the network for one example; `params` a tree of tensors; `x1` and `x2` (x1 by default) hold examples
 * along the first axis, and may be trees. The output for one example may have any shape O…. The kernel has shape
 * [N, M, O…, O…] ("full"), [N, M] ("trace": the sum over equal outputs, as in PyTorch's tutorial) or [N, M, O…]
 * ("diagonal"). With `check` the kernel is computed by another method as well.
 *
 * `traceAxes` and `diagonalAxes` choose by axis, with neural-tangents' meaning; they number the axes of one example's
 * output, so that −1 is the last in both, and 0 here what is 1 there. The kernel has its order of axes: N, M, and then for
 * each axis of the output in turn nothing (traced), its size once (diagonal), or twice. For an output [A, B, C] that is
 * [N, M, A, A, B, B, C, C] without any, and [N, M, A, A, C] with `traceAxes: 1, diagonalAxes: 2`. What is traced is summed,
 * or averaged as in neural-tangents with `normalize: "mean"`. No trace or diagonal computes the full kernel first.
 *
 * Throws a `ShapeError`, `AxisError`, `TreeError` or `DTypeError` for arguments that do not fit, an `ArgumentError` for
 * unknown options, and an `NtkMismatchError` where a check fails.
 *
 * The methods are those of Novak, Sohl-Dickstein and Schoenholz, "Fast Finite Width Neural Tangent Kernel" (ICML 2022).
 *
 * @example
 * ```ts
 * import { empiricalNtk, type Tensor, tensor } from "@tangents/ntk";
 * const params = { w: tensor([[1, 2], [3, 4]]), b: tensor([0, 0]) };
 * const x = tensor([[0.1, 0.2], [0.3, -0.1], [0, 0.5]]);
 * const f = ({ w, b }: typeof params, x: Tensor) => w.matmul(x).add(b).tanh();
 * const kernel = await empiricalNtk(f, params, x, null, { check: true });
 * console.log(kernel.shape); // [3, 3, 2, 2]
 * const average = await empiricalNtk(f, params, x, null, { traceAxes: -1, normalize: "mean" });
 * console.log(average.shape); // [3, 3]
 * ```
 */
export async function empiricalNtk<Params, X>(
  f: NetworkFunction<Params, X>,
  params: Params,
  x1: X,
  x2?: X | null,
  options: NtkOptions = {},
): Promise<Tensor> {
  if (looksLikeOptions(x2)) {
    throw new ArgumentError(
      "empiricalNtk: the fourth argument is x2, and options were given; write empiricalNtk(f, params, x1, null, options)",
    );
  }
  const { method: requested, outputs, parameters, check, onReport } = checkOptions(options);
  const start = performance.now();
  const problem = kernelProblem(f, params, x1, x2 ?? x1, parameters, outputs);
  const method = requested === "auto" ? chooseMethod(problem) : requested;
  const kernel = await computeKernel(problem, method);
  const seconds = (performance.now() - start) / 1000;
  const checked = check === null ? undefined : await checkKernel(kernel, problem, method, check);
  const backend = currentBackend();
  onReport?.({
    method,
    compute: problem.form.compute,
    axes: problem.form.axes,
    normalize: outputs.normalize ?? "sum",
    shape: kernel.shape,
    backend: backend.name,
    seconds,
    peakBytes: backend.memory().peak,
    parameters: problem.params.reduce((n, p) => n + p.size, 0),
    check: checked,
  });
  return kernel;
}

async function checkKernel(
  kernel: Tensor,
  problem: KernelProblem,
  method: NtkMethod,
  tolerances: CheckTolerances,
): Promise<NtkReport["check"]> {
  const other = methodNames.find((name) => name !== method)!;
  const again = await computeKernel(problem, other);
  const { agrees, difference } = await compareKernels(kernel, again, tolerances, problem.double);
  again.dispose();
  if (!agrees) {
    kernel.dispose();
    throw new NtkMismatchError(method, other, difference);
  }
  return { method: other, largestDifference: difference.largestDifference };
}
