/** The transforms of filter gradients by F(2 × 2, 3 × 3), with channels in the lanes of each vector. */
import type { FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import {
  emitAdd,
  emitStoreLanes,
  type FunctionCache,
  type Numeric,
  numericOf,
} from "./gemm_numeric.ts";
import { emitTranspose } from "./gemm_pack.ts";

const numeric: Numeric = numericOf("float32", false);

/** Bytes from a row to the next in memory, and from one of sixteen parts to the next in scratch. */
interface Strides {
  readonly rowBytes: number;
  readonly stride: number;
}

/**
 * The function (base, channelTable, destination) that transforms two neighbouring tiles of 4 × 4 inputs of four
 * channels. The table has an offset for each of a channel's nine taps; tiles are eight channels apart.
 */
export function inputLanesTransform(
  module: ModuleBuilder,
  cache: FunctionCache,
  { rowBytes, stride }: Strides,
): FunctionReference {
  const key = `winograd input lanes ${rowBytes} by ${stride}`;
  return cache.get(module, key, new Array<"i32">(3).fill("i32"), (f) => {
    const [base, table, destination] = [0, 1, 2].map((i) => f.parameter(i));
    const pointers = f.locals("i32", 4);
    const [above, below] = f.locals("v128", 2);
    const columns = f.locals("v128", 4);
    const spare = f.locals("v128", 4);
    /** Row i of Bᵀ combines two of four: which, and how. */
    const combinations = [[0, "sub", 2], [1, "add", 2], [2, "sub", 1], [1, "sub", 3]] as const;
    pointers.forEach((pointer, channel) => {
      f.get(base).get(table).load("i32.load", 36 * channel).op("i32.add").set(pointer);
    });
    for (let tile = 0; tile < 2; tile++) {
      combinations.forEach(([a, op, b], i) => {
        pointers.forEach((pointer, channel) => {
          const load = (row: number, to: Local) => {
            f.get(pointer);
            emitAdd(f, row * rowBytes + 8 * tile);
            f.load("v128.load").set(to);
          };
          load(a, above);
          load(b, below);
          f.get(above).get(below).op(`f32x4.${op}`).set(columns[channel]);
        });
        emitTranspose(f, numeric, columns, spare);
        combinations.forEach(([c, op, d], j) => {
          f.get(destination).get(columns[c]).get(columns[d]).op(`f32x4.${op}`);
          f.store("v128.store", (4 * i + j) * stride + 32 * tile);
        });
      });
    }
  });
}

/** Cotangents of up to four rows, in panels of that many rows; overlaps count as zeros. */
interface CotangentLanes extends Strides {
  readonly lanes: number;
  readonly rows: number;
  readonly rowOverlap: number;
  readonly columnOverlap: number;
}

/**
 * The function (base, rowTable, destination) that transforms two neighbouring tiles of 2 × 2 cotangents: A y Aᵀ, with the
 * signs of the last row and the last column of A left to `filterGradient`.
 */
export function cotangentTransform(
  module: ModuleBuilder,
  cache: FunctionCache,
  { rowBytes, stride, lanes, rows, rowOverlap, columnOverlap }: CotangentLanes,
): FunctionReference {
  const key =
    `winograd cotangent ${lanes} of ${rows} ${rowBytes} by ${stride} less ${rowOverlap} ${columnOverlap}`;
  return cache.get(module, key, new Array<"i32">(3).fill("i32"), (f) => {
    const [base, table, destination] = [0, 1, 2].map((i) => f.parameter(i));
    const pointer = f.local("i32");
    const upper = f.locals("v128", lanes);
    const lower = f.locals("v128", lanes);
    const columns = f.locals("v128", 4);
    const spare = f.locals("v128", 4);
    const [zero, value] = f.locals("v128", 2);
    upper.forEach((to, i) => {
      f.get(base).get(table).load("i32.load", 4 * i).op("i32.add").set(pointer);
      if (rowOverlap === 0) f.get(pointer).load("v128.load").set(to);
      f.get(pointer);
      emitAdd(f, rowBytes);
      f.load("v128.load").set(lower[i]);
    });
    for (let i = 0; i < 4; i++) {
      columns.forEach((column, lane) => {
        if (lane >= lanes) f.get(zero);
        else if (i === 0) f.get(upper[lane]);
        else if (i === 3) f.get(lower[lane]);
        else f.get(upper[lane]).get(lower[lane]).op(i === 1 ? "f32x4.add" : "f32x4.sub");
        f.set(column);
      });
      emitTranspose(f, numeric, columns, spare);
      const kept = columns.map((column, j) => j < columnOverlap ? zero : column);
      for (let tile = 0; tile < 2; tile++) {
        const [even, odd] = kept.slice(2 * tile);
        for (let j = 0; j < 4; j++) {
          if (j === 0) f.get(even);
          else if (j === 3) f.get(odd);
          else f.get(even).get(odd).op(j === 1 ? "f32x4.add" : "f32x4.sub");
          f.set(value);
          const at = (4 * i + j) * stride + 4 * rows * tile;
          emitStoreLanes(f, numeric, destination, at, value, lanes);
        }
      }
    }
  });
}

/**
 * The function (source, stride, row, columnTable) that turns sixteen sums, for four channels, into gradients of nine
 * taps, Gᵀ S G, and stores them through the table of columns.
 */
export function filterGradient(module: ModuleBuilder, cache: FunctionCache): FunctionReference {
  return cache.get(module, "winograd filter gradient", new Array<"i32">(4).fill("i32"), (f) => {
    const [source, stride, row, table] = [0, 1, 2, 3].map((i) => f.parameter(i));
    const address = f.local("i32");
    const column = f.locals("v128", 4);
    const rows = Array.from({ length: 3 }, () => f.locals("v128", 4));
    const [sum, half, value] = f.locals("v128", 3);
    f.f32x4Splat(0.5).set(half);
    /** Gᵀ times a column of four, with the sign of the last: pushes each of three to a callback. */
    const multiply = ([a, b, c, d]: readonly Local[], to: (i: number) => void) => {
      f.get(b).get(c).op("f32x4.add").get(half).op("f32x4.mul").set(sum);
      f.get(a).get(sum).op("f32x4.add");
      to(0);
      f.get(b).get(c).op("f32x4.sub").get(half).op("f32x4.mul");
      to(1);
      f.get(sum).get(d).op("f32x4.sub");
      to(2);
    };
    for (let j = 0; j < 4; j++) {
      column.forEach((to, i) => {
        f.get(source).get(stride).i32(4 * i + j).op("i32.mul").op("i32.add");
        f.load("v128.load").set(to);
      });
      multiply(column, (i) => f.set(rows[i][j]));
    }
    rows.forEach((line, y) =>
      multiply(line, (x) => {
        f.set(value);
        for (let lane = 0; lane < 4; lane++) {
          f.get(row).get(table).load("i32.load", 36 * lane + 4 * (3 * y + x)).op("i32.add");
          f.tee(address).get(value).storeLane("v128.store32_lane", lane);
        }
      })
    );
  });
}
