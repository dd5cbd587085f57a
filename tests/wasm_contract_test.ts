/** Contractions as the WebAssembly backend emits them. */
import { assert, assertEquals } from "@std/assert";
import { ModuleBuilder } from "../backends/wasm/assembler.ts";
import { emitContract } from "../backends/wasm/contract.ts";
import { GemmCache } from "../backends/wasm/gemm.ts";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import { referenceBackend } from "../backends/reference/mod.ts";
import type { ContractKernel } from "../lib/compiler/kernel.ts";
import { lower } from "../lib/compiler/lower.ts";
import type { Program } from "../lib/compiler/program.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { runProgram } from "./helpers/conformance_run.ts";

const windows = { kernel: [3, 3], strides: [1, 1], dilation: [1, 1] };

/** Filter gradients of two images, [16, 3, 3] for each of 9 cotangents, with the patches on either side. */
function filterGradients(patchesFirst: boolean): Program {
  const builder = new ProgramBuilder();
  const x = builder.input([2, 16, 14, 14], "float32");
  const cotangent = builder.input([9, 12, 12], "float32");
  const patches = builder.add("patches", windows, x);
  const own = { batch: [], contract: [1, 2] };
  const others = { batch: [], contract: [4, 5] };
  const [lhs, rhs] = patchesFirst ? [others, own] : [own, others];
  const product = builder.add(
    "dotGeneral",
    {
      lhsBatch: lhs.batch,
      rhsBatch: rhs.batch,
      lhsContract: lhs.contract,
      rhsContract: rhs.contract,
    },
    ...(patchesFirst ? [patches, cotangent] : [cotangent, patches]),
  );
  return builder.build(product);
}

const isContract = (kernel: { kind: string }): kernel is ContractKernel =>
  kernel.kind === "contract";

for (const patchesFirst of [true, false]) {
  const where = patchesFirst ? "first" : "second";
  Deno.test(`a filter gradient is known as one with the patches ${where}`, async () => {
    const program = filterGradients(patchesFirst);
    const kernels = lower(program).kernels.filter(isContract);
    assertEquals(kernels.length, 1);
    const { gemm } = emitContract(new ModuleBuilder(), kernels[0], true, new GemmCache());
    assertEquals(gemm.plan.kind, "winogradGradient");
    const numbers = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * i));
    const inputs = [2 * 16 * 14 * 14, 9 * 12 * 12].map((length) => ({
      data: numbers(length),
      dtype: "float32" as const,
    }));
    const backend = createWasmBackend({ threads: 1 });
    const [[ours], [expected]] = [
      await runProgram(backend, program, inputs),
      await runProgram(referenceBackend, program, inputs),
    ];
    const largest = Math.max(...[...expected.data].map(Math.abs));
    expected.data.forEach((value, i) => {
      const error = Math.abs(ours.data[i] - value) / largest;
      assert(error < 1e-6, `element ${i}: ${ours.data[i]}, expected ${value}`);
    });
  });
}
