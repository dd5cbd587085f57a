/**
 * The command line's arguments, checked.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { type BackendName, backendNames, type OutputOptions } from "../mod.ts";
import { type ModelEntry, models } from "../models/mod.ts";
import { UsageError } from "./usage.ts";

const methods = [
  "auto",
  "jacobian-contraction",
  "ntk-vector-products",
  "structured-derivatives",
] as const;
const computes = ["full", "trace", "diagonal"] as const;
const normalizations = ["sum", "mean"] as const;
const dtypes = ["float32", "float64"] as const;

const flags = {
  string: [
    "x1",
    "x2",
    "method",
    "compute",
    "trace-axes",
    "diagonal-axes",
    "normalize",
    "memory-limit",
    "params",
    "weights",
    "seed",
    "dtype",
    "backend",
    "out",
    "output",
  ],
  boolean: [
    "check",
    "per-parameter",
    "explain",
    "error-estimate",
    "spectrum",
    "list",
    "json",
    "help",
    "version",
  ],
} as const;

/** The flags with a value that only a kernel needs. */
const computing = [
  "x1",
  "x2",
  "out",
  "params",
  "method",
  "compute",
  "trace-axes",
  "diagonal-axes",
  "normalize",
  "memory-limit",
] as const;

/** The switches that only a kernel needs. */
const computingSwitches = [
  "check",
  "per-parameter",
  "error-estimate",
  "spectrum",
  "explain",
] as const;

/** What to do. */
export type Command =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "tutorial"; readonly settings: Settings }
  | { readonly kind: "list"; readonly network: Network; readonly settings: Settings }
  | {
    readonly kind: "kernel";
    readonly network: Network;
    /** Files of examples, each as `NAME=FILE` where the network takes several. */
    readonly x1: readonly string[];
    readonly x2: readonly string[] | undefined;
    readonly out: string | undefined;
    readonly params: string | undefined;
    readonly method: (typeof methods)[number];
    readonly outputs: OutputOptions;
    /** In bytes. */
    readonly memoryLimit: number | undefined;
    readonly check: boolean;
    readonly perParameter: boolean;
    readonly errorEstimate: boolean;
    readonly spectrum: boolean;
    /** Whether to say how the kernel would be computed rather than to compute it. */
    readonly explain: boolean;
    readonly settings: Settings;
  };

/** A network of this package by its name, and where its parameters come from. */
export interface NamedNetwork {
  readonly kind: "named";
  readonly name: string;
  readonly entry: ModelEntry;
  readonly weights: string | undefined;
}

/** A network in a file, and which of its outputs counts where it has several. */
export interface OnnxNetwork {
  readonly kind: "onnx";
  /** The path. */
  readonly name: string;
  readonly output: string | undefined;
}

/** A network. */
export type Network = NamedNetwork | OnnxNetwork;

/** What every command takes. */
export interface Settings {
  readonly dtype: (typeof dtypes)[number];
  readonly backend: BackendName;
  readonly seed: number;
  readonly json: boolean;
}

function oneOf<T extends string>(flag: string, value: string | undefined, list: readonly T[]): T {
  if (value === undefined) return list[0];
  const found = list.find((name) => name === value);
  if (found !== undefined) return found;
  throw new UsageError(`--${flag} ${value}: expected one of ${list.join(", ")}`);
}

function seedOf(value: string | undefined): number {
  if (value === undefined) return 0;
  const seed = Number(value);
  if (value.trim() !== "" && Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new UsageError(`--seed ${value}: expected an integer of at least 0`);
}

function memoryLimitOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const megabytes = Number(value);
  if (value.trim() !== "" && megabytes > 0) return megabytes * 1e6;
  throw new UsageError(`--memory-limit ${value}: expected megabytes, a number above 0`);
}

function axesOf(flag: string, value: string | undefined): number[] | undefined {
  if (value === undefined) return undefined;
  const axes = value.split(",").map((part) => part.trim() === "" ? NaN : Number(part));
  if (axes.every((axis) => Number.isInteger(axis))) return axes;
  throw new UsageError(
    `--${flag} ${value}: expected axes of the output, separated by commas; -1 is the last`,
  );
}

/** What of the kernel is asked for. */
function outputsOf(values: Partial<Record<string, string>>): OutputOptions {
  const [traceAxes, diagonalAxes] = (["trace-axes", "diagonal-axes"] as const)
    .map((flag) => axesOf(flag, values[flag]));
  const normalize = oneOf("normalize", values.normalize, normalizations);
  if (traceAxes === undefined && diagonalAxes === undefined) {
    return { compute: oneOf("compute", values.compute, computes), normalize };
  }
  if (values.compute === undefined) return { traceAxes, diagonalAxes, normalize };
  const flag = traceAxes === undefined ? "diagonal-axes" : "trace-axes";
  throw new UsageError(`--compute and --${flag} both say what to compute; give one of the two`);
}

/** The arguments with lists that begin with a negative number (`--trace-axes -2,-1`) in one piece with their flag. */
function joinLists(args: readonly string[]): string[] {
  const isFlag = (arg: string | undefined): boolean =>
    arg === "--trace-axes" || arg === "--diagonal-axes";
  return args.flatMap((arg, i) => {
    if (isFlag(args[i - 1]) && /^-\d/.test(arg)) return [];
    const value = args[i + 1];
    return isFlag(arg) && value !== undefined && /^-\d/.test(value) ? [`${arg}=${value}`] : [arg];
  });
}

type Values = Partial<Record<(typeof flags.string)[number], string>>;

/** Every flag as given; a flag that takes a value has one, once. */
function parse(args: readonly string[]): {
  positional: string[];
  values: Values;
  examples: Readonly<Record<"x1" | "x2", readonly string[]>>;
  switches: Record<(typeof flags.boolean)[number], boolean>;
} {
  for (const name of flags.boolean) {
    const given = args.find((arg) => arg.startsWith(`--${name}=`));
    if (given !== undefined) throw new UsageError(`${given}: --${name} takes no value`);
  }
  const parsed = parseArgs(joinLists(args), {
    string: [...flags.string],
    boolean: [...flags.boolean],
    alias: { help: "h" },
    collect: [...flags.string],
    unknown: (flag: string, key?: string) => {
      if (key === undefined) return true;
      throw new UsageError(`${flag} is not an option; see --help for those there are`);
    },
  }) as unknown as Record<string, unknown>;
  const values: Partial<Record<string, string>> = {};
  for (const name of flags.string) {
    const given = (parsed[name] ?? []) as string[];
    const named = (name === "x1" || name === "x2") && given.every((text) => text.includes("="));
    if (given.length > 1 && !named) {
      throw new UsageError(`--${name} was given ${given.length} times; give it once`);
    }
    if (given.length === 0) continue;
    if (given[0] === "") throw new UsageError(`--${name} needs a value: --${name} VALUE`);
    values[name] = given[0];
  }
  const switches = Object.fromEntries(
    flags.boolean.map((name) => [name, parsed[name] === true]),
  ) as Record<(typeof flags.boolean)[number], boolean>;
  const [x1, x2] = ["x1", "x2"].map((name) => (parsed[name] ?? []) as string[]);
  const positional = (parsed._ as (string | number)[]).map(String);
  return { positional, values, examples: { x1, x2 }, switches };
}

function networkOf(name: string, { weights, output }: Values): Network {
  if (name.endsWith(".onnx")) {
    if (weights === undefined) return { kind: "onnx", name, output };
    throw new UsageError(`--weights ${weights}: ${name} has its own weights; leave it out`);
  }
  if (output !== undefined) {
    throw new UsageError(`--output ${output}: only ONNX files have outputs with names`);
  }
  if (Object.hasOwn(models, name)) return { kind: "named", name, entry: models[name], weights };
  const known = Object.keys(models).join(", ");
  throw new UsageError(
    `${name === "" ? '""' : name} is no model; expected an .onnx file or one of ${known}`,
  );
}

/** The command that the arguments ask for. Throws a `UsageError` for a call that is off. */
export function commandOf(args: readonly string[]): Command {
  const { positional, values, examples, switches } = parse(args);
  if (switches.help) return { kind: "help" };
  if (switches.version) return { kind: "version" };
  const settings: Settings = {
    dtype: oneOf("dtype", values.dtype, dtypes),
    backend: oneOf("backend", values.backend ?? Deno.env.get("TANGENTS_BACKEND"), backendNames),
    seed: seedOf(values.seed),
    json: switches.json,
  };
  if (positional.length === 0) {
    const misplaced = (["weights", "output", ...computing] as const)
      .find((name) => values[name] !== undefined);
    const flag = misplaced ??
      ([...computingSwitches, "list"] as const).find((name) => switches[name]);
    if (flag !== undefined) {
      throw new UsageError(
        `--${flag} needs a model: deno task ntk MODEL --${flag} …; MODEL is an .onnx file or one of ${
          Object.keys(models).join(", ")
        }`,
      );
    }
    return { kind: "tutorial", settings };
  }
  if (positional.length > 1) {
    throw new UsageError(
      `expected one model, got ${positional.join(" ")}; give examples with --x1 and --x2`,
    );
  }
  const network = networkOf(positional[0], values);
  if (switches.list) {
    const idle = computing.find((name) => values[name] !== undefined) ??
      computingSwitches.find((name) => switches[name]);
    if (idle === undefined) return { kind: "list", network, settings };
    throw new UsageError(`--list computes nothing; leave out --${idle}`);
  }
  if (values.x1 === undefined) {
    throw new UsageError(
      `${network.name} needs examples: --x1 FILE.npy with shape [N, ${
        network.kind === "named" ? network.entry.inputShape.join(", ") : "..."
      }]`,
    );
  }
  if (switches.explain) {
    const idle = values.out !== undefined
      ? "out"
      : computingSwitches.find((name) => name !== "explain" && switches[name]);
    if (idle !== undefined) {
      throw new UsageError(`--explain computes no kernel; leave out --${idle}`);
    }
  }
  return {
    kind: "kernel",
    network,
    x1: examples.x1,
    x2: values.x2 === undefined ? undefined : examples.x2,
    out: values.out,
    params: values.params,
    method: oneOf("method", values.method, methods),
    outputs: outputsOf(values),
    memoryLimit: memoryLimitOf(values["memory-limit"]),
    check: switches.check,
    explain: switches.explain,
    perParameter: switches["per-parameter"],
    errorEstimate: switches["error-estimate"],
    spectrum: switches.spectrum,
    settings,
  };
}
