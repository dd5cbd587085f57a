/**
 * The values of a loop kernel's instructions.
 *
 * Every instruction is emitted at the outermost loop in which it varies: so what a loop does not change is computed before
 * it.
 *
 * @module
 */
import type { DType } from "../../lib/base/dtype.ts";
import type { Instruction, LoopKernel } from "../../lib/compiler/kernel.ts";
import type { Local, ModuleBuilder } from "./assembler.ts";
import type { Cursors, Scope } from "./loop_cursors.ts";
import { isTurned, loadTurned, pushIndexedLoad, pushLoad } from "./loop_memory.ts";
import { argumentsOf, stridesOf } from "./loop_normalize.ts";
import { emitOperation, type Operand, pushConstant } from "./loop_operations.ts";
import type { LoopPlan } from "./loop_plan.ts";
import type { LaneStyle } from "./math_lanes.ts";

/** A vector whose value holds where all lanes of its masks are set. */
interface Unusual {
  readonly masks: readonly Local[];
  readonly node: number;
  readonly operands: readonly Operand[];
  readonly local: Local;
}

/** The values of one kernel's instructions, each in as many copies as a step has vectors, or in one if these are the same. */
export class Values {
  /** For each dim, the level at which its loop stands. */
  readonly dimLevels: readonly number[];
  /** The factors of the body's value where a sum takes it as fused multiply-adds, else null. */
  readonly factors: readonly [number, number] | null;
  readonly #levels: number[] = [];
  /** Whether the copies of a step differ. */
  readonly #varies: boolean[] = [];
  readonly #dtypes: DType[] = [];
  /** Vectors by a form that is right for the lanes of some masks only. */
  readonly #unusual: Unusual[] = [];

  constructor(
    readonly module: ModuleBuilder,
    readonly cursors: Cursors,
    /** The instructions of body and epilogue, with a null for the reduced value. */
    readonly nodes: readonly (Instruction | null)[],
    /** Those that the body's value needs. */
    readonly bodyNodes: readonly number[],
    readonly style: LaneStyle,
  ) {
    const { kernel, plan } = cursors;
    this.dimLevels = levelsOf(plan);
    nodes.forEach((node, i) => {
      if (node === null) {
        this.#levels[i] = 0;
        this.#varies[i] = plan.kind === "outer" || plan.across !== null;
        const argument = kernel.reduce === "argmax" || kernel.reduce === "argmin";
        this.#dtypes[i] = argument ? "int32" : kernel.body[kernel.body.length - 1].dtype;
        return;
      }
      this.#dtypes[i] = node.dtype;
      const strides = stridesOf(node) ?? [];
      let nodeLevel = 0;
      let varies = false;
      strides.forEach((stride, d) => {
        if (stride === 0) return;
        nodeLevel = Math.max(nodeLevel, this.dimLevels[d]);
        if (d === (plan.across ?? plan.vector)) varies = true;
      });
      for (const arg of argumentsOf(node)) {
        nodeLevel = Math.max(nodeLevel, this.#levels[arg]);
        varies ||= this.#varies[arg];
      }
      this.#levels[i] = nodeLevel;
      this.#varies[i] = varies;
    });
    this.factors = style.fused && kernel.reduce === "sum" ? factorsOf(kernel) : null;
  }

  /** Gives a node's value in copy u, computed elsewhere. */
  define(scope: Scope, node: number, u: number, local: Local): void {
    scope.values.set(this.#key(node, u), local);
  }

  /** Computes the nodes that vary first at this level. */
  emitLevel(
    scope: Scope,
    level: number,
    unroll = 1,
    valid: number = this.cursors.plan.lanes,
  ): void {
    const { f, kernel, plan } = this.cursors;
    for (const node of this.bodyNodes) {
      if (this.#levels[node] !== level) continue;
      // The product is part of the sum.
      if (this.factors !== null && node === kernel.body.length - 1) continue;
      const copies = this.#varies[node] ? unroll : 1;
      const instruction = this.nodes[node]!;
      if (
        instruction.op === "load" && copies === plan.lanes && valid === plan.lanes &&
        isTurned(instruction.view, plan)
      ) {
        const { view, dtype } = instruction;
        loadTurned(this.cursors, scope, view, dtype).forEach((local, u) => {
          this.define(scope, node, u, local);
        });
        continue;
      }
      // Long chains of dependent instructions run side by side, so that the processor need not look far ahead.
      f.weave(
        Array.from({ length: copies }, (_, u) => (cut) => {
          this.value(scope, node, u, valid, cut);
        }),
      );
      this.#emitUnusual();
    }
  }

  /** Computes what is loaded at this level and the same in all copies of a step. */
  emitSharedLoads(scope: Scope, level: number): void {
    for (const node of this.bodyNodes) {
      if (this.#levels[node] !== level || this.#varies[node]) continue;
      if (this.nodes[node]!.op === "load") this.value(scope, node, 0, this.cursors.plan.lanes);
    }
  }

  /** Computes anew what a shorter form is not right for, all copies of a step as it is rare. */
  #emitUnusual(): void {
    const { f, plan } = this.cursors;
    const vectors = this.#unusual.splice(0);
    if (vectors.length === 0) return;
    vectors.flatMap(({ masks }) => masks).forEach((mask, i) => {
      f.get(mask);
      if (i > 0) f.op("v128.and");
    });
    f.op("i32x4.bitmask").i32(0b1111).op("i32.ne").if_(() => {
      for (const { node, operands, local } of vectors) {
        const { op, dtype } = this.nodes[node]!;
        emitOperation(this.module, f, op, dtype, operands, plan.lanes, this.style);
        f.set(local);
      }
    });
  }

  #key(node: number, u: number): string {
    return `${node} ${this.#varies[node] ? u : 0}`;
  }

  /** The value of a node in copy u, computed here unless it is known. */
  value(scope: Scope, node: number, u: number, valid: number, pause?: () => void): Local {
    const key = this.#key(node, u);
    const known = scope.value(key);
    if (known !== undefined) return known;
    const instruction = this.nodes[node]!;
    const { f, plan } = this.cursors;
    const operands = argumentsOf(instruction).map((arg) => ({
      local: this.value(scope, arg, u, valid),
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
        pushLoad(this.cursors, scope, instruction.view, instruction.dtype, u, valid);
        break;
      case "loadIndexed":
        pushIndexedLoad(
          this.cursors,
          scope,
          instruction,
          operands[0].local,
          operands[0].dtype,
          u,
          valid,
        );
        break;
      case "index":
        this.cursors.pushIndex(scope, `index${node}`, u);
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
          plan.lanes,
          // Only whole vectors are worth code in place.
          {
            ...this.style,
            ...(valid !== plan.lanes
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

/** For each dim, the level at which its loop stands: 0 is before all loops, 1 at an index of the prefix. */
function levelsOf({ kind, prefix, vector, across, inner }: LoopPlan): number[] {
  const levels: number[] = [];
  for (const d of prefix) levels[d] = 1;
  let level = 2;
  if (kind !== "inner" && vector >= 0) levels[vector] = level++;
  if (across !== null) levels[across] = kind === "inner" ? 1 : level++;
  for (const d of inner) levels[d] = level++;
  if (kind === "inner") levels[vector] = level++;
  return levels;
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
