/**
 * A loaded graph as a function of parameters and one example.
 *
 * @module
 */

import { ArgumentError } from "../base/errors.ts";
import { formatShape, sameShape, type Shape } from "../base/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { BakedBatch } from "./batch.ts";
import type { Constant } from "./constant.ts";
import { OnnxError } from "./error.ts";
import { type ExampleAxis, exampleAxisOf, type Input, unbatch } from "./examples.ts";
import type { PreparedGraph, PreparedNode } from "./graph.ts";
import { runNodes, type RunSettings } from "./run.ts";
import type { Precision } from "./types.ts";
import { Value } from "./value.ts";

/** Shapes of inputs whose constants are remembered; the oldest go first. */
const mostPlans = 32;

/** What is left to do for inputs of certain shapes, once all that follows from the shapes is known. */
interface Plan {
  readonly known: ReadonlyMap<string, Value>;
  readonly nodes: readonly PreparedNode[];
  readonly settings: RunSettings;
}

/** A graph with its parameters taken out. */
export class Network {
  readonly #graph: PreparedGraph;
  readonly #inputs: readonly Input[];
  readonly #parameters: ReadonlyMap<string, Constant>;
  readonly #constants = new Map<string, Value>();
  readonly #precision: Precision;
  readonly #exampleAxis: ExampleAxis | undefined;
  readonly #batchSize: number;
  readonly #plans = new Map<string, Plan>();

  /** A network from a graph; some of its constants are parameters. */
  constructor(
    graph: PreparedGraph,
    inputs: readonly Input[],
    parameters: ReadonlyMap<string, Constant>,
    precision: Precision,
    exampleAxis: ExampleAxis | undefined,
  ) {
    this.#graph = graph;
    this.#inputs = inputs;
    this.#parameters = parameters;
    this.#precision = precision;
    this.#exampleAxis = exampleAxis;
    for (const [name, constant] of graph.constants) {
      if (!parameters.has(name)) this.#constants.set(name, Value.ofConstant(constant));
    }
    const sizes = [...new Set(inputs.map((input) => input.batchSize).filter((n) => n > 1))];
    if (sizes.length > 1) {
      throw new OnnxError(
        `the inputs have batches of ${
          sizes.join(" and ")
        } examples; give exampleAxis for each input, with null for those without one`,
      );
    }
    this.#batchSize = sizes[0] ?? 1;
  }

  /** The outputs for one example. */
  run(params: Readonly<Record<string, Tensor>>, x: unknown): Tensor | Record<string, Tensor> {
    const values = new Map(this.#constants);
    this.#bindParameters(params, values);
    const key = this.#bindInputs(x, values);
    const plan = this.#plans.get(key);
    if (plan === undefined) {
      this.#plans.set(key, this.#firstRun(values));
      if (this.#plans.size > mostPlans) this.#plans.delete(this.#plans.keys().next().value!);
    } else {
      for (const [name, value] of plan.known) values.set(name, value);
      runNodes(plan.nodes, values, plan.settings);
    }
    const results = this.#graph.outputs.map((name) =>
      [name, unbatch(values.get(name)!, name, exampleAxisOf(this.#exampleAxis, name))] as const
    );
    return results.length === 1 ? results[0][1] : Object.fromEntries(results);
  }

  #bindParameters(params: Readonly<Record<string, Tensor>>, values: Map<string, Value>): void {
    for (const [name, { type, shape }] of this.#parameters) {
      const given = params[name];
      if (!(given instanceof Tensor)) {
        throw new ArgumentError(`parameter ${JSON.stringify(name)} is missing`);
      }
      if (!sameShape(given.shape, shape)) {
        throw new ArgumentError(
          `parameter ${JSON.stringify(name)} has shape ${formatShape(shape)}, got ${
            formatShape(given.shape)
          }`,
        );
      }
      values.set(name, Value.ofTensor(given, type));
    }
  }

  /** Adds the inputs to the values; returns a key of their shapes. */
  #bindInputs(x: unknown, values: Map<string, Value>): string {
    const given = (name: string): unknown => {
      if (this.#inputs.length === 1 && x instanceof Tensor) return x;
      return (x as Record<string, unknown> | null)?.[name];
    };
    return this.#inputs.map((input) => {
      const { name } = input.declared;
      const value = input.batch(given(name));
      values.set(name, value);
      return `${value.dtype}[${value.shape}]`;
    }).join();
  }

  /** Runs all nodes, and finds out what needs no running when inputs of these shapes come again. */
  #firstRun(values: Map<string, Value>): Plan {
    const settings: RunSettings = { precision: this.#precision, batch: this.#baked(values) };
    const { nodes } = this.#graph;
    const independent = new Set(this.#constants.keys());
    runNodes(nodes, values, settings);
    const known = new Map<string, Value>();
    const left: PreparedNode[] = [];
    for (const node of nodes) {
      const free = [...node.inputs, ...node.captures]
        .every((name) => name === "" || independent.has(name));
      const outputs = node.outputs.filter((name) => name !== "");
      const done = free || outputs.every((name) => values.get(name)!.constant !== null);
      if (!done) left.push(node);
      for (const name of outputs) {
        if (!done && values.get(name)!.constant === null) continue;
        known.set(name, values.get(name)!);
        if (done) independent.add(name);
      }
    }
    return { known, nodes: left, settings };
  }

  /** The shapes of all values with the batch that the exporter wrote down. */
  #baked(values: ReadonlyMap<string, Value>): BakedBatch | null {
    if (this.#batchSize === 1) return null;
    const shapes = new Map<string, Shape>();
    const whole = new Map(values);
    for (const input of this.#inputs) {
      const { name } = input.declared;
      whole.set(name, input.wholeBatch(values.get(name)!, this.#batchSize));
      shapes.set(name, whole.get(name)!.shape);
    }
    const onValue = (name: string, { shape }: Value): void => void shapes.set(name, shape);
    runNodes(this.#graph.nodes, whole, { precision: this.#precision, batch: null, onValue });
    return new BakedBatch(this.#batchSize, shapes, this.#parameters);
  }
}
