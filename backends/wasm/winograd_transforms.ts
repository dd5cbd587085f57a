/** The transforms of inputs and outputs of F(2 × 2, 3 × 3): four tiles, two by two, in the lanes of each vector. */
import type { FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { emitAdd, emitFor, emitIncrement, type FunctionCache, numericOf } from "./gemm_numeric.ts";
import { emitTranspose } from "./gemm_pack.ts";

/** Bytes from a row to the next in memory, and from one of sixteen parts to the next in scratch. */
interface Strides {
  readonly rowBytes: number;
  readonly stride: number;
}

/**
 * The function (base, channelTable, channels, destination) that transforms 6 × 6 inputs of each channel: four
 * overlapping tiles of 4 × 4. The table has an offset for each of a channel's nine taps.
 */
export function inputTransform(
  module: ModuleBuilder,
  cache: FunctionCache,
  { rowBytes, stride }: Strides,
): FunctionReference {
  const key = `winograd input ${rowBytes} by ${stride}`;
  return cache.get(module, key, new Array<"i32">(4).fill("i32"), (f) => {
    const [base, table, channels, destination] = [0, 1, 2, 3].map((i) => f.parameter(i));
    const [channel, source] = f.locals("i32", 2);
    // Columns 0 to 3 and 2 to 5 of six rows.
    const left = f.locals("v128", 6);
    const right = f.locals("v128", 6);
    const tiles = f.locals("v128", 4);
    const spare = f.locals("v128", 4);
    const numeric = numericOf("float32", false);
    const combine = (a: Local, op: "f32x4.add" | "f32x4.sub", b: Local) => f.get(a).get(b).op(op);
    /** Row i of Bᵀ times a column of four. */
    const transformed = (i: number, column: readonly Local[]) => {
      if (i === 0) combine(column[0], "f32x4.sub", column[2]);
      else if (i === 1) combine(column[1], "f32x4.add", column[2]);
      else if (i === 2) combine(column[2], "f32x4.sub", column[1]);
      else combine(column[1], "f32x4.sub", column[3]);
    };
    emitFor(f, channel, () => f.i32(0), () => f.get(channels), () => {
      f.get(base).get(table).load("i32.load").op("i32.add").set(source);
      for (let row = 0; row < 6; row++) {
        [left[row], right[row]].forEach((to, side) => {
          f.get(source);
          emitAdd(f, row * rowBytes + 8 * side);
          f.load("v128.load").set(to);
        });
      }
      for (let i = 0; i < 4; i++) {
        [left, right].forEach((side, x) => {
          for (let y = 0; y < 2; y++) {
            transformed(i, side.slice(2 * y, 2 * y + 4));
            f.set(tiles[2 * y + x]);
          }
        });
        emitTranspose(f, numeric, tiles, spare);
        for (let j = 0; j < 4; j++) {
          f.get(destination);
          transformed(j, tiles);
          f.store("v128.store", (4 * i + j) * stride);
        }
      }
      emitIncrement(f, table, 36);
      emitIncrement(f, destination, 32);
    });
  });
}

/**
 * The function (base, outputTable, outputs, source) that transforms the products of four tiles back, for each output
 * channel, and stores 4 × 4 outputs.
 */
export function outputTransform(
  module: ModuleBuilder,
  cache: FunctionCache,
  { rowBytes, stride }: Strides,
): FunctionReference {
  const key = `winograd output ${rowBytes} by ${stride}`;
  return cache.get(module, key, new Array<"i32">(4).fill("i32"), (f) => {
    const [base, table, outputs, source] = [0, 1, 2, 3].map((i) => f.parameter(i));
    const [output, target] = f.locals("i32", 2);
    const column = f.locals("v128", 4);
    const sums = [f.locals("v128", 4), f.locals("v128", 4)];
    const results = [f.locals("v128", 2), f.locals("v128", 2)];
    /** Row i of Aᵀ times a column of four: a + b + c, or b − c − d. */
    const transformed = (i: number, [a, b, c, d]: readonly Local[]) => {
      if (i === 0) f.get(a).get(b).op("f32x4.add").get(c).op("f32x4.add");
      else f.get(b).get(c).op("f32x4.sub").get(d).op("f32x4.sub");
    };
    emitFor(f, output, () => f.i32(0), () => f.get(outputs), () => {
      f.get(base).get(table).load("i32.load").op("i32.add").set(target);
      for (let j = 0; j < 4; j++) {
        column.forEach((to, i) => {
          f.get(source);
          emitAdd(f, (4 * i + j) * stride);
          f.load("v128.load").set(to);
        });
        for (let i = 0; i < 2; i++) {
          transformed(i, column);
          f.set(sums[i][j]);
        }
      }
      results.forEach((row, i) =>
        row.forEach((to, j) => {
          transformed(j, sums[i]);
          f.set(to);
        })
      );
      // Lanes are the tiles (0, 0), (0, 1), (1, 0), (1, 1): rows 0 and 1 are of the first two.
      for (let row = 0; row < 4; row++) {
        const [even, odd] = results[row % 2];
        f.get(target);
        emitAdd(f, row * rowBytes);
        f.get(even).get(odd).shuffle32(row < 2 ? [0, 4, 1, 5] : [2, 6, 3, 7]).store("v128.store");
      }
      emitIncrement(f, table, 4);
      emitIncrement(f, source, 32);
    });
  });
}
