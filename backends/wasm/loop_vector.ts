/**
 * The loop over the dim that lies along the lanes. It has up to three forms: several vectors a turn, the vectors that are
 * left, and the lanes that are left.
 *
 * @module
 */
import type { Local } from "./assembler.ts";
import { type Cursors, Scope } from "./loop_cursors.ts";

/** What happens between the steps of a long sum: code to emit after each so many, or at the end if they are fewer. */
export interface Flushes {
  /** Null for never. */
  readonly every: number | null;
  /** Emits it. */
  readonly emit: () => void;
}

/**
 * Emits the loop; `range` are the first and last element, if the dim is cut. `body` gets how many vectors it does and how
 * many lanes of them count.
 */
export function emitVectorLoop(
  cursors: Cursors,
  scope: Scope,
  range: { first: Local; last: Local } | null,
  unroll: number,
  body: (scope: Scope, unroll: number, valid: number) => void,
  flushes: Flushes | null = null,
): void {
  const { f, kernel, plan: { lanes, vector } } = cursors;
  const every = flushes?.every ?? null;
  const size = kernel.dims[vector];
  const inside = new Scope(scope);
  const moving = cursors.copy(inside, scope, vector);
  const counter = f.local("i32");
  if (range === null) f.i32(0).set(counter);
  else {
    f.get(range.first).set(counter);
    for (const { key, strides } of moving) {
      const local = inside.address(key);
      f.get(local).get(range.first).i32(strides[vector] | 0).op("i32.mul").op("i32.add").set(local);
    }
  }
  const step = (count: number) => {
    body(new Scope(inside), count, lanes);
    cursors.move(inside, moving, vector, count * lanes);
    f.get(counter).i32(count * lanes).op("i32.add").set(counter);
  };
  /** Steps of `count` vectors while they fit before `limit`. */
  const steps = (count: number, limit: () => void, atLeastOne: boolean) => {
    f.block((done) => {
      const width = count * lanes;
      const fits = () => {
        f.get(counter).i32(width).op("i32.add");
        limit();
        f.op("i32.le_s");
      };
      if (!atLeastOne) {
        fits();
        f.op("i32.eqz").brIf(done);
      }
      f.loop((again) => {
        step(count);
        fits();
        f.brIf(again);
      });
    });
  };
  const pushSize = () => {
    if (range === null) f.i32(size);
    else f.get(range.last);
  };
  const width = unroll * lanes;
  if (range === null && size >= lanes && size < 2 * lanes) step(1);
  else if ((unroll > 1 || every !== null) && size >= width) {
    const runs = Math.floor(size / width);
    if (every !== null && every < runs) {
      const limit = f.local("i32");
      const whole = runs * width;
      f.loop((again) => {
        f.get(counter).i32(every * width).op("i32.add").set(limit);
        f.i32(whole).get(limit).get(limit).i32(whole).op("i32.gt_s").select().set(limit);
        steps(unroll, () => f.get(limit), true);
        flushes!.emit();
        f.get(counter).i32(whole).op("i32.lt_s").brIf(again);
      });
    } else steps(unroll, pushSize, range === null);
    const left = Math.floor((size % width) / lanes);
    // Side by side, or each would wait for the one before.
    if (left > 0 && range === null) step(left);
    else if (left > 0) steps(1, pushSize, false);
  } else if (size >= lanes) steps(1, pushSize, range === null);
  const rest = size % lanes;
  if (rest > 0) {
    const partial = () => body(new Scope(inside), 1, rest);
    if (range === null) partial();
    else f.get(range.last).i32(size).op("i32.eq").if_(partial);
  }
  if (every !== null) flushes!.emit();
}
