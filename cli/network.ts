/**
 * Networks and examples as the command line is given them.
 *
 * @module
 */

import { type Tensor, tensor, treeMap, type TypedArray } from "../mod.ts";
import { functionalCall, manualSeed } from "../lib/nn/mod.ts";
import { type NpyArray, NpyError, parseNpy } from "../lib/npy/mod.ts";
import type { NamedNetwork, Settings } from "./options.ts";
import { UsageError } from "./usage.ts";

/** What one example must be. */
export interface ExampleForm {
  /** The network's name, for messages. */
  readonly name: string;
  /** The shape; names and null stand for any size, null for any shape. */
  readonly shape: readonly (number | string | null)[] | null;
  /** Whether it holds integers; where `tokens` is a number, from 0 up to that. */
  readonly integers: boolean;
  readonly tokens: number | null;
  /** What each input must be, by name, where the network takes examples by the names of its inputs. */
  readonly inputs?: Readonly<Record<string, ExampleForm>>;
}

/** Examples along the first axis; by the names of the inputs where there are several. */
export type Examples = Tensor | Record<string, Tensor>;

/** A network as a function of its parameters and one example. */
export interface LoadedNetwork {
  readonly f: (params: Record<string, Tensor>, x: Examples) => Tensor;
  readonly params: Record<string, Tensor>;
  readonly form: ExampleForm;
}

const list = (shape: readonly (number | string)[]): string => `[${shape.join(", ")}]`;

/** Whether a path is that of a folder. */
export function isFolder(path: string): Promise<boolean> {
  return Deno.stat(path).then((info) => info.isDirectory, () => false);
}

/** Throws the error that a file which cannot be read means to a caller; other errors as they are. */
export async function rethrowUnreadable(
  what: string,
  path: string,
  kind: string,
  error: unknown,
): Promise<never> {
  if (await isFolder(path)) throw new UsageError(`${what}: is a folder; expected ${kind}`);
  if (error instanceof Deno.errors.NotFound) throw new UsageError(`${what}: there is no such file`);
  if (error instanceof Error && error.name in Deno.errors) {
    throw new UsageError(`${what}: cannot be read (${error.message})`);
  }
  throw error;
}

/** Reads an array; a file that is not there, or is none, is a wrong call. */
async function readArray(flag: string, path: string): Promise<NpyArray> {
  try {
    return parseNpy(await Deno.readFile(path));
  } catch (error) {
    if (error instanceof NpyError) throw new UsageError(`${flag} ${path}: ${error.message}`);
    return rethrowUnreadable(`${flag} ${path}`, path, "a .npy file", error);
  }
}

/** An array as a tensor of a floating point dtype; anything but finite numbers is a wrong call. */
function toFloats(flag: string, path: string, array: NpyArray, dtype: Settings["dtype"]): Tensor {
  const { data, shape } = array;
  const values: TypedArray = dtype === "float64"
    ? Float64Array.from(data)
    : Float32Array.from(data);
  const bad = values.findIndex((x) => !Number.isFinite(x));
  if (bad >= 0) {
    throw new UsageError(
      `${flag} ${path}: element ${bad} is ${data[bad]}; expected ${
        Number.isFinite(data[bad]) ? `numbers that ${dtype} can hold` : "finite numbers"
      }`,
    );
  }
  return tensor(values, { shape });
}

/** Examples from a .npy file, checked against what the network takes. */
export async function loadExamples(
  flag: string,
  path: string,
  { name, shape, integers, tokens }: ExampleForm,
  { dtype }: Settings,
): Promise<Tensor> {
  const array = await readArray(flag, path);
  const fits = shape === null || (array.shape.length === shape.length + 1 &&
    shape.every((n, i) => typeof n !== "number" || n === array.shape[i + 1]));
  if (!fits || array.shape.length === 0 || array.shape[0] === 0) {
    throw new UsageError(
      `${flag} ${path}: has shape ${list(array.shape)}; ${name} takes ${
        list(["N", ...(shape ?? ["..."]).map((n) => n ?? "?")])
      } with N of at least 1`,
    );
  }
  if (!integers) return toFloats(flag, path, array, dtype);
  const bad = Array.prototype.findIndex.call(
    array.data,
    (x: number) => !(tokens === null ? (x | 0) === x : Number.isInteger(x) && x >= 0 && x < tokens),
  );
  if (bad >= 0) {
    throw new UsageError(
      `${flag} ${path}: element ${bad} is ${array.data[bad]}; ${name} takes ${
        tokens === null ? "integers" : `tokens from 0 to ${tokens - 1}`
      }`,
    );
  }
  return tensor(Int32Array.from(array.data), { shape: array.shape });
}

/** The files of examples by the names of inputs, as `NAME=FILE` gives them. */
function byName(
  flag: string,
  given: readonly string[],
  { name, inputs }: ExampleForm,
): Map<string, string> {
  const names = Object.keys(inputs!);
  const wanted = `${name} takes ${names.join(", ")}: give ${
    names.map((input) => `${flag} ${input}=FILE.npy`).join(" ")
  }`;
  const files = new Map<string, string>();
  for (const text of given) {
    const input = names.find((other) => text.startsWith(`${other}=`));
    if (input === undefined) throw new UsageError(`${flag} ${text}: names no input; ${wanted}`);
    if (files.has(input)) {
      throw new UsageError(`${flag} ${text}: ${input} is given twice; ${wanted}`);
    }
    files.set(input, text.slice(input.length + 1));
  }
  const missing = names.find((input) => !files.has(input));
  if (missing === undefined) return files;
  throw new UsageError(`${flag} lacks ${missing}; ${wanted}`);
}

/** Examples for all inputs of a network, from a file each. */
export async function loadAllExamples(
  flag: string,
  given: readonly string[],
  form: ExampleForm,
  settings: Settings,
): Promise<Examples> {
  const { name, inputs } = form;
  const names = Object.keys(inputs ?? {});
  if (inputs === undefined || (names.length === 1 && !given[0].startsWith(`${names[0]}=`))) {
    if (given.length === 1) return await loadExamples(flag, given[0], form, settings);
    throw new UsageError(`${flag} ${given.join(" ")}: ${name} takes examples from one file`);
  }
  const result: Record<string, Tensor> = {};
  for (const [input, path] of byName(flag, given, form)) {
    const each = { ...inputs[input], name: `input ${input} of ${name}` };
    result[input] = await loadExamples(flag, path, each, settings);
  }
  const counts = Object.entries(result).map(([input, { shape }]) => `${shape[0]} of ${input}`);
  if (new Set(Object.values(result).map(({ shape }) => shape[0])).size > 1) {
    throw new UsageError(`${flag}: ${counts.join(", ")}; give as many examples of each input`);
  }
  return names.length === 1 ? result[names[0]] : result;
}

/** What an example of a network of this package must be. */
export function formOf({ name, entry }: Omit<NamedNetwork, "kind" | "weights">): ExampleForm {
  const { inputShape, tokens } = entry;
  return { name, shape: inputShape, integers: tokens !== null, tokens };
}

/** A network of this package, with its parameters from files or from the seed. */
export async function loadNamed(
  { name, entry, weights }: Omit<NamedNetwork, "kind">,
  { dtype, seed }: Settings,
): Promise<LoadedNetwork> {
  manualSeed(seed);
  const net = entry.create().eval();
  const own = net.stateDict();
  let state: Record<string, Tensor> = treeMap((x) => x.isFloat ? x.to(dtype) : x, own);
  if (weights !== undefined) {
    state = {};
    for (const [key, { shape, isFloat }] of Object.entries(own)) {
      const path = `${weights.replace(/\/$/, "")}/${key}.npy`;
      const array = await readArray("--weights", path);
      if (list(array.shape) !== list(shape)) {
        throw new UsageError(
          `--weights ${path}: has shape ${list(array.shape)}; ${key} of ${name} has ${list(shape)}`,
        );
      }
      state[key] = isFloat
        ? toFloats("--weights", path, array, dtype)
        : tensor(Int32Array.from(array.data), { shape });
    }
  }
  const names = new Set(Object.keys(net.namedParameters()));
  const buffers = Object.fromEntries(Object.entries(state).filter(([key]) => !names.has(key)));
  const params = Object.fromEntries(Object.entries(state).filter(([key]) => names.has(key)));
  return {
    params,
    form: formOf({ name, entry }),
    f: (values, x) =>
      functionalCall(net, { ...buffers, ...values }, (x as Tensor).unsqueeze(0)).squeeze(0),
  };
}

/** Names that a list of patterns chooses. Throws a `UsageError` for a pattern that chooses nothing. */
export function chooseParameters(patterns: string, names: readonly string[]): string[] {
  const tests = patterns.split(",").map((pattern) => {
    if (pattern.trim() === "") {
      throw new UsageError(`--params ${patterns}: a name is missing beside a comma`);
    }
    const escaped = pattern.trim().replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
    const expression = new RegExp(`^${escaped}$`);
    if (!names.some((name) => expression.test(name))) {
      throw new UsageError(
        `--params ${pattern}: no parameter has that name; there are ${names.join(", ")}`,
      );
    }
    return expression;
  });
  return names.filter((name) => tests.some((expression) => expression.test(name)));
}
