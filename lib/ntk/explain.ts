/**
 * What computing a kernel would take, parameter by parameter, before it is computed.
 *
 * @module
 */

import { chooseBackend } from "../../backends/registry.ts";
import { ArgumentError } from "../base/errors.ts";
import { prepareAll } from "../core/realize.ts";
import { withOutputShape } from "./compute.ts";
import { execute } from "./execute.ts";
import { kernelBy, type NtkMethod } from "./methods.ts";
import { checkOptions, checkPlace, checkSwitch, type NtkOptions, optionNames } from "./options.ts";
import { expectedSeconds, type ParameterShare, planKernel } from "./plan.ts";
import { kernelProblems, type NetworkFunction, withParameters } from "./problem.ts";
import { calibrate } from "./rates.ts";
import { megabytes } from "./tiles.ts";

/** One row of an explanation. */
export interface ExplainedParameter extends ParameterShare {
  /** Seconds that its share by itself is expected to take, with the passes through the network that it needs. */
  readonly predictedSeconds: number;
  /**
   * Bytes that the program of its share alone needs beside parameters and examples: the most that intermediate results, those
   * of the passes included, hold at once, and the share itself; where the backend knows, and if computed in one piece. It is
   * what `tiles.bytes` in a report would be with this parameter only.
   */
  readonly bytes: number;
  /** Seconds that this took, warm; where measuring was asked for. */
  readonly measuredSeconds?: number;
}

/** How a kernel would be computed, and what that takes. */
export interface NtkExplanation {
  /** The one method for all parameters, or "mixed". */
  readonly method: NtkMethod | "mixed";
  /** One row a parameter. */
  readonly parameters: readonly ExplainedParameter[];
  /** Operations of the forward and reverse passes that all methods need. */
  readonly passes: number;
  /** Operations of a matrix product in a second on this machine, measured once. */
  readonly rate: number;
  /** Expected seconds of the whole kernel. */
  readonly predictedSeconds: number;
  /** Seconds that the whole kernel took, warm; where measuring was asked for. */
  readonly measuredSeconds?: number;
  /** Bytes that its program needs beside parameters and examples, where the backend knows, if computed in one piece. */
  readonly bytes: number;
  /** Most bytes that a program may need; where `bytes` is more, the kernel is computed in blocks. */
  readonly memoryLimit: number;
  /** The explanation as a table. */
  toString(): string;
}

/** Options of `explainNtk`: those of `empiricalNtk` that change what is computed, and whether to measure. */
export interface ExplainOptions extends NtkOptions {
  /** Compute the kernel, and each parameter's share by itself, and say how long they took. */
  measure?: boolean;
}

const columns: readonly (readonly [method: NtkMethod, title: string])[] = [
  ["jacobian-contraction", "Jacobian contraction"],
  ["ntk-vector-products", "NTK-vector products"],
  ["structured-derivatives", "structured derivatives"],
];

function operationsAsText(operations: number): string {
  if (operations === 0) return "0";
  const [unit, name] = operations >= 1e12
    ? [1e12, "T"]
    : operations >= 1e9
    ? [1e9, "G"]
    : operations >= 1e6
    ? [1e6, "M"]
    : [1e3, "k"];
  return `${(operations / unit).toPrecision(3)} ${name}`;
}

function secondsAsText(seconds: number | undefined): string {
  if (seconds === undefined) return "";
  const milliseconds = 1000 * seconds;
  if (milliseconds < 0.001) return "< 0.001 ms";
  return `${milliseconds.toFixed(milliseconds < 10 ? 3 : 0)} ms`;
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row.map((cell, i) => i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ")
      .trimEnd()
  ).join("\n");
}

function describe(explanation: NtkExplanation): string {
  const { parameters, passes, rate, bytes, memoryLimit } = explanation;
  const measured = explanation.measuredSeconds !== undefined;
  const head = [
    "parameter",
    "shape",
    "uses",
    ...columns.map(([, title]) => title),
    "method",
    "alone: memory",
    "predicted",
    ...(measured ? ["measured"] : []),
  ];
  const rows = parameters.map((p) => [
    // A parameter that is the whole tree has no path in it.
    p.name === "" ? "params" : p.name,
    `[${p.shape.join(", ")}]`,
    String(p.uses),
    ...columns.map(([method]) => operationsAsText(p.operations[method])),
    p.method + (p.unstructured === null ? "" : " *"),
    megabytes(p.bytes),
    secondsAsText(p.predictedSeconds),
    ...(measured ? [secondsAsText(p.measuredSeconds)] : []),
  ]);
  const notes = parameters.flatMap((p) =>
    p.unstructured === null ? [] : [`* ${p.name}: no structure is known for ${p.unstructured}`]
  );
  const inBlocks = bytes > memoryLimit ? "in blocks, as in one piece it needs" : "in one piece:";
  return [
    table([head, ...rows]),
    ...notes,
    `passes through the network: ${operationsAsText(passes)} operations; this machine does ${
      operationsAsText(rate)
    } in a second`,
    `whole kernel by ${explanation.method}: predicted ${
      secondsAsText(explanation.predictedSeconds)
    }${measured ? `, measured ${secondsAsText(explanation.measuredSeconds)}` : ""}; ${inBlocks} ${
      megabytes(bytes)
    } of at most ${megabytes(memoryLimit)}`,
  ].join("\n");
}

/**
 * Explains how `empiricalNtk` would compute a kernel: for every parameter what each method costs, which is taken, and the
 * time and memory that its share is expected to need. Arguments are those of `empiricalNtk`. Costs are counted on the
 * network's graph and on the contractions that would run, as floating point operations of a matrix product that take as long;
 * Jacobian contraction is counted as the paper defines it, with the Jacobian made before it is contracted (the compiler finds
 * some of its structure by itself). A parameter's memory and times are those of its share by itself, with the passes through
 * the network that it needs, so that they add up to more than the whole. Times follow from rates of this machine: measured
 * once, and kept for later processes in the user's cache folder, or the one that the variable `TANGENTS_CACHE` names, where
 * this process may write there without being asked.
 *
 * The network's result must be one tensor. Throws what `empiricalNtk` throws for arguments that do not fit.
 *
 * @example
 * ```ts
 * import { explainNtk, type Tensor, ones } from "@tangents/ntk";
 * const params = { w: ones([8, 4]), v: ones([2, 8]) };
 * const f = ({ w, v }: typeof params, x: Tensor) => v.matmul(w.matmul(x).tanh());
 * const explanation = await explainNtk(f, params, ones([3, 4]));
 * console.log(explanation.parameters.map(({ name, method }) => `${name}: ${method}`));
 * console.log(String(explanation)); // a table
 * ```
 */
export async function explainNtk<Params, X>(
  f: NetworkFunction<Params, X>,
  params: Params,
  x1: X,
  x2?: X | null,
  options: ExplainOptions = {},
): Promise<NtkExplanation> {
  checkPlace(x2, options, ["measure", ...optionNames], "explainNtk");
  const { measure: given, ...rest } = options;
  const measure = checkSwitch("measure", given, "explainNtk");
  const { method, outputs, parameters, memoryLimit, results, backend: named } = checkOptions(rest);
  const { problems } = kernelProblems(f, params, x1, x2 ?? x1, parameters, outputs);
  if (problems.length > 1 || results.crossOutputs) {
    throw new ArgumentError(
      `explainNtk: explains the kernel of one output, and the network has ${problems.length}${
        results.crossOutputs ? ", joined by crossOutputs" : ""
      }; explain a function that returns one of them`,
    );
  }
  const [problem] = problems;
  const { backend } = await chooseBackend(named, problem.dtype);
  const rates = await calibrate(backend, problem.dtype);
  const rate = rates.product;
  const plan = planKernel(problem, method, rates);
  const choices = plan.shares.map((share) => share.method);
  const kernel = withOutputShape(kernelBy(problem, choices), problem.form);
  const { bytes } = await prepareAll([kernel], backend);
  const timeOf = async (places: readonly number[]): Promise<number | undefined> => {
    if (!measure) return undefined;
    const part = places.length === choices.length ? problem : withParameters(problem, places);
    const request = { problems: [part], assemble: ([one]: readonly unknown[]) => one };
    let seconds = Infinity;
    // The first run compiles.
    for (let run = 0; run < 3; run++) {
      const start = performance.now();
      const { kernels } = await execute(
        request,
        [places.map((i) => choices[i])],
        memoryLimit,
        backend,
      );
      seconds = run === 0 ? seconds : Math.min(seconds, (performance.now() - start) / 1000);
      kernels.forEach((x) => x.dispose());
    }
    return seconds;
  };
  const rows: ExplainedParameter[] = [];
  for (const [i, share] of plan.shares.entries()) {
    const alone = kernelBy(withParameters(problem, [i]), [share.method]);
    const { bytes } = await prepareAll([withOutputShape(alone, problem.form)], backend);
    const measuredSeconds = await timeOf([i]);
    rows.push({
      ...share,
      predictedSeconds: expectedSeconds(alone, rates),
      bytes,
      ...(measuredSeconds === undefined ? {} : { measuredSeconds }),
    });
  }
  const measuredSeconds = await timeOf(choices.map((_, i) => i));
  const explanation: NtkExplanation = {
    method: plan.method,
    parameters: rows,
    passes: plan.passes,
    rate,
    predictedSeconds: expectedSeconds(kernelBy(problem, choices), rates),
    ...(measuredSeconds === undefined ? {} : { measuredSeconds }),
    bytes,
    memoryLimit,
    toString: () => describe(explanation),
  };
  return explanation;
}
