/**
 * Attributes of operators: which there are, of what type, and their defaults.
 *
 * @module
 */

import type { Constant } from "./constant.ts";
import { OnnxError } from "./error.ts";
import type { FlatAttribute, FlatNode } from "./flatten.ts";
import type { PreparedGraph } from "./graph.ts";

/** The codes of attribute types in a file. */
const codes = {
  float: 1,
  integer: 2,
  text: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  integers: 7,
  texts: 8,
  sparseTensor: 11,
} as const;

type Kind = keyof typeof codes;

/** One attribute of an operator. */
export interface Attribute<T> {
  /** Its type. */
  readonly kind: Kind;
  /** Its value where the node does not give it. */
  readonly initial: T;
  /** Whether the node must give it. */
  readonly required: boolean;
}

/** The attributes of an operator, by their names in ONNX. */
export type AttributeTable = Readonly<Record<string, Attribute<unknown>>>;

/** The values of the attributes of a table. */
export type AttributeValues<A extends AttributeTable> = {
  readonly [K in keyof A]: A[K] extends Attribute<infer T> ? T : never;
};

/** Turns what a file holds into the values that operators see. */
export interface AttributeReader {
  /** A stored tensor. */
  tensor(attribute: FlatAttribute): Constant;
  /** A stored sparse tensor. */
  sparseTensor(attribute: FlatAttribute): Constant;
  /** A subgraph. */
  graph(attribute: FlatAttribute): PreparedGraph;
}

function attribute<T>(kind: Kind): (initial?: T) => Attribute<T> {
  return (initial) => ({ kind, initial: initial as T, required: false });
}

/** An attribute type: with a default, or absent where the node does not give it. */
interface Maker<T> {
  (initial: T): Attribute<T>;
  (): Attribute<T | undefined>;
}

/** A real number. */
export const float: Maker<number> = attribute<number>("float") as Maker<number>;
/** An integer. */
export const integer: Maker<number> = attribute<number>("integer") as Maker<number>;
/** An integer that means yes or no. */
export const flag = (initial: boolean): Attribute<number> => integer(initial ? 1 : 0);
/** A string. */
export const text: Maker<string> = attribute<string>("text") as Maker<string>;
/** A list of real numbers. */
export const floats: Maker<readonly number[]> = attribute("floats") as Maker<readonly number[]>;
/** A list of integers. */
export const integers: Maker<readonly number[]> = attribute("integers") as Maker<readonly number[]>;
/** A list of strings. */
export const texts: Maker<readonly string[]> = attribute("texts") as Maker<readonly string[]>;
/** A stored tensor. */
export const storedTensor: Maker<Constant> = attribute("tensor") as Maker<Constant>;
/** A stored sparse tensor. */
export const storedSparseTensor: Maker<Constant> = attribute("sparseTensor") as Maker<Constant>;
/** A subgraph. */
export const subgraph: Maker<PreparedGraph> = attribute("graph") as Maker<PreparedGraph>;

/** The attribute, which the node must give. */
export function required<T>(of: Attribute<T | undefined>): Attribute<T> {
  return { kind: of.kind, initial: undefined as T, required: true };
}

const utf8 = new TextDecoder();

/** The value of an attribute as its field holds it. */
function valueOf(given: FlatAttribute, kind: Kind, reader: AttributeReader): unknown {
  switch (kind) {
    case "float":
      return given.f;
    case "integer":
      return given.i;
    case "text":
      return utf8.decode(given.s ?? new Uint8Array());
    case "floats":
      return given.floats;
    case "integers":
      return given.ints;
    case "texts":
      return given.strings;
    case "tensor":
      return reader.tensor(given);
    case "sparseTensor":
      return reader.sparseTensor(given);
    case "graph":
      return reader.graph(given);
  }
}

/** The kind of an attribute in a file; files of the first years do not say, and it is what the operator expects. */
function kindOf(given: FlatAttribute, expected: Kind): Kind | null {
  if (given.type === 0) return expected;
  const names = Object.keys(codes) as Kind[];
  return names.find((kind) => codes[kind] === given.type) ?? null;
}

/** A node's attributes by the operator's table. Throws an `OnnxError` for one that is unknown, missing or of another type. */
export function readAttributes(
  node: FlatNode,
  table: AttributeTable,
  reader: AttributeReader,
): Record<string, unknown> {
  const fail = (reason: string): never => {
    throw new OnnxError(`${node.title}: ${reason}`, { offset: node.offset });
  };
  const values: Record<string, unknown> = {};
  for (const given of node.attributes) {
    const { name } = given;
    if (!Object.hasOwn(table, name)) {
      const known = Object.keys(table).join(", ") || "none";
      fail(`attribute ${JSON.stringify(name)} is unknown; there are ${known}`);
    }
    if (Object.hasOwn(values, name)) fail(`attribute ${name} is given twice`);
    const { kind } = table[name];
    const found = kindOf(given, kind);
    const incomplete = (kind === "tensor" && given.t === null) ||
      (kind === "graph" && given.graph === null) ||
      (kind === "sparseTensor" && given.sparseTensor === null);
    if (found !== kind || incomplete) {
      fail(`attribute ${name} is ${found ?? `of type ${given.type}`}, expected ${kind}`);
    }
    values[name] = valueOf(given, kind, reader);
  }
  for (const [name, { initial, required: needed }] of Object.entries(table)) {
    if (Object.hasOwn(values, name)) continue;
    if (needed) fail(`attribute ${name} is missing`);
    values[name] = initial;
  }
  return values;
}
