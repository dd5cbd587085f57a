/**
 * Writes the function of one normalized loop kernel.
 *
 * Every instruction is emitted at the outermost loop in which it varies: so what a loop does not change is computed before
 * it.
 *
 * @module
 */
import type { DType } from "../../lib/base/dtype.ts";
import type { Instruction, LoopKernel } from "../../lib/compiler/kernel.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import { Cursors, Scope } from "./loop_cursors.ts";
import { isTurned, loadTurned, pushIndexedLoad, pushLoad, storeResult } from "./loop_memory.ts";
import { argumentsOf, product, reachable, stridesOf } from "./loop_normalize.ts";
import { emitOperation, type LaneCount, type Operand, pushConstant } from "./loop_operations.ts";
import type { LoopPlan } from "./loop_plan.ts";
import { Reducer } from "./loop_reduce.ts";
import { emitVectorLoop } from "./loop_vector.ts";
import { emitWindowSums, loadFactors, windowOf, type WindowSum } from "./loop_window.ts";
import type { LaneStyle } from "./math_lanes.ts";

/** A reduced dim is written out, without a loop, where that makes at most so many instructions a vector. */
const longestTurns = 100;
/** Turns whose shared values stay in registers. */
const mostShared = 4;

/** A vector whose value holds where all lanes of its masks are set. */
interface Unusual {
  readonly masks: readonly Local[];
  readonly node: number;
  readonly operands: readonly Operand[];
  readonly local: Local;
}

/** Writes the function of one kernel. */
export class LoopEmitter {
  readonly lanes: LaneCount;
  readonly #cursors: Cursors;
  readonly #levels: number[] = [];
  /** Whether the copies of a step differ. */
  readonly #varies: boolean[] = [];
  readonly #dtypes: DType[] = [];
  /** The level at which a dim's loop stands. */
  readonly #dimLevel: number[] = [];
  readonly #reducer: Reducer | null;
  readonly #resultNode: number;
  /** What `#loadTurns` loaded. */
  #turns: readonly ReadonlyMap<string, Local>[] = [];
  /** Vectors by a form that is right for the lanes of some masks only. */
  readonly #unusual: Unusual[] = [];
  /** The factors of the body's value where a sum takes it as fused multiply-adds, else null. */
  readonly #factors: readonly [number, number] | null;
  /** Where a sum over a window is computed for several rows at a time. */
  readonly #window: WindowSum | null;

  constructor(
    readonly module: ModuleBuilder,
    readonly f: FunctionBuilder,
    readonly kernel: LoopKernel,
    readonly nodes: readonly (Instruction | null)[],
    readonly bodyNodes: readonly number[],
    readonly plan: LoopPlan,
    readonly style: LaneStyle,
  ) {
    this.lanes = plan.lanes;
    this.#resultNode = kernel.body.length;
    this.#cursors = new Cursors(f, kernel, plan);
    for (const d of plan.prefix) this.#dimLevel[d] = 1;
    let level = 2;
    if (plan.kind !== "inner" && plan.vector >= 0) this.#dimLevel[plan.vector] = level++;
    if (plan.across !== null) this.#dimLevel[plan.across] = plan.kind === "inner" ? 1 : level++;
    for (const d of plan.inner) this.#dimLevel[d] = level++;
    if (plan.kind === "inner") this.#dimLevel[plan.vector] = level++;
    const argument = kernel.reduce === "argmax" || kernel.reduce === "argmin";
    const bodyType = kernel.body[kernel.body.length - 1].dtype;
    nodes.forEach((node, i) => {
      if (node === null) {
        this.#levels[i] = 0;
        this.#varies[i] = plan.kind === "outer" || plan.across !== null;
        this.#dtypes[i] = argument ? "int32" : bodyType;
        return;
      }
      this.#dtypes[i] = node.dtype;
      const strides = stridesOf(node) ?? [];
      let nodeLevel = 0;
      let varies = false;
      strides.forEach((stride, d) => {
        if (stride === 0) return;
        nodeLevel = Math.max(nodeLevel, this.#dimLevel[d]);
        if (d === (plan.across ?? plan.vector)) varies = true;
      });
      for (const arg of argumentsOf(node)) {
        nodeLevel = Math.max(nodeLevel, this.#levels[arg]);
        varies ||= this.#varies[arg];
      }
      this.#levels[i] = nodeLevel;
      this.#varies[i] = varies;
    });
    this.#reducer = kernel.reduce === null ? null : new Reducer(
      f,
      kernel.reduce,
      bodyType,
      this.lanes,
      plan.kind !== "inner" ? "lanes" : plan.across === null ? "all" : "vectors",
      plan.unroll,
    );
    this.#factors = style.fused && kernel.reduce === "sum" ? factorsOf(kernel) : null;
    this.#window = plan.kind === "outer" && plan.across !== null ? windowOf(kernel) : null;
    const used = reachable(
      nodes,
      kernel.epilogue.length > 0 && kernel.reduce !== null
        ? [kernel.body.length - 1, nodes.length - 1]
        : [kernel.body.length - 1],
    );
    for (const i of used) {
      const node = nodes[i];
      if (node === null) continue;
      if (node.op === "load" || node.op === "loadIndexed") {
        this.#cursors.addView(node.view, node.dtype);
      } else if (node.op === "index") {
        this.#cursors.addIndex(`index${i}`, node.strides, node.offset);
      }
    }
    this.#cursors.addView(kernel.out, kernel.dtype);
    if (argument) {
      const strides = kernel.dims.map((_, d) => d >= kernel.outerRank ? 1 : 0);
      this.#cursors.addIndex("position", strides, 0);
    }
  }

  /** The whole function. */
  emit(): void {
    const { f, plan } = this;
    const [begin, end] = [f.parameter(3), f.parameter(4)];
    const top = this.#cursors.enter();
    this.#emitLevel(top, 0, this.bodyNodes);
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
          this.#emitLevel(scope, 1, this.bodyNodes);
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
        this.#emitLevel(row, 1, this.bodyNodes, plan.kind === "inner" ? plan.unroll : 1);
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
      this.#reducer!.start();
      this.#emitReduced(scope, 0, 1, this.lanes);
      this.#reducer!.finish();
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
    this.#turns = this.#loadTurns(scope);
    emitVectorLoop(this.#cursors, scope, range, plan.unroll, (inside, unroll, valid) => {
      this.#emitLevel(inside, 2, this.bodyNodes, unroll, valid);
      this.#emitPoint(inside, unroll, valid);
    });
  }

  /** What each turn of a short reduced dim loads that all vectors of a row share, loaded before the row; else none. */
  #loadTurns(scope: Scope): ReadonlyMap<string, Local>[] {
    const { plan, kernel } = this;
    if (plan.kind !== "outer" || plan.inner.length !== 1) return [];
    const [d] = plan.inner;
    if (kernel.dims[d] > mostShared || !this.#isWrittenOut(0)) return [];
    const inside = new Scope(scope);
    const moving = this.#cursors.copy(inside, scope, d);
    return Array.from({ length: kernel.dims[d] }, (_, turn) => {
      const point = new Scope(inside);
      if (turn > 0) this.#cursors.move(inside, moving, d, 1);
      for (const node of this.bodyNodes) {
        if (this.#levels[node] !== this.#dimLevel[d] || this.#varies[node]) continue;
        if (this.nodes[node]!.op !== "load") continue;
        this.#value(point, node, 0, this.lanes);
      }
      return point.values;
    });
  }

  /** Whether the reduced dims from number i on have no loop: their turns are written one after the other. */
  #isWrittenOut(i: number): boolean {
    const { plan, kernel } = this;
    if (plan.kind !== "outer" || this.#reducer!.steps(this.#innerSteps(i)) !== null) return false;
    const turns = product(plan.inner.slice(i).map((d) => kernel.dims[d]));
    return turns * this.bodyNodes.length <= longestTurns;
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
        const reducer = this.#reducer!;
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
    const size = this.kernel.dims[across];
    emitVectorLoop(this.#cursors, scope, null, 1, (inside, _, valid) => {
      this.#emitLevel(inside, 2, this.bodyNodes, 1, valid);
      const column = new Scope(inside);
      const moving = this.#cursors.copy(column, inside, across);
      for (let i = 0; i < size;) {
        const copies = size - i >= this.lanes ? this.lanes : 1;
        const point = new Scope(column);
        this.#emitLevel(point, 3, this.bodyNodes, copies, valid);
        this.#emitPoint(point, copies, valid);
        i += copies;
        if (i < size) this.#cursors.move(column, moving, across, copies);
      }
    });
  }

  /** A point of the result: the value, or the reduction and the value, for `unroll` vectors, and the store. */
  #emitPoint(scope: Scope, unroll: number, valid: number): void {
    if (this.#reducer === null) {
      for (let u = 0; u < unroll; u++) {
        storeResult(
          this.#cursors,
          scope,
          this.#value(scope, this.kernel.body.length - 1, u, valid),
          u,
          valid,
        );
      }
      return;
    }
    this.#reducer.start(unroll);
    this.#emitReduced(scope, 0, unroll, valid);
    this.#reducer.finish();
    this.#finishResult(new Scope(scope), unroll, valid);
  }

  /** The epilogue and the store of reduced values. */
  #finishResult(scope: Scope, unroll: number, valid: number): void {
    for (let u = 0; u < unroll; u++) {
      scope.values.set(this.#key(this.#resultNode, u), this.#reducer!.result(u));
    }
    const root = this.kernel.epilogue.length > 0 ? this.nodes.length - 1 : this.#resultNode;
    for (let u = 0; u < unroll; u++) {
      storeResult(this.#cursors, scope, this.#value(scope, root, u, valid), u, valid);
    }
  }

  /** The loops over the reduced dims from number i on. */
  #emitReduced(scope: Scope, i: number, unroll: number, valid: number): void {
    const { f, plan } = this;
    const reducer = this.#reducer!;
    const root = this.kernel.body.length - 1;
    if (i === plan.inner.length) {
      if (plan.kind === "inner") {
        const { across } = plan;
        const along = across === null ? plan.unroll : 1;
        emitVectorLoop(this.#cursors, scope, null, along, (inside, vectors, valid) => {
          const unroll = across === null ? vectors : plan.unroll;
          this.#emitLevel(inside, this.#dimLevel[plan.vector], this.bodyNodes, unroll, valid);
          for (let u = 0; u < unroll; u++) {
            if (this.#combineProduct(inside, u, valid)) continue;
            reducer.combine(u, this.#value(inside, root, u, valid), valid, () => {
              this.#cursors.pushIndex(inside, "position", u);
            });
          }
        }, {
          every: reducer.steps(this.#innerSteps(plan.inner.length)),
          emit: () => reducer.flush(),
        });
      } else {
        for (let u = 0; u < unroll; u++) {
          if (this.#combineProduct(scope, u, valid)) continue;
          reducer.combine(u, this.#value(scope, root, u, valid), valid, () => {
            f.get(scope.address("position")).op("i32x4.splat");
          });
        }
      }
      return;
    }
    const d = plan.inner[i];
    const size = this.kernel.dims[d];
    const inside = new Scope(scope);
    const moving = this.#cursors.copy(inside, scope, d);
    const step = reducer.steps(this.#innerSteps(i));
    if (this.#isWrittenOut(i)) {
      for (let turn = 0; turn < size; turn++) {
        const point = new Scope(inside);
        if (turn > 0) this.#cursors.move(inside, moving, d, 1);
        if (i === 0) this.#turns[turn]?.forEach((local, key) => point.values.set(key, local));
        this.#emitLevel(point, this.#dimLevel[d], this.bodyNodes, unroll, valid);
        this.#emitReduced(point, i + 1, unroll, valid);
      }
      return;
    }
    const counter = f.local("i32");
    const body = (limit: () => void) => {
      f.loop((again) => {
        const point = new Scope(inside);
        this.#emitLevel(point, this.#dimLevel[d], this.bodyNodes, unroll, valid);
        this.#emitReduced(point, i + 1, unroll, valid);
        this.#cursors.move(inside, moving, d, 1);
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

  /** Adds the product of two factors to accumulator u, if the sum is of products and may round each once. */
  #combineProduct(scope: Scope, u: number, valid: number): boolean {
    if (this.#factors === null || this.plan.kind === "inner" && valid < this.lanes) return false;
    const [a, b] = this.#factors.map((factor) => this.#value(scope, factor, u, valid));
    this.#reducer!.multiplyAdd(u, a, b);
    return true;
  }

  /** Sizes of the reduced loops: the one at level i, and the product of those inside it. */
  #innerSteps(i: number): { size: number; inside: number; outside: number } {
    const { plan, kernel } = this;
    const sizes = plan.inner.map((d) => kernel.dims[d]);
    if (plan.kind === "inner") {
      const along = plan.across === null ? plan.unroll : 1;
      sizes.push(Math.ceil(kernel.dims[plan.vector] / (this.lanes * along)));
    }
    return {
      size: sizes[i],
      inside: product(sizes.slice(i + 1)),
      outside: product(sizes.slice(0, i)),
    };
  }

  #key(node: number, u: number): string {
    return `${node} ${this.#varies[node] ? u : 0}`;
  }

  /** Computes the nodes that vary first at this level. */
  #emitLevel(
    scope: Scope,
    level: number,
    nodes: readonly number[],
    unroll = 1,
    valid: number = this.lanes,
  ): void {
    for (const node of nodes) {
      if (this.#levels[node] !== level) continue;
      // The product is part of the sum.
      if (this.#factors !== null && node === this.kernel.body.length - 1) continue;
      const copies = this.#varies[node] ? unroll : 1;
      const instruction = this.nodes[node]!;
      if (
        instruction.op === "load" && copies === this.lanes && valid === this.lanes &&
        isTurned(instruction.view, this.plan)
      ) {
        const { view, dtype } = instruction;
        loadTurned(this.#cursors, scope, view, dtype).forEach((local, u) => {
          scope.values.set(this.#key(node, u), local);
        });
        continue;
      }
      // Long chains of dependent instructions run side by side, so that the processor need not look far ahead.
      this.f.weave(
        Array.from({ length: copies }, (_, u) => (cut) => {
          this.#value(scope, node, u, valid, cut);
        }),
      );
      this.#emitUnusual();
    }
  }

  /** Computes anew what a shorter form is not right for, all copies of a step as it is rare. */
  #emitUnusual(): void {
    const { f } = this;
    const vectors = this.#unusual.splice(0);
    if (vectors.length === 0) return;
    vectors.flatMap(({ masks }) => masks).forEach((mask, i) => {
      f.get(mask);
      if (i > 0) f.op("v128.and");
    });
    f.op("i32x4.bitmask").i32(0b1111).op("i32.ne").if_(() => {
      for (const { node, operands, local } of vectors) {
        const { op, dtype } = this.nodes[node]!;
        emitOperation(this.module, f, op, dtype, operands, this.lanes, this.style);
        f.set(local);
      }
    });
  }

  /** The value of a node in copy u, computed here unless it is known. */
  #value(scope: Scope, node: number, u: number, valid: number, pause?: () => void): Local {
    const key = this.#key(node, u);
    const known = scope.value(key);
    if (known !== undefined) return known;
    const instruction = this.nodes[node]!;
    const { f } = this;
    const operands = argumentsOf(instruction).map((arg) => ({
      local: this.#value(scope, arg, u, valid),
      dtype: this.#dtypes[arg],
      constant: constantOf(this.nodes[arg]),
    }));
    const local = f.local("v128");
    const masks: Local[] = [];
    switch (instruction.op) {
      case "constant":
        pushConstant(f, instruction.dtype, instruction.value);
        break;
      case "load":
        pushLoad(this.#cursors, scope, instruction.view, instruction.dtype, u, valid);
        break;
      case "loadIndexed":
        pushIndexedLoad(
          this.#cursors,
          scope,
          instruction,
          operands[0].local,
          operands[0].dtype,
          u,
          valid,
        );
        break;
      case "index":
        this.#cursors.pushIndex(scope, `index${node}`, u);
        if (instruction.dtype === "float32") f.op("f32x4.convert_i32x4_s");
        else if (instruction.dtype === "float64") f.op("f64x2.convert_low_i32x4_s");
        else if (instruction.dtype === "bool") f.i32x4Splat(0).op("i32x4.ne");
        break;
      default:
        emitOperation(
          this.module,
          f,
          instruction.op,
          instruction.dtype,
          operands,
          this.lanes,
          // Only whole vectors are worth code in place.
          {
            ...this.style,
            ...(valid !== this.lanes
              ? { pool: null }
              : pause === undefined
              ? {}
              : { pause, expect: (usual) => void masks.push(usual) }),
          },
        );
    }
    f.set(local);
    if (masks.length > 0) this.#unusual.push({ masks, node, operands, local });
    scope.values.set(key, local);
    return local;
  }
}

/** The factors of a product that a kernel sums, and uses nowhere else. */
function factorsOf({ body, epilogue }: LoopKernel): readonly [number, number] | null {
  const root = body.length - 1;
  const product = body[root];
  if (product.op !== "mul") return null;
  if (product.dtype !== "float32" && product.dtype !== "float64") return null;
  if (epilogue.some((node) => argumentsOf(node).includes(root))) return null;
  return [product.args[0], product.args[1]];
}

/** The value of a constant instruction. */
function constantOf(node: Instruction | null): number | undefined {
  return node !== null && node.op === "constant" ? node.value : undefined;
}
