/**
 * Re-association of contractions: nested products become one network, identities rename axes, and the cheapest order
 * replaces the given one where it saves work.
 *
 * @module
 */

import { isFloat } from "../base/dtype.ts";
import type { PrimitiveParams } from "../base/primitives.ts";
import { range, sameShape, sizeOf } from "../base/shape.ts";
import { bestOrder, type Order, pairCost, sumCost } from "./contraction_order.ts";
import { contractionOf } from "./contraction_spec.ts";
import { consumersOf, identitiesBelow, identityOf, Network } from "./network.ts";
import type { Program, ProgramNode } from "./program.ts";
import { type FoldRules, rewrite, type Rewriter } from "./rewriter.ts";

/** A network is not expanded beyond this many operands. */
const mostOperands = 8;
/** Intermediates of at most this many elements are always allowed. */
const smallIntermediate = 1 << 22;
/** A new order must cost less than this share of the given one. */
const worthwhile = 0.75;

/**
 * The program with contractions in a cheaper order.
 *
 * @param program what to improve
 * @param rules folding rules for the nodes that are made
 * @param share a new order is taken where it costs less than this share of the given one
 */
export function reassociate(
  program: Program,
  rules: FoldRules,
  share: number = worthwhile,
): Program {
  const identities = identitiesBelow(program);
  const roots = program.nodes.some((_, id) => isRoot(program, identities, id));
  if (!roots) return program;
  const consumers = consumersOf(program);
  return rewrite(
    program,
    rules,
    (rewriter, ids, id) =>
      isRoot(program, identities, id)
        ? reorder(program, consumers, identities, id, share, rewriter, ids)
        : null,
  );
}

/** Whether a network of more than the node's own operands can be rooted here. */
function isRoot(program: Program, identities: Uint8Array, id: number): boolean {
  const node = program.nodes[id];
  if (!isFloat(node.dtype) || sizeOf(node.shape) === 0) return false;
  if (node.primitive !== "dotGeneral" && node.primitive !== "reduceSum") return false;
  if (identities[id] === 1) return true;
  return node.inputs.some((input) => {
    const below = program.nodes[skipShape(program, input)].primitive;
    return below === "mul" || below === "dotGeneral" || below === "reduceSum";
  });
}

function skipShape(program: Program, id: number): number {
  for (;;) {
    const node = program.nodes[id];
    switch (node.primitive) {
      case "reshape":
      case "permute":
      case "broadcast":
      case "neg":
        id = node.inputs[0];
        break;
      default:
        return id;
    }
  }
}

function costOf(program: Program, id: number): number {
  const node = program.nodes[id];
  const size = sizeOf(node.shape);
  switch (node.primitive) {
    case "dotGeneral": {
      const spec = contractionOf(program, id);
      const of = (dims: readonly number[]): number => sizeOf(dims.map((d) => spec.sizes[d]));
      return pairCost(of(spec.batch), of(spec.m), of(spec.n), of(spec.k));
    }
    case "mul":
      return pairCost(size, 1, 1, 1);
    case "reduceSum":
      return sumCost(sizeOf(program.nodes[node.inputs[0]].shape), size);
    default:
      return 0;
  }
}

/** The node computed in a cheaper order, or null where the given one is kept. */
function reorder(
  program: Program,
  consumers: readonly (readonly number[])[],
  identities: Uint8Array,
  root: number,
  share: number,
  rewriter: Rewriter,
  ids: readonly number[],
): number | null {
  const network = new Network(program, root);
  const inside = new Set<number>();
  const closed = new Set<number>();
  let before = 0;
  let largest = sizeOf(program.nodes[root].shape);
  for (;;) {
    // The latest node first: all that reads it inside the network has been expanded then.
    let next = -1;
    for (const { id } of network.operands) if (id > next && !closed.has(id)) next = id;
    if (next < 0) break;
    const copies = network.operands.filter(({ id }) => id === next);
    const node = program.nodes[next];
    largest = Math.max(largest, sizeOf(node.shape));
    if (identityOf(program, next) !== null) {
      for (const copy of copies) network.unify(copy);
      closed.add(next);
      continue;
    }
    const owned = next === root || consumers[next].every((consumer) => inside.has(consumer));
    const free = isFree(node) || identities[next] === 1;
    const room = network.operands.length + copies.length <= mostOperands;
    if (!(owned || free) || !(room || isFree(node)) || sizeOf(node.shape) === 0) {
      closed.add(next);
      continue;
    }
    let expanded = true;
    for (const copy of copies) expanded = network.expand(copy) && expanded;
    if (!expanded) {
      closed.add(next);
      // A copy that was expanded and one that was not cannot be told apart below.
      if (network.operands.filter(({ id }) => id === next).length !== copies.length) return null;
      continue;
    }
    if (owned) inside.add(next);
    before += costOf(program, next);
  }
  network.settle();
  return emit(program, network, { worth: share * before, largest }, rewriter, ids);
}

function isFree(node: ProgramNode): boolean {
  switch (node.primitive) {
    case "reshape":
    case "permute":
    case "broadcast":
    case "neg":
    case "full":
      return true;
    default:
      return false;
  }
}

function emit(
  program: Program,
  network: Network,
  known: { worth: number; largest: number },
  rewriter: Rewriter,
  ids: readonly number[],
): number | null {
  const { operands } = network;
  const bits = new Map<number, number>();
  const sizes: number[] = [];
  const bitOf = (label: number): number => {
    let bit = bits.get(label);
    if (bit === undefined) {
      bit = sizes.push(network.size(label)) - 1;
      bits.set(label, bit);
    }
    return bit;
  };
  const output = network.outputLabels().map(bitOf);
  const labels = operands.map((operand) => network.labelsOf(operand).map(bitOf));
  if (sizes.length > 30) return null;
  const { shape, dtype } = program.nodes[network.root];
  if (operands.length === 0) {
    return rewriter.full(shape, dtype, network.factor);
  }
  const set = (list: readonly number[]): number => list.reduce((all, bit) => all | 1 << bit, 0);
  const found = bestOrder({
    sizes,
    operands: labels.map(set),
    output: set(output),
    limit: Math.max(known.largest, smallIntermediate),
  });
  if (found === null || found.cost >= known.worth) return null;
  const builder = new Builder(rewriter, sizes, output);
  const result = builder.build(found.order, (i) => {
    const axes = operands[i].axes.map((axis) => network.resolve(axis).map(bitOf));
    return builder.operand(ids[operands[i].id], axes);
  });
  return rewriter.scale(builder.arrange(result, output, shape), network.factor);
}

/** A node whose axes are labels, each once. */
interface Labelled {
  readonly id: number;
  readonly labels: readonly number[];
}

/** Builds pairwise contractions. */
class Builder {
  constructor(
    private readonly r: Rewriter,
    private readonly sizes: readonly number[],
    private readonly output: readonly number[],
  ) {}

  build(order: Order, operand: (index: number) => Labelled): Labelled {
    if ("operand" in order) {
      const leaf = operand(order.operand);
      const summed = range(leaf.labels.length).filter((a) =>
        (order.labels & 1 << leaf.labels[a]) === 0
      );
      return summed.length === 0 ? leaf : {
        id: this.r.reduceSum(leaf.id, summed),
        labels: leaf.labels.filter((_, a) => !summed.includes(a)),
      };
    }
    const left = this.build(order.left, operand);
    const right = this.build(order.right, operand);
    // The free axes that come first in the output belong on the left, which saves a transpose at the end.
    return this.firstFree(left, right) <= this.firstFree(right, left)
      ? this.contract(left, right, order.labels)
      : this.contract(right, left, order.labels);
  }

  /** Where the first of the operand's own labels stands in the output. */
  private firstFree(operand: Labelled, other: Labelled): number {
    const at = this.output.findIndex((label) =>
      operand.labels.includes(label) && !other.labels.includes(label)
    );
    return at < 0 ? this.output.length : at;
  }

  /** The operand with one axis a label: axes split, and diagonals taken where a label occurs twice. */
  operand(id: number, axes: readonly (readonly number[])[]): Labelled {
    const labels = axes.flat();
    let x = this.r.reshape(id, labels.map((label) => this.sizes[label]));
    for (;;) {
      const second = labels.findIndex((label, a) => labels.indexOf(label) < a);
      if (second < 0) return { id: x, labels };
      const first = labels.indexOf(labels[second]);
      x = this.diagonal(x, first, second);
      const label = labels[second];
      labels.splice(second, 1);
      labels.splice(first, 1);
      labels.push(label);
    }
  }

  /** The diagonal of two axes of one size, as the last axis. */
  private diagonal(x: number, first: number, second: number): number {
    const shape = this.r.shape(x);
    const rest = range(shape.length).filter((a) => a !== first && a !== second);
    const n = shape[first];
    const kept = rest.map((a) => shape[a]);
    const moved = this.r.permute(x, [...rest, first, second]);
    const flat = this.r.reshape(moved, [...kept, n * n]);
    return this.r.add({
      primitive: "slice",
      params: {
        start: [...kept.map(() => 0), 0],
        limit: [...kept, n * n],
        step: [...kept.map(() => 1), n + 1],
      },
      inputs: [flat],
      shape: [...kept, n],
      dtype: this.r.dtype(x),
    });
  }

  private contract(a: Labelled, b: Labelled, result: number): Labelled {
    const shared = a.labels.filter((label) => b.labels.includes(label));
    const batch = shared.filter((label) => (result & 1 << label) !== 0);
    const contract = shared.filter((label) => (result & 1 << label) === 0);
    const m = a.labels.filter((label) => !shared.includes(label));
    const n = b.labels.filter((label) => !shared.includes(label));
    if (contract.length === 0 && n.length === 0 && m.length === 0) {
      const aligned = this.r.permute(b.id, a.labels.map((label) => b.labels.indexOf(label)));
      return { id: this.r.elementwise("mul", a.id, aligned), labels: a.labels };
    }
    const axesOf = (operand: Labelled, labels: readonly number[]): number[] =>
      labels.map((label) => operand.labels.indexOf(label));
    const params: PrimitiveParams["dotGeneral"] = {
      lhsBatch: axesOf(a, batch),
      rhsBatch: axesOf(b, batch),
      lhsContract: axesOf(a, contract),
      rhsContract: axesOf(b, contract),
    };
    const labels = [...batch, ...m, ...n];
    const id = this.r.add({
      primitive: "dotGeneral",
      params,
      inputs: [a.id, b.id],
      shape: labels.map((label) => this.sizes[label]),
      dtype: this.r.dtype(a.id),
    });
    return { id, labels };
  }

  /** The result with its axes in the order of the output; labels that it lacks are repeated. */
  arrange(result: Labelled, output: readonly number[], shape: readonly number[]): number {
    const present = output.filter((label) => result.labels.includes(label));
    let x = this.r.permute(result.id, present.map((label) => result.labels.indexOf(label)));
    if (present.length < output.length) {
      const unit = output.map((label) => present.includes(label) ? this.sizes[label] : 1);
      x = this.r.broadcast(this.r.reshape(x, unit), output.map((label) => this.sizes[label]));
    }
    return sameShape(this.r.shape(x), shape) ? x : this.r.reshape(x, shape);
  }
}
