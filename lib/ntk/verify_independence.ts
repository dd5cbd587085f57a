/**
 * A check that a network treats the examples of a batch one by one.
 *
 * @module
 */

import { ArgumentError, ShapeError, TangentsError } from "../base/errors.ts";
import { formatShape, range } from "../base/shape.ts";
import { realize } from "../core/realize_tree.ts";
import { concat, slice } from "../core/operations/shapes.ts";
import type { Tensor } from "../core/tensor.ts";
import { flattenTree, leafPaths, treeMap } from "../core/tree.ts";
import { checkFunction } from "../transforms/walk.ts";
import { checkKeys } from "./options.ts";
import { countExamples, type NetworkFunction } from "./problem.ts";

/** The result for one example depends on the examples beside it, or on its place. */
export class ExamplesInteractError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "ExamplesInteractError";
  /** The example whose result differs most. */
  readonly example: number;
  /** The largest difference. */
  readonly largestDifference: number;
  /** The largest entry of the results, by size. */
  readonly largestEntry: number;

  /** Made by `verifyIndependence`. */
  constructor(example: number, largestDifference: number, largestEntry: number) {
    super(
      `verifyIndependence: the result for example ${example} is another in the batch than beside itself alone, by up to ${
        largestDifference.toExponential(2)
      } (the largest entry is ${
        largestEntry.toPrecision(4)
      }): the network mixes examples, as BatchNorm does in training mode, or draws random numbers, as Dropout does; a kernel of pairs of examples is not defined for it, call eval() on the network`,
    );
    this.example = example;
    this.largestDifference = largestDifference;
    this.largestEntry = largestEntry;
  }
}

/** Options of `verifyIndependence`. */
export interface IndependenceOptions {
  /** Largest difference over the largest entry that is rounding; 1e-4 by default where float32 takes part, else 1e-9. */
  tolerance?: number;
}

/** Results as numbers, checked to stand along the first axis. */
async function numbersOf(outputs: unknown, count: number): Promise<ArrayLike<number>[]> {
  const { leaves, structure } = flattenTree(await realize(outputs), "verifyIndependence: result");
  leaves.forEach(({ shape }, i) => {
    if (shape.length > 0 && shape[0] === count) return;
    const path = leafPaths(structure)[i];
    throw new ShapeError(
      `verifyIndependence: expected results for ${count} examples along the first axis, got shape ${
        formatShape(shape)
      }${path === "" ? "" : ` (${path})`}; give the network as a function of a batch`,
    );
  });
  return await Promise.all(leaves.map((leaf) => leaf.data()));
}

/**
 * Checks that a network treats the examples of a batch one by one, which is what makes a kernel of pairs of examples the
 * kernel of the network: the result for each example in the batch is compared with its result in a batch of two, both of
 * them itself. `f(params, x)` is the network for a **batch** here, with examples along the first axis of `x` (a tensor or a
 * tree) and of the result. Returns the largest difference over the largest entry of the results: rounding.
 *
 * Throws an `ExamplesInteractError` where they differ by more (BatchNorm in training mode, Dropout), a `ShapeError` for
 * results without an axis of examples, and an `ArgumentError` for a tolerance that is no number of at least 0.
 *
 * @example
 * ```ts
 * import { ExamplesInteractError, random, verifyIndependence } from "@tangents/ntk";
 * import { BatchNorm1d, functionalCall, Linear, Sequential } from "@tangents/ntk/nn";
 * const net = new Sequential(new Linear(3, 4), new BatchNorm1d(4));
 * const f = (params: ReturnType<typeof net.namedParameters>, x: typeof xs) => functionalCall(net, params, x);
 * const xs = random.normal(random.randomKey(0), [5, 3]);
 * const error = await verifyIndependence(f, net.namedParameters(), xs).catch((error) => error);
 * console.log(error instanceof ExamplesInteractError); // true
 * net.eval();
 * console.log(await verifyIndependence(f, net.namedParameters(), xs) < 1e-6); // true
 * ```
 */
export async function verifyIndependence<Params, X>(
  f: NetworkFunction<Params, X, unknown>,
  params: Params,
  x: X,
  options: IndependenceOptions = {},
): Promise<number> {
  const where = "verifyIndependence";
  checkFunction(f, where);
  const count = countExamples(x, `${where}: x`);
  const together = f(params, x);
  const double = [together, params, x].every((tree) =>
    flattenTree(tree, where).leaves.every(({ dtype }) => dtype !== "float32")
  );
  checkKeys(options, ["tolerance"], "option", where);
  const { tolerance = double ? 1e-9 : 1e-4 } = options;
  if (!(typeof tolerance === "number" && tolerance >= 0)) {
    throw new ArgumentError(
      `${where}: tolerance must be a number of at least 0, got ${String(tolerance)}`,
    );
  }
  const expected = await numbersOf(together, count);
  let largestEntry = 0;
  for (const data of expected) {
    for (let i = 0; i < data.length; i++) {
      if (Number.isFinite(data[i])) largestEntry = Math.max(largestEntry, Math.abs(data[i]));
    }
  }
  let worst = 0;
  let largestDifference = 0;
  for (const n of range(count)) {
    // Twice, since some layers refuse a batch of one. Data, so that all examples are one program.
    const twice = await realize(treeMap((leaf: Tensor) => {
      const one = slice(leaf, [n, n + 1]);
      return concat([one, one], 0);
    }, x));
    const found = await numbersOf(f(params, twice), 2);
    for (const [k, data] of found.entries()) {
      const size = data.length / 2;
      for (let i = 0; i < data.length; i++) {
        const [one, other] = [data[i], expected[k][n * size + i % size]];
        if (Object.is(one, other)) continue;
        const difference = Math.abs(one - other);
        // NaN, or an infinity, in one of the two came from another example.
        const distance = Number.isNaN(difference) ? Infinity : difference;
        if (distance > largestDifference) [worst, largestDifference] = [n, distance];
      }
    }
  }
  if (largestDifference > tolerance * largestEntry) {
    throw new ExamplesInteractError(worst, largestDifference, largestEntry);
  }
  return largestEntry === 0 ? 0 : largestDifference / largestEntry;
}
