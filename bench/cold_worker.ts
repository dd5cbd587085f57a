/**
 * A process that computes one kernel from nothing and says in a line of JSON how many milliseconds each step took.
 *
 * `deno run [--v8-flags=…] cold_worker.ts METHOD steps|runs THREADS`
 *
 * @module
 */

// Imported below, as the time of the imports counts.
import type { NtkMethod } from "../mod.ts";

const [wanted, mode, threads] = Deno.args;
const method = wanted as NtkMethod;
const laps: Record<string, number> = {};
// From the start of the process, as V8 sees it.
let last = 0;

/** The milliseconds since the last lap. */
function lap(name: string): void {
  const now = performance.now();
  laps[name] = now - last;
  last = now;
}

lap("start");
const { empiricalNtk, realize, setBackend } = await import("../mod.ts");
const { createWasmBackend, wakeWork } = await import("../backends/wasm/mod.ts");
const { makeProblem } = await import("./ntk_problems.ts");
lap("imports");
await setBackend(createWasmBackend({ threads: Number(threads) }));
const { f, params, x1, x2 } = makeProblem("tutorial");
await realize({ params, x1, x2 });
lap("parameters and examples");

if (mode === "runs") {
  for (const name of ["first", "second", "third", "fourth", "fifth", "sixth"]) {
    const kernel = await empiricalNtk(f, params, x1, x2, { method });
    await kernel.data();
    kernel.dispose();
    lap(name);
  }
} else {
  const { compileModule } = await import("../backends/wasm/compile.ts");
  const { buildProgram } = await import("../lib/compiler/build.ts");
  const { simplify } = await import("../lib/compiler/simplify.ts");
  const { lower } = await import("../lib/compiler/lower.ts");
  const { methods } = await import("../lib/ntk/methods.ts");
  const { kernelProblem } = await import("../lib/ntk/problem.ts");
  last = performance.now();
  const kernel = methods[method](kernelProblem(f, params, x1, x2));
  lap("tracing");
  const { program } = buildProgram([kernel]);
  lap("building");
  const simple = simplify(program);
  lap("simplifying");
  const lowered = lower(simple);
  lap("lowering");
  const { bytes } = compileModule(lowered, {
    relaxed: true,
    threads: Number(threads),
    shared: true,
    shareAbove: wakeWork,
  });
  lap("emission");
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  lap("instantiation");
  laps.kernels = lowered.kernels.length;
  laps.bytes = bytes.length;
}
console.log(JSON.stringify(laps));
