/**
 * WGSL text: bindings, addresses, constants, and the dispatches that kernels become.
 *
 * Every buffer is an array of 32-bit words, and floats are read by bitcast: so one buffer can be read as several dtypes, and
 * copying keeps all bits.
 *
 * @module
 */

import type { DType } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { BufferSpec, View } from "../../lib/compiler/kernel.ts";
import { mathSource } from "./math.ts";

/** A binding of a dispatch: a range of a buffer. */
export interface Binding {
  /** Index in the program's buffers. */
  readonly buffer: number;
  /** First element; a multiple of 64. */
  readonly first: number;
  /** Number of elements, or null for all of the buffer. */
  readonly count: number | null;
  /** Whether the dispatch writes to it. */
  readonly written: boolean;
}

/** One dispatch of a compute shader. */
export interface Dispatch {
  /** What it computes, for errors. */
  readonly label: string;
  /** The WGSL module; its entry point is `main`. */
  readonly source: string;
  /** What is bound, in the order of the shader's bindings. */
  readonly bindings: readonly Binding[];
  /** How many workgroups, along two axes. */
  readonly workgroups: readonly [number, number];
}

/** What of the device's limits matters to kernels. */
export interface Limits {
  /** Bytes of one storage binding. */
  readonly bindingBytes: number;
  /** Bytes of one buffer. */
  readonly bufferBytes: number;
  /** Storage buffers of one dispatch. */
  readonly bindings: number;
  /** Workgroups along one axis. */
  readonly workgroups: number;
}

/** Buffers of a program while kernels are turned into dispatches; scratch buffers are added behind them. */
export class Buffers {
  readonly specs: BufferSpec[];
  readonly limits: Limits;

  constructor(specs: readonly BufferSpec[], limits: Limits) {
    this.specs = [...specs];
    this.limits = limits;
  }

  /** A temporary buffer for values between the dispatches of one kernel. */
  scratch(dtype: DType, length: number): number {
    return this.specs.push({ dtype, length, role: "temporary" }) - 1;
  }
}

/** The range of a buffer that a kernel may touch: first element and number of elements. */
export type Ranges = ReadonlyMap<number, readonly [first: number, count: number]>;

/** Invocations of a workgroup, unless a kernel says otherwise. */
export const workgroupSize = 256;

/** The WGSL type of values of a dtype. */
export function typeOf(dtype: DType): "f32" | "i32" | "u32" | "bool" {
  switch (dtype) {
    case "float32":
      return "f32";
    case "int32":
      return "i32";
    case "uint32":
      return "u32";
    case "bool":
      return "bool";
    case "float64":
      throw noFloat64();
  }
}

/** The error for float64, which no graphics processor's shading language has. */
export function noFloat64(): BackendError {
  return new BackendError(
    'webgpu: WGSL has no float64; compute it on the CPU (setBackend("wasm")), or cast to float32',
  );
}

/** An unsigned constant; negative numbers as their two's complement, as addresses wrap. */
export function unsigned(value: number): string {
  return `${value >>> 0}u`;
}

const bitsView = new DataView(new ArrayBuffer(4));

/** The bits of a float32. */
export function floatBits(value: number): number {
  bitsView.setFloat32(0, value);
  return bitsView.getUint32(0);
}

/** A constant of a dtype. Floats that WGSL does not take as constants come from bits that it does not see through. */
export function constant(dtype: DType, value: number): string {
  switch (typeOf(dtype)) {
    case "bool":
      return value === 0 ? "false" : "true";
    case "i32":
      return `bitcast<i32>(${unsigned(value)})`;
    case "u32":
      return unsigned(value);
    case "f32": {
      const bits = `0x${floatBits(value).toString(16)}u`;
      const exponent = (floatBits(value) >>> 23) & 255;
      const ordinary = (exponent > 0 && exponent < 255) || Object.is(value, 0);
      return ordinary ? `bitcast<f32>(${bits})` : `bitcast<f32>(${bits} + nothing)`;
    }
  }
}

/** The words of a value. */
export function toWord(dtype: DType, value: string): string {
  switch (typeOf(dtype)) {
    case "bool":
      return `select(0u, 1u, ${value})`;
    case "u32":
      return value;
    default:
      return `bitcast<u32>(${value})`;
  }
}

/** The value of a word. */
export function fromWord(dtype: DType, word: string): string {
  switch (typeOf(dtype)) {
    case "bool":
      return `(${word} != 0u)`;
    case "u32":
      return word;
    case "i32":
      return `bitcast<i32>(${word})`;
    case "f32":
      return `bitcast<f32>(${word})`;
  }
}

/** offset + Σ strides[d]·indices[d], where null stands for an index of 0. */
export function address(
  offset: number,
  strides: readonly number[],
  indices: readonly (string | null)[],
): string {
  const terms: string[] = [];
  strides.forEach((stride, d) => {
    const index = indices[d] ?? null;
    if (index === null || stride === 0) return;
    terms.push(stride === 1 ? index : `${index} * ${unsigned(stride)}`);
  });
  if (offset !== 0 || terms.length === 0) terms.push(unsigned(offset));
  return terms.join(" + ");
}

/**
 * Statements that cut a flat index into the indices of dims, last one fastest, and the names of these; null for dims of
 * size 1.
 */
export function decode(
  flat: string,
  dims: readonly number[],
  prefix: string,
): { lines: string[]; names: (string | null)[] } {
  const lines: string[] = [];
  const names: (string | null)[] = dims.map(() => null);
  const wide = dims.flatMap((size, d) => size === 1 ? [] : [d]);
  let rest = flat;
  for (let i = wide.length - 1; i >= 0; i--) {
    const d = wide[i];
    names[d] = `${prefix}${d}`;
    if (i === 0) {
      lines.push(`let ${prefix}${d} = ${rest};`);
      break;
    }
    lines.push(`let ${prefix}${d} = ${rest} % ${dims[d]}u;`);
    lines.push(`let ${prefix}r${d} = ${rest} / ${dims[d]}u;`);
    rest = `${prefix}r${d}`;
  }
  return { lines, names };
}

/** A shader in the making: its bindings, workgroup variables and functions. */
export class Shader {
  readonly #buffers: Buffers;
  readonly #bindings: Binding[] = [];
  readonly #names = new Map<number, string>();
  readonly #ranges: Ranges;
  readonly #written: number;
  readonly #declarations: string[] = [];
  readonly #functions = new Set<string>();

  /**
   * @param written the buffer that is written
   * @param ranges what parts of buffers are bound where it is not the whole
   */
  constructor(buffers: Buffers, written: number, ranges: Ranges = new Map()) {
    this.#buffers = buffers;
    this.#written = written;
    this.#ranges = ranges;
  }

  /** The name of a buffer's binding, and its first element. */
  #bind(buffer: number): { name: string; first: number } {
    const [first, count] = this.#ranges.get(buffer) ?? [0, null];
    let name = this.#names.get(buffer);
    if (name === undefined) {
      name = `b${this.#bindings.length}`;
      this.#names.set(buffer, name);
      this.#bindings.push({ buffer, first, count, written: buffer === this.#written });
    }
    return { name, first };
  }

  /** A word of a buffer, at an address made of a view. */
  word(view: View, indices: readonly (string | null)[], more = ""): string {
    const { name, first } = this.#bind(view.buffer);
    return `${name}[${address(view.offset - first, view.strides, indices)}${more}]`;
  }

  /** A word of a buffer, at an address that counts from the start of the view's buffer. */
  at(view: View, address: string): string {
    const { name, first } = this.#bind(view.buffer);
    return first === 0 ? `${name}[${address}]` : `${name}[${address} - ${first}u]`;
  }

  /** Adds a declaration outside functions. */
  declare(line: string): void {
    this.#declarations.push(line);
  }

  /** Makes a function of the library known. */
  use(name: string): string {
    this.#functions.add(name);
    return name;
  }

  /** The dispatch. `main` uses `group` (the flat number of the workgroup) and `lane` (of the invocation in it). */
  finish(label: string, main: readonly string[], groups: number, size = workgroupSize): Dispatch {
    const most = this.#buffers.limits.workgroups;
    const across = Math.min(groups, most);
    const down = Math.ceil(groups / across);
    if (down > most) {
      throw new BackendError(
        `webgpu: ${label} needs ${groups} workgroups and the device has ${most}² at most; split the computation, ` +
          'or compute it on the CPU (setBackend("wasm"))',
      );
    }
    const bindings = this.#bindings.map(({ written }, i) =>
      `@group(0) @binding(${i}) var<storage, ${written ? "read_write" : "read"}> b${i}: array<u32>;`
    );
    const lines = main.map((line) => `  ${line}`);
    const text = lines.join("\n");
    const functions = mathSource(this.#functions);
    const nothing = /\bnothing\b/.test(text + functions)
      ? ["// Zero, which compilers of shaders must not know.", "var<private> nothing: u32 = 0u;"]
      : [];
    const position = down === 1
      ? "let group = groupId.x;"
      : `let group = groupId.y * ${unsigned(across)} + groupId.x;`;
    const source = [
      ...bindings,
      ...nothing,
      ...this.#declarations,
      functions,
      `@compute @workgroup_size(${size})`,
      "fn main(@builtin(workgroup_id) groupId: vec3<u32>, @builtin(local_invocation_index) lane: u32) {",
      ...(/\bgroup\b/.test(text) ? [`  ${position}`] : []),
      // The last row of workgroups may have some too many.
      ...(across * down === groups ? [] : [`  if (group >= ${unsigned(groups)}) { return; }`]),
      text,
      "}",
      "",
    ].filter((line) => line !== "").join("\n");
    return { label, source, bindings: [...this.#bindings], workgroups: [across, down] };
  }
}
