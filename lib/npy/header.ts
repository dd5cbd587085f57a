import { NpyError } from "./error.ts";

/** What the header of a `.npy` file says, and where the data begins. */
export interface NpyHeader {
  /** The byte order and the type, such as `<f4`. */
  descr: string;
  /** Whether the first axis varies fastest. */
  fortranOrder: boolean;
  shape: number[];
  /** Offset of the data in bytes. */
  offset: number;
}

type Literal = string | boolean | number | Literal[] | Map<string, Literal>;

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** Reads the header. Throws an `NpyError` where it is malformed. */
export function parseHeader(bytes: Uint8Array): NpyHeader {
  if (bytes.length < 10) {
    throw new NpyError(
      `not a .npy file: it has ${bytes.length} bytes, fewer than the 10 of the shortest beginning`,
    );
  }
  if (!magic.every((byte, i) => bytes[i] === byte)) {
    throw new NpyError(
      `not a .npy file: it begins with the bytes ${hex(bytes.subarray(0, 6))}, expected ${
        hex(magic)
      } (\\x93NUMPY); write it with numpy.save`,
    );
  }
  const version = bytes[6];
  if (version < 1 || version > 3 || bytes[7] !== 0) {
    throw new NpyError(
      `.npy version ${version}.${bytes[7]} is not known; expected 1.0, 2.0 or 3.0`,
    );
  }
  const start = version === 1 ? 10 : 12;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < start) {
    throw new NpyError(`.npy file ends after ${bytes.length} bytes, within the header's length`);
  }
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (start + length > bytes.length) {
    throw new NpyError(
      `.npy file ends after ${bytes.length} bytes, within the header, which takes ${
        start + length
      }; it is cut off`,
    );
  }
  const encoding = version === 3 ? "utf-8" : "latin1";
  const text = new TextDecoder(encoding).decode(bytes.subarray(start, start + length));
  return { ...readFields(text), offset: start + length };
}

function readFields(text: string): Omit<NpyHeader, "offset"> {
  const fields = new LiteralReader(text).readAll();
  const wrong = (what: string) =>
    new NpyError(
      `.npy header ${JSON.stringify(text.trim().slice(0, 200))}: ${what}`,
    );
  if (!(fields instanceof Map)) throw wrong("expected a dictionary");
  for (const key of ["descr", "fortran_order", "shape"]) {
    if (!fields.has(key)) throw wrong(`the field '${key}' is missing`);
  }
  if (fields.size !== 3) {
    throw wrong(`it has ${fields.size} fields, expected descr, fortran_order and shape`);
  }
  const descr = fields.get("descr")!;
  const fortranOrder = fields.get("fortran_order");
  const shape = fields.get("shape");
  if (Array.isArray(descr)) {
    throw wrong("structured dtypes cannot be read; save each field as an array of its own");
  }
  if (typeof descr !== "string") throw wrong("'descr' is not a string");
  if (typeof fortranOrder !== "boolean") throw wrong("'fortran_order' is not True or False");
  if (
    !Array.isArray(shape) ||
    !shape.every((n): n is number => typeof n === "number" && Number.isSafeInteger(n) && n >= 0)
  ) throw wrong("'shape' is not a tuple of integers of at least 0");
  return { descr, fortranOrder, shape };
}

function hex(bytes: ArrayLike<number>): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** Reads the part of Python's literals that a header uses: dictionaries, tuples, lists, strings, integers, booleans. */
class LiteralReader {
  #at = 0;
  readonly #tokens: string[];

  constructor(text: string) {
    this.#tokens = text.match(/'[^'\\]*'|"[^"\\]*"|\w+|[^\s\w]/g) ?? [];
  }

  readAll(): Literal {
    const value = this.#value(0);
    if (this.#at !== this.#tokens.length) throw this.#unexpected("the end of the header");
    return value;
  }

  #value(depth: number): Literal {
    if (depth > 8) throw new NpyError(".npy header is nested more than 8 deep");
    const token = this.#tokens[this.#at];
    if (token === undefined) throw this.#unexpected("a value");
    if (token === "(" || token === "[") return this.#list(token === "(" ? ")" : "]", depth);
    if (token === "{") return this.#dictionary(depth);
    this.#at++;
    if (token === "True" || token === "False") return token === "True";
    if (/^['"]./.test(token)) return token.slice(1, -1);
    // Python 2 wrote long integers with an L.
    if (/^\d+L?$/.test(token)) return parseInt(token, 10);
    this.#at--;
    throw this.#unexpected("a string, an integer, True, False, a tuple or a dictionary");
  }

  #list(close: string, depth: number): Literal[] {
    this.#at++;
    const values: Literal[] = [];
    while (!this.#skip(close)) {
      values.push(this.#value(depth + 1));
      if (!this.#skip(",") && this.#tokens[this.#at] !== close) {
        throw this.#unexpected(`"," or "${close}"`);
      }
    }
    return values;
  }

  #dictionary(depth: number): Map<string, Literal> {
    this.#at++;
    const fields = new Map<string, Literal>();
    while (!this.#skip("}")) {
      const key = this.#value(depth + 1);
      if (typeof key !== "string") throw new NpyError(".npy header has a key that is no string");
      if (fields.has(key)) throw new NpyError(`.npy header has the field '${key}' twice`);
      if (!this.#skip(":")) throw this.#unexpected('":"');
      fields.set(key, this.#value(depth + 1));
      if (!this.#skip(",") && this.#tokens[this.#at] !== "}") throw this.#unexpected('"," or "}"');
    }
    return fields;
  }

  #skip(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  #unexpected(expected: string): NpyError {
    const found = this.#tokens[this.#at];
    return new NpyError(
      `.npy header: found ${
        found === undefined ? "its end" : JSON.stringify(found.slice(0, 40))
      }, expected ${expected}`,
    );
  }
}
