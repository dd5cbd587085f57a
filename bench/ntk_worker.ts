/**
 * A process that computes kernels for the report, as the peers' processes do.
 *
 * `deno run ntk_worker.ts tutorial|mlp [--threads N] [--data FOLDER] [--once METHOD COMPUTE]`
 *
 * @module
 */

import { createWasmBackend } from "../backends/wasm/mod.ts";
import { formatNpy, parseNpy } from "../lib/npy/mod.ts";
import {
  empiricalNtk,
  type NtkCompute,
  type NtkMethod,
  realize,
  setBackend,
  type Tensor,
  tensor,
} from "../mod.ts";
import { makeProblem, type ProblemName } from "./ntk_problems.ts";
import { serve, workerArguments } from "./peers/protocol.ts";

const { problem, threads, data, once } = workerArguments();

async function load(name: string): Promise<Tensor> {
  const { data: elements, shape } = parseNpy(await Deno.readFile(`${data}/${name}.npy`));
  return tensor(elements as Float32Array).reshape([...shape]);
}

await serve(
  "Tangents",
  once,
  async () => {
    setBackend(createWasmBackend({ threads }));
    const made = makeProblem(problem as ProblemName);
    const { f } = made;
    let { params, x1, x2 } = made;
    if (data !== null) {
      const names = Object.keys(params);
      params = Object.fromEntries(
        await Promise.all(names.map(async (name) => [name, await load(name)] as const)),
      );
      [x1, x2] = await realize([await load("x1"), await load("x2")]);
    }
    return async ({ method, compute }) => {
      const kernel = await empiricalNtk(f, params, x1, x2, {
        method: method as NtkMethod | "auto",
        compute: compute as NtkCompute,
      });
      const elements = await kernel.data() as Float32Array;
      kernel.dispose();
      return elements;
    };
  },
  (path, kernel) => Deno.writeFile(path, formatNpy({ shape: [kernel.length], data: kernel })),
);
