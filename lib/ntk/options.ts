/**
 * Options of `empiricalNtk`, checked.
 *
 * @module
 */

import type { BackendName } from "../../backends/registry.ts";
import { ArgumentError } from "../base/errors.ts";
import type { Backend } from "../compiler/backend.ts";
import { checkCount } from "../core/operations/checks.ts";
import type { CheckTolerances } from "./check.ts";
import { checkOutputOptions, type OutputOptions } from "./compute.ts";
import type { ErrorEstimateOptions } from "./error_estimate.ts";
import { checkMethod, type NtkMethod } from "./methods.ts";
import type { ParameterChoice } from "./problem.ts";
import type { NtkReport } from "./report.ts";
import type { ResultOptions } from "./results.ts";

/** Options of `empiricalNtk`. */
export interface NtkOptions extends OutputOptions {
  /**
   * How; "auto" (the default) takes for each parameter the method with the fewest counted operations. See `explainNtk`.
   */
  method?: NtkMethod | "auto";
  /** Which parameters to sum over, by name (path in the tree); all floating point ones by default. */
  parameters?: ParameterChoice;
  /**
   * Most bytes that a program may need beside parameters and examples; 2 GiB by default. A kernel that needs more is
   * computed in blocks of examples and outputs.
   */
  memoryLimit?: number;
  /**
   * What computes it: a name or a backend of one's own, as for `setBackend`; the one that is in force by default. Parameters
   * and examples that lie elsewhere are moved.
   */
  backend?: BackendName | Backend;
  /** Compute with another method too and compare; true for tolerances that fit the kernel's scale. */
  check?: boolean | CheckTolerances;
  /**
   * Recompute the entries of a few pairs of examples, chosen by a seed, in float64, and report the largest error over the
   * largest entry.
   */
  errorEstimate?: boolean | ErrorEstimateOptions;
  /**
   * Report the smallest eigenvalue of a kernel of examples with themselves, beside the bound that rounding explains. Takes
   * time in the third power of the kernel's rows.
   */
  spectrum?: boolean;
  /** Is told what was done. */
  onReport?: (report: NtkReport) => void;
}

/** Options with the defaults filled in; `check` is null where none was asked for. */
export interface CheckedOptions {
  readonly method: NtkMethod | "auto";
  readonly outputs: OutputOptions;
  readonly parameters: ParameterChoice | undefined;
  readonly results: ResultOptions;
  readonly memoryLimit: number;
  readonly backend: BackendName | Backend | undefined;
  readonly check: CheckTolerances | null;
  readonly errorEstimate: ErrorEstimateOptions | null;
  readonly spectrum: boolean;
  readonly onReport: ((report: NtkReport) => void) | undefined;
}

/** Names of the options of `empiricalNtk`. */
export const optionNames: readonly string[] = [
  "method",
  "compute",
  "traceAxes",
  "diagonalAxes",
  "normalize",
  "perParameter",
  "crossOutputs",
  "parameters",
  "memoryLimit",
  "backend",
  "check",
  "errorEstimate",
  "spectrum",
  "onReport",
];

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Throws an `ArgumentError` for an object with keys that mean nothing. */
export function checkKeys(
  value: object,
  known: readonly string[],
  what: string,
  where = "empiricalNtk",
): void {
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  if (unknown.length === 0) return;
  throw new ArgumentError(
    `${where}: no ${what} is called ${unknown.join(", ")}; there are ${known.join(", ")}`,
  );
}

/** A value as true or false. Throws an `ArgumentError` for what is neither; false is the default. */
export function checkSwitch(name: string, value: unknown, where = "empiricalNtk"): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw new ArgumentError(`${where}: ${name} must be true or false, got ${String(value)}`);
}

/** Bytes that a program may need where nothing else is said. */
const defaultMemoryLimit = 2 ** 31;

function checkMemoryLimit(value: unknown): number {
  if (value === undefined) return defaultMemoryLimit;
  if (typeof value === "number" && value > 0) return value;
  throw new ArgumentError(
    `empiricalNtk: memoryLimit must be a number of bytes above 0, got ${String(value)}`,
  );
}

function checkBackend(value: unknown): BackendName | Backend | undefined {
  if (value === undefined || typeof value === "string") return value as BackendName | undefined;
  if (isObject(value) && "compile" in value && "upload" in value) return value as Backend;
  throw new ArgumentError(
    `empiricalNtk: backend must be a name or a backend, got ${String(value)}`,
  );
}

function checkTolerances(check: unknown): CheckTolerances | null {
  if (check === undefined || check === false) return null;
  if (check === true) return {};
  if (!isObject(check)) {
    throw new ArgumentError(
      `empiricalNtk: check must be true, false or { rtol, atol }, got ${String(check)}`,
    );
  }
  checkKeys(check, ["rtol", "atol"], "tolerance");
  for (const [name, value] of Object.entries(check)) {
    if (value !== undefined && !(typeof value === "number" && value >= 0)) {
      throw new ArgumentError(
        `empiricalNtk: check.${name} must be a number of at least 0, got ${String(value)}`,
      );
    }
  }
  return check;
}

function checkErrorEstimate(value: unknown): ErrorEstimateOptions | null {
  if (value === undefined || value === false) return null;
  if (value === true) return {};
  if (!isObject(value)) {
    throw new ArgumentError(
      `empiricalNtk: errorEstimate must be true, false or { pairs, seed }, got ${String(value)}`,
    );
  }
  checkKeys(value, ["pairs", "seed"], "part of errorEstimate");
  const { pairs, seed }: ErrorEstimateOptions = value;
  if (pairs !== undefined) checkCount(pairs, 1, "empiricalNtk: errorEstimate.pairs");
  if (seed !== undefined) checkCount(seed, 0, "empiricalNtk: errorEstimate.seed");
  return { pairs, seed };
}

/** Whether a value is meant as options and stands where x2 belongs: no tree of tensors holds such values. */
function looksLikeOptions(value: unknown, names: readonly string[]): boolean {
  return isObject(value) && Object.keys(value).every((key) => names.includes(key)) &&
    Object.values(value).some((v) =>
      typeof v !== "object" || v instanceof RegExp ||
      Array.isArray(v) && v.every((entry) => typeof entry !== "object")
    );
}

/** Throws an `ArgumentError` where options stand in the place of x2, are no object, or have keys that mean nothing. */
export function checkPlace(
  x2: unknown,
  options: unknown,
  known: readonly string[],
  where: string,
): void {
  if (looksLikeOptions(x2, known)) {
    throw new ArgumentError(
      `${where}: the fourth argument is x2, and options were given; write ${where}(f, params, x1, null, options)`,
    );
  }
  if (!isObject(options)) {
    throw new ArgumentError(
      `${where}: options must be an object like { ${known[0]}: … }, got ${
        Array.isArray(options) ? "an array" : String(options)
      }`,
    );
  }
  checkKeys(options, known, "option", where);
}

/** Throws an `ArgumentError` that names the option which is not what it should be. */
export function checkOptions(options: NtkOptions & ResultOptions): CheckedOptions {
  const { onReport } = options;
  if (onReport !== undefined && typeof onReport !== "function") {
    throw new ArgumentError(`empiricalNtk: onReport must be a function, got ${typeof onReport}`);
  }
  return {
    method: checkMethod(options.method ?? "auto"),
    outputs: checkOutputOptions(options),
    parameters: options.parameters,
    results: {
      perParameter: checkSwitch("perParameter", options.perParameter),
      crossOutputs: checkSwitch("crossOutputs", options.crossOutputs),
    },
    memoryLimit: checkMemoryLimit(options.memoryLimit),
    backend: checkBackend(options.backend),
    check: checkTolerances(options.check),
    errorEstimate: checkErrorEstimate(options.errorEstimate),
    spectrum: checkSwitch("spectrum", options.spectrum),
    onReport,
  };
}
