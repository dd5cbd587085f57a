/**
 * From a file to a function and its parameters.
 *
 * @module
 */

import { ArgumentError, TangentsError } from "../base/errors.ts";
import type { Shape } from "../base/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { OnnxError } from "./error.ts";
import {
  type Declared,
  declared,
  type ExampleAxis,
  exampleAxisOf,
  Input,
  type OnnxSize,
} from "./examples.ts";
import { type FlatGraph, flattenModel } from "./flatten.ts";
import { prepareGraph } from "./graph.ts";
import { type ModelMessage, modelTable } from "./messages.ts";
import { Network } from "./network.ts";
import { origins } from "./origin.ts";
import { chooseParameters, type OnnxParameterChoice, trainableNames } from "./parameters.ts";
import { type OnnxSource, type ReadExternal, readExternalData, readSource } from "./source.ts";
import type { TensorOptions } from "./tensors.ts";
import type { ElementType } from "./types.ts";
import { decodeMessage, WireReader } from "./wire.ts";

/** Options of `loadOnnx`. */
export interface OnnxOptions {
  /** Which values the function takes; all inputs of the file without a stored value by default. Any value may be named. */
  inputs?: readonly string[];
  /** Which values the function gives; the outputs of the file by default. Any value may be named. */
  outputs?: readonly string[];
  /**
   * The axis along which the file's inputs and outputs hold examples, 0 by default; null where there is none. One for all,
   * or by name.
   */
  exampleAxis?: ExampleAxis;
  /** Which stored tensors are parameters: names, a pattern or a test of a name. By default those in trainable places. */
  parameters?: OnnxParameterChoice;
  /** "float64" computes all real numbers in float64; the file's own types by default. */
  dtype?: "float64" | null;
  /** Reads files with weights that lie beside the model; by default from the model's folder or address. */
  readExternal?: ReadExternal;
}

/** An input or output of a loaded model. */
export interface OnnxValueInfo {
  /** The name in the file. */
  readonly name: string;
  /** The element type in the file; null where it does not say. */
  readonly type: ElementType | null;
  /** The shape of one example; names and null stand for sizes that are not fixed; null where nothing is known. */
  readonly shape: readonly OnnxSize[] | null;
}

/** A stored tensor of a loaded model. */
export interface OnnxStoredTensor {
  /** The name in the file. */
  readonly name: string;
  /** The element type in the file. */
  readonly type: ElementType;
  /** The shape. */
  readonly shape: Shape;
  /** Whether it is one of the parameters. */
  readonly parameter: boolean;
  /** Whether it is one by default. */
  readonly trainable: boolean;
}

/** A loaded model: a function of parameters and one example. */
export interface OnnxModel<X = Tensor, Y = Tensor> {
  /**
   * The network for one example, without the axis of examples. Several inputs or outputs are objects by name. Throws an
   * `OnnxError` where an example does not fit.
   */
  readonly fn: (params: Record<string, Tensor>, x: X) => Y;
  /** The parameters by name, in the file's order. */
  readonly params: Record<string, Tensor>;
  /** What the function takes. */
  readonly inputs: readonly OnnxValueInfo[];
  /** What it gives. */
  readonly outputs: readonly OnnxValueInfo[];
  /** The stored tensors that it uses, those of nodes that only write down a tensor of several real numbers among them. */
  readonly stored: readonly OnnxStoredTensor[];
}

/** Decodes a file. */
function parseModel(bytes: Uint8Array<ArrayBuffer>): ModelMessage {
  const model = decodeMessage(new WireReader(bytes), modelTable);
  if (model.graph === null) {
    throw new OnnxError("not a readable ONNX file: it holds no graph", { offset: model.offset });
  }
  return model;
}

/** The values that a function takes: by the option, or the inputs that have no stored value. */
function inputsOf(flat: FlatGraph, names: readonly string[] | undefined): Declared[] {
  const known = new Map(flat.inputs.map((info) => [info.name, info]));
  const stored = new Set([
    ...flat.initializers.keys(),
    ...flat.sparse.map(({ values }) => values?.name ?? ""),
  ]);
  const chosen = names ?? [...known.keys()].filter((name) => !stored.has(name));
  const unique = new Set(chosen);
  if (names === undefined && (unique.has("") || flat.inputs.length !== known.size)) {
    throw new OnnxError("two inputs of the graph have the same name, or one has none", {
      offset: flat.offset,
    });
  }
  if (unique.size !== chosen.length) {
    throw new ArgumentError(`loadOnnx: inputs ${chosen.join(", ")} name a value twice`);
  }
  return chosen.map((name) => {
    const info = known.get(name);
    return info === undefined ? { name, type: null, shape: null } : declared(info);
  });
}

/** The values that a function gives. */
function outputsOf(flat: FlatGraph, names: readonly string[] | undefined): Declared[] {
  const known = new Map(flat.outputs.map((info) => [info.name, info]));
  const chosen = names ?? [...known.keys()];
  if (names === undefined && (chosen.length === 0 || chosen.includes(""))) {
    throw new OnnxError("the graph has no outputs, or one without a name", { offset: flat.offset });
  }
  if (chosen.length === 0) throw new ArgumentError("loadOnnx: there are no outputs");
  return chosen.map((name) => {
    const info = known.get(name);
    return info === undefined ? { name, type: null, shape: null } : declared(info);
  });
}

function withoutAxis(info: Declared, option: ExampleAxis | undefined): OnnxValueInfo {
  const axis = exampleAxisOf(option, info.name);
  if (axis === null || info.shape === null) return info;
  const at = axis < 0 ? axis + info.shape.length : axis;
  return { ...info, shape: info.shape.filter((_, i) => i !== at) };
}

/** Runs the network once on zeros where the file fixes all shapes: nothing is computed, but what does not fit is found. */
function tryOut(network: Network, inputs: readonly Input[], params: Record<string, Tensor>): void {
  const zeros = inputs.map((input) => [input.declared.name, input.placeholder()] as const);
  if (zeros.every(([, x]) => x !== null)) network.run(params, Object.fromEntries(zeros));
}

/** What a file says, with its name where it has one. */
function withSource(error: unknown, source: OnnxSource): unknown {
  if (source instanceof Uint8Array || !(error instanceof OnnxError)) return error;
  const named = new OnnxError(`${source}: ${error.message}`, { cause: error });
  return Object.assign(named, { offset: error.offset });
}

/**
 * Loads a network from an ONNX file, as a function of its weights and one example: `fn(params, x)` and `params` are what
 * `empiricalNtk`, `vjp`, `vmap` and all other transforms take.
 *
 * The source is a path, a URL or the file's bytes; weights in files beside it are read too, from the model's own folder only.
 * Nodes that depend on stored values and shapes alone are computed while loading. Functions that the file defines are put
 * in. A batch size that the exporter wrote down as a number is taken out.
 *
 * Exporters store tensors that are equal once: in a network that was never trained, layers whose scales are all one share a
 * parameter then, and the kernel differs from that of the original, where they are apart.
 *
 * Throws an `OnnxError` that says where in the file something is wrong, or that lists every node that is not supported; an
 * `ArgumentError` for options that do not fit.
 *
 * @example
 * ```ts
 * import { empiricalNtk, ones } from "@tangents/ntk";
 * import { loadOnnx } from "@tangents/ntk/onnx";
 * const url = new URL("../../tests/golden/digits-cnn/model.onnx", import.meta.url);
 * const { fn, params } = await loadOnnx(url);
 * const kernel = await empiricalNtk(fn, params, ones([2, 1, 8, 8]));
 * console.log(kernel.shape); // [2, 2, 10, 10]
 * ```
 */
export async function loadOnnx<X = Tensor, Y = Tensor>(
  source: OnnxSource,
  options: OnnxOptions = {},
): Promise<OnnxModel<X, Y>> {
  try {
    const bytes = await readSource(source);
    const model = parseModel(bytes);
    const external = await readExternalData(model, source, options.readExternal);
    const owned = source instanceof Uint8Array ? undefined : bytes.buffer;
    const loaded = buildModel<X, Y>(model, options, { external, owned });
    origins.set(loaded, {
      source,
      readExternal: options.readExternal,
      size: bytes.length,
      parameters: new Map(
        loaded.stored.filter(({ parameter }) => parameter).map((stored) => [stored.name, stored]),
      ),
    });
    return loaded;
  } catch (error) {
    throw withSource(error, source);
  }
}

function buildModel<X, Y>(
  model: ModelMessage,
  options: OnnxOptions,
  stored: Omit<TensorOptions, "precision">,
): OnnxModel<X, Y> {
  const { dtype, exampleAxis } = options;
  if (dtype !== undefined && dtype !== null && dtype !== "float64") {
    throw new ArgumentError(`loadOnnx: dtype is ${JSON.stringify(dtype)}, expected "float64"`);
  }
  const precision = dtype === "float64" ? "float64" : "file";
  const flat = flattenModel(model);
  const [given, results] = [inputsOf(flat, options.inputs), outputsOf(flat, options.outputs)];
  const graph = prepareGraph(
    flat,
    given.map(({ name }) => name),
    results.map(({ name }) => name),
    { precision, ...stored },
  );
  const order = [...flat.initializers.keys(), ...graph.constants.keys()];
  const constants = new Map(
    order.filter((name) => graph.constants.has(name))
      .map((name) => [name, graph.constants.get(name)!]),
  );
  const trainable = trainableNames(graph, flat.written);
  const chosen = chooseParameters(options.parameters, constants, trainable);
  const parameters = new Map([...constants].filter(([name]) => chosen.has(name)));
  const scalar = given.find(({ shape }) => shape?.length === 0);
  if (exampleAxis === undefined && scalar !== undefined) {
    throw new OnnxError(
      `input ${
        JSON.stringify(scalar.name)
      } is a single number, without an axis of examples; give exampleAxis, with null for it`,
      { offset: flat.inputs.find(({ name }) => name === scalar.name)?.offset },
    );
  }
  const inputs = given.map((info) =>
    new Input(info, exampleAxisOf(exampleAxis, info.name), precision)
  );
  const network = new Network(graph, inputs, parameters, precision, exampleAxis);
  const params = Object.fromEntries([...parameters].map(([name, { tensor }]) => [name, tensor]));
  try {
    tryOut(network, inputs, params);
  } catch (error) {
    if (error instanceof OnnxError || !(error instanceof TangentsError)) throw error;
    throw new OnnxError(error.message, { cause: error });
  }
  return {
    fn: (values, x) => network.run(values, x) as Y,
    params,
    inputs: given.map((info) => withoutAxis(info, exampleAxis)),
    outputs: results.map((info) => withoutAxis(info, exampleAxis)),
    stored: [...constants].map(([name, { type, shape }]) => ({
      name,
      type,
      shape,
      parameter: chosen.has(name),
      trainable: trainable.has(name),
    })),
  };
}
