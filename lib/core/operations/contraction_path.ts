/**
 * The order in which a product of many tensors is cheapest to compute.
 *
 * @module
 */

/** More operands than this are ordered greedily: the exhaustive search visits 3ⁿ splits. */
const exhaustiveLimit = 8;

type Labels = readonly string[];

function costOf(labels: Iterable<string>, sizes: ReadonlyMap<string, number>): number {
  let cost = 1;
  for (const label of new Set(labels)) cost *= sizes.get(label)!;
  return cost;
}

/**
 * Pairs of positions i < j to contract, one after another; each product leaves the list and its result joins at the
 * end. The number of multiplications is the least possible for up to eight operands; for more, each step is the
 * cheapest one.
 */
export function contractionPath(
  operands: readonly Labels[],
  output: Labels,
  sizes: ReadonlyMap<string, number>,
): [number, number][] {
  if (operands.length < 2) return [];
  if (operands.length === 2) return [[0, 1]];
  return operands.length <= exhaustiveLimit
    ? exhaustivePath(operands, output, sizes)
    : greedyPath(operands, output, sizes);
}

/** What a product of some operands must keep: the names that the result or another operand has. */
function keptLabels(inside: Iterable<string>, outside: Iterable<string>, output: Labels): string[] {
  const needed = new Set([...outside, ...output]);
  return [...new Set(inside)].filter((label) => needed.has(label));
}

function greedyPath(
  operands: readonly Labels[],
  output: Labels,
  sizes: ReadonlyMap<string, number>,
): [number, number][] {
  const rest: Labels[] = [...operands];
  const path: [number, number][] = [];
  while (rest.length > 1) {
    let best: [number, number] = [0, 1];
    let least = Infinity;
    for (let j = 1; j < rest.length; j++) {
      for (let i = 0; i < j; i++) {
        const cost = costOf([...rest[i], ...rest[j]], sizes);
        if (cost < least) [least, best] = [cost, [i, j]];
      }
    }
    const [i, j] = best;
    const pair = [...rest.splice(j, 1)[0], ...rest.splice(i, 1)[0]];
    rest.push(keptLabels(pair, rest.flat(), output));
    path.push(best);
  }
  return path;
}

/** Dynamic programming over sets of operands, each a bit mask. */
function exhaustivePath(
  operands: readonly Labels[],
  output: Labels,
  sizes: ReadonlyMap<string, number>,
): [number, number][] {
  const count = operands.length;
  const all = (1 << count) - 1;
  const members = (set: number): string[] => operands.flatMap((l, i) => set >> i & 1 ? l : []);
  const kept: Labels[] = [];
  const cost = new Float64Array(all + 1);
  const split = new Int32Array(all + 1);
  for (let set = 1; set <= all; set++) {
    kept[set] = keptLabels(members(set), members(all & ~set), output);
    if ((set & (set - 1)) === 0) continue;
    cost[set] = Infinity;
    // Every way to cut the set in two, each once: the first part is the larger number.
    for (let part = (set - 1) & set; part > (set & ~part); part = (part - 1) & set) {
      const other = set & ~part;
      const total = cost[part] + cost[other] + costOf([...kept[part], ...kept[other]], sizes);
      if (total < cost[set]) [cost[set], split[set]] = [total, part];
    }
  }
  // The tree as steps over a shrinking list.
  const list = Array.from({ length: count }, (_, i) => 1 << i);
  const path: [number, number][] = [];
  const visit = (set: number): void => {
    if (split[set] === 0) return;
    const [a, b] = [split[set], set & ~split[set]];
    visit(a);
    visit(b);
    const [i, j] = [list.indexOf(a), list.indexOf(b)].sort((x, y) => x - y);
    list.splice(j, 1);
    list.splice(i, 1);
    list.push(set);
    path.push([i, j]);
  };
  visit(all);
  return path;
}
