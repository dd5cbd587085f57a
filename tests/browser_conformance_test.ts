/// <reference lib="dom" />
/**
 * The conformance suite in Chromium, on WebAssembly with threads and without and on WebGPU, and shaders of kernels under Chromium's
 * compiler, Tint.
 *
 * A part of the suite, as WebGPU's adapter in software compiles for minutes; all of it where TANGENTS_BROWSER_SUITE is "full".
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { functionalCall } from "../lib/nn/mod.ts";
import { methodNames } from "../lib/ntk/methods.ts";
import { empiricalNtk, setBackend, type Tensor } from "../mod.ts";
import { bundle } from "../tasks/demo.ts";
import type { BrowserSuite, SuiteResult } from "./helpers/browser_suite.ts";
import { type Browser, hasChromium, startChromium } from "./helpers/chromium.ts";
import { goldenNames, loadGolden } from "./helpers/golden.ts";
import { newWebgpuBackend, webgpuBackend } from "./helpers/webgpu.ts";

const ignore = !hasChromium("the conformance suite in a browser");
const full = Deno.env.get("TANGENTS_BROWSER_SUITE") === "full";

let browser: Browser;
let content = "";
Deno.test.beforeAll(async () => {
  if (ignore) return;
  const script = await bundle(new URL("helpers/browser_suite.ts", import.meta.url));
  const inside = script.replace(/<\/(?=script)/gi, "<\\/");
  content = `<!doctype html><link rel="icon" href="data:,"><script>${inside}</script>`;
  browser = await startChromium();
});
Deno.test.afterAll(async () => {
  if (!ignore) await browser.close();
});

type Suite = { suite: BrowserSuite };

async function withPage<T>(isolated: boolean, body: (page: Page) => Promise<T>): Promise<T> {
  browser.errors.length = 0;
  const page = await browser.open(content, isolated);
  const result = await body(page);
  assertEquals(browser.errors, []);
  await page.close();
  return result;
}

/**
 * What WGSL leaves open, and SwiftShader does as the reference does not: numbers below the smallest normal one may become
 * zero, and a uint32 that is no float32 may become the one above or the one below.
 */
const open = /: float32 (?:sweep and )?special values: |^cast: uint32 to float32 /;

for (
  const [kind, isolated, parts, device] of [
    ["wasm", false, 8, /^WebAssembly, 1 thread$/],
    ["threads", true, 8, /^WebAssembly, 2 threads$/],
    ["webgpu", true, 24, /^WebGPU, /],
  ] as const
) {
  Deno.test({
    name: `conformance: ${kind} in Chromium`,
    ignore,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const { cases, description, failures }: SuiteResult = await withPage(
        isolated,
        (page) =>
          page.evaluate(
            ([kind, parts]) => (globalThis as unknown as Suite).suite.conformance(kind, 0, parts),
            [kind, full ? 1 : parts] as const,
          ),
      );
      assertMatch(description, device);
      assert(cases > 8000 / parts);
      const wrong = kind === "webgpu" ? failures.filter((text) => !open.test(text)) : failures;
      assertEquals(wrong.slice(0, 5), [], `${wrong.length} of ${cases} cases`);
    },
  });
}

const noAdapter = ignore || await webgpuBackend() === null;

Deno.test({
  name: "Tint accepts the shaders of the golden kernels, and refuses what is no shader",
  ignore: noAdapter,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const sources = new Set<string>();
    const backend = await newWebgpuBackend({ onShader: (source) => void sources.add(source) });
    await setBackend(backend);
    try {
      for (const name of goldenNames) {
        const { net, x1, x2 } = await loadGolden(name, "float32");
        const f = (params: Record<string, Tensor>, x: Tensor): Tensor =>
          functionalCall(net, params, x.unsqueeze(0)).squeeze(0);
        for (const method of methodNames) {
          // Two examples with one: sizes are constants in a shader, and large ones take a software adapter long.
          const [a, b] = [x1.slice([0, 2]), x2.slice([0, 1])];
          await (await empiricalNtk(f, net.namedParameters(), a, b, { method })).data();
        }
      }
    } finally {
      await setBackend("wasm");
    }
    assert(sources.size > 100, `${sources.size} shaders`);
    const compile = (page: Page, texts: readonly string[]): Promise<string[]> =>
      page.evaluate((texts) => (globalThis as unknown as Suite).suite.compile(texts), texts);
    await withPage(true, async (page) => {
      assertEquals(await compile(page, [...sources]), []);
      assertEquals((await compile(page, ["fn f() -> u32 { return 1.5; }"])).length, 1);
    });
  },
});
