/**
 * A model without functions: each use of an operator that the file defines itself is replaced by the nodes of the definition.
 *
 * @module
 */

import { OnnxError } from "./error.ts";
import type {
  AttributeMessage,
  FunctionMessage,
  GraphMessage,
  ModelMessage,
  NodeMessage,
  OperatorSetMessage,
  TensorMessage,
  ValueInfoMessage,
} from "./messages.ts";
import { isReal, typeOfCode } from "./types.ts";

/** More nodes than any network has: definitions that double at each level reach it quickly. */
const mostNodes = 500_000;
const deepest = 100;

/** An attribute; a subgraph in it is flat too. */
export interface FlatAttribute extends Omit<AttributeMessage, "g"> {
  /** The subgraph, if it is one. */
  readonly graph: FlatGraph | null;
}

/** A node whose operator is not defined in the file. */
export interface FlatNode {
  /** What errors call it. */
  readonly title: string;
  /** The operator. */
  readonly operator: string;
  /** Its domain; empty for ONNX's own. */
  readonly domain: string;
  /** The version of the domain; null where the file imports none. */
  readonly version: number | null;
  /** Names of the inputs; empty for one that is left out. */
  readonly inputs: readonly string[];
  /** Names of the outputs; empty for one that nobody wants. */
  readonly outputs: readonly string[];
  /** The attributes. */
  readonly attributes: readonly FlatAttribute[];
  /** The byte of the file where it begins. */
  readonly offset: number;
}

/** A graph of such nodes. */
export interface FlatGraph {
  /** The nodes, in the file's order. */
  readonly nodes: readonly FlatNode[];
  /** What the caller gives. */
  readonly inputs: readonly ValueInfoMessage[];
  /** The results. */
  readonly outputs: readonly ValueInfoMessage[];
  /** Stored tensors by name, those that nodes write down among them. */
  readonly initializers: ReadonlyMap<string, TensorMessage>;
  /** The names of those that nodes write down. */
  readonly written: ReadonlySet<string>;
  /** Stored sparse tensors. */
  readonly sparse: GraphMessage["sparseInitializer"];
  /** The byte of the file where it begins. */
  readonly offset: number;
}

/** Where nodes stand: at the top, or in a function that is being put in. */
interface Scope {
  readonly rename: (name: string) => string;
  readonly attributes: ReadonlyMap<string, FlatAttribute> | null;
  readonly versions: ReadonlyMap<string, number>;
  /** The node that is replaced, as errors call it. */
  readonly within: string;
  readonly depth: number;
}

const normalDomain = (domain: string): string => domain === "ai.onnx" ? "" : domain;

/** An operator's name as its own key. */
const keyOf = (domain: string, name: string, overload: string): string =>
  JSON.stringify([normalDomain(domain), name, overload]);

function versionsOf(imports: readonly OperatorSetMessage[]): Map<string, number> {
  return new Map(imports.map(({ domain, version }) => [normalDomain(domain), version]));
}

/** The tensor of several real numbers that a node does nothing but write down; null for other nodes. */
function writtenTensor(
  { opType, domain, input, output, attribute }: NodeMessage,
): TensorMessage | null {
  const [given] = attribute;
  const plain = opType === "Constant" && normalDomain(domain) === "" && attribute.length === 1 &&
    input.length === 0 && output.length === 1 && output[0] !== "" && given.name === "value" &&
    given.refAttrName === "";
  if (!plain || given.t === null) return null;
  const type = typeOfCode(given.t.dataType);
  const several = given.t.dims.reduce((n, size) => n * size, 1) > 1;
  return type !== null && isReal(type) && several ? given.t : null;
}

class Flattener {
  readonly #functions = new Map<string, FunctionMessage>();
  #nodes = 0;
  #calls = 0;

  constructor(functions: readonly FunctionMessage[]) {
    for (const definition of functions) {
      const { domain, name, overload } = definition;
      this.#functions.set(keyOf(domain, name, overload), definition);
    }
  }

  graph(graph: GraphMessage, scope: Scope): FlatGraph {
    const rename = (info: ValueInfoMessage): ValueInfoMessage => ({
      ...info,
      name: scope.rename(info.name),
    });
    const initializers = new Map<string, TensorMessage>();
    for (const tensor of graph.initializer) {
      const name = scope.rename(tensor.name);
      if (initializers.has(name)) {
        throw new OnnxError(`two stored tensors are called ${JSON.stringify(name)}`, {
          offset: tensor.offset,
        });
      }
      initializers.set(name, tensor);
    }
    const nodes: FlatNode[] = [];
    const written = new Set<string>();
    for (const node of graph.node) {
      const tensor = scope.depth === 0 ? writtenTensor(node) : null;
      const [name] = node.output;
      if (tensor === null || initializers.has(name)) this.#node(node, scope, nodes);
      else {
        initializers.set(name, { ...tensor, name });
        written.add(name);
      }
    }
    return {
      nodes,
      inputs: graph.input.map(rename),
      outputs: graph.output.map(rename),
      initializers,
      written,
      sparse: graph.sparseInitializer.map((sparse) =>
        sparse.values === null
          ? sparse
          : { ...sparse, values: { ...sparse.values, name: scope.rename(sparse.values.name) } }
      ),
      offset: graph.offset,
    };
  }

  #node(node: NodeMessage, scope: Scope, result: FlatNode[]): void {
    const domain = normalDomain(node.domain);
    const title = `${scope.within}node ${JSON.stringify(node.name || node.output[0] || "")} (${
      domain === "" ? "" : `${domain}.`
    }${node.opType})`;
    if (++this.#nodes > mostNodes) {
      throw new OnnxError(`${title}: the model has more than ${mostNodes} nodes`, {
        offset: node.offset,
      });
    }
    const attributes = this.#attributes(node, scope);
    const inputs = node.input.map(scope.rename);
    const outputs = node.output.map(scope.rename);
    const definition = this.#functions.get(keyOf(domain, node.opType, node.overload));
    if (definition !== undefined) {
      this.#call(definition, { title, inputs, outputs, attributes }, scope, result);
      return;
    }
    result.push({
      title,
      operator: node.opType,
      domain,
      version: scope.versions.get(domain) ?? null,
      inputs,
      outputs,
      attributes,
      offset: node.offset,
    });
  }

  /** Attributes; those that refer to the function's take its value, or vanish where it has none. */
  #attributes(node: NodeMessage, scope: Scope): FlatAttribute[] {
    return node.attribute.flatMap((attribute) => {
      if (attribute.refAttrName !== "" && scope.attributes !== null) {
        const value = scope.attributes.get(attribute.refAttrName);
        return value === undefined ? [] : [{ ...value, name: attribute.name }];
      }
      const { g, ...rest } = attribute;
      return [{ ...rest, graph: g === null ? null : this.graph(g, scope) }];
    });
  }

  #call(
    definition: FunctionMessage,
    call: Pick<FlatNode, "title" | "inputs" | "outputs" | "attributes">,
    scope: Scope,
    result: FlatNode[],
  ): void {
    const { title } = call;
    const { offset } = definition;
    if (scope.depth >= deepest) {
      throw new OnnxError(`${title}: functions are nested more than ${deepest} deep`, { offset });
    }
    if (call.inputs.length > definition.input.length) {
      throw new OnnxError(
        `${title}: ${call.inputs.length} inputs for a function of ${definition.input.length}`,
        { offset },
      );
    }
    const names = new Map<string, string>([["", ""]]);
    definition.input.forEach((name, i) => names.set(name, call.inputs[i] ?? ""));
    const passed: [from: string, to: string][] = [];
    definition.output.forEach((name, i) => {
      const to = call.outputs[i] ?? "";
      if (to === "") return;
      if (names.has(name)) passed.push([names.get(name)!, to]);
      else names.set(name, to);
    });
    const prefix = `${++this.#calls}/${definition.name}/`;
    const attributes = new Map<string, FlatAttribute>();
    for (const { g, ...rest } of definition.attributeProto) {
      attributes.set(rest.name, { ...rest, graph: g === null ? null : this.graph(g, scope) });
    }
    for (const attribute of call.attributes) attributes.set(attribute.name, attribute);
    const inner: Scope = {
      rename: (name) => names.get(name) ?? prefix + name,
      attributes,
      versions: versionsOf(definition.opsetImport),
      within: `${title}: `,
      depth: scope.depth + 1,
    };
    for (const node of definition.node) this.#node(node, inner, result);
    for (const [from, to] of passed) {
      result.push({
        title,
        operator: "Identity",
        domain: "",
        version: 16,
        inputs: [from],
        outputs: [to],
        attributes: [],
        offset,
      });
    }
  }
}

/** The model's graph with its functions put in. Throws an `OnnxError` where they call themselves. */
export function flattenModel(model: ModelMessage): FlatGraph {
  const { graph, functions, opsetImport } = model;
  if (graph === null) {
    throw new OnnxError("not a readable ONNX file: it holds no graph", { offset: model.offset });
  }
  return new Flattener(functions).graph(graph, {
    rename: (name) => name,
    attributes: null,
    versions: versionsOf(opsetImport),
    within: "",
    depth: 0,
  });
}
