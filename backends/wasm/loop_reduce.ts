/**
 * Accumulators of reductions over vectors.
 *
 * A float sum adds up short runs in its own type and flushes them into a second accumulator, which is float64 for
 * float32 sums: so the error of a sum stays near one rounding, however long it is. The order of all additions is fixed by
 * the kernel's sizes.
 *
 * The engine's maximum of floats takes eight instructions for NaN and the signs of zeros. A loop takes the quick one, which
 * ignores both, and notes on the way whether there was NaN and which signs there were.
 *
 * @module
 */
import type { DType } from "../../lib/base/dtype.ts";
import type { ReduceOp } from "../../lib/compiler/kernel.ts";
import type { FunctionBuilder, Local, OpName } from "./assembler.ts";
import { identityOf } from "./loop_normalize.ts";
import { type LaneCount, pushConstant } from "./loop_operations.ts";

/** How flushes are spaced. */
interface Flushes {
  /** Additions to one accumulator lane before it is flushed. */
  readonly every: number;
  /** Reductions below this many additions a lane are not flushed. */
  readonly from: number;
}

/** Where several lanes, or vectors too, share a result, each has a part of its additions. */
const flushesOf: Readonly<Record<"lanes" | "vectors" | "all", Flushes>> = {
  lanes: { every: 16, from: 32 },
  vectors: { every: 32, from: 64 },
  all: { every: 64, from: 256 },
};

function repeat<T>(value: T, count: number): T[] {
  return new Array<T>(count).fill(value);
}

/** The state of one reduction, in `unroll` vectors. */
export class Reducer {
  readonly #accumulators: Local[] = [];
  readonly #positions: Local[] = [];
  readonly #totals: Local[] = [];
  /** Where a value was NaN, for extremes of floats. */
  readonly #unordered: Local[] = [];
  /** All bits of the values: joined by and for a maximum, by or for a minimum. */
  readonly #signs: Local[] = [];
  readonly #results: Local[] = [];
  /** Whether the lanes of a vector belong to one result. */
  readonly acrossLanes: boolean;
  #active = 0;
  readonly #argument: boolean;
  /** Whether this is a maximum or minimum of floats. */
  readonly #extreme: boolean;
  readonly #float: "f32x4" | "f64x2" | null;
  #flushes = false;

  constructor(
    readonly f: FunctionBuilder,
    readonly reduce: ReduceOp,
    /** Dtype of the values. */
    readonly dtype: DType,
    readonly lanes: LaneCount,
    /** What belongs to one result: a lane of each vector, all lanes of a vector, or those of all vectors. */
    readonly share: "lanes" | "vectors" | "all",
    readonly unroll: number,
  ) {
    this.acrossLanes = share !== "lanes";
    this.#argument = reduce === "argmax" || reduce === "argmin";
    this.#float = dtype === "float32" ? "f32x4" : dtype === "float64" ? "f64x2" : null;
    this.#extreme = this.#float !== null && (reduce === "max" || reduce === "min");
    this.#accumulators = f.locals("v128", unroll);
    if (this.#extreme) {
      // All vectors of one result share their notes.
      const notes = () =>
        share === "all" ? repeat(f.local("v128"), unroll) : f.locals("v128", unroll);
      this.#unordered = notes();
      this.#signs = notes();
    }
    if (this.#argument) this.#positions = f.locals("v128", unroll);
    this.#totals = f.locals("v128", 2 * unroll);
  }

  /** Sets the accumulators to the identity, for `unroll` vectors. */
  start(unroll = this.unroll): void {
    this.#active = unroll;
    this.#results.length = 0;
    const { f } = this;
    for (let u = 0; u < unroll; u++) {
      pushConstant(f, this.dtype, identityOf(this.reduce, this.dtype));
      f.set(this.#accumulators[u]);
      if (this.#argument) f.i32x4Splat(0x7fffffff).set(this.#positions[u]);
      if (this.#extreme) {
        f.i32x4Splat(0).set(this.#unordered[u]);
        f.i32x4Splat(this.reduce === "max" ? -1 : 0).set(this.#signs[u]);
      }
    }
    this.#flushes = false;
    for (let i = 0; i < 2 * unroll; i++) f.i32x4Splat(0).set(this.#totals[i]);
  }

  /**
   * How many turns of a loop may run before a flush: null where the loop is not the one that flushes. `inside` is how
   * many additions one turn makes, `outside` how often the loop itself is run.
   */
  steps(loop: { size: number; inside: number; outside: number }): number | null {
    if (this.reduce !== "sum" || this.#float === null) return null;
    const { size, inside, outside } = loop;
    const { every, from } = flushesOf[this.share];
    if (size * inside * outside < from) return null;
    if (inside >= every) return null;
    if (size * inside < every && outside > 1) return null;
    this.#flushes = true;
    return Math.max(1, Math.floor(every / inside));
  }

  /** Combines a vector of values, of which `valid` lanes count, into accumulator u. */
  combine(u: number, value: Local, valid: number, pushPosition: () => void): void {
    const { f } = this;
    let use = value;
    if (this.acrossLanes && valid < this.lanes) {
      // Lanes that do not count hold the identity.
      use = f.local("v128");
      f.get(value);
      pushConstant(f, this.dtype, identityOf(this.reduce, this.dtype));
      const mask = new Uint8Array(16).fill(
        255,
        0,
        this.dtype === "float64" ? 8 * valid : 4 * valid,
      );
      f.v128Const(mask).op("v128.bitselect").set(use);
    }
    if (this.#argument) {
      const position = f.local("v128");
      pushPosition();
      f.set(position);
      this.#take(this.#accumulators[u], this.#positions[u], use, position, false);
      return;
    }
    f.get(this.#accumulators[u]).get(use);
    this.#operate();
    f.set(this.#accumulators[u]);
    if (!this.#extreme) return;
    f.get(use).get(use).op(`${this.#float}.ne` as OpName);
    f.get(this.#unordered[u]).op("v128.or").set(this.#unordered[u]);
    f.get(this.#signs[u]).get(use).op(this.#joinSigns).set(this.#signs[u]);
  }

  /** Adds a product of floats to accumulator u, with one rounding. */
  multiplyAdd(u: number, a: Local, b: Local): void {
    const sum = this.#accumulators[u];
    this.f.get(a).get(b).get(sum).op(`${this.#float!}.relaxed_madd`).set(sum);
  }

  /** What joins the signs of values. */
  get #joinSigns(): OpName {
    return this.reduce === "max" ? "v128.and" : "v128.or";
  }

  /** Puts NaN, or the right zero, into accumulator u. */
  #finishExtreme(u: number): void {
    const { f } = this;
    const best = this.#accumulators[u];
    const zero = f.local("v128");
    const splat = (value: number) => pushConstant(f, this.dtype, value);
    f.get(best);
    splat(0);
    f.op(`${this.#float}.eq` as OpName);
    splat(-0);
    f.op("v128.and").set(zero);
    // Of zeros, a maximum is negative if all values are, a minimum if any is.
    f.get(best).get(zero).op("v128.andnot");
    f.get(this.#signs[u]).get(zero).op("v128.and").op("v128.or");
    f.get(this.#unordered[u]).op("v128.or").set(best);
  }

  /** a, b → their combination. */
  #operate(): void {
    const { f, dtype } = this;
    if (dtype === "bool") {
      f.op(this.reduce === "max" || this.reduce === "sum" ? "v128.or" : "v128.and");
      return;
    }
    const signed = dtype === "int32" ? "_s" : "_u";
    const name = this.reduce === "sum"
      ? "add"
      : this.reduce === "prod"
      ? "mul"
      : this.#extreme
      ? `p${this.reduce}`
      : `${this.reduce}${signed}`;
    f.op(`${this.#float ?? "i32x4"}.${name}` as OpName);
  }

  /**
   * Replaces (best, bestPosition) by (value, position) in the lanes where that is better: larger (or smaller), or NaN where
   * best is not; where `ties` is set also equal, with a smaller position.
   */
  #take(
    best: Local,
    bestPosition: Local,
    value: Local,
    position: Local,
    ties: boolean,
  ): void {
    const { f, dtype } = this;
    const largest = this.reduce === "argmax";
    const better = f.local("v128");
    const shape = this.#float;
    if (shape !== null) {
      f.get(value).get(best).op(`${shape}.${largest ? "gt" : "lt"}` as OpName);
      // value is NaN and best is not.
      f.get(value).get(value).op(`${shape}.ne`).get(best).get(best).op(`${shape}.eq`).op(
        "v128.and",
      );
      f.op("v128.or");
    } else if (dtype === "bool") {
      if (largest) f.get(value).get(best).op("v128.andnot");
      else f.get(best).get(value).op("v128.andnot");
    } else {
      const suffix = dtype === "int32" ? "_s" : "_u";
      f.get(value).get(best).op(`i32x4.${largest ? "gt" : "lt"}${suffix}` as OpName);
    }
    f.set(better);
    const narrow = f.local("v128");
    const toNarrow = (mask: Local) => {
      f.get(mask);
      if (shape === "f64x2") f.get(mask).shuffle32([0, 2, 0, 2]);
    };
    toNarrow(better);
    f.set(narrow);
    if (ties) {
      const same = f.local("v128");
      if (shape !== null) {
        f.get(value).get(best).op(`${shape}.eq`);
        f.get(value).get(value).op(`${shape}.ne`).get(best).get(best).op(`${shape}.ne`);
        f.op("v128.and").op("v128.or");
      } else f.get(value).get(best).op("i32x4.eq");
      f.set(same);
      toNarrow(same);
      f.get(position).get(bestPosition).op("i32x4.lt_s").op("v128.and");
      f.get(narrow).op("v128.or").set(narrow);
    }
    f.get(value).get(best).get(better).op("v128.bitselect").set(best);
    f.get(position).get(bestPosition).get(narrow).op("v128.bitselect").set(bestPosition);
  }

  /** Moves the accumulators into the totals. */
  flush(): void {
    if (this.reduce !== "sum" || this.#float === null) return;
    const { f } = this;
    if (this.share === "all") {
      this.#gather();
      this.#flushOne(0, 0);
      for (let u = 0; u < this.#active; u++) f.i32x4Splat(0).set(this.#accumulators[u]);
      return;
    }
    for (let u = 0; u < this.#active; u++) {
      this.#flushOne(u, 2 * u);
      f.i32x4Splat(0).set(this.#accumulators[u]);
    }
  }

  #flushOne(u: number, total: number): void {
    const { f } = this;
    const accumulator = this.#accumulators[u];
    const low = this.#totals[total];
    const high = this.#totals[total + 1];
    f.get(low).get(accumulator);
    if (this.dtype === "float32") f.op("f64x2.promote_low_f32x4");
    f.op("f64x2.add").set(low);
    if (this.dtype === "float64" || this.lanes === 2) return;
    f.get(high).get(accumulator).get(accumulator).shuffle32([2, 3, 2, 3]);
    f.op("f64x2.promote_low_f32x4").op("f64x2.add").set(high);
  }

  /** Combines the accumulators of one result pairwise into the first. */
  #gather(): void {
    const { f } = this;
    for (let width = 1; width < this.#active; width *= 2) {
      for (let u = 0; u + width < this.#active; u += 2 * width) {
        const [a, b] = [this.#accumulators[u], this.#accumulators[u + width]];
        if (this.#argument) {
          this.#take(a, this.#positions[u], b, this.#positions[u + width], true);
        } else {
          f.get(a).get(b);
          this.#operate();
          f.set(a);
        }
      }
    }
  }

  /** Makes the results. */
  finish(): void {
    if (this.#argument) return this.#finishArgument();
    if (!this.acrossLanes) {
      for (let u = 0; u < this.#active; u++) {
        if (this.#flushes) this.#finishTotal(u, 2 * u);
        if (this.#extreme) this.#finishExtreme(u);
        this.#results[u] = this.#accumulators[u];
      }
      return;
    }
    if (!this.#flushes && this.share === "all") this.#gather();
    for (let u = 0; u < (this.share === "all" ? 1 : this.#active); u++) {
      if (this.#flushes) this.#finishTotal(u, 2 * u);
      this.#foldLanes(u);
    }
  }

  /** Combines the lanes of a vector: halves, then neighbours. */
  #foldLanes(u: number): void {
    const { f } = this;
    const value = this.#accumulators[u];
    this.#results[u] = value;
    const fold = (lanes: readonly number[]) => {
      f.get(value).get(value).get(value).shuffle32(lanes);
      this.#operate();
      f.set(value);
      if (!this.#extreme) return;
      for (
        const [notes, join] of [
          [this.#unordered[u], "v128.or"],
          [this.#signs[u], this.#joinSigns],
        ] as const
      ) f.get(notes).get(notes).get(notes).shuffle32(lanes).op(join).set(notes);
    };
    if (this.dtype === "float64") fold([2, 3, 0, 1]);
    else if (this.lanes === 2) fold([1, 0, 3, 2]);
    else {
      fold([2, 3, 0, 1]);
      fold([1, 0, 3, 2]);
    }
    if (this.#extreme) this.#finishExtreme(u);
  }

  /** Puts a flushed sum into accumulator u. */
  #finishTotal(u: number, total: number): void {
    const { f } = this;
    const low = this.#totals[total];
    const high = this.#totals[total + 1];
    f.get(low);
    if (this.dtype === "float32") {
      if (this.acrossLanes && this.lanes === 4) {
        // The last rounding comes after the last addition: all lanes in float64.
        f.get(high).op("f64x2.add").set(low);
        f.get(low).get(low).get(low).shuffle32([2, 3, 0, 1]).op("f64x2.add");
        // The other lanes hold zero, which the fold across them leaves alone.
        f.op("f32x4.demote_f64x2_zero").f32x4Splat(0).shuffle32([0, 4, 4, 4]);
      } else if (this.lanes === 4) {
        f.op("f32x4.demote_f64x2_zero").get(high).op("f32x4.demote_f64x2_zero");
        f.shuffle32([0, 1, 4, 5]);
      } else f.op("f32x4.demote_f64x2_zero");
    }
    f.set(this.#accumulators[u]);
  }

  #finishArgument(): void {
    const { f } = this;
    if (this.acrossLanes) {
      this.#gather();
      const [best, position] = [this.#accumulators[0], this.#positions[0]];
      const fold = (valueLanes: readonly number[], positionLanes: readonly number[]) => {
        const [value, at] = f.locals("v128", 2);
        f.get(best).get(best).shuffle32(valueLanes).set(value);
        f.get(position).get(position).shuffle32(positionLanes).set(at);
        this.#take(best, position, value, at, true);
      };
      if (this.dtype === "float64") fold([2, 3, 0, 1], [1, 0, 3, 2]);
      else if (this.lanes === 2) fold([1, 0, 3, 2], [1, 0, 3, 2]);
      else {
        fold([2, 3, 0, 1], [2, 3, 0, 1]);
        fold([1, 0, 3, 2], [1, 0, 3, 2]);
      }
    }
    for (let u = 0; u < (this.acrossLanes ? 1 : this.#active); u++) {
      // Nothing was better than the identity: all are equal to it, and the first is at 0.
      const position = this.#positions[u];
      f.get(position).get(position).i32x4Splat(0x7fffffff).op("i32x4.ne").op("v128.and");
      f.set(position);
      this.#results[u] = position;
    }
  }

  /** The local with result u, in every lane if the lanes belong to one result. */
  result(u: number): Local {
    return this.#results[u];
  }
}
