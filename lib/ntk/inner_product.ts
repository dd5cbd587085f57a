/**
 * Products of a vector with what was made of it, brought to where they are cheap.
 *
 * @module
 */

import type { PrimitiveParams } from "../base/primitives.ts";
import { range } from "../base/shape.ts";
import { mul, neg, reshape, sum, unpermute } from "../core/primitives/build.ts";
import type { Tensor } from "../core/tensor.ts";
import { stepsBetween } from "../transforms/walk.ts";
import { sumInPairs } from "./sum_in_pairs.ts";

/** How many terms a sum is taken apart into at most. */
const mostTerms = 256;

/** Operations that carry a tensor on as it is, or elements of it by themselves, or its sums: no contraction. */
const plain: ReadonlySet<string> = new Set([
  "add",
  "sub",
  "neg",
  "mul",
  "div",
  "reshape",
  "permute",
  "broadcast",
  "reduceSum",
]);

/** What tensors follow from without a contraction, themselves included, from a given age on. */
function sourcesOf(
  tensors: Iterable<Tensor>,
  oldest: number,
  dependent: ReadonlySet<Tensor>,
): Set<Tensor> {
  const seen = new Set(tensors);
  for (const { operation } of seen) {
    if (operation === null || !plain.has(operation.primitive)) continue;
    for (const x of operation.inputs) if (dependent.has(x) && x.id >= oldest) seen.add(x);
  }
  return seen;
}

/**
 * Whether one of two terms follows from sums of the other, as the mean that is subtracted from numbers. All elements of the
 * other are needed then, and what the two have in common would not cancel where each is multiplied by itself.
 */
function followsFromOther(terms: readonly Tensor[], dependent: ReadonlySet<Tensor>): boolean {
  return terms.some((term, i) => {
    const sources = sourcesOf([terms[1 - i]], term.id, dependent);
    const sums = [...sources].filter(({ operation }) => operation?.primitive === "reduceSum");
    return sourcesOf(sums, term.id, dependent).has(term);
  });
}

/** The tensors that are a sum, or a factor's multiple or another arrangement of one, and from which on only such follow up to x. */
function sumsBelow(x: Tensor, dependent: ReadonlySet<Tensor>): Set<Tensor> {
  const holds = new Set<Tensor>();
  const seen = new Set<Tensor>([x]);
  // What is added to a set while it is walked through is visited too.
  for (const { operation } of seen) {
    switch (operation?.primitive) {
      case "add":
      case "sub":
      case "neg":
      case "reshape":
      case "permute":
      case "mul":
        for (const input of operation.inputs) if (dependent.has(input)) seen.add(input);
    }
  }
  // Inputs are made before results.
  const order = [...seen].sort((a, b) => a.id - b.id);
  for (const y of order) {
    const primitive = y.operation?.primitive;
    const passes = primitive === "neg" || primitive === "reshape" || primitive === "permute" ||
      primitive === "mul";
    const isSum = primitive === "add" || primitive === "sub";
    if (
      isSum && !followsFromOther(y.operation!.inputs, dependent) ||
      passes && y.operation!.inputs.some((input) => holds.has(input))
    ) holds.add(y);
  }
  return holds;
}

/**
 * The sum of all elements of `x·weights` for an `x` that was made of `vector` by a linear function, with each term of a sum
 * in `x` multiplied and summed by itself.
 *
 * For one-hot `weights` that is one element of each term, and a term that is a contraction then computes no other: inside
 * `vmap` over all one-hot weights, the terms' other elements are never there. Taken of the whole sum, every element of it
 * would be computed first.
 */
export function innerProduct(x: Tensor, vector: Tensor, weights: Tensor): Tensor {
  const dependent = new Set(stepsBetween([vector], [x]).map(({ output }) => output));
  const holds = sumsBelow(x, dependent);
  const terms: Tensor[] = [];
  const stack: [Tensor, Tensor][] = [[x, weights]];
  while (stack.length > 0) {
    const [y, factor] = stack.pop()!;
    if (!holds.has(y) || terms.length + stack.length >= mostTerms) {
      terms.push(sum(mul(y, factor), range(y.rank)));
      continue;
    }
    const { primitive, params, inputs } = y.operation!;
    switch (primitive) {
      case "add":
        stack.push([inputs[1], factor], [inputs[0], factor]);
        break;
      case "sub":
        stack.push([inputs[1], neg(factor)], [inputs[0], factor]);
        break;
      case "neg":
        stack.push([inputs[0], neg(factor)]);
        break;
      case "reshape":
        stack.push([inputs[0], reshape(factor, inputs[0].shape)]);
        break;
      case "permute": {
        const { permutation } = params as PrimitiveParams["permute"];
        stack.push([inputs[0], unpermute(factor, permutation)]);
        break;
      }
      case "mul": {
        const at = inputs.findIndex((input) => holds.has(input));
        stack.push([inputs[at], mul(inputs[1 - at], factor)]);
        break;
      }
    }
  }
  return sumInPairs(terms);
}
