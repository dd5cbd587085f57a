/**
 * Any function of tensors as an ONNX file.
 *
 * @module
 */

import type { TypedArray } from "../base/dtype.ts";
import { ArgumentError } from "../base/errors.ts";
import { buildProgram } from "../compiler/build.ts";
import type { Program } from "../compiler/program.ts";
import { simplify } from "../compiler/simplify.ts";
import { apply } from "../core/apply.ts";
import { realizeAll } from "../core/realize.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree, leafPaths, unflattenTree } from "../core/tree.ts";
import { checkFunction, record } from "../transforms/walk.ts";
import { writeProgram } from "./write/program.ts";

/** Options of `toOnnx`. */
export interface ToOnnxOptions {
  /**
   * A name for each argument: "input" by default, or "input0", "input1", … The tensors of a tree add their keys, with dots between; an
   * empty name leaves the keys alone.
   */
  inputs?: readonly string[];
  /** A name for the result, "output" by default; the tensors of a tree add their keys. */
  output?: string;
  /** Names for tensors that the function uses beside its arguments: a tree whose keys they are, such as parameters. */
  weights?: unknown;
}

/** The tensors that the outputs depend on, inputs before results, as far as they have no values. */
function graphOf(outputs: readonly Tensor[]): Tensor[] {
  const seen = new Set(outputs);
  for (const x of seen) {
    if (x.buffer !== null || x.host !== null || x.operation === null) continue;
    for (const input of x.operation.inputs) seen.add(input);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/** Computes what is to be computed once, such as random parameters: the file holds their values, not the draw. */
async function computeRetained(
  outputs: readonly Tensor[],
  given: readonly Tensor[],
): Promise<void> {
  const dependent = new Set(given);
  const retained: Tensor[] = [];
  for (const x of graphOf(outputs)) {
    if (x.operation?.inputs.some((input) => dependent.has(input))) dependent.add(x);
    else if (x.retained && x.buffer === null && x.host === null) retained.push(x);
  }
  await realizeAll(retained);
}

/** The program with further inputs that it does not read. */
function withInputs(program: Program, unused: readonly Tensor[]): Program {
  const first = program.nodes.length;
  const added = unused.map(({ shape, dtype }) =>
    ({ primitive: "constant", params: { shape, dtype }, inputs: [], shape, dtype }) as const
  );
  return {
    ...program,
    nodes: [...program.nodes, ...added],
    inputs: [...program.inputs, ...added.map((_, i) => first + i)],
  };
}

/** Throws where two names are the same, or one is empty. */
function checkNames(names: readonly string[]): void {
  if (names.includes("")) {
    throw new ArgumentError(
      "toOnnx: an input or the output has no name; only trees may be nameless",
    );
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return;
  throw new ArgumentError(
    `toOnnx: two inputs, outputs or weights are called ${
      JSON.stringify(twice)
    }; name them apart by the options inputs and output`,
  );
}

/**
 * Writes a function as a self-contained ONNX file: a network, its derivative, a kernel, whatever is built from tensors. The
 * function is called once, on stand-ins for the arguments. Tensors that it uses beside them are stored in the file.
 *
 * The file is for arguments of these shapes and dtypes. It uses operators of ONNX's version 18 alone, in float32, float64,
 * int32, uint32 and bool as the function does; onnxruntime has no kernels for some of them in float64 (arctangent, erf).
 * The bits of NaN are not kept where floats are read as integers.
 *
 * Throws a `TraceError` where the function reads values of its arguments, a `TreeError` for arguments or results that are no
 * trees of tensors, an `ArgumentError` for names that meet, and a `BackendError` where the file would be larger than 2 GB.
 *
 * @param exampleInputs the arguments, as a list; only their shapes and dtypes count
 *
 * @example
 * ```ts
 * import { jacrev, ones, tensor, vmap } from "@tangents/ntk";
 * import { loadOnnx, toOnnx } from "@tangents/ntk/onnx";
 * const w = tensor([1, 2, 3]);
 * const derivatives = vmap(jacrev((x) => x.mul(w).sum().tanh()));
 * const file = await toOnnx(derivatives, [ones([4, 3])]);
 * const { fn } = await loadOnnx(file, { parameters: [] });
 * console.log(fn({}, ones([3])).shape); // [3]
 * ```
 */
export async function toOnnx<Args extends readonly unknown[]>(
  f: (...args: Args) => unknown,
  exampleInputs: Args,
  options: ToOnnxOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  checkFunction(f, "toOnnx");
  if (!Array.isArray(exampleInputs)) {
    throw new ArgumentError("toOnnx: exampleInputs must be an array of the function's arguments");
  }
  const names = options.inputs ??
    (exampleInputs.length === 1 ? ["input"] : exampleInputs.map((_, i) => `input${i}`));
  if (names.length !== exampleInputs.length) {
    throw new ArgumentError(
      `toOnnx: ${names.length} names for ${exampleInputs.length} arguments; give one each`,
    );
  }
  const given: Tensor[] = [];
  const inputNames: string[] = [];
  const args = exampleInputs.map((arg, i) => {
    const { leaves, structure } = flattenTree(arg, `toOnnx: argument ${i}`);
    const standIns = leaves.map(({ shape, dtype }) => apply("placeholder", { shape, dtype }));
    given.push(...standIns);
    inputNames.push(...leafPaths(structure, names[i]));
    return unflattenTree(structure, standIns);
  });
  const { outputs, outputStructure } = record(
    f as (...args: never[]) => unknown,
    args,
    given,
    "toOnnx",
  );
  await computeRetained(outputs, given);
  const { program, leaves } = buildProgram(outputs, new Set(given));
  const weights = options.weights === undefined
    ? null
    : flattenTree(options.weights, "toOnnx: weights");
  const paths = weights === null ? [] : leafPaths(weights.structure);
  const stored = new Map<number, TypedArray>();
  const taken: string[] = [];
  for (const [i, leaf] of leaves.entries()) {
    const argument = given.indexOf(leaf as Tensor);
    if (argument < 0) stored.set(i, await (leaf as Tensor).data());
    const weight = weights?.leaves.indexOf(leaf as Tensor) ?? -1;
    taken.push(
      argument >= 0 ? inputNames[argument] : weight >= 0 ? paths[weight] : `constant${stored.size}`,
    );
  }
  const unused = given.filter((x) => !leaves.includes(x));
  const whole = withInputs(simplify(program), unused);
  taken.push(...unused.map((x) => inputNames[given.indexOf(x)]));
  const outputNames = leafPaths(outputStructure, options.output ?? "output");
  checkNames([...taken, ...outputNames]);
  return writeInOrder(whole, { inputs: taken, outputs: outputNames, stored }, inputNames);
}

/** Writes the program with its inputs in the order of the arguments. */
function writeInOrder(
  program: Program,
  { inputs, outputs, stored }: {
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly stored: ReadonlyMap<number, TypedArray>;
  },
  names: readonly string[],
): Uint8Array<ArrayBuffer> {
  const place = (i: number): number => stored.has(i) ? names.length + i : names.indexOf(inputs[i]);
  const order = inputs.map((_, i) => i).sort((a, b) => place(a) - place(b));
  return writeProgram({ ...program, inputs: order.map((i) => program.inputs[i]) }, {
    inputs: order.map((i) => inputs[i]),
    outputs,
    stored: new Map(order.flatMap((i, at) => stored.has(i) ? [[at, stored.get(i)!]] : [])),
  });
}
