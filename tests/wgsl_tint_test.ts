/// <reference lib="dom" />
/**
 * Every shader that the tests of WebGPU generated under Chromium's compiler, Tint; naga, which is Deno's, has compiled them there.
 *
 * `deno test` runs files by name, and this one after them, in the same process. Run alone it makes some of its own.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { empiricalNtk, ones, type Tensor } from "../mod.ts";
import type { BrowserSuite } from "./helpers/browser_suite.ts";
import { hasChromium, startChromium, suitePage } from "./helpers/chromium.ts";
import { newWebgpuBackend, shaderFolder, webgpuBackend } from "./helpers/webgpu.ts";

/** The shaders of the test files that ran before. */
function keptShaders(): Set<string> {
  const shaders = new Set<string>();
  try {
    for (const { name } of Deno.readDirSync(shaderFolder)) {
      const lines = Deno.readTextFileSync(`${shaderFolder}/${name}`).split("\n");
      for (const line of lines) if (line !== "") shaders.add(JSON.parse(line));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return shaders;
}

/** Shaders of a small kernel. */
async function madeShaders(): Promise<Set<string>> {
  const shaders = new Set<string>();
  const backend = await newWebgpuBackend({ onShader: (source) => void shaders.add(source) });
  const f = ({ w }: { w: Tensor }, x: Tensor): Tensor => w.matmul(x).tanh();
  await (await empiricalNtk(f, { w: ones([3, 2]) }, ones([4, 2]), null, { backend })).data();
  return shaders;
}

Deno.test({
  name: "Tint accepts every shader of the tests of WebGPU, and refuses what is no shader",
  ignore: !hasChromium("shaders under Tint") || await webgpuBackend() === null,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    const kept = keptShaders();
    const shaders = [...(kept.size > 0 ? kept : await madeShaders())];
    assert(shaders.length > 0);
    const browser = await startChromium();
    try {
      const page = await browser.open(await suitePage(), true);
      const compile = (page: Page, texts: readonly string[]): Promise<string[]> =>
        page.evaluate(
          (texts) => (globalThis as unknown as { suite: BrowserSuite }).suite.compile(texts),
          texts,
        );
      for (let i = 0; i < shaders.length; i += 200) {
        assertEquals(await compile(page, shaders.slice(i, i + 200)), []);
      }
      assertEquals((await compile(page, ["fn f() -> u32 { return 1.5; }"])).length, 1);
      assertEquals(browser.errors, []);
    } finally {
      await browser.close();
      await Deno.remove(shaderFolder, { recursive: true }).catch(() => {});
    }
  },
});
