/**
 * WGSL for the scalar operations of a loop's body.
 *
 * @module
 */

import { type DType, isFloat } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { Instruction } from "../../lib/compiler/kernel.ts";
import { address, constant, fromWord, type Shader, typeOf } from "./shader.ts";

/** A value in the shader: its expression, and its number where it is a constant. */
interface Value {
  readonly text: string;
  readonly dtype: DType;
  readonly constant?: number;
}

const floatFunctions: Readonly<Record<string, string>> = {
  sign: "signOf",
  floor: "roundDown",
  ceil: "roundUp",
  round: "roundNearest",
  exp: "exponential",
  expm1: "exponentialMinusOne",
  log: "logarithm",
  log1p: "logarithmOfOnePlus",
  sqrt: "squareRoot",
  rsqrt: "reciprocalRoot",
  sin: "sine",
  cos: "cosine",
  atan: "arcTangent",
  tanh: "hyperbolicTangent",
  sigmoid: "logistic",
  erf: "errorFunction",
  pow: "power",
  atan2: "arcTangent2",
  remainder: "remainderFloat",
  maximum: "maximum",
  minimum: "minimum",
  equal: "equal",
  less: "less",
  lessEqual: "lessEqual",
};

const symbols: Readonly<Record<string, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  bitAnd: "&",
  bitOr: "|",
  bitXor: "^",
  equal: "==",
  less: "<",
  lessEqual: "<=",
};

/** Whether the constant is finite or infinite and no zero, so that comparing with it needs no care. */
function isPlain({ constant }: Value): boolean {
  return constant !== undefined && !Number.isNaN(constant) && constant !== 0;
}

/** An operation on floats. */
function floatOperation(shader: Shader, op: string, args: readonly Value[]): string {
  const [a, b] = args;
  switch (op) {
    case "neg":
      return `bitcast<f32>(bitcast<u32>(${a.text}) ^ 0x80000000u)`;
    case "abs":
      return `bitcast<f32>(bitcast<u32>(${a.text}) & 0x7fffffffu)`;
    case "add":
    case "sub":
    case "mul":
    case "div":
      return `${a.text} ${symbols[op]} ${b.text}`;
    case "maximum":
    case "minimum": {
      // Against a constant, NaN can only come from the other side, and one comparison decides: a NaN does not lose.
      const known = [1, 0].find((i) => isPlain(args[i]) || Object.is(args[i].constant, 0));
      if (known === undefined) break;
      const other = args[1 - known].text;
      const loses = `${other} ${op === "maximum" ? "<=" : ">="} ${args[known].text}`;
      return `select(${other}, ${args[known].text}, ${loses} && !${shader.use("isNan")}(${other}))`;
    }
    case "equal":
    case "less":
    case "lessEqual": {
      const open = args.filter(({ constant }) => constant === undefined || Number.isNaN(constant));
      const tests = open.map(({ text }) => ` && !${shader.use("isNan")}(${text})`);
      return `(${a.text} ${symbols[op]} ${b.text})${tests.join("")}`;
    }
    case "pow":
      if (b.constant === 1) return a.text;
      if (b.constant === 2) return `${a.text} * ${a.text}`;
      if (b.constant === 3) return `${a.text} * ${a.text} * ${a.text}`;
      if (b.constant === -1) return `1.0 / ${a.text}`;
  }
  const name = floatFunctions[op];
  if (name === undefined) throw unknownOperation(op, "float32");
  return `${shader.use(name)}(${args.map(({ text }) => text).join(", ")})`;
}

/** An operation on int32 or uint32. */
function integerOperation(shader: Shader, op: string, args: readonly Value[]): string {
  const signed = args[0].dtype === "int32";
  const [a, b] = args.map(({ text }) => text);
  const call = (name: string): string => `${shader.use(name)}(${a}, ${b})`;
  switch (op) {
    // Signed results wrap where unsigned ones do.
    case "neg":
      return signed ? `bitcast<i32>(0u - bitcast<u32>(${a}))` : `0u - ${a}`;
    case "abs":
      return signed ? `select(${a}, bitcast<i32>(0u - bitcast<u32>(${a})), ${a} < 0)` : a;
    case "sign":
      return signed ? `clamp(${a}, -1, 1)` : `min(${a}, 1u)`;
    case "add":
    case "sub":
    case "mul":
      return signed
        ? `bitcast<i32>(bitcast<u32>(${a}) ${symbols[op]} bitcast<u32>(${b}))`
        : `${a} ${symbols[op]} ${b}`;
    case "bitAnd":
    case "bitOr":
    case "bitXor":
    case "equal":
    case "less":
    case "lessEqual":
      return `(${a} ${symbols[op]} ${b})`;
    case "maximum":
      return `max(${a}, ${b})`;
    case "minimum":
      return `min(${a}, ${b})`;
    case "shiftLeft":
    case "shiftRight": {
      const count = signed ? `(bitcast<u32>(${b}) & 31u)` : `(${b} & 31u)`;
      return `${a} ${op === "shiftLeft" ? "<<" : ">>"} ${count}`;
    }
    case "quotient":
      return call(signed ? "quotientSigned" : "quotientUnsigned");
    case "remainder":
      return call(signed ? "remainderSigned" : "remainderUnsigned");
  }
  throw unknownOperation(op, args[0].dtype);
}

/** An operation on bools. */
function boolOperation(op: string, args: readonly Value[]): string {
  const [a, b] = args.map(({ text }) => text);
  switch (op) {
    case "add":
    case "bitOr":
    case "maximum":
      return `(${a} | ${b})`;
    case "mul":
    case "bitAnd":
    case "minimum":
      return `(${a} & ${b})`;
    case "bitXor":
      return `(${a} != ${b})`;
    case "equal":
      return `(${a} == ${b})`;
    case "less":
      return `(!${a} & ${b})`;
    case "lessEqual":
      return `(!${a} | ${b})`;
  }
  throw unknownOperation(op, "bool");
}

/** A conversion: saturating, and x ≠ 0 for bool; integers wrap. */
function cast(shader: Shader, x: Value, to: DType): string {
  const [source, target] = [typeOf(x.dtype), typeOf(to)];
  if (source === target) return x.text;
  if (source === "bool") {
    const [zero, one] = target === "f32"
      ? ["0.0", "1.0"]
      : target === "u32"
      ? ["0u", "1u"]
      : ["0i", "1i"];
    return `select(${zero}, ${one}, ${x.text})`;
  }
  if (target === "bool") {
    // Of floats by their bits, as a comparison may take a subnormal number for zero.
    return source === "f32"
      ? `((bitcast<u32>(${x.text}) & 0x7fffffffu) != 0u)`
      : `(${x.text} != ${source}(0))`;
  }
  if (source === "f32") {
    return `${shader.use(target === "i32" ? "toSigned" : "toUnsigned")}(${x.text})`;
  }
  return target === "f32" ? `f32(${x.text})` : `bitcast<${target}>(${x.text})`;
}

/** The same bits as another dtype; bool counts as 0 or 1. */
function bitcast(x: Value, to: DType): string {
  const [source, target] = [typeOf(x.dtype), typeOf(to)];
  if (source === target) return x.text;
  const word = source === "bool"
    ? `select(0u, 1u, ${x.text})`
    : source === "u32"
    ? x.text
    : `bitcast<u32>(${x.text})`;
  return fromWord(to, word);
}

function unknownOperation(op: string, dtype: string): BackendError {
  return new BackendError(
    `${op} on ${dtype}: the WebGPU backend has no code for it; cast the operands first`,
  );
}

/** Writes instructions as `let` statements. */
export class Body {
  readonly lines: string[] = [];
  readonly #shader: Shader;
  readonly #indices: readonly (string | null)[];
  readonly #prefix: string;
  readonly #values = new Map<number, Value>();

  /**
   * @param indices the expressions of the loop's indices; null stands for 0
   * @param prefix of the names of values
   */
  constructor(shader: Shader, indices: readonly (string | null)[], prefix: string) {
    this.#shader = shader;
    this.#indices = indices;
    this.#prefix = prefix;
  }

  /** Gives an instruction's number a value that is there already. */
  define(id: number, text: string, dtype: DType): void {
    this.#values.set(id, { text, dtype });
  }

  /** Writes what an instruction needs, and returns its expression. */
  emit(list: readonly (Instruction | null)[], id: number): string {
    // Operands come before: a pass backwards marks what is needed, and none recurses.
    const needed = new Set([id]);
    for (let i = id; i >= 0; i--) {
      const instruction = list[i];
      if (!needed.has(i) || instruction === null || this.#values.has(i)) continue;
      if (instruction.op === "loadIndexed") needed.add(instruction.index);
      else if ("args" in instruction) { for (const arg of instruction.args) needed.add(arg); }
    }
    for (let i = 0; i <= id; i++) {
      const instruction = list[i];
      if (!needed.has(i) || instruction === null || this.#values.has(i)) continue;
      this.#values.set(i, this.#write(instruction, i));
    }
    return this.#values.get(id)!.text;
  }

  #write(instruction: Instruction, id: number): Value {
    const { dtype } = instruction;
    if (instruction.op === "constant") {
      return { text: constant(dtype, instruction.value), dtype, constant: instruction.value };
    }
    const text = `${this.#prefix}${id}`;
    this.lines.push(`let ${text} = ${this.#expression(instruction)};`);
    return { text, dtype };
  }

  #expression(instruction: Instruction): string {
    const shader = this.#shader;
    const { dtype } = instruction;
    switch (instruction.op) {
      case "load":
        return fromWord(dtype, shader.word(instruction.view, this.#indices));
      case "loadIndexed": {
        const { view, index, indexStride, indexSize } = instruction;
        const { text, dtype: of } = this.#values.get(index)!;
        const at = of === "int32"
          ? `u32(clamp(${text}, 0, ${indexSize - 1}))`
          : `min(u32(${text}), ${indexSize - 1}u)`;
        return fromWord(
          dtype,
          shader.word(view, this.#indices, ` + ${at} * ${indexStride >>> 0}u`),
        );
      }
      case "index": {
        const { offset, strides } = instruction;
        const value = `bitcast<i32>(${address(offset, strides, this.#indices)})`;
        return dtype === "int32" ? value : `${typeOf(dtype)}(${value})`;
      }
      case "constant":
        return constant(dtype, instruction.value);
    }
    const args = instruction.args.map((id) => this.#values.get(id)!);
    switch (instruction.op) {
      case "select":
        return `select(${args[2].text}, ${args[1].text}, ${args[0].text})`;
      case "cast":
        return cast(shader, args[0], dtype);
      case "bitcast":
        return bitcast(args[0], dtype);
    }
    const from = args[0].dtype;
    if (from === "bool") return boolOperation(instruction.op, args);
    return isFloat(from)
      ? floatOperation(shader, instruction.op, args)
      : integerOperation(shader, instruction.op, args);
  }
}
