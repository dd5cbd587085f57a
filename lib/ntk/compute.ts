/**
 * What of the kernel is wanted, axis by axis of the outputs, and the shapes that follow.
 *
 * @module
 */

import { ArgumentError } from "../base/errors.ts";
import { formatShape, normalizeAxes, range, type Shape } from "../base/shape.ts";
import { permute, reshape, unpermute } from "../core/primitives/build.ts";
import type { Tensor } from "../core/tensor.ts";

/**
 * What of the kernel is computed for each pair of examples: every pair of outputs ("full"), the sum over equal outputs
 * ("trace"), or each output with itself ("diagonal").
 */
export type NtkCompute = "full" | "trace" | "diagonal";

/** All that can be computed. */
export const computes: readonly NtkCompute[] = ["full", "trace", "diagonal"];

/** Whether what is traced over is summed, or averaged as neural-tangents does. */
export type NtkNormalize = "sum" | "mean";

/** What of the kernel is wanted: one thing for all output axes, or axes by number. */
export interface OutputOptions {
  /** What: "full" (the default), "trace" (the sum over equal outputs) or "diagonal". */
  compute?: NtkCompute;
  /**
   * In the place of `compute`: axes of one example's output to sum over, at equal indices on both sides; negative numbers
   * count from the end. These axes leave the kernel.
   */
  traceAxes?: number | readonly number[];
  /** In the place of `compute`: axes of which only equal indices on both sides are wanted; they stand in the kernel once. */
  diagonalAxes?: number | readonly number[];
  /** "sum" over what is traced (the default), or "mean": divided by the number of its elements, as in neural-tangents. */
  normalize?: NtkNormalize;
}

/** What of the kernel is computed for outputs of one shape. */
export interface OutputForm {
  /** The one name for all axes, or "axes" where they were chosen by number. */
  readonly compute: NtkCompute | "axes";
  /** What is computed of each output axis. */
  readonly axes: readonly NtkCompute[];
  /** The output axes: those traced over, those of which the diagonal is wanted, and those wanted in full. */
  readonly order: readonly number[];
  /** Number of outputs along the traced axes. */
  readonly traced: number;
  /** Number of outputs along the diagonal axes. */
  readonly diagonal: number;
  /** Number of outputs along the axes that are wanted in full. */
  readonly full: number;
  /** What the sum over the traced axes is divided by. */
  readonly divisor: number;
  /** Shape of the outputs. */
  readonly outputShape: Shape;
}

/** Throws an `ArgumentError` unless the values are what they should be. */
export function checkOutputOptions(
  { compute, traceAxes, diagonalAxes, normalize }: OutputOptions,
): OutputOptions {
  if (compute !== undefined && !computes.includes(compute)) {
    throw new ArgumentError(
      `empiricalNtk: compute must be one of ${computes.join(", ")}, got ${String(compute)}`,
    );
  }
  for (const [name, axes] of Object.entries({ traceAxes, diagonalAxes })) {
    if (axes === undefined) continue;
    if (!(Array.isArray(axes) ? axes : [axes]).every((axis) => Number.isInteger(axis))) {
      throw new ArgumentError(
        `empiricalNtk: ${name} must be an axis or an array of axes of the output, got ${
          String(axes)
        }`,
      );
    }
    if (compute !== undefined) {
      throw new ArgumentError(
        `empiricalNtk: compute says it for all output axes, ${name} axis by axis; give one of the two`,
      );
    }
  }
  if (normalize !== undefined && normalize !== "sum" && normalize !== "mean") {
    throw new ArgumentError(
      `empiricalNtk: normalize must be sum or mean, got ${String(normalize)}`,
    );
  }
  return { compute, traceAxes, diagonalAxes, normalize };
}

/** The options' meaning for outputs of a shape. Throws an `AxisError` or `ArgumentError` for axes that are not there. */
export function outputForm(options: OutputOptions, outputShape: Shape): OutputForm {
  const { traceAxes, diagonalAxes, normalize } = options;
  const byAxes = traceAxes !== undefined || diagonalAxes !== undefined;
  const { length: rank } = outputShape;
  const compute = options.compute ?? "full";
  const [traced, diagonal] = byAxes
    ? [
      normalizeAxes(traceAxes ?? [], rank, "empiricalNtk: traceAxes, axes of one example's output"),
      normalizeAxes(
        diagonalAxes ?? [],
        rank,
        "empiricalNtk: diagonalAxes, axes of one example's output",
      ),
    ]
    : [compute === "trace" ? range(rank) : [], compute === "diagonal" ? range(rank) : []];
  const both = traced.filter((axis) => diagonal.includes(axis));
  if (both.length > 0) {
    throw new ArgumentError(
      `empiricalNtk: axes ${
        formatShape(both)
      } of the output are in traceAxes and in diagonalAxes; an axis is either summed or kept`,
    );
  }
  const full = range(rank).filter((axis) => !traced.includes(axis) && !diagonal.includes(axis));
  const count = (axes: readonly number[]): number =>
    axes.reduce((n, axis) => n * outputShape[axis], 1);
  return {
    compute: byAxes ? "axes" : compute,
    axes: range(rank).map((axis) =>
      traced.includes(axis) ? "trace" : diagonal.includes(axis) ? "diagonal" : "full"
    ),
    order: [...traced, ...diagonal, ...full],
    traced: count(traced),
    diagonal: count(diagonal),
    full: count(full),
    divisor: normalize === "mean" ? count(traced) : 1,
    outputShape,
  };
}

/** An output as a vector: traced axes first, then diagonal ones, then those wanted in full. */
export function outputVector(output: Tensor, { order }: OutputForm): Tensor {
  return reshape(permute(output, order), [output.size]);
}

/**
 * For each axis of a kernel [N, M, diagonal…, full…, full…] in the form's order, its place in the kernel with the outputs'
 * own axes: all of the first examples before those of the second, or, where axes were chosen by number, the two of an axis
 * side by side.
 */
function outputPlaces({ compute, axes, order }: OutputForm): number[] {
  const kept = range(axes.length).filter((axis) => axes[axis] !== "trace");
  const twice = kept.filter((axis) => axes[axis] === "full");
  const first = (axis: number): string => `${axis}`;
  const second = (axis: number): string => `${axis} again`;
  const places = compute === "axes"
    ? kept.flatMap((axis) => axes[axis] === "full" ? [first(axis), second(axis)] : [first(axis)])
    : [...kept.map(first), ...twice.map(second)];
  const inOrder = order.filter((axis) => axes[axis] !== "trace");
  const names = [
    ...inOrder.map(first),
    ...inOrder.filter((axis) => axes[axis] === "full").map(second),
  ];
  return [0, 1, ...names.map((name) => 2 + places.indexOf(name))];
}

/**
 * A method's kernel [N, M, diagonal, full, full] with the outputs' own axes put back: [N, M, O…, O…] or [N, M, O…] where
 * one thing was asked for of all axes, else in neural-tangents' order, the two of an axis side by side.
 */
export function withOutputShape(kernel: Tensor, form: OutputForm): Tensor {
  const { axes, order, outputShape } = form;
  const kept = order.filter((axis) => axes[axis] !== "trace");
  const twice = kept.filter((axis) => axes[axis] === "full");
  const [n1, n2] = kernel.shape;
  const shape = [...kept, ...twice].map((axis) => outputShape[axis]);
  const result = unpermute(reshape(kernel, [n1, n2, ...shape]), outputPlaces(form));
  return form.divisor === 1 ? result : result.div(form.divisor);
}

/** The matrices [diagonal, N·full, M·full] that a kernel with the outputs' own axes consists of. */
export function kernelMatrices(kernel: Tensor, form: OutputForm): Tensor {
  const [n1, n2] = kernel.shape;
  const { diagonal, full } = form;
  const grouped = reshape(permute(kernel, outputPlaces(form)), [n1, n2, diagonal, full, full]);
  return reshape(permute(grouped, [2, 0, 3, 1, 4]), [diagonal, n1 * full, n2 * full]);
}
