/**
 * ONNX's operators of elements, reductions and movement: derivatives against central differences in float64, and batching
 * against loops, of values and of derivatives. The cases are in helpers/onnx_cases_a.ts.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { OnnxError } from "../lib/onnx/error.ts";
import { families } from "../lib/onnx/operators/table.ts";
import type { PreparedGraph } from "../lib/onnx/graph.ts";
import { int64Constant } from "../lib/onnx/constant.ts";
import { findOperator } from "../lib/onnx/operators/table.ts";
import { runGraph } from "../lib/onnx/run.ts";
import { Value } from "../lib/onnx/value.ts";
import { type Tensor, tensor } from "../mod.ts";
import {
  batchOperands,
  checkBatched,
  checkFirstOrder,
  pullbacks,
  randomLike,
  randomSource,
  type TensorFunction,
} from "./helpers/differences.ts";
import { elementCases, elsewhere, withoutDerivatives } from "./helpers/onnx_cases_a.ts";
import { operandsOf, type OperatorCase } from "./helpers/onnx_cases_b.ts";
import { callOperator } from "./helpers/onnx_operator.ts";

/** Output `which` as a function of the operands. */
function functionOf(given: OperatorCase, which: number): TensorFunction {
  const { fixed = {} } = given;
  return (...xs) => {
    const rest = [...xs];
    const inputs = [];
    for (let i = 0; rest.length > 0 || i in fixed; i++) {
      inputs.push(i in fixed ? fixed[i] : rest.shift()!);
    }
    return callOperator(given, inputs)[which];
  };
}

/** Each operand alone, and all together, along axis 0. */
function choicesOf(count: number): (number | null)[][] {
  const alone = Array.from(
    { length: count },
    (_, i) => Array.from({ length: count }, (_, j) => i === j ? 0 : null),
  );
  return count === 1 ? alone : [...alone, Array.from({ length: count }, () => 0)];
}

async function checkBatches(f: TensorFunction, lists: Tensor[][], what: string): Promise<void> {
  for (const axes of choicesOf(lists[0].length)) {
    await checkBatched(f, batchOperands(lists, axes), axes, what);
  }
}

async function check(f: TensorFunction, lists: Tensor[][], what: string): Promise<void> {
  checkFirstOrder(f, lists[0], { what, step: 1e-4, tolerance: 1e-7 });
  await checkBatches(f, lists, what);
  const random = randomSource(5);
  const cotangents = lists.map((xs) => randomLike(f(...xs), random));
  for (const { f: pull, which } of pullbacks(f, lists[0])) {
    const extended = lists.map((xs, i) => [...xs, cotangents[i]]);
    await checkBatches(pull, extended, `${what}: vjp by operand ${which}`);
  }
}

for (const [number, given] of elementCases.entries()) {
  const what = [given.operator, ...(given.name === undefined ? [] : [given.name])].join(", ");
  Deno.test(`${what}: derivatives and batches`, async () => {
    const lists = [0, 1].map((i) => operandsOf(given, 100 * number + i));
    for (let which = 0; which < (given.outputs ?? 1); which++) {
      await check(functionOf(given, which), lists, what);
    }
  });
}

Deno.test("every operator of elements, reductions and movement has a case, or no derivative", () => {
  const names = ["algebra", "comparison", "constants", "contractions", "control", "cumulative"];
  names.push("elementwise", "gathering", "integers", "loops", "movement", "padding", "parts");
  names.push("quantization", "reductions", "scattering", "selection", "sequences", "shapes");
  names.push("trigonometry", "types", "variadic");
  const known = new Set(elementCases.map(({ operator }) => operator));
  const listed = [...withoutDerivatives, ...elsewhere];
  const operators = names.flatMap((name) => families[name]).map(({ name }) => name);
  const missing = operators.filter((name) => !known.has(name) && !listed.includes(name));
  assertEquals(missing, []);
});

/** A graph of nodes written as [operator, inputs, outputs, attributes]. */
type Line = readonly [string, string[], string[], Record<string, unknown>?];

function graphOf(inputs: string[], outputs: string[], lines: readonly Line[]): PreparedGraph {
  const nodes = lines.map(([name, given, results, attributes = {}]) => {
    const operator = findOperator("", name)!;
    const initial = Object.entries(operator.attributes).map(([key, a]) => [key, a.initial]);
    return {
      title: name,
      operator,
      version: operator.since.at(-1)!,
      inputs: given,
      outputs: results,
      attributes: { ...Object.fromEntries(initial), ...attributes },
      // What bodies take from around.
      captures: Object.values(attributes).flatMap((a) => (a as PreparedGraph)?.captures ?? []),
      offset: 0,
    };
  });
  const defined = new Set([...inputs, ...lines.flatMap((line) => line[2])]);
  const used = nodes.flatMap((node) => [...node.inputs, ...node.captures]);
  const captures = [...new Set([...used, ...outputs])].filter((n) => n !== "" && !defined.has(n));
  return { inputs, outputs, constants: new Map(), nodes, captures };
}

/** A graph's only output as a function of its inputs; `count` is known to be 3. */
function functionOfGraph(graph: PreparedGraph): TensorFunction {
  return (...xs) => {
    const scope = new Map(graph.inputs.map((name, i) => [name, Value.ofTensor(xs[i], "float64")]));
    scope.set("count", Value.ofConstant(int64Constant([3], [])));
    scope.set("one", Value.ofConstant(int64Constant([1], [])));
    return runGraph(graph, scope, { precision: "float64", batch: null })[0].tensor;
  };
}

const graphs: Record<string, { graph: PreparedGraph; shapes: number[][] }> = {
  Loop: {
    graph: graphOf(["x", "w"], ["y"], [
      ["Loop", ["count", "", "x"], ["last", "all"], {
        body: graphOf(["i", "going", "state"], ["going", "next", "next"], [
          ["Mul", ["state", "w"], ["product"]],
          ["Tanh", ["product"], ["next"]],
        ]),
      }],
      ["Mul", ["last", "all"], ["y"]],
    ]),
    shapes: [[2], [2]],
  },
  Scan: {
    graph: graphOf(["state", "xs"], ["y"], [
      ["Scan", ["state", "xs"], ["last", "all"], {
        num_scan_inputs: 1,
        scan_input_axes: [1],
        scan_input_directions: [1],
        body: graphOf(["h", "x"], ["next", "product"], [
          ["Mul", ["h", "x"], ["product"]],
          ["Sin", ["product"], ["next"]],
        ]),
      }],
      ["Add", ["last", "all"], ["y"]],
    ]),
    shapes: [[2], [2, 4]],
  },
  "SplitToSequence, SequenceAt, SequenceInsert, SequenceErase and ConcatFromSequence": {
    graph: graphOf(["x"], ["y"], [
      ["SplitToSequence", ["x", "one"], ["parts"]],
      ["SequenceAt", ["parts", "one"], ["second"]],
      ["Exp", ["second"], ["e"]],
      ["SequenceInsert", ["parts", "e", "one"], ["more"]],
      ["SequenceErase", ["more"], ["fewer"]],
      ["ConcatFromSequence", ["fewer"], ["y"], { axis: 1 }],
    ]),
    shapes: [[3, 2]],
  },
  SequenceMap: {
    graph: graphOf(["x", "w"], ["y"], [
      ["SequenceConstruct", ["x", "w"], ["list"]],
      ["SequenceMap", ["list", "w"], ["mapped"], {
        body: graphOf(["a", "b"], ["c"], [["Mul", ["a", "b"], ["c"]]]),
      }],
      ["ConcatFromSequence", ["mapped"], ["y"], { axis: 0, new_axis: 1 }],
    ]),
    shapes: [[2], [2]],
  },
};

Deno.test("a loop without an end, or with too many steps, is refused", () => {
  const body = graphOf(["i", "going", "state"], ["going", "next"], [
    ["Mul", ["state", "state"], ["next"]],
  ]);
  const endless = graphOf(["x"], ["y"], [["Loop", ["", "", "x"], ["y"], { body }]]);
  const run = functionOfGraph(endless);
  assertThrows(() => run(tensor([1, 2])), OnnxError, "loops run more than");
});

for (const [what, { graph, shapes }] of Object.entries(graphs)) {
  Deno.test(`${what}: derivatives and batches`, async () => {
    const random = randomSource(3);
    const lists = [0, 1].map(() =>
      shapes.map((shape) =>
        randomLike(tensor(new Float64Array(shape.reduce((a, b) => a * b)), { shape }), random)
      )
    );
    await check(functionOfGraph(graph), lists, what);
  });
}
