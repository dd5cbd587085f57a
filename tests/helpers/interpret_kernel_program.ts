/**
 * Runs a lowered program in plain JavaScript, one point at a time: the meaning of kernels, for tests of the lowering.
 * Temporaries live in one arena as the memory plan says, so that a wrong plan gives wrong numbers.
 */

import { allocate, castScalar, type DType, type TypedArray } from "../../lib/base/dtype.ts";
import type {
  Instruction,
  Kernel,
  LoopKernel,
  LoweredProgram,
  View,
} from "../../lib/compiler/kernel.ts";
import { erf } from "../../backends/reference/erf.ts";
import { threefry2x32 } from "../../backends/reference/random.ts";

type Arrays = readonly TypedArray[];

/** The outputs of a lowered program; bool inputs and outputs are bytes. */
export function interpretLowered(
  program: LoweredProgram,
  inputs: readonly TypedArray[],
): TypedArray[] {
  const arena = new ArrayBuffer(program.arenaBytes);
  new Uint8Array(arena).fill(0xa5);
  const arrays = program.buffers.map((buffer, i): TypedArray => {
    const offset = program.arenaOffsets[i];
    if (buffer.role !== "temporary") return storage(buffer.dtype, buffer.length);
    if (offset === null) throw new Error(`temporary ${i} has no place in the arena`);
    return view(buffer.dtype, arena, offset, buffer.length);
  });
  program.inputs.forEach((buffer, i) => arrays[buffer].set(inputs[i]));
  for (const kernel of program.kernels) runKernel(kernel, arrays);
  return program.outputs.map((buffer) => {
    const { dtype, length } = program.buffers[buffer];
    const result = allocate(dtype, length);
    result.set(arrays[buffer]);
    return result;
  });
}

function storage(dtype: DType, length: number): TypedArray {
  return dtype === "bool" ? new Uint32Array(length) : allocate(dtype, length);
}

function view(dtype: DType, arena: ArrayBuffer, offset: number, length: number): TypedArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(arena, offset, length);
    case "float64":
      return new Float64Array(arena, offset, length);
    case "int32":
      return new Int32Array(arena, offset, length);
    default:
      return new Uint32Array(arena, offset, length);
  }
}

/** Calls back with every index of the sizes, last fastest. */
function forEachIndex(sizes: readonly number[], visit: (index: readonly number[]) => void): void {
  if (sizes.some((n) => n === 0)) return;
  const index = sizes.map(() => 0);
  for (;;) {
    visit(index);
    let d = sizes.length - 1;
    while (d >= 0 && ++index[d] === sizes[d]) index[d--] = 0;
    if (d < 0) return;
  }
}

function at(v: View, index: readonly number[], start = 0): number {
  let position = v.offset;
  for (let d = 0; d < v.strides.length; d++) position += v.strides[d] * (index[start + d] ?? NaN);
  return position;
}

function read(arrays: Arrays, v: View, position: number): number {
  const array = arrays[v.buffer];
  if (!(position >= 0 && position < array.length)) {
    throw new Error(`read at ${position} of buffer ${v.buffer} with ${array.length} elements`);
  }
  return array[position];
}

function write(arrays: Arrays, v: View, position: number, value: number): void {
  const array = arrays[v.buffer];
  if (!(position >= 0 && position < array.length)) {
    throw new Error(`write at ${position} of buffer ${v.buffer} with ${array.length} elements`);
  }
  array[position] = value;
}

function runKernel(kernel: Kernel, arrays: Arrays): void {
  switch (kernel.kind) {
    case "loop":
      return runLoop(kernel, arrays);
    case "contract": {
      const { batch, m, n, k } = kernel;
      if (kernel.a.strides.length !== batch.length + m.length + k.length) throw new Error("a");
      if (kernel.b.strides.length !== batch.length + n.length + k.length) throw new Error("b");
      if (kernel.out.strides.length !== batch.length + m.length + n.length) throw new Error("out");
      forEachIndex([...batch, ...m, ...n], (index) => {
        const b = index.slice(0, batch.length);
        const i = index.slice(batch.length, batch.length + m.length);
        const j = index.slice(batch.length + m.length);
        let sum = 0;
        forEachIndex(k, (p) => {
          sum += read(arrays, kernel.a, at(kernel.a, [...b, ...i, ...p])) *
            read(arrays, kernel.b, at(kernel.b, [...b, ...p, ...j]));
        });
        write(arrays, kernel.out, at(kernel.out, index), sum);
      });
      return;
    }
    case "scan": {
      const { dims } = kernel;
      const length = dims[dims.length - 1];
      forEachIndex(dims.slice(0, -1), (index) => {
        let sum = 0;
        for (let i = 0; i < length; i++) {
          const full = [...index, kernel.reverse ? length - 1 - i : i];
          sum = castScalarWrap(
            sum + read(arrays, kernel.input, at(kernel.input, full)),
            kernel.dtype,
          );
          write(arrays, kernel.out, at(kernel.out, full), sum);
        }
      });
      return;
    }
    case "scatterAdd": {
      const { batchDims, dims, size } = kernel;
      forEachIndex(dims, (index) => {
        const raw = read(
          arrays,
          kernel.index,
          at(kernel.index, index.slice(0, batchDims + 1)),
        );
        const target = [...index];
        target[batchDims] = Math.min(Math.max(raw, 0), size - 1);
        const position = at(kernel.out, target);
        const value = read(arrays, kernel.updates, at(kernel.updates, index));
        write(arrays, kernel.out, position, read(arrays, kernel.out, position) + value);
      });
      return;
    }
    case "argsort": {
      const { dims } = kernel;
      const length = dims[dims.length - 1];
      forEachIndex(dims.slice(0, -1), (index) => {
        const values = Array.from(
          { length },
          (_, i) => read(arrays, kernel.input, at(kernel.input, [...index, i])),
        );
        const order = values.map((_, i) => i).sort((i, j) => {
          const [x, y] = [values[i], values[j]];
          if (Number.isNaN(x) || Number.isNaN(y)) {
            return Number(Number.isNaN(x)) - Number(Number.isNaN(y)) || i - j;
          }
          return (kernel.descending ? y - x : x - y) || i - j;
        });
        order.forEach((value, i) =>
          write(arrays, kernel.out, at(kernel.out, [...index, i]), value)
        );
      });
      return;
    }
    case "randomBits":
      for (let row = 0; row < kernel.rows; row++) {
        const key = [0, 1].map((i) => read(arrays, kernel.key, at(kernel.key, [row, i])));
        for (let i = 0; i < kernel.length; i++) {
          const words = threefry2x32([key[0], key[1]], [i >> 1, 0]);
          write(arrays, kernel.out, at(kernel.out, [row, i]), words[i & 1]);
        }
      }
  }
}

function runLoop(kernel: LoopKernel, arrays: Arrays): void {
  const { dims, outerRank, body, reduce, epilogue } = kernel;
  if (dims.some((n) => n === 0)) throw new Error("a loop of size zero");
  if (reduce === null && outerRank !== dims.length) throw new Error("inner loops do not reduce");
  forEachIndex(dims.slice(0, outerRank), (outer) => {
    let values: number[] = [];
    const dtypes: DType[] = [];
    if (reduce === null) {
      runInstructions(body, values, outer, arrays, dtypes);
    } else {
      const inner = dims.slice(outerRank);
      let count = 0;
      let best = NaN;
      let total = NaN;
      forEachIndex(inner, (index) => {
        const point: number[] = [];
        runInstructions(body, point, [...outer, ...index], arrays, dtypes);
        const value = point[body.length - 1];
        if (reduce === "argmax" || reduce === "argmin") {
          const better = count === 0 ||
            !Number.isNaN(best) &&
              (Number.isNaN(value) || (reduce === "argmax" ? value > best : value < best));
          if (better) {
            best = value;
            total = index[0];
          }
        } else if (count === 0) total = value;
        else total = combine(reduce, total, value, body[body.length - 1].dtype);
        count++;
      });
      values = new Array<number>(body.length).fill(NaN);
      values.push(total);
      dtypes[body.length] = kernel.dtype;
      const zeros = inner.map(() => 0);
      runInstructions(epilogue, values, [...outer, ...zeros], arrays, dtypes);
    }
    const value = values[values.length - 1];
    const position = at(kernel.out, outer);
    const before = kernel.mode === "add" ? read(arrays, kernel.out, position) : 0;
    write(arrays, kernel.out, position, kernel.mode === "add" ? before + value : value);
  });
}

function combine(reduce: string, a: number, b: number, dtype: DType): number {
  if (reduce === "sum") return castScalarWrap(a + b, dtype);
  if (reduce === "prod") {
    return dtype === "int32" || dtype === "uint32"
      ? castScalarWrap(Math.imul(a, b), dtype)
      : castScalarWrap(a * b, dtype);
  }
  return reduce === "max" ? Math.max(a, b) : Math.min(a, b);
}

/** The value as arithmetic of the dtype leaves it: integers wrap. */
function castScalarWrap(value: number, dtype: DType): number {
  return dtype === "int32"
    ? value | 0
    : dtype === "uint32"
    ? value >>> 0
    : castScalar(value, dtype);
}

function runInstructions(
  list: readonly Instruction[],
  values: number[],
  index: readonly number[],
  arrays: Arrays,
  dtypes: DType[],
): void {
  for (const instruction of list) {
    dtypes[values.length] = instruction.dtype;
    switch (instruction.op) {
      case "load":
        values.push(read(arrays, instruction.view, at(instruction.view, index)));
        break;
      case "loadIndexed": {
        const raw = values[instruction.index];
        const clamped = Math.min(Math.max(raw, 0), instruction.indexSize - 1);
        values.push(
          read(
            arrays,
            instruction.view,
            at(instruction.view, index) + clamped * instruction.indexStride,
          ),
        );
        break;
      }
      case "constant":
        values.push(castScalarWrap(instruction.value, instruction.dtype));
        break;
      case "index":
        values.push(
          at({ buffer: 0, offset: instruction.offset, strides: instruction.strides }, index),
        );
        break;
      default:
        values.push(
          scalar(
            instruction.op,
            instruction.args.map((i) => {
              if (!(i < values.length)) throw new Error("an argument stands later");
              return values[i];
            }),
            instruction.dtype,
            dtypes[instruction.args[0]],
          ),
        );
    }
  }
}

const word = new DataView(new ArrayBuffer(8));

/** One scalar operation; comparisons and select follow the values, so the operands' dtype does not matter. */
function scalar(op: string, [a, b, c]: number[], dtype: DType, from: DType): number {
  const integer = dtype === "int32" || dtype === "uint32";
  const wrap = (value: number): number => castScalarWrap(value, dtype);
  switch (op) {
    case "neg":
      return wrap(-a);
    case "abs":
      return Math.abs(a);
    case "sign":
      return Math.sign(a);
    case "floor":
      return Math.floor(a);
    case "ceil":
      return Math.ceil(a);
    case "round": {
      const low = Math.floor(a);
      const up = a - low > 0.5 || a - low === 0.5 && low % 2 !== 0;
      if (Number.isNaN(a)) return a;
      // Zero keeps the sign.
      return (up ? low + 1 : low) || (a < 0 || Object.is(a, -0) ? -0 : 0);
    }
    case "exp":
    case "expm1":
    case "log":
    case "log1p":
    case "sqrt":
    case "sin":
    case "cos":
    case "atan":
    case "tanh":
      return wrap(Math[op](a));
    case "rsqrt":
      return wrap(1 / Math.sqrt(a));
    case "sigmoid":
      return wrap(1 / (1 + Math.exp(-a)));
    case "erf":
      return wrap(erf(a));
    case "add":
      return dtype === "bool" ? a | b : wrap(a + b);
    case "sub":
      return wrap(a - b);
    case "mul":
      return dtype === "bool" ? a & b : wrap(integer ? Math.imul(a, b) : a * b);
    case "div":
      return wrap(a / b);
    case "quotient":
      return b === 0 ? 0 : wrap(Math.trunc(a / b));
    case "remainder":
      return integer && b === 0 ? 0 : wrap(a % b);
    case "pow":
      // As in C, where Math.pow gives NaN.
      return wrap(a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : Math.pow(a, b));
    case "atan2":
      return wrap(Math.atan2(a, b));
    case "maximum":
      return Math.max(a, b);
    case "minimum":
      return Math.min(a, b);
    case "bitAnd":
      return wrap(a & b);
    case "bitOr":
      return wrap(a | b);
    case "bitXor":
      return wrap(a ^ b);
    case "shiftLeft":
      return wrap(a << (b & 31));
    case "shiftRight":
      return wrap(dtype === "uint32" ? a >>> (b & 31) : a >> (b & 31));
    case "equal":
      return a === b ? 1 : 0;
    case "less":
      return a < b ? 1 : 0;
    case "lessEqual":
      return a <= b ? 1 : 0;
    case "select":
      return a !== 0 ? b : c;
    case "cast":
      return integer && (from === "int32" || from === "uint32") ? wrap(a) : castScalar(a, dtype);
    case "bitcast":
      put(from, a);
      return dtype === "float32"
        ? word.getFloat32(0)
        : dtype === "int32"
        ? word.getInt32(0)
        : word.getUint32(0);
    default:
      throw new Error(`unknown operation ${op}`);
  }
}

function put(dtype: DType, value: number): void {
  if (dtype === "float32") word.setFloat32(0, value);
  else word.setInt32(0, value);
}
