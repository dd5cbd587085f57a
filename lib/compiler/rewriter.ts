/**
 * Builds a program node by node: equal nodes are merged, and folding rules are applied as nodes are added.
 *
 * @module
 */

import type { DType } from "../base/dtype.ts";
import { isFloat } from "../base/dtype.ts";
import type { BinaryName, PrimitiveName, PrimitiveParams, UnaryName } from "../base/primitives.ts";
import { sameShape, type Shape } from "../base/shape.ts";
import { paramsKey } from "./params.ts";
import type { Program, ProgramNode } from "./program.ts";

/** A folding rule: the node that stands for the given one, or null if nothing is known. */
export type FoldRule = (rewriter: Rewriter, node: ProgramNode) => number | null;

/** Folding rules for some primitives. */
export type FoldRules = { readonly [P in PrimitiveName]?: FoldRule };

/** A program in the making. */
export class Rewriter {
  /** The nodes so far. */
  readonly nodes: ProgramNode[] = [];
  private readonly known = new Map<string, number>();

  /** @param rules what is tried on each node before it is added */
  constructor(private readonly rules: FoldRules) {}

  /** Adds an input of the program; inputs are never merged. */
  addInput(node: ProgramNode): number {
    return this.nodes.push(node) - 1;
  }

  /** Adds a node, or finds what stands for it. */
  add(node: ProgramNode): number {
    const folded = this.rules[node.primitive]?.(this, node) ?? null;
    if (folded !== null) return folded;
    const key = `${node.primitive}(${paramsKey(node.primitive, node.params)})${node.inputs}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const id = this.nodes.push(node) - 1;
    this.known.set(key, id);
    return id;
  }

  /** The value of a `full` node, or null. */
  constantOf(id: number): number | null {
    const node = this.nodes[id];
    return node.primitive === "full" ? (node.params as PrimitiveParams["full"]).value : null;
  }

  /** The operand of the node if the primitive computes it, or null. */
  operandOf(id: number, primitive: PrimitiveName): number | null {
    const node = this.nodes[id];
    return node.primitive === primitive ? node.inputs[0] : null;
  }

  /** Shape of a node. */
  shape(id: number): Shape {
    return this.nodes[id].shape;
  }

  /** Dtype of a node. */
  dtype(id: number): DType {
    return this.nodes[id].dtype;
  }

  /** A `full` node. */
  full(shape: Shape, dtype: DType, value: number): number {
    return this.add({
      primitive: "full",
      params: { shape, dtype, value },
      inputs: [],
      shape,
      dtype,
    });
  }

  /** An elementwise operation that keeps shape and dtype. */
  elementwise(primitive: UnaryName | BinaryName, ...inputs: number[]): number {
    const { shape, dtype } = this.nodes[inputs[0]];
    return this.add({ primitive, params: {}, inputs, shape, dtype });
  }

  /** x with every element multiplied by a number. */
  scale(x: number, factor: number): number {
    if (factor === 1) return x;
    const { shape, dtype } = this.nodes[x];
    return this.elementwise("mul", x, this.full(shape, dtype, factor));
  }

  /** A reshape; none if the shape stays. */
  reshape(x: number, shape: Shape): number {
    const { dtype } = this.nodes[x];
    return sameShape(this.nodes[x].shape, shape)
      ? x
      : this.add({ primitive: "reshape", params: { shape }, inputs: [x], shape, dtype });
  }

  /** A permutation of the axes. */
  permute(x: number, permutation: readonly number[]): number {
    const { shape, dtype } = this.nodes[x];
    return this.add({
      primitive: "permute",
      params: { permutation },
      inputs: [x],
      shape: permutation.map((axis) => shape[axis]),
      dtype,
    });
  }

  /** A broadcast of axes of size 1. */
  broadcast(x: number, shape: Shape): number {
    const { dtype } = this.nodes[x];
    return this.add({ primitive: "broadcast", params: { shape }, inputs: [x], shape, dtype });
  }

  /** A sum over axes, which leave the shape. */
  reduceSum(x: number, axes: readonly number[]): number {
    const { shape, dtype } = this.nodes[x];
    return this.add({
      primitive: "reduceSum",
      params: { axes },
      inputs: [x],
      shape: shape.filter((_, axis) => !axes.includes(axis)),
      dtype,
    });
  }

  /** Whether every element is a finite number, whatever the inputs hold. */
  isFinite(id: number, depth = 6): boolean {
    const node = this.nodes[id];
    if (!isFloat(node.dtype)) return true;
    if (depth === 0) return false;
    switch (node.primitive) {
      case "full":
        return Number.isFinite((node.params as PrimitiveParams["full"]).value);
      case "iota":
        return true;
      case "cast":
        return !isFloat(this.dtype(node.inputs[0]));
      case "reshape":
      case "permute":
      case "broadcast":
      case "slice":
      case "flip":
      case "neg":
      case "abs":
      case "sign":
      case "maximum":
      case "minimum":
      case "concat":
        return node.inputs.every((input) => this.isFinite(input, depth - 1));
      default:
        return false;
    }
  }

  /** The program that computes the outputs from the inputs, without what they do not need. */
  finish(inputs: readonly number[], outputs: readonly number[], key: string): Program {
    const needed = new Uint8Array(this.nodes.length);
    for (const id of outputs) needed[id] = 1;
    for (const id of inputs) needed[id] = 1;
    for (let id = this.nodes.length - 1; id >= 0; id--) {
      if (needed[id] === 1) { for (const input of this.nodes[id].inputs) needed[input] = 1; }
    }
    const ids = new Int32Array(this.nodes.length);
    const nodes: ProgramNode[] = [];
    for (let id = 0; id < this.nodes.length; id++) {
      if (needed[id] === 0) continue;
      const node = this.nodes[id];
      ids[id] = nodes.push(
        node.inputs.length === 0 ? node : { ...node, inputs: node.inputs.map((i) => ids[i]) },
      ) - 1;
    }
    return {
      nodes,
      inputs: inputs.map((id) => ids[id]),
      outputs: outputs.map((id) => ids[id]),
      key,
    };
  }
}

/** Rebuilds a program with rules applied to each of its nodes. */
export function rewrite(
  program: Program,
  rules: FoldRules,
  visit?: (rewriter: Rewriter, ids: readonly number[], id: number) => number | null,
): Program {
  const rewriter = new Rewriter(rules);
  const ids = new Array<number>(program.nodes.length);
  for (const id of program.inputs) ids[id] = rewriter.addInput(program.nodes[id]);
  for (let id = 0; id < program.nodes.length; id++) {
    if (ids[id] !== undefined) continue;
    const node = program.nodes[id];
    ids[id] = visit?.(rewriter, ids, id) ??
      rewriter.add({ ...node, inputs: node.inputs.map((input) => ids[input]) });
  }
  return rewriter.finish(
    program.inputs.map((id) => ids[id]),
    program.outputs.map((id) => ids[id]),
    program.key,
  );
}
