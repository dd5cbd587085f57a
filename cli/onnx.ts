/**
 * Networks from ONNX files as the command line is given them.
 *
 * @module
 */

import {
  loadOnnx,
  OnnxError,
  type OnnxModel,
  type OnnxOptions,
  type OnnxStoredTensor,
  type OnnxValueInfo,
} from "../lib/onnx/mod.ts";
import {
  chooseParameters,
  type ExampleForm,
  type LoadedNetwork,
  rethrowUnreadable,
} from "./network.ts";
import type { OnnxNetwork, Settings } from "./options.ts";
import { UsageError } from "./usage.ts";

const isReal = ({ type }: OnnxValueInfo | OnnxStoredTensor): boolean =>
  type === null || type.includes("float");

/** Loads the file; one that is not there, or cannot be understood, is a wrong call. */
async function load(path: string, options: OnnxOptions): Promise<OnnxModel> {
  try {
    return await loadOnnx(path, options);
  } catch (error) {
    if (error instanceof OnnxError) throw new UsageError(error.message);
    return rethrowUnreadable(path, path, "an .onnx file", error);
  }
}

/** Everything that the file says about itself. */
export function openOnnx({ name }: OnnxNetwork, { dtype }: Settings): Promise<OnnxModel> {
  return load(name, { dtype: dtype === "float64" ? dtype : null });
}

/** The output that is meant: the only one, or the one that the caller names. */
function outputOf({ name, output }: OnnxNetwork, { outputs }: OnnxModel): string {
  const names = outputs.map((info) => info.name);
  if (output === undefined && names.length === 1) return names[0];
  if (output !== undefined && names.includes(output)) return output;
  throw new UsageError(
    output === undefined
      ? `${name} has the outputs ${names.join(", ")}; choose one with --output NAME`
      : `--output ${output}: ${name} has no such output; there are ${names.join(", ")}`,
  );
}

/** The network in a file; its parameters are those in trainable places, or what patterns choose of all stored tensors. */
export async function loadOnnxNetwork(
  network: OnnxNetwork,
  settings: Settings,
  patterns: string | undefined,
): Promise<LoadedNetwork> {
  const model = await openOnnx(network, settings);
  const [input] = model.inputs;
  if (input === undefined) {
    throw new UsageError(`${network.name} takes no input, so it has no examples`);
  }
  const output = outputOf(network, model);
  const real = model.stored.filter(isReal).map(({ name }) => name);
  const parameters = patterns === undefined ? undefined : chooseParameters(patterns, real);
  const { fn, params } = await load(network.name, {
    dtype: settings.dtype === "float64" ? "float64" : null,
    outputs: [output],
    parameters,
  });
  const formOf = (info: OnnxValueInfo): ExampleForm => ({
    name: network.name,
    shape: info.shape,
    integers: !isReal(info),
    tokens: null,
  });
  return {
    params,
    f: fn as LoadedNetwork["f"],
    form: {
      ...formOf(input),
      inputs: Object.fromEntries(model.inputs.map((info) => [info.name, formOf(info)])),
    },
  };
}
