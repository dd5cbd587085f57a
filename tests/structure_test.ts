/** The shape of the repository: imports go downward, files stay small, and nothing names the machine that it was written on. */
import { assert, assertEquals } from "@std/assert";

/** From the bottom up, folders and files. A file imports from its own row and from rows above it in this list. */
const layers: readonly (readonly string[])[] = [
  ["lib/base"],
  ["lib/npy"],
  ["lib/onnx/error.ts", "lib/onnx/wire.ts", "lib/onnx/wire_writer.ts", "lib/onnx/messages.ts"],
  ["lib/compiler"],
  ["lib/onnx/write"],
  ["backends"],
  ["lib/core"],
  ["lib/transforms"],
  ["lib/nn", "lib/ntk", "lib/onnx"],
];

const maxLines = 500;
/** Longer by their nature: a class of many one-line methods, each with its documentation. */
const longer = ["lib/core/tensor.ts"];

const root = new URL("../", import.meta.url);

/** Files that git does not keep or that are not text. */
const skipped =
  /^(?:\.git$|(?:\.git|node_modules|coverage)\/)|\.(?:npy|onnx|wasm|png|jpg|log|tmp)$/;

async function* walk(folder = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder || ".", root))) {
    const path = folder + name + (isDirectory ? "/" : "");
    if (skipped.test(path)) continue;
    if (isDirectory) yield* walk(path);
    else yield path;
  }
}

const files: { path: string; text: string }[] = [];
for await (const path of walk()) {
  files.push({ path, text: await Deno.readTextFile(new URL(path, root)) });
}
files.sort((a, b) => a.path < b.path ? -1 : 1);
const sources = files.filter(({ path }) => /^(?:lib|backends)\/.*(?<!_test)\.ts$/.test(path));

/** What a module imports, examples in its comments left out. */
function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const statements = /^(?:import|export)\b[^;"'`]*\bfrom\s*"([^"]+)"|^import\s*"([^"]+)"/gm;
  const calls = /\bimport\(\s*"([^"]+)"/g;
  return [...code.matchAll(statements), ...code.matchAll(calls)].map((m) => m[1] ?? m[2]);
}

function rank(path: string): number {
  return layers.findIndex((row) =>
    row.some((name) => path === name || path.startsWith(`${name}/`))
  );
}

/** What is wrong with the imports of one module of lib/ or backends/. */
function wrongImports(path: string, text: string): string[] {
  if (rank(path) < 0) return [`${path} is in no layer: add its folder to the list`];
  return importsOf(text).flatMap((specifier) => {
    if (specifier.startsWith("node:")) {
      return path.startsWith("backends/") ? [] : [`${path} imports ${specifier}`];
    }
    if (!specifier.startsWith(".")) return [`${path} imports the package ${specifier}`];
    const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
    if (rank(target) >= 0 && rank(target) <= rank(path)) return [];
    return [`${path} imports ${target}, which is not below it`];
  });
}

/** The lines that name a path of one machine, or the host of a package registry. */
function machineNames(path: string, text: string): string[] {
  // Built from parts, so that this file does not hold what it looks for.
  const folders = ["work", "tmp", "root", "home", "Users", "private"].join("|");
  const hosts = ["registry.npmjs", "npm.jsr", "pypi", "files.pythonhosted", "proxy.golang"]
    .map((host) => `${host}.`.replaceAll(".", "\\.")).join("|");
  const pattern = new RegExp(`(?<![\\w.*)\\]}])/(?:${folders})/[\\w.]|\\b(?:${hosts})\\w`);
  return text.split("\n").flatMap((line, i) => pattern.test(line) ? [`${path}:${i + 1}`] : []);
}

Deno.test("imports go downward, and the library needs no package", () => {
  assert(sources.length > 0);
  assertEquals(sources.flatMap(({ path, text }) => wrongImports(path, text)), []);
});

Deno.test(`source files have at most ${maxLines} lines`, () => {
  const long = files
    .filter(({ path }) => /^(?:lib|backends|models|cli|examples|mod)\b.*\.ts$/.test(path))
    .map(({ path, text }) => ({ path, lines: text.split("\n").length - 1 }))
    .filter(({ path, lines }) => lines > maxLines && !longer.includes(path));
  assertEquals(long, []);
});

Deno.test("no file names a path of one machine or the host of a registry", () => {
  assertEquals(files.flatMap(({ path, text }) => machineNames(path, text)), []);
});

Deno.test("these checks find what they look for", () => {
  const text = `/** import { a } from "../ntk/mod.ts"; */
import { b } from "../base/shape.ts";
import type {
  C,
} from "../nn/mod.ts";
export * from "./tensor.ts";
import "npm:d";
// import { e } from "e";
const f = await import("../ntk/f.ts");
`;
  assertEquals(importsOf(text), [
    "../base/shape.ts",
    "../nn/mod.ts",
    "./tensor.ts",
    "npm:d",
    "../ntk/f.ts",
  ]);
  assertEquals(wrongImports("lib/core/x.ts", text), [
    "lib/core/x.ts imports lib/nn/mod.ts, which is not below it",
    "lib/core/x.ts imports the package npm:d",
    "lib/core/x.ts imports lib/ntk/f.ts, which is not below it",
  ]);
  assertEquals(wrongImports("lib/ntk/x.ts", text), ["lib/ntk/x.ts imports the package npm:d"]);
  assertEquals(wrongImports("lib/other/x.ts", "").length, 1);
  assertEquals(wrongImports("lib/base/x.ts", 'import "node:fs";').length, 1);
  assertEquals(wrongImports("backends/wasm/x.ts", 'import "node:fs";').length, 0);
  assertEquals(wrongImports("backends/wasm/x.ts", 'import "../../mod.ts";').length, 1);
  const slash = "/";
  const bad = [`see ${slash}tmp/x`, `"file://${slash}home/me"`, `https://registry${"."}npmjs.org`];
  assertEquals(machineNames("x", bad.join("\n")), ["x:1", "x:2", "x:3"]);
  assertEquals(machineNames("x", "lib/work/a ./tmp/b framework/root/c jsr:@std/assert"), []);
});
