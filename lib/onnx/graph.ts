/**
 * A graph made ready to run: operators found, attributes read, what nobody needs left out, nodes in an order in which their
 * inputs come first.
 *
 * @module
 */

import { type AttributeReader, readAttributes } from "./attributes.ts";
import type { Constant } from "./constant.ts";
import { OnnxError } from "./error.ts";
import type { FlatGraph, FlatNode } from "./flatten.ts";
import type { Operator } from "./operator.ts";
import { whyRefused } from "./operators/refused.ts";
import { findOperator, newestVersion, supportedFrom } from "./operators/table.ts";
import { decodeSparseTensor, decodeTensor, type TensorOptions } from "./tensors.ts";

/** A node that can be run. */
export interface PreparedNode {
  /** What errors call it. */
  readonly title: string;
  /** What it does. */
  readonly operator: Operator;
  /** The version of the operator's definition. */
  readonly version: number;
  /** Names of the inputs; empty for one that is left out. */
  readonly inputs: readonly string[];
  /** Names of the outputs; empty for one that nobody wants. */
  readonly outputs: readonly string[];
  /** The attributes by the operator's table. */
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Names from around the node that its subgraphs use. */
  readonly captures: readonly string[];
  /** The byte of the file where it begins. */
  readonly offset: number;
}

/** A graph that can be run. */
export interface PreparedGraph {
  /** Names of what the caller gives. */
  readonly inputs: readonly string[];
  /** Names of the results. */
  readonly outputs: readonly string[];
  /** Stored tensors that are needed, by name. */
  readonly constants: ReadonlyMap<string, Constant>;
  /** The nodes that are needed, in order. */
  readonly nodes: readonly PreparedNode[];
  /** Names from around the graph that it uses. */
  readonly captures: readonly string[];
}

class Preparation {
  readonly #options: TensorOptions;
  /** Nodes that cannot be run, as one line each. */
  readonly unsupported: { readonly text: string; readonly offset: number }[] = [];

  constructor(options: TensorOptions) {
    this.#options = options;
  }

  graph(flat: FlatGraph, inputs: readonly string[], outputs: readonly string[]): PreparedGraph {
    const given = new Set(inputs);
    const stored = this.#stored(flat);
    const producers = this.#producers(flat, given, stored);
    const nodes: PreparedNode[] = [];
    const constants = new Map<string, Constant>();
    const captures = new Set<string>();
    const prepared = new Map<FlatNode, PreparedNode>();
    const done = new Set<FlatNode>();

    /** The node that must come first; null where the name needs none. */
    const producerOf = (name: string): FlatNode | null => {
      if (name === "" || given.has(name)) return null;
      const producer = producers.get(name);
      if (producer !== undefined) return producer;
      const decode = stored.get(name);
      if (decode === undefined) captures.add(name);
      else if (!constants.has(name)) constants.set(name, decode());
      return null;
    };

    const stack = outputs.map(producerOf).filter((node) => node !== null).reverse();
    while (stack.length > 0) {
      const node = stack[stack.length - 1];
      if (done.has(node)) {
        stack.pop();
        continue;
      }
      const known = prepared.get(node);
      const ready = known ?? this.#node(node);
      const missing = [...ready.inputs, ...ready.captures].map(producerOf)
        .filter((producer) => producer !== null && !done.has(producer)) as FlatNode[];
      if (missing.length === 0) {
        nodes.push(ready);
        done.add(node);
        stack.pop();
        continue;
      }
      // All that it needs was on the stack above it already: one of them waits for this node.
      if (known !== undefined) {
        throw new OnnxError(`${node.title} needs its own result: the graph has a cycle`, {
          offset: node.offset,
        });
      }
      prepared.set(node, ready);
      for (const producer of missing.reverse()) stack.push(producer);
    }
    return { inputs, outputs, constants, nodes, captures: [...captures] };
  }

  /** Stored tensors by name, decoded when they are needed. */
  #stored(flat: FlatGraph): Map<string, () => Constant> {
    const stored = new Map<string, () => Constant>();
    for (const [name, tensor] of flat.initializers) {
      stored.set(name, () => decodeTensor(tensor, this.#options));
    }
    for (const sparse of flat.sparse) {
      stored.set(sparse.values?.name ?? "", () => decodeSparseTensor(sparse, this.#options));
    }
    return stored;
  }

  #producers(
    flat: FlatGraph,
    given: ReadonlySet<string>,
    stored: ReadonlyMap<string, unknown>,
  ): Map<string, FlatNode> {
    const producers = new Map<string, FlatNode>();
    const declared = new Set(flat.inputs.map(({ name }) => name));
    for (const node of flat.nodes) {
      for (const name of node.outputs) {
        if (name === "") continue;
        if (producers.has(name) || declared.has(name) || stored.has(name)) {
          throw new OnnxError(`${node.title}: ${JSON.stringify(name)} is defined twice`, {
            offset: node.offset,
          });
        }
        // What the caller gives takes the place of what the node would compute.
        if (!given.has(name)) producers.set(name, node);
      }
    }
    return producers;
  }

  #node(node: FlatNode): PreparedNode {
    const { title, inputs, outputs, offset } = node;
    const operator = this.#operator(node);
    const captures = new Set<string>();
    const reader: AttributeReader = {
      tensor: ({ t }) => decodeTensor(t!, this.#options),
      sparseTensor: ({ sparseTensor }) => decodeSparseTensor(sparseTensor!, this.#options),
      graph: ({ graph }) => {
        const names = graph!.outputs.map(({ name }) => name);
        const result = this.graph(graph!, graph!.inputs.map(({ name }) => name), names);
        for (const name of result.captures) captures.add(name);
        return result;
      },
    };
    if (operator === null) {
      return {
        title,
        operator: nothing,
        version: 0,
        inputs,
        outputs,
        attributes: {},
        captures: [],
        offset,
      };
    }
    const [least, most] = operator.inputs;
    if (inputs.length < least || inputs.length > most) {
      throw new OnnxError(
        `${title}: ${inputs.length} inputs, expected ${
          least === most ? least : most === Infinity ? `at least ${least}` : `${least} to ${most}`
        }`,
        { offset },
      );
    }
    const attributes = readAttributes(node, operator.attributes, reader);
    const version = operator.since.findLast((v) => v <= node.version!)!;
    return {
      title,
      operator,
      version,
      inputs,
      outputs,
      attributes,
      captures: [...captures],
      offset,
    };
  }

  /** The operator; null, with a line for the list of those that lack, where there is none. */
  #operator({ title, operator: name, domain, version, offset }: FlatNode): Operator | null {
    const shown = domain === "" ? "ai.onnx" : domain;
    const operator = findOperator(domain, name);
    const miss = (reason: string): null => {
      const text = `${title}, ${shown} version ${version ?? "none"}: ${reason}`;
      this.unsupported.push({ text: `${text} (at byte ${offset} of the file)`, offset });
      return null;
    };
    if (version === null) return miss("the file imports no version of the domain");
    if (operator === null) return miss(whyRefused(domain, name) ?? "no such operator");
    if (version < operator.since[0]) return miss(`known from version ${supportedFrom(operator)}`);
    if (domain === "" && version > newestVersion) {
      return miss(`versions up to ${newestVersion} are known`);
    }
    return operator;
  }
}

/** Stands for what is not supported until all of it is known. */
const nothing: Operator = {
  name: "",
  domain: "",
  since: [0],
  inputs: [0, Infinity],
  attributes: {},
  trainable: [],
  numbersAreConstants: false,
  passes: [],
  run: () => [],
};

/**
 * A graph from named inputs to named outputs, ready to run. Throws an `OnnxError` that lists every node that is not
 * supported, for names that nothing defines, for cycles and for attributes that do not fit.
 */
export function prepareGraph(
  flat: FlatGraph,
  inputs: readonly string[],
  outputs: readonly string[],
  options: TensorOptions,
): PreparedGraph {
  const preparation = new Preparation(options);
  const graph = preparation.graph(flat, inputs, outputs);
  const { unsupported } = preparation;
  if (unsupported.length > 0) {
    const error = new OnnxError(
      `${unsupported.length} node${unsupported.length === 1 ? " is" : "s are"} not supported:\n${
        unsupported.map(({ text }) => text).join("\n")
      }`,
    );
    // Each line says its place.
    throw Object.assign(error, { offset: unsupported[0].offset });
  }
  if (graph.captures.length > 0) {
    const [name] = graph.captures;
    const user = graph.nodes.find((node) =>
      node.inputs.includes(name) || node.captures.includes(name)
    );
    throw new OnnxError(
      `${user === undefined ? "an output" : user.title}: nothing defines ${JSON.stringify(name)}`,
      { offset: user?.offset ?? flat.offset },
    );
  }
  return graph;
}
