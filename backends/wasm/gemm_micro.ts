/** Microkernels: the innermost products, one tile of the result in registers. */
import type {
  FunctionBuilder,
  FunctionReference,
  Local,
  ModuleBuilder,
  ValueType,
} from "./assembler.ts";
import {
  emitAdd,
  emitAddStored,
  emitIncrement,
  emitMoveOut,
  emitOuterStep,
  emitPackedFactor,
  emitSpread,
  emitUnrolled,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";

/**
 * Where a microkernel leaves its tile.
 *
 * - `matrix`, `matrixAdd`: stored to, or added to, C itself, through its row table and one address
 *   for each vector of columns.
 * - `tile`: stored densely in scratch; with its flag zero it is added to what is there.
 * - `tileCompensated`: as `tile`, with the rounding error of each addition collected in a second tile
 *   behind the first, so that hundreds of blocks can be added up.
 */
export type TileOutput = "matrix" | "matrixAdd" | "tile" | "tileCompensated";

/** Parameters of the output, after those of the operands: see `outerMicrokernel`. */
function outputParameters(output: TileOutput, vectors: number): ValueType[] {
  return new Array<ValueType>(output.startsWith("matrix") ? 1 + vectors : 3).fill("i32");
}

/** Stores the tile: `first` is the index of the first output parameter. */
export function emitOutput(
  f: FunctionBuilder,
  numeric: Numeric,
  sums: Local[][],
  output: TileOutput,
  first: number,
): void {
  const tile = f.parameter(first);
  if (output === "matrix" || output === "matrixAdd") {
    const offset = f.local("i32");
    const address = f.local("i32");
    sums.forEach((row, i) => {
      f.get(tile).load("i32.load", 4 * i).set(offset);
      row.forEach((sum, j) => {
        f.get(f.parameter(first + 1 + j)).get(offset).op("i32.add").tee(address).get(sum);
        if (output === "matrixAdd") f.get(address).load("v128.load").op(numeric.add);
        f.store("v128.store");
      });
    });
    return;
  }
  const all = sums.flat();
  const second = 16 * all.length;
  const zero = f.local("v128");
  const total = f.local("v128");
  const before = f.local("v128");
  const rounded = f.local("v128");
  f.get(f.parameter(first + 1)).if_(() => {
    all.forEach((sum, i) => {
      f.get(tile).get(sum).store("v128.store", 16 * i);
      if (output === "tileCompensated") f.get(tile).get(zero).store("v128.store", second + 16 * i);
    });
  }, () => {
    all.forEach((sum, i) => {
      f.get(tile).load("v128.load", 16 * i).tee(before).get(sum).op(numeric.add).set(total);
      f.get(tile).get(total).store("v128.store", 16 * i);
      if (output !== "tileCompensated") return;
      // Knuth's TwoSum: the exact error of total = before + sum, whichever is larger.
      f.get(total).get(before).op(numeric.subtract).set(rounded);
      f.get(tile);
      f.get(before).get(total).get(rounded).op(numeric.subtract).op(numeric.subtract);
      f.get(sum).get(rounded).op(numeric.subtract).op(numeric.add);
      f.get(tile).load("v128.load", second + 16 * i).op(numeric.add);
      f.store("v128.store", second + 16 * i);
    });
  });
}

/**
 * Rows of tiles that read A in place by vectors, and spread their lanes: a load takes three instructions (engines check its
 * bounds), a shuffle one. With two vectors of B the registers are just enough; no other shape of tile leaves room for A's vectors.
 */
export const spreadRows = 4;

/** A tile of rows × vectors that is a sum of outer products. */
export interface OuterTile {
  readonly rows: number;
  readonly vectors: number;
  /**
   * A as a packed panel, or read where it is, contiguous along k, through one address a row: one element at a time, or a
   * vector of them whose lanes are spread by shuffles.
   */
  readonly a: "packed" | "direct" | "spread";
  /** B as a packed panel, or read where it is, through its row table and one address a vector. */
  readonly b: "packed" | "direct";
  readonly output: TileOutput;
  /** Whether sums of 16 to 96 terms are two chains. */
  readonly halved?: boolean;
  /** Steps that are written out, 8 unless given: sums that are long gain 2 % with 16. */
  readonly steps?: number;
}

/**
 * Terms that are added up in registers before their sum is added to those before them: the error of a sum grows with the
 * number of terms that follow one another. On the golden networks it is two thirds of what one chain of 320 leaves.
 */
export const chainLength = 96;

/**
 * Terms from which on a sum that would be one chain is two: convolutions of few channels and last layers of small networks,
 * whose errors are those of the whole kernel. Theirs become a third smaller; shorter sums would take too much longer.
 */
const fewestHalved = 16;

/** The same where sums are written out: spilling the first chain takes as long as some ten terms. */
const fewestHalvedWritten = 24;

/**
 * Emits sums of k terms that are written out, from zero on: `step` emits the adding of one term. Long ones are two chains, the
 * first of which waits `at` bytes from `place`.
 */
export function emitWrittenSums(
  f: FunctionBuilder,
  numeric: Numeric,
  sums: readonly Local[],
  k: number,
  place: Local,
  at: number,
  step: (u: number) => void,
): void {
  const half = k < fewestHalvedWritten ? 0 : Math.ceil(k / 2);
  for (const sum of sums) f.i32x4Splat(0).set(sum);
  for (let u = 0; u < k; u++) {
    if (u > 0 && u === half) emitMoveOut(f, sums, place, at);
    step(u);
  }
  if (half > 0) emitAddStored(f, numeric, sums, place, at);
}

/** Emits the adding of a tile's sums to what `tile` holds, unless `empty` is set; `flush` leaves them there, and zero. */
export function emitChains(
  f: FunctionBuilder,
  numeric: Numeric,
  sums: readonly Local[],
  tile: Local,
  empty: Local,
): { flush: () => void; join: () => void } {
  const join = () => {
    f.get(empty).op("i32.eqz").if_(() => emitAddStored(f, numeric, sums, tile));
  };
  const flush = () => {
    join();
    emitMoveOut(f, sums, tile);
    f.i32(0).set(empty);
  };
  return { flush, join };
}

/**
 * The function (...a, ...b, depth, ...output) of an outer tile.
 *
 * - a is the address of each row; or, packed, a panel, the bytes to the next, and how many panels there are, each of
 *   which is multiplied and makes a tile of its own.
 * - b is a packed panel, or a pointer into B's row table and the address of each vector's column.
 * - output is C's row table and the address of each vector's column; or a tile, whether it is new, and the bytes to the next
 *   one. One that is not simply a tile is followed by the address of a tile for sums of chains.
 */
export function outerMicrokernel(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  { rows, vectors, a, b, output, halved = false, steps = 8 }: OuterTile,
): FunctionReference {
  const key = `outer ${numeric.dtype}${
    numeric.relaxed ? " relaxed" : ""
  } ${rows}x${vectors} ${a} ${b} ${output}${halved ? " halved" : ""}${
    steps === 8 ? "" : ` by ${steps}`
  }`;
  const packed = a === "packed";
  const aCount = packed ? 3 : rows;
  const bCount = b === "packed" ? 1 : 1 + vectors;
  const parameters: ValueType[] = [
    ...new Array<ValueType>(aCount + bCount + 1).fill("i32"),
    ...outputParameters(output, vectors),
    ...(output === "tile" ? [] : ["i32" as const]),
  ];
  return cache.get(module, key, parameters, (f) => {
    const source = f.local("i32");
    const depth = f.local("i32");
    /** Where the sum is in the panel of A, or how far along A's rows. */
    const position = f.local("i32");
    const sums = Array.from({ length: rows }, () => f.locals("v128", vectors));
    // With twelve sums, or ten and a vector of factors, V8's fifteen registers are just enough.
    const held = f.locals("v128", Math.min(rows, vectors));
    const streamed = f.local("v128");
    const factors = f.local("v128");
    const left = a === "spread" ? f.locals("v128", rows) : [];
    const offset = f.local("i32");
    const loadLeft = (u: number, i: number, to: Local) => {
      // Engines without guard pages check the bounds of every load. With the offset added before, all
      // of these checks compare with the same limit, and V8 needs one instruction less for each.
      if (packed) {
        const push = (bytes: number) => {
          f.get(position);
          emitAdd(f, numeric.bytes * u * rows + bytes);
        };
        return emitPackedFactor(f, numeric, rows, i, push, factors, to);
      }
      f.get(f.parameter(i)).get(position).op("i32.add");
      emitAdd(f, numeric.bytes * u);
      f.load(numeric.loadSplat).set(to);
    };
    const loadRight = (u: number, j: number, to: Local) => {
      if (b === "packed") {
        f.get(source);
        emitAdd(f, 16 * (u * vectors + j));
      } else f.get(f.parameter(aCount + 1 + j)).get(offset).op("i32.add");
      f.load("v128.load").set(to);
    };
    const spreadLeft = (u: number, i: number, to: Local) => {
      const lane = u % numeric.lanes;
      if (lane === 0) {
        f.get(f.parameter(i)).get(position).op("i32.add");
        emitAdd(f, numeric.bytes * u);
        f.load("v128.load").set(left[i]);
      }
      emitSpread(f, numeric.lanes, left[i], lane);
      f.set(to);
    };
    const stepBy = (load: (u: number, i: number, to: Local) => void) => (u: number) => {
      if (b === "direct") f.get(source).load("i32.load", 4 * u).set(offset);
      emitOuterStep(
        f,
        numeric,
        { sums, held, streamed },
        (i, to) => load(u, i, to),
        (j, to) => loadRight(u, j, to),
      );
    };
    const step = stepBy(loadLeft);
    const first = aCount + bCount + 1;
    const empty = f.local("i32");
    const tile = f.parameter(output === "tile" ? first : parameters.length - 1);
    const chains = emitChains(f, numeric, sums.flat(), tile, empty);
    const chain = f.local("i32");
    const longest = f.local("i32");
    const emitTile = () => {
      f.get(f.parameter(aCount)).set(source);
      f.get(f.parameter(aCount + bCount)).set(depth);
      if (output === "tile") f.get(f.parameter(first + 1)).set(empty);
      else f.i32(1).set(empty);
      if (halved) {
        // Half of the terms, rounded up to whole turns of eight.
        f.get(depth).i32(15).op("i32.add").i32(4).op("i32.shr_u").i32(3).op("i32.shl");
        f.i32(chainLength).get(depth).i32(fewestHalved).op("i32.sub");
        f.i32(chainLength - fewestHalved).op("i32.le_u").select().set(longest);
      } else f.i32(chainLength).set(longest);
      f.loop((again) => {
        f.get(depth).get(longest).get(depth).get(longest).op("i32.lt_s").select();
        f.set(chain);
        f.get(depth).get(chain).op("i32.sub").set(depth);
        const turn = a === "spread" ? stepBy(spreadLeft) : step;
        emitUnrolled(f, chain, steps, turn, (count) => {
          emitIncrement(f, position, numeric.bytes * (packed ? rows : 1) * count);
          emitIncrement(f, source, (b === "packed" ? 16 * vectors : 4) * count);
        }, step);
        f.get(depth).if_(() => {
          chains.flush();
          f.br(again);
        });
      });
      if (output === "tile") return chains.flush();
      chains.join();
      emitOutput(f, numeric, sums, output, first);
    };
    if (!packed) return emitTile();
    const [panel, panelBytes, count] = [0, 1, 2].map((i) => f.parameter(i));
    const target = f.parameter(first);
    f.loop((next) => {
      for (const sum of sums.flat()) f.i32x4Splat(0).set(sum);
      f.get(panel).set(position);
      emitTile();
      f.get(panel).get(panelBytes).op("i32.add").set(panel);
      if (output.startsWith("matrix")) emitIncrement(f, target, 4 * rows);
      else f.get(target).get(f.parameter(first + 2)).op("i32.add").set(target);
      f.get(count).i32(1).op("i32.sub").tee(count).brIf(next);
    });
  });
}
