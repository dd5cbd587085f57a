/**
 * A plain interpreter of kernels, one element after another, to compare generated code with.
 *
 * @module
 */
import type { DType } from "../../lib/base/dtype.ts";
import { castScalar } from "../../lib/base/dtype.ts";
import type {
  ArgsortKernel,
  BufferSpec,
  Instruction,
  Kernel,
  LoopKernel,
  RandomBitsKernel,
  ScanKernel,
  ScatterAddKernel,
  View,
} from "../../lib/compiler/kernel.ts";

/** The contents of buffers: plain numbers. */
export type Memory = number[][];

const bitsView = new DataView(new ArrayBuffer(8));

/** The value after storing it as the dtype: integers wrap. */
function store(value: number, dtype: DType): number {
  switch (dtype) {
    case "float32":
      return Math.fround(value);
    case "float64":
      return value;
    case "int32":
      return value | 0;
    case "uint32":
      return value >>> 0;
    case "bool":
      return value === 0 ? 0 : 1;
  }
}

/** erf by its series or its continued fraction; good to about 1e-15. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return NaN;
  if (a < 2) {
    let term = a;
    let sum = a;
    for (let n = 1; n < 80; n++) {
      term *= -a * a / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * sum * 2 / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let k = 200; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
}

/** Rounds to the nearest integer, ties to even. */
function roundEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (!(Math.abs(x) < 2 ** 52)) return x;
  const result = rest < 0.5 ? floor : rest > 0.5 ? floor + 1 : floor % 2 === 0 ? floor : floor + 1;
  return result === 0 ? (Object.is(x, -0) || x < 0 ? -0 : 0) : result;
}

/** C's pow: 1 to any power and anything to the power 0 are 1. */
function pow(x: number, y: number): number {
  return x === 1 || y === 0 || (x === -1 && Math.abs(y) === Infinity) ? 1 : Math.pow(x, y);
}

const floatUnary: Record<string, (x: number) => number> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundEven,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  sin: Math.sin,
  cos: Math.cos,
  atan: Math.atan,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  erf,
};

/** One operation on values of `from`. */
export function operate(op: string, from: DType, args: readonly number[]): number {
  const [a, b] = args;
  const isFloat = from === "float32" || from === "float64";
  if (isFloat && op in floatUnary) return floatUnary[op](a);
  switch (op) {
    case "neg":
      return -a;
    case "abs":
      return Math.abs(a);
    case "sign":
      return Math.sign(a);
    case "add":
      return from === "bool" ? a | b : a + b;
    case "sub":
      return a - b;
    case "mul":
      return isFloat ? a * b : from === "bool" ? a & b : Math.imul(a, b);
    case "div":
      return a / b;
    case "quotient":
      return b === 0 ? 0 : Math.trunc(a / b);
    case "remainder":
      return isFloat || b !== 0 ? a % b : 0;
    case "pow":
      return pow(a, b);
    case "atan2":
      return Math.atan2(a, b);
    case "maximum":
      return Math.max(a, b);
    case "minimum":
      return Math.min(a, b);
    case "bitAnd":
      return a & b;
    case "bitOr":
      return a | b;
    case "bitXor":
      return a ^ b;
    case "shiftLeft":
      return a << (b & 31);
    case "shiftRight":
      return from === "int32" ? a >> (b & 31) : a >>> (b & 31);
    case "equal":
      return Number(a === b);
    case "less":
      return Number(a < b);
    case "lessEqual":
      return Number(a <= b);
  }
  throw new Error(`interpreter: ${op}`);
}

/** A cast: integers wrap, only floats saturate. */
function castElement(value: number, from: DType, to: DType): number {
  if (from === "uint32" && to === "int32") return value | 0;
  if (from === "int32" && to === "uint32") return value >>> 0;
  return castScalar(value, to);
}

/** The bits of a value as another dtype. */
function bitcast(value: number, from: DType, to: DType): number {
  if (from === "float32") bitsView.setFloat32(0, value);
  else bitsView.setInt32(0, value | 0);
  if (to === "float32") return bitsView.getFloat32(0);
  return store(bitsView.getInt32(0), to);
}

function address(view: View, index: readonly number[]): number {
  return view.strides.reduce((sum, stride, d) => sum + stride * (index[d] ?? 0), view.offset);
}

/** Calls the body with every index of the dims, in row-major order. */
function forEach(dims: readonly number[], body: (index: number[]) => void): void {
  if (dims.includes(0)) return;
  const index = dims.map(() => 0);
  for (;;) {
    body(index);
    let d = dims.length - 1;
    while (d >= 0 && ++index[d] === dims[d]) index[d--] = 0;
    if (d < 0) return;
  }
}

function run(
  instructions: readonly Instruction[],
  values: number[],
  dtypes: DType[],
  index: readonly number[],
  memory: Memory,
): void {
  for (const instruction of instructions) {
    let value: number;
    switch (instruction.op) {
      case "load":
        value = memory[instruction.view.buffer][address(instruction.view, index)];
        break;
      case "loadIndexed": {
        const at = Math.min(Math.max(values[instruction.index], 0), instruction.indexSize - 1);
        value = memory[instruction.view.buffer][
          address(instruction.view, index) + at * instruction.indexStride
        ];
        break;
      }
      case "constant":
        value = instruction.value;
        break;
      case "index":
        value = instruction.strides.reduce(
          (sum, stride, d) => sum + stride * index[d],
          instruction.offset,
        );
        break;
      case "select":
        value = values[instruction.args[0]]
          ? values[instruction.args[1]]
          : values[instruction.args[2]];
        break;
      case "cast":
        value = castElement(
          values[instruction.args[0]],
          dtypes[instruction.args[0]],
          instruction.dtype,
        );
        break;
      case "bitcast":
        value = bitcast(
          values[instruction.args[0]],
          dtypes[instruction.args[0]],
          instruction.dtype,
        );
        break;
      default:
        value = operate(
          instruction.op,
          dtypes[instruction.args[0]],
          instruction.args.map((i) => values[i]),
        );
    }
    values.push(store(value, instruction.dtype));
    dtypes.push(instruction.dtype);
  }
}

function interpretLoop(kernel: LoopKernel, memory: Memory): void {
  const outerDims = kernel.dims.slice(0, kernel.outerRank);
  const innerDims = kernel.dims.slice(kernel.outerRank);
  const bodyType = kernel.body[kernel.body.length - 1].dtype;
  const results: { at: number; value: number }[] = [];
  forEach(outerDims, (outer) => {
    let values: number[] = [];
    let dtypes: DType[] = [];
    let value = 0;
    if (kernel.reduce === null) {
      run(kernel.body, values, dtypes, outer, memory);
      value = values[values.length - 1];
    } else {
      const first = { max: -Infinity, min: Infinity, argmax: -Infinity, argmin: Infinity };
      let accumulator = kernel.reduce === "sum"
        ? 0
        : kernel.reduce === "prod"
        ? 1
        : first[kernel.reduce];
      if (kernel.reduce === "max" && !bodyType.startsWith("float")) {
        accumulator = bodyType === "int32" ? -2147483648 : 0;
      }
      if (kernel.reduce === "min" && !bodyType.startsWith("float")) {
        accumulator = bodyType === "int32" ? 2147483647 : bodyType === "bool" ? 1 : 4294967295;
      }
      let position = 0;
      forEach(innerDims, (inner) => {
        values = [];
        dtypes = [];
        run(kernel.body, values, dtypes, [...outer, ...inner], memory);
        const next = values[values.length - 1];
        switch (kernel.reduce) {
          case "sum":
            accumulator = bodyType.startsWith("float")
              ? accumulator + next
              : store(accumulator + next, bodyType);
            break;
          case "prod":
            accumulator = bodyType.startsWith("float")
              ? store(accumulator * next, bodyType)
              : store(Math.imul(accumulator, next), bodyType);
            break;
          case "max":
            accumulator = Math.max(accumulator, next);
            break;
          case "min":
            accumulator = Math.min(accumulator, next);
            break;
          case "argmax":
            if (next > accumulator || (Number.isNaN(next) && !Number.isNaN(accumulator))) {
              accumulator = next;
              position = inner[0];
            }
            break;
          case "argmin":
            if (next < accumulator || (Number.isNaN(next) && !Number.isNaN(accumulator))) {
              accumulator = next;
              position = inner[0];
            }
        }
      });
      const argument = kernel.reduce === "argmax" || kernel.reduce === "argmin";
      value = argument ? position : store(accumulator, bodyType);
      if (kernel.epilogue.length > 0) {
        values = [];
        dtypes = [];
        if (kernel.dims.includes(0)) {
          // The body cannot be evaluated anywhere.
          for (const instruction of kernel.body) {
            values.push(NaN);
            dtypes.push(instruction.dtype);
          }
        } else run(kernel.body, values, dtypes, [...outer, ...innerDims.map(() => 0)], memory);
        values.push(value);
        dtypes.push(argument ? "int32" : bodyType);
        run(kernel.epilogue, values, dtypes, [...outer, ...innerDims.map(() => 0)], memory);
        value = values[values.length - 1];
      }
    }
    results.push({ at: address(kernel.out, outer), value });
  });
  const target = memory[kernel.out.buffer];
  for (const { at, value } of results) {
    target[at] = kernel.mode === "add"
      ? store(operate("add", kernel.dtype, [target[at], value]), kernel.dtype)
      : value;
  }
}

function interpretScan(kernel: ScanKernel, memory: Memory): void {
  const rank = kernel.dims.length;
  if (kernel.dims.includes(0)) return;
  forEach(kernel.dims.slice(0, -1), (row) => {
    let sum = 0;
    for (let i = 0; i < kernel.dims[rank - 1]; i++) {
      const at = [...row, kernel.reverse ? kernel.dims[rank - 1] - 1 - i : i];
      sum += memory[kernel.input.buffer][address(kernel.input, at)];
      if (!kernel.dtype.startsWith("float")) sum = store(sum, kernel.dtype);
      memory[kernel.out.buffer][address(kernel.out, at)] = store(sum, kernel.dtype);
    }
  });
}

function interpretScatterAdd(kernel: ScatterAddKernel, memory: Memory): void {
  forEach(kernel.dims, (index) => {
    const at = memory[kernel.index.buffer][
      address(kernel.index, index.slice(0, kernel.batchDims + 1))
    ];
    const to = [...index];
    to[kernel.batchDims] = Math.min(Math.max(at, 0), kernel.size - 1);
    const place = address(kernel.out, to);
    const target = memory[kernel.out.buffer];
    target[place] = store(
      operate("add", kernel.dtype, [
        target[place],
        memory[kernel.updates.buffer][address(kernel.updates, index)],
      ]),
      kernel.dtype,
    );
  });
}

function interpretArgsort(kernel: ArgsortKernel, memory: Memory): void {
  const length = kernel.dims[kernel.dims.length - 1];
  forEach(kernel.dims.slice(0, -1), (row) => {
    const values = Array.from(
      { length },
      (_, i) => memory[kernel.input.buffer][address(kernel.input, [...row, i])],
    );
    const order = values.map((_, i) => i);
    order.sort((i, j) => {
      const [a, b] = [values[i], values[j]];
      if (Number.isNaN(a) || Number.isNaN(b)) {
        return Number(Number.isNaN(a)) - Number(Number.isNaN(b)) || i - j;
      }
      return (a === b ? 0 : (a < b) !== kernel.descending ? -1 : 1) || i - j;
    });
    order.forEach((from, i) => {
      memory[kernel.out.buffer][address(kernel.out, [...row, i])] = from;
    });
  });
}

/** Threefry-2x32 with 20 rounds, on unsigned numbers. */
export function threefry(
  key: readonly [number, number],
  counter: readonly [number, number],
): [number, number] {
  const rotations = [13, 15, 26, 6, 17, 29, 16, 24];
  const keys = [key[0] >>> 0, key[1] >>> 0, (key[0] ^ key[1] ^ 0x1bd11bda) >>> 0];
  let [x, y] = [(counter[0] + keys[0]) >>> 0, (counter[1] + keys[1]) >>> 0];
  for (let round = 0; round < 20; round++) {
    x = (x + y) >>> 0;
    const r = rotations[round % 8];
    y = (((y << r) | (y >>> (32 - r))) ^ x) >>> 0;
    if (round % 4 === 3) {
      const n = (round + 1) / 4;
      x = (x + keys[n % 3]) >>> 0;
      y = (y + keys[(n + 1) % 3] + n) >>> 0;
    }
  }
  return [x, y];
}

function interpretRandomBits(kernel: RandomBitsKernel, memory: Memory): void {
  for (let row = 0; row < kernel.rows; row++) {
    const key = [0, 1].map((i) => memory[kernel.key.buffer][address(kernel.key, [row, i])]) as [
      number,
      number,
    ];
    for (let i = 0; i < kernel.length; i++) {
      memory[kernel.out.buffer][address(kernel.out, [row, i])] = threefry(key, [i >> 1, 0])[i & 1];
    }
  }
}

/** Runs a kernel on memory. */
export function interpret(kernel: Kernel, memory: Memory): void {
  switch (kernel.kind) {
    case "loop":
      return interpretLoop(kernel, memory);
    case "scan":
      return interpretScan(kernel, memory);
    case "scatterAdd":
      return interpretScatterAdd(kernel, memory);
    case "argsort":
      return interpretArgsort(kernel, memory);
    case "randomBits":
      return interpretRandomBits(kernel, memory);
    case "contract":
      throw new Error("interpreter: contractions are not loops");
  }
}

/** A buffer of given contents, for building tests. */
export function bufferOf(dtype: DType, length: number): BufferSpec {
  return { dtype, length, role: "temporary" };
}
