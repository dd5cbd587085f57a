/** ONNX's own tests of single operators: a model, and inputs and outputs as files of one tensor each. */
import { flattenModel } from "../../lib/onnx/flatten.ts";
import { prepareGraph } from "../../lib/onnx/graph.ts";
import {
  modelTable,
  type TensorMessage,
  tensorTable,
  type TypeMessage,
  type ValueInfoMessage,
} from "../../lib/onnx/messages.ts";
import { runGraph } from "../../lib/onnx/run.ts";
import { decodeTensor, type TensorOptions } from "../../lib/onnx/tensors.ts";
import { isReal } from "../../lib/onnx/types.ts";
import { Value } from "../../lib/onnx/value.ts";
import {
  decodeMessage,
  type Message,
  message,
  messages,
  type MessageTable,
  WireReader,
} from "../../lib/onnx/wire.ts";

/** How one case went: null where outputs are as they should be, else what is wrong. */
export interface NodeTestResult {
  /** The folder's name. */
  readonly name: string;
  /** The operators of the model. */
  readonly operators: readonly string[];
  /** What is wrong. */
  readonly failure: string | null;
}

const options: TensorOptions = {
  precision: "file",
  external: () => {
    throw new Error("node tests have no external data");
  },
};

/** The tolerances of ONNX's own runner. */
const [relative, absolute] = [1e-3, 1e-7];

interface SequenceMessage extends Message {
  readonly tensors: TensorMessage[];
}

const sequenceTable: MessageTable<SequenceMessage> = { tensors: messages(3, () => tensorTable) };

interface OptionalMessage extends Message {
  readonly tensor: TensorMessage | null;
  readonly sequence: SequenceMessage | null;
}

const optionalTable: MessageTable<OptionalMessage> = {
  tensor: message(3, () => tensorTable),
  sequence: message(5, () => sequenceTable),
};

/** Some data hold the bits of 16-bit floats as integers: the model says what they are. */
function declaredAs(tensor: TensorMessage, type: TypeMessage | null): TensorMessage {
  const declared = type?.tensorType?.elemType;
  const [uint16, bfloat16] = [4, 16];
  const bits = tensor.dataType === uint16 && declared === bfloat16;
  return bits ? { ...tensor, dataType: bfloat16 } : tensor;
}

const constantOf = (tensor: TensorMessage): Value =>
  Value.ofConstant(decodeTensor(tensor, options));
const sequenceOf = ({ tensors }: SequenceMessage): Value =>
  Value.ofSequence(tensors.map(constantOf));

/** What a file of test data holds; null for a value that is absent. */
function readValue(bytes: Uint8Array<ArrayBuffer>, type: TypeMessage | null): Value | null {
  const reader = new WireReader(bytes);
  const sequence = type?.sequenceType ?? null;
  const optional = type?.optionalType ?? null;
  if (sequence !== null) return sequenceOf(decodeMessage(reader, sequenceTable));
  if (optional === null) {
    return constantOf(declaredAs(decodeMessage(reader, tensorTable), type));
  }
  const { tensor, sequence: list } = decodeMessage(reader, optionalTable);
  return tensor !== null ? constantOf(tensor) : list !== null ? sequenceOf(list) : null;
}

async function readValues(
  folder: URL,
  kind: string,
  infos: readonly ValueInfoMessage[],
): Promise<(Value | null)[]> {
  const result: (Value | null)[] = [];
  for (const [i, { type }] of infos.entries()) {
    result.push(readValue(await Deno.readFile(new URL(`${kind}_${i}.pb`, folder)), type));
  }
  return result;
}

/** What is wrong with a value; null where it is as expected. */
async function compare(value: Value, expected: Value, what: string): Promise<string | null> {
  if (expected.elements !== null || value.elements !== null) {
    const [list, other] = [value.elements ?? [], expected.elements ?? []];
    if (list.length !== other.length) {
      return `${what} has ${list.length} elements, expected ${other.length}`;
    }
    for (const [i, element] of list.entries()) {
      const failure = await compare(element, other[i], `${what}, tensor ${i}`);
      if (failure !== null) return failure;
    }
    return null;
  }
  if (value.shape.join() !== expected.shape.join()) {
    return `${what} has shape [${value.shape}], expected [${expected.shape}]`;
  }
  if (value.dtype !== expected.dtype) {
    return `${what} is ${value.dtype}, expected ${expected.dtype}`;
  }
  const data = value.constant?.data ?? await value.tensor.data();
  for (let i = 0; i < data.length; i++) {
    const [a, b] = [data[i], expected.constant!.data[i]];
    const same = a === b || (Number.isNaN(a) && Number.isNaN(b)) ||
      Math.abs(a - b) <= absolute + relative * Math.abs(b);
    if (!same) return `element ${i} of ${what} is ${a}, expected ${b}`;
  }
  return null;
}

/** A real tensor as one that is not known. */
function asTensor(value: Value): Value {
  if (value.elements !== null) return Value.ofSequence(value.elements.map(asTensor));
  return isReal(value.type) ? Value.ofTensor(value.tensor, value.type) : value;
}

/** Runs all data sets of one case. Real inputs are tensors first, and constants where the operator needs their values. */
export async function runNodeTest(folder: URL): Promise<NodeTestResult> {
  const name = folder.pathname.split("/").at(-2)!;
  const operators: string[] = [];
  try {
    const bytes = await Deno.readFile(new URL("model.onnx", folder));
    const model = decodeMessage(new WireReader(bytes), modelTable);
    operators.push(...new Set(model.graph!.node.map(({ opType }) => opType)));
    const flat = flattenModel(model);
    const [inputs, outputs] = [flat.inputs, flat.outputs].map((l) => l.map((info) => info.name));
    const graph = prepareGraph(flat, inputs, outputs, options);
    let sets = 0;
    for await (const { name: set, isDirectory } of Deno.readDir(folder)) {
      if (!isDirectory) continue;
      sets++;
      const at = new URL(`${set}/`, folder);
      const given = await readValues(at, "input", flat.inputs);
      const expected = await readValues(at, "output", flat.outputs);
      const run = (asConstants: boolean): Value[] => {
        const scope = new Map<string, Value>();
        given.forEach((value, i) => {
          if (value !== null) scope.set(inputs[i], asConstants ? value : asTensor(value));
        });
        return runGraph(graph, scope, { precision: "file", batch: null });
      };
      let results: Value[];
      try {
        results = run(false);
      } catch (error) {
        if (!(error instanceof Error && error.message.includes("must be known"))) throw error;
        results = run(true);
      }
      for (const [i, value] of results.entries()) {
        const failure = await compare(value, expected[i]!, `output ${i}`);
        if (failure !== null) return { name, operators, failure };
      }
    }
    return { name, operators, failure: sets === 0 ? "there are no data" : null };
  } catch (error) {
    return { name, operators, failure: error instanceof Error ? error.message : String(error) };
  }
}
