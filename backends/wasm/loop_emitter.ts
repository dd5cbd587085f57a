/**
 * Writes the function of one normalized loop kernel: the loops over its result.
 *
 * What is computed at a point is in `loop_values.ts`, the loops over reduced dims are in `loop_reduced_dims.ts`.
 *
 * @module
 */
import type { Instruction, LoopKernel } from "../../lib/compiler/kernel.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { Cursors, Scope } from "./loop_cursors.ts";
import { storeResult } from "./loop_memory.ts";
import { product, reachable } from "./loop_normalize.ts";
import type { LoopPlan } from "./loop_plan.ts";
import { Reducer } from "./loop_reduce.ts";
import { ReducedDims } from "./loop_reduced_dims.ts";
import { Values } from "./loop_values.ts";
import { emitVectorLoop } from "./loop_vector.ts";
import { emitWindowSums, loadFactors, windowOf, type WindowSum } from "./loop_window.ts";
import type { LaneStyle } from "./math_lanes.ts";

/** Writes the function of one kernel. */
export class LoopEmitter {
  readonly #cursors: Cursors;
  readonly #values: Values;
  /** Null without a reduction. */
  readonly #reduced: ReducedDims | null;
  /** Where a sum over a window is computed for several rows at a time. */
  readonly #window: WindowSum | null;

  constructor(
    module: ModuleBuilder,
    readonly f: FunctionBuilder,
    readonly kernel: LoopKernel,
    readonly nodes: readonly (Instruction | null)[],
    bodyNodes: readonly number[],
    readonly plan: LoopPlan,
    style: LaneStyle,
  ) {
    this.#cursors = cursorsOf(f, kernel, nodes, plan);
    this.#values = new Values(module, this.#cursors, nodes, bodyNodes, style);
    this.#reduced = kernel.reduce === null ? null : new ReducedDims(
      this.#cursors,
      this.#values,
      new Reducer(
        f,
        kernel.reduce,
        kernel.body[kernel.body.length - 1].dtype,
        plan.lanes,
        plan.kind !== "inner" ? "lanes" : plan.across === null ? "all" : "vectors",
        plan.unroll,
      ),
    );
    this.#window = plan.kind === "outer" && plan.across !== null ? windowOf(kernel) : null;
  }

  /** The whole function. */
  emit(): void {
    const { f, plan } = this;
    const [begin, end] = [f.parameter(3), f.parameter(4)];
    const top = this.#cursors.enter();
    this.#values.emitLevel(top, 0);
    const sizes = plan.prefix.map((d) => this.kernel.dims[d]);
    const total = product(sizes);
    const size = plan.vector < 0 ? 1 : this.kernel.dims[plan.vector];
    if (plan.chunk < size) {
      // One task is one piece of the vector dim at one index of the prefix.
      const pieces = Math.ceil(size / plan.chunk);
      const [task, first, last] = f.locals("i32", 3);
      f.get(begin).set(task);
      f.block((done) => {
        f.loop((again) => {
          f.get(task).get(end).op("i32.ge_u").brIf(done);
          const scope = new Scope(top);
          const flat = f.local("i32");
          f.get(task).i32(pieces).op("i32.div_u").set(flat);
          this.#cursors.enterPrefix(scope, top, flat);
          f.get(task).i32(pieces).op("i32.rem_u").i32(plan.chunk).op("i32.mul").set(first);
          f.get(first).i32(plan.chunk).op("i32.add").set(last);
          f.i32(size).get(last).get(last).i32(size).op("i32.gt_s").select().set(last);
          this.#values.emitLevel(scope, 1);
          this.#emitRow(scope, { first, last });
          f.get(task).i32(1).op("i32.add").set(task).br(again);
        });
      });
      return;
    }
    if (total === 1) {
      f.get(begin).get(end).op("i32.lt_u").if_(() => {
        const scope = new Scope(top);
        this.#emitRow(scope, null);
      });
      return;
    }
    // A range of the flattened prefix, with counters that carry.
    const [flat, last] = f.locals("i32", 2);
    f.get(begin).i32(plan.grain).op("i32.mul").set(flat);
    f.get(end).i32(plan.grain).op("i32.mul").set(last);
    f.i32(total).get(last).get(last).i32(total).op("i32.gt_s").select().set(last);
    const scope = new Scope(top);
    const counters = this.#cursors.enterPrefix(scope, top, flat);
    f.block((done) => {
      f.loop((again) => {
        f.get(flat).get(last).op("i32.ge_s").brIf(done);
        const row = new Scope(scope);
        this.#values.emitLevel(row, 1, plan.kind === "inner" ? plan.unroll : 1);
        this.#emitRow(row, null);
        f.get(flat).i32(1).op("i32.add").set(flat);
        this.#cursors.advance(scope, counters, plan.prefix.length - 1, again);
        f.br(again);
      });
    });
  }

  /** Everything at one index of the prefix; `range` are the first and last element of the vector dim, if it is cut. */
  #emitRow(scope: Scope, range: { first: Local; last: Local } | null): void {
    const { plan } = this;
    if (plan.kind === "inner") {
      this.#reduced!.emit(scope, 1, plan.lanes);
      this.#finishResult(new Scope(scope), plan.across === null ? 1 : plan.unroll, 1);
      return;
    }
    if (plan.vector < 0) {
      const inside = new Scope(scope);
      this.#emitPoint(inside, 1, 1);
      return;
    }
    if (this.#window !== null) {
      this.#emitBands(scope, this.#window);
      return;
    }
    if (plan.across !== null) {
      this.#emitAcross(scope, plan.across);
      return;
    }
    this.#reduced?.loadTurns(scope);
    emitVectorLoop(this.#cursors, scope, range, plan.unroll, (inside, unroll, valid) => {
      this.#values.emitLevel(inside, 2, unroll, valid);
      this.#emitPoint(inside, unroll, valid);
    });
  }

  /** The loop over bands of a few rows of a sum over a window. */
  #emitBands(scope: Scope, window: WindowSum): void {
    const { f } = this;
    const rows = this.plan.unroll;
    const size = this.kernel.dims[window.across];
    const factors = loadFactors(this.#cursors, scope, window);
    const band = new Scope(scope);
    const moving = this.#cursors.copy(band, scope, window.across);
    const emit = (count: number) => {
      emitVectorLoop(this.#cursors, band, null, 1, (inside, _, valid) => {
        const { reducer } = this.#reduced!;
        reducer.start(count);
        const part = { count, valid };
        emitWindowSums(this.#cursors, inside, window, factors, part, (u, factor, value) => {
          reducer.multiplyAdd(u, factor, value);
        });
        reducer.finish();
        this.#finishResult(new Scope(inside), count, valid);
      });
    };
    const counter = f.local("i32");
    f.i32(0).set(counter);
    f.loop((again) => {
      emit(rows);
      this.#cursors.move(band, moving, window.across, rows);
      f.get(counter).i32(1).op("i32.add").tee(counter).i32(Math.floor(size / rows));
      f.op("i32.lt_s").brIf(again);
    });
    if (size % rows > 0) emit(size % rows);
  }

  /** The loop over the vector dim, around steps along the dim across and what is left, one by one. */
  #emitAcross(scope: Scope, across: number): void {
    const { lanes } = this.plan;
    const size = this.kernel.dims[across];
    emitVectorLoop(this.#cursors, scope, null, 1, (inside, _, valid) => {
      this.#values.emitLevel(inside, 2, 1, valid);
      const column = new Scope(inside);
      const moving = this.#cursors.copy(column, inside, across);
      for (let i = 0; i < size;) {
        const copies = size - i >= lanes ? lanes : 1;
        const point = new Scope(column);
        this.#values.emitLevel(point, 3, copies, valid);
        this.#emitPoint(point, copies, valid);
        i += copies;
        if (i < size) this.#cursors.move(column, moving, across, copies);
      }
    });
  }

  /** A point of the result: the value, or the reduction and the value, for `unroll` vectors, and the store. */
  #emitPoint(scope: Scope, unroll: number, valid: number): void {
    if (this.#reduced === null) {
      this.#store(scope, this.kernel.body.length - 1, unroll, valid);
      return;
    }
    this.#reduced.emit(scope, unroll, valid);
    this.#finishResult(new Scope(scope), unroll, valid);
  }

  /** The epilogue and the store of reduced values. */
  #finishResult(scope: Scope, unroll: number, valid: number): void {
    const { body, epilogue } = this.kernel;
    const reduced = body.length;
    for (let u = 0; u < unroll; u++) {
      this.#values.define(scope, reduced, u, this.#reduced!.reducer.result(u));
    }
    this.#store(scope, epilogue.length > 0 ? this.nodes.length - 1 : reduced, unroll, valid);
  }

  /** Stores a node's values, computed here unless they are known. */
  #store(scope: Scope, node: number, unroll: number, valid: number): void {
    for (let u = 0; u < unroll; u++) {
      storeResult(this.#cursors, scope, this.#values.value(scope, node, u, valid), u, valid);
    }
  }
}

/** The cursors of everything that a kernel's function reads, counts and writes. */
function cursorsOf(
  f: FunctionBuilder,
  kernel: LoopKernel,
  nodes: readonly (Instruction | null)[],
  plan: LoopPlan,
): Cursors {
  const cursors = new Cursors(f, kernel, plan);
  const { dims, outerRank, body, reduce, epilogue, out, dtype } = kernel;
  const roots = [body.length - 1];
  if (epilogue.length > 0 && reduce !== null) roots.push(nodes.length - 1);
  for (const i of reachable(nodes, roots)) {
    const node = nodes[i];
    if (node === null) continue;
    if (node.op === "load" || node.op === "loadIndexed") cursors.addView(node.view, node.dtype);
    else if (node.op === "index") cursors.addIndex(`index${i}`, node.strides, node.offset);
  }
  cursors.addView(out, dtype);
  if (reduce === "argmax" || reduce === "argmin") {
    cursors.addIndex("position", dims.map((_, d) => d >= outerRank ? 1 : 0), 0);
  }
  return cursors;
}
