/**
 * The interface of operators: what each says about itself, and what it is given to run.
 *
 * @module
 */

import type { DType } from "../base/dtype.ts";
import type { Shape } from "../base/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import type { AttributeTable, AttributeValues } from "./attributes.ts";
import type { Constant } from "./constant.ts";
import type { PreparedGraph } from "./graph.ts";
import type { ElementType } from "./types.ts";
import type { Result, Value } from "./value.ts";

/** A node as an operator sees it while it runs. Every method throws an `OnnxError` that names the node. */
export interface OperatorContext {
  /** The version of the operator's definition: the last of `since` that the file's opset has reached. */
  readonly version: number;
  /** How many inputs the node names, those left out in between included. */
  readonly inputCount: number;
  /** How many outputs the node names. */
  readonly outputCount: number;
  /** Whether an input is given. */
  has(input: number): boolean;
  /** Whether an output is named, and so must be computed. */
  wants(output: number): boolean;
  /** An input as a tensor. */
  tensor(input: number): Tensor;
  /** An input as a tensor; null where it is left out. */
  optionalTensor(input: number): Tensor | null;
  /** All inputs as tensors; none may be left out. */
  tensors(): Tensor[];
  /** An input whose elements must be known before the network runs, such as a shape. */
  constant(input: number): Constant;
  /** The same; null where it is left out. */
  optionalConstant(input: number): Constant | null;
  /** The elements of such an input as a list. */
  numbers(input: number): number[];
  /** The same; null where it is left out. */
  optionalNumbers(input: number): number[] | null;
  /** The only element of such an input. */
  number(input: number): number;
  /** The same; null where it is left out. */
  optionalNumber(input: number): number | null;
  /** An input as it is: a tensor, a constant or a sequence. */
  value(input: number): Value;
  /** The elements of an input that is a sequence. */
  sequence(input: number): readonly Value[];
  /** An element of a sequence or a result of a subgraph as a tensor. */
  tensorOf(value: Value): Tensor;
  /** The shape of an input. */
  shape(input: number): Shape;
  /** The element type of an input by the file. */
  type(input: number): ElementType;
  /** The dtype of tensors that stand for an element type. */
  dtypeFor(type: ElementType): DType;
  /** The element type of a code in an attribute. */
  typeOfCode(code: number): ElementType;
  /** A constant of a type; real numbers in the model's precision. */
  makeConstant(type: ElementType, shape: Shape, values: ArrayLike<number>): Constant;
  /** A tensor as a value with an element type of its own, where it is not that of the first input of its dtype. */
  typed(tensor: Tensor, type: ElementType): Value;
  /**
   * The shape that a result takes where the file asks for `shape`, which may hold a batch size that the exporter wrote down as a
   * number: where the first input lacks that batch, so does the result. The first input's elements keep their axes, counted
   * from the last, or, for a reshape, their order.
   */
  withoutBatch(shape: Shape, keeps: "axes" | "order"): Shape;
  /** Runs a subgraph with values for its inputs; names from around it are known to it. */
  runGraph(graph: PreparedGraph, inputs: readonly Value[]): Value[];
  /** Throws an error about the node. */
  fail(reason: string): never;
}

/** An operator, ready for the table. */
export interface Operator {
  /** The name in ONNX. */
  readonly name: string;
  /** The domain; empty for ONNX's own. */
  readonly domain: string;
  /** The versions of the domain that changed it, from the first that is understood. */
  readonly since: readonly number[];
  /** The fewest and the most inputs. */
  readonly inputs: readonly [least: number, most: number];
  /** Its attributes, of all versions. */
  readonly attributes: AttributeTable;
  /** Inputs that are parameters where a stored tensor stands there. */
  readonly trainable: readonly number[] | "all";
  /** Whether a single number there is a constant of the formula rather than a parameter. */
  readonly numbersAreConstants: boolean;
  /** Inputs that go through: they are parameters where the result stands in a place for them. */
  readonly passes: readonly number[] | "all";
  /** Computes the outputs. */
  readonly run: (
    context: OperatorContext,
    attributes: Readonly<Record<string, unknown>>,
  ) => Result | readonly (Result | null)[];
}

/** An operator as it is written down: one entry of a family. */
export interface OperatorDefinition<A extends AttributeTable> {
  /** The name in ONNX. */
  readonly name: string;
  /** The domain; ONNX's own by default. */
  readonly domain?: string;
  /** The versions of the domain that changed it, in order, from the first that is understood. */
  readonly since: readonly number[];
  /** The number of inputs, or the fewest and the most. */
  readonly inputs: number | readonly [least: number, most: number];
  /** Its attributes, of all versions. */
  readonly attributes?: A;
  /** Inputs that are parameters where a stored tensor stands there; none by default. */
  readonly trainable?: readonly number[] | "all";
  /** Whether a single number there is a constant of the formula rather than a parameter; false by default. */
  readonly numbersAreConstants?: boolean;
  /** Inputs that go through: they are parameters where the result stands in a place for them; none by default. */
  readonly passes?: readonly number[] | "all";
  /** Computes the outputs: one, or a list in the node's order, null where an output is not wanted. */
  run(
    context: OperatorContext,
    attributes: AttributeValues<A>,
  ): Result | readonly (Result | null)[];
}

/** An operator from its definition. */
export function operator<A extends AttributeTable = Record<never, never>>(
  definition: OperatorDefinition<A>,
): Operator {
  const { name, domain = "", since, inputs, attributes, trainable = [], passes = [] } = definition;
  return {
    name,
    domain,
    since,
    inputs: typeof inputs === "number" ? [inputs, inputs] : inputs,
    attributes: attributes ?? {},
    trainable,
    numbersAreConstants: definition.numbersAreConstants ?? false,
    passes,
    run: (context, values) => definition.run(context, values as AttributeValues<A>),
  };
}
