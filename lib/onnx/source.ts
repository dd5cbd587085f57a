/**
 * Where models and their weights come from: files, URLs and bytes, and the files beside them.
 *
 * @module
 */

import { OnnxError } from "./error.ts";
import type { GraphMessage, ModelMessage, TensorMessage } from "./messages.ts";
import type { ExternalData } from "./tensors.ts";

/** A model: the path of a file, a URL (`file:`, `http:`, `https:`, …), or its bytes. */
export type OnnxSource = string | URL | Uint8Array<ArrayBuffer>;

/** Gives the bytes of a file with weights, by the name that the model gives it. */
export type ReadExternal = (location: string) => Promise<Uint8Array<ArrayBuffer>>;

async function fetchBytes(
  url: URL,
  redirect: RequestRedirect = "follow",
): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url, { redirect });
  if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
    await response.body?.cancel();
    throw new OnnxError(
      `${url}: the server names another place; weights are read from beside the model only, unless the option readExternal reads them`,
    );
  }
  if (!response.ok) throw new OnnxError(`${url}: the server answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A string with a scheme of more than a letter is a URL; `C:\model.onnx` is a path. */
export function locate(source: string | URL): string | URL {
  if (source instanceof URL) return source;
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(source) ? new URL(source) : source;
}

/** The bytes of a model. */
export async function readSource(source: OnnxSource): Promise<Uint8Array<ArrayBuffer>> {
  if (source instanceof Uint8Array) return source;
  const place = locate(source);
  return place instanceof URL && place.protocol !== "file:"
    ? await fetchBytes(place)
    : await Deno.readFile(place);
}

/** Throws unless a location names a file in the model's folder or below it. */
function checkLocation(location: string, offset: number): void {
  const parts = location.split("/");
  const plain = location !== "" && !location.includes("\\") && !location.includes("\0") &&
    !/^[a-z]:/i.test(location) && parts.every((part) => part !== "" && part !== "..");
  if (plain) return;
  throw new OnnxError(
    `external data at ${
      JSON.stringify(location)
    }: only files in the model's own folder are read; put it there and name it relative to the model`,
    { offset },
  );
}

/** Reads files in the model's folder; links that lead out of it are refused. */
function besideFile(model: string | URL): ReadExternal {
  return async (location) => {
    const folder = folderOf(await Deno.realPath(model));
    const target = await Deno.realPath(folder + location);
    if (!target.startsWith(folder)) {
      throw new OnnxError(
        `external data at ${JSON.stringify(location)} is a link out of the model's folder`,
      );
    }
    // A pipe would wait for ever.
    if (!(await Deno.stat(target)).isFile) {
      throw new OnnxError(`external data at ${JSON.stringify(location)} is no file`);
    }
    return Deno.readFile(target);
  };
}

/** The folder of a path, with the separator at its end. */
function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

function besideSource(source: OnnxSource): ReadExternal {
  if (source instanceof Uint8Array) {
    return (location) => {
      throw new OnnxError(
        `the model keeps weights in ${
          JSON.stringify(location)
        }, but came as bytes; give the option readExternal, or the model's path`,
      );
    };
  }
  const place = locate(source);
  if (!(place instanceof URL) || place.protocol === "file:") return besideFile(place);
  return (location) => {
    const parts = location.split("/").map(encodeURIComponent).join("/");
    return fetchBytes(new URL(parts, place), "manual");
  };
}

/** Every stored tensor of a model, those in attributes and functions too. */
function* tensorsOf(model: ModelMessage): Generator<TensorMessage> {
  function* ofGraph(graph: GraphMessage): Generator<TensorMessage> {
    yield* graph.initializer;
    for (const { values, indices } of graph.sparseInitializer) {
      if (values !== null) yield values;
      if (indices !== null) yield indices;
    }
    yield* ofNodes(graph.node);
  }
  function* ofNodes(nodes: GraphMessage["node"]): Generator<TensorMessage> {
    for (const { attribute } of nodes) {
      for (const { t, g } of attribute) {
        if (t !== null) yield t;
        if (g !== null) yield* ofGraph(g);
      }
    }
  }
  if (model.graph !== null) yield* ofGraph(model.graph);
  for (const { node } of model.functions) yield* ofNodes(node);
}

function entry(tensor: TensorMessage, key: string): string | undefined {
  return tensor.externalData.find((pair) => pair.key === key)?.value;
}

/** A place in a file: the entry as a whole number of at least 0, if it is there. */
function place(tensor: TensorMessage, key: string): number | undefined {
  const given = entry(tensor, key);
  if (given === undefined) return undefined;
  const value = Number(given);
  if (/^\d+$/.test(given) && Number.isSafeInteger(value)) return value;
  throw new OnnxError(
    `tensor ${JSON.stringify(tensor.name)}: external data with the ${key} ${JSON.stringify(given)}`,
    { offset: tensor.offset },
  );
}

/** Bytes of a file beside the model. */
export interface FileRange {
  /** The file's name. */
  readonly location: string;
  /** The first byte. */
  readonly start: number;
  /** The first byte behind; null for the end of the file. */
  readonly end: number | null;
}

/** Where in which file a tensor lies. Throws an `OnnxError` for a place that is none, or out of the model's folder. */
export function externalRange(tensor: TensorMessage): FileRange {
  const location = entry(tensor, "location") ?? "";
  checkLocation(location, tensor.offset);
  const start = place(tensor, "offset") ?? 0;
  const length = place(tensor, "length");
  return { location, start, end: length === undefined ? null : start + length };
}

function sliceOf(tensor: TensorMessage, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const { start, end: given } = externalRange(tensor);
  const end = given ?? Math.max(start, bytes.length);
  if (end <= bytes.length) return bytes.subarray(start, end);
  throw new OnnxError(
    `tensor ${
      JSON.stringify(tensor.name)
    }: bytes ${start} to ${end} of a file with ${bytes.length}`,
    { offset: tensor.offset },
  );
}

/** Reads a file with weights. Throws an `OnnxError` that names the tensor where that fails. */
async function readFor(
  tensor: TensorMessage,
  location: string,
  readExternal: ReadExternal,
): Promise<Uint8Array<ArrayBuffer>> {
  const { name, offset } = tensor;
  const what = `tensor ${JSON.stringify(name)}`;
  try {
    const bytes: unknown = await readExternal(location);
    if (bytes instanceof Uint8Array) return bytes as Uint8Array<ArrayBuffer>;
    throw new OnnxError(`readExternal gave no Uint8Array for ${JSON.stringify(location)}`);
  } catch (error) {
    const reason = error instanceof OnnxError
      ? error.message
      : `its external data at ${JSON.stringify(location)} cannot be read: ${
        error instanceof Error ? error.message : error
      }`;
    throw new OnnxError(`${what}: ${reason}`, { offset, cause: error });
  }
}

/** Reads every file that the model's weights lie in, each once. */
export async function readExternalData(
  model: ModelMessage,
  source: OnnxSource,
  readExternal: ReadExternal = besideSource(source),
): Promise<ExternalData> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const tensor of tensorsOf(model)) {
    if (tensor.dataLocation !== 1) continue;
    const { location } = externalRange(tensor);
    if (!files.has(location)) files.set(location, await readFor(tensor, location, readExternal));
  }
  return (tensor) => sliceOf(tensor, files.get(externalRange(tensor).location)!);
}

/** Files with weights, read when they are needed. */
export interface ExternalFiles {
  /** The bytes of a tensor. */
  read(tensor: TensorMessage): Promise<Uint8Array<ArrayBuffer>>;
  /** The whole file that a tensor lies in. */
  file(tensor: TensorMessage): Promise<Uint8Array<ArrayBuffer>>;
}

/** The files beside a model. */
export function openExternal(
  source: OnnxSource,
  readExternal: ReadExternal = besideSource(source),
): ExternalFiles {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const file = async (tensor: TensorMessage): Promise<Uint8Array<ArrayBuffer>> => {
    const { location } = externalRange(tensor);
    const known = files.get(location) ?? await readFor(tensor, location, readExternal);
    files.set(location, known);
    return known;
  };
  return { file, read: async (tensor) => sliceOf(tensor, await file(tensor)) };
}

/** One tensor for every file that the model keeps weights in. */
export function externalTensors(model: ModelMessage): Map<string, TensorMessage> {
  const files = new Map<string, TensorMessage>();
  for (const tensor of tensorsOf(model)) {
    if (tensor.dataLocation === 1) files.set(externalRange(tensor).location, tensor);
  }
  return files;
}

/** The path that a place in the file system means; null for other places. */
function pathOf(source: OnnxSource): string | URL | null {
  if (source instanceof Uint8Array) return null;
  const place = locate(source);
  return place instanceof URL && place.protocol !== "file:" ? null : place;
}

async function realPathOf(place: string | URL): Promise<string | null> {
  return await Deno.realPath(place).catch(() => null);
}

/**
 * Writes a file with weights beside a model. Throws an `OnnxError` where another file stands there, unless the model comes
 * from that very place.
 */
export async function writeBeside(
  model: string | URL,
  source: OnnxSource,
  location: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const origin = pathOf(source);
  const inPlace = origin !== null &&
    await realPathOf(origin) === (await realPathOf(model) ?? undefined);
  const target = model instanceof URL
    ? new URL(location.split("/").map(encodeURIComponent).join("/"), model)
    : folderOf(model) + location;
  const there = inPlace ? null : await Deno.readFile(target).catch(() => null);
  if (there !== null && !sameBytes(there, bytes)) {
    throw new OnnxError(
      `the model keeps weights in ${
        JSON.stringify(location)
      }, and another file of that name is in the folder of ${model}; save it in a folder of its own`,
    );
  }
  if (there !== null) return;
  const folder = location.includes("/")
    ? model instanceof URL ? new URL(".", target) : folderOf(String(target))
    : null;
  if (folder !== null) await Deno.mkdir(folder, { recursive: true });
  await Deno.writeFile(target, bytes);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
