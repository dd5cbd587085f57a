/** What the code generators of matrix products need to know about a dtype, and small helpers that they share. */
import type {
  FunctionBuilder,
  FunctionReference,
  LoadLaneName,
  LoadName,
  Local,
  ModuleBuilder,
  OpName,
  StoreLaneName,
  ValueType,
} from "./assembler.ts";

/** The instructions of one dtype. */
export interface Numeric {
  readonly dtype: "float32" | "float64";
  /** Bytes of an element. */
  readonly bytes: 4 | 8;
  /** Elements of a vector. */
  readonly lanes: 4 | 2;
  /** Whether multiply-adds may be fused, as the processor likes. */
  readonly relaxed: boolean;
  readonly add: OpName;
  readonly subtract: OpName;
  readonly multiply: OpName;
  readonly multiplyAdd: OpName;
  readonly loadSplat: LoadName;
  readonly loadZero: LoadName;
  readonly loadLane: LoadLaneName;
  readonly storeLane: StoreLaneName;
}

/** The instructions of a dtype. */
export function numericOf(dtype: "float32" | "float64", relaxed: boolean): Numeric {
  return dtype === "float32"
    ? {
      dtype,
      bytes: 4,
      lanes: 4,
      relaxed,
      add: "f32x4.add",
      subtract: "f32x4.sub",
      multiply: "f32x4.mul",
      multiplyAdd: "f32x4.relaxed_madd",
      loadSplat: "v128.load32_splat",
      loadZero: "v128.load32_zero",
      loadLane: "v128.load32_lane",
      storeLane: "v128.store32_lane",
    }
    : {
      dtype,
      bytes: 8,
      lanes: 2,
      relaxed,
      add: "f64x2.add",
      subtract: "f64x2.sub",
      multiply: "f64x2.mul",
      multiplyAdd: "f64x2.relaxed_madd",
      loadSplat: "v128.load64_splat",
      loadZero: "v128.load64_zero",
      loadLane: "v128.load64_lane",
      storeLane: "v128.store64_lane",
    };
}

/** Pushes the vectors a · b + sum and sets `sum`, as one fused operation or as two. */
export function emitMultiplyAdd(
  f: FunctionBuilder,
  numeric: Numeric,
  a: Local,
  b: Local,
  sum: Local,
): void {
  if (numeric.relaxed) f.get(a).get(b).get(sum).op(numeric.multiplyAdd).set(sum);
  else f.get(sum).get(a).get(b).op(numeric.multiply).op(numeric.add).set(sum);
}

/** Loads `count` lanes at the address in a local into another; the others are zero. */
export function emitLoadLanes(
  f: FunctionBuilder,
  numeric: Numeric,
  address: Local,
  to: Local,
  count: number,
): void {
  f.get(address);
  if (count === numeric.lanes) f.load("v128.load");
  else if (numeric.dtype === "float64" || count >= 2) f.load("v128.load64_zero");
  else f.load("v128.load32_zero");
  f.set(to);
  if (numeric.dtype === "float32" && count === 3) {
    f.get(address).get(to).loadLane("v128.load32_lane", 2, 8).set(to);
  }
}

/** Stores the first `count` lanes of a vector at the address in a local plus `offset`. */
export function emitStoreLanes(
  f: FunctionBuilder,
  numeric: Numeric,
  address: Local,
  offset: number,
  vector: Local,
  count: number,
): void {
  f.get(address).get(vector);
  if (count === numeric.lanes) {
    f.store("v128.store", offset);
  } else if (numeric.dtype === "float64") {
    f.storeLane("v128.store64_lane", 0, offset);
  } else if (count === 1) {
    f.storeLane("v128.store32_lane", 0, offset);
  } else {
    f.storeLane("v128.store64_lane", 0, offset);
    if (count === 3) f.get(address).get(vector).storeLane("v128.store32_lane", 2, offset + 8);
  }
}

/** Adds a constant to the top of the stack. */
export function emitAdd(f: FunctionBuilder, by: number): void {
  if (by !== 0) f.i32(by).op("i32.add");
}

/** Adds a constant to a local. */
export function emitIncrement(f: FunctionBuilder, local: Local, by: number): void {
  if (by !== 0) f.get(local).i32(by).op("i32.add").set(local);
}

/**
 * Runs `count` steps, several to a turn: `step(u)` emits one with its offsets already moved by u
 * steps, `advance(n)` emits the moving of all pointers by n steps. Uses up the local `count`.
 */
export function emitUnrolled(
  f: FunctionBuilder,
  count: Local,
  unroll: number,
  step: (u: number) => void,
  advance: (steps: number) => void,
  single: (u: number) => void = step,
): void {
  const turns = (size: number, step: (u: number) => void) => {
    f.get(count).i32(size).op("i32.ge_s").if_(() => {
      f.loop((again) => {
        for (let u = 0; u < size; u++) step(u);
        advance(size);
        f.get(count).i32(size).op("i32.sub").tee(count).i32(size).op("i32.ge_s").brIf(again);
      });
    });
  };
  turns(unroll, step);
  if (unroll > 1) turns(1, single);
}

/** Emits the spreading of one lane, which it pushes. */
export function emitSpread(f: FunctionBuilder, lanes: number, vector: Local, lane: number): void {
  f.get(vector).get(vector);
  f.shuffle32(lanes === 4 ? [lane, lane, lane, lane] : [0, 1, 0, 1].map((i) => 2 * lane + i));
}

/** A loop of a local from `begin` up to `end`, both pushed by callbacks; `end` is evaluated each time. */
export function emitFor(
  f: FunctionBuilder,
  index: Local,
  begin: () => void,
  end: () => void,
  body: () => void,
): void {
  begin();
  f.set(index);
  f.block((done) => {
    f.loop((again) => {
      f.get(index);
      end();
      f.op("i32.ge_s").brIf(done);
      body();
      f.get(index).i32(1).op("i32.add").set(index).br(again);
    });
  });
}

/** Functions already in a module, by a key of everything that their code depends on. */
export class FunctionCache {
  #functions = new Map<string, FunctionReference>();

  /** The function of that key: emitted the first time. The key is also its name. */
  get(
    module: ModuleBuilder,
    key: string,
    parameters: readonly ValueType[],
    body: (f: FunctionBuilder) => void,
  ): FunctionReference {
    let found = this.#functions.get(key);
    if (found === undefined) {
      found = module.addFunction(key, parameters, [], body);
      this.#functions.set(key, found);
    }
    return found;
  }
}

/** Bytes of whole cache lines: parts of scratch memory begin on lines of their own. */
export function alignToLine(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

/** address → nothing: one lane of a vector is read from there; lane 0 first, which clears the others. */
export function emitGatherLane(
  f: FunctionBuilder,
  numeric: Numeric,
  vector: Local,
  lane: number,
): void {
  if (lane === 0) f.load(numeric.loadZero).set(vector);
  else f.get(vector).loadLane(numeric.loadLane, lane).set(vector);
}

/** Emits a step of sums of outer products: the shorter side stays in registers while the other streams through one. */
export function emitOuterStep(
  f: FunctionBuilder,
  numeric: Numeric,
  { sums, held, streamed }: {
    readonly sums: readonly (readonly Local[])[];
    /** As many as the shorter side has vectors, or more. */
    readonly held: readonly Local[];
    readonly streamed: Local;
  },
  loadLeft: (row: number, to: Local) => void,
  loadRight: (column: number, to: Local) => void,
): void {
  const columns = sums[0].length;
  if (sums.length < columns) {
    sums.forEach((_, i) => loadLeft(i, held[i]));
    for (let j = 0; j < columns; j++) {
      loadRight(j, streamed);
      sums.forEach((row, i) => emitMultiplyAdd(f, numeric, held[i], streamed, row[j]));
    }
    return;
  }
  sums[0].forEach((_, j) => loadRight(j, held[j]));
  sums.forEach((row, i) => {
    loadLeft(i, streamed);
    row.forEach((sum, j) => emitMultiplyAdd(f, numeric, streamed, held[j], sum));
  });
}

/** Rows of a packed panel whose factors are lanes of one vector, by how many rows it has. */
const rowsInVector = [0, 0, 0, 0, 4, 4];

/**
 * Emits the loading of a row's factor from a packed panel into every lane of a vector. `push` pushes the address of the k at
 * hand plus so many bytes. Some factors of panels of four or five rows are lanes of one vector, loaded for the first row into
 * `vector`: a load takes three instructions, as engines check its bounds, and a shuffle one.
 */
export function emitPackedFactor(
  f: FunctionBuilder,
  numeric: Numeric,
  rows: number,
  row: number,
  push: (bytes: number) => void,
  vector: Local,
  to: Local,
): void {
  const spread = numeric.lanes === 4 ? rowsInVector[rows] ?? 0 : 0;
  if (row >= spread) {
    push(numeric.bytes * row);
    f.load(numeric.loadSplat).set(to);
    return;
  }
  if (row === 0) {
    push(0);
    f.load("v128.load").set(vector);
  }
  emitSpread(f, numeric.lanes, vector, row);
  f.set(to);
}

/** Emits the adding of what stands `at` bytes from an address to sums. */
export function emitAddStored(
  f: FunctionBuilder,
  numeric: Numeric,
  sums: readonly Local[],
  address: Local,
  at = 0,
): void {
  sums.forEach((sum, i) => {
    f.get(sum).get(address).load("v128.load", at + 16 * i).op(numeric.add).set(sum);
  });
}

/** Emits the storing of sums `at` bytes from an address; they are zero afterwards. */
export function emitMoveOut(
  f: FunctionBuilder,
  sums: readonly Local[],
  address: Local,
  at = 0,
): void {
  sums.forEach((sum, i) => {
    f.get(address).get(sum).store("v128.store", at + 16 * i);
    f.i32x4Splat(0).set(sum);
  });
}
