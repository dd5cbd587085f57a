/**
 * The kernel of a network between files of examples.
 *
 * @module
 */

import {
  AxisError,
  empiricalNtk,
  explainNtk,
  type NtkReport,
  TangentsError,
  type Tensor,
  tensor,
  type TypedArray,
} from "../mod.ts";
import { startBackend } from "./backend.ts";
import { chooseParameters, formOf, loadAllExamples, loadNamed } from "./network.ts";
import { loadOnnxNetwork, openOnnx } from "./onnx.ts";
import type { Command, OnnxNetwork, Settings } from "./options.ts";
import { checkWritable, writeKernel } from "./output.ts";
import { UsageError } from "./usage.ts";

type KernelCommand = Extract<Command, { kind: "kernel" }>;

/** Seconds and megabytes as people read them. */
export function describeCost(seconds: number, bytes: number): string {
  const megabytes = bytes / 1e6;
  return `${seconds.toFixed(seconds < 10 ? 3 : 1)} s, at most ${
    megabytes.toFixed(megabytes < 10 ? 1 : 0)
  } MB`;
}

/** What was found out about the kernel's numbers, in words. */
function describeTrust({ errorEstimate, spectrum }: NtkReport): string[] {
  const parts: string[] = [];
  if (errorEstimate !== undefined) {
    const { pairs, relativeError } = errorEstimate;
    parts.push(
      `error ${relativeError.toExponential(1)} of the largest entry (${pairs} pairs in float64)`,
    );
  }
  if (spectrum !== undefined) {
    const { smallest, largest, bound, positiveSemidefinite, exact } = spectrum;
    parts.push(
      `${positiveSemidefinite ? "" : "NOT "}positive semidefinite: smallest eigenvalue ${
        exact ? "" : "at most "
      }${smallest.toExponential(2)}, rounding explains ${(-bound).toExponential(2)} (largest ${
        largest.toExponential(2)
      })`,
    );
  }
  return parts;
}

/** The root of the sum of squares. */
function norm(data: TypedArray): number {
  let sum = 0;
  for (const x of data) sum += x * x;
  return Math.sqrt(sum);
}

/** Numbers by name. */
function table(numbers: Readonly<Record<string, number>>): string {
  const width = Math.max(...Object.keys(numbers).map((name) => name.length));
  return Object.entries(numbers)
    .map(([name, x]) => `${name.padEnd(width)}  ${x.toPrecision(6)}`).join("\n");
}

/** What of the kernel was computed, in words. */
function describeForm({ compute, axes, normalize }: NtkReport): string {
  const what = compute === "axes" ? `by output axes: ${axes.join(", ")}` : compute;
  return normalize === "mean" ? `${what}, averaged` : what;
}

/** An axis that the network's output does not have is a wrong call. */
function refuseAxes(error: unknown): never {
  if (!(error instanceof AxisError)) throw error;
  const [, flag, reason] = /^empiricalNtk: (trace|diagonal)Axes, (.*)$/s.exec(error.message) ?? [];
  if (flag === undefined) throw error;
  throw new UsageError(`--${flag}-axes: ${reason}`);
}

/** Throws where the kernel holds anything but finite numbers. */
function checkFinite(data: TypedArray, dtype: string): void {
  const bad = data.findIndex((x) => !Number.isFinite(x));
  if (bad < 0) return;
  throw new TangentsError(
    `the kernel is not finite (element ${bad} is ${
      data[bad]
    }): examples or parameters are too large for ${dtype}`,
  );
}

/** Computes the kernel, and writes or prints it. */
export async function runKernel(command: KernelCommand): Promise<void> {
  const { network, settings, method, outputs, memoryLimit, check, perParameter, out } = command;
  const { errorEstimate, spectrum } = command;
  if (spectrum && command.x2 !== undefined) {
    throw new UsageError("--spectrum is that of examples with themselves; leave out --x2");
  }
  if (out !== undefined) await checkWritable(out);
  const device = await startBackend(settings);
  // A file must be read before it is known what it takes; a network of this package is made when its examples are there.
  const loaded = network.kind === "onnx"
    ? await loadOnnxNetwork(network, settings, command.params)
    : null;
  const form = network.kind === "onnx" ? loaded!.form : formOf(network);
  const x1 = await loadAllExamples("--x1", command.x1, form, settings);
  const x2 = command.x2 === undefined
    ? undefined
    : await loadAllExamples("--x2", command.x2, form, settings);
  const { f, params } = network.kind === "onnx" ? loaded! : await loadNamed(network, settings);
  const parameters = command.params === undefined
    ? undefined
    : chooseParameters(command.params, Object.keys(params));
  if (command.explain) {
    const explanation = await explainNtk(f, params, x1, x2, {
      ...outputs,
      method,
      memoryLimit,
      parameters,
      measure: true,
    }).catch(refuseAxes);
    console.log(settings.json ? JSON.stringify(explanation) : String(explanation));
    return;
  }
  let report: NtkReport | undefined;
  const options = {
    ...outputs,
    method,
    memoryLimit,
    check,
    errorEstimate,
    spectrum,
    parameters,
    onReport: (given: NtkReport) => report = given,
  };
  const kernels: Record<string, Tensor> =
    await (perParameter
      ? empiricalNtk(f, params, x1, x2, { ...options, perParameter })
      : empiricalNtk(f, params, x1, x2, options).then((kernel) => ({ "": kernel })))
      .catch(refuseAxes);
  const written: string[] = [];
  const norms: Record<string, number> = {};
  for (const [name, kernel] of Object.entries(kernels)) {
    const data = await kernel.data();
    // On the host, where printing need not wait.
    kernels[name] = tensor(data, { shape: kernel.shape });
    checkFinite(data, settings.dtype);
    norms[name] = norm(data);
    if (out === undefined) continue;
    const path = name === "" ? out : out.replace(/(\.npy)?$/, `.${name}.npy`);
    await writeKernel(path, data, kernel.shape);
    written.push(path);
  }
  const { seconds, peakBytes, tiles, check: checked } = report!;
  const parts = [
    `${network.name}: kernel${perParameter ? "s by parameter" : ""} [${
      report!.shape.join(", ")
    }] (${describeForm(report!)}, ${settings.dtype}, ${report!.parameters} parameters) by ${
      report!.method
    } on ${device}: ${describeCost(seconds, peakBytes)}${
      tiles.count > 1 ? `, in ${tiles.count} blocks` : ""
    }`,
  ];
  if (checked !== undefined) {
    parts.push(
      `checked by ${checked.method}: largest difference ${
        checked.largestDifference.toExponential(1)
      }`,
    );
  }
  parts.push(...describeTrust(report!));
  if (written.length > 0) {
    parts.push(`written to ${written[0]}${written.length > 1 ? ` to ${written.at(-1)}` : ""}`);
  }
  console.error(parts.join("; "));
  if (settings.json) {
    const shares = perParameter ? norms : undefined;
    console.log(JSON.stringify({ model: network.name, ...report, shares, out }));
  } else if (out === undefined) console.log(perParameter ? table(norms) : kernels[""].toString());
}

/** Sizes of a file's value as people read them. */
function shownShape(shape: readonly (number | string | null)[] | null): string {
  return shape === null ? "of any shape" : `[${shape.map((n) => n ?? "?").join(", ")}]`;
}

/** Prints what a file holds. */
async function listOnnx(network: OnnxNetwork, settings: Settings): Promise<void> {
  const { inputs, outputs, stored } = await openOnnx(network, settings);
  if (settings.json) {
    console.log(JSON.stringify({ inputs, outputs, stored }));
    return;
  }
  const rows = [
    ...inputs.map(({ name, type, shape }) => ["input", name, type ?? "?", shownShape(shape)]),
    ...outputs.map(({ name, type, shape }) => ["output", name, type ?? "?", shownShape(shape)]),
    ...stored.map(({ name, type, shape, trainable }) => [
      trainable ? "parameter" : "constant",
      name,
      type,
      shownShape(shape),
    ]),
  ];
  const widths = [0, 1, 2].map((i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows) {
    console.log(row.map((text, i) => text.padEnd(widths[i] ?? 0)).join("  ").trimEnd());
  }
  const trainable = stored.filter((tensor) => tensor.trainable);
  const total = trainable.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0);
  console.error(`${trainable.length} parameters, ${total} numbers; shapes of one example`);
}

/** Prints the network's parameters. */
export async function runList(command: Extract<Command, { kind: "list" }>): Promise<void> {
  const { network, settings } = command;
  if (network.kind === "onnx") return await listOnnx(network, settings);
  const { params } = await loadNamed(network, settings);
  const rows = Object.entries(params).map(([name, x]) => ({ name, shape: x.shape, size: x.size }));
  if (settings.json) {
    console.log(JSON.stringify(rows));
    return;
  }
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const { name, shape } of rows) console.log(`${name.padEnd(width)}  [${shape.join(", ")}]`);
  const total = rows.reduce((n, { size }) => n + size, 0);
  console.error(`${rows.length} parameters, ${total} numbers`);
}
