/**
 * Measures whether "auto" takes the fastest method: all of them in turn, for networks and sizes between which the best differs.
 *
 * @module
 */

import { createWasmBackend } from "../backends/wasm/mod.ts";
import { realizeAll } from "../lib/core/realize.ts";
import { methodNames } from "../lib/ntk/methods.ts";
import { empiricalNtk, type NtkMethod, setBackend } from "../mod.ts";
import { type ChoiceProblem, choiceProblems } from "./choice_problems.ts";
import { duration, ratio, table } from "./markdown.ts";
import { inTurn } from "./timing.ts";

/** What was measured of one kernel; times are the least of the rounds' median seconds. */
export interface ChoiceRow {
  readonly name: string;
  readonly seconds: Readonly<Record<NtkMethod | "auto", number>>;
  /** What "auto" took: one method or "mixed". */
  readonly chosen: string;
}

/** What was measured. */
export interface ChoiceReport {
  readonly threads: number;
  readonly rows: readonly ChoiceRow[];
}

const names = ["auto", ...methodNames] as const;

/** Each times all methods once, several runs of each. */
const rounds = 8;

async function measureProblem({ name, compute, make }: ChoiceProblem): Promise<ChoiceRow> {
  const { f, params, x1, x2 } = make();
  await realizeAll([...Object.values(params), x1, x2]);
  let chosen = "";
  const contenders = names.map((method) => ({
    name: method,
    async run() {
      const onReport = (report: { method: string }): void => {
        if (method === "auto") chosen = report.method;
      };
      (await empiricalNtk(f, params, x1, x2, { method, compute, onReport })).dispose();
    },
  }));
  const times = new Map<string, number[]>(names.map((method) => [method, []]));
  for (let round = 0; round < rounds; round++) {
    // Each begins in its turn: the first of a round meets threads that sleep.
    const order = [
      ...contenders.slice(round % names.length),
      ...contenders.slice(0, round % names.length),
    ];
    const result = await inTurn(order, { rounds: 1, slice: 25, rest: 2, enough: 0.2 });
    for (const [method, seconds] of result) times.get(method)!.push(seconds);
  }
  for (const x of [...Object.values(params), x1, x2]) x.dispose();
  const seconds = Object.fromEntries(
    [...times].map(([method, list]) => [method, Math.min(...list)]),
  ) as ChoiceRow["seconds"];
  return { name, seconds, chosen };
}

/** Measures all problems whose names contain the filter. */
export async function measureChoice(threads: number, filter: string): Promise<ChoiceReport> {
  const backend = createWasmBackend({ threads });
  backend.startThreads();
  await setBackend(backend);
  const rows: ChoiceRow[] = [];
  for (const problem of choiceProblems) {
    if (problem.name.includes(filter)) rows.push(await measureProblem(problem));
  }
  backend.stopThreads();
  return { threads, rows };
}

/** The least time by one method. */
function bestOf({ seconds }: ChoiceRow): number {
  return Math.min(...methodNames.map((name) => seconds[name]));
}

const short: Readonly<Record<string, string>> = {
  "jacobian-contraction": "JC",
  "ntk-vector-products": "VP",
  "structured-derivatives": "SD",
};

/** The figures as a table. */
export function printChoice({ threads, rows }: ChoiceReport): string {
  const ratios = rows.map((row) => row.seconds.auto / bestOf(row));
  const geometric = Math.exp(ratios.reduce((sum, x) => sum + Math.log(x), 0) / ratios.length);
  const worst = Math.max(...ratios);
  return [
    `### The choice`,
    `Warm, the least of the medians of several rounds, ${threads} threads, in turn. JC: Jacobian contraction, VP: NTK-vector products, SD: structured derivatives; the ratio is the time of "auto" over that of the best single method.`,
    table(
      ["kernel", "auto", "JC", "VP", "SD", "auto took", "ratio"],
      rows.map((row, i) => [
        row.name,
        ...names.map((name) => duration(row.seconds[name])),
        short[row.chosen] ?? row.chosen,
        ratio(ratios[i]),
      ]),
    ),
    `Ratios: geometric mean ${ratio(geometric)}, largest ${
      ratio(worst)
    }; faster than every single method in ${ratios.filter((x) => x < 1).length} of ${rows.length}.`,
  ].join("\n\n");
}
