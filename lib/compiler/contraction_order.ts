/**
 * The order in which the operands of a tensor network are contracted pairwise.
 *
 * @module
 */

/** What is known of a network: labels are bits. */
export interface OrderProblem {
  /** Size of each label. */
  readonly sizes: readonly number[];
  /** Labels of each operand. */
  readonly operands: readonly number[];
  /** Labels of the result. */
  readonly output: number;
  /** No intermediate may have more elements. */
  readonly limit: number;
}

/** An order of contraction. */
export type Order =
  | { readonly operand: number; readonly labels: number }
  | { readonly left: Order; readonly right: Order; readonly labels: number };

/** Networks of more operands are ordered greedily. */
const mostOperands = 8;
/** A multiply-add of a loop, relative to two operations of a matrix product. */
const loopWork = 8;
/** Writing and reading an element, in the same unit. */
const storeWork = 8;

/** Product of the sizes of the labels of a set. */
export function sizeOfLabels(sizes: readonly number[], labels: number): number {
  let size = 1;
  for (let i = 0; labels !== 0; i++, labels >>>= 1) if ((labels & 1) !== 0) size *= sizes[i];
  return size;
}

/** Cost of one pairwise contraction, the store of its result included; sizes as in a matrix product. */
export function pairCost(batch: number, m: number, n: number, k: number): number {
  const store = batch * m * n * storeWork;
  if (k === 1) return batch * m * n * loopWork + store;
  // A product with one short side is bound by memory, not by arithmetic.
  return batch * m * n * k * (Math.min(m, n) < 4 ? loopWork : 2) + store;
}

/** Cost of summing an operand's own labels. */
export function sumCost(size: number, result: number): number {
  return size * loopWork + result * storeWork;
}

/** The cheapest order and its cost. Returns null where the limit allows none. */
export function bestOrder(problem: OrderProblem): { order: Order; cost: number } | null {
  const { operands, output, sizes } = problem;
  const count = operands.length;
  let cost = 0;
  const leaves = operands.map((labels, operand): Order => {
    const others = operands.reduce((all, other, i) => i === operand ? all : all | other, output);
    const kept = labels & others;
    if (kept !== labels) cost += sumCost(sizeOfLabels(sizes, labels), sizeOfLabels(sizes, kept));
    return { operand, labels: kept };
  });
  if (count === 1) return { order: leaves[0], cost };
  const result = count <= mostOperands ? exhaustive(problem, leaves) : greedy(problem, leaves);
  return result === null ? null : { order: result.order, cost: cost + result.cost };
}

function contractCost(problem: OrderProblem, a: number, b: number, result: number): number {
  const { sizes } = problem;
  const shared = a & b;
  return pairCost(
    sizeOfLabels(sizes, shared & result),
    sizeOfLabels(sizes, a & ~shared),
    sizeOfLabels(sizes, b & ~shared),
    sizeOfLabels(sizes, shared & ~result),
  );
}

function exhaustive(
  problem: OrderProblem,
  leaves: readonly Order[],
): { order: Order; cost: number } | null {
  const count = leaves.length;
  const full = (1 << count) - 1;
  const union = new Int32Array(full + 1);
  for (let set = 1; set <= full; set++) {
    const low = set & -set;
    union[set] = union[set ^ low] | leaves[31 - Math.clz32(low)].labels;
  }
  const costs = new Float64Array(full + 1).fill(Infinity);
  const labels = new Int32Array(full + 1);
  const splits = new Int32Array(full + 1);
  for (let set = 1; set <= full; set++) {
    labels[set] = union[set] & (problem.output | union[full ^ set]);
    if ((set & (set - 1)) === 0) {
      costs[set] = 0;
      continue;
    }
    if (set !== full && sizeOfLabels(problem.sizes, labels[set]) > problem.limit) continue;
    const low = set & -set;
    // Each way to part the set in two, the part with the lowest operand first.
    for (let part = (set - 1) & set; part > 0; part = (part - 1) & set) {
      if ((part & low) === 0) continue;
      const below = costs[part] + costs[set ^ part];
      if (below >= costs[set]) continue;
      const cost = below +
        contractCost(problem, labels[part], labels[set ^ part], labels[set]);
      if (cost < costs[set]) {
        costs[set] = cost;
        splits[set] = part;
      }
    }
  }
  if (costs[full] === Infinity) return null;
  const build = (set: number): Order =>
    (set & (set - 1)) === 0 ? leaves[31 - Math.clz32(set)] : {
      left: build(splits[set]),
      right: build(set ^ splits[set]),
      labels: labels[set],
    };
  return { order: build(full), cost: costs[full] };
}

function greedy(
  problem: OrderProblem,
  leaves: readonly Order[],
): { order: Order; cost: number } | null {
  const rest = [...leaves];
  let total = 0;
  while (rest.length > 1) {
    let best: { i: number; j: number; cost: number; labels: number } | null = null;
    for (let i = 0; i < rest.length; i++) {
      for (let j = i + 1; j < rest.length; j++) {
        const outside = rest.reduce(
          (all, order, k) => k === i || k === j ? all : all | order.labels,
          problem.output,
        );
        const labels = (rest[i].labels | rest[j].labels) & outside;
        const size = sizeOfLabels(problem.sizes, labels);
        if (rest.length > 2 && size > problem.limit) continue;
        const cost = contractCost(problem, rest[i].labels, rest[j].labels, labels);
        if (best === null || cost < best.cost) best = { i, j, cost, labels };
      }
    }
    if (best === null) return null;
    const order = { left: rest[best.i], right: rest[best.j], labels: best.labels };
    rest.splice(best.j, 1);
    rest.splice(best.i, 1);
    rest.push(order);
    total += best.cost;
  }
  return { order: rest[0], cost: total };
}
