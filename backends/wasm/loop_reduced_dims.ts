/**
 * The loops over the reduced dims of a kernel, around the accumulators of its reduction.
 *
 * @module
 */
import type { Local } from "./assembler.ts";
import { type Cursors, Scope } from "./loop_cursors.ts";
import { product } from "./loop_normalize.ts";
import type { Reducer } from "./loop_reduce.ts";
import type { Values } from "./loop_values.ts";
import { emitVectorLoop } from "./loop_vector.ts";

/** A reduced dim is written out, without a loop, where that makes at most so many instructions a vector. */
const longestTurns = 100;
/** Turns whose shared values stay in registers. */
const mostShared = 4;

/** The loops of one reduction. */
export class ReducedDims {
  /** What `loadTurns` loaded. */
  #turns: readonly ReadonlyMap<string, Local>[] = [];

  constructor(
    readonly cursors: Cursors,
    readonly values: Values,
    readonly reducer: Reducer,
  ) {}

  /** The reduction for `unroll` vectors of the result; where the lanes lie over a reduced dim, all accumulators are used. */
  emit(scope: Scope, unroll: number, valid: number): void {
    const { kind, unroll: all } = this.cursors.plan;
    this.reducer.start(kind === "inner" ? all : unroll);
    this.#emitFrom(scope, 0, unroll, valid);
    this.reducer.finish();
  }

  /** Loads what each turn of a short reduced dim has in common for all vectors of a row, before the row. */
  loadTurns(scope: Scope): void {
    const { kernel, plan } = this.cursors;
    this.#turns = [];
    if (plan.inner.length !== 1) return;
    const [d] = plan.inner;
    if (kernel.dims[d] > mostShared || !this.#isWrittenOut(0)) return;
    const inside = new Scope(scope);
    const moving = this.cursors.copy(inside, scope, d);
    this.#turns = Array.from({ length: kernel.dims[d] }, (_, turn) => {
      const point = new Scope(inside);
      if (turn > 0) this.cursors.move(inside, moving, d, 1);
      this.values.emitSharedLoads(point, this.values.dimLevels[d]);
      return point.values;
    });
  }

  /** Whether the reduced dims from number i on have no loop: their turns are written one after the other. */
  #isWrittenOut(i: number): boolean {
    const { kernel, plan } = this.cursors;
    if (plan.kind !== "outer" || this.reducer.steps(this.#innerSteps(i)) !== null) return false;
    const turns = product(plan.inner.slice(i).map((d) => kernel.dims[d]));
    return turns * this.values.bodyNodes.length <= longestTurns;
  }

  /** The loops over the reduced dims from number i on. */
  #emitFrom(scope: Scope, i: number, unroll: number, valid: number): void {
    const { f, kernel, plan } = this.cursors;
    const { reducer, values } = this;
    if (i === plan.inner.length) {
      if (plan.kind === "inner") this.#emitVectors(scope);
      else this.#combine(scope, unroll, valid);
      return;
    }
    const d = plan.inner[i];
    const size = kernel.dims[d];
    const inside = new Scope(scope);
    const moving = this.cursors.copy(inside, scope, d);
    const step = reducer.steps(this.#innerSteps(i));
    if (this.#isWrittenOut(i)) {
      for (let turn = 0; turn < size; turn++) {
        const point = new Scope(inside);
        if (turn > 0) this.cursors.move(inside, moving, d, 1);
        if (i === 0) this.#turns[turn]?.forEach((local, key) => point.values.set(key, local));
        values.emitLevel(point, values.dimLevels[d], unroll, valid);
        this.#emitFrom(point, i + 1, unroll, valid);
      }
      return;
    }
    const counter = f.local("i32");
    const body = (limit: () => void) => {
      f.loop((again) => {
        const point = new Scope(inside);
        values.emitLevel(point, values.dimLevels[d], unroll, valid);
        this.#emitFrom(point, i + 1, unroll, valid);
        this.cursors.move(inside, moving, d, 1);
        f.get(counter).i32(1).op("i32.add").tee(counter);
        limit();
        f.op("i32.lt_s").brIf(again);
      });
    };
    f.i32(0).set(counter);
    if (step === null || step >= size) {
      body(() => f.i32(size));
      if (step !== null) reducer.flush();
      return;
    }
    const limit = f.local("i32");
    f.loop((again) => {
      f.get(counter).i32(step).op("i32.add").set(limit);
      f.i32(size).get(limit).get(limit).i32(size).op("i32.gt_s").select().set(limit);
      body(() => f.get(limit));
      reducer.flush();
      f.get(counter).i32(size).op("i32.lt_s").brIf(again);
    });
  }

  /** The loop over the lanes' dim, where that is reduced. */
  #emitVectors(scope: Scope): void {
    const { cursors, reducer, values } = this;
    const { across, vector, inner, unroll: all } = cursors.plan;
    const along = across === null ? all : 1;
    emitVectorLoop(cursors, scope, null, along, (inside, vectors, valid) => {
      const unroll = across === null ? vectors : all;
      values.emitLevel(inside, values.dimLevels[vector], unroll, valid);
      this.#combine(inside, unroll, valid);
    }, {
      every: reducer.steps(this.#innerSteps(inner.length)),
      emit: () => reducer.flush(),
    });
  }

  /** Combines `unroll` vectors of the body's values, of which `valid` lanes count, into the accumulators. */
  #combine(scope: Scope, unroll: number, valid: number): void {
    const { cursors, reducer, values } = this;
    const { kernel, plan } = cursors;
    // Products that may be rounded once with the sum; lanes that do not count must not be added.
    const factors = plan.kind === "inner" && valid < plan.lanes ? null : values.factors;
    for (let u = 0; u < unroll; u++) {
      if (factors !== null) {
        const [a, b] = factors.map((factor) => values.value(scope, factor, u, valid));
        reducer.multiplyAdd(u, a, b);
        continue;
      }
      const value = values.value(scope, kernel.body.length - 1, u, valid);
      reducer.combine(u, value, valid, () => cursors.pushIndex(scope, "position", u));
    }
  }

  /** Sizes of the reduced loops: number i, and the products of those inside and outside it. */
  #innerSteps(i: number): { size: number; inside: number; outside: number } {
    const { kernel, plan } = this.cursors;
    const sizes = plan.inner.map((d) => kernel.dims[d]);
    if (plan.kind === "inner") {
      const along = plan.across === null ? plan.unroll : 1;
      sizes.push(Math.ceil(kernel.dims[plan.vector] / (plan.lanes * along)));
    }
    return {
      size: sizes[i],
      inside: product(sizes.slice(i + 1)),
      outside: product(sizes.slice(0, i)),
    };
  }
}
