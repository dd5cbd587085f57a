/** The microkernel of dot products, vectorized along k: operands are read where they stand. */
import type {
  FunctionBuilder,
  FunctionReference,
  Local,
  ModuleBuilder,
  ValueType,
} from "./assembler.ts";
import { emitOutput } from "./gemm_micro.ts";
import {
  emitIncrement,
  emitMultiplyAdd,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";

/** A tile of rows × columns of dot products, vectorized along k: needs no packing. */
export interface DotTile {
  readonly rows: number;
  readonly columns: number;
  /** Vectors of consecutive k that are contiguous in both operands. */
  readonly unroll: number;
  readonly output: "tile" | "tileCompensated";
}

/** Sums the lanes of up to `lanes` accumulators into one vector, which it pushes. */
export function emitLaneSums(f: FunctionBuilder, numeric: Numeric, sums: Local[]): void {
  const zero = () => f.i32x4Splat(0);
  const pushOr = (i: number) => i < sums.length ? f.get(sums[i]) : zero();
  const pair = (i: number, low: number[], high: number[]) => {
    pushOr(i);
    pushOr(i + 1);
    f.shuffle32(low);
    pushOr(i);
    pushOr(i + 1);
    f.shuffle32(high).op(numeric.add);
  };
  if (numeric.dtype === "float64") {
    pair(0, [0, 1, 4, 5], [2, 3, 6, 7]);
    return;
  }
  const first = f.local("v128");
  const second = f.local("v128");
  pair(0, [0, 4, 1, 5], [2, 6, 3, 7]);
  f.set(first);
  pair(2, [0, 4, 1, 5], [2, 6, 3, 7]);
  f.set(second);
  f.get(first).get(second).shuffle32([0, 1, 4, 5]);
  f.get(first).get(second).shuffle32([2, 3, 6, 7]).op(numeric.add);
}

/**
 * The function (aBase, aRowTable, aColumnTable, bBase, bColumnTable, bRowTable, depth, tile, first)
 * of a tile of dot products: tables point at the tile's first row and column and at its first k.
 */
export function dotMicrokernel(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  tile: DotTile,
): FunctionReference {
  const { rows, columns, unroll, output } = tile;
  const key = `dot ${numeric.dtype}${
    numeric.relaxed ? " relaxed" : ""
  } ${rows}x${columns} by ${unroll} ${output}`;
  return cache.get(module, key, new Array<ValueType>(9).fill("i32"), (f) => {
    const [aBase, aRows, aDepth, bBase, bColumns, bDepth, depth] = [0, 1, 2, 3, 4, 5, 6].map((i) =>
      f.parameter(i)
    );
    const pointers = (base: Local, table: Local, count: number) =>
      f.locals("i32", count).map((pointer, i) => {
        f.get(base).get(table).load("i32.load", 4 * i).op("i32.add").set(pointer);
        return pointer;
      });
    const left = pointers(aBase, aRows, rows);
    const right = pointers(bBase, bColumns, columns);
    // A single chain of dependent additions would wait for each: small tiles alternate between several.
    const chains = Math.min(unroll, Math.ceil(8 / (rows * columns)));
    const sums = Array.from(
      { length: chains },
      () => Array.from({ length: rows }, () => f.locals("v128", columns)),
    );
    // The shorter side stays in registers while the other streams through one.
    const holdsLeft = rows <= columns;
    const [held, streamed] = holdsLeft ? [left, right] : [right, left];
    const single = held.length === 1;
    const heldVectors = f.locals("v128", single ? unroll : held.length);
    const streamedVector = f.local("v128");
    const leftOffset = f.local("i32");
    const rightOffset = f.local("i32");
    const [heldOffset, streamedOffset] = holdsLeft
      ? [leftOffset, rightOffset]
      : [rightOffset, leftOffset];
    const step = (vectors: number, load: (at: number) => void) => {
      f.get(aDepth).load("i32.load").set(leftOffset);
      f.get(bDepth).load("i32.load").set(rightOffset);
      const read = (u: number, pointer: Local, offset: Local, to: Local) => {
        f.get(pointer).get(offset).op("i32.add");
        load(16 * u);
        f.set(to);
      };
      if (single) {
        // A whole cache line of each row in turn.
        for (let u = 0; u < vectors; u++) read(u, held[0], heldOffset, heldVectors[u]);
        streamed.forEach((pointer, j) => {
          for (let u = 0; u < vectors; u++) {
            read(u, pointer, streamedOffset, streamedVector);
            const sum = holdsLeft ? sums[u % chains][0][j] : sums[u % chains][j][0];
            emitMultiplyAdd(f, numeric, heldVectors[u], streamedVector, sum);
          }
        });
        return;
      }
      for (let u = 0; u < vectors; u++) {
        held.forEach((pointer, i) => read(u, pointer, heldOffset, heldVectors[i]));
        streamed.forEach((pointer, j) => {
          read(u, pointer, streamedOffset, streamedVector);
          held.forEach((_, i) => {
            const sum = holdsLeft ? sums[u % chains][i][j] : sums[u % chains][j][i];
            emitMultiplyAdd(f, numeric, heldVectors[i], streamedVector, sum);
          });
        });
      }
    };
    const turns = (size: number, body: () => void) => {
      f.get(depth).i32(size).op("i32.ge_s").if_(() => {
        f.loop((again) => {
          body();
          emitIncrement(f, aDepth, 4 * size);
          emitIncrement(f, bDepth, 4 * size);
          f.get(depth).i32(size).op("i32.sub").tee(depth).i32(size).op("i32.ge_s").brIf(again);
        });
      });
    };
    turns(unroll * numeric.lanes, () => step(unroll, (at) => f.load("v128.load", at)));
    if (unroll > 1) turns(numeric.lanes, () => step(1, (at) => f.load("v128.load", at)));
    turns(1, () => step(1, () => f.load(numeric.loadZero)));
    for (let chain = 1; chain < chains; chain++) {
      sums[0].forEach((row, i) =>
        row.forEach((sum, j) => f.get(sum).get(sums[chain][i][j]).op(numeric.add).set(sum))
      );
    }
    const results = sums[0].map((row) => {
      const vectors: Local[] = [];
      for (let j = 0; j < columns; j += numeric.lanes) {
        const vector = f.local("v128");
        emitLaneSums(f, numeric, row.slice(j, j + numeric.lanes));
        f.set(vector);
        vectors.push(vector);
      }
      return vectors;
    });
    emitOutput(f, numeric, results, output, 7);
  });
}
