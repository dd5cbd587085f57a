/**
 * What an operator is given to run on.
 *
 * @module
 */

import type { DType } from "../base/dtype.ts";
import { formatShape, sameShape, type Shape } from "../base/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { Constant } from "./constant.ts";
import { OnnxError } from "./error.ts";
import type { PreparedGraph, PreparedNode } from "./graph.ts";
import type { OperatorContext } from "./operator.ts";
import type { RunSettings } from "./run.ts";
import { allocateFor, dtypeFor, type ElementType, typeName, typeOfCode } from "./types.ts";
import { Value } from "./value.ts";

/** A node with the values of its inputs. */
export class NodeContext implements OperatorContext {
  readonly #node: PreparedNode;
  readonly #inputs: readonly (Value | null)[];
  /** Whether all inputs are constants that are computed with now. */
  readonly #known: boolean;
  readonly #settings: RunSettings;
  readonly #runGraph: OperatorContext["runGraph"];

  /** A context for one run of one node. */
  constructor(
    node: PreparedNode,
    inputs: readonly (Value | null)[],
    known: boolean,
    settings: RunSettings,
    runGraph: OperatorContext["runGraph"],
  ) {
    this.#node = node;
    this.#inputs = inputs;
    this.#known = known;
    this.#settings = settings;
    this.#runGraph = runGraph;
  }

  get version(): number {
    return this.#node.version;
  }

  get inputCount(): number {
    return this.#inputs.length;
  }

  get outputCount(): number {
    return this.#node.outputs.length;
  }

  has(input: number): boolean {
    return (this.#inputs[input] ?? null) !== null;
  }

  wants(output: number): boolean {
    return (this.#node.outputs[output] ?? "") !== "";
  }

  value(input: number): Value {
    return this.#inputs[input] ?? this.fail(`input ${input} is missing`);
  }

  tensor(input: number): Tensor {
    const value = this.value(input);
    try {
      return this.tensorOf(value);
    } catch (error) {
      if (error instanceof OnnxError) this.fail(`input ${input}: ${error.message}`);
      throw error;
    }
  }

  tensorOf(value: Value): Tensor {
    return this.#known && value.constant !== null ? value.constant.hostTensor : value.tensor;
  }

  sequence(input: number): readonly Value[] {
    return this.value(input).elements ??
      this.fail(`input ${input} is a tensor, expected a sequence`);
  }

  optionalTensor(input: number): Tensor | null {
    return this.has(input) ? this.tensor(input) : null;
  }

  tensors(): Tensor[] {
    return this.#inputs.map((_, i) => this.tensor(i));
  }

  constant(input: number): Constant {
    const { constant } = this.value(input);
    if (constant !== null) return constant;
    return this.fail(
      `input ${input}, ${
        JSON.stringify(this.#node.inputs[input])
      }, must be known before the network runs, but depends on what it is given`,
    );
  }

  optionalConstant(input: number): Constant | null {
    return this.has(input) ? this.constant(input) : null;
  }

  numbers(input: number): number[] {
    return Array.from(this.constant(input).data);
  }

  optionalNumbers(input: number): number[] | null {
    return this.has(input) ? this.numbers(input) : null;
  }

  number(input: number): number {
    const { data, shape } = this.constant(input);
    if (data.length === 1) return data[0];
    return this.fail(`input ${input} has shape ${formatShape(shape)}, expected a single number`);
  }

  optionalNumber(input: number): number | null {
    return this.has(input) ? this.number(input) : null;
  }

  shape(input: number): Shape {
    const value = this.value(input);
    return value.elements === null ? value.shape : this.fail(`input ${input} is a sequence`);
  }

  type(input: number): ElementType {
    return this.value(input).type;
  }

  dtypeFor(type: ElementType): DType {
    return dtypeFor(type, this.#settings.precision);
  }

  typeOfCode(code: number): ElementType {
    return typeOfCode(code) ?? this.fail(`${typeName(code)} cannot be computed with`);
  }

  makeConstant(type: ElementType, shape: Shape, values: ArrayLike<number>): Constant {
    const { precision } = this.#settings;
    const data = allocateFor(type, values.length, precision);
    data.set(values);
    return new Constant(type, shape, data, precision);
  }

  typed(tensor: Tensor, type: ElementType): Value {
    return Value.ofTensor(tensor, type);
  }

  withoutBatch(shape: Shape, keeps: "axes" | "order"): Shape {
    const { batch } = this.#settings;
    if (batch === null) return shape;
    const [input, output] = [this.#node.inputs[0], this.#node.outputs[0]];
    const [whole, result] = [batch.whole(input), batch.whole(output)];
    const own = this.shape(0);
    // What no input of the network reaches has no batch.
    if (whole === null || result === null || sameShape(own, whole)) return shape;
    const found = keeps === "axes"
      ? batch.alongAxes(input, own, output)
      : batch.inOrder(input, own, output);
    return found ?? this.fail(
      `the file was exported for a batch of ${batch.size}, and it is not known where the batch goes: ${
        formatShape(whole)
      } becomes ${formatShape(result)}; export it with a batch of 1 or a dynamic batch`,
    );
  }

  runGraph(graph: PreparedGraph, inputs: readonly Value[]): Value[] {
    return this.#runGraph(graph, inputs);
  }

  fail(reason: string): never {
    throw new OnnxError(`${this.#node.title}: ${reason}`, { offset: this.#node.offset });
  }
}
