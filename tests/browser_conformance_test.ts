/// <reference lib="dom" />
/**
 * The conformance suite in Chromium, on WebAssembly with threads and without and on WebGPU.
 *
 * A part of the suite, as WebGPU's adapter in software compiles for minutes; all of it where TANGENTS_BROWSER_SUITE is "full".
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import type { BrowserSuite, SuiteResult } from "./helpers/browser_suite.ts";
import { type Browser, hasChromium, startChromium, suitePage } from "./helpers/chromium.ts";

const ignore = !hasChromium("the conformance suite in a browser");
const full = Deno.env.get("TANGENTS_BROWSER_SUITE") === "full";

let browser: Browser;
let content = "";
Deno.test.beforeAll(async () => {
  if (ignore) return;
  content = await suitePage();
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
