/**
 * The products of F(2 × 2, 3 × 3): panels of four or five rows, packed, with a panel of two vectors.
 *
 * Their sums are short, and where an engine checks the bounds of every load, loads take as long as the multiply-adds. So most
 * factors are lanes of one vector that is loaded once: rearranging it takes a unit that multiply-adds leave free.
 */
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { chainLength, outerMicrokernel } from "./gemm_micro.ts";
import {
  emitAdd,
  emitAddStored,
  emitIncrement,
  emitMultiplyAdd,
  emitUnrolled,
  type FunctionCache,
  type Numeric,
} from "./gemm_numeric.ts";

/** Most rows of a panel: ten sums, two vectors, and two for factors stay in registers. */
export const productRows = 5;
/** Terms that a turn of the loop adds. */
const unrolled = 8;
/** Factors that are lanes of a vector: all of four rows, three of five, as more would wait for the one unit. */
const rearranged = [0, 0, 0, 0, 4, 3];

/** What a step of the products of a panel works with. */
interface ProductLocals {
  readonly sums: readonly (readonly Local[])[];
  readonly vectors: readonly Local[];
  readonly held: Local;
  readonly factor: Local;
}

/** Locals for a panel of so many rows. */
export function productLocals(f: FunctionBuilder, rows: number): ProductLocals {
  const sums = Array.from({ length: rows }, () => f.locals("v128", 2));
  const vectors = f.locals("v128", 2);
  const [held, factor] = f.locals("v128", 2);
  return { sums, vectors, held, factor };
}

/** Adds the products of a panel's factors, so many bytes from an address, and two vectors; or sets sums to them. */
export function emitProductStep(
  f: FunctionBuilder,
  numeric: Numeric,
  { sums, vectors, held, factor }: ProductLocals,
  panel: Local,
  bytes: number,
  loadVector: (side: number) => void,
  first = false,
): void {
  const at = (by: number) => {
    f.get(panel);
    emitAdd(f, by);
  };
  vectors.forEach((vector, side) => {
    loadVector(side);
    f.set(vector);
  });
  sums.forEach((row, i) => {
    if (i === 0 && rearranged[sums.length] > 0) {
      at(bytes);
      f.load("v128.load").set(held);
    }
    if (i < rearranged[sums.length]) f.get(held).get(held).shuffle32([i, i, i, i]).set(factor);
    else {
      at(bytes + 4 * i);
      f.load(numeric.loadSplat).set(factor);
    }
    row.forEach((sum, j) => {
      if (first) f.get(factor).get(vectors[j]).op(numeric.multiply).set(sum);
      else emitMultiplyAdd(f, numeric, factor, vectors[j], sum);
    });
  });
}

/** Terms of each sum: a number that is known, or a parameter; then sums may be added to those of a band before. */
type ProductDepth = number | "given";

/**
 * The function (panel, panels, right, tile) that multiplies panels that lie one behind the other, and leaves a tile of each.
 * Of a given depth: (panel, panels, right, tile, depth, panelBytes, empty), where `panelBytes` is from one panel to the next,
 * and sums are added to what the tile holds unless it is empty.
 */
function productsMicrokernel(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  rows: number,
  depth: ProductDepth,
): FunctionReference {
  const given = depth === "given";
  const key = `winograd products${numeric.relaxed ? " relaxed" : ""} ${rows} rows, depth ${depth}`;
  const parameters = new Array<"i32">(given ? 7 : 4).fill("i32");
  return cache.get(module, key, parameters, (f) => {
    const [panel, count, right, tile] = [0, 1, 2, 3].map((i) => f.parameter(i));
    const [source, position, turns] = f.locals("i32", 3);
    const locals = productLocals(f, rows);
    const { sums } = locals;
    const at = (pointer: Local, by: number) => {
      f.get(pointer);
      emitAdd(f, by);
    };
    const step = (u: number, first: boolean) => {
      const load = (side: number) => {
        at(source, 32 * u + 16 * side);
        f.load("v128.load");
      };
      emitProductStep(f, numeric, locals, position, 4 * u * rows, load, first);
    };
    const advance = (steps: number) => {
      emitIncrement(f, source, 32 * steps);
      emitIncrement(f, position, 4 * rows * steps);
    };
    const turn = (steps: number, first: boolean) => {
      for (let u = 0; u < steps; u++) step(u, first && u === 0);
      advance(steps);
    };
    f.loop((next) => {
      f.get(right).set(source);
      f.get(panel).set(position);
      if (given) {
        for (const sum of sums.flat()) f.i32x4Splat(0).set(sum);
        f.get(f.parameter(4)).set(turns);
        emitUnrolled(f, turns, unrolled, (u) => step(u, false), advance);
        f.get(f.parameter(6)).op("i32.eqz").if_(() => emitAddStored(f, numeric, sums.flat(), tile));
        f.get(panel).get(f.parameter(5)).op("i32.add").set(panel);
      } else {
        const head = depth % unrolled || unrolled;
        turn(head, true);
        if (depth > head) {
          f.i32((depth - head) / unrolled).set(turns);
          f.loop((again) => {
            turn(unrolled, false);
            f.get(turns).i32(1).op("i32.sub").tee(turns).brIf(again);
          });
        }
        f.get(position).set(panel);
      }
      sums.flat().forEach((sum, i) => {
        at(tile, 16 * i);
        f.get(sum).store("v128.store");
      });
      emitIncrement(f, tile, 32 * rows);
      f.get(count).i32(1).op("i32.sub").tee(count).brIf(next);
    });
  });
}

/** Where the products of panels of one size are, and what they add. */
export interface PanelProducts {
  /** How many panels there are. */
  readonly count: Local;
  /** The first panel and its tile, which are left behind the last one, and the panel of two vectors. */
  readonly left: Local;
  readonly tile: Local;
  readonly right: Local;
  /** Terms of each sum, and the most that there are. */
  readonly depth: number | Local;
  readonly mostTerms: number;
  /** Whether tiles are empty: with a number of terms that is known, they always are. */
  readonly empty?: Local;
}

/** Emits the products of panels of `rows` rows, by the microkernel that suits the length of their sums. */
export function emitPanelProducts(
  f: FunctionBuilder,
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  rows: number,
  { count, left, tile, right, depth, mostTerms, empty }: PanelProducts,
): void {
  const panelBytes = 4 * rows * mostTerms;
  const pushDepth = () => typeof depth === "number" ? f.i32(depth) : f.get(depth);
  const pushEmpty = () => empty === undefined ? f.i32(1) : f.get(empty);
  if (mostTerms > chainLength) {
    f.get(left).i32(panelBytes).get(count).get(right);
    pushDepth();
    f.get(tile);
    pushEmpty();
    f.i32(32 * rows);
    const shape = { rows, vectors: 2, a: "packed", b: "packed", output: "tile" } as const;
    f.call(outerMicrokernel(module, cache, numeric, shape));
  } else {
    f.get(left).get(count).get(right).get(tile);
    if (typeof depth !== "number") {
      pushDepth();
      f.i32(panelBytes);
      pushEmpty();
    }
    const terms = typeof depth === "number" ? depth : "given";
    f.call(productsMicrokernel(module, cache, numeric, rows, terms));
  }
  f.get(count).i32(panelBytes).op("i32.mul").get(left).op("i32.add").set(left);
  f.get(count).i32(32 * rows).op("i32.mul").get(tile).op("i32.add").set(tile);
}
