/**
 * Running a graph: node by node, on tensors that compute nothing until they are read.
 *
 * @module
 */

import { TangentsError } from "../base/errors.ts";
import { formatShape, sizeOf } from "../base/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { BakedBatch } from "./batch.ts";
import { Constant } from "./constant.ts";
import { NodeContext } from "./context.ts";
import { OnnxError } from "./error.ts";
import { evaluate } from "./evaluate.ts";
import type { PreparedGraph, PreparedNode } from "./graph.ts";
import { allocateFor, type ElementType, type Precision } from "./types.ts";
import { type Result, Value } from "./value.ts";

/** Constants of at most this many elements are computed while loading. */
const mostElements = 1 << 16;

/** Elements of more than this are no result that a file can mean. */
const absurd = 2 ** 40;

/** Nodes that loops may run, so that files which ask for endless ones are refused in bounded time. */
const mostSteps = 1 << 17;

/** How many nodes of subgraphs may still be run. */
interface Budget {
  left: number;
}

/** What a run needs to know besides values. */
export interface RunSettings {
  /** What real numbers are computed in. */
  readonly precision: Precision;
  /** The batch to take out; null where there is none. */
  readonly batch: BakedBatch | null;
  /** Called with every value that a node computes. */
  readonly onValue?: (name: string, value: Value) => void;
}

/** The element type of a result that the operator does not name: that of the first input of its dtype. */
function typeOfResult(tensor: Tensor, inputs: readonly (Value | null)[]): ElementType {
  const first = inputs.find((value) => value?.elements === null && value.dtype === tensor.dtype);
  return first?.type ?? tensor.dtype;
}

function toValue(result: Result, inputs: readonly (Value | null)[]): Value {
  if (result instanceof Value) return result;
  if (result instanceof Constant) return Value.ofConstant(result);
  return Value.ofTensor(result, typeOfResult(result, inputs));
}

/** The value with its elements, where they can be computed now and are few. */
function fold(value: Value, precision: Precision): Value {
  if (value.elements !== null) {
    return Value.ofSequence(value.elements.map((element) => fold(element, precision)));
  }
  if (value.constant !== null || sizeOf(value.shape) > mostElements) return value;
  const elements = evaluate(value.tensor);
  if (elements === null) return value;
  const data = allocateFor(value.type, elements.length, precision);
  data.set(elements);
  return Value.ofConstant(new Constant(value.type, value.shape, data, precision));
}

/** Whether a value is known, and small enough to compute with while loading. */
function isSmall(value: Value | null): boolean {
  if (value === null) return true;
  if (value.elements !== null) return value.elements.every(isSmall);
  return value.constant !== null && value.constant.data.length <= mostElements;
}

function isList(result: Result | readonly (Result | null)[]): result is readonly (Result | null)[] {
  return Array.isArray(result);
}

/** The outputs of one node, null for those that nobody wants. Throws an `OnnxError` that names it. */
type Compute = (inputs: readonly (Value | null)[]) => (Value | null)[];

function computing(
  node: PreparedNode,
  values: ReadonlyMap<string, Value>,
  settings: RunSettings,
  budget: Budget,
): Compute {
  const around = node.captures.map((name) => values.get(name)!);
  return (inputs) => {
    const known = [...inputs, ...around].every(isSmall);
    const context = new NodeContext(node, inputs, known, settings, (graph, given) => {
      const scope = new Map(values);
      graph.inputs.forEach((name, i) => scope.set(name, given[i]));
      budget.left -= graph.nodes.length + 1;
      if (budget.left < 0) context.fail(`loops run more than ${mostSteps} nodes`);
      return runWithin(graph, scope, settings, budget);
    });
    try {
      const result = node.operator.run(context, node.attributes);
      const results = isList(result) ? result : [result];
      return node.outputs.map((name, i) => {
        if (name === "") return null;
        const output = results[i] ?? context.fail(`output ${i} is not computed`);
        const value = toValue(output, inputs);
        if (value.elements === null && sizeOf(value.shape) > absurd) {
          context.fail(
            `its output ${i} has shape ${formatShape(value.shape)}, too large for any memory`,
          );
        }
        return known ? fold(value, settings.precision) : value;
      });
    } catch (error) {
      if (error instanceof OnnxError || !(error instanceof TangentsError)) throw error;
      throw new OnnxError(`${node.title}: ${error.message}`, { offset: node.offset, cause: error });
    }
  };
}

/**
 * The outputs of one node without the batch that the exporter wrote down. Where they are not those of one example, what the file
 * repeats for each of the batch is taken once.
 */
function computeOne(
  node: PreparedNode,
  inputs: readonly (Value | null)[],
  compute: Compute,
  batch: BakedBatch,
): (Value | null)[] {
  const axes = inputs.map((value, i) =>
    value === null || value.elements !== null ? null : batch.axisOf(node.inputs[i], value.shape)
  );
  const carrier = axes.findIndex((axis) => axis !== null);
  if (carrier < 0) return compute(inputs);
  const fit = (outputs: readonly (Value | null)[]): boolean =>
    outputs.every((value, i) => value === null || batch.fits(node.outputs[i], value));
  const attempt = (given: readonly (Value | null)[]): (Value | null)[] | OnnxError => {
    try {
      return compute(given);
    } catch (error) {
      if (error instanceof OnnxError) return error;
      throw error;
    }
  };
  const first = attempt(inputs);
  if (!(first instanceof OnnxError) && fit(first)) return first;
  const { shape } = inputs[carrier]!;
  const single = inputs.map((value, i) => {
    if (value === null || value.elements !== null || axes[i] !== null) return value;
    return batch.single(node.inputs[i], value, shape, axes[carrier]!) ?? value;
  });
  const second = single.every((value, i) => value === inputs[i]) ? first : attempt(single);
  if (!(second instanceof OnnxError) && fit(second)) return second;
  if (first instanceof OnnxError) throw first;
  return first;
}

/** Runs one node and adds its outputs to the values. Throws an `OnnxError` that names it. */
function runNode(
  node: PreparedNode,
  values: Map<string, Value>,
  settings: RunSettings,
  budget: Budget,
): void {
  const inputs = node.inputs.map((name) => name === "" ? null : values.get(name)!);
  const { batch } = settings;
  const compute = computing(node, values, settings, budget);
  const outputs = batch === null ? compute(inputs) : computeOne(node, inputs, compute, batch);
  for (const [i, value] of outputs.entries()) {
    if (value === null) continue;
    const name = node.outputs[i];
    values.set(name, value);
    if (value.elements !== null) continue;
    settings.onValue?.(name, value);
    batch?.follow(node.inputs, name, value.shape);
  }
}

/** Runs nodes in order; their outputs join the values. */
export function runNodes(
  nodes: readonly PreparedNode[],
  values: Map<string, Value>,
  settings: RunSettings,
): void {
  const budget = { left: mostSteps };
  for (const node of nodes) runNode(node, values, settings, budget);
}

function runWithin(
  graph: PreparedGraph,
  scope: Map<string, Value>,
  settings: RunSettings,
  budget: Budget,
): Value[] {
  for (const [name, constant] of graph.constants) scope.set(name, Value.ofConstant(constant));
  for (const node of graph.nodes) runNode(node, scope, settings, budget);
  return graph.outputs.map((name) => scope.get(name)!);
}

/** Runs a graph in a scope that holds its inputs and what it takes from around; returns its outputs. */
export function runGraph(
  graph: PreparedGraph,
  scope: Map<string, Value>,
  settings: RunSettings,
): Value[] {
  return runWithin(graph, scope, settings, { left: mostSteps });
}
