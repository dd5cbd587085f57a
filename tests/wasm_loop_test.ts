import { assert, assertEquals } from "@std/assert";
import { ModuleBuilder } from "../backends/wasm/assembler.ts";
import { overRows } from "../backends/wasm/loop.ts";
import { normalize } from "../backends/wasm/loop_normalize.ts";
import { windowOf } from "../backends/wasm/loop_window.ts";
import { emitThreefry } from "../backends/wasm/random.ts";
import type { DType } from "../lib/base/dtype.ts";
import type { Instruction, LoopKernel, ReduceOp, View } from "../lib/compiler/kernel.ts";
import { bufferOf, interpret, type Memory } from "./helpers/interpret_kernel.ts";
import { CompiledKernel, runKernel, type Split, whole } from "./helpers/run_kernel.ts";

/** A small seeded generator (mulberry32). */
class Random {
  constructor(public state: number) {}

  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
}

const allTypes: readonly DType[] = ["float32", "float64", "int32", "uint32", "bool"];

/** A value of a dtype, with awkward ones among them. */
function draw(random: Random, dtype: DType): number {
  const odd = random.below(12) === 0;
  switch (dtype) {
    case "float32":
      return odd
        ? random.pick([0, -0, Infinity, -Infinity, NaN, 2 ** 100, 2.5, -0.5])
        : Math.fround((random.next() - 0.5) * 8);
    case "float64":
      return odd
        ? random.pick([0, -0, Infinity, -Infinity, NaN, 1e300, 2.5, -0.5])
        : (random.next() - 0.5) * 8;
    case "int32":
      return odd ? random.pick([0, 1, -1, 2147483647, -2147483648]) : random.below(200) - 100;
    case "uint32":
      return odd ? random.pick([0, 1, 4294967295, 2147483648]) : random.below(200);
    case "bool":
      return random.below(2);
  }
}

/** A kernel with buffers and contents that fit it. */
interface Case {
  kernel: LoopKernel;
  dtypes: DType[];
  contents: Memory;
}

/** Builds instructions that type-check, from operations that every implementation rounds alike. */
class KernelMaker {
  readonly dtypes: DType[] = [];
  readonly contents: Memory = [];

  constructor(readonly random: Random, readonly dims: readonly number[]) {}

  buffer(dtype: DType, length: number): number {
    this.dtypes.push(dtype);
    this.contents.push(Array.from({ length }, () => draw(this.random, dtype)));
    return this.dtypes.length - 1;
  }

  /** A view over the dims with strides of all kinds, and a buffer just large enough. */
  view(dtype: DType, dims = this.dims, extra = 0): View {
    const { random } = this;
    let strides: number[];
    const style = random.below(6);
    if (style < 3) {
      const order = dims.map((_, d) => d);
      if (style === 2) order.sort(() => random.next() - 0.5);
      strides = dims.map(() => 0);
      let stride = 1;
      for (const d of [...order].reverse()) {
        strides[d] = stride;
        stride *= Math.max(dims[d], 1);
      }
      if (style === 1) {
        for (let d = 0; d < dims.length; d++) if (random.below(3) === 0) strides[d] = 0;
      }
    } else strides = dims.map(() => random.pick([0, 1, 1, 2, 3, -1, -2, 5]));
    return this.place(dtype, dims, strides, extra);
  }

  /** A view with those strides, and a buffer just large enough. */
  place(dtype: DType, dims: readonly number[], strides: readonly number[], extra = 0): View {
    let low = 0;
    let high = 0;
    strides.forEach((stride, d) => {
      const span = stride * Math.max(dims[d] - 1, 0);
      if (span < 0) low += span;
      else high += span;
    });
    const before = this.random.below(3);
    const buffer = this.buffer(dtype, before + high - low + 1 + extra);
    return { buffer, offset: before - low, strides };
  }

  /** A view whose elements are all distinct. */
  target(dtype: DType, dims: readonly number[]): View {
    const { random } = this;
    const order = dims.map((_, d) => d);
    if (random.below(3) === 0) order.sort(() => random.next() - 0.5);
    const strides = dims.map(() => 0);
    let stride = random.below(4) === 0 ? 2 : 1;
    for (const d of [...order].reverse()) {
      strides[d] = random.below(8) === 0 ? -stride : stride;
      stride *= Math.max(dims[d], 1);
      if (random.below(6) === 0) stride += 3;
    }
    return this.place(dtype, dims, strides);
  }

  /** Appends one random instruction to a list, which may use those before it. */
  step(
    list: Instruction[],
    fixed: readonly DType[] | null,
    loads: readonly number[] = this.dims,
  ): void {
    const { random } = this;
    const types = fixed ?? allTypes;
    const have = list.map((instruction) => instruction.dtype);
    const of = (dtype: DType): number => {
      const found = have.map((t, i) => t === dtype ? i : -1).filter((i) => i >= 0);
      return found.length === 0 ? -1 : random.pick(found);
    };
    const choice = random.below(14);
    const dtype = random.pick(types);
    const a = of(dtype);
    const b = of(dtype);
    const isFloat = dtype.startsWith("float");
    if (a < 0 || choice < 3) {
      list.push({ op: "load", dtype, view: this.view(dtype, loads) });
    } else if (choice === 3) list.push({ op: "constant", dtype, value: draw(random, dtype) });
    else if (choice === 4 && dtype !== "bool") {
      list.push({
        op: "index",
        dtype,
        offset: random.below(5) - (dtype === "uint32" ? 0 : 2),
        strides: loads.map(() => random.pick([0, 1, 2, dtype === "uint32" ? 1 : -1])),
      });
    } else if (choice === 5 && of("int32") >= 0) {
      const indexSize = 1 + random.below(6);
      const indexStride = 1 + random.below(3);
      list.push({
        op: "loadIndexed",
        dtype,
        index: of("int32"),
        indexSize,
        indexStride,
        view: this.view(dtype, loads, (indexSize - 1) * indexStride),
      });
    } else if (choice === 6 && of("bool") >= 0) {
      list.push({ op: "select", dtype, args: [of("bool"), a, b] });
    } else if (choice === 7) {
      const from = random.pick(have.map((_, i) => i));
      list.push({ op: "cast", dtype, args: [from] });
    } else if (choice === 8 && dtype !== "float64" && dtype !== "bool") {
      const from = have.map((t, i) => t !== "float64" && t !== "bool" && t !== "float32" ? i : -1)
        .filter((i) => i >= 0);
      if (from.length > 0 && dtype !== "float32") {
        list.push({ op: "bitcast", dtype, args: [random.pick(from)] });
      }
    } else if (choice === 9) {
      list.push({ op: random.pick(["equal", "less", "lessEqual"]), dtype: "bool", args: [a, b] });
    } else if (choice === 10 && dtype !== "bool") {
      const op = isFloat
        ? random.pick(["neg", "abs", "sign", "floor", "ceil", "round", "sqrt"] as const)
        : random.pick(["neg", "abs", "sign"] as const);
      list.push({ op, dtype, args: [a] });
    } else {
      const op = isFloat
        ? random.pick(["add", "sub", "mul", "div", "maximum", "minimum", "remainder"] as const)
        : dtype === "bool"
        ? random.pick(["add", "mul", "bitAnd", "bitOr", "bitXor"] as const)
        : random.pick(
          [
            "add",
            "sub",
            "mul",
            "quotient",
            "remainder",
            "maximum",
            "minimum",
            "bitAnd",
            "bitOr",
            "bitXor",
            "shiftLeft",
            "shiftRight",
          ] as const,
        );
      list.push({ op, dtype, args: [a, b] });
    }
  }
}

const sizes = [0, 1, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 64];

/** A random kernel; small enough to interpret. */
function makeCase(random: Random): Case {
  const reduce: ReduceOp | null = random.below(5) < 2
    ? null
    : random.pick(["sum", "prod", "max", "min", "argmax", "argmin"]);
  const argument = reduce === "argmax" || reduce === "argmin";
  const outerRank = random.below(4);
  const reducedRank = reduce === null ? 0 : argument ? 1 : random.below(3);
  let dims: number[];
  do {
    dims = Array.from(
      { length: outerRank + reducedRank },
      () => random.pick(random.below(6) === 0 ? sizes : sizes.slice(1)),
    );
  } while (
    dims.reduce((a, b) => a * b, 1) > 6000 || (argument && dims[outerRank] === 0) ||
    (reduce !== null && reduce !== "sum" && reduce !== "prod" && dims.slice(outerRank).includes(0))
  );
  const maker = new KernelMaker(random, dims);
  const types = random.pick<readonly DType[] | null>([
    null,
    ["float32"],
    ["float64"],
    ["float32", "bool", "int32"],
    ["int32"],
    ["uint32", "bool"],
  ]);
  const body: Instruction[] = [];
  const length = 1 + random.below(9);
  while (body.length < length) maker.step(body, types);
  if (body[body.length - 1].dtype === "bool" && (reduce === "sum" || reduce === "prod")) {
    body.push({ op: "cast", dtype: "float32", args: [body.length - 1] });
  }
  let dtype: DType = argument ? "int32" : body[body.length - 1].dtype;
  const epilogue: Instruction[] = [];
  if (reduce !== null && random.below(2) === 0) {
    // Loads with no stride along reduced dims, and operations on those and on the reduced value.
    const view = maker.view(dtype, dims.slice(0, outerRank));
    epilogue.push({
      op: "load",
      dtype,
      view: { ...view, strides: dims.map((_, d) => view.strides[d] ?? 0) },
    });
    epilogue.push({
      op: dtype === "bool" ? "bitXor" : "add",
      dtype,
      args: [body.length, body.length + 1],
    });
    if (dtype !== "bool" && random.below(2) === 0) {
      epilogue.push({ op: "cast", dtype: "float32", args: [body.length + 2] });
      dtype = "float32";
    }
  }
  const out = maker.target(dtype, dims.slice(0, outerRank));
  const kernel: LoopKernel = {
    kind: "loop",
    dims,
    outerRank,
    body,
    reduce,
    epilogue,
    out,
    mode: random.below(4) === 0 ? "add" : "set",
    dtype,
  };
  return { kernel, dtypes: maker.dtypes, contents: maker.contents };
}

/** Whether two results agree: exactly, or to rounding where a float sum or product may be ordered differently. */
function agree(actual: number, expected: number, tolerance: number): boolean {
  if (Object.is(actual, expected) || (actual === expected && tolerance > 0)) return true;
  if (Number.isNaN(actual) && Number.isNaN(expected)) return true;
  return Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected));
}

function buffersOf(dtypes: readonly DType[], contents: Memory) {
  return dtypes.map((dtype, i) => bufferOf(dtype, contents[i].length));
}

/** Ranges of random lengths, in random order. */
function randomSplit(random: Random): Split {
  return (tasks) => {
    const ranges: [number, number][] = [];
    for (let at = 0; at < tasks;) {
      const end = Math.min(tasks, at + 1 + random.below(3));
      ranges.push([at, end]);
      at = end;
    }
    return ranges.sort(() => random.next() - 0.5);
  };
}

Deno.test("loop kernels: random bodies, strides and reductions agree with the interpreter", () => {
  const random = new Random(20240611);
  for (let round = 0; round < 1500; round++) {
    const { kernel, dtypes, contents } = makeCase(random);
    const expected = contents.map((buffer) => [...buffer]);
    interpret(kernel, expected);
    const actual = runKernel(kernel, buffersOf(dtypes, contents), contents, randomSplit(random));
    // Sums with overflow or cancellation are left to the tests below, which know the scale.
    const reordered = (kernel.reduce === "sum" || kernel.reduce === "prod") &&
      kernel.body[kernel.body.length - 1].dtype.startsWith("float");
    for (let i = 0; i < expected.length; i++) {
      for (let j = 0; j < expected[i].length; j++) {
        const e = expected[i][j];
        if (
          reordered && (Math.abs(e) > 1e6 || !Number.isFinite(e) || !Number.isFinite(actual[i][j]))
        ) continue;
        if (!agree(actual[i][j], e, reordered ? 1e-3 : 0)) {
          throw new Error(
            `round ${round}, buffer ${i}, element ${j}: got ${actual[i][j]}, expected ${e}\n` +
              JSON.stringify(kernel),
          );
        }
      }
    }
  }
});

/** A row-major view of a whole buffer. */
function dense(buffer: number, dims: readonly number[]): View {
  const strides = dims.map((_, d) => dims.slice(d + 1).reduce((a, b) => a * b, 1));
  return { buffer, offset: 0, strides };
}

/** Sums one buffer of the dims over those from outerRank on. */
function reduction(
  reduce: ReduceOp,
  dtype: DType,
  dims: readonly number[],
  outerRank: number,
  strides: readonly number[],
): LoopKernel {
  return {
    kind: "loop",
    dims,
    outerRank,
    body: [{ op: "load", dtype, view: { buffer: 0, offset: 0, strides } }],
    reduce,
    epilogue: [],
    out: dense(1, dims.slice(0, outerRank)),
    mode: "set",
    dtype: reduce.startsWith("arg") ? "int32" : dtype,
  };
}

Deno.test("loop kernels: float32 sums over a million elements stay near one rounding", () => {
  const random = new Random(7);
  const total = 1_200_001;
  const values = Array.from({ length: total }, () => Math.fround(random.next()));
  const cases: [number[], number, number[]][] = [
    [[total], 0, [1]],
    [[3, 400_000], 1, [400_000, 1]],
    // Lanes over the result: the reduced dim is strided.
    [[8, 150_000], 1, [1, 8]],
    [[400, 3000], 1, [1, 400]],
    // Every second element, from the end.
    [[2, 100, 3000], 1, [300_000, -1, 100]],
  ];
  for (const [dims, outerRank, strides] of cases) {
    const kernel = reduction("sum", "float32", dims, outerRank, strides);
    const view = (kernel.body[0] as { view: View }).view;
    const shifted: LoopKernel = {
      ...kernel,
      body: [{
        op: "load",
        dtype: "float32",
        view: { ...view, offset: strides.includes(-1) ? 99 : 0 },
      }],
    };
    const results = dims.slice(0, outerRank).reduce((a, b) => a * b, 1);
    const contents = [values, new Array(results).fill(0)];
    const expected = contents.map((buffer) => [...buffer]);
    interpret(shifted, expected);
    const buffers = buffersOf(["float32", "float32"], contents);
    const actual = runKernel(shifted, buffers, contents);
    const other = runKernel(shifted, buffers, contents, randomSplit(random));
    assertEquals(other[1], actual[1], "the split must not change the result");
    for (let i = 0; i < results; i++) {
      const error = Math.abs(actual[1][i] / expected[1][i] - 1);
      assert(error < 2e-7, `${dims}: relative error ${error}`);
    }
  }
});

Deno.test("loop kernels: large reductions of every kind, in one phase and in two", () => {
  const random = new Random(8);
  for (const dtype of ["float32", "float64", "int32", "uint32", "bool"] as const) {
    for (const reduce of ["sum", "prod", "max", "min", "argmax", "argmin"] as const) {
      if (dtype === "bool" && (reduce === "sum" || reduce === "prod")) continue;
      for (const dims of [[140_003], [2, 70_003], [300, 251], [35, 1_901]]) {
        const outerRank = dims.length - 1;
        const strides = dims.length === 1 ? [1] : random.pick([[dims[1], 1], [1, dims[0]]]);
        const total = dims.reduce((a, b) => a * b, 1);
        // Products near 1, and small integers.
        const values = Array.from(
          { length: total },
          () =>
            dtype === "bool"
              ? random.below(2)
              : dtype.endsWith("int32")
              ? random.below(1000) + 1
              : reduce === "prod"
              ? 2 ** (random.below(3) - 1)
              : Math.fround(random.next() - 0.5),
        );
        if (reduce === "prod" && dtype.startsWith("float")) values.fill(1).splice(5, 2, 3, 0.5);
        if (dtype.startsWith("float") && (reduce === "max" || reduce === "argmin")) {
          values[total - 3] = NaN;
        }
        const kernel = reduction(reduce, dtype, dims, outerRank, strides);
        const contents = [values, new Array(total / dims[outerRank]).fill(9)];
        const expected = contents.map((buffer) => [...buffer]);
        interpret(kernel, expected);
        const buffers = buffersOf([dtype, kernel.dtype], contents);
        const actual = runKernel(kernel, buffers, contents, randomSplit(random))[1];
        assertEquals(runKernel(kernel, buffers, contents)[1], actual);
        const scale = reduce === "sum" && dtype.startsWith("float") ? 1e-5 : 0;
        actual.forEach((value, i) =>
          assert(
            agree(value, expected[1][i], scale),
            `${reduce} ${dtype} [${dims}] ${i}: got ${value}, expected ${expected[1][i]}`,
          )
        );
      }
    }
  }
});

Deno.test("loop kernels: sums down columns, in pieces of any length, with what is left", () => {
  const random = new Random(28);
  for (const dtype of ["float32", "float64", "int32"] as const) {
    // Pieces of 32 to 64 rows, four at a time: with and without a shorter piece and single rows, for one matrix and for several.
    for (
      const [matrices, rows, columns] of [[1, 64, 1100], [1, 4099, 33], [3, 517, 70], [1, 2048, 64]]
    ) {
      const strides = [rows * columns, 1, columns];
      const kernel = reduction("sum", dtype, [matrices, columns, rows], 2, strides);
      const values = Array.from(
        { length: matrices * rows * columns },
        () => dtype === "int32" ? random.below(2000) - 1000 : Math.fround(random.next() - 0.5),
      );
      const contents = [values, new Array(matrices * columns).fill(9)];
      const expected = contents.map((buffer) => [...buffer]);
      interpret(kernel, expected);
      const buffers = buffersOf([dtype, dtype], contents);
      const actual = runKernel(kernel, buffers, contents, randomSplit(random))[1];
      assertEquals(runKernel(kernel, buffers, contents)[1], actual);
      const scale = { float32: 1e-5, float64: 1e-14, int32: 0 }[dtype];
      actual.forEach((value, i) =>
        assert(
          agree(value, expected[1][i], scale),
          `${dtype} [${matrices}, ${rows}, ${columns}] ${i}: got ${value}, expected ${
            expected[1][i]
          }`,
        )
      );
    }
  }
});

Deno.test("loop kernels: matrices times vectors, several rows at a time, with what is left", () => {
  const random = new Random(29);
  for (const dtype of ["float32", "float64", "int32"] as const) {
    // Any number of rows is left over, and of columns; the result is scaled by row, and so is one of the factors.
    for (
      const [batch, rows, columns] of [[1, 1100, 65], [1, 19, 4099], [3, 257, 96], [1, 1026, 64]]
    ) {
      const load = (buffer: number, strides: readonly number[]) =>
        ({ op: "load", dtype, view: { buffer, offset: 0, strides } }) as const;
      const kernel: LoopKernel = {
        kind: "loop",
        dims: [batch, rows, columns],
        outerRank: 2,
        body: [
          load(0, [rows * columns, columns, 1]),
          load(1, [columns, 0, 1]),
          load(2, [0, 1, 0]),
          { op: "add", dtype, args: [1, 2] },
          { op: "mul", dtype, args: [0, 3] },
        ],
        reduce: "sum",
        epilogue: [load(2, [0, 1]), { op: "mul", dtype, args: [5, 6] }],
        out: dense(3, [batch, rows]),
        mode: "set",
        dtype,
      };
      const sizes = [batch * rows * columns, batch * columns, rows];
      const contents = [
        ...sizes.map((size) =>
          Array.from(
            { length: size },
            () => dtype === "int32" ? random.below(200) - 100 : Math.fround(random.next() - 0.5),
          )
        ),
        new Array<number>(batch * rows).fill(9),
      ];
      const expected = contents.map((buffer) => [...buffer]);
      interpret(kernel, expected);
      const buffers = buffersOf([dtype, dtype, dtype, dtype], contents);
      const actual = runKernel(kernel, buffers, contents, randomSplit(random))[3];
      assertEquals(runKernel(kernel, buffers, contents)[3], actual);
      const scale = { float32: 1e-5, float64: 1e-13, int32: 0 }[dtype];
      actual.forEach((value, i) =>
        assert(
          agree(value, expected[3][i], scale),
          `${dtype} [${batch}, ${rows}, ${columns}] ${i}: got ${value}, expected ${expected[3][i]}`,
        )
      );
    }
  }
});

Deno.test("loop kernels: sums over a window that slides over images, a few rows at a time, with what is left", () => {
  const random = new Random(31);
  const [images, channels] = [2, 3];
  for (const dtype of ["float32", "float64"] as const) {
    for (const [height, width] of [[4, 4], [5, 7], [7, 9], [10, 30], [28, 26], [3, 6], [6, 3]]) {
      for (
        const [rows, columns, apart, stride] of [
          [3, 3, 1, 1],
          [2, 5, 1, 1],
          [5, 2, 2, 1],
          [5, 6, 1, 1],
          [6, 6, 1, 1],
          [3, 3, 1, 2],
          [2, 4, 2, 2],
        ]
      ) {
        const pitch = (width - 1) * stride + (columns - 1) * apart + 1;
        const plane = pitch * ((height - 1) * stride + (rows - 1) * apart + 1);
        const load = (buffer: number, strides: readonly number[]) =>
          ({ op: "load", dtype, view: { buffer, offset: 0, strides } }) as const;
        const kernel: LoopKernel = {
          kind: "loop",
          dims: [images, channels, height, width, rows, columns],
          outerRank: 4,
          body: [
            load(0, [0, rows * columns, 0, 0, columns, 1]),
            load(1, [channels * plane, plane, stride * pitch, stride, apart * pitch, apart]),
            { op: "mul", dtype, args: [0, 1] },
          ],
          reduce: "sum",
          epilogue: [load(2, [0, 1, 0, 0]), { op: "add", dtype, args: [3, 4] }],
          out: dense(3, [images, channels, height, width]),
          mode: random.pick(["set", "add"]),
          dtype,
        };
        const found = windowOf(normalize(kernel)!);
        assertEquals(found !== null, rows * columns < 32);
        const sizes = [
          channels * rows * columns,
          images * channels * plane,
          channels,
          images * channels * height * width,
        ];
        // Whole numbers, whose sums are exact.
        const contents = sizes.map((size) =>
          Array.from({ length: size }, () => random.below(200) - 100)
        );
        contents[1][random.below(contents[1].length)] = random.pick([Infinity, NaN]);
        const expected = contents.map((buffer) => [...buffer]);
        interpret(kernel, expected);
        const buffers = buffersOf([dtype, dtype, dtype, dtype], contents);
        for (const relaxed of [false, true]) {
          const actual = runKernel(kernel, buffers, contents, randomSplit(random), relaxed);
          assertEquals(actual, expected, `${dtype} ${height} × ${width}, ${rows} × ${columns}`);
        }
        // In chains, rows may be images, or rows of images, which then stay apart.
        for (const count of [images, images * channels, images * channels * height]) {
          const own = overRows(kernel, count);
          if (own === null) continue;
          const given = { rows: 2, rowDims: own.rowDims };
          const done = 1 + random.below(Math.ceil(count / 2));
          const first: Split = () => [[0, done]];
          const actual = runKernel(own.kernel, buffers, contents, first, true, given)[3];
          const end = Math.min(count, 2 * done) * (sizes[3] / count);
          const rest = contents[3].slice(end);
          assertEquals(actual, [...expected[3].slice(0, end), ...rest], `${done} of ${count}`);
        }
      }
    }
  }
});

Deno.test("loop kernels: extremes keep NaN and the signs of zeros, wherever they stand", () => {
  const random = new Random(18);
  const few = [-0, 0, -1, -Infinity, NaN, 2 ** -149, -(2 ** -149), 1, Infinity];
  for (const dtype of ["float32", "float64"] as const) {
    for (const reduce of ["max", "min"] as const) {
      for (const [rows, columns] of [[40, 37], [37, 40], [300, 3], [3, 300]]) {
        // Each row (or column) is drawn from one, two or three values, so that ties and rare NaN occur.
        for (const strides of [[columns, 1], [1, rows]]) {
          const kernel = reduction(reduce, dtype, [rows, columns], 1, strides);
          const values = new Array<number>(rows * columns);
          for (let row = 0; row < rows; row++) {
            const palette = few.slice(random.below(3)).slice(0, 1 + random.below(3));
            for (let i = 0; i < columns; i++) {
              values[row * strides[0] + i * strides[1]] = random.pick(palette);
            }
            const rare = row * strides[0] + random.below(columns) * strides[1];
            if (row % 3 === 0) values[rare] = random.pick(few);
          }
          const contents = [values, new Array(rows).fill(9)];
          const expected = contents.map((buffer) => [...buffer]);
          interpret(kernel, expected);
          const actual = runKernel(kernel, buffersOf([dtype, dtype], contents), contents);
          assertEquals(actual[1], expected[1], `${reduce} ${dtype} [${rows}, ${columns}]`);
        }
      }
    }
  }
});

Deno.test("loop kernels: long elementwise rows are cut into tasks that cover them", () => {
  const random = new Random(9);
  for (const dims of [[100_003], [3, 70_001], [500, 301], [20_000, 3], [2, 3, 40_000]]) {
    for (const dtype of ["float32", "float64"] as const) {
      const total = dims.reduce((a, b) => a * b, 1);
      const x = dense(0, dims);
      const kernel: LoopKernel = {
        kind: "loop",
        dims,
        outerRank: dims.length,
        body: [
          { op: "load", dtype, view: x },
          {
            op: "load",
            dtype,
            view: { ...x, offset: total - 1, strides: x.strides.map((s) => -s) },
          },
          { op: "add", dtype, args: [0, 1] },
          { op: "index", dtype, offset: 0, strides: dims.map((_, d) => d + 1) },
          { op: "mul", dtype, args: [2, 3] },
        ],
        reduce: null,
        epilogue: [],
        out: dense(1, dims),
        mode: random.pick(["set", "add"]),
        dtype,
      };
      const contents = [
        Array.from({ length: total }, () => random.below(1000)),
        new Array(total).fill(1),
      ];
      const expected = contents.map((buffer) => [...buffer]);
      interpret(kernel, expected);
      const actual = runKernel(
        kernel,
        buffersOf([dtype, dtype], contents),
        contents,
        randomSplit(random),
      );
      assertEquals(actual[1], expected[1]);
    }
  }
});

Deno.test("loop kernels: large transpositions are tiled and cover every element", () => {
  const random = new Random(15);
  for (const [n, rows, columns] of [[1, 300, 257], [3, 101, 250], [2, 1000, 33], [1, 40, 5000]]) {
    for (const dtype of ["float32", "float64", "bool"] as const) {
      const total = n * rows * columns;
      const kernel: LoopKernel = {
        kind: "loop",
        dims: [n, rows, columns],
        outerRank: 3,
        body: [
          {
            op: "load",
            dtype,
            view: { buffer: 0, offset: 0, strides: [rows * columns, 1, rows] },
          },
        ],
        reduce: null,
        epilogue: [],
        out: dense(1, [n, rows, columns]),
        mode: "set",
        dtype,
      };
      const contents = [
        Array.from({ length: total }, () => draw(random, dtype)),
        new Array(total).fill(1),
      ];
      const expected = contents.map((buffer) => [...buffer]);
      interpret(kernel, expected);
      const buffers = buffersOf([dtype, dtype], contents);
      assertEquals(runKernel(kernel, buffers, contents, randomSplit(random))[1], expected[1]);
    }
  }
});

Deno.test("loop kernels: large elementwise kernels of one thread, in parts side by side, cover every element", () => {
  for (const dtype of ["float32", "float64", "int32"] as const) {
    const n = Math.ceil(2 ** 25 / (dtype === "float64" ? 20 : 12)) + 1237;
    const load = (buffer: number, offset: number, type: DType, stride = 1) =>
      ({ op: "load", dtype: type, view: { buffer, offset, strides: [stride] } }) as const;
    const kernel: LoopKernel = {
      kind: "loop",
      dims: [n],
      outerRank: 1,
      body: [
        load(0, 3, dtype),
        load(1, 1, "int32"),
        load(2, 0, dtype, 0),
        { op: "cast", dtype, args: [1] },
        { op: "add", dtype, args: [0, 3] },
        { op: "mul", dtype, args: [4, 2] },
      ],
      reduce: null,
      epilogue: [],
      out: { buffer: 3, offset: 5, strides: [1] },
      mode: "add",
      dtype,
    };
    const buffers = [bufferOf(dtype, n + 3), bufferOf("int32", n + 1), bufferOf(dtype, 1)];
    const compiled = new CompiledKernel(kernel, [...buffers, bufferOf(dtype, n + 6)], false, true);
    const [x, y, factor, out] = compiled.arrays;
    for (let i = 0; i < x.length; i++) x[i] = i % 1013;
    for (let i = 0; i < y.length; i++) y[i] = i % 509;
    factor[0] = 3;
    out.fill(7);
    compiled.run();
    const wrong = out.findIndex((value, i) =>
      value !== (i < 5 || i === n + 5 ? 7 : 7 + 3 * ((i - 2) % 1013 + (i - 4) % 509))
    );
    assertEquals(wrong, -1);
  }
});

Deno.test("loop kernels: transpositions among loads of every other kind, and through themselves", () => {
  const random = new Random(19);
  for (const [rows, columns] of [[300, 257], [66, 1021], [1021, 67]]) {
    for (const [dtype, other] of [["float32", "float32"], ["float64", "float32"]] as const) {
      const load = (buffer: number, offset: number, strides: number[], type: DType) =>
        ({ op: "load", dtype: type, view: { buffer, offset, strides } }) as const;
      const total = rows * columns;
      const body: Instruction[] = [
        // Turned, turned from its end, straight, along one dim alone, and both of another dtype.
        load(0, 0, [1, rows], dtype),
        load(0, total - rows, [1, -rows], dtype),
        load(1, 0, [columns, 1], dtype),
        load(1, 5, [1, 0], dtype),
        load(1, 3, [0, 1], dtype),
        load(2, 0, [1, rows], other),
        { op: "cast", dtype, args: [5] },
        { op: "index", dtype: "int32", offset: 1, strides: [3, 2] },
        { op: "cast", dtype, args: [7] },
        {
          op: "loadIndexed",
          dtype,
          view: { buffer: 0, offset: 2, strides: [1, 0] },
          index: 7,
          indexStride: rows,
          indexSize: columns - 1,
        },
      ];
      let sum = 0;
      for (const term of [1, 2, 3, 4, 6, 8, 9]) {
        body.push({ op: "add", dtype, args: [sum, term] });
        sum = body.length - 1;
      }
      const kernel: LoopKernel = {
        kind: "loop",
        dims: [rows, columns],
        outerRank: 2,
        body,
        reduce: null,
        epilogue: [],
        out: dense(3, [rows, columns]),
        mode: random.pick(["set", "add"]),
        dtype,
      };
      const contents = [0, 1, 2, 3].map(() =>
        Array.from({ length: total }, () => random.below(99))
      );
      const expected = contents.map((buffer) => [...buffer]);
      interpret(kernel, expected);
      const buffers = buffersOf([dtype, dtype, other, dtype], contents);
      assertEquals(runKernel(kernel, buffers, contents, randomSplit(random))[3], expected[3]);
    }
  }
});

Deno.test("loop kernels: adding to overlapping places keeps every addition", () => {
  // The transpose of a sliding window: out[n, p + k] += y[n, k, p].
  const random = new Random(10);
  for (const [n, k, p] of [[3, 3, 10], [2, 5, 4000], [1, 3, 40_000], [70, 3, 300]]) {
    const kernel: LoopKernel = {
      kind: "loop",
      dims: [n, k, p],
      outerRank: 3,
      body: [{ op: "load", dtype: "float32", view: dense(0, [n, k, p]) }],
      reduce: null,
      epilogue: [],
      out: { buffer: 1, offset: 0, strides: [k + p - 1, 1, 1] },
      mode: "add",
      dtype: "float32",
    };
    const contents = [
      Array.from({ length: n * k * p }, () => random.below(100)),
      new Array(n * (k + p - 1)).fill(0),
    ];
    const expected = contents.map((buffer) => [...buffer]);
    interpret(kernel, expected);
    const buffers = buffersOf(["float32", "float32"], contents);
    assertEquals(runKernel(kernel, buffers, contents, randomSplit(random)), expected);
    // Fractions round differently in another order: tasks that met in one element would show.
    contents[0] = contents[0].map(() => Math.fround(random.next()));
    const backward: Split = (tasks) =>
      Array.from({ length: tasks }, (_, i) => [tasks - 1 - i, tasks - i] as const);
    assertEquals(
      runKernel(kernel, buffers, contents, backward),
      runKernel(kernel, buffers, contents),
    );
  }
});

Deno.test("loop kernels: every function of a float inside a kernel agrees with a float64 evaluation", () => {
  const random = new Random(16);
  const unary = [
    "neg",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "atan",
    "tanh",
    "sigmoid",
    "erf",
  ] as const;
  for (const op of [...unary, "pow", "atan2", "remainder"] as const) {
    for (const dtype of ["float32", "float64"] as const) {
      // Lengths with whole vectors and rests; a sum on top, too.
      for (const [n, reduce] of [[1, null], [39, null], [75, "sum"]] as const) {
        const binary = !(unary as readonly string[]).includes(op);
        const kernel: LoopKernel = {
          kind: "loop",
          dims: [n],
          outerRank: reduce === null ? 1 : 0,
          body: [
            { op: "load", dtype, view: { buffer: 0, offset: 0, strides: [1] } },
            { op: "load", dtype, view: { buffer: 1, offset: 0, strides: [1] } },
            { op, dtype, args: binary ? [0, 1] : [0] },
          ],
          reduce,
          epilogue: [],
          out: { buffer: 2, offset: 0, strides: reduce === null ? [1] : [] },
          mode: "set",
          dtype,
        };
        const draws = () => Array.from({ length: n }, () => Math.fround(random.next() * 4));
        const contents = [draws(), draws(), new Array(reduce === null ? n : 1).fill(0)];
        const expected = contents.map((buffer) => [...buffer]);
        interpret(kernel, expected);
        for (const relaxed of [false, true]) {
          const specs = buffersOf([dtype, dtype, dtype], contents);
          const actual = runKernel(kernel, specs, contents, whole, relaxed);
          actual[2].forEach((value, i) =>
            assert(
              agree(value, expected[2][i], dtype === "float32" ? 1e-6 : 2e-15),
              `${op} ${dtype}, relaxed ${relaxed}: got ${value}, expected ${expected[2][i]}`,
            )
          );
        }
      }
    }
  }
});

Deno.test("loop kernels: an element's value does not depend on where it stands in a row", () => {
  // Two vectors at a time, one, and a rest, of the same numbers.
  const random = new Random(17);
  const values = [NaN, -Infinity, Infinity, -0, 2 ** -140, -100, 88.5, -720, 709.5, 20, -0.3]
    .concat(
      Array.from({ length: 5 }, () => Math.fround(4 * random.next() - 2)),
    );
  for (const op of ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf"] as const) {
    for (const dtype of ["float32", "float64"] as const) {
      const kernel = (n: number): LoopKernel => ({
        kind: "loop",
        dims: [n],
        outerRank: 1,
        body: [
          { op: "load", dtype, view: { buffer: 0, offset: 0, strides: [1] } },
          { op, dtype, args: [0] },
        ],
        reduce: null,
        epilogue: [],
        out: { buffer: 1, offset: 0, strides: [1] },
        mode: "set",
        dtype,
      });
      for (const relaxed of [false, true]) {
        const alone = values.map((value) => {
          const contents = [[value], [0]];
          const specs = buffersOf([dtype, dtype], contents);
          return runKernel(kernel(1), specs, contents, whole, relaxed)[1][0];
        });
        for (let turn = 0; turn < values.length; turn++) {
          const turned = values.map((_, i) => (i + turn) % values.length);
          const many = [...turned, ...turned];
          const contents = [many.map((i) => values[i]), many.map(() => 0)];
          const specs = buffersOf([dtype, dtype], contents);
          const actual = runKernel(kernel(many.length), specs, contents, whole, relaxed)[1];
          assertEquals(actual, many.map((i) => alone[i]), `${op}, ${dtype}, relaxed ${relaxed}`);
        }
      }
    }
  }
});

Deno.test("loop kernels: constant exponents and bounds take shorter code with the same values", () => {
  const values = [0, -0, 1.5, -1.5, 2, -3, Infinity, -Infinity, NaN, 0.25, 1e-30];
  for (const dtype of ["float32", "float64"] as const) {
    for (const op of ["pow", "maximum", "minimum"] as const) {
      for (const value of [0, -0, 1, 2, 3, -1, 0.5, NaN, Infinity]) {
        for (const swapped of op === "pow" ? [false] : [false, true]) {
          const kernel: LoopKernel = {
            kind: "loop",
            dims: [values.length],
            outerRank: 1,
            body: [
              { op: "load", dtype, view: { buffer: 0, offset: 0, strides: [1] } },
              { op: "constant", dtype, value },
              { op, dtype, args: swapped ? [1, 0] : [0, 1] },
            ],
            reduce: null,
            epilogue: [],
            out: { buffer: 1, offset: 0, strides: [1] },
            mode: "set",
            dtype,
          };
          const contents = [values.map(Math.fround), values.map(() => 7)];
          const expected = contents.map((buffer) => [...buffer]);
          interpret(kernel, expected);
          const actual = runKernel(kernel, buffersOf([dtype, dtype], contents), contents);
          actual[1].forEach((got, i) =>
            assert(
              Object.is(got, expected[1][i]) ||
                (op === "pow" && got !== 0 && Math.abs(got / expected[1][i] - 1) < 2e-7),
              `${op}(${values[i]}, ${value}) is ${got}, not ${expected[1][i]}`,
            )
          );
        }
      }
    }
  }
});

Deno.test("scan: rows, columns, both directions, every dtype", () => {
  const random = new Random(11);
  for (let round = 0; round < 150; round++) {
    const dtype = random.pick(["float32", "float64", "int32", "uint32"] as const);
    const dims = Array.from({ length: 1 + random.below(3) }, () => random.pick([...sizes, 300]));
    const maker = new KernelMaker(random, dims);
    const input = maker.view(dtype);
    const out = maker.target(dtype, dims);
    const kernel = {
      kind: "scan",
      dtype,
      dims,
      input,
      out,
      reverse: random.below(2) === 0,
    } as const;
    const contents = maker.contents;
    const expected = contents.map((buffer) => [...buffer]);
    interpret(kernel, expected);
    const buffers = buffersOf(maker.dtypes, contents);
    assertEquals(runKernel(kernel, buffers, contents, randomSplit(random)), expected);
  }
});

Deno.test("scatterAdd: indices are clamped and repeat, additions keep their order", () => {
  const random = new Random(12);
  for (let round = 0; round < 200; round++) {
    const dtype = random.pick(["float32", "float64", "int32", "uint32"] as const);
    const batchDims = random.below(2);
    const trailing = random.below(3);
    const dims = Array.from(
      { length: batchDims + 1 + trailing },
      () => random.pick([...sizes, 100]),
    );
    if (dims.reduce((a, b) => a * b, 1) > 60000) continue;
    const size = 1 + random.below(7);
    const maker = new KernelMaker(random, dims);
    const updates = maker.view(dtype);
    const index = maker.view("int32", dims.slice(0, batchDims + 1));
    maker.contents[index.buffer].forEach((_, i, list) => list[i] = random.below(size + 4) - 2);
    const outDims = dims.map((n, d) => d === batchDims ? size : n);
    const out = maker.target(dtype, outDims);
    const kernel = {
      kind: "scatterAdd",
      dtype,
      dims,
      batchDims,
      index,
      updates,
      out,
      size,
    } as const;
    const contents = maker.contents;
    const expected = contents.map((buffer) => [...buffer]);
    interpret(kernel, expected);
    const buffers = buffersOf(maker.dtypes, contents);
    assertEquals(runKernel(kernel, buffers, contents, randomSplit(random)), expected);
  }
});

Deno.test("argsort: stable, NaN last, both directions, every dtype", () => {
  const random = new Random(13);
  for (let round = 0; round < 200; round++) {
    const dtype = random.pick(allTypes);
    const dims = Array.from({ length: 1 + random.below(2) }, () => random.pick([...sizes, 1000]));
    if (dims.reduce((a, b) => a * b, 1) > 60000) continue;
    const maker = new KernelMaker(random, dims);
    const input = maker.view(dtype);
    const out = maker.target("int32", dims);
    const kernel = {
      kind: "argsort",
      dtype,
      dims,
      input,
      out,
      descending: random.below(2) === 0,
    } as const;
    // Few distinct values, so that ties are common; zeros of both signs are ties.
    const list = maker.contents[input.buffer];
    if (random.below(2) === 0) {
      const palette = dtype.startsWith("float") ? [0, -0, 1, -1, NaN, Infinity, -Infinity] : [0, 1];
      list.forEach((_, i) => list[i] = random.pick(palette));
    }
    const expected = maker.contents.map((buffer) => [...buffer]);
    interpret(kernel, expected);
    const buffers = buffersOf(maker.dtypes, maker.contents);
    const actual = runKernel(kernel, buffers, maker.contents, randomSplit(random));
    assertEquals(actual[out.buffer], expected[out.buffer]);
  }
});

Deno.test("random bits: Random123's known answers", () => {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", 1, 1, false);
  module.addFunction("threefry", [], [], (f) => {
    const [k0, k1, x0, x1] = f.locals("v128", 4);
    [k0, k1, x0, x1].forEach((local, i) => f.i32(0).load("v128.load32_splat", 4 * i).set(local));
    emitThreefry(f, k0, k1, x0, x1);
    f.i32(16).get(x0).store("v128.store").i32(32).get(x1).store("v128.store");
  }, { export: true });
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()), {
    env: { memory },
  });
  const words = new Uint32Array(memory.buffer);
  const known = [
    [0, 0, 0, 0, 0x6b200159, 0x99ba4efe],
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x1cb996fc, 0xbb002be7],
    [0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3, 0xc4923a9c, 0x483df7a0],
  ];
  for (const [key0, key1, counter0, counter1, a, b] of known) {
    words.set([key0, key1, counter0, counter1]);
    (instance.exports.threefry as () => void)();
    assertEquals([...words.slice(4, 12)], [a, a, a, a, b, b, b, b]);
  }
});

Deno.test("random bits: rows of any length and stride, in any split", () => {
  const random = new Random(14);
  for (const [rows, length] of [[1, 1], [3, 7], [2, 9000], [0, 4], [5, 0], [300, 8], [1, 4097]]) {
    const maker = new KernelMaker(random, [rows, length]);
    const key = maker.view("uint32", [rows, 2]);
    maker.contents[key.buffer].forEach((_, i, list) => list[i] = random.below(2 ** 32));
    const out = maker.target("uint32", [rows, length]);
    const kernel = { kind: "randomBits", rows, length, key, out } as const;
    const expected = maker.contents.map((buffer) => [...buffer]);
    interpret(kernel, expected);
    const buffers = buffersOf(maker.dtypes, maker.contents);
    assertEquals(runKernel(kernel, buffers, maker.contents, randomSplit(random)), expected);
  }
});
