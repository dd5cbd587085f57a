/**
 * The empirical neural tangent kernel.
 *
 * @module
 */

import { currentBackend } from "../../backends/registry.ts";
import { realizeSync } from "../core/realize.ts";
import type { Tensor } from "../core/tensor.ts";
import { type CheckTolerances, compareKernels, NtkMismatchError } from "./check.ts";
import { checkCompute, type NtkCompute, withOutputShape } from "./compute.ts";
import { checkMethod, methodNames, methods, type NtkMethod } from "./methods.ts";
import { chooseMethod } from "./choose.ts";
import {
  type KernelProblem,
  kernelProblem,
  type NetworkFunction,
  type ParameterChoice,
} from "./problem.ts";

/** What was done to compute a kernel. */
export interface NtkReport {
  /** The method that computed it. */
  readonly method: NtkMethod;
  /** What of the kernel was computed. */
  readonly compute: NtkCompute;
  /** Shape of the kernel. */
  readonly shape: readonly number[];
  /** Name of the backend. */
  readonly backend: string;
  /** Seconds from the call to the kernel, building and compiling the program included; without the check. */
  readonly seconds: number;
  /** Most bytes that the backend held at once since it started. */
  readonly peakBytes: number;
  /** Number of parameters that the kernel sums over. */
  readonly parameters: number;
  /** The comparison with another method, if one was asked for. */
  readonly check?: { readonly method: NtkMethod; readonly largestDifference: number };
}

/** Options of `empiricalNtk`. */
export interface NtkOptions {
  /** How; "auto" (the default) takes the method with the fewest counted operations. */
  method?: NtkMethod | "auto";
  /** What: "full" (the default), "trace" (the sum over equal outputs) or "diagonal". */
  compute?: NtkCompute;
  /** Which parameters to sum over, by name (path in the tree); all floating point ones by default. */
  parameters?: ParameterChoice;
  /** Compute with another method too and compare; true for tolerances that fit the kernel's scale. */
  check?: boolean | CheckTolerances;
  /** Is told what was done. */
  onReport?: (report: NtkReport) => void;
}

/** The kernel by one method, computed; nothing of it waits to be done later. */
function computeKernel(problem: KernelProblem, method: NtkMethod, compute: NtkCompute): Tensor {
  const kernel = withOutputShape(methods[method](problem, compute), problem, compute);
  realizeSync([kernel]);
  return kernel;
}

/**
 * The empirical neural tangent kernel Θ(x1, x2) = J(x1)·J(x2)ᵀ of a network, J being the Jacobian of its output over its
 * parameters.
 *
 * `f(params, x)` is the network for one example; `params` a tree of tensors; `x1` and `x2` (x1 by default) hold examples
 * along the first axis, and may be trees. The output for one example may have any shape O…. The kernel has shape
 * [N, M, O…, O…] ("full"), [N, M] ("trace": the sum over equal outputs, as in PyTorch's tutorial) or [N, M, O…]
 * ("diagonal"); the last two never compute the full kernel first. With `check` the kernel is computed by another method as
 * well.
 *
 * Throws a `ShapeError`, `TreeError` or `DTypeError` for arguments that do not fit, an `ArgumentError` for unknown options,
 * and an `NtkMismatchError` where a check fails.
 *
 * The methods are those of Novak, Sohl-Dickstein and Schoenholz, "Fast Finite Width Neural Tangent Kernel" (ICML 2022).
 *
 * @example
 * ```ts
 * import { empiricalNtk, tensor } from "@tangents/ntk";
 * const f = ({ w, b }, x) => w.matmul(x).add(b).tanh();
 * const params = { w: tensor([[1, 2], [3, 4]]), b: tensor([0, 0]) };
 * const x = tensor([[0.1, 0.2], [0.3, -0.1], [0, 0.5]]);
 * const kernel = await empiricalNtk(f, params, x, undefined, { check: true });
 * console.log(kernel.shape); // [3, 3, 2, 2]
 * ```
 */
export async function empiricalNtk<Params, X>(
  f: NetworkFunction<Params, X>,
  params: Params,
  x1: X,
  x2?: X | null,
  options: NtkOptions = {},
): Promise<Tensor> {
  const compute = checkCompute(options.compute ?? "full");
  const requested = checkMethod(options.method ?? "auto");
  const start = performance.now();
  const problem = kernelProblem(f, params, x1, x2 ?? x1, options.parameters);
  const method = requested === "auto" ? chooseMethod(problem, compute) : requested;
  const kernel = computeKernel(problem, method, compute);
  const seconds = (performance.now() - start) / 1000;
  const { check = false } = options;
  const checked = check === false
    ? undefined
    : await checkKernel(kernel, problem, method, compute, check === true ? {} : check);
  const backend = currentBackend();
  options.onReport?.({
    method,
    compute,
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
  compute: NtkCompute,
  tolerances: CheckTolerances,
): Promise<NtkReport["check"]> {
  const other = methodNames.find((name) => name !== method)!;
  const again = computeKernel(problem, other, compute);
  const { agrees, difference } = await compareKernels(kernel, again, tolerances);
  again.dispose();
  if (!agrees) throw new NtkMismatchError(method, other, difference);
  return { method: other, largestDifference: difference.largestDifference };
}
