/**
 * Chromium for tests: pages served with and without isolation, and the errors that they report.
 *
 * @module
 */

import { type BrowserContext, chromium, type Page } from "playwright-core";
import { bundle, isolationHeaders } from "../../tasks/demo.ts";

/** A browser with an empty profile of its own, and a server of one page. */
export interface Browser {
  /** Opens the page. Whatever it reports as an error is added to `errors`. */
  open(content: string, isolated: boolean): Promise<Page>;
  /** Opens a file without a server. */
  openFile(path: string): Promise<Page>;
  /** Errors of the pages so far: exceptions and what the console shows as errors. */
  readonly errors: string[];
  /** Ends the browser and the server. */
  close(): Promise<void>;
}

const flags = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // Software adapters are offered only so.
  "--enable-unsafe-webgpu",
];

/** Where Chromium is, or null. */
async function findChromium(): Promise<string | null> {
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
      const path = `${folder}/${name}`;
      if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) return path;
    }
  }
  return null;
}

const executable = await findChromium();

/**
 * Whether there is Chromium; where there is none, says which tests are left out. Where `CI` is set there must be one, and it
 * is an error if there is none.
 */
export function hasChromium(tests: string): boolean {
  if (executable !== null) return true;
  const message = `${tests} need Chromium on the PATH`;
  if (Deno.env.get("CI")) throw new Error(message);
  console.warn(`Left out: ${message}.`);
  return false;
}

/** Starts Chromium. */
export async function startChromium(): Promise<Browser> {
  const profile = await Deno.makeTempDir();
  const context: BrowserContext = await chromium.launchPersistentContext(profile, {
    executablePath: executable!,
    headless: true,
    args: flags,
    acceptDownloads: true,
    viewport: { width: 1280, height: 900 },
  });
  context.setDefaultTimeout(20_000);
  const errors: string[] = [];
  context.on("page", (page) => {
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(String(error)));
  });
  const pages: { content: string; isolated: boolean }[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) => {
      const page = pages[Number(new URL(url).pathname.slice(1))];
      if (page === undefined) return new Response("", { status: 404 });
      const headers = {
        "Content-Type": "text/html; charset=utf-8",
        ...(page.isolated ? isolationHeaders : {}),
      };
      return new Response(page.content, { headers });
    },
  );
  return {
    errors,
    async open(content, isolated) {
      const page = await context.newPage();
      const number = pages.push({ content, isolated }) - 1;
      await page.goto(`http://127.0.0.1:${server.addr.port}/${number}`);
      return page;
    },
    async openFile(path) {
      const page = await context.newPage();
      await page.goto(`file://${path}`);
      return page;
    },
    async close() {
      await context.close();
      await server.shutdown();
      await Deno.remove(profile, { recursive: true }).catch(() => {});
    },
  };
}

/** A page that has the conformance suite and Chromium's shader compiler at hand: `browser_suite.ts`. */
export async function suitePage(): Promise<string> {
  const script = await bundle(new URL("browser_suite.ts", import.meta.url));
  const inside = script.replace(/<\/(?=script)/gi, "<\\/");
  return `<!doctype html><link rel="icon" href="data:,"><script>${inside}</script>`;
}
