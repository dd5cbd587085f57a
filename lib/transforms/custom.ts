/**
 * Functions with derivatives of the user's own.
 *
 * @module
 */

import { isFloat } from "../base/dtype.ts";
import { TreeError } from "../base/errors.ts";
import { apply } from "../core/apply.ts";
import { zerosLike } from "../core/operations/creation.ts";
import { moveAxis, repeatAlong, sum } from "../core/primitives/build.ts";
import type { CustomRule } from "../core/primitives/markers.ts";
import type { Derivative } from "../core/primitives/rule.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree, leavesLike, type TreeStructure, unflattenTree } from "../core/tree.ts";
import { pullback } from "./vjp.ts";
import { vmap } from "./vmap.ts";
import { checkFunction, checkLike, recordOnAliases } from "./walk.ts";

/** A linear function's transpose: cotangents of its arguments, which are like `primals`. */
function transpose(
  linear: (tangents: Tensor[]) => Tensor,
  primals: readonly Tensor[],
  cotangent: Tensor,
): Derivative[] {
  const recording = recordOnAliases(linear, [primals.map(zerosLike)], "custom derivative");
  return pullback(recording, [cotangent]);
}

/** The same rule for many examples: its functions under vmap. */
function batchedRule(rule: CustomRule, axes: readonly (number | null)[], size: number): CustomRule {
  const same = axes.every((axis) => axis === null);
  return {
    jvp(output, primals, tangents) {
      if (same) {
        // The function captured what differs between the examples; its derivative does not.
        const result = rule.jvp(output, primals, tangents);
        return result === null ? null : repeatAlong(result, 0, size);
      }
      // Absent tangents stay absent: only the present ones are arguments of the mapped function.
      const present = tangents.map((t) => t !== null);
      const mapped = vmap(
        (ps: Tensor[], ts: Tensor[]): Tensor[] => {
          let next = 0;
          const result = rule.jvp(output, ps, present.map((there) => there ? ts[next++] : null));
          return result === null ? [] : [result];
        },
        [[...axes], axes.filter((_, i) => present[i])],
      );
      return mapped([...primals], tangents.filter((t) => t !== null))[0] ?? null;
    },
    vjp(output, primals, cotangent) {
      let there: boolean[] = [];
      const mapped = vmap((ps: Tensor[], ct: Tensor): Tensor[] => {
        const results = rule.vjp(output, ps, ct);
        there = results.map((x) => x !== null);
        return results.filter((x) => x !== null);
      }, [[...axes], 0]);
      const results = mapped([...primals], cotangent);
      let next = 0;
      return axes.map((axis, i) => {
        if (!there[i]) return null;
        const result = results[next++];
        // A primal that is the same for all examples gathers the cotangents of all of them.
        return axis === null ? sum(result, [0]) : moveAxis(result, 0, axis);
      });
    },
    batch: (outer, outerSize) => batchedRule(batchedRule(rule, axes, size), outer, outerSize),
  };
}

/** Calls the function on primals whose own derivatives are cut, and marks its outputs with the rule. */
function mark<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  args: Args,
  where: string,
  makeRule: (structure: TreeStructure, outputs: Tensor[], outputStructure: TreeStructure) => Omit<
    CustomRule,
    "batch"
  >,
): Out {
  const { leaves, structure } = flattenTree(args, where);
  const cut = leaves.map((x) => apply("stopGradient", {}, x));
  const result = f(...unflattenTree(structure, cut) as Args);
  const flat = flattenTree(result, `${where}: result`);
  const partial = makeRule(structure, flat.leaves, flat.structure);
  const rule: CustomRule = {
    ...partial,
    batch: (axes, size) => batchedRule(rule, axes, size),
  };
  const marked = flat.leaves.map((value, output) =>
    apply("customDerivative", { rule, output }, value, ...leaves)
  );
  return unflattenTree(flat.structure, marked) as Out;
}

/**
 * A function with a reverse-mode derivative of one's own, as in `jax.custom_vjp`.
 *
 * `forward` returns the result and residuals; `backward` takes the residuals and the result's cotangent, and returns one
 * cotangent for each argument (a tuple). `backward` must be linear in the cotangent; forward mode is its transpose. Throws
 * a `ShapeError` for a cotangent unlike its argument and a `TreeError` for another structure.
 *
 * @example
 * ```ts
 * import { customVjp, grad, tensor } from "@tangents/ntk";
 * const clipGradient = customVjp(
 *   (x) => x,
 *   (x) => [x, null],
 *   (_, cotangent) => [cotangent.clip(-1, 1)],
 * );
 * const gradient = grad((x) => clipGradient(x).mul(5).sum())(tensor([2]));
 * console.log(await gradient.toArray()); // [1]
 * ```
 */
export function customVjp<Args extends readonly Tensor[], Residuals>(
  f: (...args: Args) => Tensor,
  forward: (...args: Args) => [Tensor, Residuals],
  backward: (residuals: Residuals, cotangent: Tensor) => readonly [...Args],
): (...args: Args) => Tensor;
/** A derivative of one's own for a function of trees. */
export function customVjp<Args extends readonly unknown[], Out, Residuals>(
  f: (...args: Args) => Out,
  forward: (...args: Args) => [Out, Residuals],
  backward: (residuals: Residuals, cotangent: Out) => readonly [...Args],
): (...args: Args) => Out;
export function customVjp<Args extends readonly unknown[], Out, Residuals>(
  f: (...args: Args) => Out,
  forward: (...args: Args) => [Out, Residuals],
  backward: (residuals: Residuals, cotangent: Out) => readonly [...Args],
): (...args: Args) => Out {
  [f, forward, backward].forEach((g) => checkFunction(g, "customVjp"));
  return (...args) =>
    mark(f, args, "customVjp", (structure, outputs, outputStructure) => {
      const vjp: CustomRule["vjp"] = (output, primals, cotangent) => {
        const pair: unknown = forward(...unflattenTree(structure, primals) as Args);
        if (!Array.isArray(pair) || pair.length !== 2) {
          throw new TreeError("customVjp: expected forward to return [result, residuals]");
        }
        const [result, residuals] = pair as [Out, Residuals];
        const like = leavesLike(result, outputStructure, "customVjp: result of forward");
        const cotangents = like.map((x, i) => i === output ? cotangent : zerosLike(x));
        const given = backward(residuals, unflattenTree(outputStructure, cotangents) as Out);
        const results = leavesLike(given, structure, "customVjp: result of backward");
        results.forEach((x, i) => checkLike(x, primals[i], "customVjp: result of backward"));
        return results.map((x) => isFloat(x.dtype) ? x : null);
      };
      return {
        vjp,
        jvp(output, primals, tangents) {
          // With a backward pass v ↦ vᵀJ that is linear in v, J·t is the transpose of it at t.
          const recording = recordOnAliases(
            (v: Tensor) => vjp(output, primals, v).filter((x) => x !== null),
            [zerosLike(outputs[output])],
            "customVjp",
          );
          const dense = tangents.map((t, i) => t ?? zerosLike(primals[i]))
            .filter((t) => isFloat(t.dtype));
          return pullback(recording, dense)[0];
        },
      };
    });
}

/**
 * A function with a forward-mode derivative of one's own, as in `jax.custom_jvp`.
 *
 * `rule` takes the primals and their tangents (tuples) and returns the result's tangent; it must be linear in the
 * tangents. Reverse mode is its transpose. Throws a `ShapeError` for a tangent unlike the result.
 *
 * @example
 * ```ts
 * import { customJvp, grad, tensor } from "@tangents/ntk";
 * const softplus = customJvp(
 *   (x) => x.exp().log1p(),
 *   ([x], [tangent]) => tangent.mul(x.sigmoid()),
 * );
 * console.log(await grad((x) => softplus(x).sum())(tensor([0])).toArray()); // [0.5]
 * ```
 */
export function customJvp<Args extends readonly Tensor[]>(
  f: (...args: Args) => Tensor,
  rule: (primals: Args, tangents: Args) => Tensor,
): (...args: Args) => Tensor;
/** A tangent of one's own for a function of trees. */
export function customJvp<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  rule: (primals: Args, tangents: Args) => Out,
): (...args: Args) => Out;
export function customJvp<Args extends readonly unknown[], Out>(
  f: (...args: Args) => Out,
  rule: (primals: Args, tangents: Args) => Out,
): (...args: Args) => Out {
  [f, rule].forEach((g) => checkFunction(g, "customJvp"));
  return (...args) =>
    mark(f, args, "customJvp", (structure, outputs, outputStructure) => {
      const push = (output: number, primals: readonly Tensor[], tangents: Tensor[]): Tensor => {
        const result = rule(
          unflattenTree(structure, primals) as Args,
          unflattenTree(structure, tangents) as Args,
        );
        const list = leavesLike(result, outputStructure, "customJvp: tangent");
        checkLike(list[output], outputs[output], "customJvp: tangent");
        return list[output];
      };
      return {
        jvp: (output, primals, tangents) =>
          push(output, primals, tangents.map((t, i) => t ?? zerosLike(primals[i]))),
        vjp: (output, primals, cotangent) =>
          transpose((tangents) => push(output, primals, tangents), primals, cotangent),
      };
    });
}
