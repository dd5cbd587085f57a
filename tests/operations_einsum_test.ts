/**
 * einsum on random equations against a plain loop over all indices, and matmul and tensordot against einsum's loop.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { setBackend } from "../backends/registry.ts";
import { contractionPath } from "../lib/core/operations/contraction_path.ts";
import { einsum, matmul, type Tensor, tensor } from "../lib/core/mod.ts";

interface Operand {
  readonly labels: string[];
  readonly shape: number[];
  readonly data: Float64Array;
}

/** The sum of products, one index after another. */
function loop(operands: readonly Operand[], output: string[], sizes: Map<string, number>): {
  shape: number[];
  data: Float64Array;
} {
  const names = [...new Set([...output, ...operands.flatMap((x) => x.labels)])];
  const shape = output.map((l) => sizes.get(l)!);
  const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
  const total = names.reduce((n, l) => n * sizes.get(l)!, 1);
  for (let count = 0; count < total; count++) {
    const at = new Map<string, number>();
    let rest = count;
    for (const name of names) {
      at.set(name, rest % sizes.get(name)!);
      rest = Math.floor(rest / sizes.get(name)!);
    }
    const product = operands.reduce((p, x) => {
      const place = x.labels.reduce(
        (n, l, axis) => n * x.shape[axis] + (x.shape[axis] === 1 ? 0 : at.get(l)!),
        0,
      );
      return p * x.data[place];
    }, 1);
    data[output.reduce((n, l) => n * sizes.get(l)! + at.get(l)!, 0)] += product;
  }
  return { shape, data };
}

/** Random letters with sizes, operands that use them (some axes shrunk to 1), and a result. */
const equations = fc.record({
  sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
  terms: fc.array(
    fc.array(fc.nat({ max: 3 }), { maxLength: 3 }),
    { minLength: 1, maxLength: 4 },
  ),
  shrink: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
  order: fc.shuffledSubarray([0, 1, 2, 3]),
  implicit: fc.boolean(),
  seed: fc.integer({ min: 0, max: 1000 }),
});

Deno.test("einsum equals a loop over all indices on random equations", async () => {
  setBackend("reference");
  let diagonals = 0;
  let sums = 0;
  await fc.assert(
    fc.asyncProperty(equations, async ({ sizes, terms, shrink, order, implicit, seed }) => {
      const letters = ["a", "B", "c", "d"];
      let next = seed;
      let shrunk = 0;
      const operands: Operand[] = terms.map((term) => {
        const labels = term.map((i) => letters[i]);
        const shape = term.map((i, axis) => {
          const small = shrink[shrunk++ % 12] && labels.indexOf(labels[axis]) === axis &&
            labels.lastIndexOf(labels[axis]) === axis;
          return small ? 1 : sizes[i];
        });
        const length = shape.reduce((a, b) => a * b, 1);
        const data = Float64Array.from({ length }, () => (next = next * 7 % 11 + 1) - 6);
        return { labels, shape, data };
      });
      // A letter's size is the largest that any operand has.
      const found = new Map<string, number>();
      for (const { labels, shape } of operands) {
        labels.forEach((l, i) => found.set(l, Math.max(found.get(l) ?? 1, shape[i])));
      }
      const all = operands.flatMap((x) => x.labels);
      const once = [...found.keys()].filter((l) => all.filter((m) => m === l).length === 1);
      const output = implicit
        ? once.sort()
        : order.map((i) => letters[i]).filter((l) => found.has(l));
      const left = operands.map((x) => x.labels.join("")).join(", ");
      const equation = implicit ? left : `${left} -> ${output.join("")}`;
      if (operands.some((x) => new Set(x.labels).size < x.labels.length)) diagonals++;
      if (found.size > output.length) sums++;
      const expected = loop(operands, output, found);
      const result = einsum(
        equation,
        ...operands.map(({ shape, data }) => tensor(data, { shape })),
      );
      assertEquals(result.shape, expected.shape, equation);
      // Small integers: every product and sum is exact.
      assertEquals(Array.from(await result.data(), (x) => x + 0), Array.from(expected.data));
    }),
    { numRuns: 300, seed: 1 },
  );
  assert(diagonals > 30 && sums > 30);
});

Deno.test("matmul equals a loop for every way to broadcast", async () => {
  setBackend("reference");
  const batches = [[], [1], [2], [3, 1], [1, 2], [3, 2], [3, 1, 1]];
  const fill = (shape: number[]): Float64Array =>
    Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i * 5) % 7 - 3);
  for (const left of batches) {
    for (const right of batches) {
      const names = ["p", "q", "r"];
      const a = [...left, 2, 3];
      const b = [...right, 3, 4];
      const labels = (batch: number[]): string[] => names.slice(3 - batch.length);
      const operands = [
        { labels: [...labels(left), "m", "k"], shape: a, data: fill(a) },
        { labels: [...labels(right), "k", "n"], shape: b, data: fill(b) },
      ];
      const sizes = new Map<string, number>([["m", 2], ["k", 3], ["n", 4]]);
      for (const { labels, shape } of operands) {
        labels.forEach((l, i) => sizes.set(l, Math.max(sizes.get(l) ?? 1, shape[i])));
      }
      const batch = labels(left.length > right.length ? left : right);
      const expected = loop(operands, [...batch, "m", "n"], sizes);
      const [x, y] = operands.map(({ shape, data }) => tensor(data, { shape }));
      const result = matmul(x, y);
      assertEquals(result.shape, expected.shape);
      assertEquals(Array.from(await result.data(), (v) => v + 0), Array.from(expected.data));
    }
  }
});

/** Names of the primitives that a tensor is made of. */
function primitivesOf(x: Tensor, found: string[] = []): string[] {
  if (x.operation === null) return found;
  found.push(x.operation.primitive);
  for (const input of x.operation.inputs) primitivesOf(input, found);
  return found;
}

Deno.test("a side that is not batched is not repeated", () => {
  const [a, b] = [[5, 2, 3], [3, 4]].map((shape) =>
    tensor(new Float32Array(shape.reduce((x, y) => x * y)), { shape })
  );
  for (
    const y of [matmul(a, b), einsum("bij,jk->bik", a, b), matmul(b.transpose(), a.transpose())]
  ) {
    const names = primitivesOf(y);
    assert(names.includes("dotGeneral"));
    assert(!names.includes("broadcast"), names.join(" "));
  }
});

Deno.test("the order of a product is the cheapest", () => {
  // (1×100)(100×100)(100×1): from either end 20100 or so; the outer products first would cost 100 times as much.
  const sizes = new Map([["a", 1], ["b", 100], ["c", 100], ["d", 1]]);
  const chain = [["a", "b"], ["b", "c"], ["c", "d"]];
  assertEquals(contractionPath(chain, ["a", "d"], sizes)[0].includes(1), true);
  // A long chain of matrices that shrinks toward its end is multiplied from there.
  const names = [..."abcdefghijk"];
  const shrinking = new Map(names.map((l, i) => [l, 2 ** (11 - i)]));
  const long = names.slice(1).map((l, i) => [names[i], l]);
  const path = contractionPath(long, ["a", "k"], shrinking);
  assertEquals(path.length, long.length - 1);
  assertEquals(path[0], [8, 9]);
});
