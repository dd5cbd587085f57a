/**
 * Tests that every backend passes which is a library of others: the conformance suite, the golden kernels, and random draws.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { methodNames } from "../../lib/ntk/methods.ts";
import type { Backend } from "../../lib/compiler/backend.ts";
import { type BackendName, empiricalNtk, random, setBackend } from "../../mod.ts";
import { conformanceGroups } from "./conformance_cases.ts";
import { assertNoFailures, runConformance, type Tolerance } from "./conformance_run.ts";
import { assertNear, loadGolden, single } from "./golden.ts";

/** Cases that pass with another tolerance, by name, and why. */
export type LessExact = Readonly<
  Record<string, { readonly why: string; readonly tolerance: Tolerance }>
>;

/** The whole conformance suite. A backend of null leaves it out. */
export function testConformance(name: string, backend: Backend | null, lessExact: LessExact): void {
  for (const [group, cases] of conformanceGroups()) {
    Deno.test({ name: `conformance: ${name}: ${group}`, ignore: backend === null }, async () => {
      const adapted = cases.map((entry) => ({
        ...entry,
        tolerance: (lessExact[entry.name] ?? entry).tolerance,
      }));
      assertNoFailures(await runConformance(backend!, adapted), cases.length);
    });
  }

  Deno.test(`the list of less exact cases for ${name} names cases`, () => {
    const names = new Set([...conformanceGroups().values()].flat().map(({ name }) => name));
    assertEquals(Object.keys(lessExact).filter((name) => !names.has(name)), []);
  });
}

/** The kernels of golden networks by all methods, to 2e-6 of the largest entry. A backend of null leaves them out. */
export function testGoldenKernels(
  name: string,
  backend: Backend | null,
  networks: readonly string[],
): void {
  for (const network of networks) {
    for (const method of methodNames) {
      Deno.test(
        { name: `${network}: empiricalNtk by ${method} on ${name}`, ignore: backend === null },
        async () => {
          const { net, x1, x2, ntk } = await loadGolden(network, "float32");
          const params = net.namedParameters();
          const kernel = await empiricalNtk(single(net), params, x1, x2, {
            method,
            backend: backend!,
          });
          await assertNear(kernel, ntk, 2e-6);
        },
      );
    }
  }
}

/** Random numbers are those of WebAssembly where the backend is chosen by its name. */
export function testDraws(name: string, chosen: BackendName, ignore: boolean): void {
  Deno.test({ name: `${name}: chosen by name, it draws the same numbers`, ignore }, async () => {
    const draw = () => random.uniform(random.randomKey(7), [33]).data();
    const expected = await draw();
    await setBackend(chosen);
    try {
      assertEquals(await draw(), expected);
    } finally {
      await setBackend("wasm");
    }
  });
}
