/**
 * The demonstration page: `deno task demo` bundles examples/browser into one file and serves it with the headers that give a
 * page threads. `--build FOLDER` only writes the file, for a server of one's own.
 *
 * @module
 */

const root = new URL("../", import.meta.url);
const source = new URL("examples/browser/", root);

/** Files that the page carries with it, by the names it knows them by. */
const assets = {
  "digits_images.npy": "examples/data/digits_images.npy",
  "digits_labels.npy": "examples/data/digits_labels.npy",
  "digits-cnn.onnx": "tests/golden/digits-cnn/model.onnx",
  "digits-mlp.onnx": "tests/golden/digits-mlp/model.onnx",
};

/** The headers that isolate a page from other origins, so that it may share memory among threads. */
export const isolationHeaders = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** A module with all that it imports, as one script for browsers. Throws an `Error` where it cannot be bundled. */
export async function bundle(module: URL): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform=browser", "--format=iife", "--minify", module.href],
    cwd: root,
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`${module}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** The page as one HTML file that needs no other. */
export async function buildPage(): Promise<string> {
  const files = await Promise.all(
    Object.entries(assets).map(async ([name, path]) =>
      [name, (await Deno.readFile(new URL(path, root))).toBase64()] as const
    ),
  );
  const read = (name: string): Promise<string> => Deno.readTextFile(new URL(name, source));
  const parts: Record<string, string> = {
    "/* style.css */": await read("style.css"),
    "/* assets */": JSON.stringify(Object.fromEntries(files)),
    "/* worker.ts */": await bundle(new URL("worker.ts", source)),
    "/* page.ts */": await bundle(new URL("page.ts", source)),
  };
  let page = await read("index.html");
  for (const [mark, text] of Object.entries(parts)) {
    // A script ends at its first closing tag, wherever it stands.
    page = page.replace(mark, () => text.replace(/<\/(?=script)/gi, "<\\/"));
  }
  return page;
}

if (import.meta.main) {
  const page = await buildPage();
  const megabytes = (page.length / 1e6).toFixed(2);
  const [option, folder] = Deno.args;
  if (option === "--build" && folder !== undefined) {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/index.html`, page);
    console.log(`${folder}/index.html: ${megabytes} MB`);
  } else if (option === undefined) {
    console.log(`the page has ${megabytes} MB; Ctrl+C ends the server`);
    const headers = { "Content-Type": "text/html; charset=utf-8", ...isolationHeaders };
    Deno.serve(
      { hostname: "127.0.0.1", port: 8080 },
      ({ url }) =>
        new URL(url).pathname === "/"
          ? new Response(page, { headers })
          : new Response("there is only /", { status: 404 }),
    );
  } else {
    console.error("usage: deno task demo [--build FOLDER]");
    Deno.exit(2);
  }
}
