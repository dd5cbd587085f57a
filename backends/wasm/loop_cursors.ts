/**
 * Addresses and counters that move with the loops of a kernel.
 *
 * @module
 */
import type { DType } from "../../lib/base/dtype.ts";
import { type LoopKernel, storageBytes, type View } from "../../lib/compiler/kernel.ts";
import type { FunctionBuilder, Label, Local } from "./assembler.ts";
import { scratchBuffer } from "./loop_normalize.ts";
import type { LoopPlan } from "./loop_plan.ts";

/** What is known at a place in the code: values and addresses by name; looked up outwards. */
export class Scope {
  readonly values = new Map<string, Local>();
  readonly addresses = new Map<string, Local>();
  constructor(readonly parent: Scope | null) {}

  value(key: string): Local | undefined {
    return this.values.get(key) ?? this.parent?.value(key);
  }

  address(key: string): Local {
    const found = this.addresses.get(key) ?? this.parent?.address(key);
    if (found === undefined) throw new Error(`no address for ${key}`);
    return found;
  }
}

/** Something that moves with the loops: a view's address in bytes, or an index's value. */
export interface Cursor {
  readonly key: string;
  readonly strides: readonly number[];
  readonly start: number;
  readonly buffer: number | null;
}

/** The cursors of one kernel's function. */
export class Cursors {
  readonly #cursors = new Map<string, Cursor>();

  constructor(
    readonly f: FunctionBuilder,
    readonly kernel: LoopKernel,
    readonly plan: LoopPlan,
  ) {}

  /** A cursor for a view's address. */
  addView(view: View, dtype: DType): void {
    const key = viewKey(view, dtype);
    const bytes = storageBytes(dtype);
    this.#cursors.set(key, {
      key,
      strides: view.strides.map((stride) => stride * bytes),
      start: view.offset * bytes,
      buffer: view.buffer,
    });
  }

  /** A cursor that counts elements. */
  addIndex(key: string, strides: readonly number[], start: number): void {
    this.#cursors.set(key, { key, strides, start, buffer: null });
  }

  /** All cursors at their start. */
  enter(): Scope {
    const top = new Scope(null);
    for (const cursor of this.#cursors.values()) {
      const local = this.f.local("i32");
      this.#pushBase(cursor);
      this.f.set(local);
      top.addresses.set(cursor.key, local);
    }
    return top;
  }

  #pushBase(cursor: Cursor): void {
    const { f } = this;
    if (cursor.buffer === null) {
      f.i32(cursor.start | 0);
      return;
    }
    if (cursor.buffer === scratchBuffer) f.get(f.parameter(1));
    else f.get(f.parameter(0)).load("i32.load", 4 * cursor.buffer);
    if (cursor.start !== 0) f.i32(cursor.start | 0).op("i32.add");
  }

  /** Cursors at an index of the flattened prefix; returns the counters of its dims. */
  enterPrefix(scope: Scope, from: Scope, flat: Local): Local[] {
    const { f, plan } = this;
    const rest = f.local("i32");
    f.get(flat).set(rest);
    const moving = [...this.#cursors.values()].filter((cursor) =>
      plan.prefix.some((d) => cursor.strides[d] !== 0)
    );
    for (const cursor of moving) {
      const local = f.local("i32");
      f.get(from.address(cursor.key)).set(local);
      scope.addresses.set(cursor.key, local);
    }
    const counters: Local[] = [];
    for (let i = plan.prefix.length - 1; i >= 0; i--) {
      const d = plan.prefix[i];
      const counter = f.local("i32");
      counters[i] = counter;
      if (i === 0) f.get(rest).set(counter);
      else {
        f.get(rest).i32(this.kernel.dims[d]).op("i32.rem_u").set(counter);
        f.get(rest).i32(this.kernel.dims[d]).op("i32.div_u").set(rest);
      }
      for (const cursor of moving) {
        if (cursor.strides[d] === 0) continue;
        const local = scope.address(cursor.key);
        f.get(local).get(counter).i32(cursor.strides[d] | 0).op("i32.mul").op("i32.add").set(local);
      }
    }
    return counters;
  }

  /** Steps the prefix's counter i, and carries into the one before it. */
  advance(scope: Scope, counters: readonly Local[], i: number, again: Label): void {
    const { f, plan } = this;
    const d = plan.prefix[i];
    const shift = (factor: number) => {
      for (const cursor of this.#cursors.values()) {
        const stride = cursor.strides[d];
        if (stride === 0 || stride === undefined) continue;
        const local = scope.address(cursor.key);
        f.get(local).i32(stride * factor).op("i32.add").set(local);
      }
    };
    shift(1);
    if (i === 0) return;
    const size = this.kernel.dims[d];
    f.get(counters[i]).i32(1).op("i32.add").tee(counters[i]).i32(size).op("i32.lt_s").brIf(again);
    f.i32(0).set(counters[i]);
    shift(-size);
    this.advance(scope, counters, i - 1, again);
  }

  /** New locals for the cursors that move along a dim. */
  copy(scope: Scope, from: Scope, d: number): Cursor[] {
    const moving = [...this.#cursors.values()].filter((cursor) => (cursor.strides[d] ?? 0) !== 0);
    for (const cursor of moving) {
      const local = this.f.local("i32");
      this.f.get(from.address(cursor.key)).set(local);
      scope.addresses.set(cursor.key, local);
    }
    return moving;
  }

  /** Moves cursors along a dim. */
  move(scope: Scope, moving: readonly Cursor[], d: number, steps: number): void {
    for (const cursor of moving) {
      const local = scope.address(cursor.key);
      this.f.get(local).i32((cursor.strides[d] * steps) | 0).op("i32.add").set(local);
    }
  }

  /** How far copy u of a step is from the first, along something with the strides. */
  distance(strides: readonly number[], u: number): number {
    const { across, vector, lanes } = this.plan;
    if (across !== null) return u * (strides[across] ?? 0);
    return vector < 0 ? 0 : u * lanes * (strides[vector] ?? 0);
  }

  /** The value of a cursor that counts, in every lane. */
  pushIndex(scope: Scope, key: string, u: number): void {
    const { f, plan } = this;
    f.get(scope.address(key)).op("i32x4.splat");
    const { strides } = this.#cursors.get(key)!;
    const stride = plan.vector < 0 ? 0 : strides[plan.vector] ?? 0;
    const first = this.distance(strides, u);
    if (stride === 0 && first === 0) return;
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < 4; i++) view.setInt32(4 * i, first + stride * i, true);
    f.v128Const(bytes).op("i32x4.add");
  }

  /** Pushes a view's address plus `bytes`, and returns what is left to give as a static offset. */
  pushAddress(scope: Scope, key: string, bytes: number): number {
    const { f } = this;
    f.get(scope.address(key));
    if (bytes >= 0) return bytes;
    f.i32(bytes).op("i32.add");
    return 0;
  }
}

/** Names a view, so that equal ones share an address. */
export function viewKey(view: View, dtype: DType): string {
  return `${view.buffer} ${view.offset} ${storageBytes(dtype)} ${view.strides.join()}`;
}
