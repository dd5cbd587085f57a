/**
 * The empirical neural tangent kernel.
 *
 * @module
 */

import { chooseBackend } from "../../backends/registry.ts";
import { ArgumentError } from "../base/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { type CheckTolerances, compareKernels, NtkMismatchError } from "./check.ts";
import { estimateError } from "./error_estimate.ts";
import { execute } from "./execute.ts";
import { methodNames, type NtkMethod } from "./methods.ts";
import { checkOptions, checkPlace, type NtkOptions, optionNames } from "./options.ts";
import { type KernelProblems, kernelProblems, type NetworkFunction } from "./problem.ts";
import type { NtkReport } from "./report.ts";
import { chooseMethods } from "./plan.ts";
import { type NoResultOptions, type NtkResult, requestOf, type ResultOptions } from "./results.ts";
import { isWorse, type KernelSpectrum, kernelSpectrum } from "./spectrum.ts";

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
 * A network that returns a tree of tensors gives a tree of kernels, one for each of them with itself; `crossOutputs` gives
 * those between every two. `perParameter` gives each parameter's share by itself, by name. A kernel of examples with
 * themselves is symmetric to the last bit.
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
 * const shares = await empiricalNtk(f, params, x, null, { perParameter: true });
 * console.log(await shares.w.add(shares.b).sub(kernel).abs().max().item() < 1e-6); // true
 * ```
 */
export function empiricalNtk<Params, X>(
  f: NetworkFunction<Params, X>,
  params: Params,
  x1: X,
  x2?: X | null,
  options?: NtkOptions & { perParameter?: false; crossOutputs?: false },
): Promise<Tensor>;
/** Each parameter's share of the kernel, by the parameter's name. */
export function empiricalNtk<Params, X>(
  f: NetworkFunction<Params, X>,
  params: Params,
  x1: X,
  x2: X | null | undefined,
  options: NtkOptions & { perParameter: true; crossOutputs?: false },
): Promise<Record<string, Tensor>>;
/** The kernels of a network whose output is a tree of tensors. */
export function empiricalNtk<Params, X, Out, Options extends ResultOptions = NoResultOptions>(
  f: NetworkFunction<Params, X, Out>,
  params: Params,
  x1: X,
  x2?: X | null,
  options?: NtkOptions & Options,
): Promise<NtkResult<Out, Options>>;
export async function empiricalNtk<Params, X>(
  f: NetworkFunction<Params, X, unknown>,
  params: Params,
  x1: X,
  x2?: X | null,
  options: NtkOptions & ResultOptions = {},
): Promise<unknown> {
  checkPlace(x2, options, optionNames, "empiricalNtk");
  const checkedOptions = checkOptions(options);
  const { method: requested, outputs, parameters, results, memoryLimit, check, onReport } =
    checkedOptions;
  const { errorEstimate, spectrum } = checkedOptions;
  const second = x2 ?? x1;
  const start = performance.now();
  const all = kernelProblems(f, params, x1, second, parameters, outputs);
  if (spectrum) checkSpectrum(all, results);
  const { backend, reason } = await chooseBackend(
    checkedOptions.backend,
    all.problems.some((problem) => problem.dtype === "float64") ? "float64" : "float32",
  );
  const request = requestOf(all, results);
  const choices: (readonly NtkMethod[])[] = [];
  for (const problem of request.problems) {
    choices.push(
      requested === "auto"
        ? await chooseMethods(problem, backend)
        : problem.params.map(() => requested),
    );
  }
  const { result, kernels, tiles } = await execute(request, choices, memoryLimit, backend);
  const seconds = (performance.now() - start) / 1000;
  const method = new Set(choices.flat()).size > 1 ? "mixed" : choices[0][0];
  let checked: NtkReport["check"];
  if (check !== null) {
    const other = methodNames.find((name) => name !== method)!;
    const byOther = choices.map((list) => list.map(() => other));
    const again = await execute(request, byOther, memoryLimit, backend);
    const largestDifference = await compareAll(kernels, again.kernels, all, [method, other], check);
    checked = { method: other, largestDifference };
  }
  const estimate = errorEstimate === null ? undefined : await estimateError(
    kernels,
    { f, params, x1, x2: second, parameters, outputs, results },
    errorEstimate,
    memoryLimit,
    backend,
  );
  const ends = spectrum ? await worstSpectrum(kernels, all) : undefined;
  const [{ form, params: chosen }] = all.problems;
  onReport?.({
    method,
    compute: form.compute,
    axes: form.axes,
    normalize: outputs.normalize ?? "sum",
    shape: kernels[0].shape,
    backend: backend.name,
    device: backend.description ?? backend.name,
    backendReason: reason,
    seconds,
    peakBytes: backend.memory().peak,
    tiles,
    parameters: chosen.reduce((n, p) => n + p.size, 0),
    check: checked,
    errorEstimate: estimate,
    spectrum: ends,
  });
  return result;
}

/** Throws an `ArgumentError` unless kernels are symmetric matrices. */
function checkSpectrum({ problems }: KernelProblems, { crossOutputs }: ResultOptions): void {
  if (crossOutputs) {
    throw new ArgumentError(
      "empiricalNtk: spectrum is that of symmetric kernels, and those between two outputs are not; leave out crossOutputs",
    );
  }
  if (problems[0].symmetric) return;
  throw new ArgumentError(
    "empiricalNtk: spectrum is that of a kernel of examples with themselves; leave out x2, or give the same tensor twice",
  );
}

/** Of all kernels (shares of parameters, one output after the other) the spectrum that is furthest below zero. */
async function worstSpectrum(
  kernels: readonly Tensor[],
  { problems }: KernelProblems,
): Promise<KernelSpectrum> {
  let worst: KernelSpectrum | null = null;
  for (const [i, kernel] of kernels.entries()) {
    const spectrum = await kernelSpectrum(kernel, problems[i % problems.length]);
    if (worst === null || isWorse(spectrum, worst)) worst = spectrum;
  }
  return worst!;
}

/** The largest difference between kernels by two methods. Throws an `NtkMismatchError` where it is more than rounding. */
async function compareAll(
  kernels: readonly Tensor[],
  others: readonly Tensor[],
  { problems }: KernelProblems,
  [method, other]: readonly [NtkMethod | "mixed", NtkMethod],
  tolerances: CheckTolerances,
): Promise<number> {
  const double = problems.every((problem) => problem.double);
  let largest = 0;
  for (const [i, kernel] of kernels.entries()) {
    const { agrees, difference } = await compareKernels(kernel, others[i], tolerances, double);
    others[i].dispose();
    if (!agrees) {
      for (const x of kernels) x.dispose();
      throw new NtkMismatchError(method, other, difference);
    }
    largest = Math.max(largest, difference.largestDifference);
  }
  return largest;
}
