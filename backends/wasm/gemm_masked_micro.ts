/** The microkernel of products that leave out terms: rows of B are found through a list of those that are left. */
import type { FunctionReference, ModuleBuilder, ValueType } from "./assembler.ts";
import { chainLength, emitChains, emitOutput } from "./gemm_micro.ts";
import {
  emitAdd,
  emitIncrement,
  emitMultiplyAdd,
  emitPackedFactor,
  emitUnrolled,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";

/** A tile of rows × vectors. */
export interface MaskedTile {
  readonly rows: number;
  readonly vectors: number;
  readonly output: "tile" | "tileCompensated";
}

/**
 * The function (panel, panelBytes, panels, table, depth, b, tile, first, tileBytes, chains?) that multiplies `panels` packed
 * panels of rows, `depth` terms each, with the rows of a packed panel of B whose offsets stand in the table.
 */
export function maskedMicrokernel(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  { rows, vectors, output }: MaskedTile,
): FunctionReference {
  const key = `masked ${numeric.dtype}${
    numeric.relaxed ? " relaxed" : ""
  } ${rows}x${vectors} ${output}`;
  const parameters = new Array<ValueType>(output === "tile" ? 9 : 10).fill("i32");
  return cache.get(module, key, parameters, (f) => {
    const [panel, panelBytes, panels, table, depth, b, tile, first, tileBytes] = Array.from(
      { length: 9 },
      (_, i) => f.parameter(i),
    );
    const [position, entry, rest, chain, source, empty] = f.locals("i32", 6);
    const sums = Array.from({ length: rows }, () => f.locals("v128", vectors));
    const right = f.locals("v128", vectors);
    const [left, four] = f.locals("v128", 2);
    const step = (u: number) => {
      f.get(entry).load("i32.load", 4 * u).get(b).op("i32.add").set(source);
      right.forEach((vector, j) => {
        f.get(source);
        emitAdd(f, 16 * j);
        f.load("v128.load").set(vector);
      });
      sums.forEach((row, i) => {
        const push = (bytes: number) => {
          f.get(position);
          emitAdd(f, numeric.bytes * u * rows + bytes);
        };
        emitPackedFactor(f, numeric, rows, i, push, four, left);
        row.forEach((sum, j) => emitMultiplyAdd(f, numeric, left, right[j], sum));
      });
    };
    const chains = emitChains(
      f,
      numeric,
      sums.flat(),
      output === "tile" ? tile : f.parameter(9),
      empty,
    );
    f.loop((next) => {
      for (const sum of sums.flat()) f.i32x4Splat(0).set(sum);
      f.get(panel).set(position).get(table).set(entry).get(depth).set(rest);
      if (output === "tile") f.get(first).set(empty);
      else f.i32(1).set(empty);
      f.loop((again) => {
        f.get(rest).i32(chainLength).get(rest).i32(chainLength).op("i32.lt_s").select();
        f.set(chain);
        f.get(rest).get(chain).op("i32.sub").set(rest);
        emitUnrolled(f, chain, 4, step, (steps) => {
          emitIncrement(f, position, numeric.bytes * rows * steps);
          emitIncrement(f, entry, 4 * steps);
        });
        f.get(rest).if_(() => {
          chains.flush();
          f.br(again);
        });
      });
      if (output === "tile") chains.flush();
      else {
        chains.join();
        emitOutput(f, numeric, sums, output, 6);
      }
      f.get(panel).get(panelBytes).op("i32.add").set(panel);
      f.get(tile).get(tileBytes).op("i32.add").set(tile);
      f.get(panels).i32(1).op("i32.sub").tee(panels).brIf(next);
    });
  });
}
