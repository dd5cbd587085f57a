/**
 * Packing: copying a few rows or columns of an operand into a panel that a microkernel reads in order.
 *
 * A panel holds, for each k, its lanes side by side. Both sides of a product are packed by the same
 * code: the lanes are rows of A or columns of B. A call packs one group of at most a vector's lanes.
 */
import type {
  FunctionBuilder,
  FunctionReference,
  Local,
  ModuleBuilder,
  ValueType,
} from "./assembler.ts";
import {
  emitAdd,
  emitGatherLane,
  emitIncrement,
  emitStoreLanes,
  emitUnrolled,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";

/**
 * What is known of the memory that packing reads.
 *
 * - `lanes`: the lanes of a group are neighbours, so one vector load reads them.
 * - `pairs`: the lanes of a group are two pairs of neighbours, as where rows of images of an even width follow one another.
 * - `spacedPairs`: the same with one element between the two of a pair, as convolutions of stride 2 have them.
 * - `depth`: consecutive k are neighbours, so squares are loaded and transposed.
 * - `gather`: neither.
 *
 * `checked` ones look at the offset tables and fall back to gathering where it does not hold.
 */
export type PackSource =
  | "lanes"
  | "lanesChecked"
  | "pairs"
  | "spacedPairs"
  | "depth"
  | "depthChecked"
  | "gather";

/** Whether a source is pairs of lanes, spaced or not. */
export function isPairs(source: PackSource): source is "pairs" | "spacedPairs" {
  return source === "pairs" || source === "spacedPairs";
}

/** One group of lanes of a panel. */
export interface PackGroup {
  readonly source: PackSource;
  /** Lanes to read. */
  readonly lanes: number;
  /** Lanes to write: those beyond `lanes` are zero. */
  readonly width: number;
  /** Bytes from one k to the next in the panel. */
  readonly stride: number;
}

/** One of the pieces of neighbouring memory that `packWideFunction` copies for each k. */
export interface PackPiece {
  /** Lanes to copy, at most a vector's. */
  readonly lanes: number;
  /** Where they go, in bytes from the destination, for the first k. */
  readonly at: number;
  /** Whether they are two pairs, each with a pointer of its own: see `pairAddress`. */
  readonly pairs?: "pairs" | "spacedPairs";
}

/**
 * Moves the address of a second pair on the top of the stack to where its vector is loaded: a spaced one ends where the
 * vector does, so that nothing is read beyond what belongs to the operand.
 */
export function emitPairAddress(f: FunctionBuilder, source: "pairs" | "spacedPairs"): void {
  if (source === "spacedPairs") f.i32(4).op("i32.sub");
}

/** Pushes the vector of two pairs of float32 lanes, given where they are loaded. */
function pushPairs(
  f: FunctionBuilder,
  source: "pairs" | "spacedPairs",
  [first, second]: readonly [() => void, () => void],
  spare: Local,
): void {
  if (source === "spacedPairs") {
    first();
    f.load("v128.load");
    second();
    f.load("v128.load").shuffle32([0, 2, 5, 7]);
    return;
  }
  first();
  f.load("v128.load64_zero").set(spare);
  second();
  f.get(spare).loadLane("v128.load64_lane", 1);
}

/** Copies the first `lanes` elements at the address in a local to another. */
function emitCopyLanes(
  f: FunctionBuilder,
  numeric: Numeric,
  source: Local,
  destination: Local,
  at: number,
  lanes: number,
): void {
  f.get(destination).get(source);
  if (lanes === numeric.lanes) {
    f.load("v128.load").store("v128.store", at);
    return;
  }
  if (numeric.bytes === 8 || lanes >= 2) f.load("i64.load").store("i64.store", at);
  else f.load("i32.load").store("i32.store", at);
  if (numeric.bytes === 4 && lanes === 3) {
    f.get(destination).get(source).load("i32.load", 8).store("i32.store", at + 8);
  }
}

/**
 * The function (depthTable, depth, destination, ...pointers) that packs several pieces at once, one
 * for each pointer, or for each two where it is pairs, each `stride` bytes farther for the next k. Reading a whole cache line of a row
 * before going to the next row makes long rows cheap.
 */
export function packWideFunction(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  pieces: readonly PackPiece[],
  stride: number,
): FunctionReference {
  const key = `pack ${numeric.dtype} wide ${
    pieces.map(({ lanes, at, pairs }) => `${pairs ?? lanes} to ${at}`).join(", ")
  } by ${stride}`;
  const count = pieces.reduce((sum, { pairs }) => sum + (pairs === undefined ? 1 : 2), 0);
  return cache.get(module, key, new Array<ValueType>(3 + count).fill("i32"), (f) => {
    const [depthTable, depth, destination] = [0, 1, 2].map((i) => f.parameter(i));
    const spare = f.local("v128");
    const offset = f.local("i32");
    const source = f.local("i32");
    emitUnrolled(f, depth, 2, (u) => {
      f.get(depthTable).load("i32.load", 4 * u).set(offset);
      let next = 3;
      const address = () => f.get(f.parameter(next++)).get(offset).op("i32.add");
      for (const { lanes, at, pairs } of pieces) {
        if (pairs === undefined) {
          address().set(source);
          emitCopyLanes(f, numeric, source, destination, at + u * stride, lanes);
          continue;
        }
        f.get(destination);
        pushPairs(f, pairs, [address, address], spare);
        f.store("v128.store", at + u * stride);
      }
    }, (steps) => {
      emitIncrement(f, depthTable, 4 * steps);
      emitIncrement(f, destination, stride * steps);
    });
  });
}

/** Rows that `packPanelsFunction` reads together: their streams keep the prefetchers busy. */
export const packedRows = 8;

/**
 * The function (base, depthTable, depth, destination, panels) that packs several neighbouring panels of `width` lanes
 * each: `base` is the address of the first lane, and the panels stand `panelBytes` apart.
 *
 * Rows are read from one end to the other, several at a time, which is how memory is fastest.
 */
export function packPanelsFunction(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  width: number,
  panelBytes: number,
): FunctionReference {
  const key = `pack ${numeric.dtype} panels of ${width} by ${panelBytes}`;
  return cache.get(module, key, new Array<ValueType>(5).fill("i32"), (f) => {
    const [base, depthTable, depth, destination, panels] = [0, 1, 2, 3, 4].map((i) =>
      f.parameter(i)
    );
    const pointers = f.locals("i32", packedRows);
    const [to, position, end, source] = f.locals("i32", 4);
    const bytes = numeric.bytes * width;
    f.get(panels).i32(bytes).op("i32.mul").set(end);
    const turns = (rows: number) => {
      const used = pointers.slice(0, rows);
      f.get(depth).i32(rows).op("i32.ge_s").if_(() => {
        f.loop((again) => {
          used.forEach((pointer, d) => {
            f.get(base).get(depthTable).load("i32.load", 4 * d).op("i32.add").set(pointer);
          });
          f.get(destination).set(to);
          f.i32(0).set(position);
          f.loop((next) => {
            used.forEach((pointer, d) => {
              for (let lane = 0; lane < width; lane += numeric.lanes) {
                f.get(pointer).get(position).op("i32.add");
                emitAdd(f, numeric.bytes * lane);
                f.set(source);
                const lanes = Math.min(numeric.lanes, width - lane);
                emitCopyLanes(f, numeric, source, to, bytes * d + numeric.bytes * lane, lanes);
              }
            });
            emitIncrement(f, to, panelBytes);
            emitIncrement(f, position, bytes);
            f.get(position).get(end).op("i32.lt_s").brIf(next);
          });
          emitIncrement(f, depthTable, 4 * rows);
          emitIncrement(f, destination, bytes * rows);
          f.get(depth).i32(rows).op("i32.sub").tee(depth).i32(rows).op("i32.ge_s").brIf(again);
        });
      });
    };
    turns(packedRows);
    turns(1);
  });
}

/** Transposes a square of vectors, in place. */
export function emitTranspose(
  f: FunctionBuilder,
  numeric: Numeric,
  rows: readonly Local[],
  spare: readonly Local[],
): void {
  const shuffle = (a: Local, b: Local, lanes: number[], to: Local) =>
    f.get(a).get(b).shuffle32(lanes).set(to);
  if (numeric.dtype === "float64") {
    shuffle(rows[0], rows[1], [0, 1, 4, 5], spare[0]);
    shuffle(rows[0], rows[1], [2, 3, 6, 7], rows[1]);
    f.get(spare[0]).set(rows[0]);
    return;
  }
  shuffle(rows[0], rows[1], [0, 4, 1, 5], spare[0]);
  shuffle(rows[2], rows[3], [0, 4, 1, 5], spare[1]);
  shuffle(rows[0], rows[1], [2, 6, 3, 7], spare[2]);
  shuffle(rows[2], rows[3], [2, 6, 3, 7], spare[3]);
  shuffle(spare[0], spare[1], [0, 1, 4, 5], rows[0]);
  shuffle(spare[0], spare[1], [2, 3, 6, 7], rows[1]);
  shuffle(spare[2], spare[3], [0, 1, 4, 5], rows[2]);
  shuffle(spare[2], spare[3], [2, 3, 6, 7], rows[3]);
}

/** Lanes that `packFiveFunction` packs: the rows of a full panel of A. */
export const fiveLanes = 5;

/**
 * The function (base, laneTable, depthTable, depth, destination) that packs a whole panel of five lanes of which consecutive k
 * are neighbours, in float32: five by four elements are five vectors before and after.
 */
export function packFiveFunction(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
): FunctionReference {
  const key = `pack ${numeric.dtype} five`;
  return cache.get(module, key, new Array<ValueType>(5).fill("i32"), (f) => {
    const [base, laneTable, depthTable, depth, destination] = [0, 1, 2, 3, 4].map((i) =>
      f.parameter(i)
    );
    const pointers = f.locals("i32", fiveLanes);
    const offset = f.local("i32");
    const rows = f.locals("v128", fiveLanes);
    const spare = f.locals("v128", numeric.lanes);
    pointers.forEach((pointer, i) => {
      f.get(base).get(laneTable).load("i32.load", 4 * i).op("i32.add").set(pointer);
    });
    const stride = fiveLanes * numeric.bytes;
    f.get(depth).i32(4).op("i32.ge_s").if_(() => {
      f.loop((again) => {
        f.get(depthTable).load("i32.load").set(offset);
        pointers.forEach((pointer, i) => {
          f.get(pointer).get(offset).op("i32.add").load("v128.load").set(rows[i]);
        });
        emitTranspose(f, numeric, rows.slice(0, 4), spare);
        const [k0, k1, k2, k3, fifth] = rows;
        const join = (a: Local, b: Local, from: number[]) => f.get(a).get(b).shuffle32(from);
        const store = (at: number, vector: () => void) => {
          f.get(destination);
          vector();
          f.store("v128.store", at);
        };
        store(0, () => f.get(k0));
        store(16, () => join(fifth, k1, [0, 4, 5, 6]));
        join(k1, fifth, [3, 5, 3, 5]).set(spare[0]);
        store(32, () => join(spare[0], k2, [0, 1, 4, 5]));
        join(fifth, k3, [2, 4, 2, 4]).set(spare[0]);
        store(48, () => join(k2, spare[0], [2, 3, 4, 5]));
        store(64, () => join(k3, fifth, [1, 2, 3, 7]));
        emitIncrement(f, depthTable, 16);
        emitIncrement(f, destination, 4 * stride);
        f.get(depth).i32(4).op("i32.sub").tee(depth).i32(4).op("i32.ge_s").brIf(again);
      });
    });
    emitUnrolled(f, depth, 1, () => {
      f.get(depthTable).load("i32.load").set(offset);
      pointers.forEach((pointer, i) => {
        f.get(destination).get(pointer).get(offset).op("i32.add").load("i32.load");
        f.store("i32.store", 4 * i);
      });
    }, () => {
      emitIncrement(f, depthTable, 4);
      emitIncrement(f, destination, stride);
    });
  });
}

/**
 * The function (base, laneTable, depthTable, depth, destination) that packs one group: the tables
 * point at the entries of the first lane and of the first k.
 */
export function packFunction(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  group: PackGroup,
): FunctionReference {
  const { source, lanes, width, stride } = group;
  const key = `pack ${numeric.dtype} ${source} ${lanes}/${width} by ${stride}`;
  return cache.get(module, key, ["i32", "i32", "i32", "i32", "i32"], (f) => {
    const [base, laneTable, depthTable, depth, destination] = [0, 1, 2, 3, 4].map((i) =>
      f.parameter(i)
    );
    const pointers = f.locals("i32", lanes);
    const offset = f.local("i32");
    const rows = f.locals("v128", numeric.lanes);
    const spare = f.locals("v128", numeric.lanes);
    pointers.forEach((pointer, i) => {
      f.get(base).get(laneTable).load("i32.load", 4 * i).op("i32.add").set(pointer);
    });
    const advance = (steps: number) => {
      emitIncrement(f, depthTable, 4 * steps);
      emitIncrement(f, destination, stride * steps);
    };
    const gatherStep = (u: number) => {
      f.get(depthTable).load("i32.load", 4 * u).set(offset);
      pointers.forEach((pointer, i) => {
        f.get(pointer).get(offset).op("i32.add");
        emitGatherLane(f, numeric, rows[0], i);
      });
      emitStoreLanes(f, numeric, destination, u * stride, rows[0], width);
    };
    const gather = () => emitUnrolled(f, depth, 4, gatherStep, advance);
    /** Pushes whether entries 0 and `last` of a table are as far apart as in contiguous memory. */
    const contiguous = (table: Local, last: number) =>
      f.get(table).load("i32.load", 4 * last).get(table).load("i32.load").op("i32.sub").i32(
        last * numeric.bytes,
      ).op("i32.eq");
    const copyLanes = () =>
      emitUnrolled(f, depth, 4, (u) => {
        f.get(pointers[0]).get(depthTable).load("i32.load", 4 * u).op("i32.add").set(offset);
        emitCopyLanes(f, numeric, offset, destination, u * stride, lanes);
      }, advance);
    const copyPairs = (pairs: "pairs" | "spacedPairs") => {
      f.get(pointers[2]);
      emitPairAddress(f, pairs);
      f.set(pointers[2]);
      const address = (pointer: Local) => () => f.get(pointer).get(offset).op("i32.add");
      emitUnrolled(f, depth, 4, (u) => {
        f.get(depthTable).load("i32.load", 4 * u).set(offset);
        f.get(destination);
        pushPairs(f, pairs, [address(pointers[0]), address(pointers[2])], rows[0]);
        f.store("v128.store", u * stride);
      }, advance);
    };
    const transposeGroup = () => {
      f.get(depthTable).load("i32.load").set(offset);
      pointers.forEach((pointer, i) => {
        f.get(pointer).get(offset).op("i32.add").load("v128.load").set(rows[i]);
      });
      for (let i = lanes; i < numeric.lanes; i++) f.i32x4Splat(0).set(rows[i]);
      emitTranspose(f, numeric, rows, spare);
      rows.forEach((row, u) => emitStoreLanes(f, numeric, destination, u * stride, row, width));
    };
    const transpose = () => {
      const step = numeric.lanes;
      f.get(depth).i32(step).op("i32.ge_s").if_(() => {
        f.loop((again) => {
          if (source === "depth") {
            transposeGroup();
          } else {
            contiguous(depthTable, step - 1).if_(transposeGroup, () => {
              for (let u = 0; u < step; u++) gatherStep(u);
            });
          }
          advance(step);
          f.get(depth).i32(step).op("i32.sub").tee(depth).i32(step).op("i32.ge_s").brIf(again);
        });
      });
      emitUnrolled(f, depth, 1, gatherStep, advance);
    };
    if (source === "depth" || source === "depthChecked") transpose();
    else if (source === "gather" || lanes < width) gather();
    else if (source === "lanes" || lanes === 1) copyLanes();
    else if (isPairs(source)) {
      if (lanes === 4) copyPairs(source);
      else gather();
    } else contiguous(laneTable, lanes - 1).if_(copyLanes, gather);
  });
}
