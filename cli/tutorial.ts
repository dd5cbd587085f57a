/**
 * PyTorch's tutorial "Neural Tangent Kernels" from the command line.
 *
 * @module
 */

import {
  allclose,
  empiricalNtk,
  type NtkCompute,
  type NtkMethod,
  type NtkReport,
  random,
  setBackend,
  type Tensor,
} from "../mod.ts";
import { models } from "../models/mod.ts";
import { describeCost } from "./kernel.ts";
import { loadNetwork } from "./network.ts";
import type { Settings } from "./options.ts";

const methods: readonly NtkMethod[] = ["jacobian-contraction", "ntk-vector-products"];
const computes: readonly NtkCompute[] = ["full", "trace", "diagonal"];
const [trainSize, testSize] = [20, 5];

interface Row {
  readonly compute: NtkCompute;
  readonly shape: readonly number[];
  /** Seconds of each method: the first call, and the median of those after it. */
  readonly seconds: Record<string, { readonly first: number; readonly later: number }>;
  readonly largestDifference: number;
  readonly largestEntry: number;
  readonly allclose: boolean;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

async function largest(x: Tensor): Promise<number> {
  return await x.abs().max().item();
}

/** Both methods, in all forms, compared by allclose. Returns whether all agreed. */
export async function runTutorial(settings: Settings): Promise<boolean> {
  const start = performance.now();
  setBackend(settings.backend);
  const name = "tutorial-cnn";
  const entry = models[name];
  const { f, params } = await loadNetwork({ name, entry, weights: undefined }, settings);
  const [trainKey, testKey] = random.splitKey(random.randomKey(settings.seed));
  const { dtype } = settings;
  const xTrain = random.normal(trainKey, [trainSize, ...entry.inputShape], { dtype });
  const xTest = random.normal(testKey, [testSize, ...entry.inputShape], { dtype });
  const count = Object.values(params).reduce((n, p) => n + p.size, 0);
  const say = settings.json ? () => {} : (line: string) => console.log(line);
  say(
    `Tutorial "Neural Tangent Kernels": a CNN of ${count} parameters, ${trainSize} x ${testSize} examples, ${dtype}, ${settings.backend}\n`,
  );
  const rows: Row[] = [];
  let peak = 0;
  for (const compute of computes) {
    const kernels: Tensor[] = [];
    const seconds: Row["seconds"] = {};
    for (const method of methods) {
      const times: number[] = [];
      const onReport = (report: NtkReport): void => {
        times.push(report.seconds);
        peak = report.peakBytes;
      };
      const options = { method, compute, onReport };
      kernels.push(await empiricalNtk(f, params, xTrain, xTest, options));
      // Once more, now that the program is compiled: what every further kernel of this shape costs.
      (await empiricalNtk(f, params, xTrain, xTest, options)).dispose();
      seconds[method] = { first: times[0], later: median(times.slice(1)) };
    }
    const [a, b] = kernels;
    const largestEntry = await largest(a);
    const largestDifference = await largest(a.sub(b));
    // PyTorch's tutorial compares with an absolute tolerance of 1e-5; the kernel's entries are of this size.
    const close = await allclose(a, b, { rtol: 1e-4, atol: 1e-5 * largestEntry });
    rows.push({
      compute,
      shape: a.shape,
      seconds,
      largestDifference,
      largestEntry,
      allclose: close,
    });
    const shape = `[${a.shape.join(", ")}]`.padEnd(16);
    const timings = methods.map((method) =>
      `${method} ${seconds[method].first.toFixed(3)} s, then ${seconds[method].later.toFixed(3)} s`
    );
    say(
      `${compute.padEnd(8)} ${shape} ${timings.join("   ")}   ${
        close ? "allclose" : "DIFFERENT"
      } (${(largestDifference / largestEntry).toExponential(1)} of the largest entry)`,
    );
  }
  const agree = rows.every((row) => row.allclose);
  const seconds = (performance.now() - start) / 1000;
  if (settings.json) {
    console.log(JSON.stringify({ model: name, parameters: count, rows, peakBytes: peak, agree }));
  }
  console.error(
    `${settings.json ? "" : "\n"}${name}: ${rows.length} kernels by ${methods.length} methods, ${
      agree ? "all agree" : "NOT all agree"
    }; ${describeCost(seconds, peak)}`,
  );
  return agree;
}
