/**
 * ONNX's operators of layers: derivatives against central differences in float64, and batching against loops. The cases are in
 * helpers/onnx_cases_b.ts.
 */
import type { Tensor } from "../mod.ts";
import {
  axisChoices,
  batchOperands,
  checkBatched,
  checkFirstOrder,
} from "./helpers/differences.ts";
import { layerCases, operandsOf, type OperatorCase } from "./helpers/onnx_cases_b.ts";
import { callOperator } from "./helpers/onnx_operator.ts";

/** Output `which` as a function of the operands. */
function functionOf(given: OperatorCase, which: number) {
  return (...xs: Tensor[]): Tensor => {
    const inputs: (Tensor | NonNullable<OperatorCase["fixed"]>[number])[] = [];
    const fixed = given.fixed ?? {};
    const rest = [...xs];
    for (let i = 0; rest.length > 0 || i in fixed; i++) {
      inputs.push(i in fixed ? fixed[i] : rest.shift()!);
    }
    return callOperator(given, inputs)[which];
  };
}

for (const [number, given] of layerCases.entries()) {
  const what = [given.operator, ...(given.name === undefined ? [] : [given.name])].join(", ");
  for (let which = 0; which < (given.outputs ?? 1); which++) {
    const f = functionOf(given, which);
    Deno.test(`${what}: output ${which}, derivatives`, () => {
      checkFirstOrder(f, operandsOf(given, number), { what, step: 1e-4, tolerance: 1e-7 });
    });
    Deno.test(`${what}: output ${which}, batches`, async () => {
      const examples = [0, 1].map((i) => operandsOf(given, 100 * number + i));
      const ranks = given.operands.map((shape) => shape.length);
      const choices = axisChoices(ranks).filter((axes) =>
        axes.every((axis) => axis === null || axis === 0) &&
        axes.every((axis, i) => axis === null || (given.mapped?.[i] ?? true))
      );
      for (const axes of choices.filter((_, i) => i % Math.ceil(choices.length / 8) === 0)) {
        await checkBatched(f, batchOperands(examples, axes), axes, what);
      }
    });
  }
}
