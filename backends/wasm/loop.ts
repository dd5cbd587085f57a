/**
 * Code for loop kernels: vectorized nested loops around a fused body, with reductions.
 *
 * @module
 */
import type { DType } from "../../lib/base/dtype.ts";
import type { Instruction, LoopKernel, View } from "../../lib/compiler/kernel.ts";
import { storageBytes } from "../../lib/compiler/kernel.ts";
import {
  FunctionBuilder,
  type FunctionReference,
  type Local,
  type ModuleBuilder,
} from "./assembler.ts";
import {
  argumentsOf,
  mapInstruction,
  normalize,
  product,
  reachable,
  renumber,
  scratchBuffer,
  stridesOf,
} from "./loop_normalize.ts";
import {
  emitOperation,
  type LaneCount,
  neededFunction,
  pushConstant,
  wantsConstants,
} from "./loop_operations.ts";
import { type LoopPlan, overlappingDims, planLoop, taskWork } from "./loop_plan.ts";
import { ConstantPool } from "./math_lanes.ts";
import { Reducer } from "./loop_reduce.ts";
import { type EmittedKernel, nothing, runParameters } from "./loop_interface.ts";

/** Sizes from which a reduction to few elements runs in two phases. */
const splitWork = 4 * taskWork;
/** The most pieces that it is cut into. */
const mostPieces = 64;

/** The code for a loop kernel. */
export function emitLoop(module: ModuleBuilder, kernel: LoopKernel): EmittedKernel {
  const normal = normalize(kernel);
  if (normal === null) return nothing;
  const split = splitReduction(normal);
  if (split === null) {
    const tiles = tileTranspose(normal);
    const { run, tasks } = tiles === null ? emitOne(module, normal) : joinTasks(
      module,
      tiles.map((tile) => emitOne(module, tile, tile.dims.length - 1)),
    );
    return { phases: [{ run, tasks }], sharedScratchBytes: 0, threadScratchBytes: 0 };
  }
  const pieces = split.pieces.map((piece) => emitOne(module, normalize(piece)!));
  const final = emitOne(module, normalize(split.final)!);
  return {
    phases: [joinTasks(module, pieces), final],
    sharedScratchBytes: split.bytes,
    threadScratchBytes: 0,
  };
}

/** One function that does the tasks of several, numbered through. */
function joinTasks(
  module: ModuleBuilder,
  parts: readonly { run: FunctionReference; tasks: number }[],
): { run: FunctionReference; tasks: number } {
  if (parts.length === 1) return parts[0];
  const tasks = parts.reduce((sum, part) => sum + part.tasks, 0);
  const run = module.addFunction("pieces", runParameters, [], (f) => {
    const [begin, end] = [f.parameter(3), f.parameter(4)];
    let first = 0;
    for (const part of parts) {
      const low = f.local("i32");
      const high = f.local("i32");
      // Both ends relative to the part and held inside it.
      for (const [from, to] of [[begin, low], [end, high]] as const) {
        f.get(from).i32(first).op("i32.sub").set(to);
        f.i32(0).get(to).get(to).i32(0).op("i32.lt_s").select().set(to);
        f.i32(part.tasks).get(to).get(to).i32(part.tasks).op("i32.gt_s").select().set(to);
      }
      f.get(low).get(high).op("i32.lt_s").if_(() => {
        f.get(f.parameter(0)).get(f.parameter(1)).get(f.parameter(2)).get(low).get(high);
        f.call(part.run);
      });
      first += part.tasks;
    }
  });
  return { run, tasks };
}

/**
 * A large reduction to few elements as reductions of pieces of one of its dims into scratch memory, and a reduction of
 * their results. The pieces depend on the sizes alone. Null where one phase will do.
 */
function splitReduction(
  kernel: LoopKernel,
): { pieces: LoopKernel[]; final: LoopKernel; bytes: number } | null {
  const { reduce, dims, outerRank } = kernel;
  if (reduce === null || reduce === "argmax" || reduce === "argmin") return null;
  const results = product(dims.slice(0, outerRank));
  const total = product(dims);
  const reduced = total / results;
  if (total < splitWork || reduced < taskWork / 4 || results * taskWork > total) return null;
  // The largest reduced dim.
  let d = outerRank;
  for (let i = outerRank; i < dims.length; i++) if (dims[i] > dims[d]) d = i;
  const wanted = Math.min(mostPieces, Math.ceil(total / taskWork), dims[d]);
  const length = Math.ceil(dims[d] / wanted);
  const whole = Math.floor(dims[d] / length);
  const rest = dims[d] - whole * length;
  const count = whole + (rest > 0 ? 1 : 0);
  if (count < 2) return null;
  const dtype = kernel.body[kernel.body.length - 1].dtype;
  // Scratch is [results…, count], row-major.
  const strides: number[] = new Array(outerRank).fill(0);
  let stride = count;
  for (let i = outerRank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= dims[i];
  }
  const piece = (first: number, repeat: number, size: number): LoopKernel => {
    const offset = first * length;
    const map = (s: readonly number[]) => [
      ...s.slice(0, outerRank),
      s[d] * length,
      ...s.slice(outerRank),
    ];
    const sizes = dims.map((n, i) => i === d ? size : n);
    return {
      ...kernel,
      dims: [...sizes.slice(0, outerRank), repeat, ...sizes.slice(outerRank)],
      outerRank: outerRank + 1,
      body: kernel.body.map((i) => mapInstruction(i, map, (s) => s[d] * offset)),
      epilogue: [],
      out: { buffer: scratchBuffer, offset: first, strides: [...strides, 1] },
      mode: "set",
      dtype,
    };
  };
  const pieces = [piece(0, whole, length)];
  if (rest > 0) pieces.push(piece(whole, 1, rest));
  // The final body has what the epilogue uses of the old body, then the load of a partial result.
  const n = kernel.body.length;
  const nodes = [...kernel.body, null, ...kernel.epilogue];
  const roots = kernel.epilogue.length > 0 ? [nodes.length - 1] : [];
  const kept = reachable(nodes, roots).filter((i) => i < n);
  const number = (i: number) => i < n ? kept.indexOf(i) : i - n + kept.length + 1;
  const map = (s: readonly number[]) => [...s.slice(0, outerRank), 0];
  const body: Instruction[] = kept.map((i) =>
    mapInstruction(renumber(kernel.body[i], number), map)
  );
  body.push({
    op: "load",
    dtype,
    view: { buffer: scratchBuffer, offset: 0, strides: [...strides, 1] },
  });
  // The reduced value's number is body.length, one after the load.
  const final: LoopKernel = {
    ...kernel,
    dims: [...dims.slice(0, outerRank), count],
    body,
    epilogue: kernel.epilogue.map((i) => mapInstruction(renumber(i, number), map)),
  };
  return { pieces, final, bytes: stride * storageBytes(dtype) };
}

/** Elements of the vector dim in one tile of a transposition: a cache line or two. */
const tileWidth = 16;

/**
 * A large elementwise kernel whose result is contiguous along one dim and some load along another, cut into narrow tiles:
 * within a tile the lines that the load touches stay in the cache until all of their elements are used. Null where that
 * does not apply.
 */
function tileTranspose(kernel: LoopKernel): LoopKernel[] | null {
  const { dims, out } = kernel;
  if (kernel.reduce !== null || product(dims) < 2 * taskWork) return null;
  if (overlappingDims(kernel).size > 0) return null;
  const v = out.strides.indexOf(1);
  if (v < 0 || dims[v] < 2 * tileWidth) return null;
  let m = -1;
  for (const instruction of kernel.body) {
    if (instruction.op !== "load" || Math.abs(instruction.view.strides[v]) < tileWidth) continue;
    const unit = instruction.view.strides.findIndex((stride) => Math.abs(stride) === 1);
    if (unit >= 0 && unit !== v && dims[unit] >= tileWidth) m = unit;
  }
  if (m < 0) return null;
  const others = dims.map((_, d) => d).filter((d) => d !== v && d !== m);
  const count = Math.floor(dims[v] / tileWidth);
  const tile = (first: number, repeat: number, width: number): LoopKernel => {
    const map = (s: readonly number[]) => [
      ...others.map((d) => s[d]),
      s[v] * tileWidth,
      s[m],
      s[v],
    ];
    const offset = first * tileWidth;
    return {
      ...kernel,
      dims: [...others.map((d) => dims[d]), repeat, dims[m], width],
      outerRank: dims.length + 1,
      body: kernel.body.map((i) => mapInstruction(i, map, (s) => s[v] * offset)),
      out: { ...out, offset: out.offset + offset, strides: map(out.strides) },
    };
  };
  const tiles = [tile(0, count, tileWidth)];
  const rest = dims[v] - count * tileWidth;
  if (rest > 0) tiles.push(tile(count, 1, rest));
  return tiles;
}

/** A normalized kernel as one function; the vector dim may be given. */
function emitOne(
  module: ModuleBuilder,
  kernel: LoopKernel,
  vector: number | null = null,
): { run: FunctionReference; tasks: number } {
  const nodes: (Instruction | null)[] = [...kernel.body];
  if (kernel.reduce !== null) nodes.push(null, ...kernel.epilogue);
  const bodyNodes = reachable(nodes, [kernel.body.length - 1]);
  const plan = planLoop(kernel, nodes, bodyNodes, vector);
  // Functions that the body calls come first.
  for (const node of nodes) {
    if (node !== null && "args" in node) neededFunction(module, node.op, node.dtype);
  }
  const run = module.addFunction("loop", runParameters, [], (f) => {
    const pooled = nodes.some((node) => node !== null && wantsConstants(node.op, node.dtype));
    const pool = pooled ? new ConstantPool() : null;
    if (pool !== null) {
      const dry = new FunctionBuilder(f.reference);
      new LoopEmitter(module, dry, kernel, nodes, bodyNodes, plan, pool).emit();
      pool.define(f);
    }
    new LoopEmitter(module, f, kernel, nodes, bodyNodes, plan, pool).emit();
  });
  return { run, tasks: plan.tasks };
}

/** What is known at a place in the code: values and addresses by name; looked up outwards. */
class Scope {
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
interface Cursor {
  readonly key: string;
  readonly strides: readonly number[];
  readonly start: number;
  readonly buffer: number | null;
}

/** Writes the function of one kernel. */
class LoopEmitter {
  readonly lanes: LaneCount;
  readonly #cursors = new Map<string, Cursor>();
  readonly #levels: number[] = [];
  readonly #onVector: boolean[] = [];
  readonly #dtypes: DType[] = [];
  /** The level at which a dim's loop stands. */
  readonly #dimLevel: number[] = [];
  readonly #reducer: Reducer | null;
  readonly #resultNode: number;

  constructor(
    readonly module: ModuleBuilder,
    readonly f: FunctionBuilder,
    readonly kernel: LoopKernel,
    readonly nodes: readonly (Instruction | null)[],
    readonly bodyNodes: readonly number[],
    readonly plan: LoopPlan,
    readonly pool: ConstantPool | null,
  ) {
    this.lanes = plan.lanes;
    this.#resultNode = kernel.body.length;
    for (const d of plan.prefix) this.#dimLevel[d] = 1;
    let level = 2;
    if (plan.kind !== "inner" && plan.vector >= 0) this.#dimLevel[plan.vector] = level++;
    for (const d of plan.inner) this.#dimLevel[d] = level++;
    if (plan.kind === "inner") this.#dimLevel[plan.vector] = level++;
    const argument = kernel.reduce === "argmax" || kernel.reduce === "argmin";
    const bodyType = kernel.body[kernel.body.length - 1].dtype;
    nodes.forEach((node, i) => {
      if (node === null) {
        this.#levels[i] = 0;
        this.#onVector[i] = plan.kind === "outer";
        this.#dtypes[i] = argument ? "int32" : bodyType;
        return;
      }
      this.#dtypes[i] = node.dtype;
      const strides = stridesOf(node) ?? [];
      let nodeLevel = 0;
      let onVector = false;
      strides.forEach((stride, d) => {
        if (stride === 0) return;
        nodeLevel = Math.max(nodeLevel, this.#dimLevel[d]);
        if (d === plan.vector) onVector = true;
      });
      for (const arg of argumentsOf(node)) {
        nodeLevel = Math.max(nodeLevel, this.#levels[arg]);
        onVector ||= this.#onVector[arg];
      }
      this.#levels[i] = nodeLevel;
      this.#onVector[i] = onVector;
    });
    this.#reducer = kernel.reduce === null
      ? null
      : new Reducer(f, kernel.reduce, bodyType, this.lanes, plan.kind === "inner", plan.unroll);
    const used = reachable(
      nodes,
      kernel.epilogue.length > 0 && kernel.reduce !== null
        ? [kernel.body.length - 1, nodes.length - 1]
        : [kernel.body.length - 1],
    );
    for (const i of used) {
      const node = nodes[i];
      if (node === null) continue;
      if (node.op === "load" || node.op === "loadIndexed") this.#addView(node.view, node.dtype);
      else if (node.op === "index") {
        const key = `index${i}`;
        this.#cursors.set(key, {
          key,
          strides: node.strides,
          start: node.offset,
          buffer: null,
        });
      }
    }
    this.#addView(kernel.out, kernel.dtype);
    if (argument) {
      const strides = kernel.dims.map((_, d) => d >= kernel.outerRank ? 1 : 0);
      this.#cursors.set("position", { key: "position", strides, start: 0, buffer: null });
    }
  }

  #addView(view: View, dtype: DType): void {
    const key = viewKey(view, dtype);
    const bytes = storageBytes(dtype);
    this.#cursors.set(key, {
      key,
      strides: view.strides.map((stride) => stride * bytes),
      start: view.offset * bytes,
      buffer: view.buffer,
    });
  }

  /** The whole function. */
  emit(): void {
    const { f, plan } = this;
    const [begin, end] = [f.parameter(3), f.parameter(4)];
    const top = new Scope(null);
    for (const cursor of this.#cursors.values()) {
      const local = f.local("i32");
      this.#pushBase(cursor);
      f.set(local);
      top.addresses.set(cursor.key, local);
    }
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
          this.#enterPrefix(scope, top, flat);
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
    const counters = this.#enterPrefix(scope, top, flat);
    f.block((done) => {
      f.loop((again) => {
        f.get(flat).get(last).op("i32.ge_s").brIf(done);
        const row = new Scope(scope);
        this.#emitLevel(row, 1, this.bodyNodes);
        this.#emitRow(row, null);
        f.get(flat).i32(1).op("i32.add").set(flat);
        this.#advance(scope, counters, plan.prefix.length - 1, again);
        f.br(again);
      });
    });
  }

  #pushBase(cursor: Cursor): void {
    const { f } = this;
    if (cursor.buffer === null) {
      f.i32(cursor.start | 0);
      return;
    }
    if (cursor.buffer === scratchBuffer) f.get(f.parameter(1));
    else f.get(f.parameter(0)).load("i32.load", 4 * cursor.buffer);
    if (cursor.start !== 0) f.i32(cursor.start).op("i32.add");
  }

  /** Cursors at an index of the flattened prefix; returns the counters of its dims. */
  #enterPrefix(scope: Scope, from: Scope, flat: Local): Local[] {
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
        f.get(local).get(counter).i32(cursor.strides[d]).op("i32.mul").op("i32.add").set(local);
      }
    }
    return counters;
  }

  /** Steps the prefix's counter i, and carries into the one before it. */
  #advance(
    scope: Scope,
    counters: readonly Local[],
    i: number,
    again: Parameters<FunctionBuilder["br"]>[0],
  ): void {
    const { f, plan } = this;
    const d = plan.prefix[i];
    const move = (factor: number) => {
      for (const cursor of this.#cursors.values()) {
        const stride = cursor.strides[d];
        if (stride === 0 || stride === undefined) continue;
        const local = scope.address(cursor.key);
        f.get(local).i32(stride * factor).op("i32.add").set(local);
      }
    };
    move(1);
    if (i === 0) return;
    const size = this.kernel.dims[d];
    f.get(counters[i]).i32(1).op("i32.add").tee(counters[i]).i32(size).op("i32.lt_s").brIf(again);
    f.i32(0).set(counters[i]);
    move(-size);
    this.#advance(scope, counters, i - 1, again);
  }

  /** Everything at one index of the prefix; `range` are the first and last element of the vector dim, if it is cut. */
  #emitRow(scope: Scope, range: { first: Local; last: Local } | null): void {
    const { plan } = this;
    if (plan.kind === "inner") {
      this.#reducer!.start();
      this.#emitReduced(scope, 0, 1, this.lanes);
      this.#reducer!.finish();
      this.#finishResult(new Scope(scope), 1, 1);
      return;
    }
    if (plan.vector < 0) {
      const inside = new Scope(scope);
      this.#emitPoint(inside, 1, 1);
      return;
    }
    this.#emitVectorLoop(scope, range, plan.unroll, (inside, unroll, valid) => {
      this.#emitLevel(inside, 2, this.bodyNodes, unroll, valid);
      this.#emitPoint(inside, unroll, valid);
    });
  }

  /** A point of the result: the value, or the reduction and the value, for `unroll` vectors, and the store. */
  #emitPoint(scope: Scope, unroll: number, valid: number): void {
    if (this.#reducer === null) {
      for (let u = 0; u < unroll; u++) {
        this.#store(scope, this.#value(scope, this.kernel.body.length - 1, u, valid), u, valid);
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
      this.#store(scope, this.#value(scope, root, u, valid), u, valid);
    }
  }

  /** The loops over the reduced dims from number i on. */
  #emitReduced(scope: Scope, i: number, unroll: number, valid: number): void {
    const { f, plan } = this;
    const reducer = this.#reducer!;
    const root = this.kernel.body.length - 1;
    if (i === plan.inner.length) {
      if (plan.kind === "inner") {
        this.#emitVectorLoop(scope, null, plan.unroll, (inside, unroll, valid) => {
          this.#emitLevel(inside, this.#dimLevel[plan.vector], this.bodyNodes, unroll, valid);
          for (let u = 0; u < unroll; u++) {
            reducer.combine(u, this.#value(inside, root, u, valid), valid, () => {
              this.#pushIndex(inside, "position", u);
            });
          }
        }, reducer.steps(this.#innerSteps(plan.inner.length)));
      } else {
        for (let u = 0; u < unroll; u++) {
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
    const moving = this.#copyCursors(inside, scope, d);
    const counter = f.local("i32");
    const step = reducer.steps(this.#innerSteps(i));
    const body = (limit: () => void) => {
      f.loop((again) => {
        const point = new Scope(inside);
        this.#emitLevel(point, this.#dimLevel[d], this.bodyNodes, unroll, valid);
        this.#emitReduced(point, i + 1, unroll, valid);
        this.#move(inside, moving, d, 1);
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

  /** Sizes of the reduced loops: the one at level i, and the product of those inside it. */
  #innerSteps(i: number): { size: number; inside: number; outside: number } {
    const { plan, kernel } = this;
    const sizes = plan.inner.map((d) => kernel.dims[d]);
    if (plan.kind === "inner") {
      sizes.push(Math.ceil(kernel.dims[plan.vector] / (this.lanes * plan.unroll)));
    }
    return {
      size: sizes[i],
      inside: product(sizes.slice(i + 1)),
      outside: product(sizes.slice(0, i)),
    };
  }

  /** New locals for the cursors that move along a dim. */
  #copyCursors(scope: Scope, from: Scope, d: number): Cursor[] {
    const moving = [...this.#cursors.values()].filter((cursor) => (cursor.strides[d] ?? 0) !== 0);
    for (const cursor of moving) {
      const local = this.f.local("i32");
      this.f.get(from.address(cursor.key)).set(local);
      scope.addresses.set(cursor.key, local);
    }
    return moving;
  }

  /** Moves cursors along a dim. */
  #move(scope: Scope, moving: readonly Cursor[], d: number, steps: number): void {
    for (const cursor of moving) {
      const local = scope.address(cursor.key);
      this.f.get(local).i32(cursor.strides[d] * steps).op("i32.add").set(local);
    }
  }

  /**
   * The loop over the vector dim: steps of several vectors, then single vectors, then the rest of a vector. `body` gets
   * how many vectors it does and how many lanes of them count. `flushEvery` is a number of steps after which the
   * reducer flushes.
   */
  #emitVectorLoop(
    scope: Scope,
    range: { first: Local; last: Local } | null,
    unroll: number,
    body: (scope: Scope, unroll: number, valid: number) => void,
    flushEvery: number | null = null,
  ): void {
    const { f, lanes } = this;
    const d = this.plan.vector;
    const size = this.kernel.dims[d];
    const inside = new Scope(scope);
    const moving = this.#copyCursors(inside, scope, d);
    const counter = f.local("i32");
    if (range === null) f.i32(0).set(counter);
    else {
      f.get(range.first).set(counter);
      for (const cursor of moving) {
        const local = inside.address(cursor.key);
        f.get(local).get(range.first).i32(cursor.strides[d]).op("i32.mul").op("i32.add").set(local);
      }
    }
    const step = (count: number) => {
      body(new Scope(inside), count, lanes);
      this.#move(inside, moving, d, count * lanes);
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
    else if (unroll > 1 && size >= width) {
      const runs = Math.floor(size / width);
      if (flushEvery !== null && flushEvery < runs) {
        const limit = f.local("i32");
        const whole = runs * width;
        f.loop((again) => {
          f.get(counter).i32(flushEvery * width).op("i32.add").set(limit);
          f.i32(whole).get(limit).get(limit).i32(whole).op("i32.gt_s").select().set(limit);
          steps(unroll, () => f.get(limit), true);
          this.#reducer!.flush();
          f.get(counter).i32(whole).op("i32.lt_s").brIf(again);
        });
      } else steps(unroll, pushSize, range === null);
      const left = Math.floor((size % width) / lanes);
      if (left === 1 && range === null) step(1);
      else if (left > 0) steps(1, pushSize, range === null);
    } else if (size >= lanes) steps(1, pushSize, range === null);
    const rest = size % lanes;
    if (rest > 0) {
      const partial = () => body(new Scope(inside), 1, rest);
      if (range === null) partial();
      else f.get(range.last).i32(size).op("i32.eq").if_(partial);
    }
    if (flushEvery !== null) this.#reducer!.flush();
  }

  #key(node: number, u: number): string {
    return `${node} ${this.#onVector[node] ? u : 0}`;
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
      for (let u = 0; u < (this.#onVector[node] ? unroll : 1); u++) {
        this.#value(scope, node, u, valid);
      }
    }
  }

  /** The value of a node in copy u, computed here unless it is known. */
  #value(scope: Scope, node: number, u: number, valid: number): Local {
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
    switch (instruction.op) {
      case "constant":
        pushConstant(f, instruction.dtype, instruction.value);
        break;
      case "load":
        this.#pushLoad(scope, instruction.view, instruction.dtype, u, valid);
        break;
      case "loadIndexed":
        this.#pushIndexedLoad(scope, instruction, operands[0].local, operands[0].dtype, u, valid);
        break;
      case "index":
        this.#pushIndex(scope, `index${node}`, u);
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
          valid === this.lanes ? this.pool : null,
        );
    }
    f.set(local);
    scope.values.set(key, local);
    return local;
  }

  /** The value of a cursor that counts, in every lane. */
  #pushIndex(scope: Scope, key: string, u: number): void {
    const { f, plan, lanes } = this;
    f.get(scope.address(key)).op("i32x4.splat");
    const stride = plan.vector < 0 ? 0 : this.#cursors.get(key)!.strides[plan.vector] ?? 0;
    if (stride === 0) return;
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < 4; i++) view.setInt32(4 * i, stride * (u * lanes + i), true);
    f.v128Const(bytes).op("i32x4.add");
  }

  /** Pushes a view's address plus `bytes`, and returns what is left to give as a static offset. */
  #pushAddress(scope: Scope, key: string, bytes: number): number {
    const { f } = this;
    f.get(scope.address(key));
    if (bytes >= 0) return bytes;
    f.i32(bytes).op("i32.add");
    return 0;
  }

  #pushLoad(scope: Scope, view: View, dtype: DType, u: number, valid: number): void {
    const { f, lanes, plan } = this;
    const key = viewKey(view, dtype);
    const bytes = storageBytes(dtype);
    const wide = bytes === 8;
    const stride = plan.vector < 0 ? 0 : view.strides[plan.vector] ?? 0;
    const at = u * lanes * stride * bytes;
    if (stride === 0) {
      f.load(wide ? "v128.load64_splat" : "v128.load32_splat", this.#pushAddress(scope, key, 0));
    } else if (stride === 1 && valid === lanes) {
      const offset = this.#pushAddress(scope, key, at);
      f.load(wide || lanes === 4 ? "v128.load" : "v128.load64_zero", offset);
    } else if (stride === -1 && lanes === 4 && valid === 4) {
      f.load("v128.load", this.#pushAddress(scope, key, at - 12));
      const reversed = f.local("v128");
      f.tee(reversed).get(reversed).shuffle32([3, 2, 1, 0]);
    } else {
      f.load(wide ? "v128.load64_zero" : "v128.load32_zero", this.#pushAddress(scope, key, at));
      const vector = f.local("v128");
      for (let lane = 1; lane < valid; lane++) {
        f.set(vector);
        const offset = this.#pushAddress(scope, key, at + lane * stride * bytes);
        f.get(vector).loadLane(wide ? "v128.load64_lane" : "v128.load32_lane", lane, offset);
      }
    }
    if (dtype === "bool") f.op("i32x4.neg");
  }

  #pushIndexedLoad(
    scope: Scope,
    instruction: Extract<Instruction, { op: "loadIndexed" }>,
    index: Local,
    indexType: DType,
    u: number,
    valid: number,
  ): void {
    const { f, lanes, plan } = this;
    const { view, dtype, indexStride, indexSize } = instruction;
    const key = viewKey(view, dtype);
    const bytes = storageBytes(dtype);
    const wide = bytes === 8;
    const stride = plan.vector < 0 ? 0 : view.strides[plan.vector] ?? 0;
    // Byte offsets of the clamped indices.
    const offsets = f.local("v128");
    f.get(index);
    if (indexType === "uint32") f.i32x4Splat(indexSize - 1).op("i32x4.min_u");
    else {
      f.i32x4Splat(indexSize - 1).op("i32x4.min_s").i32x4Splat(0).op("i32x4.max_s");
    }
    f.i32x4Splat(indexStride * bytes).op("i32x4.mul").set(offsets);
    const vector = f.local("v128");
    for (let lane = 0; lane < valid; lane++) {
      f.get(scope.address(key)).get(offsets).lane("i32x4.extract_lane", lane).op("i32.add");
      const at = (u * lanes + lane) * stride * bytes;
      if (at < 0) f.i32(at).op("i32.add");
      const offset = Math.max(at, 0);
      if (lane === 0) f.load(wide ? "v128.load64_zero" : "v128.load32_zero", offset);
      else {
        f.get(vector).loadLane(wide ? "v128.load64_lane" : "v128.load32_lane", lane, offset);
      }
      f.set(vector);
    }
    f.get(vector);
    if (dtype === "bool") f.op("i32x4.neg");
  }

  /** Stores (or adds) a vector at copy u of the result's place; only `valid` lanes of it. */
  #store(scope: Scope, value: Local, u: number, valid: number): void {
    const { f, lanes, plan, kernel } = this;
    const { out, dtype } = kernel;
    const key = viewKey(out, dtype);
    const bytes = storageBytes(dtype);
    const wide = bytes === 8;
    const single = plan.vector < 0 || plan.kind === "inner";
    const stride = single ? 0 : out.strides[plan.vector];
    const count = single ? 1 : valid;
    const at = u * lanes * stride * bytes;
    const result = f.local("v128");
    f.get(value);
    if (kernel.mode === "add") {
      this.#pushLoadAt(scope, key, stride, dtype, at, count);
      if (dtype === "bool") f.op("v128.or");
      else if (dtype === "float32") f.op("f32x4.add");
      else if (dtype === "float64") f.op("f64x2.add");
      else f.op("i32x4.add");
    }
    if (dtype === "bool") f.op("i32x4.neg");
    f.set(result);
    if (stride === 1 && count === lanes) {
      const offset = this.#pushAddress(scope, key, at);
      f.get(result);
      if (wide || lanes === 4) f.store("v128.store", offset);
      else f.storeLane("v128.store64_lane", 0, offset);
      return;
    }
    for (let lane = 0; lane < count; lane++) {
      const offset = this.#pushAddress(scope, key, at + lane * stride * bytes);
      f.get(result).storeLane(wide ? "v128.store64_lane" : "v128.store32_lane", lane, offset);
    }
  }

  /** Loads what stands at the result's place. */
  #pushLoadAt(
    scope: Scope,
    key: string,
    stride: number,
    dtype: DType,
    at: number,
    count: number,
  ): void {
    const { f, lanes } = this;
    const bytes = storageBytes(dtype);
    const wide = bytes === 8;
    if (stride === 1 && count === lanes) {
      f.load(
        wide || lanes === 4 ? "v128.load" : "v128.load64_zero",
        this.#pushAddress(scope, key, at),
      );
    } else {
      const vector = f.local("v128");
      f.load(wide ? "v128.load64_zero" : "v128.load32_zero", this.#pushAddress(scope, key, at));
      for (let lane = 1; lane < count; lane++) {
        f.set(vector);
        const offset = this.#pushAddress(scope, key, at + lane * stride * bytes);
        f.get(vector).loadLane(wide ? "v128.load64_lane" : "v128.load32_lane", lane, offset);
      }
    }
    if (dtype === "bool") f.op("i32x4.neg");
  }
}

/** Names a view, so that equal ones share an address. */
function viewKey(view: View, dtype: DType): string {
  return `${view.buffer} ${view.offset} ${storageBytes(dtype)} ${view.strides.join()}`;
}

/** The value of a constant instruction. */
function constantOf(node: Instruction | null): number | undefined {
  return node !== null && node.op === "constant" ? node.value : undefined;
}
