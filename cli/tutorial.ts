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
  type Tensor,
} from "../mod.ts";
import { models } from "../models/mod.ts";
import { startBackend } from "./backend.ts";
import { describeCost } from "./kernel.ts";
import { loadNamed } from "./network.ts";
import type { Settings } from "./options.ts";

const methods: readonly NtkMethod[] = ["jacobian-contraction", "ntk-vector-products"];
const computes: readonly NtkCompute[] = ["full", "trace", "diagonal"];
const [trainSize, testSize] = [20, 5];

interface Row {
  readonly compute: NtkCompute;
  readonly shape: readonly number[];
  /** Seconds of each method: with compiling the program, and of the full kernel once more with the compiled program. */
  readonly seconds: Record<string, { readonly first: number; readonly again?: number }>;
  readonly largestDifference: number;
  readonly largestEntry: number;
  readonly allclose: boolean;
}

async function largest(x: Tensor): Promise<number> {
  return await x.abs().max().item();
}

/** Both methods, in all forms, compared by allclose. Returns whether all agreed. */
export async function runTutorial(settings: Settings): Promise<boolean> {
  const start = performance.now();
  const device = await startBackend(settings);
  const name = "tutorial-cnn";
  const entry = models[name];
  const { f, params } = await loadNamed({ name, entry, weights: undefined }, settings);
  const [trainKey, testKey] = random.splitKey(random.randomKey(settings.seed));
  const { dtype } = settings;
  const xTrain = random.normal(trainKey, [trainSize, ...entry.inputShape], { dtype });
  const xTest = random.normal(testKey, [testSize, ...entry.inputShape], { dtype });
  const count = Object.values(params).reduce((n, p) => n + p.size, 0);
  const say = settings.json ? () => {} : (line: string) => console.log(line);
  say(
    `Tutorial "Neural Tangent Kernels": a CNN of ${count} parameters, ${trainSize} x ${testSize} examples, ${dtype}, ${device}\n`,
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
      if (compute === "full") (await empiricalNtk(f, params, xTrain, xTest, options)).dispose();
      const [first, again] = times;
      seconds[method] = { first, again };
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
    const timings = methods.map((method) => {
      const { first, again } = seconds[method];
      const then = again === undefined ? "" : `, then ${again.toFixed(3)} s`;
      return `${method} ${first.toFixed(3)} s${then}`.padEnd(43);
    });
    say(
      `${compute.padEnd(8)} ${shape} ${timings.join("   ")}   ${
        close ? "allclose" : "DIFFERENT"
      } (${(largestDifference / largestEntry).toExponential(1)} of the largest entry)`,
    );
  }
  const agree = rows.every((row) => row.allclose);
  const seconds = (performance.now() - start) / 1000;
  if (settings.json) {
    console.log(
      JSON.stringify({ model: name, device, parameters: count, rows, peakBytes: peak, agree }),
    );
  }
  console.error(
    `${settings.json ? "" : "\n"}${name}: ${rows.length} kernels by ${methods.length} methods, ${
      agree ? "all agree" : "NOT all agree"
    }; ${describeCost(seconds, peak)}`,
  );
  return agree;
}
