/**
 * Tensor networks: a tree of contractions, products, sums and shape operations as one sum over labelled operands,
 * out[labels] = factor · Σ Π operand[labels].
 *
 * Each axis of an operand is a list of labels, most significant first: a reshape that merges or splits axes only
 * regroups them. Labels are split where the sides of a reshape factor differently, and unified by identities.
 *
 * @module
 */

import { isFloat } from "../base/dtype.ts";
import type { PrimitiveParams } from "../base/primitives.ts";
import { range, type Shape } from "../base/shape.ts";
import type { Program, ProgramNode } from "./program.ts";

/** An operand: a node of the program, and the labels of each of its axes. */
export interface Operand {
  /** The node. */
  readonly id: number;
  /** Labels of each axis; an axis of size 1 has none. */
  readonly axes: readonly (readonly number[])[];
}

/** A sum over labelled operands. */
export class Network {
  /** What is multiplied. */
  operands: Operand[] = [];
  /** Labels of each axis of the result. */
  readonly output: readonly (readonly number[])[];
  /** A number that the result is multiplied by. */
  factor = 1;
  private readonly sizes: number[] = [];
  /** What a label was replaced by: its parts, or the label it was unified with. */
  private readonly replaced: (readonly number[] | null)[] = [];
  private readonly summed: number[] = [];

  /**
   * A network of one operand, the node itself.
   *
   * @param program what the nodes belong to
   * @param root the node that the network computes
   */
  constructor(private readonly program: Program, readonly root: number) {
    this.output = program.nodes[root].shape.map((n) => this.fresh(n));
    this.operands.push({ id: root, axes: this.output });
  }

  /** Size of a label. */
  size(label: number): number {
    return this.sizes[label];
  }

  /** The labels that stand for a list now. */
  resolve(labels: readonly number[]): number[] {
    const result: number[] = [];
    for (const label of labels) {
      const parts = this.replaced[label];
      if (parts === null) result.push(label);
      else result.push(...this.resolve(parts));
    }
    return result;
  }

  /** The labels of all axes of an operand. */
  labelsOf(operand: Operand): number[] {
    return operand.axes.flatMap((axis) => this.resolve(axis));
  }

  /** The labels of the result. */
  outputLabels(): number[] {
    return this.output.flatMap((axis) => this.resolve(axis));
  }

  /**
   * Replaces an operand by what it is computed from. Returns false, and changes nothing but the fineness of labels, where
   * the node is not of a kind that can be.
   */
  expand(operand: Operand): boolean {
    const node = this.program.nodes[operand.id];
    const parts = this.partsOf(node, operand.axes);
    if (parts === null) return false;
    this.operands = this.operands.filter((other) => other !== operand).concat(parts);
    return true;
  }

  /** Applies an identity: its labels become one. Returns false where the result needs both. */
  unify(operand: Operand): boolean {
    const pairs = this.identityPairs(operand);
    if (pairs === null) return false;
    const kept = new Set(this.outputLabels());
    const merged = new Map<number, number>();
    const current = (label: number): number => {
      while (merged.has(label)) label = merged.get(label)!;
      return label;
    };
    for (const [a, b] of pairs) {
      const [p, q] = [current(a), current(b)];
      if (p === q) continue;
      if (kept.has(p) && kept.has(q)) return false;
      if (kept.has(p)) merged.set(q, p);
      else merged.set(p, q);
    }
    for (const [from, to] of merged) this.replaced[from] = [to];
    this.operands = this.operands.filter((other) => other !== operand);
    return true;
  }

  /** Counts the summed labels that no operand has any more into the factor. */
  settle(): void {
    const present = new Set(this.operands.flatMap((operand) => this.labelsOf(operand)));
    for (const label of this.outputLabels()) present.add(label);
    for (const label of this.resolve(this.summed)) {
      if (present.has(label)) continue;
      present.add(label);
      this.factor *= this.sizes[label];
    }
    this.summed.length = 0;
  }

  private fresh(size: number): readonly number[] {
    if (size === 1) return [];
    this.replaced.push(null);
    return [this.sizes.push(size) - 1];
  }

  private freshSummed(size: number): readonly number[] {
    const labels = this.fresh(size);
    this.summed.push(...labels);
    return labels;
  }

  private split(label: number, outer: number): void {
    const inner = this.sizes[label] / outer;
    this.replaced[label] = [...this.fresh(outer), ...this.fresh(inner)];
  }

  private partsOf(
    node: ProgramNode,
    axes: readonly (readonly number[])[],
  ): readonly Operand[] | null {
    const [x, y] = node.inputs;
    if (!isFloat(node.dtype)) return null;
    switch (node.primitive) {
      case "reshape": {
        const regrouped = this.regroup(axes.flat(), this.program.nodes[x].shape);
        return regrouped === null ? null : [{ id: x, axes: regrouped }];
      }
      case "permute": {
        const { permutation } = node.params as PrimitiveParams["permute"];
        const inner = new Array<readonly number[]>(axes.length);
        permutation.forEach((axis, i) => inner[axis] = axes[i]);
        return [{ id: x, axes: inner }];
      }
      case "broadcast": {
        const { shape } = this.program.nodes[x];
        return [{ id: x, axes: axes.map((labels, a) => shape[a] === 1 ? [] : labels) }];
      }
      case "full": {
        const { value } = node.params as PrimitiveParams["full"];
        if (!Number.isFinite(value)) return null;
        this.factor *= value;
        return [];
      }
      case "neg":
        this.factor = -this.factor;
        return [{ id: x, axes }];
      case "mul":
        return [{ id: x, axes }, { id: y, axes }];
      case "div": {
        const divisor = this.program.nodes[y];
        if (divisor.primitive !== "full") return null;
        const { value } = divisor.params as PrimitiveParams["full"];
        if (value === 0 || !Number.isFinite(value)) return null;
        this.factor /= value;
        return [{ id: x, axes }];
      }
      case "reduceSum": {
        const reduced = (node.params as PrimitiveParams["reduceSum"]).axes;
        let kept = 0;
        const { shape } = this.program.nodes[x];
        return [{
          id: x,
          axes: shape.map((n, a) => reduced.includes(a) ? this.freshSummed(n) : axes[kept++]),
        }];
      }
      case "dotGeneral":
        return this.dotParts(node, axes);
      default:
        return null;
    }
  }

  private dotParts(node: ProgramNode, axes: readonly (readonly number[])[]): readonly Operand[] {
    const params = node.params as PrimitiveParams["dotGeneral"];
    const [x, y] = node.inputs;
    const lhs = new Array<readonly number[]>(this.program.nodes[x].shape.length);
    const rhs = new Array<readonly number[]>(this.program.nodes[y].shape.length);
    let next = 0;
    params.lhsBatch.forEach((axis, i) => {
      lhs[axis] = axes[next];
      rhs[params.rhsBatch[i]] = axes[next++];
    });
    params.lhsContract.forEach((axis, i) => {
      lhs[axis] = this.freshSummed(this.program.nodes[x].shape[axis]);
      rhs[params.rhsContract[i]] = lhs[axis];
    });
    for (const side of [lhs, rhs]) {
      for (let a = 0; a < side.length; a++) if (side[a] === undefined) side[a] = axes[next++];
    }
    return [{ id: x, axes: lhs }, { id: y, axes: rhs }];
  }

  /** Distributes labels over axes of the given sizes, splitting labels that reach across; null if none fits. */
  private regroup(labels: readonly number[], shape: Shape): readonly (readonly number[])[] | null {
    const queue = this.resolve(labels).reverse();
    const axes: number[][] = [];
    for (const n of shape) {
      const axis: number[] = [];
      let rest = n;
      while (rest > 1) {
        const label = queue.pop();
        if (label === undefined) return null;
        const size = this.sizes[label];
        if (rest % size === 0) {
          axis.push(label);
          rest /= size;
        } else if (size % rest === 0) {
          this.split(label, rest);
          const [outer, inner] = this.replaced[label]!;
          // A label that occurs twice is split everywhere at once.
          for (let i = queue.length - 1; i >= 0; i--) {
            if (queue[i] === label) queue.splice(i, 1, inner, outer);
          }
          axis.push(outer);
          queue.push(inner);
          rest = 1;
        } else return null;
      }
      axes.push(axis);
    }
    return axes;
  }

  /** The label pairs that an identity makes equal, or null if the node is none. */
  private identityPairs(operand: Operand): [number, number][] | null {
    const equal = identityOf(this.program, operand.id);
    if (equal === null) return null;
    const lists = this.program.nodes[equal].inputs.map((input) =>
      this.indexLabels(input, operand.axes)
    );
    if (lists[0] === null || lists[1] === null) return null;
    return this.align(lists[0], lists[1]);
  }

  /** The labels whose joint index a node of indices holds, or null. */
  private indexLabels(
    id: number,
    axes: readonly (readonly number[])[],
  ): readonly number[] | null {
    for (;;) {
      const node = this.program.nodes[id];
      const [x] = node.inputs;
      switch (node.primitive) {
        case "iota":
          return axes[(node.params as PrimitiveParams["iota"]).axis];
        case "permute": {
          const { permutation } = node.params as PrimitiveParams["permute"];
          const inner = new Array<readonly number[]>(axes.length);
          permutation.forEach((axis, i) => inner[axis] = axes[i]);
          axes = inner;
          break;
        }
        case "broadcast": {
          const { shape } = this.program.nodes[x];
          axes = axes.map((labels, a) => shape[a] === 1 ? [] : labels);
          break;
        }
        case "reshape": {
          const regrouped = this.regroup(axes.flat(), this.program.nodes[x].shape);
          if (regrouped === null) return null;
          axes = regrouped;
          break;
        }
        default:
          return null;
      }
      id = x;
    }
  }

  /** Pairs of labels of equal size that the two lists consist of, or null if they do not match. */
  private align(a: readonly number[], b: readonly number[]): [number, number][] | null {
    const pairs: [number, number][] = [];
    for (;;) {
      const left = this.resolve(a);
      const right = this.resolve(b);
      let i = 0;
      pairs.length = 0;
      while (i < left.length && i < right.length) {
        if (this.sizes[left[i]] !== this.sizes[right[i]]) break;
        pairs.push([left[i], right[i]]);
        i++;
      }
      if (i === left.length && i === right.length) return pairs;
      if (i === left.length || i === right.length) return null;
      const [m, n] = [this.sizes[left[i]], this.sizes[right[i]]];
      if (m > n && m % n === 0) this.split(left[i], n);
      else if (n > m && n % m === 0) this.split(right[i], m);
      else return null;
    }
  }
}

/** The comparison of indices that the node is 1 for and else 0, or null. */
export function identityOf(program: Program, id: number): number | null {
  const node = program.nodes[id];
  if (node.primitive !== "cast" || !isFloat(node.dtype)) return null;
  const [equal] = node.inputs;
  const comparison = program.nodes[equal];
  if (comparison.primitive !== "equal") return null;
  return comparison.inputs.every((input) => isIndex(program, input)) ? equal : null;
}

function isIndex(program: Program, id: number): boolean {
  for (;;) {
    const node = program.nodes[id];
    switch (node.primitive) {
      case "iota":
        return true;
      case "reshape":
      case "permute":
      case "broadcast":
        id = node.inputs[0];
        break;
      default:
        return false;
    }
  }
}

/** For each node, whether an identity is among what a network would reach from it. */
export function identitiesBelow(program: Program): Uint8Array {
  const marks = new Uint8Array(program.nodes.length);
  program.nodes.forEach((node, id) => {
    switch (node.primitive) {
      case "cast":
        marks[id] = identityOf(program, id) === null ? 0 : 1;
        break;
      case "reshape":
      case "permute":
      case "broadcast":
      case "neg":
      case "div":
      case "reduceSum":
        marks[id] = marks[node.inputs[0]];
        break;
      case "mul":
      case "dotGeneral":
        marks[id] = marks[node.inputs[0]] | marks[node.inputs[1]];
        break;
      default:
        break;
    }
  });
  return marks;
}

/** For each node, the nodes that read it, each once; −1 stands for the caller. */
export function consumersOf(program: Program): readonly number[][] {
  const consumers: number[][] = range(program.nodes.length).map(() => []);
  program.nodes.forEach((node, id) => {
    for (const input of node.inputs) {
      const list = consumers[input];
      if (list[list.length - 1] !== id) list.push(id);
    }
  });
  for (const id of program.outputs) consumers[id].push(-1);
  return consumers;
}
