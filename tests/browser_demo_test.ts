/// <reference lib="dom" />
/**
 * The demonstration page in Chromium: kernels on WebAssembly with threads and without, and on WebGPU, against PyTorch's; files
 * that are dropped, stopping, the keyboard.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Page } from "playwright-core";
import { formatNpy, parseNpy } from "../lib/npy/mod.ts";
import { buildPage } from "../tasks/demo.ts";
import { type Browser, hasChromium, startChromium } from "./helpers/chromium.ts";

const ignore = !hasChromium("the tests of the demonstration page");
const golden = new URL("golden/", import.meta.url);
/** Of the largest entry. */
const tolerance = 2e-6;

let browser: Browser;
let content = "";
Deno.test.beforeAll(async () => {
  if (ignore) return;
  content = await buildPage();
  browser = await startChromium();
});
Deno.test.afterAll(async () => {
  if (!ignore) await browser.close();
});

/** A test in a page of its own, which must report no errors. */
function pageTest(
  name: string,
  isolated: boolean,
  body: (page: Page) => Promise<void>,
): void {
  Deno.test({
    name: `browser: ${name}`,
    ignore,
    // Playwright's process and the server live on from test to test.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      browser.errors.length = 0;
      const page = await browser.open(content, isolated);
      await ready(page);
      await body(page);
      assertEquals(browser.errors, []);
      await page.close();
    },
  });
}

async function ready(page: Page): Promise<void> {
  await page.locator("#environment", { hasText: "This browser has" }).waitFor();
  await page.locator("#network-info", { hasText: "parameters" }).waitFor();
}

function read(path: string): { shape: readonly number[]; data: Float64Array } {
  const { shape, data } = parseNpy(Deno.readFileSync(new URL(path, golden)));
  return { shape, data: Float64Array.from(data as Float64Array) };
}

/** Gives both sets of a golden network's examples as one file. */
async function giveExamples(page: Page, name: string): Promise<void> {
  const [x1, x2] = [read(`${name}/x1.npy`), read(`${name}/x2.npy`)];
  const shape = [x1.shape[0] + x2.shape[0], ...x1.shape.slice(1)];
  const bytes = formatNpy({ shape, data: Float32Array.from([...x1.data, ...x2.data]) });
  await page.selectOption("#examples", "npy");
  await page.setInputFiles("#npy", {
    name: "both.npy",
    mimeType: "application/octet-stream",
    buffer: Buffer.from(bytes),
  });
  await page.locator("#npy-info", { hasText: "both.npy" }).waitFor();
}

/** Waits for the kernel, or throws what the page says went wrong. */
async function done(page: Page): Promise<void> {
  const outcome = page.locator("#status", { hasText: "Done" }).or(page.locator("#error:visible"));
  await outcome.first().waitFor({ timeout: 60_000 });
  const error = page.locator("#error:visible");
  assertEquals(await error.allTextContents(), []);
}

/** The kernel that the page saves. */
async function saved(page: Page): Promise<{ shape: readonly number[]; data: Float32Array }> {
  const download = page.waitForEvent("download");
  await page.click("#save");
  const path = await (await download).path();
  const { shape, data } = parseNpy(await Deno.readFile(path));
  return { shape, data: data as Float32Array };
}

/** Compares the kernel of both sets of examples with the golden kernel between the two. */
async function assertGolden(page: Page, name: string): Promise<void> {
  const expected = read(`${name}/ntk.npy`);
  const [n, m, o] = expected.shape;
  const { shape, data } = await saved(page);
  assertEquals(shape, [n + m, n + m, o, o]);
  let [difference, largest] = [0, 0];
  for (let i = 0; i < n; i++) {
    for (let at = 0; at < m * o * o; at++) {
      const value = expected.data[i * m * o * o + at];
      const got = data[(i * (n + m) + n) * o * o + at];
      assert(Number.isFinite(got));
      difference = Math.max(difference, Math.abs(got - value));
      largest = Math.max(largest, Math.abs(value));
    }
  }
  assert(difference <= tolerance * largest, `error ${difference / largest}`);
}

for (
  const [backend, isolated, device] of [
    ["wasm", true, /^WebAssembly, \d+ threads?$/],
    ["wasm", false, /^WebAssembly, 1 thread$/],
    ["webgpu", true, /^WebGPU, /],
  ] as const
) {
  pageTest(
    `golden kernel on ${backend}, ${isolated ? "" : "not "}isolated`,
    isolated,
    async (page) => {
      assertEquals(await page.evaluate(() => crossOriginIsolated), isolated);
      await giveExamples(page, "digits-cnn");
      await page.selectOption("#compute", "full");
      await page.selectOption("#backend", backend);
      await page.click("#run");
      await done(page);
      const told = await page.locator("#report div", { hasText: "Computed on" }).locator("dd");
      const text = await told.textContent() ?? "";
      assertMatch(text, device);
      const cores = await page.evaluate(() => navigator.hardwareConcurrency);
      if (backend === "wasm" && isolated) {
        assertEquals(text.includes("1 thread") ? 1 : parseInt(text.slice(13)), Math.min(cores, 16));
      }
      await assertGolden(page, "digits-cnn");
    },
  );
}

pageTest("a dropped ONNX file, and one that is none", true, async (page) => {
  const drop = (name: string, bytes: Uint8Array): Promise<void> =>
    page.evaluate(([name, base64]) => {
      const data = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([data], name));
      document.body.dispatchEvent(
        new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }),
      );
    }, [name, bytes.toBase64()]);
  await drop("broken.onnx", new Uint8Array([1, 2, 3]));
  await page.getByRole("alert").filter({ hasText: "This ONNX file cannot be used" }).waitFor();
  await drop("net.onnx", Deno.readFileSync(new URL("digits-mlp/model-torch-export.onnx", golden)));
  await page.locator("#network-info", { hasText: "85,002 parameters" }).waitFor();
  assertEquals(await page.inputValue("#network"), "file");
  assert(await page.getByRole("alert").isHidden());
  await giveExamples(page, "digits-mlp");
  await page.selectOption("#compute", "full");
  await page.selectOption("#backend", "wasm");
  await page.click("#run");
  await done(page);
  await assertGolden(page, "digits-mlp");
  // Examples that do not fit are refused in words.
  await drop("wrong.npy", formatNpy({ shape: [2, 3], data: new Float32Array(6) }));
  await page.locator("#npy-info", { hasText: "wrong.npy" }).waitFor();
  await page.click("#run");
  await page.getByRole("alert").filter({ hasText: "the network takes N × " }).waitFor();
});

pageTest("random examples, each output by itself, and the spectrum", false, async (page) => {
  await page.selectOption("#examples", "random");
  await page.fill("#count", "20");
  await page.selectOption("#compute", "diagonal");
  await page.selectOption("#backend", "auto");
  await page.click("#run");
  await done(page);
  const { shape, data } = await saved(page);
  assertEquals(shape, [20, 20, 10]);
  // The sum of the eigenvalues that the page draws is the trace of the matrix that it shows.
  await page.locator("#output").fill("3");
  const titles = await page.locator("#spectrum circle title").allTextContents();
  const sum = titles.reduce((sum, text) => sum + Number(text.split(": ")[1]), 0);
  let trace = 0;
  for (let i = 0; i < 20; i++) trace += data[(i * 20 + i) * 10 + 3];
  assertEquals(titles.length, 20);
  assert(Math.abs(sum - trace) < 2e-3 * trace, `${sum}, expected ${trace}`);
});

pageTest("stopping, while the page stays awake", true, async (page) => {
  await page.selectOption("#network", "digits-mlp");
  await page.locator("#network-info", { hasText: "85,002" }).waitFor();
  await page.fill("#count", "400");
  await page.selectOption("#compute", "full");
  await page.selectOption("#backend", "wasm");
  await page.selectOption("#method", "ntk-vector-products");
  await page.click("#run");
  await page.locator("#status", { hasText: "Block" }).waitFor();
  // The page draws and answers in the middle of it.
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  await page.hover("#map");
  assert(await page.isEnabled("#stop"));
  await page.click("#stop");
  assertEquals(await page.textContent("#status"), "Stopped.");
  assert(await page.isDisabled("#stop"));
  await page.fill("#count", "8");
  await page.click("#run");
  await done(page);
  assertEquals((await saved(page)).shape, [8, 8, 10, 10]);
});

pageTest("everything by keyboard, with names", true, async (page) => {
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLInputElement>("input, select, button")]
      .filter((field) => (field.labels?.length ?? 0) === 0 && field.textContent!.trim() === "")
      .map(({ id }) => id)
  );
  assertEquals(nameless, []);
  await page.focus("#backend");
  await page.keyboard.press("W");
  await page.keyboard.press("W");
  assertEquals(await page.inputValue("#backend"), "wasm");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await done(page);
  const focused = (): Promise<string> => page.evaluate(() => document.activeElement!.id);
  for (let i = 0; i < 5 && await focused() !== "map"; i++) await page.keyboard.press("Tab");
  assertEquals(await focused(), "map");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  const readout = page.getByRole("status").and(page.locator("#readout"));
  assertMatch(await readout.textContent() ?? "", /: example 1 \(a 0\) with example 1 \(a 0\)$/);
  await page.keyboard.press("End");
  assertMatch(await readout.textContent() ?? "", /: example 1 \(a 0\) with example 47 \(a 9\)$/);
});

Deno.test({
  name: "browser: the page from a file, without a server",
  ignore,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    browser.errors.length = 0;
    const folder = await Deno.makeTempDir();
    await Deno.writeTextFile(`${folder}/index.html`, content);
    const page = await browser.openFile(`${folder}/index.html`);
    await ready(page);
    await page.click("#run");
    await done(page);
    assertEquals((await saved(page)).shape, [48, 48]);
    assertEquals(browser.errors, []);
    await page.close();
    await Deno.remove(folder, { recursive: true });
  },
});
