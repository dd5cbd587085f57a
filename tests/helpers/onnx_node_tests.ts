/** ONNX's own tests of single operators: a model, and inputs and outputs as files of one tensor each. */
import type { Constant } from "../../lib/onnx/constant.ts";
import { flattenModel } from "../../lib/onnx/flatten.ts";
import { prepareGraph } from "../../lib/onnx/graph.ts";
import { modelTable, tensorTable } from "../../lib/onnx/messages.ts";
import { runGraph } from "../../lib/onnx/run.ts";
import { decodeTensor, type TensorOptions } from "../../lib/onnx/tensors.ts";
import { isReal } from "../../lib/onnx/types.ts";
import { Value } from "../../lib/onnx/value.ts";
import { decodeMessage, WireReader } from "../../lib/onnx/wire.ts";

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

async function readTensors(folder: URL, kind: string, count: number): Promise<Constant[]> {
  const result: Constant[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = await Deno.readFile(new URL(`${kind}_${i}.pb`, folder));
    result.push(decodeTensor(decodeMessage(new WireReader(bytes), tensorTable), options));
  }
  return result;
}

/** What is wrong with a value; null where it is as expected. */
async function compare(value: Value, expected: Constant, output: number): Promise<string | null> {
  if (value.shape.join() !== expected.shape.join()) {
    return `output ${output} has shape [${value.shape}], expected [${expected.shape}]`;
  }
  if (value.dtype !== expected.dtype) {
    return `output ${output} is ${value.dtype}, expected ${expected.dtype}`;
  }
  const data = value.constant?.data ?? await value.tensor.data();
  for (let i = 0; i < data.length; i++) {
    const [a, b] = [data[i], expected.data[i]];
    const same = a === b || (Number.isNaN(a) && Number.isNaN(b)) ||
      Math.abs(a - b) <= absolute + relative * Math.abs(b);
    if (!same) return `element ${i} of output ${output} is ${a}, expected ${b}`;
  }
  return null;
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
      const given = await readTensors(at, "input", inputs.length);
      const expected = await readTensors(at, "output", outputs.length);
      const run = (asConstants: boolean): Value[] => {
        const scope = new Map(given.map((constant, i) => [
          inputs[i],
          asConstants || !isReal(constant.type)
            ? Value.ofConstant(constant)
            : Value.ofTensor(constant.tensor, constant.type),
        ]));
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
        const failure = await compare(value, expected[i], i);
        if (failure !== null) return { name, operators, failure };
      }
    }
    return { name, operators, failure: sets === 0 ? "there are no data" : null };
  } catch (error) {
    return { name, operators, failure: error instanceof Error ? error.message : String(error) };
  }
}
