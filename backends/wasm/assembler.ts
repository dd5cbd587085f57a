/**
 * A small WebAssembly binary assembler: modules of functions over one imported memory.
 *
 * Follows the binary format of the WebAssembly core specification 2.0 with the threads and relaxed
 * SIMD proposals.
 */
import {
  pushAll,
  pushName,
  pushUnsigned,
  typeCodes,
  unsigned,
  type ValueType,
} from "./assembler_encoding.ts";
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
  #types = new Map<string, { index: number; bytes: number[] }>();
  #memory: MemoryImport | undefined;
  #imports: { module: string; type: number; reference: FunctionReference }[] = [];
  #functions: { type: number; reference: FunctionReference; exported: boolean; code: number[] }[] =
    [];

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
      const bytes = [0x60];
      for (const list of [parameters, results]) {
        pushUnsigned(bytes, list.length);
        for (const item of list) bytes.push(typeCodes[item]);
      }
      type = { index: this.#types.size, bytes };
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
    const entry = {
      type: this.#type(parameters, results),
      reference,
      exported: options.export ?? false,
      code: [] as number[],
    };
    this.#functions.push(entry);
    const builder = new FunctionBuilder(reference);
    body(builder);
    entry.code = builder.encode();
    return reference;
  }

  /** The module in WebAssembly's binary format. */
  build(): Uint8Array<ArrayBuffer> {
    const output = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
    const section = (id: number, content: number[]) => {
      output.push(id);
      pushUnsigned(output, content.length);
      pushAll(output, content);
    };
    const vector = (items: readonly number[][]): number[] => {
      const bytes: number[] = [];
      pushUnsigned(bytes, items.length);
      for (const item of items) pushAll(bytes, item);
      return bytes;
    };
    section(1, vector([...this.#types.values()].map((type) => type.bytes)));
    const imports: number[][] = [];
    if (this.#memory !== undefined) imports.push(encodeMemoryImport(this.#memory));
    for (const { module, type, reference } of this.#imports) {
      const bytes: number[] = [];
      pushName(bytes, module);
      pushName(bytes, reference.name);
      bytes.push(0x00);
      pushUnsigned(bytes, type);
      imports.push(bytes);
    }
    section(2, vector(imports));
    section(3, vector(this.#functions.map(({ type }) => unsigned(type))));
    const exported = this.#functions.filter((entry) => entry.exported);
    section(
      7,
      vector(exported.map(({ reference }) => {
        const bytes: number[] = [];
        pushName(bytes, reference.name);
        bytes.push(0x00);
        pushUnsigned(bytes, reference.index);
        return bytes;
      })),
    );
    section(10, vector(this.#functions.map(({ code }) => unsigned(code.length).concat(code))));
    section(0, this.#nameSection(vector));
    return new Uint8Array(output);
  }

  /** The custom section that gives profilers and stack traces the functions' names. */
  #nameSection(vector: (items: readonly number[][]) => number[]): number[] {
    const names = [...this.#imports, ...this.#functions].map(({ reference }) => {
      const bytes = unsigned(reference.index);
      pushName(bytes, reference.name);
      return bytes;
    });
    const map = vector(names);
    const bytes: number[] = [];
    pushName(bytes, "name");
    bytes.push(0x01);
    pushUnsigned(bytes, map.length);
    pushAll(bytes, map);
    return bytes;
  }
}

/** The memory's entry of the import section. */
function encodeMemoryImport(memory: MemoryImport): number[] {
  const bytes: number[] = [];
  pushName(bytes, memory.module);
  pushName(bytes, memory.name);
  bytes.push(0x02, memory.shared ? 0x03 : 0x01);
  pushUnsigned(bytes, memory.minimumPages);
  pushUnsigned(bytes, memory.maximumPages);
  return bytes;
}
