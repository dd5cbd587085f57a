/** The conformance suite on programs that were simplified and lowered, with kernels interpreted. */

import { assertEquals } from "@std/assert";
import { referenceBackend } from "../backends/reference/mod.ts";
import { dtypes } from "../lib/base/dtype.ts";
import type { Backend, DeviceBuffer } from "../lib/compiler/backend.ts";
import { lower } from "../lib/compiler/lower.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { compositionCases } from "./helpers/conformance_cases_composition.ts";
import { movementCases } from "./helpers/conformance_cases_movement.ts";
import { numericCases } from "./helpers/conformance_cases_numeric.ts";
import { runConformance } from "./helpers/conformance_run.ts";
import { interpretLowered } from "./helpers/interpret_kernel_program.ts";

/** Compiles as backends do; memory is the reference backend's. */
const interpretingBackend: Backend = {
  name: "interpreted kernels",
  dtypes,
  compile(program) {
    const lowered = lower(simplify(program));
    return {
      run: (inputs: readonly DeviceBuffer[]) => {
        const data = inputs.map((buffer) => referenceBackend.readSync!(buffer));
        return interpretLowered(lowered, data).map((result, i) =>
          referenceBackend.upload(result, program.nodes[program.outputs[i]].dtype)
        );
      },
    };
  },
  upload: (data, dtype) => referenceBackend.upload(data, dtype),
  read: (buffer) => referenceBackend.read(buffer),
  memory: () => referenceBackend.memory(),
};

Deno.test("simplified and lowered programs pass the conformance suite", async (t) => {
  // Elementwise primitives on special values are a matter of the interpreter, not of the compiler.
  const all = [...movementCases(), ...numericCases(), ...compositionCases()];
  for (const [group, cases] of Map.groupBy(all, (entry) => entry.group)) {
    await t.step(group, async () => {
      assertEquals((await runConformance(interpretingBackend, cases)).slice(0, 5), []);
    });
  }
});
