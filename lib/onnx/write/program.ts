/**
 * A program as an ONNX model.
 *
 * @module
 */

import type { TypedArray } from "../../base/dtype.ts";
import { BackendError } from "../../base/errors.ts";
import type { PrimitiveName } from "../../base/primitives.ts";
import { sizeOf } from "../../base/shape.ts";
import type { Program, ProgramNode } from "../../compiler/program.ts";
import { modelTable } from "../messages.ts";
import { encodeMessage } from "../wire.ts";
import { contractRules } from "./contract.ts";
import { elementwiseRules } from "./elementwise.ts";
import { indexingRules } from "./indexing.ts";
import { movementRules } from "./movement.ts";
import { randomRules } from "./random.ts";
import { reduceRules } from "./reduce.ts";
import type { WriteRule, WriteRules } from "./rule.ts";
import { windowRules } from "./windows.ts";
import { carrierOf, GraphWriter, type Value } from "./writer.ts";

/** The version of ONNX's operators that is written: the first with all that is needed. */
export const writtenVersion = 18;
/** The version of the file format that came with it. */
const irVersion = 8;

function neverWritten(node: ProgramNode): never {
  throw new BackendError(
    `a ${node.primitive} node cannot be written; make it one of the program's inputs`,
  );
}

/** One rule a primitive; a missing one does not compile. */
const rules: WriteRules<PrimitiveName> = {
  constant: neverWritten,
  placeholder: neverWritten,
  ...elementwiseRules,
  ...movementRules,
  ...reduceRules,
  ...contractRules,
  ...windowRules,
  ...indexingRules,
  ...randomRules,
};

/** What the values that come from outside, and those that go there, are called. */
export interface ProgramNames {
  /** A name for each of the program's inputs; different ones. */
  readonly inputs: readonly string[];
  /** A name for each of its outputs; different ones, that no input has. */
  readonly outputs: readonly string[];
  /** Elements of inputs that are stored in the file, by the input's number. */
  readonly stored?: ReadonlyMap<number, TypedArray>;
  /** The graph's name. */
  readonly graph?: string;
}

/** A value whose name holds all of its elements. */
function dense(name: string, { shape, dtype }: ProgramNode): Value {
  return { name, dtype, shape, stored: shape };
}

function addNode<P extends PrimitiveName>(
  node: ProgramNode<P>,
  inputs: readonly Value[],
  to: GraphWriter,
): Value {
  if (sizeOf(node.shape) === 0) {
    return dense(to.constant(carrierOf(node.dtype), [], node.shape), node);
  }
  const result = (rules[node.primitive] as WriteRule<P>)(node, inputs, to);
  return typeof result === "string" ? dense(result, node) : result;
}

/**
 * The program as the bytes of an ONNX file. Throws a `BackendError` for a node that has no value of its own, and where the
 * file would be larger than 2 GB, which the format cannot hold.
 */
export function writeProgram(program: Program, names: ProgramNames): Uint8Array<ArrayBuffer> {
  const { nodes, inputs, outputs } = program;
  const to = new GraphWriter();
  for (const name of [...names.inputs, ...names.outputs]) {
    if (to.unique(name) !== name) throw new BackendError(`two values are called ${name}`);
  }
  const bytes = [...names.stored?.values() ?? []].reduce((n, data) => n + data.byteLength, 0);
  if (bytes > 2 ** 31 - 2 ** 20) {
    throw new BackendError(
      `an ONNX file holds at most 2 GB, but the function's own tensors take ${bytes} bytes; make them inputs`,
    );
  }
  const values = new Map<number, Value>();
  inputs.forEach((id, i) => {
    const { shape, dtype } = nodes[id];
    const name = names.inputs[i];
    const data = names.stored?.get(i);
    if (data !== undefined) to.store(name, dtype, shape, data);
    else to.input(name, dtype, shape);
    to.begin(name);
    const carried = dtype === "uint32" ? to.cast(name, "int32") : name;
    values.set(id, dense(carried, nodes[id]));
  });
  nodes.forEach((node, id) => {
    if (values.has(id)) return;
    to.begin(`${node.primitive}_${id}`);
    values.set(id, addNode(node, node.inputs.map((input) => values.get(input)!), to));
  });
  outputs.forEach((id, i) => {
    const { shape, dtype } = nodes[id];
    to.begin(names.outputs[i]);
    const all = to.dense(values.get(id)!);
    to.output(names.outputs[i], dtype === "uint32" ? to.cast(all, "uint32") : all, dtype, shape);
  });
  return encodeMessage({
    irVersion,
    producerName: "Tangents",
    graph: to.finish(names.graph ?? "tangents"),
    opsetImport: [{ domain: "", version: writtenVersion }],
  }, modelTable);
}
