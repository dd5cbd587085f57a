/**
 * A small WebAssembly binary assembler: modules of functions over one imported memory.
 *
 * Follows the binary format of the WebAssembly core specification 2.0 with the threads and relaxed
 * SIMD proposals.
 */
import { ByteWriter, typeCodes, type ValueType } from "./assembler_encoding.ts";
import { FunctionBuilder, type FunctionReference } from "./assembler_function.ts";

export type { ValueType } from "./assembler_encoding.ts";
export * from "./assembler_function.ts";

/** The memory that a module imports. */
interface MemoryImport {
  readonly module: string;
  readonly name: string;
  readonly minimumPages: number;
  readonly maximumPages: number;
  readonly shared: boolean;
}

/** Collects imports and functions, and encodes them as a WebAssembly module. */
export class ModuleBuilder {
  #types = new Map<string, { index: number; bytes: Uint8Array }>();
  #memory: MemoryImport | undefined;
  #imports: { module: string; type: number; reference: FunctionReference }[] = [];
  #functions: {
    type: number;
    reference: FunctionReference;
    exported: boolean;
    code: Uint8Array;
  }[] = [];

  /**
   * Imports the memory that all loads and stores use.
   *
   * @throws RangeError when the module already imports one.
   */
  importMemory(
    module: string,
    name: string,
    minimumPages: number,
    maximumPages: number,
    shared: boolean,
  ): void {
    if (this.#memory !== undefined) throw new RangeError("the module already imports a memory");
    this.#memory = { module, name, minimumPages, maximumPages, shared };
  }

  #type(parameters: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${parameters.join()}:${results.join()}`;
    let type = this.#types.get(key);
    if (type === undefined) {
      const bytes = new ByteWriter().push(0x60);
      for (const list of [parameters, results]) {
        bytes.sized(list.map((item) => typeCodes[item]));
      }
      type = { index: this.#types.size, bytes: bytes.written };
      this.#types.set(key, type);
    }
    return type.index;
  }

  /**
   * Imports a function of the host or of another module.
   *
   * @throws RangeError after the first `addFunction`, because imports come first in numbering.
   */
  importFunction(
    module: string,
    name: string,
    parameters: readonly ValueType[],
    results: readonly ValueType[],
  ): FunctionReference {
    if (this.#functions.length > 0) {
      throw new RangeError(`import function ${name} before the first function is added`);
    }
    const reference = { index: this.#imports.length, name, parameters, results };
    this.#imports.push({ module, type: this.#type(parameters, results), reference });
    return reference;
  }

  /** Defines a function, exported under its name when asked: the body is built at once. */
  addFunction(
    name: string,
    parameters: readonly ValueType[],
    results: readonly ValueType[],
    body: (f: FunctionBuilder) => void,
    options: { export?: boolean } = {},
  ): FunctionReference {
    const index = this.#imports.length + this.#functions.length;
    const reference: FunctionReference = { index, name, parameters, results };
    const nothing: Uint8Array = new Uint8Array();
    const entry = {
      type: this.#type(parameters, results),
      reference,
      exported: options.export ?? false,
      code: nothing,
    };
    this.#functions.push(entry);
    const builder = new FunctionBuilder(reference);
    body(builder);
    entry.code = builder.encode();
    return reference;
  }

  /** The module in WebAssembly's binary format. */
  build(): Uint8Array<ArrayBuffer> {
    const output = new ByteWriter();
    output.append([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    const section = (id: number, content: ByteWriter) => {
      output.push(id).sized(content.written);
    };
    const types = new ByteWriter().unsigned(this.#types.size);
    for (const { bytes } of this.#types.values()) types.append(bytes);
    section(1, types);
    const memories = this.#memory === undefined ? 0 : 1;
    const imports = new ByteWriter().unsigned(memories + this.#imports.length);
    if (this.#memory !== undefined) writeMemoryImport(imports, this.#memory);
    for (const { module, type, reference } of this.#imports) {
      imports.name(module).name(reference.name).push(0x00).unsigned(type);
    }
    section(2, imports);
    const functions = new ByteWriter().unsigned(this.#functions.length);
    for (const { type } of this.#functions) functions.unsigned(type);
    section(3, functions);
    const exported = this.#functions.filter((entry) => entry.exported);
    const exports = new ByteWriter().unsigned(exported.length);
    for (const { reference } of exported) {
      exports.name(reference.name).push(0x00).unsigned(reference.index);
    }
    section(7, exports);
    const code = new ByteWriter().unsigned(this.#functions.length);
    for (const entry of this.#functions) code.sized(entry.code);
    section(10, code);
    section(0, this.#nameSection());
    return output.copy();
  }

  /** The custom section that gives profilers and stack traces the functions' names. */
  #nameSection(): ByteWriter {
    const references = [...this.#imports, ...this.#functions].map(({ reference }) => reference);
    const map = new ByteWriter().unsigned(references.length);
    for (const { index, name } of references) map.unsigned(index).name(name);
    return new ByteWriter().name("name").push(0x01).sized(map.written);
  }
}

/** Writes the memory's entry of the import section. */
function writeMemoryImport(bytes: ByteWriter, memory: MemoryImport): void {
  bytes.name(memory.module).name(memory.name);
  bytes.push(0x02).push(memory.shared ? 0x03 : 0x01);
  bytes.unsigned(memory.minimumPages).unsigned(memory.maximumPages);
}
