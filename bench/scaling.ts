/**
 * How the time of a kernel grows: with examples, outputs and width, beside the operations that its program counts.
 *
 * @module
 */

import { createWasmBackend } from "../backends/wasm/mod.ts";
import { buildProgram } from "../lib/compiler/build.ts";
import { countOperations } from "../lib/compiler/print.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { realizeSync } from "../lib/core/realize.ts";
import { Conv2d, Linear, Module } from "../lib/nn/mod.ts";
import { methodNames, methods, type NtkMethod } from "../lib/ntk/methods.ts";
import { kernelProblem } from "../lib/ntk/problem.ts";
import { empiricalNtk, random, setBackend, type Tensor } from "../mod.ts";
import { digits, duration, ratio, table } from "./markdown.ts";
import { type NtkProblem, problemOf } from "./ntk_problems.ts";
import { median, sleep } from "./timing.ts";

/** One size of the network and of the data. */
export interface ScalingRow {
  readonly vary: string;
  readonly examples: number;
  readonly outputs: number;
  readonly width: number;
  readonly method: NtkMethod;
  /** Floating point operations of the program's contractions. */
  readonly operations: number;
  /** Elements that pass through its other operations. */
  readonly elements: number;
  /** Median seconds, or null where the kernel does not fit into memory. */
  readonly seconds: number | null;
}

/** What was measured. */
export interface ScalingReport {
  readonly threads: number;
  readonly rows: readonly ScalingRow[];
}

const testExamples = 5;
/** Seconds after which a kernel is not computed again. */
const enough = 2;
/** Fewest times that a kernel is computed; the first compiles its program. */
const fewestRounds = 3;
/** Most times that a kernel is computed. Small ones take a dozen until V8 has optimized all of their program. */
const mostRounds = 40;
const sizes = [
  ...[5, 20, 80, 160].map((examples) => ({ vary: "examples", examples, outputs: 10, width: 32 })),
  ...[1, 10, 30, 100].map((outputs) => ({ vary: "outputs", examples: 20, outputs, width: 32 })),
  ...[8, 16, 32, 64].map((width) => ({ vary: "width", examples: 20, outputs: 10, width })),
];

/** The tutorial's network with another width and other outputs. */
class ScaledCNN extends Module {
  conv1: Conv2d;
  conv2: Conv2d;
  conv3: Conv2d;
  fc: Linear;

  constructor(width: number, outputs: number) {
    super();
    this.conv1 = new Conv2d(3, width, 3);
    this.conv2 = new Conv2d(width, width, 3);
    this.conv3 = new Conv2d(width, width, 3);
    this.fc = new Linear(width * 26 * 26, outputs);
  }

  forward(x: Tensor): Tensor {
    x = this.conv2.forward(this.conv1.forward(x).relu()).relu();
    return this.fc.forward(this.conv3.forward(x).flatten(1));
  }
}

/** Operations of the program that computes the kernel. */
function countOf({ f, params, x1, x2 }: NtkProblem, method: NtkMethod) {
  const kernel = methods[method](kernelProblem(f, params, x1, x2));
  return countOperations(simplify(buildProgram([kernel]).program));
}

/** Measures all sizes. */
export async function measureScaling(threads: number): Promise<ScalingReport> {
  const backend = createWasmBackend({ threads });
  backend.startThreads();
  setBackend(backend);
  const rows: ScalingRow[] = [];
  for (const { vary, examples, outputs, width } of sizes) {
    const [key1, key2] = random.splitKey(random.randomKey(0));
    const problem = problemOf(
      new ScaledCNN(width, outputs),
      random.normal(key1, [examples, 3, 32, 32]),
      random.normal(key2, [testExamples, 3, 32, 32]),
    );
    const { f, params, x1, x2 } = problem;
    realizeSync([...Object.values(params), x1, x2]);
    for (const method of methodNames) {
      const { contractions, elementwise } = countOf(problem, method);
      const times: number[] = [];
      let spent = 0;
      try {
        while (times.length < fewestRounds || (times.length < mostRounds && spent < enough)) {
          await sleep(10);
          const from = performance.now();
          (await empiricalNtk(f, params, x1, x2, { method })).dispose();
          const seconds = (performance.now() - from) / 1000;
          spent += seconds;
          times.push(seconds);
        }
      } catch (error) {
        console.error(`${vary} ${examples} ${outputs} ${width}, ${method}: ${error}`);
      }
      rows.push({
        vary,
        examples,
        outputs,
        width,
        method,
        operations: contractions,
        elements: elementwise,
        // What comes first is not warm.
        seconds: times.length > 0 ? median(times.slice(times.length >> 1)) : null,
      });
    }
    for (const x of [...Object.values(params), x1, x2]) x.dispose();
  }
  backend.stopThreads();
  return { threads, rows };
}

const names: Readonly<Record<string, string>> = {
  "jacobian-contraction": "Jacobian contraction",
  "ntk-vector-products": "NTK-vector products",
};

/** The figures as a table. */
export function printScaling({ threads, rows }: ScalingReport): string {
  const perOperation = (row: ScalingRow): number => row.seconds! / row.operations;
  const parts = [
    `### How cost grows`,
    `The tutorial's network with other numbers of training examples (against ${testExamples} test examples), of outputs, and of channels; full kernels, warm medians, ${threads} threads. Operations are those of the program's contractions, elements those that its other operations compute or read; the last column is time over operations, relative to the tutorial's own size.`,
  ];
  for (const method of methodNames) {
    const own = rows.filter((row) => row.method === method);
    const base = own.find((row) =>
      row.examples === 20 && row.outputs === 10 && row.width === 32 && row.seconds !== null
    );
    if (base === undefined) continue;
    const unit = perOperation(base);
    const costs = own.filter((row) => row.seconds !== null).map(perOperation);
    const spread = Math.max(...costs) / Math.min(...costs);
    parts.push(
      table(
        [
          names[method] ?? method,
          "examples",
          "outputs",
          "channels",
          "GFLOP",
          "million elements",
          "time",
          "GFLOP/s",
          "time per operation",
        ],
        own.map((row) => [
          row.vary,
          String(row.examples),
          String(row.outputs),
          String(row.width),
          digits(row.operations / 1e9),
          digits(row.elements / 1e6),
          duration(row.seconds),
          row.seconds === null ? "–" : digits(row.operations / row.seconds / 1e9),
          row.seconds === null ? "does not fit" : digits(perOperation(row) / unit),
        ]),
      ),
      `Time per operation, largest over smallest: ${ratio(spread)}; all are within ${
        ratio(Math.sqrt(spread))
      } × of one constant.`,
    );
  }
  return parts.join("\n\n");
}
