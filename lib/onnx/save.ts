/**
 * From a loaded model and new parameters back to its file.
 *
 * @module
 */

import { isFloat, type TypedArray } from "../base/dtype.ts";
import { ArgumentError, DTypeError, ShapeError } from "../base/errors.ts";
import { formatShape, sameShape } from "../base/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { canEncode } from "./encode.ts";
import { OnnxError } from "./error.ts";
import type { OnnxModel } from "./load.ts";
import {
  type GraphMessage,
  type ModelMessage,
  modelTable,
  type TensorMessage,
} from "./messages.ts";
import { type Origin, origins } from "./origin.ts";
import { changedElements, changeOfFields } from "./payload.ts";
import {
  externalRange,
  externalTensors,
  type FileRange,
  locate,
  openExternal,
  readSource,
  writeBeside,
} from "./source.ts";
import { type Splice, spliceFile } from "./splice.ts";
import { decodeTensor, type TensorOptions } from "./tensors.ts";
import type { ElementType } from "./types.ts";
import { decodeMessage, WireReader } from "./wire.ts";

/** Options of `saveOnnx`. */
export interface SaveOnnxOptions {
  /** The path, or `file:` URL, that the model is written to, with its files of weights beside it. */
  path?: string | URL;
  /** Takes files of weights that lie beside the model, by the names that the model gives them, instead of writing them. */
  writeExternal?: (location: string, bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
}

/** A stored tensor, and where the messages begin that hold it. */
interface Place {
  readonly tensor: TensorMessage;
  readonly within: readonly number[];
  /** Where the values of a sparse tensor go. */
  readonly sparse: { readonly places: TypedArray } | null;
}

/** Where each stored tensor of the graph lies. */
function placesOf(graph: GraphMessage, options: TensorOptions): Map<string, Place> {
  const places = new Map<string, Place>();
  for (const tensor of graph.initializer) {
    places.set(tensor.name, { tensor, within: [graph.offset, tensor.offset], sparse: null });
  }
  for (const { values, indices, dims, offset } of graph.sparseInitializer) {
    if (values === null || indices === null) continue;
    const { data, shape } = decodeTensor(indices, options);
    const linear = shape.length === 1 ? data : Float64Array.from(
      { length: shape[0] },
      (_, i) => dims.reduce((at, n, axis) => at * n + data[i * dims.length + axis], 0),
    );
    const sparse = { places: linear };
    const within = [graph.offset, offset, values.offset];
    places.set(values.name, { tensor: values, within, sparse });
  }
  for (const node of graph.node) {
    if (node.opType !== "Constant") continue;
    for (const { t, offset } of node.attribute) {
      if (t === null) continue;
      const within = [graph.offset, node.offset, offset, t.offset];
      places.set(node.output[0], { tensor: t, within, sparse: null });
    }
  }
  return places;
}

/** The values that are given for a parameter. Throws where they are not of its shape, or no real numbers. */
async function valuesOf(
  name: string,
  given: unknown,
  { shape, type }: { readonly shape: readonly number[]; readonly type: ElementType },
): Promise<TypedArray> {
  const what = `saveOnnx: parameter ${JSON.stringify(name)}`;
  if (!(given instanceof Tensor)) throw new ArgumentError(`${what} is missing`);
  if (!sameShape(given.shape, shape)) {
    throw new ShapeError(
      `${what} has shape ${formatShape(shape)}, got ${formatShape(given.shape)}`,
    );
  }
  if (!isFloat(given.dtype)) {
    throw new DTypeError(`${what} is stored as ${type}, got ${given.dtype}; give real numbers`);
  }
  return await given.data();
}

/** The values of a sparse tensor's own elements. Throws where others are not 0, for which it has no room. */
function sparseValues(
  name: string,
  values: TypedArray,
  { places }: NonNullable<Place["sparse"]>,
): Float64Array {
  const rest = values.slice();
  for (const place of places) rest[place] = 0;
  const other = rest.findIndex((value) => value !== 0);
  if (other >= 0) {
    throw new ArgumentError(
      `saveOnnx: parameter ${JSON.stringify(name)} is sparse; element ${other} is ${
        values[other]
      }, but the file stores no element there, so it must be 0`,
    );
  }
  return Float64Array.from(places, (place) => values[place]);
}

/** Bytes that go into a file of weights. */
interface ExternalChange extends FileRange {
  readonly end: number;
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Throws where tensors share bytes of a file, and only some of them change. */
function checkShared(
  { name, location, start, end, bytes }: ExternalChange,
  changes: readonly ExternalChange[],
  places: ReadonlyMap<string, Place>,
): void {
  for (const [other, { tensor }] of places) {
    if (other === name || tensor.dataLocation !== 1) continue;
    const range = externalRange(tensor);
    if (range.location !== location || range.start >= end || (range.end ?? Infinity) <= start) {
      continue;
    }
    const change = changes.find((entry) => entry.name === other);
    if (
      change !== undefined && change.start === start && change.end === end &&
      change.bytes.every((byte, i) => byte === bytes[i])
    ) continue;
    throw new OnnxError(
      `the file keeps ${JSON.stringify(name)} and ${JSON.stringify(other)} in the same bytes of ${
        JSON.stringify(location)
      }: give both the same values`,
      { offset: tensor.offset },
    );
  }
}

/** The model's file as it was loaded. Throws an `OnnxError` if it is another one by now. */
async function readAgain({ source, size }: Origin): Promise<{
  bytes: Uint8Array<ArrayBuffer>;
  model: ModelMessage;
}> {
  const bytes = await readSource(source);
  if (bytes.length !== size) {
    throw new OnnxError(
      `the file has ${bytes.length} bytes, and had ${size} when it was loaded; load it again`,
    );
  }
  return { bytes, model: decodeMessage(new WireReader(bytes), modelTable) };
}

/**
 * Writes a model's file with other parameters: those that the caller trained. Nothing else changes: what is not a parameter,
 * and elements that keep their values, stay as they are byte for byte. Values are rounded to what the file stores.
 *
 * Gives the bytes of the model's file. With `path` they are written there, and so are files with weights that the model
 * keeps beside it, under the names that it gives them; a file of that name with other contents is not overwritten unless the
 * model is saved in its own place. A model from a path or a URL is read again from there.
 *
 * Throws an `ArgumentError`, `ShapeError` or `DTypeError` that names a parameter which is missing, has another shape, holds
 * no real numbers, or numbers beyond what the file's type holds; an `OnnxError` where the file is no longer the one that was
 * loaded, or where the model keeps changed parameters in other files and neither `path` nor `writeExternal` is given.
 *
 * @param model what `loadOnnx` gave
 * @param params all of its parameters
 *
 * @example
 * ```ts
 * import { treeMap } from "@tangents/ntk";
 * import { loadOnnx, saveOnnx } from "@tangents/ntk/onnx";
 * const url = new URL("../../tests/golden/digits-cnn/model.onnx", import.meta.url);
 * const model = await loadOnnx(url);
 * const bytes = await saveOnnx(model, treeMap((w) => w.mul(0.5), model.params));
 * const { params } = await loadOnnx(bytes);
 * console.log(await params["12.bias"].sub(model.params["12.bias"].mul(0.5)).abs().max().item()); // 0
 * ```
 */
export async function saveOnnx<X, Y>(
  model: OnnxModel<X, Y>,
  params: Readonly<Record<string, Tensor>>,
  options: SaveOnnxOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const origin = origins.get(model);
  if (origin === undefined) {
    throw new ArgumentError("saveOnnx: expected a model that loadOnnx gave, itself and no copy");
  }
  const unknown = Object.keys(params).filter((name) => !origin.parameters.has(name));
  if (unknown.length > 0) {
    throw new ArgumentError(
      `saveOnnx: the model has no parameters ${unknown.join(", ")}; there are ${
        [...origin.parameters.keys()].join(", ")
      }`,
    );
  }
  const { bytes, model: message } = await readAgain(origin);
  const external = openExternal(origin.source, origin.readExternal);
  const tensorOptions: TensorOptions = {
    precision: "file",
    external: () => {
      throw new OnnxError("a sparse tensor's indices lie in another file");
    },
  };
  const places = placesOf(message.graph!, tensorOptions);
  const splices: Splice[] = [];
  const changes: ExternalChange[] = [];
  for (const [name, stored] of origin.parameters) {
    const place = places.get(name);
    if (place === undefined) {
      throw new OnnxError(`the file has no stored tensor ${JSON.stringify(name)} any more`);
    }
    if (!canEncode(stored.type)) {
      throw new OnnxError(
        `parameter ${JSON.stringify(name)} is stored as ${stored.type}, which cannot be written`,
      );
    }
    const given = await valuesOf(name, params[name], stored);
    const values = place.sparse === null ? given : sparseValues(name, given, place.sparse);
    const { tensor } = place;
    if (tensor.dataLocation === 1) {
      const range = externalRange(tensor);
      const old = await external.read(tensor);
      const fresh = changedElements(name, stored.type, old, values);
      if (fresh !== null) {
        const end = range.start + fresh.length;
        changes.push({ ...range, end, name, bytes: fresh });
      }
      continue;
    }
    splices.push(...changeOfFields(bytes, place, name, stored.type, values));
  }
  for (const change of changes) checkShared(change, changes, places);
  const result = splices.length === 0 ? bytes.slice() : spliceFile(bytes, splices);
  await writeFiles(origin, message, result, changes, options, external);
  return result;
}

/** Writes what is to be written: files with weights first, so that a model never stands without its own. */
async function writeFiles(
  { source }: Origin,
  message: ModelMessage,
  bytes: Uint8Array<ArrayBuffer>,
  changes: readonly ExternalChange[],
  { path, writeExternal }: SaveOnnxOptions,
  external: ReturnType<typeof openExternal>,
): Promise<void> {
  if (changes.length > 0 && path === undefined && writeExternal === undefined) {
    throw new OnnxError(
      `the model keeps weights in ${
        JSON.stringify(changes[0].location)
      }: give saveOnnx the option path, or writeExternal`,
    );
  }
  if (path === undefined && writeExternal === undefined) return;
  for (const [location, tensor] of externalTensors(message)) {
    const file = (await external.file(tensor)).slice();
    for (const change of changes) {
      if (change.location === location) file.set(change.bytes, change.start);
    }
    if (writeExternal !== undefined) await writeExternal(location, file);
    else await writeBeside(locate(path!), source, location, file);
  }
  if (path !== undefined) await Deno.writeFile(locate(path), bytes);
}
