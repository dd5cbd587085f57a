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

async function fetchBytes(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url);
  if (!response.ok) throw new OnnxError(`${url}: the server answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A string with a scheme of more than a letter is a URL; `C:\model.onnx` is a path. */
function locate(source: string | URL): string | URL {
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
    const path = await Deno.realPath(model);
    const folder = path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
    const target = await Deno.realPath(folder + location);
    if (!target.startsWith(folder)) {
      throw new OnnxError(
        `external data at ${JSON.stringify(location)} is a link out of the model's folder`,
      );
    }
    return Deno.readFile(target);
  };
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
    return fetchBytes(new URL(parts, place));
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

/** Reads every file that the model's weights lie in, each once. */
export async function readExternalData(
  model: ModelMessage,
  source: OnnxSource,
  readExternal: ReadExternal = besideSource(source),
): Promise<ExternalData> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const tensor of tensorsOf(model)) {
    if (tensor.dataLocation !== 1) continue;
    const location = entry(tensor, "location") ?? "";
    checkLocation(location, tensor.offset);
    if (!files.has(location)) files.set(location, await readExternal(location));
  }
  return (tensor) => {
    const bytes = files.get(entry(tensor, "location")!)!;
    const start = place(tensor, "offset") ?? 0;
    const end = start + (place(tensor, "length") ?? Math.max(0, bytes.length - start));
    if (end <= bytes.length) return bytes.subarray(start, end);
    throw new OnnxError(
      `tensor ${
        JSON.stringify(tensor.name)
      }: bytes ${start} to ${end} of a file with ${bytes.length}`,
      { offset: tensor.offset },
    );
  };
}
